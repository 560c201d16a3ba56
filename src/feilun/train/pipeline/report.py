"""A pipeline's report: one HTML page with the figures of every stage and every answer, good and bad."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from statistics import fmean
from typing import Literal

from feilun.evaluate.check_names import CHECKS
from feilun.evaluate.report import Graded, Rate
from feilun.jobs import Job
from feilun.text import locale_language, say
from feilun.train.pipeline.measure import TALKS, repeats, winning
from feilun.train.pipeline.replies import Reply
from feilun.train.pipeline.results import Results
from feilun.train.report import STYLE

# Columns as wide as one another, and words broken where they must: Chinese, and what a small model repeats, has no spaces. A
# table of figures that is wider than the window scrolls by itself.
_OWN_STYLE = """
body{max-width:1200px}td.no{color:#b91c1c}td.yes{color:#047857}.figures{overflow-x:auto}
table.answers{table-layout:fixed;width:100%}table.answers td{border-top:1px solid #e5e7eb;overflow-wrap:anywhere}
"""


def page(results: Results, job: Job) -> str:
    """The whole page. ``job``: whose parts have pages of their own beside it."""
    title = f"{results.name} · {results.size}"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<h2>{say('Stages', '阶段')}</h2>",
        _models(results),
        _reward(results),
        f"<h2>{say('Against fine-tuning', '与微调模型相比')}</h2>",
        _wins(results),
        _habits(results),
        f"<h2>{say('Runs', '各阶段的运行')}</h2>",
        _links(job),
        f"<h2>{say('Every answer', '全部回答')}</h2>",
        _answers(results, "questions"),
        *(
            [f"<h2>{say('Instructions', '指令')}</h2>", _answers(results, "instructions")]
            if results.models[0].instructions
            else []
        ),
    ]
    return (
        f'<!doctype html><html lang="{locale_language()}"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}{_OWN_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def name_of(stage: str) -> str:
    """What a reader knows a stage as."""
    names = {
        "corpus": say("corpus", "语料"),
        "pretrain": say("base model", "基座模型"),
        "sft": say("fine-tuned", "微调"),
        "pairs": say("pairs", "偏好对"),
        "reward": say("reward model", "奖励模型"),
        "ppo": "PPO",
        "dpo": "DPO",
    }
    return names.get(stage, stage)


def _models(results: Results) -> str:
    languages = list(results.models[0].bits)
    heads = [
        say("Model", "模型"),
        *(say(f"Bits per byte ({_kind(one)})", f"每字节比特（{_kind(one)}）") for one in languages),
        say("Talks", "能对话"),
        *(str(CHECKS[name]).capitalize() for name in TALKS),
        say("All checks", "通过全部检查"),
        say("Instructions followed", "遵循指令"),
    ]
    rows = [
        [
            name_of(model.stage),
            *(f"{model.bits[language]:.3f}" for language in languages),
            _rate(model.talks),
            *(_rate(model.by_check(name)) for name in TALKS),
            _rate(model.right),
            _rate(model.followed) if model.instructions else "",
        ]
        for model in results.models
    ]
    others = [
        (say("5-gram, same bytes read", "5-gram（读取相同字节）"), results.ngram or {}),
        *((_file(peer), bits) for peer, bits in results.peers.items()),
    ]
    rows += [
        [name, *(f"{bits[one]:.3f}" if one in bits else "" for one in languages)]
        for name, bits in others
        if bits
    ]
    return table(heads, rows)


def _kind(name: str) -> str:
    """What a reader knows a language as, or a kind of pairs (`feilun.train.reward.accuracy`)."""
    names = {
        "all": say("all", "合计"),
        "en": say("English", "英文"),
        "zh": say("Chinese", "中文"),
        "other": say("other", "其他"),
        "longer": say("longer one chosen", "选中较长者"),
        "shorter": say("shorter one chosen", "选中较短者"),
    }
    return names.get(name, name)


def _file(source: str) -> str:
    """What a model's file is called, whatever it is fetched from."""
    return PurePosixPath(source).name.removesuffix(".gguf")


def _rate(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.passed}/{rate.total} ({low:.0%}-{high:.0%})"


def _reward(results: Results) -> str:
    accuracy = results.reward_accuracy
    if not accuracy:
        return ""
    said = say(", ", "，").join(html.escape(f"{_kind(name)} {value:.1%}") for name, value in accuracy.items())
    title = say("Reward model, held-out pairs in the right order: ", "奖励模型在留出偏好对上的正确率：")
    return f"<p>{title}{said}</p>"


def _wins(results: Results) -> str:
    by = {
        "reward": say("by the reward model", "按奖励模型"),
        "checks": say("by checks it does not know", "按独立检查"),
        "instructions": say("by instructions followed", "按是否遵循指令"),
        "questions": say("by the questions' checks", "按题目检查"),
    }
    rows: list[list[str]] = []
    for one in results.wins:
        share = winning(one)
        low, high = share.interval or (0.0, 1.0)
        rows.append(
            [
                name_of(one.after),
                by[one.scorer],
                f"{one.won} / {one.scored - one.won - one.lost} / {one.lost}",
                f"{share.mean:.1%} ({low:.0%}-{high:.0%})",
            ]
        )
    heads = [
        say("Model", "模型"),
        say("Judged", "评判方式"),
        say("Won / even / lost", "胜 / 平 / 负"),
        say("Win rate", "胜率"),
    ]
    return table(heads, rows)


def _habits(results: Results) -> str:
    """How the models answer the held-out prompts. A win rate that rises together with one of these was bought by it."""
    if not all(model.heldout for model in results.models):
        return ""
    rows = [
        [
            name_of(model.stage),
            f"{fmean(len(reply.ids) for reply in model.heldout):.1f}",
            *(
                _rate(Rate(passed=sum(map(habit, model.heldout)), total=len(model.heldout)))
                for habit in (_is_empty, _is_endless, repeats)
            ),
        ]
        for model in results.models
    ]
    heads = [
        say("Model", "模型"),
        say("Tokens of an answer", "回答的 token 数"),
        say("Empty", "空回答"),
        say("Do not end", "未自行结束"),
        say("Repeat themselves", "重复"),
    ]
    title = say("Their answers to the prompts by which they are compared:", "用于比较的留出提示的回答：")
    return f"<p>{title}</p>{table(heads, rows)}"


def _is_empty(reply: Reply) -> bool:
    return not reply.text


def _is_endless(reply: Reply) -> bool:
    return not reply.ended


def _links(job: Job) -> str:
    found = sorted(job.folder.glob("*/report.html"))
    return (
        "<ul>"
        + "".join(
            f'<li><a href="{path.parent.name}/report.html">{html.escape(name_of(path.parent.name))}</a></li>'
            for path in found
        )
        + "</ul>"
    )


def _answers(results: Results, which: Literal["questions", "instructions"]) -> str:
    heads = "".join(f"<th>{html.escape(name_of(model.stage))}</th>" for model in results.models)
    rows: list[str] = []
    for answers in zip(*(getattr(model, which) for model in results.models), strict=True):
        cells = "".join(map(_cell, answers))
        rows.append(f'<tr><td class="prompt">{html.escape(results.asked[answers[0].id])}</td>{cells}</tr>')
    return f'<table class="answers"><tr><th>{say("Question", "问题")}</th>{heads}</tr>{"".join(rows)}</table>'


def _cell(answer: Graded) -> str:
    names = say(", ", "、").join(str(CHECKS[kind]) for kind in answer.failed)
    failed = f"<br><small>✗ {names}</small>" if names else ""
    return f'<td class="{"no" if answer.failed else "yes"}">{html.escape(answer.answer)}{failed}</td>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain text."""
    top = "".join(f"<th>{html.escape(head)}</th>" for head in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="figures"><table><tr>{top}</tr>{body}</table></div>'
