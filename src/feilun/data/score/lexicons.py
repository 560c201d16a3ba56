"""What a page is about to sell: words of ours, found by one automaton over the Simplified shadow.

A word alone convicts nobody. Each topic has words that only sell (weight 3), words that name the thing (1), and words
of those who write about it: courts, police, doctors, ministries, which count against it. The score is weighted hits in
1,000 units, times the spread over different words, so that one word said often stays small.
"""

from __future__ import annotations

from ahocorasick_rs import BytesAhoCorasick, Implementation

from feilun.data.score.letters import Letters

_SELLS: dict[str, str] = {
    "spam":
        "包邮 货到付款 厂家直销 厂家批发 一件代发 诚招代理 招商加盟 加盟热线 免费加盟 加微信 加我微信 加V信 加薇信 "
        "微信号 客服微信 客服QQ 加QQ 咨询热线 服务热线 "
        "热线电话 24小时服务 来电咨询 欢迎来电 欢迎致电 欢迎咨询 立即抢购 立即购买 点击购买 马上抢 手慢无 限时秒杀 "
        "限时抢购 限时优惠 优惠券 领取优惠 免费领取 大礼包 原价 现价 特价 "
        "假一赔 正品保证 无效退款 全额退款 价格表 多少钱一 哪家好 哪家强 排行榜 价格优惠 日入 月入过万 日赚 躺赚 "
        "兼职刷单 刷单 代开发票 办证 刻章 无抵押 当天放款 当天下款 快速放款 "
        "信用卡套现 代还 论文代写 代写论文 网赚 零投资 祖传秘方 无副作用 不反弹 见效 根治 丰胸 壮阳 增高 祛斑 "
        "减肥茶 减肥药 扫码关注 关注公众号 回复关键词 点击下方 点击链接 推广 "
        "网站优化 seo优化 关键词排名 外链 私家侦探 高仿 复刻 A货 同款 淘宝搜 红包口令 复制打开 下单 批发价 "
        "供应商 生产厂家 厂家电话 联系方式 附近 上门服务",
    "spam_en":
        "free shipping|order now|buy now|click here|limited time offer|money back|satisfaction guaranteed|"
        "no prescription|discreet packaging|"
        "special discount|discount code|best price|lowest price|for sale|cheap |wholesale|work from home|"
        "working from home|make money|earn money|"
        "no experience needed|weight loss|diet pill|male enhancement|viagra|cialis|replica watch|"
        "replica handbag|backlinks|payday loan|"
        "free gift|sign up today|act now|risk free|whatsapp|100% guaranteed|where to buy|buy cheap|"
        "online pharmacy|write my essay|essay writing service|"
        "click the link|call now|call us today|special offer|promo code|coupon code|add to cart|best deals|"
        "satisfied customers",
    "gambling":
        "送彩金 注册送 注册即送 开户送 首存 体验金 返水 彩金 提款秒到 真人荷官 美女荷官 真人视讯 百家乐 老虎机 "
        "时时彩 六合彩 北京赛车 幸运飞艇 快三 pk10 娱乐城 葡京 博彩平台 "
        "博彩公司 博彩网 投注平台 投注网站 在线投注 彩票平台 体育投注 滚球 盘口 赔率 走势图 开奖直播 开奖结果 "
        "必胜打法 稳赚不赔 带单 棋牌 捕鱼达人 斗牛 牛牛 龙虎斗 轮盘 "
        "官网登录 手机版登录 备用网址 最新网址 线上娱乐 娱乐平台 线上赌场 网上赌场 真人娱乐 亚博 开云体育 乐鱼 必威 "
        "下注 上不封顶 信誉平台",
    "gambling_en":
        "casino|free spins|welcome bonus|no deposit|jackpot|slots|roulette|blackjack|baccarat|betting|"
        "live dealer|bookmaker|"
        "best odds|free bet|cashback|poker online|online poker|slot machine|spin the reels|real money|judi|"
        "togel|sportsbook|wager",
    "porn":
        "无码 有码 一区二区 三级片 毛片 黄片 av在线 av天堂 成人视频 成人电影 成人网站 色情网 情色 激情视频 "
        "裸聊 约炮 援交 楼凤 丝袜美腿 人妻 熟女 强奸乱伦 国产精品 欧美性 日韩av "
        "自拍偷拍 做爱 口交 肛交 自慰 淫荡 骚货 小穴 肉棒 免费观看 高清在线 在线播放 同城交友 上门服务 制服诱惑 "
        "巨乳 乱伦",
    "porn_en":
        "porn|xxx|hentai|milf|blowjob|creampie|camgirl|nude pics|sex video|sex cam|sex tube|escort girl|"
        "hardcore|gangbang|cumshot|anal sex|"
    "big tits|naked girls|webcam sex|hot teens|adult video",
    "toxic":
        "傻逼 傻屄 操你 草泥马 他妈的 妈的 王八蛋 狗娘养 狗日的 滚蛋 去死 贱人 婊子 脑残 废物 垃圾人 畜生 杂种 "
        "白痴 弱智 智障 人渣 死全家 妈了个 煞笔 装逼 骚货 支那 黑鬼 死胖子 "
    "阿三 棒子 鬼子 绿绿 尼哥",
    "toxic_en":
        "fuck|shit|bitch|asshole|bastard|cunt|retard|moron|idiot|scumbag|whore|slut|faggot|nigger|"
        "kill yourself|dickhead|motherf|piece of crap|"
    "subhuman|vermin|go to hell|shut up",
    "spun":
        "家养智能 野生智能 合计机 计较机 盘算机 呆板进修 机器进修 深度进修 办事器 互联网络络 收集平安 黉舍 迷信家 "
        "迷信研讨 研讨职员 查询拜访 首创人 开办人 "
        "守业者 股分 颁布发表 经由过程 经过历程 愈来愈 天下各地 斲丧者 花费者 供给办事 效劳器 事情职员 任务职员 "
        "糊口 身材康健 紧张性 首要性 紧张的感化 因而可知 "
        "另外一方面 动力汽车 主动驾驶 同享单车 明显地 敏捷成长 疾速成长 原告人 查察院 查察官 查察构造 值患上 "
        "感触感染 交际网络 交际媒体 代价观 操纵体系 "
        "步伐员 白叟 互联网络 数据发掘 对峙不懈 成绩斐然 目标值",
    "odd":
        "大模子 甚么 良多 今朝 现今朝 产物 贩卖 发卖 采办 用户们 晋升 撑持 连结 鞭策 增进 扶植 康健 养分 病患 "
        "处理题目 办理题目 阐发 诠释 领会 存眷 首要 怪异 出格 "
        "特殊是 若是 然则 不外 野生 同享 手艺 揭示 显现出 差别的 分歧的 各类百般 逾额 倏忽 较着 状师 讯断 差人 "
        "对峙 熬炼 炊事 就寝 节制 缔造 体味 休会 高机能 "
        "处所 时辰 此刻 先容 进修 锻练 敌手 胜利率 含糊 奉告 坚苦 住民 抉择 增补 胶葛 运营者 成长 办事 职员 "
        "研讨 讯息 缘由 庞大 浩繁 收集 代价 活动 练习 "
        "曩昔 定见 抛却 小门生",
    "spun_en":
        "counterfeit consciousness|artificial consciousness|man-made consciousness|profound learning|"
        "profound neural|deep getting to know|"
        "gadget learning|machine getting to know|device learning|irregular woodland|arbitrary woodland|"
        "bosom peril|bosom malignancy|colossal information|"
        "huge information|enormous information|flag to noise|flag to clamor|information mining calculation|"
        "haze figuring|distributed figuring|cloud figuring|"
        "organization association|healing center|seven day stretch|with respect to the|"
        "keeping in mind the end goal|a great many|"
        "a variety of people|on the off chance that|in the event that you|is an absolute necessity|"
        "social orders|moreover called|"
        "wellknown|facet effects|side consequences|human beings who|ought to be able to|for the duration of|"
        "inside the|as properly as|as nicely as|"
        "inexpensive cost|excessive quality|excessive-quality|peruser|thirty days|60 minutes|voyages|"
        "monetary system|bargain hunt|"
        "withinside|via way of means of|can also additionally|may additionally|one of the maximum|the maximum important|"
        "the maximum essential|the maximum famous|it's miles|it is miles|so one can|"
        "kidney disappointment|heart disappointment|liver disappointment|lactose bigotry|bosom disease|leftover vitality|"
        "sunlight based|sun oriented|wind vitality|irregular esteem|straight relapse|calculated relapse|choice tree|"
        "hereditary calculation|counterfeit neural|fake neural|focal preparing unit|discourse acknowledgment|"
        "face acknowledgment|picture preparing|regular language preparing|elite figuring|web of things|savvy city|"
        "underground creepy crawly|ant settlement",
}  # fmt: skip
"""Words by topic: Chinese apart by spaces, English (``_en``) apart by bars."""

_COUNTER: dict[str, str] = {
    "gambling": "法院|警方|公安|判决|被告|涉案|违法|犯罪|刑法|检察|民警|查处|打击|诈骗|条例|监管|court|"
    "police|illegal|prosecut|convict|regulat|ministry|addict",
    "porn": "法院|警方|公安|判决|被告|涉案|违法|犯罪|刑法|检察|民警|查处|打击|淫秽物品|条例|court|police|"
    "illegal|prosecut|convict|regulat|trafficking",
    "spam": "消费者权益|消协|市场监管|工商部门|诈骗|虚假宣传|警方|法院|记者|consumer protection|"
    "fraud|regulator|reporter",
}
_FLAG = {"spun": 3.0, "odd": 1.0, "toxic": 2.0}
"""Weight of a word of the topic, where it is not 3. ``odd``: words that a spinner likes, and others use now and then."""

TOPICS = ("spam", "gambling", "porn", "toxic", "spun")


def _entries() -> tuple[list[str], list[tuple[tuple[str, float], ...]]]:
    found: dict[str, dict[str, float]] = {}
    for topic in TOPICS:
        words = [*_SELLS[topic].split(" "), *_SELLS[f"{topic}_en"].split("|")]
        for word in filter(None, words):
            found.setdefault(word.lower(), {})[topic] = _FLAG.get(topic, 3.0)
        if topic == "spun":
            for word in _SELLS["odd"].split(" "):
                found.setdefault(word, {}).setdefault(topic, _FLAG["odd"])
        for word in filter(None, _COUNTER.get(topic, "").split("|")):
            found.setdefault(word, {})[topic] = -2.0
    forms = sorted(found)
    return forms, [tuple(found[form].items()) for form in forms]


_FORMS, _MEANING = _entries()
# Over bytes: which words there are is asked, not where, and places in characters would have to be counted.
_AUTOMATON = BytesAhoCorasick([form.encode() for form in _FORMS], implementation=Implementation.DFA)


def lexicons(letters: Letters, title: str) -> dict[str, float]:
    """``score.spam.v1`` and its like: weighted hits in 1,000 units times their spread, from 0 on."""
    text = f"{title}\n{letters.text}".lower().encode("utf-8", "replace")
    hits: dict[int, int] = {}
    for pattern, _, _ in _AUTOMATON.find_matches_as_indexes(text):
        hits[pattern] = hits.get(pattern, 0) + 1
    weight: dict[str, float] = dict.fromkeys(TOPICS, 0.0)
    words: dict[str, int] = dict.fromkeys(TOPICS, 0)
    for pattern, times in hits.items():
        for topic, each in _MEANING[pattern]:
            weight[topic] += each * min(times, 5)
            words[topic] += each > 0
    units = max(len(letters.units.hashes), 60)
    return {
        f"score.{topic}.v1": 1000 * max(weight[topic], 0.0) / units * words[topic] / (words[topic] + 2)
        for topic in TOPICS
    }
