"""Text spinning: words replaced from a table of "synonyms", as it is done to get past a search engine's copy check."""

from __future__ import annotations

import re
from random import Random

from feilun.data.labelled.articles import Article, Lang
from feilun.data.labelled.words import pairs

_ZH = pairs(
    "今年=本年 比往年=较昔年 村民=庄家人 合作社=互助社 机器=呆板 数据=数目 统计=统共 平均=均匀 提高=进步",
    "减少=削减 原因=缘由 神秘=奥秘 介绍=先容 每隔=每距 仍旧=仍是 突然=倏忽 学校=黉舍 孩子=小孩子 增加=增长",
    "收购=收买 计划=打算 年轻人=青年人 愿意=情愿 超过=逾越 专家=行家 提醒=提示 应当=该当 尽快=赶快 容易=轻易",
    "志愿者=意愿者 守在=守候在 曾经=已经 清了=明净了 发现=发明 一共=统共 以前=之前 从未=从没 最好=最佳",
    "往往=常常 位置=地位 当地=本地 老人=白叟 研究=钻研 希望=盼望 弄清=弄明白 游客=旅客 距离=间隔 需要=必要",
    "数据库=数据仓库 服务器=办事器 查询=查问 报表=报单 建立=创建 索引=索引表 响应=相应 时间=光阴 用户=用户们",
    "团队=团体 测试=尝试 环境=情况 压力=压强 问题=题目 内存=内存条 日志=日记 程序员=步伐员 接口=接口儿",
    "代码=代码子 线程=线头 冲突=辩论 监控=监督 延迟=耽误 当然=固然 推迟=推延 医院=病院 门诊=门诊部 患者=病患",
    "医生=大夫 症状=病症 指标=目标 控制=节制 药物=药品 饮食=炊事 睡眠=就寝 坚持=对峙 锻炼=熬炼 社区=小区",
    "免费=收费 体检=体格检查 接种=打针 调查=查询拜访 规律=纪律 复发=再发 焦虑=忧虑 法院=法庭 公开=公然",
    "审理=审讯 被告人=原告人 检察机关=查察构造 网站=网址站 吸引=吸收 规定=划定 法官=法官们 受害人=受益人",
    "积蓄=积存 律师=状师 请求=哀求 从轻=从微 经营者=运营者 提供=供给 信息=讯息 相应=响应 责任=义务 条款=条目",
    "有效=有用 账户=帐号 民警=差人 成功率=胜利率 纠纷=胶葛 证据=证明 记录=记载 博物馆=博物院 捐赠=捐献",
    "修复=修理 显微镜=显微仪 模糊=含糊 年代=年月 喜欢=喜好 手艺=技术 学生=门生 展览=展览会 受欢迎=受接待",
    "书房=书斋 认为=以为 图书馆=藏书楼 读者=读者群 珍贵=贵重 比赛=竞赛 主场=主园地 教练=锻练 球队=球员队",
    "对手=敌手 机会=时机 阵型=阵形 第一次=第一遭 正式=正规 判断=果断 失误=掉误 技术=手艺 因为=由于 训练=练习",
    "决赛=决战 球迷=球友 解释=诠释 主力=主劲 关键=症结 调料=佐料 火候=火力 觉得=感到 厨房=灶间 冬天=冬季",
    "暖和=温暖 新鲜=新颖 如果=若是 事情=工作 不同=分歧 看法=观点 记者=笔者 类似=相似 情形=景象 负责=担任",
    "工作=任务 困难=坚苦 关心=关怀 居民=住民 告诉=奉告 起初=开初 相信=信赖 变化=转变 明显=较着 走访=访问",
    "决定=抉择 适合=合适 地方=处所 值得=值患上 参考=参照 补充=增补 人工智能=家养智能",
    "消息=动静 说法=说辞 意见=定见 究竟=毕竟 最早=最先 过去=曩昔 提到=说起 差错=过失 调整=调剂 经验=履历 放弃=抛却",
    "回答=答复 总是=老是 照片=像片 小学生=小门生 外地=外埠 贴出=张贴出 告示=布告",
)
_EN = pairs(
    "soil=dirt cold=chilly learned=took_in wait=hold_up seed=grain ground=floor nights=evenings",
    "week=seven_day_stretch enough=sufficient days=sunrises main=principle enemy=foe worked=toiled",
    "free=complimentary winter=wintertime trees=timbers planted=established fruit=natural_product",
    "grows=develops sun=daylight summer=mid_year water=fluid difference=distinction school=institute",
    "harvest=collect garden=nursery table=desk experiment=trial attempt=endeavour measure=degree",
    "fast=quick glacier=icy_mass line=queue month=thirty_days curve=bend middle=center travels=voyages",
    "idea=thought hour=60_minutes records=registers temperature=warmth small=little data=information",
    "noise=commotion clear=transparent pattern=example peak=pinnacle afternoon=early_evening slides=glides",
    "groups=bunches found=discovered effect=impact smaller=littler question=inquiry shape=form",
    "model=demonstrate numbers=figures predicts=foresees paper=document reviewers=commentators",
    "council=chamber voted=casted_a_ballot old=ancient service=benefit passengers=travellers",
    "working=functioning money=cash surprise=astonishment bridge=extension built=fabricated",
    "hospital=healing_center longer=lengthier roads=streets members=individuals engine=motor",
    "parts=components hand=palm children=kids rule=govern office=bureau changed=modified shops=boutiques",
    "trade=exchange court=courtyard company=organization licence=permit bets=wagers countries=nations",
    "public=open judge=pass_judgement lost=misplaced savings=reserve_funds offers=proposals defence=guard",
    "law=regulation advertising=promoting study=consider ministry=service spend=burn_through list=rundown",
    "banks=shorelines payments=installments program=programme run=sprint disk=plate depends=hinges",
    "version=rendition wrote=composed report=answer_to fix=settle name=moniker reader=peruser tests=exams",
    "easy=simple write=compose machine=apparatus power=control short=brief failures=disappointments",
    "worse=more_terrible alarms=cautions logs=timbers trace=follow file=record team=group",
    "returned=came_back wardens=superintendents heard=listened path=way closed=shut reeds=canes",
    "birds=winged_creatures nest=settle levels=dimensions young=youthful leads=drives counts=tallies",
    "patience=tolerance volunteers=workers note=memo fence=wall deer=stag farmers=ranchers visitors=guests",
    "light=illumination evening=night costs=expenses answer=reply figures=numbers story=tale",
    "people=individuals thing=object notice=notification door=entryway speaks=talks adds=includes opinions=sentiments",
    "divided=isolated looked=glanced better=superior everybody=each_individual seriously=truly followed=pursued",
    "single=solitary drew=attracted envelope=wrapper talked=spoke wrong=off_base strangers=outsiders later=afterward",
    "hurried=rushed writes=composes begin=commence",
)


def spin(draw: Random, lang: Lang, clean: Article, share: float) -> Article:
    """The article with about ``share`` of the table's words replaced."""
    table = _ZH if lang == "zh" else _EN
    pattern = _PATTERN[lang]

    def other(match: re.Match[str]) -> str:
        return table[match[0]] if draw.random() < share else match[0]

    return Article(pattern.sub(other, clean.title), [pattern.sub(other, line) for line in clean.paragraphs])


_PATTERN: dict[Lang, re.Pattern[str]] = {
    "zh": re.compile("|".join(sorted(_ZH, key=len, reverse=True))),
    "en": re.compile(rf"\b(?:{'|'.join(sorted(_EN, key=len, reverse=True))})\b"),
}
