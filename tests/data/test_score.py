"""Scores of a text: one tiny text per column, brute-force twins, and whatever text may come."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.repair import simplified
from feilun.data.score import SCORES, language, scores
from feilun.data.score.familiar import Familiar, learn
from feilun.data.score.letters import READ, Letters, unit_hash

ARTICLE = (
    "每年冬天，成群的白鹭都会回到湖边的湿地过冬。护鸟人守在棚子里，一上午数出了二十只。\n"
    "这片湿地曾经被围起来养鱼，退渔之后，水才慢慢清了。芦苇重新长了起来，根系把松散的河岸牢牢抓住。\n"
    "他说，看鸟的人要学会等，最好的位置往往也是风最大的位置。夜里水面结了薄冰，鸟群便挤在有泉眼的地方。\n"
)


def of(text: str, title: str = "") -> dict[str, float]:
    return {name[6:-3]: value for name, value in scores(text, title, simplified(text)).items()}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (ARTICLE, "zh"),
        ("繁體中文的網頁也是中文，這裡有幾個句子。", "zh"),
        ("The herons come back to the marsh in winter, and the wardens count them before it is light.", "en"),
        ("我们用 Python 写了一个 data loader，它比以前快了很多。", "zh"),
        ("Die Reiher kehren im Winter in das Moor zurück, und die Wärter zählen sie, bevor es hell wird, "
         "weil sie dann noch schlafen und niemand sie stört.", "other"),
        ("冬になると、鳥たちは湖に戻ってきます。", "ja"),
        ("겨울이 되면 새들이 호수로 돌아옵니다.", "ko"),
        ("Зимой цапли возвращаются на озеро.", "other"),
        ("404 Not Found", "en"),
        ("1234 !!!", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_language(text: str, code: str) -> None:
    assert language(text) == code


def test_a_unit_is_a_han_character_a_word_or_a_number() -> None:
    units = Letters("用GPT-3写 Hello, 2024年").units
    assert units.lengths.tolist() == [1, 3, 1, 1, 5, 4, 1]
    assert units.han.tolist() == [True, False, False, True, False, False, True]
    assert unit_hash("hello") == unit_hash("HELLO") == int(units.hashes[4])


@given(
    st.lists(
        st.sampled_from(["天", "地", "word", "Word", "7", "、", " ", "\n", "é", "🙂", "𠀀"]), max_size=60
    )
)
def test_equal_units_have_equal_hashes_and_no_others(parts: list[str]) -> None:
    letters = Letters("".join(parts))
    units = letters.units
    spelled = [
        letters.text[start : start + size].lower()
        for start, size in zip(units.starts, units.lengths, strict=True)
    ]
    assert len(set(spelled)) == len(set(units.hashes.tolist()))
    assert all(one and not one.isspace() for one in spelled)


def test_a_list_has_no_prose() -> None:
    listed = "\n".join(f"2024-03-{day:02} 关于春季学期安排的通知" for day in range(1, 20))
    assert of(listed)["prose"] == 0
    assert of(listed)["listed"] == 1
    assert of(ARTICLE)["prose"] == 1
    assert of(ARTICLE)["listed"] == 0


def test_stops_of_both_scripts_end_sentences() -> None:
    assert of("一句话。两句话！三句话？")["sentence_length"] == 4
    assert of("One. Two! Three?")["sentence_length"] == pytest.approx(16 / 3)


def repeated(units: list[str], size: int) -> float:
    """The twin: units in n-grams that occurred before."""
    seen: set[tuple[str, ...]] = set()
    covered: set[int] = set()
    for at in range(len(units) - size + 1):
        gram = tuple(units[at : at + size])
        if gram in seen:
            covered.update(range(at, at + size))
        seen.add(gram)
    return len(covered) / max(len(units), 1)


@given(st.text("天地人和", max_size=300))
def test_repetition_is_what_a_dictionary_finds(text: str) -> None:
    found = of(text)
    assert found["repetition"] == pytest.approx(repeated(list(text), 10))
    most = max(Counter(text[at : at + 4] for at in range(len(text) - 3)).values(), default=0)
    assert found["top_ngram"] == pytest.approx(min(4 * most / len(text), 1) if most >= 3 else 0)


def test_repeated_lines() -> None:
    assert of("春天来了\n春天来了\n夏天\n")["repeated_lines"] == pytest.approx(4 / 10)


GAMBLING = "注册送彩金88元，百家乐老虎机真人荷官，提款秒到，信誉平台，备用网址请收藏。滚球赔率全网最高，返水上不封顶。"
LAW = (
    "法院公开审理了一起开设赌场案。被告人租用服务器架设网站，接受投注并从中抽头。检察机关指控，其行为违反刑法，"
    "构成犯罪。警方查明，所谓百家乐和老虎机的赔率可以随意修改。民警提醒群众，网络赌博是违法行为，不要相信。"
)


def test_what_sells_gambling_is_told_from_what_reports_on_it() -> None:
    assert of(GAMBLING)["gambling"] > 50
    assert of(LAW)["gambling"] < 5
    assert of(ARTICLE)["gambling"] == 0


def test_the_traditional_script_is_read_through_its_shadow() -> None:
    assert of("註冊送彩金88元，百家樂老虎機真人荷官，提款秒到，信譽平台，備用網址請收藏。")["gambling"] > 50


def test_spam_porn_and_abuse() -> None:
    assert of("厂家直销，全国包邮，货到付款！加微信免费领取大礼包，限时秒杀，手慢无，立即抢购。")["spam"] > 50
    assert (
        of("Buy now! Free shipping, order now, best price, click here, money back, limited time offer.")[
            "spam"
        ]
        > 50
    )
    assert of("成人视频在线播放，国产精品无码一区二区免费观看，人妻熟女高清在线。")["porn"] > 50
    assert of("你这个傻逼，滚蛋，去死吧，脑残，王八蛋。")["toxic"] > 30
    for topic in ("spam", "porn", "toxic", "spun"):
        assert of(ARTICLE)[topic] < 5


def test_spun_words() -> None:
    assert (
        of("家养智能的成长愈来愈快，合计机和办事器的手艺经由过程呆板进修获得晋升，黉舍也很存眷。")["spun"]
        > 18
    )


def test_pairs_that_the_reference_lacks_are_unseen() -> None:
    text = "天地玄黄宇宙洪荒" * 20
    table = learn([text], often=1, least=1)
    assert table.unseen(Letters(text)) == 0
    other = table.unseen(Letters("地天黄玄宙宇荒洪" * 20))
    assert other > 0.9
    assert math.isnan(table.unseen(Letters("天地")))


def test_the_table_is_saved_and_read(tmp_path) -> None:
    table = learn(["天地玄黄" * 30], often=1, least=1)
    table.save(tmp_path / "table.npz")
    again = Familiar.load(tmp_path / "table.npz")
    assert np.array_equal(again.han, table.han)
    assert np.array_equal(again.units, table.units)


def test_the_documentation_names_every_column() -> None:
    told = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
    assert [name for name in (*SCORES, "score.shifted.v1") if f"`{name}`" not in told] == []


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=[]), max_size=400), st.text(max_size=20))
def test_any_text_has_every_score(text: str, title: str) -> None:
    found = scores(text, title, simplified(text))
    assert [*found, "score.quality.v1"] == list(SCORES)
    assert all(math.isnan(value) or value >= 0 for value in found.values())
    again = scores(text, title, simplified(text))
    assert np.array_equal(list(found.values()), list(again.values()), equal_nan=True)


def test_a_long_text_is_judged_by_its_beginning() -> None:
    text = "春" * (READ + 5)
    assert len(Letters(text).text) == READ
    assert of(text)["chars"] == READ + 5
