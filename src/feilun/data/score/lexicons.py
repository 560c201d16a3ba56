"""What a page is about to sell: words of ours, found by one automaton over the Simplified shadow.

A word alone convicts nobody, nor do words that name a thing, however many. Each topic has words that only sell or abuse
(weight 3 or 2), words that name the thing or that others say too (1), and words of those who write about it: courts,
police, doctors, historians, which count against it (-2). The score is weighted hits in 1,000 units, times the spread
over different words that sell; with two of them (of a spinner's one) it is 0 still.
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
    named: float = 0.0
    """What a word that names adds to the spread: a word that sells adds 1, and one against it takes 1 away."""
    free: float = 2.0
    """Spread that says nothing yet."""


_LAW = "法院 警方 公安 判决 被告 涉案 违法 犯罪 刑法 检察 民警 查处 打击 诈骗 条例 监管 嫌疑人 派出所 律师"
_LAW_EN = "court|police|illegal*|prosecut*|convict*|regulat*|ministr*|lawyer|investigat*"

_TOPICS: dict[str, _Topic] = {
    "spam": _Topic(
        sells=
        "包邮 货到付款 厂家直销 厂家批发 一件代发 诚招代理 招商加盟 加盟热线 免费加盟 加盟代理 火爆招商 名额有限 加微信 "
        "加我微信 添加微信 加V信 加薇信 薇信 客服微信 客服QQ 加QQ 添加QQ 添加客服 来电咨询 欢迎来电 欢迎致电 欢迎咨询 "
        "免费咨询 在线咨询 点击咨询 立即抢购 立即购买 点击购买 马上抢 手慢无 限时秒杀 限时抢购 限时优惠 领取优惠 免费领取 "
        "私信领取 假一赔 正品保证 无效退款 全额退款 月入过万 日入过千 日赚 躺赚 兼职刷单 代开发票 当天放款 当天下款 "
        "快速放款 极速放款 秒批 信用卡代还 论文代写 代写论文 网赚 零投资 零风险 祖传秘方 百分百有效 扫码关注 关注公众号 "
        "回复关键词 点击下方 点击进入 长按识别 哪家好 哪家强 价格优惠 多少钱一 高仿 A货 淘宝搜 红包口令 复制打开 "
        "厂家电话 诚信第一 质优价廉 包过 包拿证 快速排名 热线电话 24小时服务 24小时热线 服务热线 咨询热线 全国统一",
        sells_en=
        "free shipping|order now|order today|buy now|shop now|limited time offer|limited stock|while supplies last|"
        "money back guarantee|money-back guarantee|satisfaction guaranteed|100% guaranteed|or your money back|"
        "no prescription|discreet packaging|special discount|discount code|best price|lowest price|at the lowest|"
        "make money online|make money fast|earn extra income|no experience needed|no experience required|diet pill|"
        "male enhancement|replica watch*|replica handbag|buy backlinks|payday loan|instant approval|free gift|"
        "sign up today|act now|apply now|risk free|risk-free|buy cheap|online pharmacy|write my essay|"
        "essay writing service|call now|call us today|contact us today|special offer|promo code|coupon code|best deal|"
        "satisfied customer|lose weight fast|one simple trick|one weird trick|miracle cure|guaranteed results|"
        "for wholesale|without leaving home|claim your|free quote|no obligation|top quality|don't miss out|hurry up",
        names=
        "微信号 优惠券 大礼包 价格表 排行榜 刷单 办证 刻章 无抵押 信用卡套现 代还 无副作用 不反弹 丰胸 壮阳 增高 祛斑 "
        "减肥茶 减肥药 点击链接 网站优化 seo优化 关键词排名 私家侦探 下单 批发价 生产厂家 上门服务 同款 客服热线",
        names_en=
        "click here|click the link|cheap|for sale|wholesale|work from home|working from home|make money|earn money|"
        "weight loss|viagra|cialis|backlink|whatsapp|where to buy|add to cart|free trial|money back|fast delivery",
        against=f"{_LAW} 消费者权益 消协 市场监管 工商部门 虚假宣传 骗局 上当 记者 报道",
        against_en=f"{_LAW_EN}|consumer protection|fraud*|scam|swindle*|complaint|reporter|economist",
    ),
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
    "spun": _Topic(
        sells=
        "家养智能 野生智能 合计机 计较机 盘算机 云计较 呆板进修 呆板人 机器进修 深度进修 练习模子 神经收集 天然说话 编程说话 "
        "说话处置 数据阐发 办事器 效劳器 互联收集 互联网络络 收集平安 信息平安 食物平安 智妙手机 操纵体系 步伐员 黉舍 "
        "迷信家 迷信研讨 研讨职员 事情职员 任务职员 手艺职员 卖力人 查询拜访 守业者 颁布发表 经由过程 经过历程 斲丧者 花费者 "
        "供给办事 可延续成长 身材康健 心思康健 糊口质量 紧张的感化 主动驾驶 同享单车 首席履行官 查察院 查察官 查察构造 "
        "值患上 获患上 使患上 觉患上 感触感染 代价观 白叟 对峙不懈 掉误 先容 较着 锻练 小门生 胶葛",
        sells_en=
        "counterfeit consciousness|man-made consciousness|profound learning|profound neural|deep getting to know|"
        "gadget learning|machine getting to know|irregular woodland|arbitrary woodland|bosom peril|bosom malignancy|"
        "bosom disease|colossal information|flag to noise|flag to clamor|information mining calculation|haze figuring|"
        "cloud figuring|distributed figuring|organization association|withinside|via way of means of|"
        "can also additionally|one of the maximum|the maximum important|the maximum essential|the maximum famous|"
        "kidney disappointment|heart disappointment|liver disappointment|lactose bigotry|leftover vitality|"
        "sunlight based|wind vitality|irregular esteem|straight relapse|calculated relapse|hereditary calculation|"
        "counterfeit neural|fake neural|focal preparing unit|discourse acknowledgment|face acknowledgment|"
        "picture preparing|regular language preparing|elite figuring|underground creepy crawly|ant settlement|peruser|"
        "casted a ballot|moreover called|inexpensive cost|facet effects|excessive-quality",
        names=
        "大模子 良多 今朝 现今朝 发卖 采办 用户们 撑持 连结 鞭策 扶植 处理题目 办理题目 阐发 存眷 特殊是 同享 各类百般 逾额 "
        "状师 讯断 差人 对峙 熬炼 炊事 就寝 缔造 高机能 胜利率 奉告 坚苦 浩繁 曩昔 定见 抛却 敏捷成长 疾速成长 首要性 "
        "紧张性 因而可知 股分 原告人 立异 寄义 界说 毗连 标的目的 可以或许 克日 消耗者 交际媒体 庄家人 受接待 经济成长 社会成长 "
        "成长趋向 天下杯 练习数据 康健 希奇 小我私家 颠末 泛起 敌手 增补 运营者 差别的 分歧的 盘算 畛域 症结 "
        "征象 研讨 若是 节制 诠释 缘由 喜好 抉择 倏忽",
        names_en=
        "artificial consciousness|device learning|huge information|enormous information|healing center|"
        "seven day stretch|keeping in mind the end goal|on the off chance that|is an absolute necessity|social orders|"
        "wellknown|side consequences|ought to be able to|as properly as|as nicely as|excessive quality|"
        "may additionally|sun oriented|choice tree|savvy city|winged creature|feathered creature|icy mass|littler|"
        "more terrible|off base|off-base|mid year|rundown|burn through|natural product|an ideal opportunity|"
        "pass judgement|wintertime|lengthier|foresees|moniker|entryway|rendition|tallies|voyages",
        named=0.5,
        free=1.0,
    ),
}  # fmt: skip
"""``spun``: what sells are words that no author wrote, and what names are words that a spinner likes and others use now
and then, of which it takes many different ones."""

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
            (topic.names, topic.names_en, 1.0, topic.named),
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
    """``score.spam.v1`` and its like: weighted hits in 1,000 units times their spread, from 0 on."""
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
    for name, topic in _TOPICS.items():
        beyond = spread[name] - topic.free
        score = 1000 * max(weight[name], 0.0) / units * beyond / (beyond + 2) if beyond > 0 else 0.0
        found[f"score.{name}.v1"] = score
    return found


def _whole(text: bytes, start: int, end: int, open_: bool) -> bool:
    """Whether a Latin word begins there and, if it is not an open one, ends there or with its plural."""
    if start and text[start - 1] in _LETTERS:
        return False
    return open_ or text[end] not in _LETTERS or (text[end] == ord("s") and text[end + 1] not in _LETTERS)
