"""What `feilun eval` shows in the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text as Line

from feilun.commands.chat import printable
from feilun.evaluate.check_names import CHECKS
from feilun.evaluate.figures import Figure
from feilun.evaluate.report import Rate, Report
from feilun.evaluate.results import Results
from feilun.text import say


def by_topic(report: Report) -> Table:
    """Topics down, languages across, with Wilson's intervals at the ends of rows and columns."""
    languages = list(report.by_language)
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column(say("Topic", "题型"), say("all", "合计"))
    for language in languages:
        table.add_column(language, _cell(report.by_language[language], interval=True), justify="right")
    table.add_column(
        say("all (95% interval)", "合计（95% 置信区间）"), _cell(report.all, interval=True), justify="right"
    )
    cells = report.rates(lambda answer: f"{answer.lang} {answer.topic}")
    for topic, whole in report.by_topic.items():
        each = [_cell(cells.get(f"{language} {topic}")) for language in languages]
        table.add_row(Line(printable(topic)), *each, _cell(whole, interval=True))
    return table


def by_check(report: Report) -> Table:
    """How often each kind of check was passed."""
    table = Table(box=None, pad_edge=False)
    table.add_column(say("Check", "检查项"))
    table.add_column(say("passed (95% interval)", "通过（95% 置信区间）"), justify="right")
    for kind, found in report.by_check.items():
        table.add_row(str(CHECKS[kind]), _cell(found, interval=True))
    return table


def _cell(found: Rate | None, *, interval: bool = False) -> str:
    if found is None:
        return "-"
    share = f"{found.passed}/{found.total} {found.rate:4.0%}"
    low, high = found.interval
    return f"{share} ({low:.0%}-{high:.0%})" if interval else share


def scores(results: Results) -> Table:
    """Models down, scorers across."""
    table = Table(box=None, pad_edge=False)
    table.add_column(say("Model (95% interval)", "模型（95% 置信区间）"))
    for scorer in results.scorers:
        table.add_column(scorer, justify="right")
    for model, found in zip(results.models, results.figures, strict=True):
        table.add_row(Line(printable(model.name)), *map(_percent, found.all.values()))
    return table


def _percent(figure: Figure) -> str:
    apart = f" +{figure.unscorable} {say('unscorable', '无法评分')}" if figure.unscorable else ""
    if figure.mean is None or figure.interval is None:
        return f"-{apart}"
    low, high = figure.interval
    return f"{figure.mean:.1%} ({low:.0%}-{high:.0%}) n={figure.scored}{apart}"


def changes(results: Results) -> list[Table]:
    """Paired differences; no table where only one model was asked."""
    if not results.differences:
        return []
    table = Table(box=None, pad_edge=False)
    table.add_column(say("Paired difference", "配对差异"))
    table.add_column(say("Score", "得分"))
    table.add_column(say("points (95% interval)", "百分点（95% 置信区间）"), justify="right")
    table.add_column(say("won, lost", "胜、负"), justify="right")
    for each in results.differences:
        low, high = (100 * end for end in each.interval)
        table.add_row(
            Line(printable(f"{each.before} → {each.after}")),
            each.scorer,
            f"{100 * each.difference:+.1f} ({low:+.1f}, {high:+.1f})",
            f"+{each.won} -{each.lost}",
        )
    return [table]
