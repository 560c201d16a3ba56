"""Sentences whose meaning was turned round: what is praised or wished for is harm, or the loss of something good.

Text spinners put a word's opposite in its place as readily as its synonym ("effectively increases the risk of accidents",
有效降低工作效率, 原告人被判处有期徒刑). Without the original it cannot be told what a sentence said before; but few
writers recommend harm. A frame is a word that recommends (有效, helps), the direction (提高, reduce) and what it moves, in
one clause. It is turned if the two do not go together; what is in no such frame is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from feilun.data.score.letters import Letters

_RECOMMENDS = "有效 有利于 有助于 有益于 为了 旨在 致力于 以便 切实 确保 帮助 更好地"
_RECOMMENDS_EN = (
    "helps |help |helped |helping |in order to |effectively |aims to |aim to |designed to |so as to "
)
_UP = "提高 提升 增加 增强 增进 促进 加强 加剧 扩大 助长"
_DOWN = "降低 减少 减弱 削弱 避免 防止 预防 消除 杜绝 抑制 阻碍 损害"
_GOOD = (
    "效率 质量 安全性 性能 满意度 幸福感 竞争力 免疫力 抵抗力 健康水平 身体健康 素质 积极性 稳定性 可靠性 准确率 准确性 成功率 "
    "利用率 使用寿命 用户体验 经济效益 合法权益 凝聚力 自信心 创造力 透明度 公信力 获得感 生产力"
)
_BAD = (
    "风险 成本 损失 污染 事故 误差 错误 故障 疾病 感染 压力 负担 浪费 能耗 死亡率 犯罪 腐败 噪音 噪声 伤害 危害 隐患 矛盾 冲突 "
    "疼痛 痛苦 焦虑 拥堵 疲劳 漏洞 诈骗 违规 延误 并发症 副作用"
)
_NOT_AFTER = "的 下降 降低 损失 受损 受 问题 不 差 变 波动 事故 隐患 风险 流失 浪费 恶化 低 欠"
"""After something good: it is said of its loss. (减少对水体质量的影响, 避免性能下降)"""
_NOT_AFTER_BAD = (
    "的 意识 管理 管控 控制 防范 防控 防治 防护 治理 承受 抵御 能力 识别 预警 处理 处置 诊断 检测 检出 检查 治疗 知识 教育 核算 "
    "效益 评估 分析 监测 监督 监管 预防 预测 抵抗 应对 排查 整治 测试 打击 补偿 赔偿 救助 救治 保障 保险 化解 调解 修复 恢复 "
    "应急 容忍 认识 认知 警惕 敏感 研究 因素 意 准备 收益 投入 源 等级 水平 传感 容错 纠正 率低 优势 传播 转移"
)
_NOT_BEFORE_BAD = "抗防避免无零低控减降治除查反打"

_EN_UP = (
    "increas(?:e|es|ed|ing)|rais(?:e|es|ed|ing)|improv(?:e|es|ed|ing)|boost(?:s|ed)?|enhance[sd]?|promote[sd]?|ensure[sd]?|"
    "maximi[sz]e|worsen"
)
_EN_DOWN = "reduc(?:e|es|ed|ing)|decrease[sd]?|lower(?:s|ed)?|prevent(?:s|ed)?|avoid(?:s|ed)?|minimi[sz]e[sd]?|eliminate[sd]?|weaken"
_EN_GOOD = (
    "efficiency|quality|safety|productivity|satisfaction|reliability|accuracy|profitability|competitiveness|"
    "comfort|immunity|creativity|user experience|well-being"
)
_EN_BAD = (
    "risks?|losses|pollution|errors?|accidents?|diseases?|waste|injury|injuries|crimes?|corruption|fraud|noise|delays|"
    "side effects|complications|congestion|suffering|anxiety|fatigue"
)

_STOP = r"，。、！？；：,.!?;:\n（）()和与及并或对"


def _any(words: str) -> str:
    return "|".join(map(re.escape, words.split()))


_ZH = re.compile(
    rf"[^{_STOP}]{{0,6}}?(?:(?P<up>{_any(_UP)})|(?P<down>{_any(_DOWN)}))[^{_STOP}]{{0,8}}?"
    rf"(?:(?P<good>(?:{_any(_GOOD)})(?!{_any(_NOT_AFTER)}))|(?P<bad>(?<![{_NOT_BEFORE_BAD}])(?:{_any(_BAD)})(?!{_any(_NOT_AFTER_BAD)})))"
)
_EN = re.compile(
    rf"(?:[a-z]+ ){{0,3}}?(?:(?P<up>{_EN_UP})|(?P<down>{_EN_DOWN})) (?:(?:the|your|their|its|our|of|overall|any) ){{0,3}}"
    rf"(?:[a-z]+ ){{0,1}}?(?:(?P<good>{_EN_GOOD})|(?P<bad>{_EN_BAD}))\b(?! (?:awareness|management|control|prevention|"
    rf"assessment|tolerance|detection|reporting|handling|mitigation|issues?|problems?|loss|tests?|checks?|research))"
)
_ROLES = {
    "原告": re.compile(
        r"人?[^，。！？；\n]{0,10}?(?:被?判处|判刑|被刑拘|被刑事拘留|被批捕|被逮捕|归案|认罪|有期徒刑)"
    ),
    "受益人": re.compile(r"[^，。！？；\n]{0,4}?(?:报案|遇害|被骗|被害)"),
    "收费": re.compile(r"(?:领取|赠送|试用|试吃|试听|索取|派发)"),
}


def frames(text: str) -> Iterator[tuple[bool, int, int]]:
    """Whether each frame is turned, and where it stands: ``text[start:end]``."""
    for opener in _RECOMMENDS.split():
        yield from _after(text, opener, _ZH)
    if "the " in text:
        for opener in _RECOMMENDS_EN.split("|"):
            yield from _after(text, opener, _EN)
    for word, pattern in _ROLES.items():
        at = text.find(word)
        while at >= 0:
            found = pattern.match(text, at + len(word))
            if found:
                yield True, at, found.end()
            at = text.find(word, at + len(word))


def _after(text: str, opener: str, pattern: re.Pattern[str]) -> Iterator[tuple[bool, int, int]]:
    at = text.find(opener)
    while at >= 0:
        found = pattern.match(text, at + len(opener))
        if found:
            yield bool(found["up"]) == bool(found["bad"]), at, found.end()
        at = text.find(opener, at + len(opener))


def turned(letters: Letters) -> float:
    """``score.turned.v1``: turned frames in 1,000 units. One alone may be irony or a slip, and convicts nobody: 0."""
    count = len({end for one, _, end in frames(letters.text) if one})  # a frame with two such words is one
    return 1000 * count / max(len(letters.units.hashes), 100) if count > 1 else 0.0
