"""What happens to a job as lines for a terminal, in the reader's language.

The words of `feilun.jobs` are keys for programs (``--json`` prints them); what has no other words here is shown as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast

from feilun.jobs import Event
from feilun.text import say

_FIGURES: dict[str, Callable[[Any], str]] = {
    "loss": lambda x: f"{say('loss', '损失')} {x:.4f}",
    "lr": lambda x: f"{say('lr', '学习率')} {x:.2e}",
    "grad_norm": lambda x: f"{say('gradient', '梯度')} {x:.2f}",
    "tokens_per_second": lambda x: f"{x:,.0f} {say('tokens/s', 'token/秒')}",
    "mfu": lambda x: f"MFU {x:.1%}",
    "memory_mb": lambda x: f"{x:,.0f} MB",
    "eta_s": lambda x: say(f"{timedelta(seconds=round(x))} left", f"剩余 {timedelta(seconds=round(x))}"),
}

_ID = len("sha256:") + 12
"""Characters of an id that are shown: the whole is in the artifact's manifest."""


def figures_line(step: Event) -> str:
    """The figures of a step; null is what NaN and infinity are written as."""
    return " · ".join(
        show(step[name]) for name, show in _FIGURES.items() if isinstance(step.get(name), int | float)
    )


def stage_line(event: Event) -> str:
    """What begins: ``evaluate sft`` is two words, each of which has its own."""
    words = str(event.get("name") or event.get("stage")).split(" ")
    return " ".join(_word(_stages(), word) for word in words)


def event_line(event: Event) -> str:
    """An event of any kind as one line."""
    fields = {
        name: say(value, event[f"{name}_zh"]) if f"{name}_zh" in event else value
        for name, value in event.items()
        if name not in ("event", "time", "part") and not name.endswith("_zh")
    }
    if event["event"] == "sample":
        return f"[{fields.get('step')}] {fields.get('prompt')}▸{fields.get('text')}"
    names = _fields()
    told = (f"{_word(names, name)} {_value(name, value)}" for name, value in fields.items())
    return f"{_word(_events(), event['event'])}  " + " · ".join(told)


def _value(name: str, value: object) -> str:
    if isinstance(value, str) and value.startswith("sha256:"):
        return value[:_ID]
    if name == "name" and isinstance(value, str):
        return _word(_heldout(), value)
    if name == "stages" and isinstance(value, list):
        return " → ".join(_word(_stages(), str(one)) for one in cast("list[object]", value))
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bool):
        return say("yes", "是") if value else say("no", "否")
    if isinstance(value, Mapping):
        names, inner = _fields(), cast("Mapping[str, object]", value)
        return ", ".join(f"{_word(names, key)} {_value(key, one)}" for key, one in inner.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _heldout() -> dict[str, str]:
    """What an evaluation is of."""
    return {
        "heldout": say("text held out", "留出的文本"),
        "heldout answers": say("answers held out", "留出的回答"),
        "heldout pairs": say("pairs held out", "留出的偏好对"),
        "heldout thumbs": say("thumbs held out", "留出的点赞点踩"),
    }


def _word(known: Mapping[str, str], key: str) -> str:
    return known.get(key, key)


def _stages() -> dict[str, str]:
    return {
        "corpus": say("corpus", "语料"),
        "gather": say("gather", "读取与清洗"),
        "refine": say("refine", "去重与评分"),
        "again": say("again", "重新评分"),
        "tokenizer": say("tokenizer", "分词器"),
        "tokens": say("tokens", "token 分片"),
        "pretrain": say("pretrain", "预训练"),
        "5-gram": say("5-gram", "5-gram 基线"),
        "sft": say("sft", "监督微调"),
        "pairs": say("pairs", "偏好对"),
        "reward": say("reward", "奖励模型"),
        "ppo": "PPO",
        "dpo": "DPO",
        "kto": "KTO",
        "grpo": "GRPO",
        "evaluate": say("evaluate", "评测"),
        "compare": say("compare", "比较"),
    }


def _events() -> dict[str, str]:
    return {
        "started": say("started", "开始"),
        "model": say("model", "模型"),
        "checkpoint": say("checkpoint", "检查点"),
        "eval": say("eval", "评测"),
        "rollout": say("rollout", "采样"),
        "artifact": say("artifact", "产物"),
        "report": say("report", "报告"),
        "measured": say("measured", "评测结果"),
        "registered": say("registered", "已登记"),
        "decided": say("decided", "取舍"),
        "left_out": say("left out", "跳过"),
        "collected": say("collected", "收集"),
        "accepted": say("accepted", "采纳"),
        "built": say("built", "数据集"),
        "asked": say("asked", "提问"),
        "gate": say("gate", "闸门"),
        "cost": say("cost", "代价"),
        "promoted": say("promoted", "已上线"),
        "canary": say("canary", "灰度"),
        "discarded": say("discarded", "放弃"),
    }


def _fields() -> dict[str, str]:
    return {
        "zh": say("Chinese", "中文"),
        "en": say("English", "英文"),
        "all": say("all", "全部"),
        "pid": say("process", "进程"),
        "path": say("at", "位置"),
        "id": "id",
        "name": say("of", "对象"),
        "step": say("step", "步"),
        "steps": say("steps", "总步数"),
        "params": say("parameters", "参数量"),
        "matmul_params": say("in products", "参与矩阵乘法"),
        "learns": say("learn", "参与训练"),
        "epoch_rows": say("rows of an epoch", "每轮行数"),
        "examples": say("examples", "示例"),
        "too_long": say("too long", "过长"),
        "loss": say("loss", "损失"),
        "accuracy": say("told right", "判断正确"),
        "bits_per_byte": say("bits per byte", "每字节比特"),
        "ngram_bits_per_byte": say("of a 5-gram model", "5-gram 每字节比特"),
        "longer": say("longer chosen", "选中者较长"),
        "shorter": say("shorter chosen", "选中者较短"),
        "tokenizer": say("tokenizer", "分词器"),
        "heldout_loss": say("loss held out", "留出集损失"),
        "heldout_accuracy": say("right held out", "留出集准确率"),
        "tokens": "token",
        "stages": say("stages", "阶段"),
        "documents": say("documents", "文档"),
        "kept": say("kept", "保留"),
        "talks": say("talk", "能对话"),
        "right": say("right", "答对"),
        "followed": say("instructions followed", "遵循指令"),
        "pairs": say("pairs", "偏好对"),
        "own": say("own answers", "自己的回答"),
        "prompts": say("prompts", "提示"),
        "reward": say("reward", "奖励"),
        "kl": say("divergence", "散度"),
        "penalty": say("its weight", "散度权重"),
        "entropy": say("entropy", "熵"),
        "length": say("length", "长度"),
        "ended": say("ended", "正常结束"),
        "empty": say("empty", "空回答"),
        "endless": say("endless", "未结束"),
        "repeated": say("repetition", "重复"),
        "length_correlation": say("reward with length", "奖励与长度相关"),
        "count": say("times", "次数"),
        "first": say("first", "第一处"),
        "items": say("items", "条目"),
        "capped": say("beyond a user's share", "超出单个用户上限"),
        "by_rule": say("by rule", "按规则"),
        "release": say("release", "版本"),
        "model": say("model", "模型"),
        "file": say("file", "文件"),
        "candidate": say("candidate", "候选"),
        "passed": say("passed", "通过"),
        "share": say("share", "比例"),
        "seconds": say("seconds", "秒"),
        "joules": say("joules", "焦耳"),
        "sft": say("examples to learn", "待学示例"),
        "preference": say("pairs", "偏好对"),
        "kto": say("thumbs", "点赞点踩"),
        "good": say("thumbs up", "点赞"),
        "asked": say("asked again", "再次提问"),
        "heldout": say("held out", "留出"),
        "heldout_preference": say("pairs held out", "留出的偏好对"),
        "heldout_kto": say("thumbs held out", "留出的点赞点踩"),
        "masked": say("masked", "已脱敏"),
    }
