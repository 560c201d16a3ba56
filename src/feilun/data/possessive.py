"""Repeats that give nothing back, right on every Python."""

from __future__ import annotations

import sys

# Before 3.11.5 a possessive group takes too much where one of its alternatives has to go back (python/cpython#106052).
# An atomic group does the same, in more memory.
_SOUND = sys.version_info >= (3, 11, 5)


def repeated(alternatives: str, least: int = 0) -> str:
    """``(?:alternatives)*+`` of a regular expression; with ``least`` 1 ``++``."""
    sign = "+" if least else "*"
    return rf"(?:{alternatives}){sign}+" if _SOUND else rf"(?>(?:{alternatives}){sign})"
