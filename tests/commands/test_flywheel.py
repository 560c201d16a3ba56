"""``feilun turn --estimate``, ``feilun review`` and what the console is told of the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import StartServer
from tests.flywheel.tiny import FACTS, correct, make_turn, make_workspace

from feilun.flywheel.recipe import TurnRecipe
from feilun.flywheel.turn import KIND
from feilun.jobs import Job, list_jobs
from feilun.registry import SMALLEST, Registry, Release
from feilun.store import LOCAL_OWNER, Store
from feilun.store.reviews import decide, items, take
from feilun.workspace import Workspace

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    made = Workspace(tmp_path / "workspace").path
    correct(made, FACTS)
    return made


def test_an_estimate_begins_nothing(run: Run, workspace: Path) -> None:
    said = run("-w", workspace, "turn", "--estimate")
    assert said.returncode == 0, said.stderr
    assert "Nothing is accepted yet" in said.stdout
    assert json.loads(run("-w", workspace, "turn", "--estimate", "--json").stdout) is None
    said = run("-w", workspace, "turn", "--estimate", "--yes")
    assert "8 items (8 of them wait for review)" in said.stdout
    assert "Of 8 corrected questions about 7" in said.stdout
    assert "8 个被更正的问题" in run("-w", workspace, "turn", "--estimate", "--yes", FEILUN_LANG="zh").stdout
    states = {row["state"] for row in json.loads(run("-w", workspace, "review", "list", "--json").stdout)}
    assert states == {"pending"}
    assert not list(workspace.glob("runs/*"))


def test_an_unknown_rule_stops_a_turn_before_it_begins(run: Run, workspace: Path) -> None:
    (workspace / "flywheel.toml").write_text('[review]\naccept = ["everybody"]\n')
    for language, told in (("en", "review.accept.0"), ("zh", "应为")):
        refused = run("-w", workspace, "turn", "--yes", FEILUN_LANG=language)
        assert refused.returncode == 1
        assert told in refused.stderr
        assert "praised-by-two" in refused.stderr
    assert not list(workspace.glob("runs/*"))


def test_the_list_and_the_console_describe_an_item_alike(
    run: Run, workspace: Path, start_server: StartServer
) -> None:
    correct(workspace, [("Where?", "In Nanjing, call 13812345678.")], user="ann")
    rows = json.loads(run("-w", workspace, "review", "list", "--json", "--state", "pending").stdout)
    server = start_server(workspace, ready=False)
    server.wait_until_up()
    with server.client() as client:
        shown = client.get("/api/flywheel/items").json()["data"]
        overview = client.get("/api/flywheel").json()
    assert rows == shown
    assert {row["id"]: row["personal"] for row in rows if row["user"] == "ann"} == {
        rows[-1]["id"]: ["mobile"]
    }
    assert {row["kind"] for row in rows} == {"correction"}
    estimate = overview["estimate"]
    assert (estimate["items"], estimate["waiting"], len(estimate["words"])) == (9, 9, 4)
    same = json.loads(run("-w", workspace, "turn", "--estimate", "--yes", "--json").stdout)
    assert same == {key: value for key, value in estimate.items() if key != "words"}


def states(run: Run, workspace: Path) -> set[str]:
    return {row["state"] for row in json.loads(run("-w", workspace, "review", "list", "--json").stdout)}


def taken_by(workspace: Path, model: str) -> Job:
    """A turn of ``model`` that was killed when it had taken all."""
    recipe = {"model": model, **TurnRecipe().model_dump(mode="json")}
    job = Job.create(workspace / "runs", KIND, KIND, recipe, argv=["feilun", "turn"])
    store = Store(workspace / "feilun.db")
    with store.writing() as session:
        for item in items(session):
            decide(session, item.id, "accept", reviewer=LOCAL_OWNER)
        take(session, job.id, per_user=5, least=1)
    store.close()
    return job


def far(workspace: Path, *, default: bool) -> None:
    release = Release(name="far", kind="upstream", source="http://127.0.0.1:9/v1")
    Registry(Workspace(workspace)).add(release, make_default=default)


def test_what_answers_elsewhere_is_refused_before_anything_is_taken(run: Run, workspace: Path) -> None:
    far(workspace, default=True)
    for options in (["--yes"], ["--estimate"], ["--model", "far"]):
        refused = run("-w", workspace, "turn", *options)
        assert refused.returncode == 1
        assert "far answers on another server and cannot learn" in " ".join(refused.stderr.split())
    assert "无法在此学习" in run("-w", workspace, "turn", FEILUN_LANG="zh").stderr
    assert states(run, workspace) == {"pending"}
    assert list_jobs(workspace / "runs") == []


def test_an_unfinished_turn_is_told_of_and_may_be_given_up(run: Run, workspace: Path) -> None:
    far(workspace, default=False)
    job = taken_by(workspace, "far")
    (workspace / "other.toml").write_text("[train]\nepochs = 1\n")
    for options in (["--model", SMALLEST.name], [workspace / "other.toml"]):
        refused = run("-w", workspace, "turn", *options)
        assert refused.returncode == 1
        assert f"{job.id} of far" in refused.stderr
        assert "--discard" in refused.stderr
    (workspace / "flywheel.toml").write_text("[train]\nepochs = 1\n")
    goes_on = run("-w", workspace, "turn", "--yes")
    assert f"Going on with the turn {job.id} of far, begun 20" in goes_on.stderr
    assert "keeps the recipe" in goes_on.stderr
    assert "cannot learn here" in " ".join(goes_on.stderr.split())
    assert (states(run, workspace), job.state) == ({"taken"}, "failed")
    given_up = run("-w", workspace, "turn", "--discard")
    assert given_up.stdout == f"The turn {job.id} is given up. What it took (8) waits for another one.\n"
    assert (states(run, workspace), job.state) == ({"accepted"}, "finished")
    again = run("-w", workspace, "turn", "--discard", FEILUN_LANG="zh")
    assert (again.returncode, "没有未完成的轮次" in again.stderr) == (1, True)


def test_a_turn_stops_after_the_step_that_was_named(run: Run, workspace: Path) -> None:
    for step, made in (("collect", False), ("build", True)):
        done = run("-w", workspace, "turn", "--yes", "--until", step, "--json")
        assert done.returncode == 0, done.stderr
        assert "Go on with: feilun turn" in done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["event"] == "stopped"
        (job,) = list_jobs(workspace / "runs")
        assert ((workspace / "datasets" / job.id).exists(), states(run, workspace)) == (made, {"taken"})
    assert run("-w", workspace, "turn", "--until", "promote").returncode == 2


def test_the_console_gives_an_unfinished_turn_up(
    run: Run, workspace: Path, start_server: StartServer
) -> None:
    job = taken_by(workspace, SMALLEST.name)
    server = start_server(workspace, ready=False)
    server.wait_until_up()
    with server.client() as client:
        overview = client.get("/api/flywheel").json()
        assert (overview["unfinished"], overview["turns"][0]["discarded"]) == (job.id, False)
        path = f"/api/flywheel/turns/{job.id}/discard"
        assert client.post(path, headers={"Origin": "http://elsewhere.example"}).status_code == 403
        assert client.post("/api/flywheel/turns/another/discard").status_code == 409
        assert client.post(path).json() == {"id": job.id, "items": 8}
        again = client.post(path)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "no_unfinished_turn")
        overview = client.get("/api/flywheel").json()
    assert (overview["unfinished"], overview["items"]["accepted"]) == (None, 8)
    assert (overview["turns"][0]["state"], overview["turns"][0]["discarded"]) == ("finished", True)


@pytest.mark.slow
@pytest.mark.xdist_group("turns")
@pytest.mark.timeout(300)
def test_a_turn_does_what_was_estimated_and_the_next_estimate_knows_what_it_took(
    run: Run, tmp_path: Path
) -> None:
    workspace = make_workspace(tmp_path)
    with (workspace / "flywheel.toml").open("a") as recipe:
        recipe.write('[review]\naccept = ["owner-corrections"]\n')
    correct(workspace, FACTS)
    estimate = json.loads(run("-w", workspace, "turn", "--estimate", "--json").stdout)
    assert (estimate["items"], estimate["waiting"], estimate["turns"]) == (8, 0, 0)
    done = make_turn(workspace, "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    last = {event["event"]: event for event in events}
    assert last["accepted"]["by_rule"] == {"owner-corrections": 8}
    assert last["collected"]["items"] == estimate["items"]
    assert (last["built"]["sft"], last["built"]["asked"]) == (estimate["examples"], estimate["corrected"])
    assert last["step"]["steps"] == estimate["steps"]
    asked = {event["release"]: event["steps"] for event in events if event["event"] == "asked"}
    assert sum(asked.values()) == estimate["questions"]
    assert last["cost"]["seconds"] <= last["finished"]["time"] - last["started"]["time"]
    rows = json.loads(run("-w", workspace, "review", "list", "--json").stdout)
    assert {row["reviewer"] for row in rows} == {"rule:owner-corrections"}
    correct(workspace, [(f"{question} ", answer) for question, answer in FACTS])  # the same again
    again = json.loads(run("-w", workspace, "turn", "--estimate", "--json").stdout)
    assert (again["turns"], again["judged"], again["passed"]) == (1, 1, 1)
    took = last["artifact"]["time"] - last["built"]["time"]
    assert again["train_s"] == pytest.approx(took * again["steps"] / estimate["steps"], rel=0.05)
    assert again["right"] >= estimate["right"]
