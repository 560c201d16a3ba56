# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (NumPy's annotations of histogram are partial.)
"""A corpus's report: one HTML file that needs nothing else, in both languages."""

from __future__ import annotations

import html
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feilun.data.reasons import named
from feilun.data.samples import Sample
from feilun.data.sources.files import FOLDER_LINK
from feilun.data.table import Row
from feilun.text import Text

BINS = 24
SAMPLES = 3
"""Documents shown of each reason."""
LONGEST = 600
"""Characters shown of a document."""

_STYLE = """
:root{color-scheme:light dark}body{font:15px/1.55 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;border-top:1px solid #8884}
td.n{text-align:right;font-variant-numeric:tabular-nums}.bar{background:#4a7dbd;height:.7rem;border-radius:2px;min-width:1px}
svg{width:100%;height:4rem}svg rect{fill:#4a7dbd}svg rect.out{fill:#c4553b}figure{margin:0}figcaption{font-size:.85rem}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:1rem}
blockquote{margin:.4rem 0;padding:.4rem .8rem;border-left:3px solid #8886;white-space:pre-wrap;overflow-wrap:anywhere}
.sides{display:grid;grid-template-columns:1fr 1fr;gap:1rem}
small{color:#888}
"""


class Samples:
    """A few documents of each reason, and of what was kept ("")."""

    def __init__(self) -> None:
        self._found: defaultdict[str, list[Row]] = defaultdict(list)

    def add(self, row: Row) -> None:
        found = self._found[row["reason"]]
        if len(found) < SAMPLES and row["text"]:
            found.append(dict(row))

    def of(self, reason: str) -> Sequence[Row]:
        return self._found[reason]


def report(
    name: str,
    figures: dict[str, Any],
    known: dict[str, NDArray[Any]],
    reasons: NDArray[Any],
    scores: Iterable[str],
    samples: Samples,
    cleaned: Iterable[Sample],
) -> str:
    """The page. known: columns (documents,); reasons: of each, "" for what was kept (documents,)."""
    kept = reasons == ""
    parts = [
        f"<h1>{html.escape(name)}</h1>",
        _heading("What became of the pages", "网页的去向"),
        _funnel(figures),
        *_unread(figures),
        _heading("What each rule does", "各规则的作用"),
        _rules(figures["rules"]),
        _heading("Scores: kept and dropped", "评分：保留与丢弃"),
        '<div class="grid">' + "".join(_histogram(one, known[one], kept) for one in scores) + "</div>",
        _heading("Languages and sources of what was kept", "保留文档的语言与来源"),
        _counts(Counter(known["lang"][kept].tolist()), int(kept.sum())),
        _counts(Counter(known["source"][kept].tolist()), int(kept.sum())),
        _heading("Sites of what was kept", "保留文档的网站"),
        _counts(Counter(site for site in known["site"][kept].tolist() if site), int(kept.sum())),
        *([_heading("Evaluation sets", "评测集"), _sets(figures["sets"])] if figures["sets"] else []),
        *(
            [_heading("The largest groups of copies", "最大的重复组"), _copies(figures["copies"])]
            if figures["copies"]
            else []
        ),
        _heading("Before and after cleaning", "清洗前后"),
        "".join(map(_side_by_side, cleaned)),
        _heading("Samples", "样例"),
        *(_shown(reason, samples) for reason in ["", *sorted(set(reasons.tolist()) - {""})]),
    ]
    body = "\n".join(parts)
    return (
        f"<!doctype html><html lang=zh-CN><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(name)}</title><style>{_STYLE}</style>{body}</html>"
    )


def _heading(en: str, zh: str) -> str:
    return f"<h2>{zh} <small>{en}</small></h2>"


def _funnel(figures: dict[str, Any]) -> str:
    read = figures["read"]
    rows = [(Text("read", "读取"), read)]
    for reasons in (figures["failed"], figures["dropped"]):
        for reason, number in sorted(reasons.items(), key=lambda pair: -pair[1]):
            said = named(reason)
            zh = f"− {said.zh}"
            en = zh if said.en == said.zh else said.en
            rows.append((Text(en, zh), number))
    rows.append((Text("kept", "保留"), figures["kept"]))
    return _table([(_both(said), number) for said, number in rows], read)


def _unread(figures: dict[str, Any]) -> list[str]:
    """What could not be read, with why, and what nobody tried to."""
    parts: list[str] = []
    if figures["faults"]:
        rows = "".join(
            f"<tr><td>{html.escape(one['id'])}</td><td>{_both(Text(one['en'], one['zh']))}</td></tr>"
            for one in figures["faults"]
        )
        parts += [_heading("Could not be read (the first)", "无法读取（前若干个）"), f"<table>{rows}</table>"]
    if figures["passed_over"]:
        passed = Counter[str](
            {_passed_over(suffix): number for suffix, number in figures["passed_over"].items()}
        )
        parts += [
            _heading("Files passed over: of no known kind", "未读取的文件：类型未知"),
            _counts(passed, passed.total()),
        ]
    return parts


def _passed_over(suffix: str) -> str:
    links = suffix == FOLDER_LINK
    return f"文件夹链接 {FOLDER_LINK}" if links else suffix or "无后缀 no suffix"


def _sets(sets: dict[str, dict[str, int]]) -> str:
    """Of each: documents that hold a question of it, its questions, and those too short to be told from chance."""
    heads = (
        Text("set", "评测集"),
        Text("documents with a question of it", "含其题目的文档"),
        Text("questions", "题目"),
        Text("too short to be found", "过短而无法查找"),
    )
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td>"
        + "".join(f'<td class="n">{of[key]:,}</td>' for key in ("documents", "items", "short"))
        + "</tr>"
        for name, of in sets.items()
    )
    return f"<table><tr>{''.join(f'<th>{_both(head)}</th>' for head in heads)}</tr>{rows}</table>"


def _both(said: Text) -> str:
    return (
        html.escape(said.zh)
        if said.zh == said.en
        else f"{html.escape(said.zh)} <small>{html.escape(said.en)}</small>"
    )


def _counts(counts: Counter[str], whole: int) -> str:
    return _table([(html.escape(name), number) for name, number in counts.most_common(12)], whole)


def _table(rows: Iterable[tuple[str, int]], whole: int) -> str:
    cells = (
        f"<tr><td>{name}</td><td class=n>{number:,}</td><td class=n>{number / max(1, whole):.1%}</td>"
        f'<td style="width:40%"><div class=bar style="width:{100 * number / max(1, whole):.2f}%"></div></td></tr>'
        for name, number in rows
    )
    return f"<table>{''.join(cells)}</table>"


def _rules(rules: dict[str, dict[str, float]]) -> str:
    counted = {
        "first": Text("dropped for it", "因此丢弃"),
        "breaks": Text("breaks it", "违反"),
        "alone": Text("alone", "仅违反此条"),
    }
    good = Text("good text of the labelled set", "标注集中的好文本")
    said = [*counted.values(), good]
    head = "<tr><th></th>" + "".join(f"<th>{_both(one)}</th>" for one in said) + "</tr>"
    cells = (
        f"<tr><td>{_both(named(name))}</td>"
        + "".join(f"<td class=n>{one[key]:,}</td>" for key in counted)
        + f"<td class=n>{one['good']:.1%}</td></tr>"
        for name, one in rules.items()
    )
    return f"<table>{head}{''.join(cells)}</table>"


def _copies(clusters: Iterable[dict[str, Any]]) -> str:
    head = (
        f"<tr><th>{_both(Text('kept', '保留'))}</th><th>{_both(Text('dropped', '丢弃'))}</th><th></th></tr>"
    )
    cells = (
        f"<tr><td>{html.escape(one['kept'])}</td><td class=n>{one['dropped']:,}</td>"
        f"<td><small>{html.escape(' · '.join(one['some']))}</small></td></tr>"
        for one in clusters
    )
    return f"<table>{head}{''.join(cells)}</table>"


def _side_by_side(sample: Sample) -> str:
    return (
        f"<p><b>{html.escape(sample.title)}</b> <small>{html.escape(f'{sample.source}/{sample.id}')} "
        f"{html.escape(' · '.join(sample.causes))}</small></p><div class=sides>"
        f"<blockquote>{html.escape(sample.before)}</blockquote><blockquote>{html.escape(sample.after)}</blockquote></div>"
    )


def _histogram(name: str, values: NDArray[Any], kept: NDArray[np.bool_]) -> str:
    known = np.isfinite(values)
    if not known.any():
        return ""
    low, high = np.quantile(values[known], (0.005, 0.995))
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    inside = [np.histogram(values[known & which], edges)[0] for which in (kept, ~kept)]
    tallest = max(1, int((inside[0] + inside[1]).max()))
    bars = ""
    for number, (mine, other) in enumerate(zip(*inside, strict=True)):
        for count, below, kind in ((mine, 0, "in"), (other, mine, "out")):
            height = 100 * count / tallest
            bars += f"<rect class={kind} x={number} width=.9 y={100 - height - 100 * below / tallest:.1f} height={height:.1f} />"
    return (
        f"<figure><svg viewBox='0 0 {BINS} 100' preserveAspectRatio=none>{bars}</svg>"
        f"<figcaption>{html.escape(name)}<br><small>{edges[0]:.3g} … {edges[-1]:.3g}</small></figcaption></figure>"
    )


def _shown(reason: str, samples: Samples) -> str:
    said = _both(named(reason) if reason else Text("kept", "保留"))
    found = "".join(
        f"<p><b>{html.escape(row['title'])}</b> <small>{html.escape(row['id'])} {html.escape(row['receipt'])[:300]}</small></p>"
        f"<blockquote>{html.escape(row['text'][:LONGEST])}</blockquote>"
        for row in samples.of(reason)
    )
    return f"<h3>{said}</h3>{found}" if found else ""
