"""An evaluation as one HTML page: figures, differences, every item with its answers side by side. No other host."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence

from feilun.evaluate.figures import Difference, Figure
from feilun.evaluate.results import ItemResult, Result, Results, score_of
from feilun.text import locale_language, say

_STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;max-width:1200px;margin:2rem auto;padding:0 1rem;color:#1f2937;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse}
td,th{padding:.2rem 1rem .2rem 0;text-align:left;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
small{color:#6b7280}pre{background:#f3f4f6;padding:.7rem;margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere;font:inherit}
details{border-top:1px solid #e5e7eb;padding:.3rem 0}summary{cursor:pointer}summary b{font-weight:600;margin-left:.6rem}
.side{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:.8rem}
.good{color:#047857}.bad{color:#b91c1c}.none{color:#6b7280}.user{color:#2563eb}
.filters label{margin-right:1rem}
"""
# Radio buttons are told apart by their values, items by the words of data-is.
_SCRIPT = """
document.querySelector(".filters").addEventListener("change",event=>{
const wanted=event.target.value;
for(const item of document.querySelectorAll("details[data-is]"))
item.hidden=wanted!=="all"&&!item.dataset.is.split(" ").includes(wanted)})
"""


def page(results: Results) -> str:
    """The whole page, in the language of this process; all text that is not ours is escaped."""
    parts = [
        f"<h1>{_e(results.name)}</h1>",
        f"<p>{_e(_about(results))}</p>",
        f"<h2>{say('Scores', '得分')}</h2>",
        f"<p><small>{_e(_explained())}</small></p>",
        _scores(results),
        _differences(results.differences),
        *_groups(results),
        f"<h2>{say('Items', '题目')}</h2>",
        _filters(results),
        *(_item(results, item) for item in results.items),
    ]
    return (
        f'<!doctype html><html lang="{locale_language()}"><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        f"<title>{_e(results.name)}</title><style>{_STYLE}</style><body>{''.join(parts)}"
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _e(text: str) -> str:
    return html.escape(text)


def _about(results: Results) -> str:
    drawn, total = len(results.items), results.total
    said = say(
        f"{drawn} of {total} items · {results.created} · {results.seconds:.0f} s · {results.code}",
        f"共 {total} 题，抽取 {drawn} 题 · {results.created} · {results.seconds:.0f} 秒 · {results.code}",
    )
    return f"{said} · {say('judge', '裁判')}: {results.judge}" if results.judge else said


def _explained() -> str:
    return say(
        "With 95 % intervals. Items that could not be judged are counted apart, not as zero.",
        "附 95% 置信区间。无法评分的题目单独计数，不算零分。",
    )


def _scores(results: Results) -> str:
    header = [say("Model", "模型"), *results.scorers, say("Server errors", "服务器错误")]
    rows = [
        [
            _e(model.name) + (f"<br><small>{_e(model.release[:19])}</small>" if model.release else ""),
            *(_figure(found.all[scorer]) for scorer in results.scorers),
            str(found.errors),
        ]
        for model, found in zip(results.models, results.figures, strict=True)
    ]
    return _table(header, rows)


def _groups(results: Results) -> Iterator[str]:
    """The main scorer's figures by language and by topic."""
    main = results.scorers[0]
    names = [model.name for model in results.models]
    tables = [
        (say("By language", "按语言"), [found.by_language for found in results.figures]),
        (say("By topic", "按主题"), [found.by_topic for found in results.figures]),
    ]
    cells = [found.by_topic_and_language for found in results.figures]
    if len(cells[0]) > max(len(groups[0]) for _, groups in tables):  # else it says what one of them does
        tables.append((say("By topic and language", "按主题与语言"), cells))
    for title, groups in tables:
        if len(groups[0]) > 1:
            rows = [[_e(group), *(_figure(each[group][main]) for each in groups)] for group in groups[0]]
            yield f"<h2>{title} ({_e(main)})</h2>{_table(['', *names], rows)}"


def _differences(differences: Sequence[Difference]) -> str:
    if not differences:
        return ""
    rows = [
        [
            f"{_e(each.before)} → {_e(each.after)}",
            _e(each.scorer),
            f"{100 * each.difference:+.1f} "
            f"<small>({100 * each.interval[0]:+.1f}, {100 * each.interval[1]:+.1f})</small>",
            f"+{each.won} −{each.lost}",
            str(each.scored),
        ]
        for each in differences
    ]
    header = [
        say("Models", "模型"),
        say("Score", "得分"),
        say("Points", "百分点"),
        say("won, lost", "胜、负"),
        say("Items", "题数"),
    ]
    return f"<h2>{say('Paired differences', '配对差异')}</h2>{_table(header, rows)}"


def _figure(figure: Figure) -> str:
    apart = (
        f" <small>{figure.unscorable} {say('unscorable', '无法评分')}</small>" if figure.unscorable else ""
    )
    if figure.mean is None or figure.interval is None:
        return f"–{apart}"
    low, high = figure.interval
    return f"{100 * figure.mean:.1f}% <small>({100 * low:.1f}–{100 * high:.1f})</small>{apart}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """``header`` is text, the cells of ``rows`` are HTML."""
    head = "".join(f'<th class="{"n" if at else ""}">{_e(name)}</th>' for at, name in enumerate(header))
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{"n" if at else ""}">{cell}</td>' for at, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def states(results: Results, item: ItemResult) -> list[str]:
    """Of ``wrong``, ``changed``, ``unscorable`` those that hold, by the main scorer: what items are filtered by."""
    values = [score_of(result, results.scorers[0]).value for result in item.results]
    known = [value for value in values if value is not None]
    found = {
        "wrong": any(value < 1 for value in known),
        "changed": len(set(known)) > 1,
        "unscorable": len(known) < len(values),
    }
    return [name for name, holds in found.items() if holds]


def _filters(results: Results) -> str:
    counts = {"all": len(results.items), "wrong": 0, "changed": 0, "unscorable": 0}
    for item in results.items:
        for state in states(results, item):
            counts[state] += 1
    names = {
        "all": say("all", "全部"),
        "wrong": say("not fully right", "未全对"),
        "changed": say("changed", "有变化"),
        "unscorable": say("unscorable", "无法评分"),
    }
    buttons = "".join(
        f'<label><input type="radio" name="filter" value="{name}"{" checked" if name == "all" else ""}> '
        f"{names[name]} ({count})</label>"
        for name, count in counts.items()
    )
    return f'<form class="filters">{buttons}</form>'


def _item(results: Results, item: ItemResult) -> str:
    main = results.scorers[0]
    marks = "".join(f"<b>{_mark(score_of(result, main).value)}</b>" for result in item.results)
    where = " · ".join(_e(text) for text in (item.language, item.topic) if text)
    *before, last = [_turn(turn.role, turn.content) for turn in item.messages]
    earlier = (
        f"<details><summary>{say('Before it', '此前')}: {len(before)}</summary>{''.join(before)}</details>"
    )
    asked = (earlier if before else "") + last + "".join(_turn("user", text) for text in item.more)
    right = "".join(f"<pre>{_e(target)}</pre>" for target in item.targets)
    target = f"<div>{say('Target', '参考答案')}</div>{right}" if right else ""
    answers = "".join(
        f"<div><div>{_e(model.name)}</div>{_answer(results, result)}</div>"
        for model, result in zip(results.models, item.results, strict=True)
    )
    return (
        f'<details data-is="{" ".join(states(results, item))}"><summary>{_e(item.id)} <small>{where}</small>{marks}'
        f'</summary>{asked}{target}<div class="side">{answers}</div></details>'
    )


def _turn(role: str, text: str) -> str:
    return f'<pre class="{_e(role)}"><small>{_e(role)}</small>\n{_e(text)}</pre>'


def _answer(results: Results, result: Result) -> str:
    if result.error is not None:
        return f'<pre class="bad">{_e(result.error)}</pre>'
    said = "".join(f"<pre>{_e(text)}</pre>" for text in result.texts)
    cut = "" if result.ended else f" <small>{say('cut off', '未写完')}</small>"
    scores = "<br>".join(
        f"{_e(scorer)} {_mark(score.value)} <small>{_e(score.note)}</small>"
        for scorer in results.scorers
        for score in [score_of(result, scorer)]
    )
    return f"{said}{cut}<div>{scores}</div>"


def _mark(value: float | None) -> str:
    if value is None:
        return f'<span class="none">{say("unscorable", "无法评分")}</span>'
    name, shown = ("good", "✓") if value == 1 else ("bad", "✗") if value == 0 else ("", f"{value:.2f}")
    return f'<span class="{name}">{shown}</span>'
