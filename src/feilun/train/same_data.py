"""A run that goes on must read what it has read before."""

from __future__ import annotations

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
