"""Chinese questions in other words: see `feilun.flywheel.reword`.

Chinese asks without moving words, so a question stands in any frame as it is; what varies is the wording, and on
which side of "是" the question word stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from feilun.flywheel.wordings.chinese_table import GROUPS, NOUNS, PERSONS, POSTS

Candidate = tuple[str, str]
"""A wording and the rule that made it."""

_END = re.compile(r"[？?。.!！ ]+\Z")
_PARTICLE = re.compile(r"(?<=[\u4e00-\u9fff])[呢呀啊]\Z")
_ME = re.compile(r"(?<![什怎那这多要])[么嘛]\Z")
_POLITE = re.compile(
    r"(?:(?:你好|您好)[，, ]*)?(?:请问一下|请问|麻烦问一下|想问一下|问一下|我想问一下|我想问|我想请问)[，,：: ]*"
)
_ASKED = re.compile(
    r"(?:请?问?[你您](?:们)?(?:知道|晓得|清楚|了解)|(?:[你您])?(?:能不能|能否|可以|能|可否)(?:请[你您])?(?:告诉我|说说|说一下|告诉一下))"
    r"(?P<a>.+?)吗"
    r"|(?:[你您])?(?:能不能|能否|可否|知不知道)(?:告诉我|说说|说一下)?(?P<b>.+)"
    r"|(?:我想知道|我想了解|我想了解一下|我很想知道|请告诉我|告诉我|麻烦告诉我|请说说|请说一下|跟我说说|帮我查一下)[，,：: ]*(?P<c>.+)"
)
_COMMAND = re.compile(
    r"(?:请你|请您|请|麻烦你|麻烦您|麻烦|帮我|帮忙)?"
    r"((?:介绍|列出|列举|写出|写|说出|说明|解释|描述|翻译|总结|概括|推荐|给出|举出|简述)(?:一下)?.+)"
)
_DOUBLED = (
    "是不是|有没有|能不能|可不可以|会不会|要不要|支不支持|提不提供|接不接受|需不需要|允不允许|包不包括|是否"
)
_QUESTION = re.compile(
    rf"谁|什么|啥|哪|几|多少|多久|多长|多大|多高|多重|何时|何处|为何|怎么|怎样|如何|咋|{_DOUBLED}|吗\Z"
)
_NOT_IN_NAMES = re.compile(
    rf"{_QUESTION.pattern}|[，。；：、？！,;:?!]|是|吗|[的名]\Z|名[字称]\Z|\A[的在从把被于]|知道|告诉"
)
_DATES = "成立|创立|发布|上市|推出|开业|建成|上线|出版|举办|停产|开张|开始营业|完工|投产|诞生|首发|举行|召开"
_MAKES = "设计|发明|写|制作|创作|研发|开发|建造|拍摄|主持|翻译|撰写|编写|画|命名|收购|资助|赞助"
_VERB = re.compile(
    r"支持|提供|接受|需要|允许|包括|生产|销售|出售|可以|能够|开门|营业|送货|发货|配送|收费|打折|包邮|招聘|做|(?<![专买外小热])卖(?!点)"
    r"|(?<![还就总也但可要只凡都于真正])是|(?<![没拥所具占享持还只设含公私国固特])有(?![限关效机])"
    r"|(?<![工协社大机晚学商年宴聚集委议展开])会(?![议员计场费所长])|(?<![可功性节智技才职])能(?![力量源耗])"
)
"""Where the predicate of a yes-no question begins, if only one of these is in it."""

_WORDS = (
    (r"什么时候", "何时"),
    (r"何时", "什么时候"),
    (r"(?<=[在到去])(?:哪里|哪儿)", "什么地方"),
    (r"什么地方", "哪里"),
    (r"为什么", "为何"),
    (r"为何", "为什么"),
    (r"怎么(?!样|了|回事|看|说|办)", "如何"),
    (r"如何", "怎样"),
    (r"怎样(?!的)", "如何"),
    (r"哪一年", "哪年"),
    (r"哪年", "哪一年"),
    (r"几点(?!钟|到)", "几点钟"),
    (r"(?<![这那前后好近十])几(?=天|年|次|个月|小时|分钟)", "多少"),
    (r"(?<=在)几楼", "哪一层"),
    (r"几月(?!几)", "哪个月"),
    (r"(?<!之间)是什么关系", "之间是什么关系"),
    (r"(?<=名)叫什么\Z", "是什么"),
    (r"(?<=名)是什么\Z", "叫什么"),
    (r"为啥", "为什么"),
    (r"(?<!为)啥", "什么"),
    (r"咋", "怎么"),
    (r"多久(?!一次|以)", "多长时间"),
    (r"多长时间", "多久"),
    (r"(?<=[有开设招雇])几(?=[家个名位款种台间座条层])", "多少"),
    (r"是谁\Z", "是哪位"),
    (r"是哪位\Z", "是谁"),
    (r"哪天", "哪一天"),
    (r"哪一天", "哪天"),
    (r"哪个城市", "哪座城市"),
    (r"哪个省(?!份)", "哪个省份"),
    (r"什么(?=颜色|动物|植物|材料|口味|类型|品牌)", "哪种"),
    (r"哪个(?=行业|部门|品牌|类型|领域)", "什么"),
    (r"(?<!一共|总共)有多少(?=[家个名位款种台间座条层])", "一共有多少"),
    (r"(?<=有)哪些", "什么"),
)
"""Question words and others for the same."""


def reword(asked: str) -> Iterator[Candidate]:
    """Bare and framed wordings, each sort with its best first; may repeat itself and the question."""
    core = _core(_END.sub("", asked))
    if not _QUESTION.search(core):
        yield from _command(core)
        return
    others = list(_others(core))
    for text, rule in others:
        yield f"{text}？", rule
    owned = re.fullmatch(r"(.+的.+?)是(?:什么|多少)", core)
    plain = [core, *([owned[1]] if owned else []), *(text for text, _ in others)]
    inside = [text for text in plain if not re.search(r"吗\Z|[，,：:]|来着\Z", text)]
    for at, frame in enumerate(("我想知道{}。", "你知道{}吗？", "请告诉我{}。", "能告诉我{}吗？")):
        if inside and not (core.startswith("我") and "告诉我" in frame):
            yield frame.format(inside[at % len(inside)]), "frame"
    for frame in ("请问，{}？", "我想问一下，{}？"):
        yield frame.format(core), "frame"


def frame_whole(asked: str) -> Iterator[Candidate]:
    """Frames that take several sentences as they stand; nothing where the last is no question."""
    if asked.endswith(("？", "?")) and not _POLITE.match(asked):
        for frame in ("请回答：{}", "请问：{}", "我有个问题：{}"):
            yield frame.format(asked), "frame"


def _command(core: str) -> Iterator[Candidate]:
    command = _COMMAND.fullmatch(core)
    if command is None:
        return
    long = re.search(r"[，：,:]", command[1])
    for frame in (
        "请{}。",
        "麻烦你{}。",
        "我想请你{}。",
        *(() if long else ("可以帮我{}吗？", "能不能{}？")),
    ):
        yield frame.format(command[1]), "frame"


def _core(text: str) -> str:
    """The question without the politeness around it."""
    text = _ME.sub("吗", text)
    text = _POLITE.sub("", text, count=1) if _POLITE.match(text) else text
    asked = _ASKED.fullmatch(text)
    inner = next((part for part in asked.groups() if part), text) if asked else text
    return (
        _PARTICLE.sub("", inner.strip("，, "))
        if _QUESTION.search(inner) or inner == text
        else _noun_asked(inner)
    )


def _noun_asked(thing: str) -> str:
    """ "告诉我X的价格" asks what the price is."""
    owned = re.fullmatch(r".+的(.+)", thing)
    if owned is None:
        return thing
    if re.fullmatch(f"{PERSONS}|创始人", owned[1]):
        return f"{thing}是谁"
    return f"{thing}是{'多少' if re.search(r'价|价格|电话|号码|人数|数量|费用|邮编', owned[1]) else '什么'}"


def _others(core: str) -> Iterator[Candidate]:
    roles = list(_roles(core))
    yield from roles
    for group in GROUPS if not roles else ():
        matches = ((line, _pattern(line).fullmatch(core)) for line in group)
        fitting = [(match["x"].strip(), line) for line, match in matches if match and _is_name(match["x"])]
        if fitting:
            x, read = min(fitting, key=lambda one: len(one[0]))
            written = [line for line in group if not line.startswith("~") and line != read]
            owned = "{x}" if "的" in x else "{x}的"  # one 的 is enough
            yield from ((line.replace("{x}的", owned).replace("{x}", x), "words") for line in written)
            break
    yield from _dates(core)
    yield from _makers(core)
    yield from _things(core)
    yield from _reasons(core)
    yield from _counts(core)
    yield from _yes_no(core)
    yield from _arrangements(core)
    yield from _exchanged(core)


def _roles(core: str) -> Iterator[Candidate]:
    """ "X的CEO是谁" and "谁是X的CEO"."""
    role = rf"(?P<x>.+?)\s*(?P<de>的?)\s*(?P<r>{PERSONS})"
    match = re.fullmatch(
        rf"{role}\s*(?:是谁|是哪位|叫什么名字|叫什么|是什么人|的名字是什么|的名字叫什么)", core
    )
    match = match or re.fullmatch(rf"(?:谁是|谁担任|谁在担任|哪位是)\s*{role}", core)
    if match is None or not _is_name(match["x"]):
        return
    x, given = match["x"].strip(), match["r"]
    for r in (given, *(other for noun, other in NOUNS if noun == given)):
        yield f"谁是{x}的{r}", "order"
        yield f"{x}的{r}叫什么名字", "words"
        yield f"{x}的{r}是谁", "order"
        if re.fullmatch(POSTS, r):
            yield f"谁担任{x}的{r}", "words"


def _dates(core: str) -> Iterator[Candidate]:
    when = "(?P<w>什么时候|何时|哪一年|哪年|哪一天|哪天|几号|什么时间|几月几号|几月|星期几|周几)"
    match = re.fullmatch(rf"(?P<x>.+?)\s*(?:是)?(?:在)?{when}(?P<v>{_DATES})的?", core)
    match = match or re.fullmatch(rf"(?P<x>.+?)\s*(?P<v>{_DATES})于{when}", core)
    match = match or re.fullmatch(rf"(?P<x>.+?)的(?P<v>{_DATES})(?:时间|日期|年份)是{when}", core)
    if match is None or not _is_name(match["x"]):
        return
    x, verb, word = match["x"].strip(), match["v"], match["w"]
    noun = {"年": "年份"}.get(word[-1], "日期" if word[-1] in "天号" else "时间")
    yield f"{x}的{verb}{noun}是{word}", "words"
    yield f"{x}是{word}{verb}的", "order"
    if len(verb) == 2 and verb not in ("举办", "举行", "召开"):
        yield f"{x}{verb}于{word}", "order"
    yield f"{x}是在{word}{verb}的", "order"


def _makers(core: str) -> Iterator[Candidate]:
    match = re.fullmatch(rf"(?P<x>.+?)\s*是?由?谁(?P<v>{_MAKES})的", core)
    match = match or re.fullmatch(rf"(?:是)?谁(?P<v>{_MAKES})了\s*(?P<x>.+)", core)
    match = match or re.fullmatch(rf"(?P<x>.+?)的(?P<v>{_MAKES})者是谁", core)
    if match is None or not _is_name(match["x"]):
        return
    x, verb = match["x"].strip(), match["v"]
    yield f"谁{verb}了{x}", "order"
    yield f"{x}是谁{verb}的", "order"
    yield f"{x}是由谁{verb}的", "words"
    if verb in ("设计", "发明", "制作", "创作", "研发", "开发", "建造", "翻译", "主持"):
        yield f"{x}的{verb}{'人' if verb in ('发明', '主持') else '者'}是谁", "words"


def _things(core: str) -> Iterator[Candidate]:
    """ "X的N是什么" with another noun, and which of the two names what."""
    match = re.fullmatch(
        r"(?P<x>.+?)\s*的\s*(?P<n>[^的]+?)\s*(?P<q>是什么|是多少|是哪个|叫什么名字|叫什么|有哪些|在哪里|是哪些)",
        core,
    )
    if match is None or not _is_name(match["x"]) or not _is_name(match["n"]):
        return
    x, noun, ask = match["x"].strip(), match["n"], match["q"]
    for other in (other for old, other in NOUNS if old == noun):
        yield f"{x}的{other}{ask}", "words"
    if ask == "是什么" and noun != "意思":
        yield f"{x}的{noun}具体是什么", "words"
        yield f"{x}的{noun}是啥", "words"
    if ask == "有哪些":
        yield f"{x}有哪些{noun}", "order"
        yield f"哪些是{x}的{noun}", "order"
    if ask == "是哪个":
        yield f"哪个是{x}的{noun}", "order"
    if ask == "是多少" and re.search(r"[收利预][入润算]|营收|[销产数]量|人数|费用?\Z", noun):
        yield f"{x}的{noun}有多少", "words"
    if ask == "是多少":
        yield f"{x}的{noun}具体是多少", "words"


def _reasons(core: str) -> Iterator[Candidate]:
    if match := re.fullmatch(r"([^，,]*?)(?:为什么|为何)(?![不是])([^，,]+)", core):
        subject, fact = match[1].strip(), match[2].strip()
        if subject:
            yield f"为什么{subject}{fact}", "order"
        if not fact.endswith("的"):
            yield f"{subject}{fact}的原因是什么", "words"
        yield f"{subject}{fact}，原因是什么", "words"
    if match := _HOW_TO.fullmatch(core):
        yield f"{match[1]}的方法是什么", "words"
        yield f"想{match[1]}，该怎么做", "words"


_HOW_TO = re.compile(
    r"(?:我|我们)?(?:该|应该|要|可以)?(?:怎么|怎样|如何)(?:才能|能)?"
    r"(?!样|了|回事|看|说|办|写|读|念|卖|称呼|收费|评价|形容|理解)([^，,]+(?<![的了]))"
)


def _counts(core: str) -> Iterator[Candidate]:
    counted = re.fullmatch(r"(.+?)(?:一共|总共|共)?有(多少|几)([家个名位款种台间座条层项辆本])([^的]+)", core)
    if counted and _is_name(counted[1]) and _is_name(counted[4]):
        x, many, one, noun = (part.strip() for part in counted.groups())
        yield f"{x}的{noun}有{many}{one}", "order"
        yield f"{x}一共有{many}{one}{noun}", "words"


def _yes_no(core: str) -> Iterator[Candidate]:
    """吗, A不A and 是否 ask the same, where one verb alone can be what is asked about."""
    if re.search(r"谁|什么|哪|多少|怎么|[，,]", core):
        return
    if match := re.fullmatch(rf"(.+?)({_DOUBLED})(.+?)(?<![吗呢])", core):
        before, doubled, after = match.groups()
        verb = re.split("[不没]", doubled)[-1]
        if doubled == "是否" or (doubled == "是不是" and _VERB.match(after)):
            verb = ""
        yield f"{before}{verb}{after}吗", "words"
        yield f"{before}是否{verb}{after}", "words"
        if not verb and (begins := _VERB.match(after)) and (other := _double(begins[0])):
            yield f"{before}{other}{after[begins.end() :]}", "words"
    elif (match := re.fullmatch(r"(.+)吗", core)) and (verbs := list(_VERB.finditer(match[1]))):
        if len(verbs) > 1 and (
            verbs[0][0] not in "是有可以能够会" or "的" in match[1][verbs[0].end() : verbs[1].start()]
        ):
            return
        verb, before, after = verbs[0][0], match[1][: verbs[0].start()], match[1][verbs[0].end() :]
        if (
            not before
            or re.search(r"[没不也都还已只就的]\Z", before)
            or after.startswith("的")
            or after.endswith("了")
        ):
            return
        if other := _double(verb):
            yield f"{before}{other}{after}", "words"
        yield f"{before}是否{verb}{after}", "words"


def _double(verb: str) -> str:
    """支不支持, 有没有; empty for verbs that are not said so."""
    special = {"有": "有没有", "能够": "能不能", "生产": "", "销售": "", "出售": "", "招聘": ""}
    return special.get(verb, f"{verb[0]}不{verb}")


def _arrangements(core: str) -> Iterator[Candidate]:
    """Single turns of phrase that can be turned round."""
    if (match := re.fullmatch(r"(.+)是什么意思", core)) and "，" not in core:
        yield f"{match[1].rstrip('的')}的意思是什么", "order"
        yield f"{match[1]}表示什么意思", "words"
    if match := re.fullmatch(r"(.+)毕业于(哪[^，]+)", core):
        yield f"{match[1]}是{match[2]}毕业的", "order"
    if match := re.fullmatch(r"(.+)属于(哪个|什么)([^，]+)", core):
        yield f"{match[1]}是属于{match[2]}{match[3]}的", "order"
    acts = "生产|销售|负责|提供|赞助|资助|管理|运营|主办|承办"
    if match := re.fullmatch(
        rf"(谁|哪(?:个|家|位|所|座)[\u4e00-\u9fff]{{1,4}}?)({acts})(?!了)([^，]+)", core
    ):
        who, act, thing = match.groups()
        if "的" not in thing:
            yield f"{act}{thing}的是{who}", "order"
        yield f"{thing}由{who}{act}", "order"


def _exchanged(core: str) -> Iterator[Candidate]:
    """A question word for another, where it stands once and outside quotation marks."""
    bare = re.sub(r"“[^”]*”|「[^」]*」|《[^》]*》|\"[^\"]*\"", lambda quoted: "\0" * len(quoted[0]), core)
    for pattern, other in _WORDS:
        found = list(re.finditer(pattern, bare))
        if "几" in pattern and "，" in core:  # 病几天 asks nothing
            continue
        if len(found) == 1 and len(_QUESTION.findall(bare)) <= 2:
            yield core[: found[0].start()] + other + core[found[0].end() :], "words"


@cache
def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(line.removeprefix("~ ").replace("{x}", r"\s*(?P<x>.+?)\s*"))


def _is_name(x: str) -> bool:
    """Short, and without words that would tie it to its place in the sentence."""
    return 0 < len(x.strip()) <= 24 and _NOT_IN_NAMES.search(x.strip()) is None
