"""What ``feilun data`` prints of a corpus and of its documents."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from rich.table import Table
from rich.text import Text as Line

from feilun.commands.chat import printable
from feilun.text import say
from feilun.workspace import Manifest

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from feilun.data.repair import Edit
    from feilun.data.why import Trace

MOST = 50
"""Edits and lines that are shown, of each."""
LONGEST, AROUND = 60, 8
"""Characters of what an edit replaces that are shown, and of what stands on each side of it."""
PASSAGE = 200
"""Characters of a passage that are shown."""
SAMPLE, TEXT = 500, 1000
"""Characters of a text that are shown: of one of many, of one alone."""


def show_funnel(folder: Path, console: Console) -> None:
    """What became of the pages, as a table."""
    from feilun.data.reasons import named

    figures = Manifest.read(folder).figures
    table = Table(box=None)
    table.add_column(say("pages", "网页"))
    table.add_column(say("number", "数量"), justify="right")
    table.add_row(say("read", "读取"), f"{figures['read']:,}")
    for reasons in (figures["failed"], figures["dropped"]):
        for reason, number in sorted(reasons.items(), key=lambda pair: -pair[1]):
            table.add_row(Line(f"  - {named(reason)}"), f"{number:,}")
    table.add_row(say("kept", "保留"), f"{figures['kept']:,}")
    console.print(table)
    if passed := sum(figures.get("passed_over", {}).values()):  # of an older corpus that is not known
        en = f"Files passed over, of no known kind: {passed:,} (in the report by kind)"
        zh = f"另有 {passed:,} 个文件类型未知，未读取（报告中按类型列出）"
        console.print(Line(say(en, zh)), soft_wrap=True)
    console.print(Line(str(folder)), soft_wrap=True)


def show_document(row: dict[str, Any], console: Console) -> None:
    """The beginning of one document, or why it has none."""
    from feilun.data.reasons import named
    from feilun.data.table import RECEIPT

    reason = str(named(row["reason"]))
    head = " · ".join(filter(None, (row["id"], reason, row["lang"], row["title"])))
    console.print(Line(printable(head), style="bold"), soft_wrap=True)
    if why := json.loads(row[RECEIPT] or "{}").get("why"):
        en, zh = why
        console.print(Line(printable(say(en, zh))), soft_wrap=True)
    console.print(Line(printable(row["text"][:SAMPLE])), end="\n\n", soft_wrap=True)


def json_text(value: object, indent: int | None = None) -> str:
    """JSON of anything; a number that JSON cannot say, such as the score of a text without letters, is null."""
    return json.dumps(_finite(value), ensure_ascii=False, indent=indent, default=str, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in cast("Sequence[object]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(trace: Trace) -> dict[str, Any]:
    """A document's way for scripts. Edits stand in the order in which they were applied: each speaks of the text that the
    edits before it left, and all of them make of ``extracted`` the text whose lines are dropped next."""
    from feilun.data.why import cut_across

    gathered, page = trace.gathered, trace.refined
    passages = [{**cut._asdict(), "old": trace.cleaned[cut.start : cut.end]} for cut in page.cuts]
    across = cut_across(trace.row)
    passages += [{**cut._asdict(), "old": trace.uncut[cut.start : cut.end]} for cut in across]
    return {
        "document": {key: value for key, value in trace.row.items() if not key.startswith("score.")},
        "why": {"en": gathered.why.en, "zh": gathered.why.zh} if gathered.why else None,
        "title_before": gathered.titled,
        "title_edits": _edits(gathered.titled, gathered.title_edits),
        "extracted": gathered.extracted,
        "edits": _edits(gathered.extracted, gathered.edits),
        "lines": [{"line": number, "text": line, "reason": why} for number, line, why in page.lines],
        "passages": passages,
        "masked": [found._asdict() for found in page.masked],
        "hits": [hit._asdict() for hit in page.hits],
        "text": trace.row["text"],
        "scores": page.scores,
        "rules_broken": trace.broken,
    }


def _edits(original: str, edits: Sequence[Edit]) -> list[dict[str, Any]]:
    from feilun.data.why import repairs

    return [
        {**edit._asdict(), "old": text[edit.start : edit.end]}
        for text, some in repairs(original, edits)
        for edit in reversed(some)
    ]


def show_trace(trace: Trace, console: Console) -> None:
    """A document's way, step by step, what became of it, and its text."""
    out = _Out(console)
    out.heading("Read", "读取")
    for name in ("source", "id", "kind", "url", "charset", "site", "date", "lang", "title"):
        if trace.row[name]:
            out.line(f"{name}: {trace.row[name]}")
    if trace.gathered.why is None:  # what could not be read goes no further
        _show_steps(trace, out)
    _show_verdict(trace, out)
    _show_text(trace, out)


class _Out:
    """The terminal, without what in a page could command it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, en: str, zh: str) -> None:
        self._console.print(Line(printable(say(en, zh)), style="bold"), soft_wrap=True)

    def line(self, text: str) -> None:
        self._console.print(Line(printable(f"  {text}")), soft_wrap=True)

    def more(self, count: int) -> None:
        """How many are not shown."""
        if count > MOST:
            self.line(say(f"and {count - MOST:,} more", f"另有 {count - MOST:,} 处"))


def _show_steps(trace: Trace, out: _Out) -> None:
    from feilun.data.why import cut_across

    gathered, refined = trace.gathered, trace.refined
    length = len(gathered.extracted)
    out.line(say(f"{length:,} characters extracted", f"提取 {length:,} 个字符"))
    if gathered.title_edits:
        count = len(gathered.title_edits)
        out.heading(f"Title repaired ({count:,})", f"修复标题（{count:,} 处）")
        _show_edits(gathered.titled, gathered.title_edits, out)
    out.heading(f"Repaired ({len(gathered.edits):,})", f"修复（{len(gathered.edits):,} 处）")
    _show_edits(gathered.extracted, gathered.edits, out)
    out.heading(f"Lines dropped ({len(refined.lines):,})", f"删去的行（{len(refined.lines):,}）")
    for number, text, reason in refined.lines[:MOST]:
        out.line(f"{reason} {number}: {text[:100]}")
    out.more(len(refined.lines))
    for cut in refined.cuts:
        text = _short(trace.cleaned[cut.start : cut.end], PASSAGE)
        out.line(say(f"repeated passage: {text!r}", f"重复段落：{text!r}"))
    for found in refined.masked:
        out.line(say(f"masked: {found.kind}", f"遮盖：{found.kind}"))
    for hit in refined.hits:
        out.line(say(f"of the evaluation set {hit.set}: {hit.item}", f"出自评测集 {hit.set}：{hit.item}"))
    out.heading("Scores", "评分")
    for name, value in refined.scores.items():
        out.line(f"{name}: {value:.4g}")
    if across := cut_across(trace.row):
        out.heading(
            f"Passages of many documents cut ({len(across):,})", f"删去多篇文档共有的段落（{len(across):,}）"
        )
        for cut in across[:MOST]:
            out.line(repr(_short(trace.uncut[cut.start : cut.end], PASSAGE)))
        out.more(len(across))


def _show_edits(original: str, edits: Sequence[Edit], out: _Out) -> None:
    """One repair after the other, as they were applied, and of each the edits as one reads the text before it."""
    from feilun.data.why import repairs

    left = MOST
    for text, some in repairs(original, edits):
        for edit in some[:left]:
            start, end = edit.start, edit.end
            before, after = text[max(start - AROUND, 0) : start], text[end : end + AROUND]
            change = f"{edit.cause}: {_short(text[start:end])!r} → {_short(edit.replacement)!r}"
            out.line(
                say(
                    f"{change} between {before!r} and {after!r}",
                    f"{change}，位于 {before!r} 与 {after!r} 之间",
                )
            )
        left = max(left - len(some), 0)
    out.more(len(edits))


def _show_verdict(trace: Trace, out: _Out) -> None:
    from feilun.data.reasons import named

    row = trace.row
    if not row["reason"]:
        out.heading(f"Kept, read {row['times']} times", f"保留，读取 {row['times']} 次")
        return
    said, copied = named(row["reason"]), row.get("duplicate_of")
    of = f" ({copied})" if copied else ""
    out.heading(f"Dropped: {said.en}{of}", f"丢弃：{said.zh}{of}")
    if trace.gathered.why is not None:
        out.line(str(trace.gathered.why))
    if row["text"] and trace.broken:
        broken = ", ".join(str(named(reason)) for reason in trace.broken)
        out.line(say(f"rules broken: {broken}", f"违反的规则：{broken}"))


def _show_text(trace: Trace, out: _Out) -> None:
    """The corpus's text, and whether the way walked now leads to it."""
    text, kept = trace.row["text"], not trace.row["reason"]
    if trace.refined.text != trace.uncut:
        out.heading(
            "The source or Feilun has changed since: the steps above lead to another text than the corpus's.",
            "数据源或飞轮此后有变化：上述步骤得到的文本与语料库中的不同。",
        )
    if not text:
        return
    count = f"{len(text):,}"
    first = len(text) > TEXT
    en, zh = (f", the first {TEXT:,}", f"，以下为前 {TEXT:,} 个") if first else ("", "")
    out.heading(
        f"Text {'kept' if kept else 'dropped'} ({count} characters{en})",
        f"{'保留' if kept else '丢弃'}的文本（{count} 个字符{zh}）",
    )
    for line in text[:TEXT].split("\n"):
        out.line(line)


def _short(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
