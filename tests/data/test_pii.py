"""Personal data is found in any dress it comes in, and what only looks like it is left alone."""

from __future__ import annotations

import string
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.data import pii
from feilun.data.pii import PLACEHOLDERS, Found, Kind, find, mask

# The weights as the standards print them; the code under test computes them.
IDENTITY_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
DIGITS = string.digits


def found(text: str) -> list[tuple[Kind, str]]:
    return [(one.kind, text[one.start : one.end]) for one in find(text)]


def identity_check(first: str) -> str:
    """Brute force: the one character that brings the weighted sum to 1 modulo 11."""
    total = sum(int(d) * w for d, w in zip(first, IDENTITY_WEIGHTS, strict=True))
    (check,) = [c for value, c in enumerate("0123456789X") if (total + value) % 11 == 1]
    return check


def credit_check(first: str) -> str:
    total = sum(CREDIT_ALPHABET.index(c) * w for c, w in zip(first, CREDIT_WEIGHTS, strict=True))
    (check,) = [c for value, c in enumerate(CREDIT_ALPHABET) if (total + value) % 31 == 0]
    return check


def luhn_check(first: str) -> str:
    """Brute force, with what a doubled digit comes to as a table."""
    doubled = dict(zip(DIGITS, (0, 2, 4, 6, 8, 1, 3, 5, 7, 9), strict=True))
    backwards = first[::-1]
    total = sum(doubled[d] for d in backwards[::2]) + sum(int(d) for d in backwards[1::2])
    (check,) = [d for d in DIGITS if (total + int(d)) % 10 == 0]
    return check


births = st.dates(date(1930, 1, 1), date(2020, 12, 31)).map(lambda day: day.strftime("%Y%m%d"))
regions = st.sampled_from(["110105", "310115", "440305", "510104", "659001", "820001"])
identities = st.tuples(regions, births, st.from_regex(r"[0-9]{3}", fullmatch=True)).map(
    lambda parts: "".join(parts) + identity_check("".join(parts))
)
companies = st.tuples(
    st.sampled_from(["91", "92", "12", "52", "A1", "N2", "Y1"]),
    regions,
    st.text(CREDIT_ALPHABET, min_size=7, max_size=7).map("MA{}".format),
).map(lambda parts: "".join(parts) + credit_check("".join(parts)))
cards = (
    st.tuples(st.sampled_from(["4", "51", "62", "9558"]), st.text(DIGITS, min_size=12, max_size=14))
    .map("".join)
    .map(lambda first: first + luhn_check(first))
)
mobiles = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)


def wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def grouped(number: str, sizes: tuple[int, ...], mark: str) -> str:
    parts: list[str] = []
    for size in sizes:
        parts.append(number[:size])
        number = number[size:]
    return mark.join([part for part in [*parts, number] if part])


@given(identities)
def test_an_identity_number(number: str) -> None:
    for dress in (number, number.lower(), wide(number), grouped(number, (6, 8), " ")):
        assert found(f"身份证{dress}。") == [("identity", dress)]
        assert found(f"He is {dress}, she said") == [("identity", dress)]


@given(identities, st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_no_identity_number(number: str, at: int, by: int) -> None:
    wrong = number[:at] + str((int(number[at]) + by) % 10) + number[at + 1 :]
    assert "identity" not in [kind for kind, _ in found(wrong)]
    for check in set("0123456789X") - {number[17]}:
        assert "identity" not in [kind for kind, _ in found(number[:17] + check)]


@given(
    regions,
    st.sampled_from(["19900230", "20011301", "19900100", "18991231", "21010101"]),
    st.integers(0, 999),
)
def test_a_date_that_is_none_is_no_identity_number(region: str, birth: str, serial: int) -> None:
    first = f"{region}{birth}{serial:03d}"
    assert "identity" not in [kind for kind, _ in found(first + identity_check(first))]


@given(companies)
def test_a_credit_code_is_a_company_s_and_stays(code: str) -> None:
    text = f"税号：{code}，谢谢"
    assert found(text) == [("company", code)]
    assert mask(text) == text
    assert mask(text, {"company"}) == "税号：[统一社会信用代码]，谢谢"
    wrong = next(c for c in CREDIT_ALPHABET if c != code[-1])
    assert found(code[:-1] + wrong) == []


@given(cards)
def test_a_bank_card(number: str) -> None:
    for dress in (
        number,
        grouped(number, (4, 4, 4, 4), " "),
        grouped(number, (4, 4, 4, 4), "-"),
        wide(number),
    ):
        if len(number) < 16 and dress != number and dress != wide(number):
            continue
        assert ("card", dress) in found(f"卡号 {dress}") or found(dress) == [("identity", dress)]
    others = set(DIGITS) - {number[-1]}
    assert all("card" not in [kind for kind, _ in found(number[:-1] + other)] for other in others)
    assert "card" not in [kind for kind, _ in found(f"订单号：{number}")]


@given(mobiles)
def test_a_mobile_number(number: str) -> None:
    spaced = f"{number[:3]} {number[3:7]} {number[7:]}"
    for dress in (number, spaced, spaced.replace(" ", "-"), f"+86{number}", f"+86 {spaced}", f"0086-{number}",
                  f"{number[:4]} {number[4:7]} {number[7:]}", wide(number)):  # fmt: skip
        assert found(f"打{dress}找我") == [("mobile", dress)]
        assert mask(f"打{dress}找我") == "打[手机号]找我"
        assert mask(f"call me at {dress}.") == "call me at [mobile number]."


@given(mobiles, st.text(DIGITS, min_size=1, max_size=3), st.sampled_from(["", "-", "."]))
def test_no_mobile_number_inside_a_longer_one(number: str, more: str, mark: str) -> None:
    for longer in (number + mark + more, more + mark + number, f"ID{number}", f"{number}x1"):
        if longer[:2] == "86" or longer[:4] == "0086":
            continue
        assert "mobile" not in [kind for kind, _ in found(longer)], longer


@pytest.mark.parametrize(
    ("kind", "text", "numbers"),
    [
        ("identity", "身份证号码：110105491231002", ["110105491231002"]),
        ("card", "Visa 4111 1111 1111 1111, Amex 3782-822463-10005",
         ["4111 1111 1111 1111", "3782-822463-10005"]),
        ("landline", "电话010-62345678转801，传真（0571）8888 8888，热线02112345678",
         ["010-62345678转801", "（0571）8888 8888", "02112345678"]),
        ("phone", "US +1 (415) 555-2671; UK +44 20 7946 0958 2024, 0049 30 901820",
         ["+1 (415) 555-2671", "+44 20 7946 0958", "0049 30 901820"]),
        ("phone", "公司总机+86 10 6234 5678", ["+86 10 6234 5678"]),
        ("email", "写给wang.wei+news@mail.example.com.cn或 A_B@x-y.org。",
         ["wang.wei+news@mail.example.com.cn", "A_B@x-y.org"]),
        ("email", "ａｂｃ＠ｅｘａｍｐｌｅ．ｃｏｍ", ["ａｂｃ＠ｅｘａｍｐｌｅ．ｃｏｍ"]),
        ("ip", "from 203.0.113.7:8080 and 10.0.0.12/24", ["203.0.113.7", "10.0.0.12"]),
        ("passport", "护照号E12345678和EA1234567, passport no. G98765432",
         ["E12345678", "EA1234567", "G98765432"]),
        ("plate", "京A12345停在粤B·D12345旁边，还有沪A1234学、浙BF12345",
         ["京A12345", "粤B·D12345", "沪A1234学", "浙BF12345"]),
        ("mobile", "订单的联系电话：13812345678/13912345678", ["13812345678", "13912345678"]),
        ("wechat", "微信：abc_12345，微信号feilun，加微信 lao-wang88，VX:wang2024_，我的微信是zhang_san1",
         ["abc_12345", "feilun", "lao-wang88", "wang2024_", "zhang_san1"]),
        ("mobile", "138.1234.5678，（139）1234-5678，或137 12 34 56 78。手机136-12-34-56-78",
         ["138.1234.5678", "（139）1234-5678", "137 12 34 56 78", "136-12-34-56-78"]),
        ("card", "622202 02000012 34562, 622202 0200001234562", ["622202 02000012 34562", "622202 0200001234562"]),
        ("card", "4728520890841，卡号4582075388598", ["4728520890841", "4582075388598"]),
        ("landline", "座机 87654321，固话：6234-5678，传真是 8765432", ["87654321", "6234-5678", "8765432"]),
        ("plate", "京A-12345，车牌编号：京A12345号", ["京A-12345", "京A12345"]),
        ("wechat", "微信号是：lily2020，微信是: lily_20，加V lily2020，加我微lily2021，加v信：lily-22",
         ["lily2020", "lily_20", "lily2020", "lily2021", "lily-22"]),
        ("qq", "qq 群 123456789，加Q 12345678，加我q群87654321，QQ号是：1234567", ["123456789", "12345678", "87654321", "1234567"]),
        ("wechat", "WeChat ID: wang_wei, wechat: wang1988", ["wang_wei", "wang1988"]),
        ("qq", "QQ：123456789，qq群号：87654321，扣扣10001，QQ 2233445566", ["123456789", "87654321", "10001", "2233445566"]),
    ],
)  # fmt: skip
def test_the_other_forms(kind: Kind, text: str, numbers: list[str]) -> None:
    assert found(text) == [(kind, number) for number in numbers]


@pytest.mark.parametrize(
    "text",
    [
        "订单号13812345678，快递单号 4111111111111111",
        "Order 4111 1111 1111 1111 and invoice no. 13812345678",
        "2024年5月12日，2024-05-12 13:45:00，20240512134500，1715500800000",
        "价格是13812345678元，也就是 ¥13812345678 或 $13812345678",
        "ISBN 978-7-111-12345-6, ISBN 7111123456, ISSN 1234-5678, 9787111123453",
        "v1.2.3.4, version 1.2.3.4, 版本1.2.3.4，1.2.3.4版，第1.2.3.4节，1.2.3.4.5, 256.1.1.1",
        "127.0.0.1, 0.0.0.0, 255.255.255.0",
        "pi is 3.14159265358979 and 0.13812345678 is small; 1,234,567,890 people",
        "400-800-1234, 12345, 95588, 110",
        "IMEI 356938035643809",
        "E12345678 is a part, 京A is a place, 京ABCDEF too, 京A12",
        "user@host, @name, a@b, logo@2x.png, pkg@1.2.3, @scope/pkg",
        "110105491231002 without a word",
        "sha 13812345678abcdef, 550e8400-e29b-41d4-a716-446655440000",
        "4111111111111112 and 0000000000000000",
        "010621234567 of 01062345678",
        "微信：Android 客户端，微信支付，用微信扫一扫，微信8.0.48，VX200 is a part, wechat: nothing",
        "138.12345678, 138.1234.56, 1138 12 34 56 78, 138 12 34 56 78 90, 150 20 30 40 50, 60, 12×138 12 34 56 78",
        "条码 6921168509256，6921168509256 和 4582075388598",
        "编号：京A12345，京A12345号文件，豫B12345号令，赣F12345案，沪C12345室",
        "固定电话2015-2020年，电话 20240512，电话 5000000 部，客服电话 95588，电话：400-800-1234",
        "产量13812345678吨，13812345678 公里，13912345678人次",
        "微信：Android8，wechat: windows-11，微信号：harmonyos4，加V认证，加Vitamin2020",
        "qq群 10000 人，加Q版，加Q币20个，QQ 12345 个",
        "QQ2010正式版，QQ音乐，QQ 999，BQQ12345，QQ 20000元",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert found(text) == []
    assert mask(text) == text


def test_the_placeholder_is_in_the_language_of_the_text() -> None:
    assert (
        mask("我是张三，邮箱 zhang.san@mail.example.com，手机 13812345678。")
        == "我是张三，邮箱 [邮箱]，手机 [手机号]。"
    )
    assert mask("I am Zhang, zhang@example.com or 13812345678.") == "I am Zhang, [email] or [mobile number]."
    assert mask("手机 13812345678，邮箱 a@b.cn", {"email"}) == "手机 13812345678，邮箱 [邮箱]"


samples = st.one_of(
    identities, cards, mobiles, st.sampled_from(["a@b.cn", "+44 20 7946 0958", "010-62345678", "8.8.4.4", "京A12345"])
)  # fmt: skip


@given(st.lists(st.one_of(samples, st.text(max_size=12)), max_size=6), st.sampled_from([" ", "，", "", "-"]))
def test_found_is_in_order_apart_and_masked_once(parts: list[str], mark: str) -> None:
    text = mark.join(parts)
    pieces = find(text)
    ends = [0, *(one.end for one in pieces)]
    assert all(end <= one.start < one.end <= len(text) for end, one in zip(ends, pieces, strict=False))
    masked = mask(text, PLACEHOLDERS.keys())
    assert masked.startswith(text[: pieces[0].start] if pieces else text)
    for one in pieces:
        assert masked.count(text[one.start : one.end]) < text.count(text[one.start : one.end])
    assert mask(text, ()) == text


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "１",
        "@",
        "-",
        "1-",
        "1 ",
        "+1",
        "a@",
        "a@a.",
        "a.",
        "1.1.",
        "(010)",
        "京A",
        "E1",
        "(",
        "6222 ",
        "0",
    ],
)
def test_long_input_of_one_piece_holds_nothing(piece: str) -> None:
    """Each of these made a naive pattern try every length at every place."""
    noise = piece * (100_000 // len(piece))
    assert find(noise) == []
    number = "13812345678"
    begin = len(noise) + 1
    assert find(f"{noise}\n{number}\n{noise}") == [Found("mobile", begin, begin + len(number))]


numbers_and_what_stands_about_them = st.text(
    "0123456789" * 3 + "-. ()+@xXAEMN元转京沪·身微信vQ:号加\n", max_size=90
)


@given(st.lists(st.one_of(samples, numbers_and_what_stands_about_them), max_size=5).map("".join))
def test_looking_only_where_a_sign_is_misses_nothing(text: str) -> None:
    pieces = find(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pii._Sign, "windows", lambda self, plain: [(0, len(plain))])  # pyright: ignore[reportPrivateUsage]
        assert find(text) == pieces
