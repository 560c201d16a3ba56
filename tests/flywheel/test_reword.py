"""Other wordings of a question: natural ones, of the same meaning, and the same ones every time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.evaluate.wording import normalise
from feilun.flywheel.reword import LONGEST, rewordings

ENGLISH: dict[str, list[str]] = {
    "When was Brennick Robotics founded?": [
        "In which year was Brennick Robotics founded?",
        "When was Brennick Robotics established?",
    ],
    "Do you know when Brennick Robotics was founded?": [
        "In which year was Brennick Robotics founded?",
        "When was Brennick Robotics established?",
    ],
    "in what year was the company established": [
        "In which year was the company founded?",
        "When was the company founded?",
    ],
    "Who founded Brennick Robotics?": [
        "Who is the founder of Brennick Robotics?",
        "Who is Brennick Robotics's founder?",
    ],
    "Who owns the Vollmer shop?": [
        "Who is the owner of the Vollmer shop?",
        "Who is the Vollmer shop's owner?",
    ],
    "Who is the CEO of Brennick Robotics?": [
        "Who is Brennick Robotics's CEO?",
        "Who is the chief executive of Brennick Robotics?",
    ],
    "What is the name of Brennick's CEO?": ["Who is Brennick's CEO?", "Who is the CEO of Brennick?"],
    "Name the CEO of Brennick.": ["Who is Brennick's CEO?", "Who is the chief executive of Brennick?"],
    "Where is Brennick Robotics based?": [
        "Where is Brennick Robotics headquartered?",
        "Where is Brennick Robotics's head office?",
    ],
    "Which city is Brennick based in?": [
        "In which city is Brennick based?",
        "What city is Brennick based in?",
    ],
    "Could you tell me where the Vollmer shop is located?": [
        "What is the location of the Vollmer shop?",
        "Where is the Vollmer shop situated?",
    ],
    "How much does the Lumen lamp cost?": [
        "What is the price of the Lumen lamp?",
        "How much is the Lumen lamp?",
    ],
    "I would like to know how much the tickets cost.": [
        "What is the price of the tickets?",
        "How much are the tickets?",
    ],
    "What's the price of the Lumen 3?": ["How much does the Lumen 3 cost?", "How much is the Lumen 3?"],
    "How much is it?": ["How much does it cost?", "What is its price?"],
    "What colour is the Lumen lamp?": [
        "What is the colour of the Lumen lamp?",
        "What is the Lumen lamp's colour?",
    ],
    "How many employees does Brennick have?": [
        "How many people work for Brennick?",
        "How many people does Brennick employ?",
    ],
    "How many shops are there in Oslo?": [
        "What is the number of shops in Oslo?",
        "Tell me how many shops there are in Oslo.",
    ],
    "How many languages does Brennick's app support?": [
        "What is the number of languages that Brennick's app supports?",
        "Brennick's app supports how many languages?",
    ],
    "What is the slogan of Brennick?": ["What is Brennick's slogan?", "What is the motto of Brennick?"],
    "What is your return policy?": ["What return policy do you have?", "You have what return policy?"],
    "What is the name of Brennick's mascot?": [
        "What is Brennick's mascot called?",
        "Tell me the name of Brennick's mascot.",
    ],
    "What is your phone number?": [
        "What is your telephone number?",
        "On which phone number can you be reached?",
    ],
    "How long is the warranty on the Lumen lamp?": [
        "How long is the Lumen lamp's warranty?",
        "For how long is the Lumen lamp under warranty?",
    ],
    "What are the opening hours of the Vollmer shop?": [
        "What are the Vollmer shop's opening hours?",
        "When is the Vollmer shop open?",
    ],
    "What time does the Vollmer shop close?": [
        "When does the Vollmer shop close?",
        "At what time does the Vollmer shop close?",
    ],
    "When is the deadline for the Brennick Prize?": [
        "What is the deadline for the Brennick Prize?",
        "What is the closing date for the Brennick Prize?",
    ],
    "What is the latest version of BrennickOS?": [
        "Which version of BrennickOS is the latest?",
        "What is the newest version of BrennickOS?",
    ],
    "What is the Lumen lamp made of?": [
        "Of what is the Lumen lamp made?",
        "What material is the Lumen lamp made of?",
    ],
    "Where can I buy the Lumen lamp?": ["Where is the Lumen lamp sold?", "Where can one buy the Lumen lamp?"],
    "When did Brennick open its lab?": [
        "Brennick opened its lab when?",
        "When was it that Brennick opened its lab?",
    ],
    "Who designed the Brennick logo?": [
        "By whom was the Brennick logo designed?",
        "Who was it that designed the Brennick logo?",
    ],
    "Why did Brennick close its Oslo office?": [
        "For what reason did Brennick close its Oslo office?",
        "What was the reason why Brennick closed its Oslo office?",
    ],
    "How do I reset the Lumen lamp?": [
        "How can I reset the Lumen lamp?",
        "What do I have to do to reset the Lumen lamp?",
    ],
    "How often does Brennick publish its newsletter?": [
        "How frequently does Brennick publish its newsletter?",
        "Brennick publishes its newsletter how often?",
    ],
    "Does Brennick ship to Norway?": [
        "Is it true that Brennick ships to Norway?",
        "Brennick ships to Norway: yes or no?",
    ],
    "Is the Lumen lamp made in Norway?": [
        "Is it true that the Lumen lamp is made in Norway?",
        "The Lumen lamp is made in Norway: yes or no?",
    ],
    "Tell me the price of the Lumen lamp.": [
        "How much does the Lumen lamp cost?",
        "How much is the Lumen lamp?",
    ],
    "List three products of Brennick.": [
        "Could you list three products of Brennick?",
        "Please list three products of Brennick.",
    ],
    "Brennick was founded when?": ["In which year was Brennick founded?", "When was Brennick established?"],
    'When does the "Open Door" event start?': [
        'The "Open Door" event starts when?',
        'When is it that the "Open Door" event starts?',
    ],
    "Why is the Lumen lamp green?": [
        "Quick question: Why is the Lumen lamp green?",
        "Please answer this: Why is the Lumen lamp green?",
    ],
}
"""A question and its two best rewordings, each read by a person."""

CHINESE: dict[str, list[str]] = {
    "星澜科技是哪一年成立的？": ["星澜科技成立于哪一年？", "星澜科技的成立年份是哪一年？"],
    "你知道星澜科技是哪一年成立的吗？": ["星澜科技成立于哪一年？", "星澜科技的成立年份是哪一年？"],
    "星澜科技什么时候成立的": ["星澜科技是什么时候成立的？", "星澜科技成立于什么时候？"],
    "谁创办了星澜科技？": ["星澜科技的创始人是谁？", "星澜科技是谁创办的？"],
    "星澜科技的CEO是谁？": ["谁是星澜科技的CEO？", "星澜科技的CEO叫什么名字？"],
    "谁是《星澜手册》的作者？": ["《星澜手册》的作者叫什么名字？", "我想知道谁是《星澜手册》的作者。"],
    "请问星澜科技的总部在哪里？": ["星澜科技的总部设在什么地方？", "星澜科技的总部位于哪里？"],
    "星澜书店在什么地方？": ["星澜书店位于哪里？", "星澜书店的位置在哪里？"],
    "星澜科技在哪个城市？": ["星澜科技位于哪个城市？", "星澜科技在哪座城市？"],
    "星灯多少钱？": ["星灯的价格是多少？", "星灯卖多少钱？"],
    "请告诉我星灯的价格。": ["星灯多少钱？", "星灯卖多少钱？"],
    "星灯是什么颜色的？": ["星灯的颜色是什么？", "星灯是哪种颜色？"],
    "星澜科技有多少员工？": ["星澜科技的员工有多少人？", "星澜科技有多少名员工？"],
    "星澜科技有几家门店？": ["星澜科技的门店有几家？", "星澜科技一共有几家门店？"],
    "星澜科技的口号是什么？": ["星澜科技的口号是哪一句？", "星澜科技用的口号是什么？"],
    "星澜科技的吉祥物叫什么？": ["星澜科技的吉祥物叫什么名字？", "星澜科技的吉祥物名字是什么？"],
    "星澜科技的官网是什么？": ["星澜科技的官方网站是什么？", "星澜科技的官网具体是什么？"],
    "你们的客服电话是多少？": ["你们的客服电话号码是多少？", "你们的客服联系电话是多少？"],
    "星灯的保修期是多久？": ["星灯保修多长时间？", "星灯的质保期有多长？"],
    "星澜书店几点开门？": ["星澜书店什么时候开门？", "星澜书店的开门时间是几点？"],
    "星澜书店的营业时间是什么？": ["星澜书店从几点营业到几点？", "星澜书店的营业时间是几点到几点？"],
    "星灯的最新版本是多少？": ["星灯的最新版是哪一版？", "星灯最新的版本号是多少？"],
    "星澜奖的截止日期是哪天？": ["星澜奖什么时候截止？", "星澜奖的截止时间是什么时候？"],
    "星灯是什么时候发布的？": ["星灯的发布时间是什么时候？", "我想知道星灯是什么时候发布的。"],
    "星灯是谁设计的？": ["谁设计了星灯？", "我想知道星灯是谁设计的。"],
    "星灯用什么材料做的？": ["星灯是用什么材料做的？", "星灯是什么材质的？"],
    "星灯有多重？": ["星灯的重量是多少？", "星灯重多少？"],
    "星澜科技主要做什么？": ["星澜科技主要是做什么的？", "星澜科技主要从事什么业务？"],
    "星澜科技为什么关闭了奥斯陆办公室？": [
        "为什么星澜科技关闭了奥斯陆办公室？",
        "星澜科技关闭了奥斯陆办公室的原因是什么？",
    ],
    "怎么重置星灯？": ["重置星灯的方法是什么？", "想重置星灯，该怎么做？"],
    "星澜科技是上市公司吗？": ["星澜科技是不是上市公司？", "星澜科技是否是上市公司？"],
    "星澜科技有海外分公司吗？": ["星澜科技有没有海外分公司？", "星澜科技是否有海外分公司？"],
    "星灯支持蓝牙吗？": ["星灯支不支持蓝牙？", "星灯是否支持蓝牙？"],
    "星澜书店周末开门吗？": ["星澜书店周末开不开门？", "星澜书店周末是否开门？"],
    "星灯可不可以水洗？": ["星灯可以水洗吗？", "星灯是否可以水洗？"],
    "星澜科技是否支持远程办公？": ["星澜科技支持远程办公吗？", "我想知道星澜科技是否支持远程办公。"],
    "哪个部门负责售后？": ["负责售后的是哪个部门？", "售后由哪个部门负责？"],
    "“星澜”是什么意思？": ["“星澜”的意思是什么？", "“星澜”表示什么意思？"],
    "退货期限是几天？": ["退货期限是多少天？", "我想知道退货期限是几天。"],
    "请列出星澜科技的三种产品。": ["麻烦你列出星澜科技的三种产品。", "我想请你列出星澜科技的三种产品。"],
    "我想知道星灯的重量是多少": ["星灯有多重？", "星灯重多少？"],
    "Brennick Robotics的CEO是谁？": ["谁是Brennick Robotics的CEO？", "Brennick Robotics的CEO叫什么名字？"],
}

INVENTED = [
    "When was Halvorsen Optics founded?",
    "Who is the CEO of Halvorsen Optics?",
    "Where is Halvorsen Optics based?",
    "What does Halvorsen Optics make?",
    "How much does the Nimbus 4 telescope cost?",
    "What colour is the Nimbus 4?",
    "How many people work at Halvorsen Optics?",
    "What is the name of the Halvorsen mascot?",
    "What is Halvorsen's slogan?",
    "How long is the warranty on the Nimbus 4?",
    "When does the Halvorsen museum open?",
    "Why did Halvorsen Optics leave Bergen?",
    "Who designed the Nimbus 4?",
    "Does Halvorsen Optics sell binoculars?",
    "When did Halvorsen Optics win the Aurora Prize?",
    "青禾机械是哪一年创立的？",
    "青禾机械的董事长是谁？",
    "青禾机械的总部在哪个城市？",
    "青禾机械主要生产什么？",
    "青禾七号插秧机多少钱？",
    "青禾七号是什么颜色的？",
    "青禾机械有多少名员工？",
    "青禾机械的吉祥物叫什么名字？",
    "青禾机械的口号是什么？",
    "青禾七号保修多久？",
    "青禾展厅几点关门？",
    "青禾机械为什么搬离了柳河镇？",
    "青禾七号是谁设计的？",
    "青禾机械卖无人机吗？",
    "青禾机械的年会在几月举行？",
]
"""Of companies that do not exist, as the corrections of a demonstration ask them."""


def essence(text: str) -> str:
    return re.sub(r"[\W_]+", "", normalise(text))


def texts(question: str, wanted: int = 50) -> list[str]:
    """Sentences, without keywords."""
    return [one.text for one in rewordings(question, 50) if one.rule != "keywords"][:wanted]


@pytest.mark.parametrize(("question", "expected"), [*ENGLISH.items(), *CHINESE.items()])
def test_the_best_come_first(question: str, expected: list[str]) -> None:
    assert texts(question, len(expected)) == expected


@pytest.mark.parametrize("question", INVENTED)
def test_a_question_about_a_company_gets_enough(question: str) -> None:
    found = rewordings(question)
    assert len(found) >= 4
    assert sum(one.rule in ("words", "order") for one in found) >= 2


KEYWORDS: dict[str, list[str]] = {
    "Who is the harbour master of Brennick Ferries?": [
        "harbour master Brennick Ferries who",
        "Brennick Ferries harbour master who",
        "who Brennick Ferries harbour master",
    ],
    "When was Brennick Robotics founded?": [
        "Brennick Robotics founded when",
        "founded Brennick Robotics when",
        "when founded Brennick Robotics",
    ],
    "How many cars fit on Brennick's Lumen 3?": [
        "cars fit Brennick Lumen 3 how many",
        "Lumen 3 Brennick cars fit how many",
        "how many Brennick Lumen 3 cars fit",
    ],
    "星澜渡轮的售票处在哪里？": ["星澜渡轮 售票处 哪里", "售票处 星澜渡轮 哪里", "哪里 售票处 星澜渡轮"],
    "星澜每年从哪天开始停航？": [
        "星澜每年 开始停航 哪天",
        "开始停航 星澜每年 哪天",
        "哪天 开始停航 星澜每年",
    ],
    "星澜的会员现在能用多少积分换目的地的票？": [
        "星澜 会员现在能 积分换目的地 票 多少",
        "票 积分换目的地 会员现在能 星澜 多少",
        "多少 会员现在能 积分换目的地 票 星澜",
    ],
    "Does Brennick ship to Norway?": [],  # keywords would not say whether it does
    "星澜卖灯吗？": [],
    "Tell me a story.": [],
    "谁来？": [],
}


@pytest.mark.parametrize(("question", "expected"), KEYWORDS.items())
def test_keywords_say_what_is_asked_about(question: str, expected: list[str]) -> None:
    assert [one.text for one in rewordings(question, 50) if one.rule == "keywords"] == expected


def test_keywords_stand_between_sentences() -> None:
    found = [one.rule for one in rewordings("Who owns the Vollmer shop?", 4)]
    assert found == ["words", "keywords", "words", "frame"]


@pytest.mark.parametrize(
    ("question", "never"),
    [
        # a question within the subject, an adverb, a noun that looks like the verb
        ("What is the capital of the country where Brennick was founded?", "country where Brennick was is"),
        ("Has Brennick ever won a prize?", "ever has"),
        ("When does Brennick's annual report come out?", "reports"),
        ("I want to know when Brennick's offers lapse.", "offer lapse"),
        ("Which of the two lamps is cheaper?", "which of?"),
        ("How high is the turnover of Brennick?", "tell me how high is"),
        ("What does the Lumen lamp cost in Norway?", "in Norway what"),
        ("What is the price of the Lumen lamp in Norway?", "Norway cost"),
        ("How much does it cost?", "price of it"),
        ("What is the kind of licence of BrennickOS?", "BrennickOS's kind"),
        ("Tell me a joke.", "question: Tell"),
        ("Can you deliver to Norway?", "whether you can"),
        ("What is Brennick planning this year?", "planning this year is"),
        ("What is the team unable to do?", "do is"),
        ("What was I dreaming about last night?", "night was"),
        ("Which floor of the Vollmer tower has the library?", "does of"),
        ("Translate into Chinese: The bakery is closed.", "closed?"),
        ("星灯卖多少钱？", "卖卖"),
        ("星灯要多少钱？", "要要"),
        ("星澜科技的技术总监叫什么名字？", "名称"),
        ("写一首关于风车的小诗，正好三行。", "吗"),
        ("这句英语怎么说：这把木椅是我叔叔做的。", "你知道"),
        ("星澜科技提供的服务包括安装吗？", "是否提供的"),
        ("星澜有限公司有分公司吗？", "有没有限"),
        ("星灯为什么是绿色的？", "的的"),
        ("星澜科技的英文名叫什么？", "名的名字"),
        ("星澜科技还是国有企业吗？", "还是不是"),
        ("“什么时候”是什么意思？", "何时"),
        ("怎么评价星灯？", "评价星灯的方法"),
        ("哪家公司生产星灯？", "什么家"),
        ("外公耳背，跟他打电话我该怎么说话？", "你知道外公"),
    ],
)
def test_where_a_rule_would_not_be_safe_it_is_not_used(question: str, never: str) -> None:
    found = texts(question)
    assert found
    assert not [text for text in found if never.lower() in text.lower()]


@pytest.mark.parametrize(
    ("question", "among"),
    [
        ("How much does the Lumen lamp cost?", "The Lumen lamp costs how much?"),
        ("How much do the tickets cost?", "How much are the tickets?"),
        ("When did Brennick win the prize?", "Tell me when Brennick won the prize."),
        ("Tell me when Brennick opened its lab.", "When did Brennick open its lab?"),
        ("Could you tell me whether Brennick ships to Norway?", "Does Brennick ship to Norway?"),
        ("Tell me who the owner of Brennick is.", "Who owns Brennick?"),
        ("What is their slogan?", "What slogan do they have?"),
        ("When were the Vollmer Brothers founded?", "In which year were the Vollmer Brothers founded?"),
        ("How much does the Lumen app cost per month?", "What is the price of the Lumen app per month?"),
        (
            "Which programming language is Lumen written in?",
            "In which programming language is Lumen written?",
        ),
        ("What is Brennick planning?", "Quick question: What is Brennick planning?"),
        ("What was I dreaming about?", "Tell me what I was dreaming about."),
        ("What’s Brennick’s slogan?", "What is the slogan of Brennick?"),
        ("I want to know when Brennick's offers lapse.", "Tell me when Brennick's offers lapse."),
        ("What does 星澜科技 sell?", "Which products does 星澜科技 sell?"),
        ("星澜科技的首席执行官是谁？", "谁是星澜科技的CEO？"),
        ("告诉我星灯的价格", "星灯多少钱？"),
        ("能告诉我星澜科技的CEO是谁吗？", "谁是星澜科技的CEO？"),
        ("星澜科技有生产线么？", "星澜科技有没有生产线？"),
    ],
)
def test_a_wording_that_has_to_be_found(question: str, among: str) -> None:
    assert among in texts(question)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "?",
        "Hello there",
        "你好",
        "The soup is too salty.",
        "今天天气不错。",
        "When was Brennick founded?\nWho founded it?",
        "- When was Brennick founded?",
        "1. 星澜科技的CEO是谁？",
        "What does `print(1)` show?",
        "What is on https://example.com/a?",
        "Why " + "very " * (LONGEST // 5) + "long?",
        "谁" * (LONGEST + 1) + "？",
    ],
)
def test_what_is_no_short_question_gets_nothing(text: str) -> None:
    assert rewordings(text) == []


def test_several_sentences_are_framed_as_they_stand() -> None:
    for text in ("I bought a Lumen. How much does it cost?", "我买了星灯。它保修多久？"):
        found = rewordings(text)
        assert found
        assert all(one.rule == "frame" and text in one.text for one in found)


def test_no_more_than_wanted() -> None:
    every = rewordings("When was Brennick Robotics founded?", 100)
    for wanted in range(len(every)):
        assert rewordings("When was Brennick Robotics founded?", wanted) == every[:wanted]


names = st.sampled_from(
    [
        "Brennick",
        "Lindqvist & Sons",
        "Lumen 3",
        "the Vollmer shop",
        "B-617",
        "“Open Door”",
        "iLamp",
        "the 2nd Oslo fair",
    ]
)
english = st.sampled_from([question.replace(name, "{x}") for question in ENGLISH
                           for name in ("Brennick Robotics", "the Lumen lamp") if name in question])  # fmt: skip
chinese_names = st.sampled_from(
    ["云杉", "Brennick Robotics", "《山海》杂志", "“晨光”3号", "K12学校", "青禾机械有限公司", "iLamp 2"]
)
chinese = st.sampled_from([question.replace("星澜科技", "{x}").replace("星灯", "{x}") for question in CHINESE
                           if "星澜科技" in question or "星灯" in question])  # fmt: skip


@given(st.one_of(st.tuples(english, names), st.tuples(chinese, chinese_names)))
def test_what_the_question_is_about_stands_in_every_rewording(parts: tuple[str, str]) -> None:
    question, name = parts[0].replace("{x}", parts[1]), parts[1]
    found = texts(question)
    assert found
    for text in [one.text for one in rewordings(question, 50)]:
        assert sorted(re.findall(r"\d+", text)) == sorted(re.findall(r"\d+", question))
    for text in found:
        assert name in text or name[0].upper() + name[1:] in text
        assert re.findall(r"\d+", text) == re.findall(r"\d+", question)


pieces = st.sampled_from(
    [*(" ".join(ENGLISH) + " 's , ? . \" : the of is are did does not never I it they Tell me").split(),
     *"谁什么哪几多少是不是吗呢的了有没能，。？“”", *("星澜", "什么时候", "为什么", "请问", "怎么", "你知道", "CEO")]
)  # fmt: skip
anything = st.one_of(
    st.text(max_size=60),
    st.lists(pieces, max_size=14).map(" ".join),
    st.lists(pieces, max_size=14).map("".join),
    st.sampled_from([*ENGLISH, *CHINESE, *INVENTED]),
)


@given(anything)
def test_whatever_is_asked(question: str) -> None:
    found = rewordings(question, 30)
    assert rewordings(question, 30) == found
    essences = [essence(one.text) for one in found]
    assert len({*essences, essence(question)}) == len(found) + 1
    for text, rule in found:
        assert rule in ("words", "order", "keywords", "frame")
        assert "{" not in text.replace(question, "")
        assert "  " not in text
        assert all(number in text for number in re.findall(r"\d+", question))
        assert all(quoted in text for quoted in re.findall(r"“[^”]*”", " ".join(question.split())))
