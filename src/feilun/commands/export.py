"""``feilun export``: everything out, as JSONL."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from feilun.text import FeilunError, say
from feilun.workspace import Workspace

if TYPE_CHECKING:
    from feilun.store import Store

HELP = say(
    "Write all conversations as JSONL in OpenAI's message format, with the feedback.\n\nExample: `feilun export > mine.jsonl`",
    "将所有对话连同反馈导出为 OpenAI 消息格式的 JSONL。\n\n示例：`feilun export > mine.jsonl`",
)


def export(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=say("File to write.", "输出文件。"))
    ] = None,
    user: Annotated[
        str | None, typer.Option(help=say("Only this user's conversations.", "仅导出此用户的对话。"))
    ] = None,
) -> None:
    from feilun.store import Store  # large: the other commands must not wait for it

    store = Store(Workspace(context.obj).database)
    if output is None:
        _write(store, user, sys.stdout)
        return
    try:
        handle, draft = tempfile.mkstemp(dir=output.absolute().parent, prefix=f".{output.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                count = _write(store, user, file)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(output)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise FeilunError(
            f"Cannot write {output}: {error.strerror}.", f"无法写入 {output}：{error.strerror}。"
        ) from None
    typer.echo(say(f"{count} conversations written to {output}.", f"已将 {count} 个对话写入 {output}。"))


def _write(store: Store, user: str | None, file: IO[str]) -> int:
    from feilun.store.export import conversation_ids, export_jsonl

    with store.reading() as session:
        ids = conversation_ids(session, user)
        for conversation_id, owner in ids:
            file.write(export_jsonl(session, conversation_id, owner))
    return len(ids)
