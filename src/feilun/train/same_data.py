"""A run that goes on must read what it has read before, and begin with what it has begun with."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Sequence

from feilun.jobs import Job
from feilun.text import FeilunError, Text
from feilun.train.distributed import World
from feilun.workspace import write_atomically


def check_same_data(job: Job, name: str, found: str, changed: Text, world: World) -> None:
    """Write down what a run reads (``found``, a hash of it) in the file ``name`` of its job, or compare it with what stands there.

    Raises `FeilunError` if it is something else, of which ``changed`` says what.
    """
    path = job.folder / name
    before = world.of_first(path.read_text().strip() if path.exists() else None)
    if before is None:  # a new run, or one of an older Feilun
        if world.first:
            write_atomically(path, found + "\n")
    elif before != found:
        raise FeilunError(
            f"The run {job.id} was begun with other data: {changed.en}. Put it back, or start anew without --resume.",
            f"运行 {job.id} 开始时的数据与现在不同：{changed.zh}。请改回，或去掉 --resume 重新开始。",
            code="other_data",
        )


def digest(rows: Iterable[tuple[Sequence[int], object]]) -> str:
    """A hash of rows of token ids and of what else is known of each, as JSON."""
    whole = hashlib.sha256()
    for ids, known in rows:
        whole.update(f"{len(ids)} {json.dumps(known, sort_keys=True)}\n".encode() + array("I", ids).tobytes())
    return whole.hexdigest()


def changed_in(sources: Sequence[object]) -> Text:
    """What to say of files to learn from that are not what they were."""
    named = ", ".join(map(str, sources))
    return Text(
        f"what is in {named} has changed, or the base model's tokenizer",
        f"{named} 的内容或基础模型的分词器已改变",
    )
