"""Keeping what is said while it is said.

The question and an empty answer are committed before generation starts. While answers grow, one task
saves all that have changed about once a second, and finished ones at once, many in one commit: so
durability costs the same for one stream and for sixteen, and a killed process loses at most a second of text.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from feilun.serve.engines import Delta, Usage
from feilun.store import Status, Store
from feilun.store.conversations import Answer, Turn, begin_turn, discard_turn, save_answers
from feilun.text import FeilunError

log = logging.getLogger("feilun")

SAVE_EVERY = 1.0
"""Seconds between saves of growing answers."""


class Choice:
    """One answer as it grows."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.tool_calls: list[dict[str, Any]] = []
        self.logprobs: list[dict[str, Any]] = []
        self.finish_reason: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces).replace("\0", "")  # which PostgreSQL cannot store

    def add(self, delta: Delta) -> None:
        if delta.content:
            self.pieces.append(delta.content)
        for piece in delta.tool_calls or ():
            self._add_tool_call(piece)
        if delta.logprobs:
            self.logprobs.extend(delta.logprobs.get("content") or ())
        self.finish_reason = delta.finish_reason or self.finish_reason

    def _add_tool_call(self, piece: dict[str, Any]) -> None:
        index: int = piece.get("index", len(self.tool_calls))
        while len(self.tool_calls) <= index:
            self.tool_calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        whole = self.tool_calls[index]
        function: dict[str, Any] = piece.get("function") or {}
        whole["id"] = piece.get("id") or whole["id"]
        whole["function"]["name"] += function.get("name") or ""
        whole["function"]["arguments"] += function.get("arguments") or ""


class Recording:
    """The answers to one request, and where they are stored, if they are (``store: false`` leaves ``turn`` None)."""

    def __init__(self, choices: int, turn: Turn | None) -> None:
        self.turn = turn
        self.choices = [Choice() for _ in range(choices)]
        self.usage: Usage | None = None
        self.status: Status = "generating"
        self.error: str | None = None

    @property
    def message_ids(self) -> list[str | None]:
        """The stored id of each choice; None where nothing is stored."""
        return [*self.turn.message_ids] if self.turn else [None] * len(self.choices)

    def add(self, item: Delta | Usage) -> None:
        if isinstance(item, Usage):
            self.usage = item
        elif item.index < len(self.choices):
            self.choices[item.index].add(item)

    def answers(self) -> list[Answer]:
        if self.turn is None:
            return []
        usage = self.usage.as_openai() if self.usage else None  # of all choices together: kept with the first
        rows: list[Answer] = []
        for message_id, choice in zip(self.turn.message_ids, self.choices, strict=True):
            extra: dict[str, Any] = {"tool_calls": choice.tool_calls} if choice.tool_calls else {}
            if self.error:
                extra["error"] = self.error
            # With several choices one may be whole when the client leaves.
            status = "complete" if self.status == "stopped" and choice.finish_reason else self.status
            rows.append(Answer(message_id, choice.text, status, choice.finish_reason, extra, usage))
            usage = None
        return rows


class Recorder:
    """Saves recordings; one for a server, ``run`` beside it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._growing: set[Recording] = set()
        self._finished: dict[Recording, asyncio.Future[None]] = {}
        self._wake = asyncio.Event()

    async def begin(self, *, choices: int, keep: bool, **turn: Any) -> Recording:
        """Commit the question; see `begin_turn` for the arguments. With ``keep`` false nothing is stored."""
        if not keep:
            return Recording(choices, None)
        storing = asyncio.create_task(self._store.write(begin_turn, choices=choices, **turn))
        try:
            recording = Recording(choices, await asyncio.shield(storing))
        except asyncio.CancelledError:  # the client left, but a commit cannot be called back
            recording = Recording(choices, await storing)
            self._growing.add(recording)
            self.finish(recording, "stopped")
            raise
        self._growing.add(recording)
        return recording

    def finish(self, recording: Recording, status: Status, error: str | None = None) -> asyncio.Future[None]:
        """Commit the answers' last state. The future is done when they are on disk; it need not be awaited.

        Only the first call counts, so that a client that leaves after the last word does not undo ``complete``.
        """
        if recording in self._finished:
            return self._finished[recording]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if recording.status != "generating" or recording.turn is None:
            done.set_result(None)
            return done
        recording.status, recording.error = status, error
        self._finished[recording] = done
        self._wake.set()
        return done

    async def discard(self, recording: Recording) -> None:
        """Forget a question that the engine refused before it began to answer; its client has the text and an error."""
        self._growing.discard(recording)
        recording.status = "failed"
        if recording.turn is not None:
            await self._store.write(discard_turn, recording.turn)

    async def run(self) -> None:
        """Save until cancelled; what is unfinished by then is kept as stopped."""
        clock = asyncio.get_running_loop().time
        saved = clock()
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: before Python 3.12 it swallows a cancellation that meets the event.
                    async with asyncio.timeout(max(0.0, saved + SAVE_EVERY - clock())):
                        await self._wake.wait()
                self._wake.clear()
                if clock() - saved >= SAVE_EVERY:
                    saved = clock()
                    await self._save(self._growing | self._finished.keys())
                else:
                    await self._save(set(self._finished))
        finally:
            for recording in list(self._growing):
                self.finish(recording, "stopped")
            await self._save(set(self._finished))

    async def _save(self, recordings: set[Recording]) -> None:
        """Save in one commit; if that fails for another reason than the disk, one by one, so that one spoils no other."""
        try:
            await self._write(recordings)
        except FeilunError as error:  # the disk, the database: again in a second
            log.error("answers could not be saved, trying again: %s", error)
            self._tell(recordings, error)
        except Exception:
            for recording in recordings:
                try:
                    await self._write({recording})
                except Exception as error:
                    log.exception("an answer cannot be saved and is given up")
                    self._tell({recording}, error)
                    self._growing.discard(recording)
                    self._finished.pop(recording, None)

    async def _write(self, recordings: set[Recording]) -> None:
        finished = {recording for recording in recordings if recording in self._finished}
        rows = [answer for recording in recordings for answer in recording.answers()]
        if not rows:
            return
        await self._store.write(save_answers, rows)
        for recording in finished:
            self._growing.discard(recording)
            done = self._finished.pop(recording)
            if not done.done():
                done.set_result(None)

    def _tell(self, recordings: set[Recording], error: Exception) -> None:
        for recording in recordings:
            done = self._finished.get(recording)
            if done is not None and not done.done():
                done.set_exception(error)
                done.exception()  # counts as seen, should nobody wait for it
