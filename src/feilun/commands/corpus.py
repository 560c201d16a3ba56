"""``feilun data build|report|why|sample``: raw pages to a corpus, and what became of each of them."""

from __future__ import annotations

import json
import os
import webbrowser
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text as Line

from feilun.commands.chat import printable
from feilun.commands.extras import need_data
from feilun.commands.jobs import follow, job_to_resume, running, tell_stopped
from feilun.jobs import Job
from feilun.recipe import find_recipe, read_recipe, shipped
from feilun.text import FeilunError, say
from feilun.workspace import Workspace

if TYPE_CHECKING:
    from feilun.data.recipe import CorpusRecipe, QualityRecipe, SourceRecipe
    from feilun.data.why import Trace

BUILD_HELP = say(
    "Make a corpus of pages and documents: WARC, HTML, PDF, DOCX, EPUB, Markdown, JSON lines, Parquet or text, from files, "
    "folders or URLs. It stands in the workspace under `corpora/NAME`: what is kept, what is not and why.\n\n"
    "Killed or stopped, it goes on with `--resume`.\n\n"
    "With `--engine ray` the work is done on a Ray cluster, to the same bytes. Feilun must be installed on its nodes, and "
    "workspace and sources must lie on a file system that all of them see under the same path.\n\n"
    "Examples:\n\n`feilun data build --source ~/pages --name mine`\n\n"
    "`feilun -w /shared/feilun data build --source /shared/pages --engine ray --address 10.0.0.1:6379`",
    "把网页和文档制成语料库：WARC、HTML、PDF、DOCX、EPUB、Markdown、JSON 行、Parquet 或文本，来自文件、文件夹或 URL。"
    "结果存放于工作区的 `corpora/名称`：保留了什么，丢弃了什么及其原因。\n\n"
    "被终止或停止后，用 `--resume` 继续。\n\n"
    "加 `--engine ray` 在 Ray 集群上构建，结果逐字节相同。各节点须安装飞轮，并能以相同路径访问工作区和数据源所在的文件系统。\n\n"
    "示例：\n\n`feilun data build --source ~/pages --name mine`\n\n"
    "`feilun -w /shared/feilun data build --source /shared/pages --engine ray --address 10.0.0.1:6379`",
)
WHY_HELP = say(
    "Walk the way of a document again: what was read, repaired, dropped, masked and scored, and why it was kept or not. "
    "Its source must still be there.\n\n"
    "Example: `feilun data why mine news/0042.html`",
    "重走一篇文档的过程：读取、修复、删去、遮盖与评分，以及保留或丢弃的原因。数据源须仍然存在。\n\n"
    "示例：`feilun data why mine news/0042.html`",
)
SAMPLE_HELP = say(
    "Show documents of a corpus, or with `--dropped` some that were dropped for a reason.\n\n"
    "Examples:\n\n`feilun data sample mine`\n\n`feilun data sample mine --dropped near_copy`",
    "查看语料库中的文档；加 `--dropped` 查看因某原因被丢弃的文档。\n\n"
    "示例：\n\n`feilun data sample mine`\n\n`feilun data sample mine --dropped near_copy`",
)
REPORT_HELP = say(
    "Open a corpus's report in the browser: how many pages fell to which rule, scores, sites, samples.\n\n"
    "Example: `feilun data report mine`",
    "在浏览器中打开语料库报告：各规则丢弃的数量、评分、网站与样例。\n\n示例：`feilun data report mine`",
)

DECIDE_HELP = say(
    "Decide on a corpus again by the rules, copies, weights and epochs of another recipe; no page is read again. The new "
    "corpus takes the place of the old one, or has a name of its own.\n\n"
    "Example: `feilun data decide mine strict.toml --name stricter`",
    "按另一份配方的规则、去重、权重和遍数重新决定语料库的取舍，无需重新读取网页。新语料库取代原有的，或另起名称。\n\n"
    "示例：`feilun data decide mine strict.toml --name stricter`",
)
RESCORE_HELP = say(
    "Compute the scores of a corpus anew, as this version of Feilun does, and decide again; no page is read again.\n\n"
    "Example: `feilun data rescore mine`",
    "用当前版本的飞轮重新计算语料库的评分并重新取舍，无需重新读取网页。\n\n示例：`feilun data rescore mine`",
)

Corpus = Annotated[
    str, typer.Argument(metavar="CORPUS", help=say("Its name, or its folder.", "名称或文件夹。"))
]
Name = Annotated[str | None, typer.Option(help=say("What to call it.", "语料库名称。"))]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help=say("Processes (default: one a core).", "进程数（默认：每核一个）。")),
]
Engine = Literal["local", "ray"]
Events = Annotated[
    bool, typer.Option("--json", help=say("Print the events as JSON lines.", "以 JSON 行输出事件。"))
]
AsJson = Annotated[
    bool, typer.Option("--json", help=say("Print JSON for scripts.", "输出 JSON，供脚本读取。"))
]


def build(
    context: typer.Context,
    recipe: Annotated[
        Path | None,
        typer.Argument(
            metavar="RECIPE.toml",
            parser=find_recipe,
            help=say(
                "A file, or the name of a recipe that comes with Feilun: web (the default), docs, gpt3-mix.",
                "文件，或飞轮自带配方的名称：web（默认）、docs、gpt3-mix。",
            ),
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help=say("What to read instead of the recipe's sources.", "代替配方中的数据源。")),
    ] = None,
    name: Annotated[str | None, typer.Option(help=say("What to call it.", "语料库名称。"))] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help=say("Processes (default: one a core).", "进程数（默认：每核一个）。")),
    ] = None,
    engine: Annotated[Engine, typer.Option(help=say("Where the work is done.", "在何处运行。"))] = "local",
    address: Annotated[
        str,
        typer.Option(
            metavar=say("ADDRESS", "地址"),
            help=say(
                "With `--engine ray`: the cluster's address, `auto`, or `local`.",
                "用于 `--engine ray`：集群地址、`auto` 或 `local`。",
            ),
        ),
    ] = "auto",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help=say("Go on with the newest unfinished build.", "继续最近未完成的构建。")
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help=say("Print the events as JSON lines.", "以 JSON 行输出事件。"))
    ] = False,
) -> None:
    need_data()
    from feilun.data.workers import local, ready

    processes = workers or os.cpu_count() or 1
    if engine == "local" and processes > 1:
        ready("feilun.cli", "feilun.data.build")
    from feilun.data.build import KIND
    from feilun.data.build import build as make
    from feilun.data.cluster import on_ray
    from feilun.data.recipe import CorpusRecipe

    workspace, path = Workspace(context.obj), recipe or shipped("data/web.toml")
    wanted = _with_sources(read_recipe(path, CorpusRecipe, {"name": name}), path.parent, source or [])
    runs = workspace.path / "runs"
    found = job_to_resume(runs, KIND, wanted.name) if resume else None
    job = found or Job.create(runs, KIND, wanted.name, wanted.model_dump(mode="json"))
    wanted = CorpusRecipe.model_validate(job.record.recipe)
    with running(job, partial(follow, as_json=as_json)):
        if engine == "ray":
            place = on_ray(address, [job.folder, *(one.path for one in wanted.sources)], workers)
        else:
            place = nullcontext(local(processes))
        with place as each:
            made = make(wanted, job, _folder(workspace, wanted.name), each)
    if made is None:
        tell_stopped(job)
    elif not as_json:
        _funnel(made, Console(highlight=False))


def decide(
    context: typer.Context,
    corpus: Corpus,
    recipe: Annotated[
        Path,
        typer.Argument(
            metavar="RECIPE.toml", parser=find_recipe, help=say("With the new rules.", "含新规则的配方。")
        ),
    ],
    name: Name = None,
    workers: Workers = None,
    as_json: Events = False,
) -> None:
    _again(context, corpus, recipe, name, workers, as_json, rescore=False)


def rescore(
    context: typer.Context,
    corpus: Corpus,
    recipe: Annotated[
        Path | None,
        typer.Argument(
            metavar="RECIPE.toml",
            parser=find_recipe,
            help=say("With new rules (default: the corpus's own).", "含新规则的配方（默认：语料库自己的）。"),
        ),
    ] = None,
    name: Name = None,
    workers: Workers = None,
    as_json: Events = False,
) -> None:
    _again(context, corpus, recipe, name, workers, as_json, rescore=True)


def _again(
    context: typer.Context,
    corpus: str,
    recipe: Path | None,
    name: str | None,
    workers: int | None,
    as_json: bool,
    *,
    rescore: bool,
) -> None:
    need_data()
    from feilun.data.again import KIND, changed, decide_again
    from feilun.data.corpus import recipe_of
    from feilun.data.recipe import CorpusRecipe
    from feilun.data.workers import local

    workspace, folder = Workspace(context.obj), _corpus(context, corpus)
    wanted = recipe_of(folder)
    if recipe is not None:
        wanted = changed(wanted, _with_sources(read_recipe(recipe, CorpusRecipe), recipe.parent, []))
    out = _folder(workspace, name) if name else folder
    wanted = wanted.model_copy(update={"name": name or wanted.name})
    job = Job.create(workspace.path / "runs", KIND, wanted.name, wanted.model_dump(mode="json"))
    with running(job, partial(follow, as_json=as_json)):
        each = local(workers or os.cpu_count() or 1)
        made = decide_again(folder, wanted, job, out, each, rescore=rescore)
    if made is not None and not as_json:
        _funnel(made, Console(highlight=False))


def why(context: typer.Context, corpus: Corpus, document: str, as_json: AsJson = False) -> None:
    need_data()
    from feilun.data.why import why as walk

    trace = walk(_corpus(context, corpus), document)
    if as_json:
        typer.echo(json.dumps(_as_json(trace), ensure_ascii=False, indent=2))
    else:
        _tell(trace, Console(highlight=False))


def sample(
    context: typer.Context,
    corpus: Corpus,
    dropped: Annotated[
        str | None,
        typer.Option(
            help=say("For this reason, or `all`.", "丢弃原因，或 `all`。"), metavar=say("REASON", "原因")
        ),
    ] = None,
    count: Annotated[int, typer.Option("-n", min=1, help=say("How many.", "数量。"))] = 5,
    as_json: AsJson = False,
) -> None:
    need_data()
    from feilun.data.corpus import recipe_of
    from feilun.data.why import documents

    folder = _corpus(context, corpus)
    recipe_of(folder)
    console = Console(highlight=False)
    for row in islice(documents(folder, dropped=dropped), count):
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=False, default=str))
            continue
        head = " · ".join(filter(None, (row["id"], row["reason"], row["lang"], row["title"])))
        console.print(Line(printable(head), style="bold"))
        console.print(Line(printable(row["text"][:500])), end="\n\n")


def report(context: typer.Context, corpus: Corpus) -> None:
    path = _corpus(context, corpus) / "report.html"
    typer.echo(str(path))
    webbrowser.open(path.absolute().as_uri())


def found(workspace: Path, source: Path) -> Path:
    """The path itself, or the corpus or the token shards of that name."""
    if source.exists() or len(source.parts) != 1:
        return source
    named = (workspace / kind / source for kind in ("corpora", "tokens"))
    return next((folder for folder in named if folder.is_dir()), source)


def _with_sources(recipe: CorpusRecipe, beside: Path, given: list[str]) -> CorpusRecipe:
    """The recipe with its sources found: relative paths begin at the recipe, those of the command line here.

    ``NAME=PATH`` gives a source of the recipe its path; a path alone takes the place of all of them.
    """
    from feilun.data.recipe import SourceRecipe

    names = {one.called for one in recipe.sources}
    paths = {
        name: _absolute(path, Path.cwd())
        for name, found, path in (one.partition("=") for one in given)
        if found and name in names
    }
    alone = [one for one in given if one.partition("=")[0] not in paths]
    if alone and paths:
        raise FeilunError(
            f"--source {alone[0]} has no name. Sources of this recipe: {', '.join(sorted(names))} (--source NAME=PATH).",
            f"--source {alone[0]} 没有名称。此配方的数据源：{'、'.join(sorted(names))}（--source 名称=路径）。",
            code="no_such_source",
        )
    if alone:
        found = [SourceRecipe(path=_absolute(path, Path.cwd())) for path in dict.fromkeys(alone)]
        called = [one.called for one in found]
        sources = [  # of two folders of one name each is called by its whole path
            one if called.count(one.called) == 1 else one.model_copy(update={"name": one.path})
            for one in found
        ]
    else:
        sources = [
            one.model_copy(update={"path": paths.get(one.called) or _absolute(one.path, beside)})
            for one in recipe.sources
            if one.path or one.called in paths
        ]
    return recipe.model_copy(
        update={
            "sources": sources,
            "decontaminate": [
                one.model_copy(update={"path": _absolute(one.path, beside)}) for one in recipe.decontaminate
            ],
            "quality": recipe.quality and _with_references(recipe.quality, names, sources, beside),
        }
    )


def _with_references(
    quality: QualityRecipe, names: set[str], sources: list[SourceRecipe], beside: Path
) -> QualityRecipe:
    """Without those sources that are left out."""
    left = {one.called for one in sources}
    reference = [
        one if one in left else _absolute(one, beside)
        for one in quality.reference
        if one in left or one not in names
    ]
    if not reference:
        raise FeilunError(
            f"The quality classifier needs a reference: give one of {', '.join(quality.reference)} (--source NAME=PATH).",
            f"质量分类器需要参考文本：请给出 {'、'.join(quality.reference)} 之一（--source 名称=路径）。",
            code="no_reference",
        )
    return quality.model_copy(
        update={
            "reference": reference,
            "raw": [one for one in quality.raw if one in left or one not in names],
        }
    )


def _absolute(path: str, beside: Path) -> str:
    return path if "://" in path else str(beside.absolute() / path)


def _folder(workspace: Workspace, name: str) -> Path:
    return workspace.path / "corpora" / name


def _corpus(context: typer.Context, name: str) -> Path:
    folder = Path(name) if Path(name).is_dir() else _folder(Workspace(context.obj), name)
    if not folder.is_dir():
        raise FeilunError(
            f"There is no corpus {name}. Make one: feilun data build",
            f"没有名为 {name} 的语料库。构建一个：feilun data build",
            status=404,
            code="corpus_not_found",
        )
    return folder


def _funnel(folder: Path, console: Console) -> None:
    """What became of the pages, as a table."""
    from feilun.workspace import Manifest

    figures = Manifest.read(folder).figures
    table = Table(box=None)
    table.add_column(say("pages", "网页"))
    table.add_column(say("number", "数量"), justify="right")
    table.add_row(say("read", "读取"), f"{figures['read']:,}")
    for reasons in (figures["failed"], figures["dropped"]):
        for reason, number in sorted(reasons.items(), key=lambda pair: -pair[1]):
            table.add_row(f"  - {reason}", f"{number:,}")
    table.add_row(say("kept", "保留"), f"{figures['kept']:,}")
    console.print(table)
    console.print(Line(str(folder)))


def _as_json(trace: Trace) -> dict[str, Any]:
    page = trace.refined
    return {
        "document": {key: value for key, value in trace.row.items() if not key.startswith("score.")},
        "scores": page.scores,
        "edits": [edit._asdict() for edit in trace.gathered.edits],
        "lines": [{"line": number, "text": line, "reason": why} for number, line, why in page.lines],
        "passages": [cut._asdict() for cut in page.cuts],
        "masked": [found._asdict() for found in page.masked],
        "hits": [hit._asdict() for hit in page.hits],
        "rules_broken": trace.broken,
    }


def _tell(trace: Trace, console: Console) -> None:
    row, gathered, refined = trace.row, trace.gathered, trace.refined

    def heading(en: str, zh: str) -> None:
        console.print(Line(say(en, zh), style="bold"))

    def line(text: str) -> None:
        console.print(Line(printable(f"  {text}")))

    heading("Read", "读取")
    for name in ("source", "id", "kind", "url", "charset", "site", "date", "lang", "title"):
        if row[name]:
            line(f"{name}: {row[name]}")
    line(say(f"{len(gathered.extracted):,} characters extracted", f"提取 {len(gathered.extracted):,} 个字符"))
    heading(f"Repaired ({len(gathered.edits)})", f"修复（{len(gathered.edits)} 处）")
    for edit in gathered.edits[:50]:
        line(f"{edit.cause} {edit.start}-{edit.end} → {edit.replacement!r} ({edit.confidence:.2f})")
    heading(f"Lines dropped ({len(refined.lines)})", f"删去的行（{len(refined.lines)}）")
    for number, text, reason in refined.lines[:50]:
        line(f"{reason} {number}: {text[:100]}")
    for cut in refined.cuts:
        line(say(f"repeated passage {cut.start}-{cut.end}", f"重复段落 {cut.start}-{cut.end}"))
    for found in refined.masked:
        line(say(f"masked: {found.kind}", f"遮盖：{found.kind}"))
    for hit in refined.hits:
        line(say(f"of the evaluation set {hit.set}: {hit.item}", f"出自评测集 {hit.set}：{hit.item}"))
    heading("Scores", "评分")
    for name, value in refined.scores.items():
        line(f"{name}: {value:.4g}")
    if row["reason"]:
        of = f" ({row['duplicate_of']})" if row.get("duplicate_of") else ""
        heading(f"Dropped: {row['reason']}{of}", f"丢弃：{row['reason']}{of}")
        if row["text"] and trace.broken:
            line(say("rules broken: ", "违反的规则：") + ", ".join(trace.broken))
    else:
        heading(f"Kept, read {row['times']} times", f"保留，读取 {row['times']} 次")
