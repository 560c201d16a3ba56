"""HTML entities that a page shows as text: ``AT&amp;T``, ``&nbsp;``, ``& nbsp;``, ``&amp;#39;``."""

from __future__ import annotations

import html
import re

from feilun.data.repair.edits import Edit

_NAMES = (
    "nbsp|ensp|emsp|thinsp|zwnj|zwj|shy|amp|lt|gt|quot|apos|ldquo|rdquo|lsquo|rsquo|sbquo|bdquo|laquo|raquo|"
    "hellip|mdash|ndash|middot|bull|copy|reg|trade|deg|times|divide|plusmn|yen|pound|euro|cent|sect|permil"
)
_ENTITY = re.compile(
    rf"&(?:amp;)*(?: ?({_NAMES}) ?;|(#\d{{1,7}}|#[xX][0-9a-fA-F]{{1,6}});|(nbsp)(?![a-z=;]))"
)
_EXPLAINED = re.compile(r"`|<[a-z/!]|实体|實體|转义|轉義|entit(?:y|ies)|escap|html|xml", re.IGNORECASE)
"""A line of code, or one that speaks of entities, means them literally."""


def entities(text: str) -> list[Edit]:
    """Each entity becomes its character. The nested forms ``&amp;amp;lt;`` are undone in one step."""
    found: list[Edit] = []
    line_end, literal = -1, False
    for match in _ENTITY.finditer(text):
        if match.end() > line_end:
            line_start = text.rfind("\n", 0, match.start()) + 1
            line_end = text.find("\n", match.end())
            line_end = len(text) if line_end < 0 else line_end
            literal = _EXPLAINED.search(text, line_start, line_end) is not None
        if not literal:
            name = match[1] or match[2] or match[3]
            character = html.unescape(f"&{name};").replace("\xa0", " ")
            found.append(Edit(*match.span(), character, "entity", 0.99))
    return found
