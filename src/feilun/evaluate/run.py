"""Runs a task: every model is asked every item, the answers are kept as they come, and scored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeVar

from feilun import __version__
from feilun.evaluate import api
from feilun.evaluate.item import Item, Score, Scorer, unscorable
from feilun.evaluate.judge import Judge
from feilun.evaluate.kept import Given, Kept, Unfinished, digest
from feilun.evaluate.questions import Answer, Message
from feilun.evaluate.results import ItemResult, ModelName, Result, Results
from feilun.evaluate.solvers import HOPELESS, SOLVERS
from feilun.evaluate.task import Loaded, Task
from feilun.text import FeilunError
from feilun.workspace import sha256_file

X = TypeVar("X")
Y = TypeVar("Y")

GONE = {"None", "500", "502", "504"}
"""Error codes of a server that may be back in a moment; a connection that fails has none."""
_WAITS = (1, 3, 8)
"""Seconds before each new try then."""
_ENOUGH = 5
"""So many failures, and more than half of what was asked: it is the server, not an item."""

Told = Callable[[str, str], object]
"""Is told of each answer: the model's name, the item's id. Called from several threads."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model and the server it is asked on."""

    name: str
    post: api.Post
    release: str | None = None
    url: str | None = None
    """Of a server that is not the workspace's: another one's model of this name is another model."""

    @property
    def identity(self) -> list[str | None]:
        """What its answers are kept under."""
        return [self.name, self.release, self.url]


def run_task(
    loaded: Loaded,
    models: Sequence[Model],
    unfinished: Unfinished,
    *,
    judge: Model | None = None,
    concurrency: int = 4,
    done: Told = lambda model, item: None,
) -> Results:
    """Ask all ``models`` one after the other, ``concurrency`` items at a time, and score the answers.

    ``judge`` is asked if the task has a judge. An item that the server fails on is tried again, then unscorable.
    Raises `FeilunError` when most items fail, or a scorer cannot work at all; the answers so far are kept in
    ``unfinished``, and the next run of the same goes on there.
    """
    task, items, start = loaded.task, loaded.items, time.monotonic()
    for _, scorer in task.scorers.single():  # a missing field or package is known before the long work
        scorer.score(items[0], Answer("0", True))
    given = [_ask(task, model, items, unfinished, concurrency, done) for model in models]
    results = [
        [
            Result(**answer.model_dump(), scores=scores)
            for answer, scores in zip(answers, _score(task, items, answers, concurrency), strict=True)
        ]
        for answers in given
    ]
    if task.scorers.judge and judge:
        _judge(task.scorers.judge, judge, items, results, unfinished, concurrency, done)
    return Results(
        name=task.name,
        task=task.model_dump(mode="json", exclude_unset=True, by_alias=True),
        files={file.name: sha256_file(file) for file in loaded.files},
        models=[ModelName(name=model.name, release=model.release) for model in models],
        judge=judge.name if task.scorers.judge and judge else None,
        scorers=task.scorers.names(),
        total=loaded.total,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        seconds=round(time.monotonic() - start, 1),
        code=f"feilun {__version__}",
        items=[
            ItemResult(
                id=item.id,
                language=item.language,
                topic=item.topic,
                messages=list(item.messages),
                more=list(item.more),
                targets=list(item.targets),
                choices=list(item.choices),
                results=list(row),
            )
            for item, row in zip(items, zip(*results, strict=True), strict=True)
        ],
    )


def _ask(
    task: Task, model: Model, items: Sequence[Item], unfinished: Unfinished, concurrency: int, done: Told
) -> list[Given]:
    params = task.params.model_dump()
    kept = unfinished.of(model.identity, task.solver, params)
    body: dict[str, Any] = {"model": model.name, **params, "store": False}
    solve, health = SOLVERS[task.solver], _Health(model.name, len(items))

    def one(item: Item) -> Given:
        said = [message.model_dump() for message in item.messages]
        key = digest(said, list(item.more), list(item.choices))
        given = _kept_or(kept, key, health, item.id, lambda: solve(model.post, body, item))
        done(model.name, item.id)
        return given

    return _together(one, items, concurrency)


def _kept_or(kept: Kept, key: str, health: _Health, item: str, ask: Callable[[], Answer]) -> Given:
    """The answer that is kept, else what ``ask`` returns or the error it ends in."""
    health.check()
    if (given := kept.get(key)) is not None:
        health.count(None)
        return given
    start = time.monotonic()
    try:
        answer = _persistently(ask)
        given = Given(texts=[*answer.earlier, answer.text], ended=answer.ended)
    except FeilunError as error:
        given = Given(error=str(error))
        health.count(FeilunError(f"{item}: {error.text.en}", f"{item}：{error.text.zh}", code=error.code))
    else:
        health.count(None)
    given.seconds = round(time.monotonic() - start, 3)
    kept.add(key, given)
    return given


def _persistently(call: Callable[[], X]) -> X:
    """What the call returns, tried again for a while when the server is gone."""
    for wait in _WAITS:
        try:
            return call()
        except FeilunError as error:
            if str(error.code) not in GONE:
                raise
            time.sleep(wait)
    return call()


class _Health:
    """Counts failures, to tell an item that fails from a server that does."""

    def __init__(self, model: str, total: int) -> None:
        self._model, self._total = model, total
        self._asked = self._failed = 0
        self._lock = threading.Lock()
        self._verdict: FeilunError | None = None

    def check(self) -> None:
        """Raises what has ended the run: asking on would only make the user wait for the news."""
        if self._verdict:
            raise self._verdict

    def count(self, error: FeilunError | None) -> None:
        with self._lock:
            self._asked += 1
            if error is None:
                return
            self._failed += 1
            most = self._failed * 2 > self._asked
            if str(error.code) in HOPELESS:
                self._verdict = error
            elif most and (self._failed >= _ENOUGH or self._failed * 2 > self._total):
                n, of = self._failed, self._asked
                self._verdict = FeilunError(
                    f"{self._model}: {n} of {of} requests failed, the last: {error.text.en} "
                    "The answers so far are kept; the same command goes on from there.",
                    f"{self._model}：{of} 次请求中有 {n} 次失败，最后一次：{error.text.zh}"
                    "已有的回答均已保留，再次运行同一命令即可继续。",
                    code=error.code,
                )
        self.check()


def _score(
    task: Task, items: Sequence[Item], answers: Sequence[Given], concurrency: int
) -> list[dict[str, Score]]:
    def one(pair: tuple[Item, Given]) -> dict[str, Score]:
        item, given = pair
        if given.error is not None:
            return {name: unscorable(given.error) for name in task.scorers.names()}
        return {name: score(scorer, item, given) for name, scorer in task.scorers.single()}

    def score(scorer: Scorer, item: Item, given: Given) -> Score:
        try:
            return scorer.score(item, given.answer)
        except FeilunError as error:  # a field that this row lacks
            return unscorable(str(error))

    return _together(one, list(zip(items, answers, strict=True)), concurrency)


def _judge(
    judge: Judge,
    model: Model,
    items: Sequence[Item],
    results: list[list[Result]],
    unfinished: Unfinished,
    concurrency: int,
    done: Told,
) -> None:
    """Add the judge's scores to the results: of each model against the first, of the first against all others."""
    body = {"model": model.name, "max_tokens": judge.max_tokens, "temperature": 0.0, "store": False}
    kept = unfinished.of(model.identity, "judge", judge.max_tokens)
    health = _Health(model.name, len(items) * max(1, len(results) - 1))

    def verdict(item: Item, one: Given, other: Given) -> Score:
        if failed := one.error or other.error:
            return unscorable(failed)

        def ask(messages: list[Message]) -> str:
            key = digest([message.model_dump() for message in messages])
            given = _kept_or(kept, key, health, item.id, lambda: api.ask(model.post, body, messages))
            if given.error is not None:
                raise FeilunError(given.error, given.error)
            return given.answer.text

        health.check()
        try:
            return judge.compare(ask, item, one.answer, other.answer)
        except FeilunError as error:
            health.check()
            return unscorable(str(error))

    def one(at: int) -> None:
        item, first, others = items[at], results[0][at], [result[at] for result in results[1:]]
        if not others:
            first.scores["judge"] = (
                verdict(item, Given(texts=list(item.targets), ended=True), first)
                if item.targets
                else unscorable("one model alone, and no target to judge it against")
            )
            return
        for other in others:
            other.scores["judge"] = verdict(item, first, other)
        known = [value for other in others if (value := other.scores["judge"].value) is not None]
        first.scores["judge"] = (
            Score(value=1 - fmean(known)) if known else unscorable(others[0].scores["judge"].note)
        )
        done(model.name, item.id)

    _together(one, range(len(items)), concurrency)


def _together(work: Callable[[X], Y], inputs: Sequence[X], concurrency: int) -> list[Y]:
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="evaluate")
    try:
        return list(pool.map(work, inputs))
    finally:
        pool.shutdown(cancel_futures=True)
