"""Pages that nobody should learn from: what they sell, list, or splice together."""

from __future__ import annotations

from random import Random

from feilun.data.labelled.articles import Article, Lang, article, fill, title, topics
from feilun.data.labelled.words import words

_SLOTS: dict[str, tuple[str, ...]] = {
    "city": words("广州 深圳 上海 成都 武汉 郑州 杭州 长沙 济南 西安"),
    "good": words(
        "增高鞋垫 减肥茶 祛斑霜 二手挖掘机 香烟 高仿手表 假发 治疗仪 酵素粉 加盟奶茶 保健酒 茶叶礼盒"
    ),
    "service": words(
        "无抵押贷款 信用卡代还 办证刻章 代开发票 论文代写 刷单兼职 网站排名优化 开锁换锁 疏通管道 私家侦探"
    ),
    "wx": words("wx8820kk vip6669 aa51788 ty_9901 mm520zz"),
    "phone": words("138****6621 400-820-0000 159****8870 0755-000000"),
    "site": words("www.hh88.example vip77.example m.dd365.example 9988x.example"),
    "num": words("18 38 58 88 128 188 588 888 1888 5000"),
    "game": words("百家乐 老虎机 六合彩 时时彩 捕鱼 轮盘 德州扑克 体育投注 龙虎斗 牛牛"),
    "casino": words("金冠娱乐城 皇都国际 银河体育 必赢彩票 鸿运棋牌 大富豪真人"),
    "en_good": (
        "diet pills",
        "replica watches",
        "designer handbags",
        "male enhancement tablets",
        "SEO backlinks",
        "essay help",
        "instant payday loans",
        "weight loss tea",
        "cheap sunglasses",
    ),
    "en_game": ("slots", "roulette", "blackjack", "baccarat", "poker", "sports betting"),
    "en_casino": ("Lucky Crown Casino", "RoyalSpin", "BetHarbour", "Golden Reels", "MegaJackpot 88"),
}

_SPAM: dict[Lang, tuple[str, ...]] = {
    "zh": (
        "{good}厂家直销，全国包邮，货到付款，支持验货！",
        "专业{service}，当天下款，诚信第一，欢迎来电咨询：{phone}",
        "加微信{wx}免费领取价值{num}元大礼包，仅限前{num}名！",
        "{city}{good}哪家好？{city}{good}多少钱？{city}{good}价格表，{city}{good}品牌排行榜",
        "点击下方链接立即抢购 >>> {site}",
        "原价{num}元，现在只要{num}元，手慢无，赶紧下单吧！！！",
        "已有{num}位客户使用{good}，无效全额退款，百分百有效",
        "{city}{service}电话，{city}{service}公司，{city}附近{service}联系方式",
        "扫码关注公众号，回复“{num}”领取优惠券",
        "想赚钱的看过来，在家就能做，日入{num}元不是梦，添加QQ：{num}{num}",
        "诚招{city}代理，一件代发，零投资零风险，名额有限",
        "{good}正品保证，假一赔十，淘宝搜索同款，客服微信：{wx}",
        "本公司承接{service}业务，价格优惠，24小时服务热线{phone}",
        "限时秒杀！今日下单再送{good}一份，错过再等一年",
        "老中医祖传秘方，{num}天见效，不反弹，无副作用",
    ),
    "en": (
        "Buy {en_good} online at the lowest price, free shipping worldwide!",
        "Click here to order now and save {num}% today only!!!",
        "Best {en_good} | cheap {en_good} | {en_good} for sale | {en_good} reviews",
        "100% satisfaction guaranteed or your money back, no questions asked.",
        "Limited time offer: the first {num} customers get a free gift worth ${num}.",
        "Visit {site} for the best deals on {en_good}.",
        "Make ${num} a day working from home, no experience needed.",
        "No prescription required, discreet packaging, fast delivery.",
        "Sign up today and get a special discount code by e-mail.",
        "Doctors hate this one simple trick that melts fat overnight.",
        "Contact us on WhatsApp +00 {num} {num} for wholesale {en_good}.",
        "Where to buy {en_good}? Order {en_good} without leaving home.",
    ),
}
_GAMBLING: dict[Lang, tuple[str, ...]] = {
    "zh": (
        "{casino}官网注册即送{num}元彩金，首存再送百分之{num}！",
        "真人{game}，美女荷官在线发牌，{num}秒到账",
        "{casino}app下载，手机版登录，{game}官方网站入口",
        "玩{game}就来{casino}，信誉平台，提款秒到，大额无忧",
        "{game}技巧、{game}规律、{game}必胜打法免费公开",
        "最新网址：{site}，备用网址：{site}，请收藏",
        "每日签到领红包，VIP返水高达{num}%，上不封顶",
        "{game}开奖直播，{game}走势图，资深专家带单稳赚不赔",
        "开户送{num}，充{num}送{num}，邀请好友再得{num}元",
        "{casino}是亚洲领先的线上娱乐平台，持有正规牌照，{game}赔率全网最高",
        "客服24小时在线，添加客服领取体验金{num}元",
        "世界杯投注、欧冠盘口、滚球赔率，尽在{casino}",
        "昨日玩家在{game}中爆出大奖{num}万，下一个就是你",
    ),
    "en": (
        "Join {en_casino} today and claim a {num}% welcome bonus plus {num} free spins!",
        "Play {en_game} and {en_game} for real money at {en_casino}.",
        "No deposit bonus codes for {en_game} players, updated daily.",
        "{en_casino} offers the best odds on football, tennis and {en_game}.",
        "Spin the reels and hit the jackpot of ${num}000 tonight.",
        "Fast payouts, live dealers and {num} different {en_game} games.",
        "Register, deposit ${num}, and bet with ${num}: it is that easy.",
        "Top online casino list: {en_casino}, {en_casino}, {en_casino}.",
        "Our {en_game} strategy wins every time, try your luck now!",
        "Download the {en_casino} app, login, and start betting on {site}.",
        "VIP players enjoy weekly cashback, free bets and exclusive tournaments.",
    ),
}
_PORN: dict[Lang, tuple[str, ...]] = {
    "zh": (
        "成人视频在线观看，高清无码，每日更新{num}部",
        "最全的成人电影网站，欧美、日韩、国产精品应有尽有",
        "永久网址：{site}，请加入收藏，防止走丢",
        "未满十八岁请离开，点击进入第{num}页",
        "{city}同城交友，约炮首选，真人照片，满意付款",
        "丝袜美腿写真，制服诱惑专区，免费观看{num}集",
        "裸聊直播间火爆开放，主播{num}位，扫码即看",
        "{city}上门服务，学生、白领任选，加微信{wx}",
        "三级片、伦理片、激情视频，手机播放不卡顿",
        "会员专享蓝光画质，充值{num}元看全站",
    ),
    "en": (
        "Watch free porn videos in HD, {num} new clips every day.",
        "Hot webcam girls are online now, join the live chat for free.",
        "Adult video archive: amateur, milf, hentai and more.",
        "You must be 18 or older to enter {site}.",
        "Meet naked girls near you tonight, no credit card needed.",
        "The biggest sex tube on the net, {num} categories.",
        "Download {num} xxx movies to your phone, fast and private.",
        "Escort girls with real photos, call any time.",
        "Premium members watch hardcore scenes without adverts.",
    ),
}
_TOXIC: dict[Lang, tuple[str, ...]] = {
    "zh": (
        "你是不是脑残，这种话也说得出口？",
        "楼上的傻逼滚出去，没人想看见你。",
        "这种废物就该去死，活着浪费粮食。",
        "一群白痴聚在一起，智商加起来还没有鞋码大。",
        "他妈的，谁再替他说话谁就是畜生。",
        "写这篇东西的人就是个弱智，全家都是。",
        "闭上你的臭嘴，贱人，轮不到你来教训我。",
        "狗娘养的{city}人，没有一个好东西。",
        "这个王八蛋骗了{num}个人，还有脸回来？",
        "智障才会信这个，早点滚蛋吧。",
        "见一次骂一次，人渣就是人渣。",
    ),
    "en": (
        "Shut up, you moron, nobody asked for your opinion.",
        "Only an idiot would write something like this.",
        "What a piece of crap, and the bastard who made it is no better.",
        "Go to hell, all {num} of you.",
        "You are scum, a worthless bitch, and everybody here knows it.",
        "These people are vermin and should be thrown out.",
        "I hope you choke on it, asshole.",
        "Fuck off and take your stupid friends with you.",
        "He is a retard, his mother is a retard, end of story.",
        "Do us all a favour and kill yourself.",
    ),
}
_BANKS = {"spam": _SPAM, "gambling": _GAMBLING, "porn": _PORN, "toxic": _TOXIC}
_GONE: dict[Lang, tuple[str, ...]] = {
    "zh": (
        "抱歉，您访问的页面不存在或已被删除。",
        "您要查看的内容找不到了，{num}秒后自动返回首页。",
        "该文章已被作者删除或正在审核中。",
        "对不起，没有找到您要的页面，请检查网址是否正确。",
        "页面出错了，请稍后再试或者联系管理员。",
        "提示信息：主题不存在或没有权限访问。",
    ),
    "en": (
        "Sorry, the page you are looking for could not be found.",
        "This article has been removed or is no longer available.",
        "Oops! Something went wrong. You will be redirected in {num} seconds.",
        "The link you followed may be broken. Go back to the home page.",
        "The requested URL was not found. Please check the address and try again.",
    ),
}


def sales(draw: Random, lang: Lang, kind: str) -> Article:
    """Spam, gambling, pornography or abuse: some pages open with sentences of an article, as those do that want to be indexed."""
    bank = _BANKS[kind][lang]
    lines = [fill(one, _SLOTS, draw) for one in draw.sample(bank, draw.randint(5, len(bank)))]
    lines += [fill(draw.choice(bank), _SLOTS, draw) for _ in range(draw.randint(0, 14))]
    if draw.random() < 0.3:
        lines[:0] = article(draw, lang, sentences=draw.randint(4, 6)).paragraphs
    joined: list[str] = []
    while lines:
        take = draw.randint(1, 3)
        joined.append(("" if lang == "zh" else " ").join(lines[:take]))
        del lines[:take]
    return Article(fill(draw.choice(bank), _SLOTS, draw)[:60], joined)


def gone(draw: Random, lang: Lang) -> Article:
    lines = [fill(one, _SLOTS, draw) for one in draw.sample(_GONE[lang], draw.randint(1, 3))]
    heading = draw.choice(
        ("404", "404 Not Found", "页面不存在", "出错了")
        if lang == "zh"
        else ("404", "Not found", "Page not found", "Error")
    )
    return Article(heading, lines)


def listing(draw: Random, lang: Lang) -> Article:
    """Titles of other pages, with dates or numbers."""
    heading = draw.choice(topics(lang))
    lines: list[str] = []
    style = draw.randrange(3)
    for number in range(draw.randint(12, 40)):
        one = title(draw, lang, draw.choice(topics(lang)))
        date = f"{draw.randint(2006, 2025)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
        lines.append(
            (f"{one} {date}", f"{number + 1}. {one}", f"[{date}] {one} ({draw.randint(3, 999)})")[style]
        )
    return Article(heading, lines)


def spliced(draw: Random, lang: Lang) -> Article:
    """Two or three articles on different topics in one text, without a word between them."""
    used: set[str] = set()
    parts = [
        article(draw, lang, topic, draw.randint(14, 22), used)
        for topic in draw.sample(topics(lang), draw.choice((2, 2, 3)))
    ]
    return Article(parts[0].title, [line for part in parts for line in part.paragraphs])
