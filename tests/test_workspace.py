"""Folders, manifests, locks: what a crash, a full disk and a second process may do to them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feilun.text import FeilunError
from feilun.workspace import (
    MANIFEST,
    Manifest,
    Workspace,
    new_artifact,
    sha256_file,
    write_atomically,
)


def run_until(marker: str, code: str, *args: str | Path) -> subprocess.Popen[str]:
    """A Python process that has printed ``marker`` and goes on."""
    command = [sys.executable, "-c", code, *(str(arg) for arg in args)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    while (line := process.stdout.readline().strip()) != marker:
        assert line, f"it ended without {marker}"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe
        pipe.close()


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


# --- artifacts ---------------------------------------------------------------------------------------------

HALF_MADE = """
import sys, time
from pathlib import Path
from feilun.workspace import new_artifact
print("asking", flush=True)
with new_artifact(Path(sys.argv[1])) as draft:
    (draft / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_an_artifact_appears_when_it_is_whole(tmp_path: Path) -> None:
    with new_artifact(tmp_path / "a") as draft:
        (draft / "deep").mkdir()
        (draft / "deep" / "file").write_text("x")
        assert visible(tmp_path) == []
    assert (tmp_path / "a" / "deep" / "file").read_text() == "x"
    assert visible(tmp_path) == ["a"]


def test_an_artifact_whose_making_fails_is_not_seen_and_leaves_no_files(tmp_path: Path) -> None:
    def interrupted() -> None:
        with new_artifact(tmp_path / "a") as draft:
            (draft / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_an_artifact_whose_maker_is_killed_is_not_seen_and_its_leftovers_are_swept(tmp_path: Path) -> None:
    kill(run_until("writing", HALF_MADE, tmp_path / "a"))
    assert visible(tmp_path) == []
    assert any(path.is_dir() for path in tmp_path.iterdir())  # there is something to sweep
    with new_artifact(tmp_path / "a") as draft:
        (draft / "whole").write_text("x")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["a"]
    assert visible(tmp_path / "a") == ["whole"]


def test_a_killed_replacement_leaves_the_old_artifact(tmp_path: Path) -> None:
    with new_artifact(tmp_path / "a") as draft:
        (draft / "old").write_text("x")
    kill(run_until("writing", HALF_MADE, tmp_path / "a"))
    assert visible(tmp_path / "a") == ["old"]


def test_a_replaced_artifact_is_the_new_one_alone(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with new_artifact(tmp_path / "a") as draft:
            (draft / name).write_text("x")
    assert visible(tmp_path / "a") == ["new"]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["a"]


def test_a_half_removed_artifact_is_never_seen_while_it_is_replaced(tmp_path: Path) -> None:
    folder, size = tmp_path / "a", 500

    def make() -> None:
        with new_artifact(folder) as draft:
            for number in range(size):
                (draft / str(number)).mkdir()

    def replace() -> None:
        for _ in range(3):
            make()

    make()
    sizes: set[int] = set()
    replacing = threading.Thread(target=replace)
    replacing.start()
    while replacing.is_alive():
        with contextlib.suppress(FileNotFoundError):  # between two artifacts there may be none
            before = folder.stat().st_ino
            names = list(folder.iterdir())
            if folder.stat().st_ino == before:  # the folder of that name is still the one that was read
                sizes.add(len(names))
    replacing.join()
    assert sizes == {size}


@pytest.mark.parametrize(("one", "other"), [("model", "model.q4"), ("model.q4", "model"), ("a[b]", "ab")])
def test_artifacts_of_similar_names_are_made_side_by_side(tmp_path: Path, one: str, other: str) -> None:
    with new_artifact(tmp_path / one) as draft:
        (draft / "file").write_text("one")
        with new_artifact(tmp_path / other) as second:
            (second / "file").write_text("other")
    assert (tmp_path / one / "file").read_text() == "one"
    assert (tmp_path / other / "file").read_text() == "other"


def test_the_same_artifact_is_made_by_one_process_at_a_time(tmp_path: Path) -> None:
    first = run_until("writing", HALF_MADE, tmp_path / "a")
    second = run_until("asking", HALF_MADE, tmp_path / "a")
    assert second.stdout
    assert select.select([second.stdout], [], [], 0.5)[0] == []  # it waits
    kill(first)
    assert second.stdout.readline() == "writing\n"  # its turn, without any help
    kill(second)


# --- manifests ---------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab飞", max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    parents=st.lists(st.just("sha256:00"), max_size=2),
    recipe=st.dictionaries(st.text("ab", max_size=2), JSON, max_size=3),
)
def test_a_manifest_is_read_as_it_was_written(
    tmp_path: Path, name: str, parents: list[str], recipe: dict[str, object]
) -> None:
    manifest = Manifest(
        kind="model", id="sha256:ab", name=name, parents=parents, recipe=recipe, files={"f": "sha256:ab"}
    )
    write_atomically(tmp_path / MANIFEST, manifest.model_dump_json(indent=2))
    assert Manifest.read(tmp_path) == manifest


def test_a_manifest_says_what_made_it_and_when() -> None:
    manifest = Manifest(kind="model", id="sha256:ab", name="m")
    assert manifest.code.startswith("feilun ")
    assert manifest.created.endswith("Z")


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"kind": "model"}', '{"kind": 1, "id": "x", "name": "y"}', "\xff"]
)
def test_a_missing_or_broken_manifest_is_one_clear_line(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(FeilunError) as refused:
        Manifest.read(tmp_path)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_files_hash_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "f") == expected


# --- small files and locks ---------------------------------------------------------------------------------


def test_a_small_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "file"
    write_atomically(path, "old")
    write_atomically(path, "新", mode=0o600)
    assert path.read_text(encoding="utf-8") == "新"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_text_and_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "file", "half \ud800")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


REWRITE = """
import sys
from pathlib import Path
from feilun.workspace import write_atomically
print("writing", flush=True)
for number in range(10**9):
    write_atomically(Path(sys.argv[1]), str(number % 10) * 100_000)
"""


def test_a_reader_never_sees_a_file_between_two_texts(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "0" * 100_000)
    writer = run_until("writing", REWRITE, path)
    seen = {path.read_text() for _ in range(200)}
    kill(writer)
    seen.add(path.read_text())
    assert all(text == text[0] * 100_000 for text in seen)


COUNT_UP = """
import sys
from pathlib import Path
from feilun.workspace import locked
print("counting", flush=True)
sys.stdin.readline()
for _ in range(500):
    with locked(Path(sys.argv[1]) / "lock"):
        file = Path(sys.argv[1]) / "count"
        file.write_text(str(int(file.read_text()) + 1))
"""


def test_a_lock_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    counting = [run_until("counting", COUNT_UP, tmp_path) for _ in range(2)]
    for process in counting:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(30) for process in counting] == [0, 0]
    assert (tmp_path / "count").read_text() == "1000"


# --- the workspace of a server -----------------------------------------------------------------------------

SERVE = """
import sys, time
from pathlib import Path
from feilun.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
with workspace.serving():
    if len(sys.argv) > 2:
        workspace.announce(sys.argv[2])
    print("serving", flush=True)
    sys.stdin.readline()
"""

URL = "http://127.0.0.1:8765"


def test_one_server_at_a_time_and_the_second_is_told_where_the_first_is(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    server = run_until("serving", SERVE, workspace.path, URL)
    with pytest.raises(FeilunError) as refused, workspace.serving():
        pass
    assert refused.value.code == "workspace_in_use"
    assert URL in str(refused.value)
    assert workspace.address() == URL  # the refusal took nothing from the first
    kill(server)


def test_the_address_is_known_while_a_server_runs_and_not_after_it_has_ended(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    assert workspace.address() is None
    server = run_until("serving", SERVE, workspace.path, URL)
    assert workspace.address() == URL
    server.communicate("stop\n", timeout=20)
    assert workspace.address() is None
    assert "server.json" not in visible(workspace.path)


def test_a_killed_server_leaves_no_lock_and_no_address(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    kill(run_until("serving", SERVE, workspace.path, URL))
    assert (workspace.path / "server.json").exists()
    assert workspace.address() is None
    with workspace.serving():
        pass


def test_the_address_of_a_killed_server_is_not_taken_for_that_of_the_next(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    kill(run_until("serving", SERVE, workspace.path, URL))
    loading = run_until("serving", SERVE, workspace.path)  # holds the workspace, listens on nothing yet
    assert workspace.address() is None
    kill(loading)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"url": 1'])
def test_a_broken_address_file_counts_as_none(tmp_path: Path, text: str) -> None:
    workspace = Workspace(tmp_path / "w")
    server = run_until("serving", SERVE, workspace.path, URL)
    (workspace.path / "server.json").write_text(text)
    assert workspace.address() is None
    kill(server)


def test_asking_for_the_address_does_not_keep_a_server_from_starting(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    write_atomically(workspace.path / "server.json", json.dumps({"url": URL}))
    asking = run_until(
        "asking",
        "import sys\nfrom pathlib import Path\nfrom feilun.workspace import Workspace\n"
        "print('asking', flush=True)\nwhile True: Workspace(Path(sys.argv[1])).address()",
        workspace.path,
    )
    for _ in range(20):
        with workspace.serving():
            pass
    kill(asking)


# --- folders that cannot be used ---------------------------------------------------------------------------


def test_a_new_workspace_is_for_its_owners_eyes(tmp_path: Path) -> None:
    assert Workspace(tmp_path / "deep" / "w").path.stat().st_mode & 0o777 == 0o700


def test_the_environment_names_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEILUN_WORKSPACE", str(tmp_path / "w"))
    assert Workspace().path == tmp_path / "w"
    assert Workspace(tmp_path / "other").path == tmp_path / "other"


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "w"):
        with pytest.raises(FeilunError) as refused:
            Workspace(path)
        assert refused.value.code == "workspace_not_writable"
        assert str(path) in str(refused.value)


def test_a_folder_one_may_not_write_is_refused(tmp_path: Path, as_nobody: Callable[..., str]) -> None:
    assert "workspace_not_writable" in as_nobody(
        "from pathlib import Path\nfrom feilun.text import FeilunError\nfrom feilun.workspace import Workspace\n"
        "try: Workspace(Path('/etc'))\nexcept FeilunError as error: print(error.code)"
    )


@pytest.fixture
def as_nobody() -> Callable[..., str]:
    """Run Python code as a user without rights; the tests' own user may be root, who may write anywhere."""

    def run(code: str) -> str:
        drop = "" if os.geteuid() else "import os; os.setgid(65534); os.setuid(65534)\n"
        # Everything is imported before the rights are dropped: they may not reach the sources.
        code = f"import feilun.workspace\n{drop}{code}"
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    return run


@pytest.mark.parametrize(
    "name", ["with space", "100%", "what?", "a#b", "飞轮", "[b]", "a'b\"c", "a&b=c", "~x"]
)
def test_the_database_lies_in_the_workspace_whatever_its_name(tmp_path: Path, name: str) -> None:
    from feilun.store import Store

    workspace = Workspace(tmp_path / name)
    Store(workspace.database).close()
    assert (workspace.path / "feilun.db").exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]
