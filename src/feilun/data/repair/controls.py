"""Characters that nobody sees: controls, zero-width and bidirectional marks, tags, lone surrogates.

Joiners stay where a script or an emoji needs them; foreign line ends become ``\\n``.
"""

from __future__ import annotations

import re

from feilun.data.repair.edits import Edit

_LINE_END = r"\r\n?|[\x0b\x0c\x85\u2028\u2029]"
_JOINING = r"[^\x00-\u02ff\u2000-\u206f\u3000-\ua4cf\uac00-\ufaff\uff00-\uffef]"
_JOINER = rf"(?<!{_JOINING})[\u200c\u200d]|[\u200c\u200d](?!{_JOINING})"
_UNSEEN = re.compile(
    rf"(?P<end>{_LINE_END})|"
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    r"\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e001f]+|"
    r"(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]+"
    rf"|{_JOINER}"
)


def controls(text: str) -> list[Edit]:
    return [
        Edit(*match.span(), "\n" if match["end"] else "", "control", 1.0) for match in _UNSEEN.finditer(text)
    ]
