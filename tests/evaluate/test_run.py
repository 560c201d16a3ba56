"""Running a task: several models, failures, going on, judging; and the report of it."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from feilun.evaluate import run
from feilun.evaluate.item import Item
from feilun.evaluate.kept import Given, Kept, Unfinished
from feilun.evaluate.page import page, states
from feilun.evaluate.publish import publish
from feilun.evaluate.questions import Message
from feilun.evaluate.results import Results
from feilun.evaluate.run import Model, run_task
from feilun.evaluate.task import Loaded, Task
from feilun.text import FeilunError
from feilun.workspace import Manifest, sha256_file

EVIL = "</pre><script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_WAITS", (0, 0))


class Fake:
    """A server: what it says to a question is up to the test; it counts what it was asked."""

    def __init__(self, say: Callable[[str, str], str | FeilunError]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self.asked: Counter[tuple[str, str]] = Counter()

    def __call__(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        assert body is not None
        question = body["messages"][-1]["content"]
        with self._lock:
            self.asked[body["model"], question] += 1
        said = self._say(body["model"], question)
        if isinstance(said, FeilunError):
            raise said
        return {"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}


def task(count: int = 6, **changes: Any) -> Loaded:
    """Question n is "n?", its answer n."""
    table: dict[str, Any] = {
        "name": "count",
        "data": ["a"],
        "prompt": "{n}?",
        "scorers": {"number": {}, "ends": {}},
    }
    items = [
        Item(
            id=f"i{n}",
            language="zh" if n % 2 else "en",
            topic="t" if n < 3 else EVIL,
            messages=(Message(role="user", content=f"{n}?"),),
            targets=(str(n),) if n else (),
        )
        for n in range(count)
    ]
    return Loaded(task=Task.model_validate({**table, **changes}), items=items, files=[], total=99)


def models(post: Fake, *names: str) -> list[Model]:
    return [Model(name, post, f"release:{name}") for name in names]


def right_or_not(model: str, question: str) -> str:
    """Model a is always right, b if the number is even."""
    n = int(question[:-1])
    return str(n if model == "a" or n % 2 == 0 else n + 1)


@pytest.fixture
def two(tmp_path: Path) -> Results:
    return run_task(task(), models(Fake(right_or_not), "a", "b"), Unfinished(tmp_path / "u"))


def test_models_are_compared_on_the_same_items(two: Results) -> None:
    a, b = two.figures
    assert (a.all["number"].mean, a.all["number"].scored, a.all["number"].unscorable) == (1.0, 5, 1)
    assert b.all["number"].mean == pytest.approx(2 / 5)
    assert b.by_language["zh"]["number"].mean == 0
    assert b.by_topic["t"]["number"].scored == 2
    assert a.all["ends"].mean == 1
    difference = next(each for each in two.differences if each.scorer == "number")
    assert (difference.before, difference.after, difference.won, difference.lost) == ("a", "b", 0, 3)
    assert difference.difference == pytest.approx(-3 / 5)
    assert [states(two, item) for item in two.items] == [["unscorable"], *[["wrong", "changed"], []] * 2, ["wrong", "changed"]]  # fmt: skip
    assert [model.release for model in two.models] == ["release:a", "release:b"]
    assert (two.total, len(two.items), two.scorers) == (99, 6, ["number", "ends"])


def error(code: str | None = "engine_error") -> FeilunError:
    return FeilunError("no memory", "内存不足", code=code)


def test_one_failing_item_is_unscorable_and_the_rest_goes_on(tmp_path: Path) -> None:
    post = Fake(lambda model, question: error() if question == "3?" else right_or_not("a", question))
    unfinished = Unfinished(tmp_path / "u")
    results = run_task(task(), models(post, "a"), unfinished, concurrency=2)
    (found,) = results.figures
    assert (found.errors, found.all["number"].mean, found.all["number"].unscorable) == (1, 1.0, 2)
    assert found.all["ends"].unscorable == 1
    assert results.items[3].results[0].error == "no memory"
    again = Fake(right_or_not)
    run_task(task(), models(again, "a"), unfinished)
    assert dict(again.asked) == {("a", "3?"): 1}  # what failed is asked again, and nothing else


def test_a_server_that_was_gone_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    times: Counter[str] = Counter()

    def say(model: str, question: str) -> str | FeilunError:
        times[question] += 1
        return error(None) if times[question] < 3 else right_or_not(model, question)

    results = run_task(task(), models(Fake(say), "a"), Unfinished(tmp_path / "u"), concurrency=1)
    assert results.figures[0].errors == 0
    assert set(times.values()) == {3}


@pytest.mark.parametrize("count", [1, 3, 40])
def test_when_most_fail_it_stops_and_keeps_what_it_has(tmp_path: Path, count: int) -> None:
    post = Fake(lambda model, question: "0" if question == "0?" and count > 1 else error())
    with pytest.raises(FeilunError, match=r"requests failed, the last: i.*no memory") as stopped:
        run_task(task(count), models(post, "a"), Unfinished(tmp_path / "u"), concurrency=1)
    assert stopped.value.code == "engine_error"
    assert post.asked.total() <= 7
    again = Fake(right_or_not)
    run_task(task(count), models(again, "a"), Unfinished(tmp_path / "u"))
    assert again.asked.total() == count - (count > 1)


def test_what_no_item_can_have_stops_at_the_first(tmp_path: Path) -> None:
    items = [
        Item(f"i{n}", "", "", (Message(role="user", content=f"{n}?"),), choices=("x", "y")) for n in range(9)
    ]
    loaded = task(solver="first_token", choices=["x", "y"], scorers={"choice": {}})
    post = Fake(right_or_not)
    with pytest.raises(FeilunError, match="gives no log-probabilities"):
        run_task(
            loaded.model_copy(update={"items": items}), models(post, "a"), Unfinished(tmp_path), concurrency=1
        )
    assert post.asked.total() == 1


def test_a_run_goes_on_where_it_was_unless_the_settings_differ(tmp_path: Path) -> None:
    def asked(*, limit: int = 6, release: str = "release:a", url: str | None = None, **changes: Any) -> int:
        post = Fake(right_or_not)
        run_task(task(limit, **changes), [Model("a", post, release, url)], unfinished)
        return post.asked.total()

    unfinished = Unfinished(tmp_path / "u")
    assert asked(limit=4) == 4
    assert asked() == 2
    assert asked(scorers={"exact": {}}) == 0  # judging anew needs no new answers
    assert asked(params={"max_tokens": 9}) == 6
    assert asked(release="release:new") == 6
    assert asked(url="http://elsewhere/v1") == 6
    unfinished.forget()
    assert asked() == 6


def test_a_torn_line_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    kept = Kept(path)
    kept.add("one", Given(texts=["x\u2028y"], ended=True))
    kept.add("bad", Given(error="gone"))
    kept.add("two", Given(texts=["z"], ended=True))
    path.write_bytes(path.read_bytes()[:-9])
    torn = Kept(path)
    assert torn.get("one") == Given(texts=["x\u2028y"], ended=True)
    assert torn.get("two") is torn.get("bad") is None
    torn.add("two", Given(texts=["z"], ended=True))
    assert Kept(path).get("two") == Given(texts=["z"], ended=True)


def test_a_scorer_that_cannot_work_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    post = Fake(right_or_not)
    with pytest.raises(FeilunError, match=r"no field \{missing\}"):
        run_task(task(scorers={"code": {"tests": "{missing}"}}), models(post, "a"), Unfinished(tmp_path))
    assert not post.asked


def test_an_item_whose_row_lacks_a_field_is_unscorable(tmp_path: Path) -> None:
    loaded = task(2, scorers={"regex": {"pattern": "{wanted}"}})
    rows = [{"wanted": "^0$"}, {"other": "1"}]
    items = [replace(item, row=row) for item, row in zip(loaded.items, rows, strict=True)]
    results = run_task(
        loaded.model_copy(update={"items": items}), models(Fake(right_or_not), "a"), Unfinished(tmp_path)
    )
    assert [item.results[0].scores["regex"].value for item in results.items] == [1.0, None]
    assert "no field {wanted}" in results.items[1].results[0].scores["regex"].note


def test_the_judge_compares_each_model_with_the_first(tmp_path: Path) -> None:
    def say(model: str, question: str) -> str | FeilunError:
        if model != "judge":
            return f"{model}{question}"
        if "4?" in question:
            return error()
        if "2?" in question:
            return "hm"
        liked = {"b": 2, "a": 1, "c": 0}
        places = re.findall(r"<answer_[AB]>\n(\w)", question)
        return "[[A]]" if liked[places[0]] > liked[places[1]] else "[[B]]"

    loaded, post = task(scorers={"judge": {"criteria": "Be kind."}}), Fake(say)
    results = run_task(
        loaded, models(post, "a", "b", "c"), Unfinished(tmp_path / "u"), judge=Model("judge", post, "r")
    )
    values = [[result.scores["judge"].value for result in item.results] for item in results.items]
    assert values == [
        [0.5, 1.0, 0.0],
        [0.5, 1.0, 0.0],
        [None] * 3,
        [0.5, 1.0, 0.0],
        [None] * 3,
        [0.5, 1.0, 0.0],
    ]
    assert results.judge == "judge"
    assert results.items[4].results[1].scores["judge"].note == "no memory"
    asked = post.asked.total()
    run_task(loaded, models(post, "a", "b", "c"), Unfinished(tmp_path / "u"), judge=Model("judge", post, "r"))
    assert post.asked.total() == asked + 2  # the judge's words are kept as well, but not its failures


def test_one_model_alone_is_judged_against_the_target(tmp_path: Path) -> None:
    post = Fake(
        lambda model, question: (
            ("[[A]]" if model == "judge" and "mine" in question.split("<answer_B>")[0] else "[[B]]")
            if model == "judge"
            else "mine"
        )
    )
    results = run_task(
        task(2, scorers={"judge": {}}), models(post, "a"), Unfinished(tmp_path), judge=Model("judge", post)
    )
    assert [item.results[0].scores["judge"].value for item in results.items] == [None, 1.0]


class Page(HTMLParser):
    """Which elements a page has, and what their attributes point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.states: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.states += [value for name, value in attrs if name == "data-is"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_shows_every_item_escapes_all_and_asks_no_other_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("FEILUN_LANG", language)

    def say(model: str, question: str) -> str | FeilunError:
        return error() if question == "5?" else f"{EVIL} & {right_or_not(model, question)}"

    results = run_task(task(), models(Fake(say), "a", f"b{EVIL}"), Unfinished(tmp_path))
    text = page(results)
    read = Page(text)
    assert read.tags["details"] == 6
    assert read.states == [" ".join(states(results, item)) for item in results.items]
    assert "unscorable" in (read.states[5] or "")
    assert read.tags["script"] == read.tags["style"] == 1
    assert read.links == []
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|@import|url\(", text)
    assert EVIL not in text
    assert ("配对差异" if language == "zh" else "Paired differences") in text


def test_the_report_is_an_artifact(tmp_path: Path, two: Results) -> None:
    reports = tmp_path / "reports"
    two.name = "../count: 一"
    first, second = publish(two, reports), publish(two, reports)
    assert first != second
    assert first.parent == second.parent == reports
    manifest = Manifest.read(first)
    assert (manifest.kind, manifest.name, manifest.parents) == (
        "report",
        two.name,
        ["release:a", "release:b"],
    )
    assert manifest.files == {name: sha256_file(first / name) for name in ("report.html", "report.json")}
    assert manifest.id == manifest.files["report.json"]
    said = json.loads((first / "report.json").read_text("utf-8"))
    assert (
        said["figures"][1]["all"]["number"]["mean"]
        == manifest.figures["b"]["number"]["mean"]
        == pytest.approx(0.4)
    )
    assert said["task"]["scorers"] == {"number": {}, "ends": {}}
    assert Results.model_validate(said).figures == two.figures
