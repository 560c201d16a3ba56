"""Which checkpoint is left when a run has come to a bad end: those of ruined weights are removed, since to go on from one of them
would be to go on with ruined weights.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from feilun.text import Text
from feilun.train.state import checkpoints


def newest(folder: Path) -> Text:
    """The newest checkpoint, where none is at fault."""
    found = [*_by_step(folder)]
    if not found:
        return Text("there is no checkpoint yet", "尚无检查点")
    return Text(
        f"the newest checkpoint, of step {found[-1]}, is untouched",
        f"最新的检查点（第 {found[-1]} 步）未受影响",
    )


def after_leap(folder: Path, done: int, begun: int, unproven: int | None, *, remove: bool) -> Text:
    """The loss leapt after ``done`` steps of a run that began with the checkpoint of step ``begun``: remove what it has written
    since, and what no good loss has proved (``unproven``).
    """
    found = _by_step(folder)
    ruined = [step for step in found if step > done or step == unproven]
    sound = [step for step in found if step not in ruined]
    written = [step for step in ruined if step > begun]
    if remove:
        for step in written:
            shutil.rmtree(found[step], ignore_errors=True)
    left = Text("there is no checkpoint from before", "此前没有检查点")
    if sound:
        left = Text(
            f"the newest checkpoint from before is of step {sound[-1]}",
            f"此前最新的检查点为第 {sound[-1]} 步",
        )
    if written != ruined:
        left = Text(
            f"the newest checkpoint is of step {begun}, with which this began: if it leaps again from there, remove it",
            f"最新的检查点为本次开始时的第 {begun} 步：若从那里再次突增，请删除它",
        )
    if written:
        steps = ", ".join(map(str, written))
        left = Text(
            f"{left.en} (removed, since no good loss came after: {steps})",
            f"{left.zh}（其后未再出现正常损失而已删除：{steps}）",
        )
    return left


def after_rollout(folder: Path, step: int, begun: int, stride: int) -> Text:
    """Weights have drawn what nothing can be learnt from, after ``step`` steps: remove their checkpoint, from which the same
    would be drawn again, and the one with which this began if that is one rollout (``stride`` steps) ago; but never the only
    one.
    """
    found = _by_step(folder)
    leading = [one for one in found if one == step or (one == begun and step - one <= stride)]
    if not leading:
        return newest(folder)
    before = [one for one in found if one not in leading]
    removed = leading if before else leading[1:]
    for one in removed:
        shutil.rmtree(found[one], ignore_errors=True)
    left = Text(
        f"the only checkpoint, of step {leading[0]}, leads here again, so start anew, without --resume",
        f"唯一的检查点（第 {leading[0]} 步）只会再次如此，请去掉 --resume 重新开始",
    )
    if before:
        left = Text(
            f"the newest checkpoint from before is of step {before[-1]}, and --resume goes on from it",
            f"此前最新的检查点为第 {before[-1]} 步，可用 --resume 从那里继续",
        )
    if removed:
        steps = ", ".join(map(str, removed))
        left = Text(
            f"{left.en} (removed, since the same would come of it again: {steps})",
            f"{left.zh}（从中只会再次如此而已删除：{steps}）",
        )
    return left


def _by_step(folder: Path) -> dict[int, Path]:
    """The checkpoints, oldest first."""
    return {int(path.name.split("-")[1]): path for path in checkpoints(folder)}
