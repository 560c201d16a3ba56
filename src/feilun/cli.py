"""The command line. Every command is one line into a package below."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer import rich_utils
from typer.exceptions import TyperException

from feilun import __version__
from feilun.commands import (
    canary,
    chat,
    data,
    doctor,
    evaluate,
    export,
    flywheel,
    jobs,
    lineage,
    models,
    plan,
    review,
    train,
    up,
)
from feilun.commands.usage import usage_error
from feilun.text import FeilunError, locale_language, say
from feilun.workspace import default_workspace

if locale_language() == "zh":
    rich_utils.OPTIONS_PANEL_TITLE, rich_utils.ARGUMENTS_PANEL_TITLE = "选项", "参数"
    rich_utils.COMMANDS_PANEL_TITLE, rich_utils.ERRORS_PANEL_TITLE = "命令", "错误"
    rich_utils.REQUIRED_LONG_STRING, rich_utils.DEFAULT_STRING = "[必填]", "[默认：{}]"
    rich_utils.ENVVAR_STRING = "[环境变量：{}]"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=say(
        "Feilun (飞轮): your own ChatGPT that gets better as it is used.",
        "飞轮 Feilun：属于您自己的 ChatGPT，越用越好。",
    ),
    epilog=say("Begin with: `feilun up`", "从这里开始：`feilun up`"),
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"feilun {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            envvar="FEILUN_WORKSPACE",
            metavar=say("FOLDER", "文件夹"),
            help=say(
                f"Where everything is kept (default: {default_workspace()}).",
                f"存放所有数据的位置（默认：{default_workspace()}）。",
            ),
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help=say("Show the version.", "显示版本。")
        ),
    ] = False,
) -> None:
    context.obj = workspace


app.command("up", help=up.HELP)(up.up)
app.command("chat", help=chat.HELP)(chat.chat)
app.command("doctor", help=doctor.HELP)(doctor.doctor)
app.command("export", help=export.HELP)(export.export)
app.command("eval", help=evaluate.HELP)(evaluate.evaluate)
app.command("train", help=train.HELP)(train.train)
app.command("turn", help=flywheel.TURN_HELP)(flywheel.turn)
app.command("rollback", help=flywheel.ROLLBACK_HELP)(flywheel.rollback)
app.command("forget", help=lineage.FORGET_HELP)(lineage.forget)
app.add_typer(review.app, name="review")
app.add_typer(canary.app, name="canary")
app.add_typer(lineage.app, name="lineage")
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.add_typer(plan.app, name="plan")
app.add_typer(jobs.app, name="jobs")


def main() -> None:
    """Run the command line; what the user can mend ends in one line on stderr and exit code 1, or 2 for the command line itself."""
    os.umask(0o077)  # what people say is for the owner's eyes, also in a folder that others may read
    try:
        sys.exit(app(standalone_mode=False))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except TyperException as error:
        if not error.format_message():  # a group without a command has shown its help
            sys.exit(error.exit_code)
        _end(str(usage_error(error)), error.exit_code)
    except FeilunError as error:
        _end(str(error))
    except UnicodeEncodeError as error:
        if error.reason != "surrogates not allowed":  # the terminal lacks a letter
            _end(f"{error.encoding}: {error.reason}. " + say("Set PYTHONUTF8=1.", "请设置 PYTHONUTF8=1。"))
        _end(
            say(
                "What was typed or piped is not UTF-8. Convert it first: iconv -f GB18030 -t UTF-8",
                "输入的文字不是 UTF-8 编码。请先转换：iconv -f GB18030 -t UTF-8",
            )
        )
    except OSError as error:  # a full disk, a folder one may not read
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _end(say("The disk is full. Free some space and try again.", "磁盘已满。请腾出空间后重试。"))
        if error.errno == errno.EFBIG:
            _end(
                say(
                    "A file may not become so large here (ulimit -f).",
                    "此处不允许这么大的文件（ulimit -f）。",
                )
            )
        _end(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))


def _end(why: str, code: int = 1) -> NoReturn:
    typer.secho(say("Error: ", "错误：") + why, fg="red" if sys.stderr.isatty() else None, err=True)
    sys.exit(code)
