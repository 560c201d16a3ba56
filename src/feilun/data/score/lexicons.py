"""What a page is about to sell: words of ours, found by one automaton over the Simplified shadow.

A word alone convicts nobody, nor do words that name a thing, however many. Each topic has words that only sell or abuse
(weight 3 or 2), words that name the thing or that others say too (1), and words of those who write about it: courts,
police, doctors, historians, which count against it (-2). The score is weighted hits in 1,000 units, times the spread
over different words that sell; with two of them it is 0 still.
"""

from __future__ import annotations

from dataclasses import dataclass

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from feilun.data.score.letters import Letters


@dataclass(frozen=True, slots=True)
class _Topic:
    """Words of one topic: Chinese apart by spaces, English (``_en``) by bars. An English word is met as a whole or in its
    plural, one with ``*`` as the beginning of a word as well."""

    sells: str
    sells_en: str
    names: str = ""
    names_en: str = ""
    against: str = ""
    against_en: str = ""
    weight: float = 3.0
    """Of a word that sells."""


_FREE = 2.0
"""Spread that says nothing yet: a word that sells adds 1 to it, and one against it takes 1 away."""

_LAW = "法院 警方 公安 判决 被告 涉案 违法 犯罪 刑法 检察 民警 查处 打击 诈骗 条例 监管 嫌疑人 派出所 律师"
_LAW_EN = "court|police|illegal*|prosecut*|convict*|regulat*|ministr*|lawyer|investigat*"

_TOPICS: dict[str, _Topic] = {
    "gambling": _Topic(
        sells=
        "送彩金 注册送 注册即送 开户送 开户即送 首存 首充 体验金 返水 彩金 提款秒到 秒到账 大额无忧 真人荷官 美女荷官 "
        "真人视讯 真人娱乐 电子游艺 在线投注 开奖直播 必胜打法 稳赚不赔 带单 计划群 一码中特 官网登录 手机版登录 "
        "官方网站入口 备用网址 最新网址 亚博体育 开云体育 乐鱼体育 必威体育 信誉平台 老虎机技巧 线上娱乐 赔率全网 "
        "爆出大奖 送体验 现金网 存送 每日签到领 下载APP",
        sells_en=
        "free spin|welcome bonus|no deposit|deposit bonus|bonus code|best odds|free bet|spin the reels|for real money|"
        "play for real|fast payout|live dealer|top online casino|best online casino|try your luck|hit the jackpot|"
        "weekly cashback|vip player|start betting|wins every time|online casino list|judi|togel|slot gacor|"
        "casino bonus|play now",
        names=
        "百家乐 老虎机 时时彩 六合彩 北京赛车 幸运飞艇 pk10 娱乐城 新葡京 博彩平台 博彩公司 博彩网 投注平台 投注网站 彩票平台 "
        "体育投注 滚球 盘口 赔率 走势图 开奖结果 棋牌 捕鱼达人 轮盘 娱乐平台 线上赌场 网上赌场 下注 荷官 上不封顶",
        names_en=
        "casino|jackpot|slots|roulette|blackjack|baccarat|betting|bookmaker|cashback|poker online|online poker|"
        "slot machine|real money|sportsbook|wager",
        against=f"{_LAW} 概率 数学 期望值 统计学 博物馆 民俗 戒赌 赌瘾 记者 报道",
        against_en=f"{_LAW_EN}|addict*|probabilit*|mathematic*|statistic*|theorem|historian|museum|reporter",
    ),
    "porn": _Topic(
        sells=
        "高清无码 无码视频 无码av 无码一区 一区二区 av在线 av天堂 日韩av 成人视频 成人电影 成人小说 激情视频 激情直播 "
        "性爱视频 裸聊 约炮 楼凤 丝袜美腿 人妻熟女 强奸乱伦 国产精品 欧美性爱 自拍偷拍 偷拍自拍 骚货 小穴 肉棒 "
        "同城交友 同城约 制服诱惑 巨乳 亚洲色 一本道 潮吹 内射 未满十八岁请 永久网址 看全站",
        sells_en=
        "free porn|porn video|porn movie|porn site|xxx movie|xxx video|milf|blowjob|creampie|camgirl|nude pic|"
        "sex video|sex cam|sex tube|live sex|escort girl|hardcore porn|hardcore sex|hardcore scene|gangbang|cumshot|"
        "big tits|naked girl|webcam sex|webcam girl|hot teens|horny|hentai|adult video archive|18 or older to enter",
        names=
        "三级片 毛片 黄片 伦理片 成人网站 色情网 情色 援交 人妻 做爱 口交 肛交 自慰 淫荡 乱伦 免费观看 高清在线 在线播放 "
        "在线观看 上门服务",
        names_en="porn*|xxx|hardcore|anal sex|adult video|nsfw",
        against=f"{_LAW} 记者 报道 淫秽物品 医院 医生 疾控 感染 病毒 艾滋 预防 安全套 性教育 患者 健康 诊断 青春期",
        against_en=f"{_LAW_EN}|traffick*|doctor|hospital|clinic*|health*|infect*|hiv|condom|prevent*|virus*|"
        "researcher|historian|reporter",
    ),
    "toxic": _Topic(
        sells=
        "傻逼 傻屄 傻叉 操你 草泥马 他妈的 去你妈 滚你妈 王八蛋 狗娘养 狗日的 狗东西 滚蛋 去死吧 贱人 贱货 婊子 脑残 垃圾人 "
        "死全家 妈了个 煞笔 装逼 骚货 黑鬼 死胖子 人渣 臭嘴 蠢货 蠢猪",
        sells_en=
        "fuck*|motherf*|bitch*|asshole|bastard|cunt|retard|moron|scumbag|whore|slut|faggot|nigger|kill yourself|"
        "dickhead|shithead|bullshit|piece of crap|piece of shit|subhuman|go to hell|choke on it",
        names="废物 畜生 杂种 白痴 弱智 智障 支那 去死 滚出去",
        names_en="shit|idiot|vermin|scum|shut up|retarded|imbecile|stupid",
        against=f"{_LAW} 记者 报道 医院 医生 患者 残疾 特殊教育 康复 历史 战争 抗日 小说 作家",
        against_en=f"{_LAW_EN}|doctor|hospital|historian|history|novel|reporter|bullying|slur|psychiatr*",
        weight=2.0,
    ),
}  # fmt: skip

TOPICS = tuple(_TOPICS)
WORDS: dict[str, dict[str, float]] = {}
"""The words of each topic and their weight, as they are met."""
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class _Word:
    latin: bool
    open: bool
    """Whether other letters may follow."""
    topics: tuple[tuple[str, float, float], ...]
    """Topic, weight, and what it adds to the spread."""


def _entries() -> tuple[list[str], list[_Word]]:
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name, topic in _TOPICS.items():
        for words, words_en, weight, spread in (
            (topic.against, topic.against_en, -2.0, -1.0),
            (topic.names, topic.names_en, 1.0, 0.0),
            (topic.sells, topic.sells_en, topic.weight, 1.0),
        ):
            for word in filter(None, (*words.split(" "), *words_en.split("|"))):
                found.setdefault(word.lower(), {})[name] = weight, spread
    forms = sorted(found)
    return [form.rstrip("*") for form in forms], [
        _Word(form.isascii(), form.endswith("*"), tuple((name, *both) for name, both in found[form].items()))
        for form in forms
    ]


_FORMS, _WORDS = _entries()
for _form, _word in zip(_FORMS, _WORDS, strict=True):
    for _name, _weight, _ in _word.topics:
        WORDS.setdefault(_name, {})[_form] = _weight
# Over bytes: which words there are is asked, not where, and places in characters would have to be counted.
_AUTOMATON = BytesAhoCorasick(
    [form.encode() for form in _FORMS], matchkind=MatchKind.LeftmostLongest, implementation=Implementation.DFA
)


def lexicons(letters: Letters, title: str) -> dict[str, float]:
    """``score.porn.v1`` and its like: weighted hits in 1,000 units times their spread, from 0 on."""
    text = f"{title}\n{letters.text}\n".encode("utf-8", "replace").lower()
    hits: dict[int, int] = {}
    for pattern, start, end in _AUTOMATON.find_matches_as_indexes(text):
        word = _WORDS[pattern]
        if word.latin and not _whole(text, start, end, word.open):
            continue
        hits[pattern] = hits.get(pattern, 0) + 1
    weight: dict[str, float] = dict.fromkeys(TOPICS, 0.0)
    spread: dict[str, float] = dict.fromkeys(TOPICS, 0.0)
    for pattern, times in hits.items():
        for topic, each, new in _WORDS[pattern].topics:
            weight[topic] += each * min(times, 5)
            spread[topic] += new
    units = max(len(letters.units.hashes), 60)
    found: dict[str, float] = {}
    for name in TOPICS:
        beyond = spread[name] - _FREE
        score = 1000 * max(weight[name], 0.0) / units * beyond / (beyond + 2) if beyond > 0 else 0.0
        found[f"score.{name}.v1"] = score
    return found


def _whole(text: bytes, start: int, end: int, open_: bool) -> bool:
    """Whether a Latin word begins there and, if it is not an open one, ends there or with its plural."""
    if start and text[start - 1] in _LETTERS:
        return False
    return open_ or text[end] not in _LETTERS or (text[end] == ord("s") and text[end + 1] not in _LETTERS)
