"""Signs that a policy earns its reward by what was not meant: by longer, shorter, repeated or endless answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from feilun.text import Text

LEAST = 4
"""Rollouts that can be compared: the first quarter with the last."""

GROWN, SHRUNK, CORRELATED = 1.5, 0.5, 0.5
"""Times as long as at first; reward and length going together."""

SHARE = 0.1
"""By so much of the answers, or of what is said in them, a habit must have grown to be one."""


def suspicions(rollouts: Sequence[Mapping[str, Any]]) -> list[Text]:
    """What went with a rising reward, of rollouts in their order as the job's record has them; empty if nothing did, if reward
    did not rise, or if there are too few.
    """
    if len(rollouts) < LEAST:
        return []
    quarter = max(1, len(rollouts) // 4)

    def means(name: str) -> tuple[float, float]:
        first, last = (fmean(row[name] for row in part) for part in (rollouts[:quarter], rollouts[-quarter:]))
        return first, last

    before, after = means("reward")
    if after <= before:
        return []
    found: list[Text] = []
    first, last = means("length")
    if not SHRUNK < last / max(first, 1) < GROWN:
        found.append(
            Text(
                f"Answers went from {first:.0f} to {last:.0f} tokens",
                f"回答长度从 {first:.0f} 变为 {last:.0f} 个 token",
            )
        )
    _, together = means("length_correlation")
    if abs(together) > CORRELATED:
        found.append(
            Text(
                f"In the end reward goes with length (correlation {together:+.2f})",
                f"最后奖励与长度相关（相关系数 {together:+.2f}）",
            )
        )
    habits = {
        "repeated": Text("Repetition", "重复的比例"),
        "empty": Text("The share of empty answers", "空回答的比例"),
        "unended": Text("The share of answers that do not end", "未正常结束的回答比例"),
    }
    for name, habit in habits.items():
        first, last = means(name) if name != "unended" else (1 - share for share in means("ended"))
        if last - first > SHARE:
            found.append(
                Text(
                    f"{habit.en} rose from {first:.0%} to {last:.0%}",
                    f"{habit.zh}从 {first:.0%} 升至 {last:.0%}",
                )
            )
    return found
