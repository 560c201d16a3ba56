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
from feilun.recipe import shipped
from feilun.registry import Release
from feilun.registry.sources import ensure
from feilun.serve.engines import Delta
from feilun.workspace import write_atomically

BATCH = 512
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

    One after the other: side by side is hardly quicker for short answers (a fifth, measured), and in whose company a
    token is computed changes the rounding and with it one verdict in twelve. ``threads``: all cores if not given. ``done``
    is told how many are answered, of how many. Raises `FeilunError` if the release cannot be loaded.
    """
    return asyncio.run(_ask(release, questions, max_tokens, threads or os.cpu_count() or 1, done))


async def _ask(
    release: Release,
    questions: Mapping[str, Messages],
    max_tokens: int,
    threads: int,
    done: Callable[[int, int], object],
) -> dict[str, Answer]:
    from feilun.serve.engines.llamacpp import LlamaCpp  # a large library

    small = release.model_copy(update={"context_length": min(release.context_length, CONTEXT)})
    path = await asyncio.to_thread(ensure, release)
    engine = await asyncio.to_thread(LlamaCpp, small, path, parallel=1, threads=threads, batch=BATCH)
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
        for key, messages in questions.items():
            await one(key, messages)
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
    done: Callable[[int, int], object] = lambda _done, _all: None,
) -> dict[str, Answer]:
    """`ask`, but no release is asked the same thing twice: its answers are kept in ``folder``."""
    name = f"{release.id.partition(':')[2]}-{max_tokens}.json"
    path = folder / name
    known = next((one for one in (path, shipped(ANSWERS) / name) if one.exists()), None)
    kept: dict[str, tuple[str, bool]] = orjson.loads(known.read_bytes()) if known else {}
    keys = {name: hashlib.sha256(orjson.dumps(messages)).hexdigest() for name, messages in questions.items()}
    new = {name: messages for name, messages in questions.items() if keys[name] not in kept}
    if new:
        answers = ask(release, new, max_tokens=max_tokens, threads=threads, done=done)
        kept |= {keys[name]: (answer.text, answer.ended) for name, answer in answers.items()}
        write_atomically(path, orjson.dumps(kept).decode())
    return {name: Answer(*kept[key]) for name, key in keys.items()}
