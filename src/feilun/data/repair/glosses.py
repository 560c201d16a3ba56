"""Readings that a conversion tool wrote behind characters: ``現(xiàn)實(shí)`` becomes ``現實``.

The tool glosses what GB2312 lacks, whatever it is; a person glosses what a reader may not know. So a gloss goes
only if the reading is one the character has, GB2312 lacks the character, and the page looks like the tool's: it
is Traditional, everyday characters carry glosses, a fair part of what could carry one does, and no more
characters inside GB2312 are glossed than outside.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

from feilun.data.repair.edits import Edit
from feilun.data.repair.script import GB2312, HAN, READING, everyday_traditional, simplified_only

_GLOSS = re.compile(rf"[(（](?<=([{HAN}]).)({READING}{{1,6}})[)）]")
_HAN = re.compile(rf"[{HAN}]")
_COVERED = 0.15
"""Of the characters outside GB2312: a tool leaves some, an author explains a few in a hundred."""


def glosses(text: str) -> list[Edit]:
    outside: list[re.Match[str]] = []
    inside = 0
    for match in _GLOSS.finditer(text):
        if _is_reading(match[1], match[2]):
            if match[1] in GB2312:
                inside += 1
            else:
                outside.append(match)
    if not outside or inside > len(outside) or not any(everyday_traditional(match[1]) for match in outside):
        return []
    han = _HAN.findall(text)
    could = sum(one not in GB2312 for one in han)
    short = simplified_only()
    if len(outside) < _COVERED * could or could <= sum(one in short for one in han):
        return []
    return [Edit(*match.span(), "", "gloss", 0.99) for match in outside]


@cache
def readings() -> dict[int, str]:
    """Code point to its readings, ``wèi,wéi``: pypinyin's table alone. To import the package reads its words as well, which
    takes four times as long."""
    package = find_spec("pypinyin")
    assert package is not None
    assert package.submodule_search_locations
    spec = spec_from_file_location(
        "pinyin_dict", Path(package.submodule_search_locations[0]) / "pinyin_dict.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pinyin_dict


@cache
def _is_reading(character: str, gloss: str) -> bool:
    """Whether the character is read so, or so but in the neutral tone, which has no mark."""
    plain = gloss.replace("ɑ", "a").replace("ɡ", "g")
    known = readings().get(ord(character), "").split(",")
    return plain in known or plain in map(_toneless, known)


def _toneless(reading: str) -> str:
    """Without the marks of the tones; ``ü`` keeps its dots."""
    bare = "".join(
        one for one in unicodedata.normalize("NFD", reading) if one not in "\u0300\u0301\u0304\u030c"
    )
    return unicodedata.normalize("NFC", bare)
