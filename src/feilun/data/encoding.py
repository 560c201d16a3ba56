"""Bytes to text: which encoding a page really is in.

What a page says of itself is a hint and no more: of Chinese pages many say ``gb2312`` and use GB18030, and some
say anything. UTF-8 proves itself by its form. For the others the bytes are decoded in each encoding that comes into
question, and each result is judged by how likely its characters are in the language that the encoding is for:
log-probabilities of single characters (naive Bayes), in four steps of frequency. The steps need no table of
counts. GB 2312, Big5 and JIS X 0208 all put their common characters into the first of two levels, and a few
hundred most frequent ones, written down below, are half of any text.
"""

from __future__ import annotations

import math
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

from feilun.data.repair.realigned import realigned


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, and how it was found."""

    text: str
    charset: str
    """Name of the WHATWG Encoding Standard in small letters; ``gb18030`` also for GBK and GB 2312."""
    confidence: float
    """Of the charset, from 0 to 1."""
    replaced: int
    """U+FFFD in the text that stand for bytes which are no character in this charset."""


def decode(content: bytes, declared: str | None = None, *, html: bool = False) -> Decoded:
    """The text, without byte order mark. Never raises; bytes that are no character become U+FFFD.

    Order: byte order mark, proof (UTF-8, ASCII), then the likeliest encoding, where one that is declared counts
    for a few characters of evidence (`_HINT`). So does the mark of UTF-8: editors have put it before GBK.

    Args:
        declared: charset by the HTTP header or the container, as it is written there.
        html: whether a ``<meta charset>`` or an XML declaration at the beginning counts as a hint, too.
    """
    hints = [hint for hint in (_label(declared), _meta(content) if html else None) if hint]
    for mark, charset in _MARKS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], charset, 1.0)
    if content.startswith(BOM_UTF8):
        content = content[len(BOM_UTF8) :]
        hints.append("utf-8")
    nul = b"\0" in content
    if not nul and content.isascii():
        if b"\x1b$" in content:
            return _decoded(content, "iso-2022-jp", 1.0)
        return Decoded(content.decode("ascii"), "utf-8", 1.0, 0)
    if not nul and (text := _utf8(content, hints)) is not None:
        return Decoded(text, "utf-8", 1.0, 0)
    charset, confidence = _likeliest(content, hints, nul)
    found = _decoded(content, charset, confidence)
    return _mended(found, content) if found.replaced and charset in _DOUBLE else found


_MARKS = (
    (BOM_UTF32_LE, "utf-32le"),  # before UTF-16, whose mark it begins with
    (BOM_UTF32_BE, "utf-32be"),
    (BOM_UTF16_LE, "utf-16le"),
    (BOM_UTF16_BE, "utf-16be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)

_META = re.compile(
    rb"<meta[^>]{1,400}?charset\s*=\s*[\"']?\s*([\w:.-]{2,30})"
    rb"|<\?xml[^>]{1,200}?encoding\s*=\s*[\"']([\w:.-]{2,30})",
    re.IGNORECASE,
)

# WHATWG names of Chinese, Japanese and Korean labels all fall together in Python's widest codec of the family.
_CODECS = {
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp",
    "euc-kr": "cp949",
    "utf-8": "utf-8",
    **{name: name for name in ("utf-16le", "utf-16be", "utf-32le", "utf-32be")},
    **{f"windows-{number}": f"cp{number}" for number in (874, *range(1250, 1259))},
    **{f"iso-8859-{number}": f"iso8859_{number}" for number in (*range(2, 9), 10, 13, 14, 15, 16)},
    "koi8-r": "koi8_r",
    "koi8-u": "koi8_u",
    "macintosh": "mac_roman",
}


def _label(label: str | None) -> str | None:
    """The standard's name of a label; None for what is none, or no charset to read pages in (utf-7, base64)."""
    if not label or len(label) > 40 or not label.isascii():
        return None
    name = label.strip(" \t\"'").lower().replace("_", "-")
    name = _ALIASES.get(name) or map_encoding_to_html5(name, False) or ""
    name = re.sub(r"^cp(?=125|874)", "windows-", name)  # resiliparse gives Python's names for some
    name = re.sub(r"^iso8859-", "iso-8859-", name)
    name = {"utf-16": "utf-16le", **_ALIASES}.get(name, name)
    return name if name in _CODECS else None


_ALIASES = {
    **dict.fromkeys(
        ("gb2312", "gb-2312", "gb-2312-80", "gbk", "x-gbk", "cp936", "gb18030", "gb-18030"), "gb18030"
    ),
    **dict.fromkeys(("big5", "big-5", "big5-hkscs", "big5hkscs", "cp950", "x-x-big5"), "big5"),
    **dict.fromkeys(("shift-jis", "sjis", "x-sjis", "cp932", "ms932", "windows-31j"), "shift_jis"),
    **dict.fromkeys(("utf8", "utf-8", "unicode-1-1-utf-8"), "utf-8"),
    **dict.fromkeys(("iso-8859-1", "latin1", "us-ascii", "ascii", "cp1252"), "windows-1252"),
}


def _meta(content: bytes) -> str | None:
    """The label in the page. One that says UTF-16 is wrong: it could not have been read (HTML, 13.2.3.2)."""
    found = _META.search(content, 0, 4096)
    name = _label((found[1] or found[2]).decode("latin-1")) if found else None
    return None if name is not None and name.startswith("utf-16") else name


def _utf8(content: bytes, hints: list[str]) -> str | None:
    """The text if its bytes prove that they are UTF-8.

    Two-byte sequences alone may also be one or two GBK characters by chance.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    proven = len(content) - len(text) >= 8 or any(text > "\u07ff" and hint == "utf-8" for hint in hints)
    return text if proven or _LONG_SEQUENCE.search(content) or not hints or "utf-8" in hints else None


_LONG_SEQUENCE = re.compile(rb"[\xe0-\xf7]")


def _decoded(content: bytes, charset: str, confidence: float) -> Decoded:
    best: Decoded | None = None
    # Neither of Python's two extended Big5 has all characters of the other.
    for codec in ("big5hkscs", "cp950") if charset == "big5" else (_CODECS[charset],):
        try:
            return Decoded(content.decode(codec), charset, confidence, 0)
        except UnicodeError:
            text = content.decode(codec, "replace")
        count = text.count("\ufffd")
        if best is None or count < best.replaced:
            best = Decoded(text, charset, confidence, count)
    assert best is not None
    return best


_DOUBLE = ("gb18030", "big5", "euc-jp", "euc-kr", "shift_jis")
_MENDED = 0.2
"""Nats for each character that GBK with a few bytes too many or too few has to be likelier."""


def _mended(found: Decoded, content: bytes) -> Decoded:
    """The page as GBK, if it is that, and only halves of characters are in the way. They make it look like anything."""
    text, replaced = realigned(content, _model("hans"))
    languages = _LANGUAGES[found.charset]
    if _mean(text, ("hans",)) - _mean(found.text, languages) < _MENDED or 6 * replaced > len(text):
        return found
    return Decoded(text, "gb18030", found.confidence, replaced)


def _mean(text: str, languages: Iterable[str]) -> float:
    points = np.frombuffer(text[: 2**16].encode("utf-32le", "replace"), dtype="<u4")
    high = np.minimum(points[points > 0x7F], 0xFFFF)
    return max(float(_model(language)[high].mean()) for language in languages) if len(high) else 0.0


# --- which encoding ---------------------------------------------------------------------------------------

_HINT = 15.0
"""Nats that a declared charset is worth. A wrong guess costs about three nats a character: six outweigh it."""

_DECIDED = 60.0
"""Nats of lead after which no more of the page is looked at."""

_STEPS = (384, 4096)
"""Bytes of the page's non-ASCII parts that are looked at: first, and where that does not decide."""

_STRANGE = -4.8
"""Nats per byte. Worse than this, none of the usual encodings is right."""

_UNUSUAL = ("windows-1251", "koi8-r", "utf-16le", "utf-16be")

_PRIOR = {
    "gb18030": 0.0,
    "big5": -1.0,
    "shift_jis": -4.0,
    "euc-jp": -4.0,
    "euc-kr": -4.0,
    "windows-1252": -3.0,
}

_ASCII_RUN = re.compile(rb"([\x00-\x7f])[\x00-\x7f]{2,}(?=[\x00-\x7f])")


def _likeliest(content: bytes, hints: list[str], nul: bool) -> tuple[str, float]:
    """Charset and the probability of it among those that were tried."""
    names = dict.fromkeys(
        ["gb18030", "big5", "utf-8", "windows-1252", "euc-kr", "shift_jis", "euc-jp", *hints]
    )
    if nul:
        names = dict.fromkeys(["utf-16le", "utf-16be", *names])
    # Of a run of ASCII only the ends are kept: the first may be the second byte of a character.
    sample = content[: 2**13] if nul else _ASCII_RUN.sub(rb"\1\n", content[: 2**18])
    scores = _scores(sample[: _STEPS[0]], names, hints)
    if len(sample) > _STEPS[0] and _lead(scores) < _DECIDED:
        scores = _scores(sample[: _STEPS[1]], names, hints)
    if max(scores.values()) < _STRANGE * min(len(sample), _STEPS[1]):
        other = _label(detect_encoding(content, 2**14))
        sample = content if len(content) <= _STEPS[1] else sample[: _STEPS[1]]  # pairs have to stay pairs
        scores = _scores(sample, [*names, *_UNUSUAL, *([other] if other else [])], hints)
    best = max(scores, key=lambda name: scores[name])
    return best, 1 / sum(math.exp(max(score - scores[best], -700)) for score in scores.values())


def _lead(scores: dict[str, float]) -> float:
    first, second = sorted(scores.values(), reverse=True)[:2]
    return first - second


def _scores(sample: bytes, names: Iterable[str], hints: list[str]) -> dict[str, float]:
    """Log-probability of the bytes, up to a constant, in each charset."""
    return {
        name: _score(sample, name) + _PRIOR.get(name, -2.0) + _HINT * hints.count(name)
        for name in dict.fromkeys(names)
    }


def _score(sample: bytes, charset: str) -> float:
    text = sample.decode(_CODECS[charset], "replace")
    points = np.frombuffer(text.encode("utf-32le", "replace"), dtype="<u4")
    if not len(points):
        return 0.0
    points = np.minimum(points, 0xFFFF)
    score = max(float(_model(language)[points].sum()) for language in _LANGUAGES.get(charset, _ALL))
    high = points > 0x7F
    pairs = int(np.count_nonzero(high[1:] & high[:-1]))
    if _LANGUAGES.get(charset) == ("latin",):
        # Accented letters stand between plain ones; pairs of them are the two bytes of something else.
        score -= 3.0 * pairs
    elif _LANGUAGES.get(charset) == ("ru",):
        # And Cyrillic letters beside their like.
        score -= 3.0 * max(0, int(np.count_nonzero(high)) - 2 * pairs)
    elif _LANGUAGES.get(charset) == ("ja",):
        # Of Japanese a good part is kana; without them it is Chinese in which a byte is missing.
        kana = int(np.count_nonzero((points >= 0x3040) & (points < 0x3100)))
        han = int(np.count_nonzero((points >= 0x4E00) & (points < 0xA000)))
        score -= 3.0 * max(0, han - 10 * kana - 20)
    return score


_LANGUAGES = {
    "gb18030": ("hans",),
    "big5": ("hant",),
    "shift_jis": ("ja",),
    "euc-jp": ("ja",),
    "euc-kr": ("ko",),
    **dict.fromkeys(("windows-1252", "windows-1250", "windows-1254", "iso-8859-2", "macintosh"), ("latin",)),
    **dict.fromkeys(("windows-1251", "koi8-r", "koi8-u", "iso-8859-5"), ("ru",)),
}
_ALL = ("hans", "hant", "ja", "ko", "latin", "ru")

# --- how likely a character is in a language: nats --------------------------------------------------------

# In the order of their frequency, roughly; a few words of web pages at the end.
_HANS = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
    "用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
    "日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政"
    "美相见被利什二等产或新己制身果加西月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解"
    "水名真论处走义各入几口认条平系气题活更别打女变四总何电数安少报才结反受目太量再感建务做接必场件计管期"
    "市直德资命山金指许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色"
    "路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运"
    "网站首页闻版登录注册搜索下载服务联系图片评论热时间来源编辑更多"
)
_HANT = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡"
    "用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實"
    "日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政"
    "美相見被利什二等產或新己制身果加西月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解"
    "水名真論處走義各入幾口認條平系氣題活更別打女變四總何電數安少報才結反受目太量再感建務做接必場件計管期"
    "市直德資命山金指許統區保至隊形社便空決治展馬科司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色"
    "路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運"
    "網站首頁聞版登錄註冊搜尋索下載服務聯繫絡圖片評論熱時間來源編輯更多臺灣製裏係嘅唔喺咗佢哋啲嚟"
)
_JA = (
    "日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方四定今回"
    "新場金員九入選立開手米力学問高代明実円関決子動京全目表戦経通外最言氏現理調体化田当八六約主題下首意法"
    "不来作性的要用制治度務強気小七成期公野協取都和統以機平総加山思家話世受区領多県続進正安設保改数記院女"
    "初北午指権心界支第産結百派点教報済書府活原先共得解名交資予川向際査勝面委告軍文反元重近千考判認画海参"
)
_KO = "이다는의을에가하고지한도로기사자인대서를리어시아정수나보부일스장그전상제주원들공해여만게성은것과조있세선구라마동"

_MARKS_OF_TEXT = "，。、：；！？（）《》「」『』“”‘’…—·【】　"


@cache
def _model(language: str) -> NDArray[np.float32]:
    """Natural logarithm of the probability of each character up to U+FFFF, whose last stands for all above.

    The figures are estimates to half a nat: what counts is the distance between the steps.
    """
    table = np.full(0x10000, -14.0, dtype=np.float32)
    table[:0x20], table[0x20:0x7F], table[[9, 10, 13]] = -16, -4, -4
    table[0x7F:0xA0] = -17  # control characters
    table[0xA0:0x250] = -9
    table[0x370:0x600] = -9  # Greek, Cyrillic, Hebrew
    table[0x2010:0x2030] = -9
    table[0x3000:0x3040], table[0xFF00:0xFF5F], table[0xFF5F:0xFFF0] = -8, -8, -11
    table[0x3040:0x3100] = -5 if language == "ja" else -11
    table[0x3100:0x3130] = -13
    table[0xAC00:0xD7A4] = -14
    table[0xD800:0xF900] = -17  # surrogates and private use
    table[0xFFFD] = -18
    table[0xFFFF] = -13

    def fill(characters: Iterable[str], value: float) -> None:
        table[[ord(one) for one in characters]] = value

    if language == "latin":
        table[0xA0:0xC0], table[0xC0:0x180] = -6, -5.5
        fill("“”‘’…—–•€™", -6)
        return table
    if language == "ru":
        table[0x410:0x430], table[0x430:0x450] = -6.5, -4
        fill("оеаинтсрвл", -3)
        return table
    fill(_MARKS_OF_TEXT, -4.5)
    if language == "hans":
        fill(_level("gb2312", range(0xD8, 0xF8)), -11.5)
        fill(_HANT, -10)  # Traditional text in GBK
        fill(_level("gb2312", range(0xB0, 0xD8)), -8.8)
        _ranked(fill, _HANS)
    elif language == "hant":
        fill(_level("big5", range(0xC9, 0xFA), range(0x40, 0xFF)), -12)
        fill(_level("big5", range(0xA4, 0xC7), range(0x40, 0xFF)), -9)
        _ranked(fill, _HANT)
    elif language == "ja":
        fill(_level("euc_jp", range(0xD0, 0xF5)), -12)
        fill(_level("euc_jp", range(0xB0, 0xD0)), -8.8)
        _ranked(fill, _JA)
    else:
        fill(_level("euc_kr", range(0xB0, 0xC9)), -8)
        fill(_KO, -5)
    return table


def _level(codec: str, leads: range, trails: range = range(0xA1, 0xFF)) -> list[str]:
    """The characters of a double-byte set whose first byte is in a range."""
    found = (bytes(pair).decode(codec, "ignore") for pair in product(leads, trails))
    return [one for one in found if len(one) == 1 and one > "\u2e7f"]


def _ranked(fill: Callable[[Iterable[str], float], None], characters: str) -> None:
    for value, begin, end in ((-7.2, 150, None), (-6.4, 50, 150), (-5.2, 0, 50)):
        fill(characters[begin:end], value)
