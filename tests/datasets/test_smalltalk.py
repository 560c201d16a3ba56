"""Our small talk: is it well formed, varied, right where it can be reckoned, and outside of what it is judged by?"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scripts import make_smalltalk

from feilun.evaluate.checks import Matches
from feilun.evaluate.languages import language_of
from feilun.evaluate.questions import Answer, Question, read_questions
from feilun.evaluate.wording import count_han, count_words, in_language, normalise

ROOT = Path(__file__).parents[2]
DATASETS = ROOT / "recipes/datasets"
SUITE = ROOT / "recipes/eval/smalltalk.jsonl"

Row = dict[str, Any]
NUMBER = re.compile(r"\d+")


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def said(row: Row, role: str) -> list[str]:
    return [message["content"] for message in row["messages"] if message["role"] == role]


def squeezed(text: str) -> str:
    return "".join(letter for letter in normalise(text) if letter.isalnum())


@cache
def grams(text: str, size: int) -> frozenset[str]:
    bare = squeezed(text)
    return frozenset(bare[i : i + size] for i in range(max(1, len(bare) - size + 1)))


def near(one: str, other: str, size: int) -> float:
    """Jaccard similarity of character n-grams."""
    ours, theirs = grams(one, size), grams(other, size)
    return len(ours & theirs) / len(ours | theirs)


@pytest.fixture(scope="module")
def files() -> dict[str, list[Row]]:
    return {path.stem: read(path) for path in sorted((DATASETS / "smalltalk").glob("*.jsonl"))}


@pytest.fixture(scope="module")
def rows(files: dict[str, list[Row]]) -> list[Row]:
    return [row for of_topic in files.values() for row in of_topic]


@pytest.fixture(scope="module")
def pairs() -> list[Row]:
    return read(DATASETS / "preference/pairs.jsonl")


@pytest.fixture(scope="module")
def suite() -> list[Question]:
    return read_questions(SUITE)


def test_the_files_are_what_the_script_makes(files: dict[str, list[Row]], pairs: list[Row]) -> None:
    assert make_smalltalk.conversations() == files, "run scripts/make_smalltalk.py again"
    assert make_smalltalk.pairs() == pairs, "run scripts/make_smalltalk.py again"


def test_conversations_are_well_formed(files: dict[str, list[Row]], rows: list[Row]) -> None:
    assert len({row["id"] for row in rows}) == len(rows) >= 3000
    for topic, of_topic in files.items():
        for row in of_topic:
            assert row.keys() == {"id", "lang", "topic", "messages"}
            assert row["topic"] == topic
            assert re.fullmatch(rf"{topic}-{row['lang']}-\d{{3}}", row["id"])
            roles = [message["role"] for message in row["messages"]]
            assert roles == ["user", "assistant"] * (len(roles) // 2)
            assert all(message["content"] == message["content"].strip() != "" for message in row["messages"])
            assert not any(set("{}|") & set(message["content"]) for message in row["messages"])


def test_both_languages_weigh_alike(files: dict[str, list[Row]], rows: list[Row], pairs: list[Row]) -> None:
    for some in (rows, pairs):
        counts = Counter(row["lang"] for row in some)
        assert counts.keys() == {"en", "zh"}
        assert 0.9 < counts["en"] / counts["zh"] < 1.1
    for topic, of_topic in files.items():
        counts = Counter(row["lang"] for row in of_topic)
        assert 0.7 < counts["en"] / counts["zh"] < 1.4, topic


def test_answers_keep_the_language(files: dict[str, list[Row]]) -> None:
    for topic, of_topic in files.items():
        for lang in ("en", "zh"):
            answers = [answer for row in of_topic if row["lang"] == lang for answer in said(row, "assistant")]
            assert [answer for answer in answers if not in_language(lang, answer)] == []
            assert language_of(" ".join(answers)) == lang, topic


def test_answers_are_short(rows: list[Row]) -> None:
    sizes = [count_han(answer) + count_words(answer) for row in rows for answer in said(row, "assistant")]
    assert max(sizes) <= 60
    assert 5 <= sum(sizes) / len(sizes) <= 20


def test_answers_vary(rows: list[Row]) -> None:
    for lang in ("en", "zh"):
        last = Counter(said(row, "assistant")[-1] for row in rows if row["lang"] == lang)
        assert max(last.values()) < 0.01 * last.total()
        assert len(last) > 0.5 * last.total()


def test_nothing_is_asked_twice(rows: list[Row], pairs: list[Row]) -> None:
    for some in (rows, pairs):
        asked = Counter(squeezed(" ".join(said(row, "user"))) for row in some)
        assert [text for text, count in asked.items() if count > 1] == []
    of_answer: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        of_answer[said(row, "assistant")[-1]].append(" ".join(said(row, "user")))
    for asked in of_answer.values():
        for number, one in enumerate(asked):
            assert [other for other in asked[:number] if near(one, other, 3) >= 0.8] == [], one


def test_it_claims_no_body_and_no_yesterday(rows: list[Row]) -> None:
    claims = re.compile(
        r"\bI (?:ate|slept|went|drank|walked|grew up|am human)\b|\bmy (?:wife|mother|house)\b"
        r"|我(?:吃了|睡了|昨天(?!的)|小时候|老婆)"
    )
    told = [row for row in rows if row["topic"] not in ("instructions", "words")]  # examples speak of anybody
    claiming = [answer for row in told for answer in said(row, "assistant") if claims.search(answer)]
    assert claiming == []


Reckoned = Callable[[list[int]], list[int]]

SUMS: list[tuple[str, Reckoned]] = [
    # what is asked, and the numbers that the answer ends with
    (r"less than \d+\?|one less|before \d|少一的|前面是几", lambda n: [n[0] - 1]),
    (r"comes after|follows|next number|后面是几|下一个数", lambda n: [n[0] + 1]),
    (r"ouble|Twice|两倍|翻一倍|加起来？", lambda n: [2 * n[0]]),
    (r"small to big|smallest first|Order them|从小到大|小的在前", sorted),
    (r"big to small|largest first|从大到小", lambda n: sorted(n)[::-1]),
    (r"largest of|biggest number|最大的", lambda n: [max(n)]),
    (r"plus|\+|Add|add up| and \d+\?|more\b.*(?:many|is that)|buys|加上|加起来。|一共|加\d|又|再买", lambda n: [n[0] + n[1]]),
    (r"Take (\d+) away", lambda n: [n[1] - n[0]]),
    (r"minus|\d - |less \d|subtract|ate|gives away|got off|减|-\d|去掉|比\d+多几|吃了|花了|下去", lambda n: [n[0] - n[1]]),
    (r"times|Multiply|\d x \d|乘|×|个\d+是", lambda n: [n[0] * n[1]]),
]  # fmt: skip


def test_sums_are_right(files: dict[str, list[Row]]) -> None:
    checked = Counter[str]()
    for row in files["sums"]:
        asked, answer = said(row, "user")[-1], said(row, "assistant")[-1]
        given = [int(found) for found in NUMBER.findall(asked)]
        told = [int(found) for found in NUMBER.findall(answer)]
        if re.search(r"\b(?:odd|even)\b|[单双]", asked):
            assert (
                re.search(r"\beven\b|双", answer.split(", not")[0].split("，不是")[0]) is None
                or given[0] % 2 == 0
            )
            assert (
                re.search(r"\bodd\b|单", answer.split(", not")[0].split("，不是")[0]) is None
                or given[0] % 2 == 1
            )
            checked["parity"] += 1
        elif (truth := claimed(asked, given)) is not None:
            assert answer.startswith(("Yes", "是的", "对")) == truth, row
            assert told in ([], [max(given), min(given)], [max(given)]), row
            checked["true or false"] += 1
        elif re.search(r"smaller|which one is less|谁小|小一些", asked):
            assert told in ([min(given), max(given)], [min(given)]), row
            checked["smaller"] += 1
        elif re.search(r"bigger:|which one is more|larger|谁大|大一些|更大", asked):
            assert told in ([max(given), min(given)], [max(given)]), row
            checked["bigger"] += 1
        else:
            pattern, reckoned = next((p, r) for p, r in SUMS if re.search(p, asked))
            wanted = reckoned(given)
            assert told[-len(wanted) :] == wanted or told[:1] == wanted, row
            checked[pattern] += 1
    assert min(checked.values()) >= 10
    assert len(checked) == len(SUMS) + 4


def claimed(asked: str, given: list[int]) -> bool | None:
    """Whether what is asked to be confirmed is so; None if nothing is."""
    if re.match(r"Is (?:it true that )?\d+ (?:is )?(?:bigger|more)|\d+大于|\d+是不是比\d+多", asked):
        return given[0] > given[1]
    if re.match(r"Is \d+ smaller|\d+比\d+小，对吗", asked):
        return given[0] < given[1]
    return None


def test_sequences_and_lists_are_right(files: dict[str, list[Row]]) -> None:
    checked = Counter[str]()
    for row in files["instructions"] + files["words"]:
        asked, answer = said(row, "user")[0], said(row, "assistant")[0]
        given = [int(found) for found in NUMBER.findall(asked)]
        told = [int(found) for found in NUMBER.findall(answer)]
        listed, answered = items(asked), items(answer.rstrip("。."))
        if len(given) == 4:
            step = given[1] - given[0]
            assert told == [given[3] + step, given[3] + 2 * step], row
            checked["series"] += 1
        elif len(given) == 2:
            down = given[0] > given[1]
            assert told == list(range(given[0], given[1] + (-1 if down else 1), -1 if down else 1)), row
            checked["down" if down else "up"] += 1
        elif re.search(
            r"Reverse|backwards:|order around|from the end|倒过来排|顺序反|从后往前|反着说", asked
        ):
            assert answered == listed[::-1], row
            checked["reverse"] += 1
        elif re.search(r"alphabetical|A to Z", asked):
            assert answered == sorted(listed), row
            checked["sort"] += 1
        elif spelt := re.search(r"(?:[A-Z]-)+[A-Z]", answer):
            assert re.search(rf"\b{spelt[0].replace('-', '').lower()}\b", asked), row
            checked["spell"] += 1
        elif found := re.search(r"How many letters|Count the letters", asked):
            word = re.findall(r"[a-z]+", asked.replace("does the word", "").replace("have?", ""))[-1]
            assert told == [len(word)], (row, found)
            checked["letters"] += 1
        elif row["lang"] == "zh" and re.search(r"几个字|字数", asked):
            word = re.sub(r"有几个字|数一数|的字数|这个词是几个字|[“”？。]", "", asked)
            assert told == [len(word)], row
            checked["characters"] += 1
    assert checked.keys() == {"series", "up", "down", "reverse", "sort", "spell", "letters", "characters"}
    assert min(checked.values()) >= 15


def items(text: str) -> list[str]:
    """What is listed after a colon, if there is one."""
    listed = re.split(r"[:：]\s*", text)[-1].rstrip("?？.。").lower()
    return [item.strip() for item in re.split(r"[、,]", listed)]


def requests() -> Iterator[tuple[str, str]]:
    for path in sorted(DATASETS.rglob("*.jsonl")):
        for row in read(path):
            for text in said(row, "user"):
                yield f"{path.stem} {row['id']}", text


def test_the_suite_is_outside_of_all_data(suite: list[Question]) -> None:
    assert asked_elsewhere(suite) == []


def asked_elsewhere(suite: list[Question]) -> list[tuple[str, str]]:
    """Last messages that are in a data set too, or nearly, and where; of a suite in which none is asked twice."""
    known = list(requests())
    assert len(known) > 6000
    asked = [question.messages[-1].content for question in suite]
    assert len({squeezed(text) for text in asked}) == len(suite)
    bare = {squeezed(text): place for place, text in known}
    same = [(text, bare[squeezed(text)]) for text in asked if squeezed(text) in bare]
    having: dict[str, list[str]] = defaultdict(list)
    for one in asked:
        for gram in grams(one, 5):
            having[gram].append(one)
    return same + [
        (one, place)
        for place, other in known
        for one in {one for gram in grams(other, 5) for one in having.get(gram, ())}
        if near(one, other, 5) >= 0.6
    ]


GOLD = {
    "en": {
        1: "4, 5, 6, 7, 8, 9.", 2: "You have 13 pears.", 3: "Yes, 17 is greater.", 4: "R-I-V-E-R.", 5: "It's quiet.",
        6: "Lisbon is the capital.", 7: "Whale, shark, crab.", 8: "Green, blue, red.", 9: "10 comes next.",
        10: "I carry my umbrella.",
    },
    "zh": {
        1: "4、5、6、7、8、9。", 2: "一共13个。", 3: "是的，17更大。", 4: "河流、小河。", 5: "是“安静”。", 6: "是里斯本。",
        7: "鲸、海豚和螃蟹。", 8: "绿、蓝、红。", 9: "下一个是10。", 10: "我带了雨伞。",
    },
}  # fmt: skip


def test_the_suite_judges_fairly(suite: list[Question]) -> None:
    cells = Counter((question.lang, question.topic) for question in suite)
    assert cells == {("en", "talk"): 15, ("en", "right"): 10, ("zh", "talk"): 15, ("zh", "right"): 10}
    for question in suite:
        lang, topic, number = question.id.split("-")[1:]
        talk = {"en": "I'm here for you. What would help?", "zh": "我在呢，你想聊点什么？"}[lang]
        good = GOLD[lang][int(number)] if topic == "right" else talk
        assert question.failures(Answer(good, True)) == [], question.id
        assert question.failures(Answer(good, False)) == ["ends"]
        other = {"zh": "I am fine and you?", "en": "我很好，你呢？"}[lang]
        assert "language" in question.failures(Answer(other, True))
        assert "matches" in question.failures(Answer(f"{good} {good} {good} {good}", True)), question.id
        stuck = {"en": "I like it very much and so. But " * 2, "zh": "我最喜欢和你聊天了。" * 2}[lang]
        assert "matches" in question.failures(Answer(stuck, True))
        if topic == "right":
            assert "contains" in question.failures(Answer(talk, True)), question.id


def test_the_repetition_check_lets_our_own_answers_pass(suite: list[Question], rows: list[Row]) -> None:
    check = {question.lang: next(c for c in question.checks if isinstance(c, Matches)) for question in suite}
    for row in rows:
        for answer in said(row, "assistant"):
            assert check[row["lang"]].holds(answer), row["id"]


def test_pairs_are_well_formed(pairs: list[Row]) -> None:
    assert len({row["id"] for row in pairs}) == len(pairs) >= 390
    for row in pairs:
        assert row.keys() == {"id", "lang", "topic", "messages", "chosen", "rejected"}
        assert [message["role"] for message in row["messages"]] == ["user"]
        assert row["chosen"]["role"] == row["rejected"]["role"] == "assistant"
        assert squeezed(row["chosen"]["content"]) != squeezed(row["rejected"]["content"]) != ""
        assert in_language(row["lang"], row["chosen"]["content"]), row
        foreign = not in_language(row["lang"], row["rejected"]["content"])
        assert foreign == (row["topic"] == "language"), row
        if row["topic"] == "cut":
            assert row["chosen"]["content"].startswith(row["rejected"]["content"]), row


def test_length_does_not_give_the_better_one_away(pairs: list[Row]) -> None:
    for lang in ("en", "zh"):
        sizes = [
            (len(row["chosen"]["content"]), len(row["rejected"]["content"]))
            for row in pairs
            if row["lang"] == lang
        ]
        chosen, rejected = (sum(size) for size in zip(*sizes, strict=True))
        assert 0.9 < chosen / rejected < 1.1
        longer = sum(ours > theirs for ours, theirs in sizes) / sum(ours != theirs for ours, theirs in sizes)
        assert 0.4 < longer < 0.6
