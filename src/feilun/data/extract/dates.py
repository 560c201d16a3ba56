"""Dates as pages write them, in Chinese and English -> ``YYYY-MM-DD``."""

from __future__ import annotations

import re
from datetime import date

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = r"(?P<{}>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{{0,6}}\.?"
_YEAR = r"(?P<{}>19[89]\d|20\d\d)"
_HAN_DIGITS = {digit: str(at) for at, digit in enumerate("〇一二三四五六七八九")} | {"零": "0", "○": "0"}
_HAN = "".join(_HAN_DIGITS)

_DATE = re.compile(
    rf"(?<![\d.]){_YEAR.format('y1')}\s{{0,2}}[-/.年]\s{{0,2}}(?P<m1>1[0-2]|0?[1-9])\s{{0,2}}[-/.月]\s{{0,2}}"
    r"(?P<d1>[12]\d|3[01]|0?[1-9])(?!\d)"
    rf"|\b{_MONTH.format('m2')} (?P<d2>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?,? {_YEAR.format('y2')}\b"
    rf"|\b(?P<d3>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?: of)?[ -]{_MONTH.format('m3')},?[ -]{_YEAR.format('y3')}\b"
    rf"|(?P<y4>[一二][{_HAN}]{{3}})年(?P<m4>十[一二]?|[一二三四五六七八九])月"
    r"(?P<d4>[一二]?十[一二三四五六七八九]?|三十一?|[一二三四五六七八九])日",
    re.IGNORECASE | re.ASCII,
)
_COMPACT = re.compile(r"(?<!\d)(19[89]\d|20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])(?=\d{4}$|\d{6}$|T|\D|$)")
_PATH = re.compile(
    r"/(19[89]\d|20\d\d)[-/_]?(0[1-9]|1[0-2])[-/_]?([0-2]\d|3[01])(?=[/_.tT-]|\d{0,9}[/_.-]|$)"
)


def find_date(text: str) -> str | None:
    """The first date written in a text, ISO; None when there is none. Days without a year are none."""
    for found in _DATE.finditer(text):
        kind = (found.lastgroup or " 1")[-1]
        year, month, day = (found[f"{part}{kind}"] for part in "ymd")
        if kind == "4":
            iso = _iso("".join(_HAN_DIGITS[digit] for digit in year), _han_number(month), _han_number(day))
        else:
            iso = _iso(year, month if month.isdigit() else _MONTHS.index(month.lower()) + 1, day)
        if iso:
            return iso
    return None


def machine_date(value: str) -> str | None:
    """The date of an attribute: as `find_date`, or ``20191105``; the time of day and its zone are left out."""
    found = find_date(value[:100])
    if found:
        return found
    compact = _COMPACT.match(value.strip()[:20])
    return _iso(*compact.groups()) if compact else None


def url_date(url: str) -> str | None:
    """The date in a path such as ``/2019/11/05/`` or ``/20191105/``."""
    found = _PATH.search(url[:2000])
    return _iso(*found.groups()) if found else None


def _iso(year: str | int, month: str | int, day: str | int) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _han_number(text: str) -> int:
    """三十一 -> 31; up to 99."""
    tens, ten, ones = text.rpartition("十")
    if not ten:
        return int(_HAN_DIGITS[text])
    return 10 * int(_HAN_DIGITS[tens] if tens else 1) + int(_HAN_DIGITS[ones] if ones else 0)
