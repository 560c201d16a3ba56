"""Scores of a text: one tiny text per column, brute-force twins, and whatever text may come."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feilun.data.dedup.passages import windows
from feilun.data.labelled import pages
from feilun.data.repair import simplified
from feilun.data.score import SCORES, language, scores
from feilun.data.score.familiar import Familiar, learn
from feilun.data.score.letters import READ, Letters, unit_hash
from feilun.data.score.lexicons import TOPICS, WORDS, lexicons

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


CODE = (
    "```js\nexport default function Counter() {\n  const [count, setCount] = useState(0);\n"
    "  return <button onClick={() => setCount(count + 1)}>{count}</button>;\n}\n```\n"
)


def test_code_in_a_chinese_page_is_no_other_language() -> None:
    text = (
        f"先安装依赖，再写一个计数的组件。每次点击，数字加一。\n{CODE * 2}保存以后，浏览器里就能看到按钮。\n"
    )
    assert language(text) == "zh"
    assert (of(text)["zh"], of(text)["other"]) == (1, 0)
    assert language(CODE * 2) == "other"  # code alone


def test_a_page_with_accents_or_little_chinese_is_another_language_still() -> None:
    german = (
        "Die Reiher kehren im Winter zurück, weil sie hier fischen können. Die Wärter zählen sie früh. " * 2
    )
    assert of(german + "每年冬天，成群的白鹭都会回到湖边的湿地过冬，护鸟人数出了二十只。")["other"] > 0.5
    malay = "Burung bangau kembali ke paya setiap musim dingin dan penjaga mengira bilangannya. " * 4
    assert of(malay + "语言选择：简体中文")["other"] > 0.5


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


def test_a_list_of_sentences_is_prose() -> None:
    steps = "".join(f"{at}. 先把第{at}个零件洗净，晾干以后再装回去。\n" for at in range(1, 9))
    assert (of(steps)["listed"], of(steps)["prose"]) == (0, 1)
    assert of("- Buy seeds\n- Dig!\n- Water the beds.\n")["listed"] == 1


@pytest.mark.parametrize("stop", ["．", "｡", "。"])
def test_every_chinese_full_stop_ends_a_sentence(stop: str) -> None:
    text = ARTICLE.replace("。", stop)
    assert of(text)["prose"] == 1
    assert of(text)["sentence_length"] == of(ARTICLE)["sentence_length"]
    found, _, ends = windows(text.replace("\n", ""))
    assert len(found) > 3
    assert {text.replace("\n", "")[end - 1] for end in ends.tolist()} == {stop}


def test_a_long_line_counts_up_to_its_last_stop() -> None:
    one = ARTICLE.replace("\n", "")
    assert of(f"{one}（记者 王某")["prose"] == pytest.approx(len(one) / (len(one) + 6))
    english = (
        "The herons come back in winter.The wardens count them, and write it down. See also Sources Links"
    )
    assert of(english)["prose"] == pytest.approx((len(english) - 23) / len(english))
    assert (
        of("首页 新闻 体育 财经 健康 旅游 图片 视频 论坛 专题 地方 房产 汽车 关于我们 联系我们 网站地图")[
            "prose"
        ]
        == 0
    )
    assert (
        of("Home News Opinion Business Sports Culture Health Travel Photos Video Forum About 3.5")["prose"]
        == 0
    )


def test_lines_cut_anywhere_are_prose_as_well() -> None:
    whole = ARTICLE.replace("\n", "")
    cut = "\n".join(whole[at : at + 30] for at in range(0, len(whole), 30))
    assert of(cut)["prose"] > 0.4
    assert of("To gaze upon the fields,\nThe birds that sing in choir,\nAnd sleep.")["prose"] == 1


VERSE = (
    "我在黄昏走过那座桥 桥下的水还是那么慢 岸边的柳树换了新的枝条 没有人记得去年的风 我把一封信折成了小船 "
    "让它顺着水流到远方 也许会有孩子把它捡起 打开来看见里面没有字 只有一片干枯的叶子 和我没有说出口的话"
).replace(" ", "\n")


def test_verse_without_stops_has_no_share_of_prose() -> None:
    assert math.isnan(of(VERSE)["prose"])
    titles = "\n".join(
        f"{name}：农业里的一年" for name in ("临江", "青石", "云溪", "北屏", "南浦", "沙湾", "长岭", "柳河")
    )
    assert of(titles)["prose"] == 0
    assert of("关于我们 汽车 论坛 地方\n首页 教育 联系我们\n我们的服务 财经 体育 专题\n" * 4)["prose"] == 0


def test_verse_has_no_cohesion() -> None:
    lines = [f"{one}，{other}。" for one, other in zip(NAMES, reversed(NAMES), strict=True)]
    assert math.isnan(of("\n".join(lines))["cohesion"])
    assert not math.isnan(of("".join(lines))["cohesion"])


NAMES = ["".join(chr(0x4E00 + (37 * (7 * at + one)) % 20000) for one in range(7)) for at in range(40)]
"""Seven Han characters each, none twice."""


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


def test_what_is_said_again_far_away_is_no_repetition() -> None:
    phrase, filler = "由县级以上人民政府责令改正并处罚款", "".join(NAMES)
    near, far = phrase + filler[:200] + phrase, phrase + filler[:280] * 2 + phrase
    assert of(near)["repetition"] == pytest.approx(len(phrase) / len(near))
    assert (
        of(phrase + filler[:280] + phrase[::-1] + filler[:-1][:280] + phrase)["repetition"]
        < of(far)["repetition"]
    )
    apart = phrase + "".join(chr(0x4E00 + 41 * at % 20000) for at in range(420)) + phrase
    assert of(apart)["repetition"] == 0
    doors = "".join(
        f"{city}管道疏通服务周到，师傅经过严格培训，随叫随到，让您满意。" for city in "广深沪蓉汉郑杭长济西"
    )
    assert of(doors)["repetition"] > 0.6


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


@pytest.mark.parametrize("topic", TOPICS)
def test_a_word_alone_convicts_nobody(topic: str) -> None:
    for word in WORDS[topic]:
        text = f"{ARTICLE}他们说的是 {word} ，又说了一遍 {word} 。" + f" {word} ；" * 6
        assert lexicons(Letters(text), "")[f"score.{topic}.v1"] == 0, word


@pytest.mark.parametrize("topic", TOPICS)
def test_words_that_name_a_thing_convict_nobody_however_many(topic: str) -> None:
    names = [word for word, weight in WORDS[topic].items() if weight == 1]
    assert len(names) > 5
    assert of(ARTICLE + "。 ".join(names))[topic] == 0


ORDINARY = {
    "lighthouse": "Inside the tower it is cold. A tour of 60 minutes leads inside the lamp room and inside the base. " * 3,
    "lease": "The tenant pays within thirty days. With respect to the garden, notice of thirty days is given for the "
    "duration of the lease. In the event that you move out, nothing inside the flat may be left. " * 2,
    "judicial": "The specialists heard the socialist member on judicial prejudice. In fact nowhere is the border nowadays "
    "more commercial. Matsushita met the judicious specialist in Milford.",
    "waste": "危险废物应当如实登记，废物不得混放，运输废物要用专用车辆，废物的贮存场所要防雨防渗。",
    "corn": "掰下来的玉米棒子堆成小山，棒子装满了筐，孩子们剥着棒子皮，妈妈的手最快。",
    "war": "鬼子进了村，鬼子烧了房子，打死了七个鬼子以后，剩下的鬼子退回县城，村里人骂他们是畜生。",
    "school": "智障儿童上学以后情绪稳定了许多，智障学生学会了系鞋带，从前有人叫他们白痴、弱智。",
    "games": "棋牌室里老人打牌，过节的时候斗牛，轮盘、老虎机和百家乐的赔率，都对下注的人不利。",
    "market": "西红柿原价三元，现价两元五角，傍晚特价处理，附近的老人都来买，网上包邮的也不比这里便宜。",
    "children": "幼儿园的活动有收集落叶、练习剪纸，孩子的成长靠的是活动，收集和练习都不着急，不必为此付出代价。",
    "health": "肛交的感染风险最高，口交低一些，自慰不传播病毒，做爱时要用安全套，情色网站教不了这些。",
    "punk": "Hardcore bands played in basements. Hardcore was loud, hardcore fans copied tapes, and hardcore ended.",
    "letter": "尊敬的 XXX 先生：我叫 XXX，毕业于 XXX 大学，现应聘 XXX 岗位，盼望早日收到回信。",
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_prose_is_about_to_sell_nothing(name: str) -> None:
    found = of(ORDINARY[name] * 2)
    assert {topic: found[topic] for topic in TOPICS} == dict.fromkeys(TOPICS, 0)


def test_bad_pages_of_another_seed_are_told() -> None:
    limits = {
        "gambling": (15, 0.8),
        "porn": (15, 0.8),
        "toxic": (15, 0.8),
    }
    found = {
        kind: [of(page.text, page.title)[kind] > limit for page in pages(12) if page.kind == kind]
        for kind, (limit, _) in limits.items()
    }
    assert {kind: np.mean(those) >= limits[kind][1] for kind, those in found.items()} == dict.fromkeys(
        limits, True
    )


def test_the_traditional_script_is_read_through_its_shadow() -> None:
    assert of("註冊送彩金88元，百家樂老虎機真人荷官，提款秒到，信譽平台，備用網址請收藏。")["gambling"] > 50


def test_porn_and_abuse() -> None:
    assert of("成人视频在线播放，国产精品无码一区二区免费观看，人妻熟女高清在线。")["porn"] > 50
    assert of("你这个傻逼，滚蛋，去死吧，脑残，王八蛋。")["toxic"] > 30
    for topic in ("porn", "toxic"):
        assert of(ARTICLE)[topic] < 5


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


def test_a_paragraph_that_begins_with_a_date_is_no_item_of_a_list() -> None:
    news = "2022年1月20日，成群的白鹭回到湖边的湿地过冬，护鸟人守在棚子里，一上午数出了二十只。（湖边 记者）"
    assert of(news)["listed"] == 0
    assert of("2022年1月20日 通知\n2022年1月21日 公告")["listed"] == 1


def test_a_program_may_say_its_lines_again() -> None:
    code = "```\nexport default function Board() {\n  return null;\n}\n```\n"
    assert of("先写一个组件。\n" + code + "再写一遍。\n" + code)["repeated_lines"] == 0
    assert of("先写一个组件。\n" * 4)["repeated_lines"] == pytest.approx(0.75)
