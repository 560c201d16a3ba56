"""``feilun plan``: what it will take, before it is paid for."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feilun.commands import plan_use
from feilun.commands.plan_options import (
    Active,
    AsJson,
    Length,
    Named,
    Params,
    Price,
    asked,
    folder,
    one_of,
    show,
    workspace_of,
)
from feilun.recipe import find_recipe
from feilun.text import FeilunError, say
from feilun.workspace import Workspace

if TYPE_CHECKING:  # the other commands must not wait for tables and formulas
    from feilun.plan.facts import Device
    from feilun.plan.train import TrainPlan

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help=say(
        "What training, serving or data will take: days, money, energy, memory. No PyTorch, no GPU.\n\n"
        "Example: `feilun plan train --params 175B --tokens 300B --device A100-80G --count 1024`",
        "训练、服务与数据的代价：时间、费用、能耗、显存。无需 PyTorch 或 GPU。\n\n"
        "示例：`feilun plan train --params 175B --tokens 300B --device A100-80G --count 1024`",
    ),
)
app.add_typer(plan_use.app)


@app.command(
    help=say(
        "Days, money, energy and a layout of a training run; with a budget or a deadline, backwards.\n\nExamples:\n\n"
        "`feilun plan train --params 175B --tokens 300B --device A100-80G --count 1024 --tflops 140`\n\n"
        "`feilun plan train --budget 50000USD --device H100`\n\n"
        "`feilun plan train --params 7B --tokens 1T --deadline 30d` (the cheapest device)\n\n"
        "`feilun plan train --params 7B --tokens 1T --device H100 --count 8..4096` (time against money)\n\n"
        "`feilun plan train --from recipes/train/nano.toml --device here`",
        "一次训练的时间、费用、能耗与并行布局；给出预算或期限则反向求解。\n\n示例：\n\n"
        "`feilun plan train --params 175B --tokens 300B --device A100-80G --count 1024 --tflops 140`\n\n"
        "`feilun plan train --budget 50000USD --device H100`\n\n"
        "`feilun plan train --params 7B --tokens 1T --deadline 30d`（最便宜的设备）\n\n"
        "`feilun plan train --params 7B --tokens 1T --device H100 --count 8..4096`（时间与费用的取舍）\n\n"
        "`feilun plan train --from recipes/train/nano.toml --device here`",
    )
)
def train(
    context: typer.Context,
    params: Params = None,
    active: Active = None,
    model: Named = None,
    tokens: Annotated[
        str | None,
        typer.Option(help=say("Such as 300B (default: 20 a parameter).", "例如 300B（默认每参数 20 个）。")),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help=say(
                "Such as A100-80G (default: H100; `here`: this machine).",
                "例如 A100-80G（默认 H100；`here` 为本机）。",
            )
        ),
    ] = None,
    count: Annotated[
        str | None,
        typer.Option(
            help=say(
                "Devices; 8..4096: a plan for each doubling.", "设备数量；8..4096 为逐次翻倍的各个方案。"
            )
        ),
    ] = None,
    tflops: Annotated[
        float | None,
        typer.Option(
            min=0.000001,
            help=say(
                "TFLOP/s of a device that were measured, what is done twice counted.",
                "实测单卡 TFLOP/s，含重算。",
            ),
        ),
    ] = None,
    length: Length = 2048,
    precision: Annotated[str, typer.Option(help="bf16, fp16, fp8")] = "bf16",
    recompute: Annotated[
        str | None,
        typer.Option(help=say("none or full (default: as usual).", "none 或 full（默认按惯例）。")),
    ] = None,
    batch_tokens: Annotated[
        str | None, typer.Option(help=say("Tokens of a step, such as 4M.", "每步 token 数，例如 4M。"))
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help=say("What model does this money train? 50000USD", "这笔钱能训练怎样的模型？50000USD")
        ),
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option(help=say("The smallest cluster that makes it: 30d", "能按期完成的最小集群：30d")),
    ] = None,
    price: Price = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            "--from",
            parser=find_recipe,
            help=say("One of our own recipes (TOML).", "本项目的训练配方（TOML）。"),
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help=say("A name of `feilun plan presets`.", "`feilun plan presets` 中的名称。")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    from feilun.plan import tables_of_many as tables
    from feilun.plan.ask import TrainQuestion
    from feilun.plan.probe import HERE
    from feilun.plan.probe import device as device_of

    workspace = workspace_of(context)
    question = asked(
        TrainQuestion,
        params=params,
        active=active,
        model=model,
        tokens=tokens,
        device=device,
        count=count,
        tflops=tflops,
        length=length,
        precision=one_of(precision, ("bf16", "fp16", "fp8"), "--precision"),
        recompute=recompute and one_of(recompute, ("none", "selective", "full"), "--recompute"),
        batch_tokens=batch_tokens,
        budget=budget,
        deadline=deadline,
        price=price,
        preset=preset,
    )
    if recipe is not None:
        plan = _of_recipe(recipe, device_of(device or HERE, workspace), question.alone_on(), workspace)
        show(plan, tables.tables_of(plan), as_json)
        return
    answer = question.answer(workspace, folder(model))
    show(answer, tables.tables_of(answer), as_json)


@app.command(
    help=say(
        "The same run on many devices, mature-process chips included.\n\n"
        "Example: `feilun plan compare --params 7B --tokens 1T --count 256 --device H100 --device V100 --device K200`",
        "同一次训练在多种设备上的对比，含成熟制程芯片（以量换质）。\n\n"
        "示例：`feilun plan compare --params 7B --tokens 1T --count 256 --device H100 --device V100 --device K200`",
    )
)
def compare(
    context: typer.Context,
    params: Params = None,
    active: Active = None,
    model: Named = None,
    tokens: Annotated[
        str | None,
        typer.Option(help=say("Such as 1T (default: 20 a parameter).", "例如 1T（默认每参数 20 个）。")),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help=say("Of each device.", "每种设备的数量。"))] = 1024,
    device: Annotated[
        list[str] | None,
        typer.Option(help=say("May be repeated; the first is the measure.", "可重复；第一个为基准。")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    from feilun.plan import tables_of_many as tables
    from feilun.plan.ask import CompareQuestion

    question = asked(
        CompareQuestion,
        params=params,
        active=active,
        model=model,
        tokens=tokens,
        count=count,
        device=device or [],
    )
    found = question.answer(workspace_of(context), folder(model))
    show(found, tables.compare_tables(found), as_json)


@app.command(
    help=say(
        "Compute every published run again, and show the errors.\n\nExample: `feilun plan validate --json`",
        "重新计算每一次公布的训练，并列出误差。\n\n示例：`feilun plan validate --json`",
    )
)
def validate(
    runs: Annotated[
        Path | None,
        typer.Option(
            help=say("A CSV file with the built-in table's columns.", "与内置表列名相同的 CSV 文件。")
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    from feilun.plan import tables_of_many as tables
    from feilun.plan.validate import validate as judged

    found = judged(runs)
    show(found, tables.validation_tables(found), as_json)


@app.command(
    help=say(
        "Measure this machine for a minute; plans with `--device here` then use it.\n\nExample: `feilun plan probe`",
        "用一分钟测量本机；之后 `--device here` 的计划将采用测量结果。\n\n示例：`feilun plan probe`",
    )
)
def probe(
    context: typer.Context,
    seconds: Annotated[float, typer.Option(min=1, max=600, help=say("How long.", "测量时长（秒）。"))] = 60,
    as_json: AsJson = False,
) -> None:
    from feilun.plan import probe as probes
    from feilun.plan import tables

    found = probes.probe(seconds)
    probes.keep(found, Workspace(context.obj).path)
    rows = [
        (say("Products, float32", "float32 乘积"), f"{found.tflops * 1e3:,.3g} GFLOP/s"),
        (say("Memory", "内存"), f"{found.bandwidth_gbs:,.3g} GB/s, {found.memory_gb:,.3g} GB"),
    ]
    show(found, [tables.pairs(f"{found.machine}, {found.cores}", rows)], as_json)


@app.command(
    help=say(
        "Claims that contradict each other, and the four tiers of deployment, with what each would take.\n\nExample: `feilun plan presets`",
        "相互矛盾的说法与四级部署，以及各自的代价。\n\n示例：`feilun plan presets`",
    )
)
def presets(as_json: AsJson = False) -> None:
    from feilun.plan import tables_of_many as tables
    from feilun.plan.presets import plan_presets

    found = plan_presets()
    plans = ((found.claims[name], plan) for name, plan in found.presets.items())
    show(found, tables.preset_tables(plans), as_json)


@app.command(
    help=say(
        "Devices and models that are known by name, with prices.\n\nExample: `feilun plan devices`",
        "已知的设备（含价格）与模型。\n\n示例：`feilun plan devices`",
    )
)
def devices(as_json: AsJson = False) -> None:
    from feilun.plan import tables_of_many as tables
    from feilun.plan.presets import catalogue

    found = catalogue()
    show(found, tables.catalogue_tables(found.devices, found.models), as_json)


def _of_recipe(recipe: Path, device: Device, count: int, workspace: Path) -> TrainPlan:
    from feilun.plan import probe
    from feilun.plan.calibration import calibration
    from feilun.plan.recipes import of_recipe, pretraining_of

    try:
        table = tomllib.loads(recipe.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise FeilunError(
            f"Cannot read {recipe}: {why}.", f"无法读取 {recipe}：{why}。", code="recipe_invalid"
        ) from None
    factor = calibration(workspace / "runs", device).factor if device.name == probe.HERE else 1.0
    return of_recipe(pretraining_of(table), device, count, factor=factor)
