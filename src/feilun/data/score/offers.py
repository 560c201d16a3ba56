"""How much of a page is an offer: words that sellers use, and others as well.

None of them convicts anybody: a market, a clinic and a bank are written about in the same words. But where many different
ones stand close together and the text is poor besides (`score.quality.v1`), it is an advertisement; recipes ask for both.
"""

from __future__ import annotations

from ahocorasick_rs import BytesAhoCorasick, Implementation

from feilun.data.score.letters import Letters

_ZH = (
    "电话 热线 咨询 客服 微信 加微 QQ 联系 来电 欢迎 留言 预约 在线 扫码 二维码 公众号 加入 加群 添加 关注 下载 登录 备用 官网 认准 "
    "加盟 招商 代理 厂家 直供 批发 货源 拿货 一件代发 现货 专业 办理 代办 公司 承接 服务 上门 附近 全国 各地 价格 优惠 低廉 公道 "
    "免费 赠送 送货 包邮 包退 退款 退换 立减 特惠 原价 下单 订购 货到付款 付款 收费 费用 押金 名额 仅限 限时 前一百名 仅剩 错过 "
    "保证 保密 隐私 诚信 信誉 可靠 安全 放心 好评 老客户 长期合作 成功案例 经验 团队 一对一 疗程 见效 秘方 副作用 治愈 复发 根治 "
    "到账 贷款 额度 利息 征信 提款 存款 首存 首充 充值 红包 返佣 返还 流水 投注 彩票 体育 真人 命中 日结 日入 月入 兼职 收益 回本 "
    "创业 赚钱 稳赚 上不封顶 真实 视频 美女 酒店 同城 开服 新区 爆率 元宝 发票 学历 证件 刻章 查重 代写 论文 原单 复刻 专柜 调查 "
    "取证 定位 排名 优化 首页 推广 网站建设"
)
_EN = (
    "call|contact us|contact|whatsapp|email|click|button|sign up|apply|order|buy|shop|add to cart|book|download|enter your|"
    "free|bonus|discount|% off|code|cheap|affordable|lowest|best|top|price|prices|quote|sale|offer|offers|limited|today|now|"
    "tonight|only|left|supplies|guarantee|guaranteed|satisfaction|refund|money back|risk free|trial|returns|shipping|delivery|"
    "overnight|worldwide|discreet|privacy|confidential|24/7|24 hours|toll free|no credit check|approved|funding|loan|loans|"
    "credit|deposit|casino|slots|jackpot|spins|poker|winning|real money|rewards|pills|generic|prescription|pharmacy|"
    "dieting|pounds|belly fat|escort|escorts|girls|models|companions|hotel|replica|factory direct|wholesale|genuine|"
    "certificates|passports|essays|plagiarism|deadline|revisions|seo|backlinks|rank|traffic|earn|income|boss|"
    "financial freedom|spot|customers|clients|happy|experts|specialists|services|company|agency"
)
_FORMS = sorted({*_ZH.lower().split(), *_EN.split("|")})
_AUTOMATON = BytesAhoCorasick([form.encode() for form in _FORMS], implementation=Implementation.DFA)
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_LEAST = 200
"""Units: a shorter text is taken for one of so many."""


def offers(letters: Letters) -> float:
    """``score.offers.v1``: different words of sellers in 1,000 units."""
    text = f"\n{letters.text}\n".encode("utf-8", "replace").lower()
    found = {
        word
        for word, start, end in _AUTOMATON.find_matches_as_indexes(text, overlapping=True)
        if text[start] >= 0x80 or not (text[start - 1] in _LETTERS or text[end] in _LETTERS)
    }
    return 1000 * len(found) / max(len(letters.units.hashes), _LEAST)
