"""Personal data in a text: found by its form and its check digits, and masked.

Twelve kinds, Chinese forms first: what a person types into a chat. Wherever the standard gives a check digit it is
computed, because most long numbers are order numbers. Names and postal addresses have no such form; they are
out of scope here. So are hotlines (400, 800, 95588): they are a company's, and public.

Every pattern has bounded repeats and begins at a boundary, so the time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple, get_args

from feilun.text import Text

Kind = Literal[
    "identity",
    "company",
    "card",
    "mobile",
    "landline",
    "phone",
    "email",
    "ip",
    "passport",
    "plate",
    "wechat",
    "qq",
]

PLACEHOLDERS: dict[Kind, Text] = {
    "identity": Text("[ID number]", "[身份证号]"),
    "company": Text("[company code]", "[统一社会信用代码]"),
    "card": Text("[card number]", "[银行卡号]"),
    "mobile": Text("[mobile number]", "[手机号]"),
    "landline": Text("[phone number]", "[电话号码]"),
    "phone": Text("[phone number]", "[电话号码]"),
    "email": Text("[email]", "[邮箱]"),
    "ip": Text("[IP address]", "[IP地址]"),
    "passport": Text("[passport number]", "[护照号]"),
    "plate": Text("[licence plate]", "[车牌号]"),
    "wechat": Text("[WeChat ID]", "[微信号]"),
    "qq": Text("[QQ number]", "[QQ号]"),
}

PERSONAL: frozenset[Kind] = frozenset(get_args(Kind)) - {"company"}
"""What `mask` hides unless told otherwise: a credit code identifies a company, and is public."""


class Found(NamedTuple):
    """``text[start:end]`` is of this kind; offsets in characters."""

    kind: Kind
    start: int
    end: int


def find(text: str) -> list[Found]:
    """Personal data in the order of the text, without overlaps: the more certain kind wins."""
    plain = _narrow(text)
    taken = bytearray(len(plain))
    found: list[Found] = []
    windows = {sign: sign.windows(plain) for sign in {rule.sign for rule in _RULES}}
    for rule in _RULES:
        for window in windows[rule.sign]:
            for match in rule.pattern.finditer(plain, *window):
                start, end = match.span("own" if "own" in rule.pattern.groupindex else 0)
                if taken.find(1, start, end) < 0 and rule.holds(match):
                    taken[start:end] = b"\1" * (end - start)
                    found.append(Found(rule.kind, start, end))
    return sorted(found, key=lambda one: one.start)


def mask(text: str, kinds: Collection[Kind] = PERSONAL) -> str:
    """The text with a placeholder such as ``[手机号]`` or ``[mobile number]`` for each, in the text's language."""
    hidden = [one for one in find(text) if one.kind in kinds]
    begins = [0, *(one.end for one in hidden)]
    ends = [*(one.start for one in hidden), len(text)]
    kept = [text[begin:end] for begin, end in zip(begins, ends, strict=True)]
    rest = " ".join(kept)
    language = "zh" if len(_HAN.findall(rest)) > len(_LATIN.findall(rest)) else "en"
    places = [PLACEHOLDERS[one.kind].show(language) for one in hidden]
    return "".join(part for pair in zip(kept, [*places, ""], strict=True) for part in pair)


_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]+")

# Full-width forms, dashes and spaces become ASCII one for one: offsets stay what they are.
_NARROW = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys([*range(0x2010, 0x2016), 0x2212], ord("-")),
    **dict.fromkeys([0x3000, 0xA0, 0x2009, 0x202F], ord(" ")),
}

_WIDE = [(chr(code), chr(narrow)) for code, narrow in _NARROW.items()]


def _narrow(text: str) -> str:
    """``text.translate(_NARROW)``, which would look up each character: a text has few of these forms."""
    for wide, narrow in _WIDE:
        if wide in text:
            text = text.replace(wide, narrow)
    return text


# A number stands alone: not in a word, a longer number, a decimal, a price.
_LEFT = r"(?<![0-9A-Za-z_+])(?<![0-9][-.])(?<![¥￥$€£])(?<![¥￥$€£] )"
_RIGHT = (
    r"(?![0-9A-Za-z_])(?![-.][0-9])(?! ?(?:元|块|万|亿|美元|欧元|人民币|%|公里|千米|吨|人次|[平立]方|字节))"
)

_NO_PERSON = (
    r"订单|单号|编号|编码|流水|批号|货号|型号|序列|批次|案号|文号|条码|运单|快递|发票|合同|商品|版本|金额|"
    r"\b(?:order|invoice|tracking|serial|parcel|contract|batch|ticket|item|part|model|version|isbn|issn|sku|ean)\b"
)
_PERSON = (
    r"身份证|证件|护照|手机|电话|座机|传真|热线|联系|拨打|致电|号码|卡号|银行卡|信用卡|储蓄卡|账号|账户|"
    r"\b(?:id card|identity|passport|mobile|phone|tel|telephone|cell|call|fax|card|account)\b"
)
_WORDS = re.compile(rf"(?P<no>{_NO_PERSON})|(?P<yes>{_PERSON})", re.IGNORECASE | re.ASCII)
_BREAK = re.compile(r"[0-9。；;！!？?\n]")
_WITHIN = 24
"""Characters before a number in which a word says what it is, unless another number or sentence lies between."""


def _named(match: re.Match[str]) -> Literal["personal", "other", "unsaid"]:
    """What the words before a number call it; the last of them decides."""
    before = _BREAK.split(_before(match, _WITHIN))[-1]
    words = list(_WORDS.finditer(before))
    if not words:
        return "unsaid"
    return "personal" if words[-1]["yes"] else "other"


def _unless_named(match: re.Match[str]) -> bool:
    return _named(match) != "other"


def _digits(match: re.Match[str]) -> str:
    return re.sub(r"[^0-9X]", "", match[0].upper())


_PROVINCES = frozenset(
    map(str, [*range(11, 16), 21, 22, 23, *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66)])
) | {"71", "81", "82", "83", "91"}


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        return 1900 <= date(int(year), int(month), int(day)).year < 2100
    except ValueError:
        return False


def _identity(match: re.Match[str]) -> bool:
    """GB 11643-1999: place, date of birth, serial number; ISO 7064 MOD 11-2 over all of them."""
    number = _digits(match)
    total = sum(int(digit) * pow(2, 17 - at, 11) for at, digit in enumerate(number[:17]))
    return (
        number[:2] in _PROVINCES
        and _is_date(number[6:10], number[10:12], number[12:14])
        and number[17] == "10X98765432"[total % 11]
    )


def _old_identity(match: re.Match[str]) -> bool:
    """The form issued until 1999 has no check digit, so the words before have to say what it is."""
    number = match[0]
    return (
        number[:2] in _PROVINCES
        and _is_date("19" + number[6:8], number[8:10], number[10:12])
        and re.search(r"身份证|证件号|id card|identity", _before(match, 16), re.IGNORECASE) is not None
    )


_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def _company(match: re.Match[str]) -> bool:
    """GB 32100-2015: the check character is modulo 31 over an alphabet without I, O, S, V and Z."""
    total = sum(_CREDIT_ALPHABET.index(letter) * pow(3, at, 31) for at, letter in enumerate(match[0][:17]))
    return (
        match[0][2:4] in _PROVINCES | {"10"}  # 10: registered with the ministry
        and match[0][17] == _CREDIT_ALPHABET[-total % 31]
        and not (match[0].isdigit() and _named(match) == "personal")
    )


def _card(match: re.Match[str]) -> bool:
    """ISO/IEC 7812: the Luhn digit, and a first digit that banks use unless the words before say card.

    The Luhn digit alone lets every tenth order number through. Thirteen digits are an old card of one company, and more
    often the bar code of goods (EAN-13), which has a check digit of its own.
    """
    number = _digits(match)
    if len(number) == 13 and (number[0] != "4" or (_is_bar_code(number) and _named(match) != "personal")):
        return False
    doubled = (sum(divmod(int(digit) * 2, 10)) for digit in number[-2::-2])
    luhn = (sum(map(int, number[-1::-2])) + sum(doubled)) % 10 == 0
    issued = _ISSUED.match(number) is not None or _named(match) == "personal"
    return 13 <= len(number) <= 19 and len(set(number)) > 1 and luhn and issued and _unless_named(match)


def _is_bar_code(number: str) -> bool:
    """ISO/IEC 15420: weights 1 and 3 in turn."""
    return (sum(map(int, number[::2])) + 3 * sum(map(int, number[1::2]))) % 10 == 0


_ISSUED = re.compile(r"3(?!5\d{13}\Z)|[456]|955[89]")  # 35 and fifteen digits: a phone's IMEI


def _landline(match: re.Match[str]) -> bool:
    """Without anything between area code and number, the words before have to say what it is."""
    return _named(match) == "personal" or (not match[0].isdigit() and _unless_named(match))


def _email(match: re.Match[str]) -> bool:
    return match[1].lower() not in {"png", "jpg", "jpeg", "gif", "svg", "webp"}  # logo@2x.png


def _ip(match: re.Match[str]) -> bool:
    """Four numbers are a version as often; and a loopback address or a netmask is nobody's."""
    before = re.split(r"[,，、;；。]", _before(match, 12))[-1]
    after = re.split(r"[,，、;；。]", match.string[match.end() : match.end() + 8])[0]
    nobody = match[0].startswith(("127.", "0.", "255."))
    return not nobody and not re.search(
        r"版|[章节条]|发布|升级|version|release|section", f"{before} {after}", re.IGNORECASE
    )


def _passport(match: re.Match[str]) -> bool:
    around = _before(match, _WITHIN) + match.string[match.end() : match.end() + 12]
    return re.search(r"护照|passport", around, re.IGNORECASE) is not None


def _pairs(match: re.Match[str]) -> bool:
    """Five numbers in a row may be a table's: no more of them before or behind, or words that say what it is."""
    before, behind = _before(match, 3), match.string[match.end() : match.end() + 3]
    alone = not re.search(r"[0-9×*/=] ?,? ?$", before) and not re.match(r"[ ,.]{0,2}[0-9×*/=]", behind)
    return _named(match) == "personal" or (alone and _unless_named(match))


def _plate(match: re.Match[str]) -> bool:
    """The number of a document, a room or a line has the same form. Words before and behind tell."""
    before = _BREAK.split(_before(match, _WITHIN))[-1]
    if re.search(r"[车牌驾]", before):
        return True
    behind = match.string[match.end() : match.end() + 4]
    return _named(match) != "other" and not re.match(
        r" ?(?:号(?!牌|车|的?[轿货客]?车)|[文令案线房楼栋座室型批]|公告|通知|决定|专利|股)", behind
    )


def _wechat(match: re.Match[str]) -> bool:
    """What follows a colon may be the system that it runs on."""
    return (
        re.fullmatch(
            r"(?:android|ios|ipados|windows|win|mac|macos|linux|harmonyos|version|ver)[0-9_-]*",
            match["own"],
            re.IGNORECASE,
        )
        is None
    )


def _before(match: re.Match[str], characters: int) -> str:
    return match.string[max(0, match.start() - characters) : match.start()]


@dataclass(frozen=True)
class _Sign:
    """What every match of some rules has in it. It is found fast, and nearly all of a text has none: rules that look at
    what stands before each character would be most of the time that a page takes."""

    pattern: re.Pattern[str]
    before: int
    """A match begins at most so many characters before it,"""
    after: int
    """and ends, with what is looked at behind it, at most so many after it."""

    def windows(self, text: str) -> list[tuple[int, int]]:
        """Where matches may be, in order and apart: no edge falls into what could be one."""
        found: list[tuple[int, int]] = []
        for match in self.pattern.finditer(text):
            start, end = max(0, match.start() - self.before), match.end() + self.after
            if found and start <= found[-1][1]:
                start = found.pop()[0]
            found.append((start, end))
        return found


@dataclass(frozen=True, slots=True)
class _Rule:
    kind: Kind
    sign: _Sign
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] = lambda match: True


def _number(pattern: str) -> re.Pattern[str]:
    return re.compile(f"{_LEFT}(?:{pattern}){_RIGHT}", re.ASCII)


_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_PLATE_LETTER = "[A-HJ-NP-Z]"
_PLATE = "[A-HJ-NP-Z0-9]"
_PLATES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"

_AT = _Sign(re.compile("@"), 64, 8 * 64 + 24 + 1)
_SIX = _Sign(re.compile(r"[0-9](?:[^0-9\n]{0,2}[0-9]){5}"), 18, 40)
"""Six digits, which all numbers have that are not an address of the internet."""
_OCTETS = _Sign(re.compile(r"[0-9]\.[0-9]"), 3, 24)
_PROVINCE = _Sign(re.compile(rf"[{_PLATES}][A-Z]"), 0, 24)

_WECHAT = _Sign(re.compile(r"[微薇威Vv]信|[Ww]e[Cc]hat|[VvWw][Xx]|加我?[微薇Vv]"), 3, 48)
_QQ = _Sign(re.compile(r"[Qq]{2}|扣扣|企鹅号|加我?[Qq]"), 1, 28)

_RULES = (
    _Rule(
        "email",
        _AT,
        re.compile(
            r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@"
            r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}([A-Za-z]{2,24})(?![A-Za-z0-9@])"
        ),
        _email,
    ),
    _Rule("identity", _SIX, _number(r"[1-9]\d{5}[ -]?\d{8}[ -]?\d{3}[\dXx]"), _identity),
    _Rule("identity", _SIX, _number(r"[1-9]\d{14}"), _old_identity),
    _Rule("company", _SIX, _number(r"[0-9AN-Y][0-9A-HJ-NPQRTUWXY]\d{6}[0-9A-HJ-NPQRTUWXY]{10}"), _company),
    # A last group of three or fewer may belong to what follows: the check digit tells.
    _Rule("card", _SIX, _number(r"\d{4}(?:[ -]\d{4}){3}[ -]\d{1,3}"), _card),
    _Rule(
        "card",
        _SIX,
        _number(
            r"\d{13,19}|\d{4}(?:[ -]\d{4}){3}|\d{4}[ -]\d{6}[ -]\d{5}|\d{6}[ -]\d{8}[ -]\d{5}|\d{6}[ -]\d{13}"
        ),
        _card,
    ),
    _Rule(
        "mobile",
        _SIX,
        _number(
            r"(?:(?:\+|00)?86[ -]?)?(?:1[3-9]\d(?:[ -]?\d{4}[ -]?|\.\d{4}\.)|\(1[3-9]\d\) ?\d{4}[ -]?)\d{4}"
        ),
        _unless_named,
    ),
    _Rule("mobile", _SIX, _number(r"(?:(?:\+|00)?86[ -]?)?1[3-9]\d{2}[ -]\d{3}[ -]\d{4}"), _unless_named),
    _Rule("mobile", _SIX, _number(r"1[3-9]\d(?:(?: \d\d){4}|(?:-\d\d){4})"), _pairs),
    _Rule(
        "landline",
        _SIX,
        re.compile(
            r"(?:座机|固话|固定电话|电话|传真)(?:号码?)?[是为]? {0,2}:? {0,2}(?P<own>(?!(?:19|20)\d\d-?(?:(?:19|20)\d\d|[01]\d[0-3]\d))"
            r"[2-9]\d{2,3}[ -]?\d{4})(?! ?[年月户部个台家门线次人])" + _RIGHT,
            re.ASCII,
        ),
    ),
    _Rule(
        "landline",
        _SIX,
        _number(
            r"(?:\((?:010|02\d|0[3-9]\d\d)\) ?|(?:010|02\d|0[3-9]\d\d)[ -]?)[1-9]\d{2,3}[ -]?\d{4}"
            r"(?:(?:-|转| 转 ?|转 )\d{1,5})?"
        ),
        _landline,
    ),
    _Rule(
        "phone", _SIX, _number(r"(?:\+|00(?=[1-9]\d{0,2}[ -]))[1-9](?:[ .()-]{0,2}\d){7,14}"), _unless_named
    ),
    _Rule("ip", _OCTETS, _number(rf"(?:{_OCTET}\.){{3}}{_OCTET}"), _ip),
    _Rule("passport", _SIX, _number(r"[EGDSP]\d{8}|E[A-HJ-NP-Z]\d{7}"), _passport),
    _Rule(
        "plate",
        _PROVINCE,
        re.compile(
            rf"[{_PLATES}]{_PLATE_LETTER}[·• .-]?"
            rf"(?=[A-Z]{{0,5}}\d)(?:{_PLATE}{{4}}[挂学警港澳]|{_PLATE}{{5,6}})(?![A-Za-z0-9])"
        ),
        _plate,
    ),
    # What stands before them is all that tells. A bare word after a colon may be anything ("微信: Android").
    _Rule(
        "wechat",
        _WECHAT,
        re.compile(
            r"(?:(?:[微薇威Vv]信|[Ww]e[Cc]hat ?|(?<![A-Za-z])[VvWw][Xx])"
            r"(?:(?:号码?|账号|ID|id)[是为]?(?: ?[:=])? {0,2}|(?:[是为]? ?[:=]|[是为]) {0,2}(?=[A-Za-z]{1,20}[0-9_-]))"
            r"|加我?(?:[微薇]信?|[Vv](?:[Xx信]|(?![A-Za-z]))) ?:? {0,2}(?=[A-Za-z]{1,20}[0-9_-]))"
            r"(?P<own>[A-Za-z][A-Za-z0-9_-]{5,19})(?![A-Za-z0-9_@-])"
        ),
        _wechat,
    ),
    _Rule(
        "qq",
        _QQ,
        re.compile(
            r"(?:(?<![A-Za-z])[Qq]{2}(?: ?(?:号码?|群号?))?|加我?[Qq](?:号|群)?|扣扣|企鹅号)[是为]?(?: ?[:=])? {0,2}"
            r"(?P<own>[1-9][0-9]{4,10})(?![0-9A-Za-z@版元])(?! ?[人名个位万亿])"
        ),
    ),
)  # the first that holds takes the characters
