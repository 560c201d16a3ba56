"""Asking a release questions in an engine of its own, apart from the server's."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from feilun.evaluate.questions import Answer
from feilun.recipe import shipped
from feilun.registry import Release
from feilun.registry.sources import ensure
from feilun.serve.engines import Delta, Engine, Params
from feilun.workspace import write_atomically

CONTEXT = 1024
"""Tokens of a question and its answer: a suite's are short, and so the engine stays small."""

ANSWERS = "flywheel/answers"
"""Where the answers of the releases that come with Feilun are, among the recipes."""

Messages = Sequence[Mapping[str, str]]


def ask(
    release: Release,
    questions: Mapping[str, Messages],
    *,
    max_tokens: int,
    threads: int | None = None,
    done: Callable[[int, int], object] = lambda _done, _all: None,
) -> dict[str, Answer]:
    """The release's likeliest answer to each conversation, by its key.

    Each of ``threads`` engines (default: as many as there are cores) computes on one core, since two would wait for one
    another, and answers its share together. So the same questions with as many engines get the same answers, while in
    other company rounding changes one verdict in twelve. ``done`` is told how many are answered, of how many. Raises
    `FeilunError` if the release cannot be loaded.
    """
    engines = min(threads or os.cpu_count() or 1, len(questions))
    return asyncio.run(_ask(release, questions, max_tokens, engines, done))


async def _ask(
    release: Release,
    questions: Mapping[str, Messages],
    max_tokens: int,
    engines: int,
    done: Callable[[int, int], object],
) -> dict[str, Answer]:
    from feilun.serve.engines.together import Together  # a large library

    small = release.model_copy(update={"context_length": min(release.context_length, CONTEXT)})
    path = await asyncio.to_thread(ensure, release)
    params = {"temperature": 0, "max_tokens": max_tokens}
    answers: dict[str, Answer] = {}
    going, lock = True, threading.Lock()
    count = 0

    def another() -> bool:
        nonlocal count
        with lock:
            count += 1
            done(count, len(questions))
        return going

    async def one_engine(share: dict[str, Messages]) -> None:
        engine = await asyncio.to_thread(Together, small, path, threads=1)
        try:
            if engine.able:
                given = await asyncio.to_thread(engine.answers, list(share.values()), params, another)
            else:
                given = [await _answer(engine, messages, params, another) for messages in share.values()]
            answers.update(zip(share, (Answer(*row) for row in given), strict=True))
        finally:
            await engine.close()

    keys = list(questions)
    shares = [{key: questions[key] for key in keys[first::engines]} for first in range(engines)]
    try:
        await asyncio.gather(*map(one_engine, shares))
    finally:
        going = False
    return {key: answers[key] for key in questions}


async def _answer(
    engine: Engine, messages: Messages, params: Params, done: Callable[[], object]
) -> tuple[str, bool]:
    text, reason = "", None
    async with contextlib.aclosing(engine.chat([dict(row) for row in messages], params)) as stream:
        async for item in stream:
            if isinstance(item, Delta):
                text += item.content
                reason = item.finish_reason or reason
    done()
    return text, reason == "stop"


def ask_once(
    folder: Path,
    release: Release,
    questions: Mapping[str, Messages],
    *,
    max_tokens: int,
    threads: int | None = None,
    done: Callable[[int, int], object] = lambda _done, _all: None,
) -> dict[str, list[Answer]]:
    """`ask`, but no release is asked the same thing twice: its answers are kept in ``folder``.

    Gives all that are kept of each question, the first of which is the release's own in the order of the suite: one that comes
    with Feilun has been asked several times, in other company each time.
    """
    kept = _kept(folder, release, max_tokens)
    keys = {name: key(messages) for name, messages in questions.items()}
    new = {name: messages for name, messages in questions.items() if keys[name] not in kept}
    if new:
        answers = ask(release, new, max_tokens=max_tokens, threads=threads, done=done)
        kept |= {keys[name]: [answer] for name, answer in answers.items()}
        write_answers(folder / file_name(release, max_tokens), kept)
    return {name: kept[key] for name, key in keys.items()}


def unanswered(folder: Path, release: Release, questions: Iterable[Messages], *, max_tokens: int) -> int:
    """How many of ``questions`` `ask_once` would ask."""
    kept = _kept(folder, release, max_tokens)
    return sum(key(messages) not in kept for messages in questions)


def read_answers(path: Path) -> dict[str, list[Answer]]:
    """What a file of kept answers holds, by `key`."""
    rows: dict[str, Any] = orjson.loads(path.read_bytes())
    # Files of earlier versions have one answer to each.
    return {
        key: [Answer(*given) for given in (answers if isinstance(answers[0], list) else [answers])]
        for key, answers in rows.items()
    }


def write_answers(path: Path, answers: Mapping[str, Sequence[Answer]]) -> None:
    """Keep them so that `read_answers` gives them again."""
    rows = {key: [(answer.text, answer.ended) for answer in given] for key, given in answers.items()}
    write_atomically(path, orjson.dumps(rows).decode())


def _kept(folder: Path, release: Release, max_tokens: int) -> dict[str, list[Answer]]:
    name = file_name(release, max_tokens)
    found = [read_answers(path) for place in (folder, shipped(ANSWERS)) if (path := place / name).exists()]
    # A workspace of an earlier version may have copied fewer than come with Feilun now.
    return {key: max((some.get(key, []) for some in found), key=len) for some in found for key in some}


def file_name(release: Release, max_tokens: int) -> str:
    """Of the file that a release's answers of so many tokens are kept in."""
    return f"{release.id.partition(':')[2]}-{max_tokens}.json"


def key(messages: Messages) -> str:
    """What an answer to these messages is kept under."""
    return hashlib.sha256(orjson.dumps(messages)).hexdigest()
