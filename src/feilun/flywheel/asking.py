"""Asking a release questions in an engine of its own, apart from the server's."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import orjson

from feilun.evaluate.questions import Answer
from feilun.registry import Release
from feilun.registry.sources import ensure
from feilun.serve.engines import Delta
from feilun.workspace import write_atomically

AT_ONCE = 8
BATCH = 512
CONTEXT = 1024
"""Tokens of a question and its answer: a suite's are short, and so the engine stays small."""

Messages = Sequence[Mapping[str, str]]


def ask(
    release: Release,
    questions: Mapping[str, Messages],
    *,
    max_tokens: int,
    threads: int | None = None,
    at_once: int = AT_ONCE,
    done: Callable[[int, int], object] = lambda _done, _all: None,
) -> dict[str, Answer]:
    """The release's likeliest answer to each conversation, by its key.

    ``at_once``: answers that are written side by side. More is quicker, but whose company a token is computed in changes
    the rounding, and with it now and then a word: only with 1 are equal questions equal computations. ``threads``: all
    cores if not given. ``done`` is told how many are answered, of how many. Raises `FeilunError` if the release cannot be
    loaded.
    """
    return asyncio.run(_ask(release, questions, max_tokens, threads or os.cpu_count() or 1, at_once, done))


async def _ask(
    release: Release,
    questions: Mapping[str, Messages],
    max_tokens: int,
    threads: int,
    at_once: int,
    done: Callable[[int, int], object],
) -> dict[str, Answer]:
    from feilun.serve.engines.llamacpp import LlamaCpp  # a large library

    small = release.model_copy(update={"context_length": min(release.context_length, CONTEXT)})
    path = await asyncio.to_thread(ensure, release)
    engine = await asyncio.to_thread(LlamaCpp, small, path, parallel=at_once, threads=threads, batch=BATCH)
    answers: dict[str, Answer] = {}

    async def one(key: str, messages: Messages) -> None:
        text, reason = "", None
        params = {"temperature": 0, "max_tokens": max_tokens}
        async with contextlib.aclosing(engine.chat([dict(row) for row in messages], params)) as stream:
            async for item in stream:
                if isinstance(item, Delta):
                    text += item.content
                    reason = item.finish_reason or reason
        answers[key] = Answer(text, reason == "stop")
        done(len(answers), len(questions))

    try:
        async with asyncio.TaskGroup() as group:
            for key, messages in questions.items():
                group.create_task(one(key, messages))
    finally:
        await engine.close()
    return {key: answers[key] for key in questions}


def ask_once(
    folder: Path,
    release: Release,
    questions: Mapping[str, Messages],
    *,
    max_tokens: int,
    threads: int | None = None,
    at_once: int = AT_ONCE,
    done: Callable[[int, int], object] = lambda _done, _all: None,
) -> dict[str, Answer]:
    """`ask`, but no release is asked the same thing twice: its answers are kept in ``folder``."""
    path = folder / f"{release.id.partition(':')[2]}-{max_tokens}-{at_once}.json"
    kept: dict[str, tuple[str, bool]] = orjson.loads(path.read_bytes()) if path.exists() else {}
    keys = {name: hashlib.sha256(orjson.dumps(messages)).hexdigest() for name, messages in questions.items()}
    new = {name: messages for name, messages in questions.items() if keys[name] not in kept}
    if new:
        answers = ask(release, new, max_tokens=max_tokens, threads=threads, at_once=at_once, done=done)
        kept |= {keys[name]: (answer.text, answer.ended) for name, answer in answers.items()}
        write_atomically(path, orjson.dumps(kept).decode())
    return {name: Answer(*kept[key]) for name, key in keys.items()}
