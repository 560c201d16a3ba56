"""Quantities as people write them: 175B, 2.5T, 50000USD, 30d, 8k, 5TB."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from feilun.text import FeilunError

MOST_PARAMS, MOST_TOKENS = 1e15, 1e18
"""Beyond these the formulas mean nothing, and the search for a layout takes for ever."""

_SCALES = {
    "": 1.0,
    "k": 1e3,
    "m": 1e6,
    "b": 1e9,
    "g": 1e9,
    "t": 1e12,
    "千": 1e3,
    "万": 1e4,
    "亿": 1e8,
    "万亿": 1e12,
}
_BYTES = {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "pb": 1e15}
_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "y": 365.25, "小时": 1 / 24, "天": 1.0, "周": 7.0, "年": 365.25}
_NUMBER = re.compile(r"\s*(\d[\d,_]*(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+)\s*(.*?)\s*", re.IGNORECASE)


def count(text: str) -> float:
    """``175B`` -> 1.75e11; also k, M, T, 万, 亿. Raises `FeilunError` (``bad_quantity``)."""
    return _parsed(text, _SCALES, "175B, 7e9, 350M, 70亿")


def counts(text: str, factor: float, most: float) -> list[int]:
    """``1024`` -> [1024]; ``8..4096`` -> 8, 16, ... 4096, both ends included. Raises `FeilunError` (``bad_quantity``)."""
    ends = [round(count(end)) for end in text.split("..", 1)]
    if not 1 <= ends[0] <= ends[-1] <= most:
        raise FeilunError(
            f"'{text}' is no number from 1 to {most:,.0f}, nor from one to a larger one (8..4096).",
            f"“{text}”不是 1 至 {most:,.0f} 的数，也不是由小到大的范围（8..4096）。",
            code="bad_quantity",
            status=422,
        )
    found = [ends[0]]
    while found[-1] < ends[-1]:
        found.append(min(ends[-1], round(found[-1] * factor)))
    return found


def tokens_of_context(text: str) -> int:
    """``8k`` -> 8192, as context lengths are meant; ``3000`` as it is."""
    kilo = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*k\s*", text, re.IGNORECASE)
    return round(float(kilo[1]) * 1024) if kilo else round(count(text))


def dollars(text: str) -> float:
    """``50000USD``, ``$2M``, ``50k``: US dollars."""
    return _parsed(re.sub(r"usd|\$|美元", "", text, flags=re.IGNORECASE), _SCALES, "50000USD, 2M")


def days(text: str) -> float:
    """``30d``, ``12h``, ``2w``, ``1y``; a bare number counts days."""
    return _parsed(text, {"": 1.0, **_DAYS}, "30d, 12h, 2w")


def data_bytes(text: str) -> float:
    """``5TB``, ``300GB``; a bare number counts bytes. Decimal, as disks are sold."""
    return _parsed(text, {"": 1.0, **_BYTES}, "300GB, 5TB")


def gigabytes(value: float) -> str:
    """So many GB (1e9 bytes) in words: ``960 GB``, ``18 TB``."""
    return f"{value:.4g} GB" if value < 1000 else f"{value / 1000:,.4g} TB"


def bounded(value: float, most: float, param: str, text: str) -> float:
    """``value``, which stood as ``text`` in ``param``. Raises `FeilunError` (``bad_quantity``) if it is outside of 1 to ``most``."""
    if 1 <= value <= most or (param == "deadline" and value <= most):
        return value
    raise FeilunError(
        f"{param}: {text} is outside of 1 to {most:g}.",
        f"{param}：{text} 不在 1 至 {most:g} 之间。",
        status=422,
        code="bad_quantity",
        param=param,
    )


def _parsed(text: str, units: Mapping[str, float], examples: str) -> float:
    found = _NUMBER.fullmatch(text)
    unit = units.get(found[2].lower()) if found else None
    if found is not None and unit is not None:
        value = float(found[1].replace(",", "").replace("_", "")) * unit
        if 0 < value < math.inf:
            return value
    raise FeilunError(
        f"'{text}' is no quantity that can be used here. Write it like {examples}.",
        f"“{text}”无法识别。请写成：{examples}。",
        code="bad_quantity",
        status=422,
    )
