"""Lists of words, written as a line of them."""

from __future__ import annotations


def words(line: str) -> tuple[str, ...]:
    return tuple(line.split())


def pairs(*lines: str) -> dict[str, str]:
    """A table from ``a=b c=d``; an underscore stands for a space."""
    return dict(pair.replace("_", " ").split("=") for line in lines for pair in line.split())
