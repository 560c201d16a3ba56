"""``feilun data build|report|why|sample``: raw pages to a corpus, and what became of each of them."""

from __future__ import annotations

import contextlib
import os
import webbrowser
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from feilun.commands.corpus_sources import with_sources, with_those_of
from feilun.commands.corpus_view import as_json as shown
from feilun.commands.corpus_view import json_text, show_document, show_funnel, show_trace
from feilun.commands.extras import need_data
from feilun.commands.jobs import follow, job_to_resume, running, tell_stopped
from feilun.jobs import Job
from feilun.recipe import find_recipe, read_recipe, shipped
from feilun.text import FeilunError, say
from feilun.workspace import MANIFEST, Manifest, Workspace

if TYPE_CHECKING:
    from feilun.data.recipe import CorpusRecipe

BUILD_HELP = say(
    "Make a corpus of pages and documents: WARC, HTML, PDF, DOCX, EPUB, Markdown, JSON lines, Parquet or text, from files, "
    "folders or URLs. It stands in the workspace under `corpora/NAME`: what is kept, what is not and why. Without `--name` it is "
    "called as the recipe is; a corpus of the same name is replaced.\n\n"
    "Killed or stopped, it goes on with `--resume`.\n\n"
    "With `--engine ray` the work is done on a Ray cluster, to the same bytes. Feilun must be installed on its nodes, and "
    "workspace and sources must lie on a file system that all of them see under the same path.\n\n"
    "Examples:\n\n`feilun data build --source ~/pages --name mine`\n\n"
    "`feilun -w /shared/feilun data build --source /shared/pages --engine ray --address 10.0.0.1:6379`",
    "把网页和文档制成语料库：WARC、HTML、PDF、DOCX、EPUB、Markdown、JSON 行、Parquet 或文本，来自文件、文件夹或 URL。"
    "结果存放于工作区的 `corpora/名称`：保留了什么，丢弃了什么及其原因。未给出 `--name` 时以配方名称命名；同名的旧语料库会被替换。\n\n"
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
Resume = Annotated[
    bool, typer.Option("--resume", help=say("Go on with the newest unfinished one.", "继续最近未完成的。"))
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
    name: Annotated[
        str | None,
        typer.Option(
            help=say("What to call it (default: as the recipe).", "语料库名称（默认：配方的名称）。")
        ),
    ] = None,
    workers: Workers = None,
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
    as_json: Events = False,
) -> None:
    need_data()
    from feilun.data.workers import local, ready

    processes = workers or os.cpu_count() or 1
    if engine == "local" and processes > 1:
        ready("feilun.cli", "feilun.data.build")
    from feilun.data.build import KIND
    from feilun.data.build import build as make
    from feilun.data.cluster import on_ray
    from feilun.data.forgotten import read_forgotten
    from feilun.data.recipe import CorpusRecipe

    workspace, path = Workspace(context.obj), recipe or shipped("data/web.toml")
    wanted = with_sources(read_recipe(path, CorpusRecipe, {"name": name}), path.parent, source or [])
    runs = workspace.path / "runs"
    found = job_to_resume(runs, KIND, wanted.name) if resume else None
    if found is not None and (recipe is not None or source):
        _check_same(found, wanted)
    job = found or Job.create(runs, KIND, wanted.name, wanted.model_dump(mode="json"))
    wanted = CorpusRecipe.model_validate(job.record.recipe)
    with running(job, partial(follow, as_json=as_json)):
        if engine == "ray":
            place = on_ray(address, [job.folder, *(one.path for one in wanted.sources)], workers)
        else:
            place = contextlib.nullcontext(local(processes))
        with place as each:
            out = _folder(workspace, wanted.name)
            made = make(wanted, job, out, each, read_forgotten(workspace.path))
    if made is None:
        tell_stopped(job)
    elif not as_json:
        show_funnel(made, Console(highlight=False))


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
    resume: Resume = False,
    as_json: Events = False,
) -> None:
    _again(context, corpus, recipe, name, workers, as_json, resume=resume, rescore=False)


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
    resume: Resume = False,
    as_json: Events = False,
) -> None:
    _again(context, corpus, recipe, name, workers, as_json, resume=resume, rescore=True)


def _again(
    context: typer.Context,
    corpus: str,
    recipe: Path | None,
    name: str | None,
    workers: int | None,
    as_json: bool,
    *,
    resume: bool,
    rescore: bool,
) -> None:
    need_data()
    from feilun.data.again import DECIDE, RESCORE, changed, decide_again
    from feilun.data.corpus import recipe_of
    from feilun.data.recipe import CorpusRecipe
    from feilun.data.workers import local

    workspace, folder = Workspace(context.obj), _corpus(context, corpus)
    wanted = recipe_of(folder)
    if recipe is not None:
        wanted = changed(wanted, with_those_of(wanted, read_recipe(recipe, CorpusRecipe), recipe.parent))
    out = _folder(workspace, name) if name else folder
    wanted = wanted.model_copy(update={"name": name or wanted.name})
    runs, kind = workspace.path / "runs", RESCORE if rescore else DECIDE
    found = job_to_resume(runs, kind, wanted.name) if resume else None
    if found is not None and recipe is not None:
        _check_same(found, wanted)
    job = found or Job.create(runs, kind, wanted.name, wanted.model_dump(mode="json"))
    wanted = CorpusRecipe.model_validate(job.record.recipe)
    with running(job, partial(follow, as_json=as_json)):
        each = local(workers or os.cpu_count() or 1)
        made = decide_again(folder, wanted, job, out, each, rescore=rescore)
    if made is None:
        tell_stopped(job)
    elif not as_json:
        show_funnel(made, Console(highlight=False))


def why(context: typer.Context, corpus: Corpus, document: str, as_json: AsJson = False) -> None:
    need_data()
    from feilun.data.why import why as walk

    trace = walk(_corpus(context, corpus), document)
    if as_json:
        typer.echo(json_text(shown(trace), indent=2))
    else:
        show_trace(trace, Console(highlight=False))


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
    from feilun.data.why import check_reason, documents

    folder, console = _corpus(context, corpus), Console(highlight=False)
    check_reason(folder, dropped)
    for row in islice(documents(folder, dropped=dropped), count):
        if as_json:
            typer.echo(json_text(row))
        else:
            show_document(row, console)


def report(context: typer.Context, corpus: Corpus) -> None:
    need_data()
    path = _corpus(context, corpus) / "report.html"
    typer.echo(str(path))
    webbrowser.open(path.absolute().as_uri())


def _check_same(job: Job, wanted: CorpusRecipe) -> None:
    """Raises `FeilunError` if the recipe is another one than the job was begun with."""
    before, now = job.record.recipe, wanted.model_dump(mode="json")
    other = ", ".join(sorted(name for name in {*before, *now} if before.get(name) != now.get(name)))
    if other:
        raise FeilunError(
            f"{job.id} was begun with another recipe: {other}. Put it back, or start anew without --resume.",
            f"{job.id} 开始时的配方与现在不同：{other}。请改回，或去掉 --resume 重新开始。",
            code="other_recipe",
        )


def found(workspace: Path, source: Path) -> Path:
    """The path itself, or the corpus or the token shards of that name.

    Raises `FeilunError` if it may be either: a folder of pages often has the name of the corpus that was made of it.
    """
    if len(source.parts) != 1 or source.name in ("", ".."):
        return source
    named = (workspace / kind / source for kind in ("corpora", "tokens"))
    made = next((folder for folder in named if folder.is_dir()), source)
    if made == source or not source.exists():
        return made
    if not (source / MANIFEST).is_file():
        raise FeilunError(
            f"{source} may be {source.absolute()} or {made}. Give the whole path of the one that is meant.",
            f"{source} 可能是 {source.absolute()}，也可能是 {made}。请给出所指的完整路径。",
            status=409,
            code="ambiguous_source",
        )
    return source


def _folder(workspace: Workspace, name: str) -> Path:
    return workspace.path / "corpora" / name


def _corpus(context: typer.Context, name: str) -> Path:
    """A corpus's folder, which was given, or the workspace's of that name.

    Raises `FeilunError` if there is none (404), or if the folder is no corpus.
    """
    from feilun.data.corpus import recipe_of

    here = os.sep in name or name in (".", "..") or _is_corpus(Path(name))
    folder = Path(name) if here else _folder(Workspace(context.obj), name)
    if not folder.is_dir():
        raise FeilunError(
            f"There is no corpus {name}. Make one: feilun data build",
            f"没有名为 {name} 的语料库。构建一个：feilun data build",
            status=404,
            code="corpus_not_found",
        )
    recipe_of(folder)
    return folder


def _is_corpus(folder: Path) -> bool:
    """Any other folder may have a corpus's name: that of its pages, as a rule."""
    with contextlib.suppress(FeilunError):
        return (folder / MANIFEST).is_file() and Manifest.read(folder).kind == "corpus"
    return False
