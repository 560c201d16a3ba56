"""A run as one HTML page: curves, evaluations, samples, recipe. No script, no other host."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from feilun.jobs import Event, Job, Part
from feilun.text import locale_language, say
from feilun.train.hacking import LEAST, suspicions
from feilun.workspace import write_atomically

Curve = Sequence[tuple[float, float]]
"""Points (x, y), x ascending."""

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 460, 200, 76, 26  # at the left there is room for -1.235e-05
_COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed")
_POINTS = 400
"""Of a drawn curve; longer ones are averaged down to so many."""

STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;color:#1f2937;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}figure{display:inline-block;margin:0 1rem 1rem 0}
figcaption{font-weight:600}table{border-collapse:collapse}td,th{padding:.2rem .9rem .2rem 0;text-align:left;vertical-align:top}
pre{background:#f3f4f6;padding:.7rem;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}
text{font-size:11px;fill:#4b5563}.prompt{color:#2563eb}
"""


def write_report(job: Job) -> Path:
    """Write ``report.html`` into the job's folder, from what it has recorded so far."""
    events = _counting(job.events())
    steps = [event for event in events if event["event"] == "step"]
    parts = [
        f"<h1>{html.escape(_heading(job))}</h1>",
        _facts(job, events, steps),
        f"<h2>{say('Curves', '曲线')}</h2>",
        *_charts(steps, events),
        *_samples(events),
        f"<h2>{say('Recipe', '配方')}</h2>",
        f"<pre>{html.escape(json.dumps(job.record.recipe, ensure_ascii=False, indent=2))}</pre>",
    ]
    page = (
        f'<!doctype html><html lang="{locale_language()}"><meta charset="utf-8">'
        f"<title>{html.escape(job.id)}</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )
    path = job.folder / "report.html"
    write_atomically(path, page)
    return path


def _heading(job: Job) -> str:
    return f"{job.record.name} · {job.folder.name}" if isinstance(job, Part) else job.record.name


def _counting(events: Iterable[Event]) -> list[Event]:
    """Without what a run that was resumed from a checkpoint has done again since.

    What is drawn or evaluated after a step, before the next, may be done again without that step.
    """
    counting: list[Event] = []
    done = 0
    for event in events:
        if event["event"] == "step":
            if event["step"] <= done:
                counting = [other for other in counting if other.get("step", 0) < event["step"]]
            done = event["step"]
        if event["event"] == "rollout":
            counting = [other for other in counting if not _drawn(other) or other["step"] < event["step"]]
        counting.append(event)
    newest = {_what(event): number for number, event in enumerate(counting)}
    return [
        event
        for number, event in enumerate(counting)
        if event["event"] not in ("eval", "sample") or _drawn(event) or newest[_what(event)] == number
    ]


def _drawn(event: Event) -> bool:
    """Whether it tells of a rollout; the samples of evaluations have no reward."""
    return event["event"] == "rollout" or (event["event"] == "sample" and "reward" in event)


def _what(event: Event) -> tuple[Any, ...]:
    return tuple(event.get(name) for name in ("event", "step", "name", "prompt"))


def _facts(job: Job, events: list[Event], steps: list[Event]) -> str:
    rows: list[tuple[str, str]] = [(say("Run", "运行"), job.id), (say("Code", "代码"), job.record.code)]
    if steps:
        last = steps[-1]
        speeds = [event["tokens_per_second"] for event in steps if event.get("tokens_per_second")]
        rows += [
            (say("Steps", "步数"), f"{last['step']:,} / {last['steps']:,}"),
            (say("Tokens read", "读取的 token"), f"{last['tokens']:,}"),
            (say("Last loss", "最终损失"), f"{last['loss']:.4f}"),
            (say("Most memory", "内存峰值"), f"{last['memory_mb']:,.0f} MB"),
        ]
        if speeds:  # the middle one: a pause before it was resumed does not count
            rows.append((say("Tokens a second", "每秒 token"), f"{median(speeds):,.0f}"))
    for event in events:
        if event["event"] == "artifact":
            rows += [
                (_named_fact(name), _plain(value))
                for name, value in event.items()
                if name not in ("event", "time", "part")
            ]
    cells = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
    return f"<table>{cells}</table>"


def _named_fact(name: str) -> str:
    """What a figure of an artifact is called."""
    known = {
        "path": say("Artifact", "产物"),
        "id": say("Its id", "产物标识"),
        "params": say("Parameters", "参数量"),
        "learns": say("Numbers that learn", "参与训练的参数量"),
        "examples": say("Examples", "示例数"),
        "tokens": say("Tokens", "token 数"),
        "stages": say("Stages", "经过的阶段"),
        "tokenizer": say("Tokenizer", "分词器"),
        "bits_per_byte": say("Held out: bits per byte", "留出集：每字节比特数"),
        "ngram_bits_per_byte": say("The same of a 5-gram model", "5-gram 模型的每字节比特数"),
        "heldout_loss": say("Held out: loss", "留出集：损失"),
        "heldout_accuracy": say("Held out: told right", "留出集：判断正确的比例"),
        "reward": say("Reward", "奖励"),
        "kl": say("Divergence from the model before", "与初始模型的散度"),
        "length": say("Length of answers", "回答长度"),
        "ended": say("Answers that end", "正常结束的回答"),
    }
    return known.get(name, name)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _charts(steps: list[Event], events: list[Event]) -> Iterable[str]:
    titles = {
        "loss": say("Training loss (nats)", "训练损失（nat）"),
        "lr": say("Learning rate", "学习率"),
        "grad_norm": say("Gradient norm", "梯度范数"),
        "tokens_per_second": say("Tokens a second", "每秒 token"),
        "mfu": say("MFU", "MFU"),
    }
    yield from _named(titles, steps)
    yield from _preferences(steps)
    yield from _rollouts(events)
    evaluated: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for event in events:
        if event["event"] == "eval":
            for kind in ("bits_per_byte", "loss", "accuracy"):
                figures: dict[str, float] = event.get(kind) or {}
                for name, value in figures.items():
                    evaluated.setdefault(kind, {}).setdefault(name, []).append((event["step"], value))
    held = {
        "bits_per_byte": say("Held out: bits per byte", "留出集：每字节比特数"),
        "loss": say("Held out: loss", "留出集：损失"),
        "accuracy": say("Held out: told right", "留出集：判断正确的比例"),
    }
    for kind, curves in evaluated.items():
        yield chart(held[kind], curves)


def _preferences(steps: list[Event]) -> Iterable[str]:
    titles = {
        "accuracy": say("Told right", "判断正确的比例"),
        "margin": say("Margin of the chosen answer", "选中回答的领先幅度"),
        "chosen": say("Gain of good answers", "好的回答的提升"),
        "nats": say("Good answers: nats a token", "好的回答：每个 token 的 nat"),
        "length_correlation": say("Reward with length", "奖励与长度的相关"),
        "clipped": say("Tokens that were clipped", "被截断的 token 比例"),
        "value_error": say("Error of the value head", "价值头误差"),
    }
    yield from _named(titles, steps)


def _rollouts(events: list[Event]) -> Iterable[str]:
    """What the policy did as it learnt. Reward that rises with one of the last curves is reward that was hacked."""
    newest = {event["step"]: event for event in events if event["event"] == "rollout"}
    if not newest:
        return
    titles = {
        "reward": say("Reward", "奖励"),
        "kl": say("Divergence from the model before (nats an answer)", "与初始模型的散度（每个回答的 nat）"),
        "penalty": say("Weight of its penalty", "散度惩罚的权重"),
        "entropy": say("Entropy (nats a token)", "熵（每个 token 的 nat）"),
        "length": say("Length of answers (tokens)", "回答长度（token）"),
        "ended": say("Answers that end", "正常结束的回答"),
        "empty": say("Empty answers", "空回答"),
        "repeated": say("Repetition", "重复"),
        "length_correlation": say("Reward with length", "奖励与长度的相关"),
    }
    yield f"<h2>{say('Own answers', '自己的回答')}</h2>"
    rollouts = [newest[step] for step in sorted(newest)]
    found = suspicions(rollouts)
    if found:
        yield (
            "<p>"
            + say("While reward rose, it may have been hacked:", "奖励上升的同时，可能存在奖励作弊：")
            + "</p><ul>"
        )
        yield "".join(f"<li>{html.escape(str(one))}</li>" for one in found) + "</ul>"
    elif len(rollouts) >= LEAST:
        yield (
            "<p>"
            + say(
                "No sign that reward was hacked by length, repetition, or empty or endless answers.",
                "未发现通过长度、重复、空回答或不结束的回答骗取奖励的迹象。",
            )
            + "</p>"
        )
    yield from _named(titles, rollouts)


def _named(titles: Mapping[str, str], events: list[Event]) -> Iterable[str]:
    for name, title in titles.items():
        points = [
            (event["step"], event[name]) for event in events if isinstance(event.get(name), int | float)
        ]
        if points:
            yield chart(title, {"": points})


def chart(title: str, curves: Mapping[str, Curve]) -> str:
    """Curves by name as an SVG figure. Every curve has at least one point; all values are finite."""
    drawn = {name: _thinned(curve) for name, curve in curves.items()}
    xs = [x for curve in drawn.values() for x, _ in curve]
    ys = [y for curve in drawn.values() for _, y in curve]
    low_x, high_x, low_y, high_y = min(xs), max(xs), min(ys), max(ys)
    wide, tall = (high_x - low_x) or 1.0, (high_y - low_y) or 1.0

    def place(x: float, y: float) -> str:
        across = _LEFT + (x - low_x) / wide * (_WIDTH - _LEFT - 8)
        return f"{across:.1f},{8 + (high_y - y) / tall * (_HEIGHT - _BOTTOM - 16):.1f}"

    lines: list[str] = []
    for number, (name, curve) in enumerate(drawn.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(place(x, y) for x, y in curve)
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>')
        lines += [
            f'<circle cx="{at.split(",")[0]}" cy="{at.split(",")[1]}" r="2.5" fill="{colour}"/>'
            for at in (points.split(" ") if len(curve) < 12 else ())
        ]
        if name:
            across = _LEFT + 8 + 70 * number
            lines.append(
                f'<text x="{across}" y="{_HEIGHT - 4}" style="fill:{colour}">{html.escape(name)}</text>'
            )
    labels = (
        f'<text x="{_LEFT - 6}" y="14" text-anchor="end">{high_y:.4g}</text>'
        f'<text x="{_LEFT - 6}" y="{_HEIGHT - _BOTTOM - 6}" text-anchor="end">{low_y:.4g}</text>'
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 4}" text-anchor="end">{say("step", "步")} {high_x:,.0f}</text>'
    )
    frame = f'<path d="M{_LEFT} 8V{_HEIGHT - _BOTTOM - 2}H{_WIDTH - 8}" fill="none" stroke="#9ca3af"/>'
    return (
        f"<figure><figcaption>{html.escape(title)}</figcaption>"
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{html.escape(title)}">'
        f"{frame}{''.join(lines)}{labels}</svg></figure>"
    )


def _thinned(curve: Curve) -> Curve:
    size = -(-len(curve) // _POINTS)
    groups = [curve[i : i + size] for i in range(0, len(curve), size)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _samples(events: list[Event]) -> Iterable[str]:
    samples = [event for event in events if event["event"] == "sample"]
    if samples:
        yield f"<h2>{say('Samples', '样例')}</h2>"
    for event in samples:
        text = f'<span class="prompt">{html.escape(event["prompt"])}</span>{html.escape(event["text"])}'
        reward = f" · {say('reward', '奖励')} {event['reward']:.2f}" if "reward" in event else ""
        yield f"<div>{say('Step', '步')} {event['step']}{reward}</div><pre>{text}</pre>"
