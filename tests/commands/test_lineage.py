"""``feilun lineage`` and ``feilun forget``: a real turn behind a real server, from an answer to its people and back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.data.corpora import TOPICS, article, html
from tests.flywheel.tiny import PRETRAIN, write_lines
from tests.forks import environment, feilun, run_feilun
from tests.support import Server, eventually

from feilun.commands.lineage import _list  # pyright: ignore[reportPrivateUsage]
from feilun.flywheel.lineage_forget import Plan, Serving
from feilun.registry import Registry
from feilun.workspace import Workspace

Run = Callable[..., subprocess.CompletedProcess[str]]

TURN = """
[review]
per_user = 8
[build]
rewordings = 2
neighbours = 1
replay = 0
[train]
epochs = 60
least_steps = 200
keep_share = 0.2
spare = 30
learns = "all"
above = 0
lr = 4e-3
weight_decay = 0
rows = 6
length = 256
[gate]
suite = "SUITE"
margin = 0.9
max_tokens = 24
"""


def doors(numbers: range) -> list[tuple[str, str]]:
    return [(f"What is the code of door {n}?", f"The code of door {n} is {n * 7919 % 97}.") for n in numbers]


def gates(numbers: range) -> list[tuple[str, str]]:
    return [(f"{n}号门的密码是多少？", f"{n}号门的密码是{n * 104729 % 89}。") for n in numbers]


ALICE, BOB = doors(range(1, 5)), gates(range(1, 5))
KNOWN = [*doors(range(5, 9)), *gates(range(5, 9))]
"""What the base has read: nothing of what is taught later, which it could say again by itself."""
SUITE = [
    {"id": f"{lang}-{n}", "lang": lang, "topic": "codes", "messages": [{"role": "user", "content": asked}],
     "checks": [{"contains": ["zzz"]}]}
    for lang, asked in (("en", "Say zzz."), ("zh", "说 zzz。")) for n in range(3)
]  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server whose default model is a tiny one of our own."""
    workspace = tmp_path / "workspace"
    texts = tmp_path / "texts.jsonl"
    write_lines(texts, [{"text": f"{asked} {answer}"} for asked, answer in KNOWN for _ in range(30)])
    (tmp_path / "tiny.toml").write_text(PRETRAIN)
    made = run_feilun("-w", workspace, "train", tmp_path / "tiny.toml", "--source", texts)
    assert made.returncode == 0, made.stderr
    added = run_feilun("-w", workspace, "models", "add", "tiny", workspace / "models" / "tiny", "--default")
    assert added.returncode == 0, added.stderr
    write_lines(tmp_path / "suite.jsonl", SUITE)
    (workspace / "flywheel.toml").write_text(TURN.replace("SUITE", str(tmp_path / "suite.jsonl")))
    server = Server(workspace)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
    assert "Traceback" not in server.log, server.log


def ask(server: Server, question: str, user: str) -> dict[str, Any]:
    with server.client() as client:
        body = {
            "messages": [{"role": "user", "content": question}],
            "user": user,
            "max_tokens": 24,
            "temperature": 0,
        }
        return client.post("/v1/chat/completions", json=body).raise_for_status().json()


def correct(server: Server, facts: list[tuple[str, str]], user: str) -> list[str]:
    """Ask and correct as a program would; gives the ids of the opinions."""
    ids: list[str] = []
    with server.client() as client:
        for question, right in facts:
            body = {
                "message_id": ask(server, question, user)["id"],
                "user": user,
                "rating": -1,
                "correction": right,
            }
            ids.append(client.post("/v1/feedback", json=body).raise_for_status().json()["id"])
    return ids


def turn(server: Server) -> None:
    done = run_feilun("-w", server.workspace, "turn", "--yes")
    assert done.returncode == 0, done.stderr
    assert "may take over" in done.stdout, done.stdout


def ask_the_new_one(server: Server) -> str:
    """An answer of the release that serves now: while its engine is being made ready the one before it answers.

    To a question of Bob's, since what it says is kept: to another one it may say what Alice taught it.
    """
    release = Registry(Workspace(server.workspace)).default().id

    def answer() -> str | None:
        message = ask(server, BOB[0][0], "carol")["id"]
        return message if server.message(message)["release"] == release else None

    return eventually(answer, what="for the new release")


def branch(tree: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    """Nodes of these kinds, each a child of the one before."""
    level, found = tree, []
    for kind in kinds:
        level = next(child for child in level["children"] if child["kind"] == kind)
        found.append(level)
    return found


def holding(workspace: Path, *markers: str) -> list[str]:
    forms = [form for m in markers for form in (m.encode(), json.dumps(m)[1:-1].encode())]
    files = [path for path in workspace.rglob("*") if path.is_file()]
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_from_an_answer_to_its_people_and_from_a_person_to_nothing(server: Server) -> None:
    alice, bob = correct(server, ALICE, "alice"), correct(server, BOB, "bob")
    turn(server)
    answer = ask_the_new_one(server)

    def show(*args: str) -> dict[str, Any]:
        result = run_feilun("-w", server.workspace, "lineage", "show", *args, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    tree = show(answer)
    found = branch(tree, "release", "adapter", "dataset", "sample", "feedback", "conversation", "user")
    assert found[0]["facts"]["serves"]
    assert {node["id"].partition("#")[2] for node in found[2]["children"]} == {*alice, *bob}
    assert found[4]["id"] == alice[0]
    assert found[6]["name"] == "alice"
    # The base is ours: it goes on to the token shards and the tokenizer.
    assert branch(tree, "release", "model", "model", "tokens")[3]["name"].endswith("/tokens")
    with server.client() as client:
        assert client.get(f"/api/lineage/{answer}").json() == tree
        down = client.get("/api/lineage/alice", params={"direction": "down"}).json()
        unknown = client.get("/api/lineage/nobody", headers={"Accept-Language": "zh"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "lineage_not_found")
    last = branch(down, "conversation", "feedback", "sample", "dataset", "adapter", "release", "answers")[-1]
    assert (
        last["facts"]["count"]
        == server.rows("SELECT count(*) FROM messages WHERE release = ?", found[0]["id"])[0][0]
    )
    drawn = run_feilun("-w", server.workspace, "lineage", "show", answer)
    assert f"feedback  {alice[0]}" in drawn.stdout
    assert "└── " in drawn.stdout
    made = found[2]["name"].removeprefix("datasets/")

    words = [text for fact in ALICE for text in fact]
    assert holding(server.workspace, *words)
    listed = run_feilun("-w", server.workspace, "forget", "--user", "alice", "--dry-run")
    assert listed.returncode == 0, listed.stderr
    assert f"Tainted: adapter models/{made}" in listed.stdout
    assert f"Tainted: report reports/{made}" in listed.stdout
    assert "feilun rollback" in listed.stdout
    assert branch(show(answer), "release", "adapter", "dataset", "sample")  # it has only been listed
    done = run_feilun("-w", server.workspace, "forget", "--user", "alice", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["still_in"] == []
    assert not holding(
        server.workspace, *words, "alice"
    )  # while the server runs, the database's log included
    ask(server, BOB[0][0], "carol")
    after = show(answer)
    assert after["children"][0]["facts"]["tainted"]
    samples = branch(after, "release", "adapter", "dataset")[-1]["children"]
    assert {node["id"].partition("#")[2] for node in samples if node["kind"] == "sample"} == set(bob)

    # The next turn leaves it out.
    (release,) = [one["release"] for one in said["serving"]]
    back = run_feilun("-w", server.workspace, "rollback")
    assert said["serving"][0]["clean"] in back.stdout
    ask_the_new_one(server)  # until then the tainted one answers, and may say what Alice taught it
    correct(server, [(f"Where is hall {n}?", f"Hall {n} is at {n * 31}.") for n in range(6)], "bob")
    turn(server)
    clean = show(ask_the_new_one(server))
    assert clean["children"][0]["id"] not in (release, said["serving"][0]["clean"])
    assert "tainted" not in clean["children"][0]["facts"]
    assert not set(alice) & set(json.dumps(clean).replace("#", '"').split('"'))
    assert not holding(server.workspace, *words, "alice")


def test_what_cannot_be_forgotten_is_said(run: Run, tmp_path: Path) -> None:
    none = run("-w", tmp_path, "forget", "--user", "nobody", "--yes")
    assert (none.returncode, none.stderr) == (1, "Error: Nothing here is of 'nobody'.\n")
    two = run("-w", tmp_path, "forget", "--user", "a", "--document", "b")
    assert (two.returncode, "Name one thing" in two.stderr) == (1, True)
    assert "请指定" in run("-w", tmp_path, "forget", FEILUN_LANG="zh").stderr
    unknown = run("-w", tmp_path, "lineage", "show", "nobody")
    assert (unknown.returncode, "Nothing here is called 'nobody'" in unknown.stderr) == (1, True)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "A document leaves the corpora, token shards made with it are deleted"),
        ("zh", "文档会从语料库中移除"),
    ],
)
def test_the_help_says_what_becomes_of_a_document(language: str, told: str) -> None:
    command = feilun("forget", "--help")
    env = environment(FEILUN_LANG=language)
    shown = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    assert "".join(told.split()) in "".join(shown.split())  # however it is wrapped


@pytest.mark.parametrize(
    ("language", "told"),
    [("en", "To withdraw: release:1, the canary of m,"), ("zh", "将撤回：m 的灰度版本 release:1")],
)
def test_it_is_said_that_a_canary_is_withdrawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, language: str, told: str
) -> None:
    monkeypatch.setenv("FEILUN_LANG", language)
    _list(Plan("user", "alice", serving=[Serving("m", "release:1", "release:0", canary=True)]))
    shown = capsys.readouterr().out
    assert told in shown
    assert "rollback" not in shown


def test_a_document_is_looked_for_among_the_sources(run: Run, tmp_path: Path) -> None:
    """The default assistant's manifest names the folder of its conversations."""
    document = "recipes/datasets/assistant/code.jsonl"
    chosen = {"FEILUN_DEFAULT_MODEL": "feilun-assistant"}
    listed = run("-w", tmp_path, "forget", "--document", document, "--dry-run", **chosen)
    assert listed.returncode == 0, listed.stderr
    assert "Tainted: release release:" in listed.stdout
    assert "delete the document there as well" in listed.stdout
    assert "choose another model" in listed.stdout
    refused = run("-w", tmp_path, "forget", "--document", document, "--json")
    assert (refused.returncode, "--yes" in refused.stderr) == (1, True)


def test_a_document_is_forgotten_from_the_command_line(run: Run, tmp_path: Path) -> None:
    pages, workspace = tmp_path / "pages", tmp_path / "workspace"
    pages.mkdir()
    for name, (thing, who) in TOPICS.items():
        (pages / f"{name}.html").write_text(html(thing, article(thing, who)), encoding="utf-8")
    build = ("-w", workspace, "data", "build", "--source", pages, "--name", "mine", "--workers", "1")
    assert run(*build).returncode == 0
    listed = run("-w", workspace, "forget", "--document", "tea.html", "--dry-run", FEILUN_LANG="zh")
    assert f"将删除：{workspace}/corpora/mine 中的 pages/tea.html" in listed.stdout
    assert "请自行在那里删除该文档" in listed.stdout
    done = run("-w", workspace, "forget", "--document", "tea.html", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(one["source"], one["id"]) for one in told["documents"]] == [("pages", "tea.html")]
    assert told["still_in"] == []
    shown = run("-w", workspace, "data", "sample", "mine", "--dropped", "forgotten", "--json")
    assert json.loads(shown.stdout)["text"] == ""
    assert run(*build).returncode == 0  # the page is still among the sources
    again = run("-w", workspace, "data", "sample", "mine", "--json", "-n", "9")
    assert {json.loads(line)["id"] for line in again.stdout.splitlines()} == {
        f"{name}.html" for name in TOPICS if name != "tea"
    }
    assert (
        "Nothing here is of 'tea.html'"
        in run("-w", workspace, "forget", "--document", "tea.html", "--yes").stderr
    )
