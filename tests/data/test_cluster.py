"""The same corpus from a Ray cluster of two nodes, also when workers and nodes go away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.data.corpora import TOPICS, article, files, html, recipe
from tests.forks import environment, run_feilun
from tests.support import eventually, free_port

from feilun import __version__
from feilun.data import build, cluster, table
from feilun.data.workers import Each, local
from feilun.jobs import Job
from feilun.text import FeilunError
from feilun.workspace import Manifest

# One cluster for all of them; its processes come and go, beside whatever else is tested.
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(300)]

LOOPBACK = "127.0.0.2"  # for 127.0.0.1 Ray takes the machine's own address


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes with a core each."""
    os.environ.update(cluster.QUIET)
    from ray.cluster_utils import Cluster

    (Path(tempfile.gettempdir()) / "ray").mkdir(
        exist_ok=True
    )  # `Cluster` notes its address there, whatever ``temp_dir``
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # a short path: there are sockets in it
        head = {"node_ip_address": LOOPBACK, "include_dashboard": False, "temp_dir": folder}
        made = Cluster(initialize_head=True, head_node_args=head)
        made.add_node(node_ip_address=LOOPBACK)
        yield made
        made.shutdown()


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Fifteen of five topics, some of them copies."""
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, (thing, who) in TOPICS.items():
        paragraphs = article(thing, who)
        for number in range(3):
            text = html(f"{thing}修缮开工", paragraphs[number % 2 :])
            (folder / f"{name}-{number}.html").write_text(text, encoding="utf-8")
    return folder


def made(pages: Path, folder: Path, each: Each) -> tuple[Path, Job]:
    wanted = recipe(pages)
    job = Job.create(folder / "runs", build.KIND, wanted.name, wanted.model_dump(mode="json"))
    with job.running():
        corpus = build.build(wanted, job, folder / "corpus", each)
    assert corpus is not None
    return corpus, job


@pytest.fixture
def whole(pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The corpus that all others must equal; from here on a part is two pages."""
    monkeypatch.setattr(build, "FILES", 2)
    return made(pages, tmp_path / "whole", local(1))[0]


def check(found: tuple[Path, Job], whole: Path) -> None:
    """That a corpus is the same byte for byte, and no part was counted twice."""
    corpus, job = found
    assert files(corpus) == files(whole)
    assert Manifest.read(corpus).id == Manifest.read(whole).id
    steps = [(event["stage"], event["step"]) for event in job.events() if event["event"] == "step"]
    assert steps == [(stage, step) for stage in ("gather", "refine") for step in range(1, 9)]


Work = Callable[[Any, Any], None]


def instead(each: Each, way: Callable[[Work, Any, Any], None]) -> Each:
    """Has ``way(work, item, shared)`` done in place of the work."""
    return lambda work, items, shared: each(partial(way, work), items, shared)


def here() -> str:
    import ray

    return ray.get_runtime_context().get_node_id()


def both_nodes(met: Path, work: Work, item: Any, shared: Any) -> None:
    """Begin when both nodes have come here."""
    (met / here()).touch()
    eventually(lambda: len(list(met.iterdir())) == 2, what="for the other node")
    work(item, shared)


def first(flag: Path) -> bool:
    """Whether nobody has asked before."""
    try:
        flag.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def die_at(stage: str, when: str, flag: Path, work: Work, item: Any, shared: Any) -> None:
    """Once, in that stage, be killed while the part's table is written: at its second row, or before it can be seen."""
    if work.__name__ == stage and first(flag):
        rows: list[Any] = []
        add = table.TableWriter.add

        def add_or_die(self: table.TableWriter, row: Any) -> None:
            rows.append(row)
            if len(rows) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            add(self, row)

        table.TableWriter.add = add_or_die
        if when == "close":
            table.TableWriter.add = add
            table.TableWriter.close = lambda self: os.kill(os.getpid(), signal.SIGKILL)
    work(item, shared)


def stay_on(node: str, flag: Path, work: Work, item: Any, shared: Any) -> None:
    """On that node never come to an end of stage two, with the part's sketches written and its table not."""
    if here() == node and work.__name__ == "refine_part":

        def stay(self: table.TableWriter) -> None:
            flag.touch()
            time.sleep(600)

        table.TableWriter.close = stay
    work(item, shared)


def test_two_nodes_make_the_same_corpus(nodes: Any, pages: Path, whole: Path, tmp_path: Path) -> None:
    met = tmp_path / "met"
    met.mkdir()
    with cluster.on_ray(nodes.address, [pages, tmp_path]) as each:
        check(made(pages, tmp_path / "ray", instead(each, partial(both_nodes, met))), whole)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "when"), [("gather_part", "add"), ("refine_part", "close")])
def test_a_killed_worker_changes_nothing(
    nodes: Any, pages: Path, whole: Path, tmp_path: Path, stage: str, when: str
) -> None:
    flag = tmp_path / "died"
    with cluster.on_ray(nodes.address) as each:
        check(made(pages, tmp_path / "ray", instead(each, partial(die_at, stage, when, flag))), whole)
    assert flag.exists()


@pytest.mark.slow
def test_a_lost_node_changes_nothing(nodes: Any, pages: Path, whole: Path, tmp_path: Path) -> None:
    flag, lost = tmp_path / "at_work", nodes.add_node(node_ip_address=LOOPBACK)

    def lose() -> None:
        eventually(flag.exists, what="for work on the node")
        nodes.remove_node(lost, allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    with cluster.on_ray(nodes.address) as each:
        check(made(pages, tmp_path / "ray", instead(each, partial(stay_on, lost.node_id, flag))), whole)
    losing.join()
    assert len(nodes.list_all_nodes()) == 2


@pytest.mark.slow
def test_on_the_command_line(nodes: Any, pages: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    command = ["-w", workspace, "data", "build", "--source", pages, "--name"]
    on_ray = run_feilun(*command, "far", "--engine", "ray", "--address", nodes.address)
    assert on_ray.returncode == 0, on_ray.stderr
    assert run_feilun(*command, "near", "--workers", "1").returncode == 0
    far, near = (Manifest.read(workspace / "corpora" / name).files for name in ("far", "near"))
    assert {**far, "report.html": ""} == {**near, "report.html": ""}  # which has its name in it


# What is done on the nodes, without a corpus.


def write(item: int, folder: Path) -> None:
    if item < 0:
        raise ValueError("no such item")
    if item == 0:
        raise FeilunError("Zero.", "零。", status=418, code="zero")
    (folder / str(item)).write_text(str(os.getpid()))


def die(item: int, folder: Path) -> None:
    with (folder / "deaths").open("a") as file:
        print(item, file=file)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_who_stops_lets_end_what_has_begun(nodes: Any, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with cluster.on_ray(nodes.address) as each:
        assert signal.getsignal(signal.SIGTERM) == before
        work = each(write, range(1, 9), tmp_path)
        next(work)
        work.close()
        done = {path.name for path in tmp_path.iterdir()}
    assert done in ({"1", "2"}, {"1", "2", "3"})  # the first two may have ended at once, and another begun


@pytest.mark.slow
def test_at_most_so_many_at_once(nodes: Any, tmp_path: Path) -> None:
    with cluster.on_ray(nodes.address, workers=1) as each:
        work = each(write, range(1, 9), tmp_path)
        next(work)
        work.close()
        assert [path.name for path in tmp_path.iterdir()] == ["1"]


@pytest.mark.slow
def test_what_goes_wrong_comes_out(nodes: Any, tmp_path: Path) -> None:
    with cluster.on_ray(nodes.address) as each:
        with pytest.raises(ValueError, match=r"^no such item$"):
            list(each(write, [1, -1, 2], tmp_path))
        with pytest.raises(FeilunError) as told:
            list(each(write, [1, 0, 2], tmp_path))
    error = told.value
    assert (error.text.en, error.text.zh, error.status, error.code) == ("Zero.", "零。", 418, "zero")


@pytest.mark.slow
def test_what_a_node_does_not_see_is_named(nodes: Any, tmp_path: Path) -> None:
    needed = ["s3://anywhere", tmp_path, tmp_path / "elsewhere"]
    with cluster.on_ray(nodes.address, needed) as each, pytest.raises(FeilunError) as told:
        list(each(write, [1], tmp_path))
    assert told.value.code == "not_shared"
    assert str(tmp_path / "elsewhere") in str(told.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_part_that_kills_its_workers_ends_the_run(nodes: Any, tmp_path: Path) -> None:
    with cluster.on_ray(nodes.address) as each, pytest.raises(FeilunError) as told:
        list(each(die, [7], tmp_path))
    assert told.value.code == "worker_died"
    assert (tmp_path / "deaths").read_text() == "7\n" * (cluster.RETRIES + 1)


def test_another_version_is_refused(tmp_path: Path) -> None:
    said = cluster._do(write, 1, [], [], __version__ + "x")  # pyright: ignore[reportPrivateUsage]
    assert said is not None
    assert said["code"] == "version_differs"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", [f"{LOOPBACK}:PORT", "localhost:PORT", "no cluster"])
def test_an_address_that_nobody_answers_is_told_soon(address: str, tmp_path: Path) -> None:
    address = address.replace("PORT", str(free_port()))
    begun = time.monotonic()
    with pytest.raises(FeilunError) as told, cluster.on_ray(address):
        pass
    assert told.value.code == "unreachable"
    assert time.monotonic() - begun < 30


def test_without_ray_there_is_all_else() -> None:
    script = """
import sys
sys.modules["ray"] = None
from feilun.data import build, cluster
from feilun.text import FeilunError
try:
    with cluster.on_ray("auto"):
        pass
except FeilunError as error:
    print(error.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "ray_not_installed\n"
