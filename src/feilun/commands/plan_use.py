"""``feilun plan serve|finetune|data|scaling``: what using and preparing a model takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from feilun.commands.plan_options import (
    Active,
    AsJson,
    Length,
    Named,
    On,
    Params,
    Price,
    asked,
    folder,
    one_of,
    show,
    workspace_of,
)
from feilun.text import say

if TYPE_CHECKING:  # the other commands must not wait for tables and formulas
    from feilun.plan.data import Kind, Language
    from feilun.plan.finetune import Method

app = typer.Typer()


@app.command(
    help=say(
        "Memory, speed, devices, and what an answer costs.\n\n"
        "Example: `feilun plan serve --model qwen3-8b --users 200 --context 8k --device 4090`",
        "服务所需的显存、速度与设备，以及每次回答的费用。\n\n"
        "示例：`feilun plan serve --model qwen3-8b --users 200 --context 8k --device 4090`",
    )
)
def serve(
    context: typer.Context,
    params: Params = None,
    active: Active = None,
    model: Named = None,
    users: Annotated[
        str,
        typer.Option(
            help=say(
                "From 1 to 100M; 1..100M: each tenfold number.", "从 1 到 1 亿；1..100M 为每十倍的各个方案。"
            )
        ),
    ] = "1",
    length: Annotated[
        str,
        typer.Option(
            "--context", help=say("Tokens of a conversation, such as 8k.", "对话的 token 数，例如 8k。")
        ),
    ] = "8k",
    device: On = "H100",
    quantisation: Annotated[str, typer.Option(help="bf16, fp8, int8, int4")] = "bf16",
    speculative: Annotated[
        bool, typer.Option("--speculative", help=say("A small model guesses ahead.", "由小模型推测解码。"))
    ] = False,
    accept: Annotated[
        float,
        typer.Option(min=0, max=0.99, help=say("Share of its guesses that are right.", "推测被接受的比例。")),
    ] = 0.7,
    answer_tokens: Annotated[
        int, typer.Option(min=1, help=say("Tokens of an answer.", "每次回答的 token 数。"))
    ] = 500,
    per_day: Annotated[
        float, typer.Option(min=0.001, help=say("Answers a user and day.", "每位用户每天的回答数。"))
    ] = 20,
    price: Price = None,
    revenue: Annotated[
        float | None,
        typer.Option(
            min=0, help=say("USD that an answer earns: does it pay?", "每次回答的收入（美元）：能否盈利？")
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    from feilun.plan import tables_of_use as tables
    from feilun.plan.ask import ServeQuestion
    from feilun.plan.serve import BYTES_PER_PARAM

    question = asked(
        ServeQuestion,
        params=params,
        active=active,
        model=model,
        users=users,
        context=length,
        device=device,
        quantisation=one_of(quantisation, tuple(BYTES_PER_PARAM), "--quantisation"),
        speculative=speculative,
        accept=accept,
        answer_tokens=answer_tokens,
        per_day=per_day,
        price=price,
        revenue=revenue,
    )
    answer = question.answer(workspace_of(context), folder(model))
    show(answer, [tables.serving_table(answer)], as_json)


@app.command(
    help=say(
        "Memory, time and money of fine-tuning: full, lora, qlora.\n\n"
        "Example: `feilun plan finetune --model qwen3-8b --tokens 10M --method qlora --device 4090`",
        "微调的显存、时间与费用：full、lora、qlora。\n\n"
        "示例：`feilun plan finetune --model qwen3-8b --tokens 10M --method qlora --device 4090`",
    )
)
def finetune(
    context: typer.Context,
    params: Params = None,
    model: Named = None,
    tokens: Annotated[
        str, typer.Option(help=say("Examples times epochs, in tokens.", "样本乘以轮数的 token 数。"))
    ] = "10M",
    method: Annotated[str, typer.Option(help="full, lora, qlora")] = "lora",
    device: On = "4090",
    count: Annotated[
        int | None, typer.Option(min=1, help=say("Default: the fewest that fit.", "默认：能放下的最少数量。"))
    ] = None,
    rank: Annotated[int, typer.Option(min=1, help=say("Of the adapter.", "适配器的秩。"))] = 16,
    length: Length = 2048,
    price: Price = None,
    as_json: AsJson = False,
) -> None:
    from feilun.plan import probe, quantities
    from feilun.plan import tables_of_use as tables
    from feilun.plan.ask import ModelQuestion
    from feilun.plan.finetune import plan_finetune

    how: Method = one_of(method, ("full", "lora", "qlora"), "--method")  # pyright: ignore[reportAssignmentType]
    on = probe.device(device, workspace_of(context))
    read = quantities.bounded(quantities.count(tokens), quantities.MOST_TOKENS, "tokens", tokens)
    wanted = folder(model) or asked(ModelQuestion, params=params, model=model).wanted()
    plan = plan_finetune(wanted, read, on, how, count=count, rank=rank, length=length, usd_per_hour=price)
    show(plan, [tables.finetune_table(plan)], as_json)


@app.command(
    help=say(
        "Tokens in a corpus of this size, storage, and the time to curate it.\n\nExample: `feilun plan data 5TB --kind web --cores 64`",
        "这么大的语料有多少 token，需多少存储与治理时间。\n\n示例：`feilun plan data 5TB --kind web --cores 64`",
    )
)
def data(
    size: Annotated[str, typer.Argument(help=say("Bytes, uncompressed: 5TB.", "未压缩的字节数：5TB。"))],
    kind: Annotated[
        str, typer.Option(help=say("web (pages with markup) or text.", "web（带标记的网页）或 text。"))
    ] = "web",
    language: Annotated[str, typer.Option(help="en, zh, mixed")] = "mixed",
    cores: Annotated[int, typer.Option(min=1, help=say("That curate.", "用于治理的核数。"))] = 16,
    kept: Annotated[
        float | None,
        typer.Option(min=0.0001, max=1, help=say("Share of the text that is kept.", "保留文本的比例。")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    from feilun.plan import quantities
    from feilun.plan import tables_of_use as tables
    from feilun.plan.data import plan_data

    what: Kind = one_of(kind, ("web", "text"), "--kind")  # pyright: ignore[reportAssignmentType]
    tongue: Language = one_of(language, ("en", "zh", "mixed"), "--language")  # pyright: ignore[reportAssignmentType]
    plan = plan_data(quantities.data_bytes(size), kind=what, language=tongue, cores=cores, kept=kept)
    show(plan, [tables.data_table(plan)], as_json)


@app.command(
    help=say(
        "Fit a scaling law to small runs, and extrapolate with a band.\n\nExample: `feilun plan scaling --points runs.csv --loss 2.5`",
        "用一组小规模训练拟合规律，并给出带误差带的外推。\n\n示例：`feilun plan scaling --points runs.csv --loss 2.5`",
    )
)
def scaling(
    context: typer.Context,
    points: Annotated[
        Path | None,
        typer.Option(
            help=say(
                "CSV: name, flops, loss (default: the workspace's runs).",
                "CSV：name、flops、loss（默认：工作区中的训练）。",
            )
        ),
    ] = None,
    loss: Annotated[float | None, typer.Option(min=0, help=say("When is it reached?", "何时达到？"))] = None,
    to: Annotated[
        str | None, typer.Option(help=say("Operations to extrapolate to: 1e21.", "外推到多少运算量：1e21。"))
    ] = None,
    as_json: AsJson = False,
) -> None:
    from feilun.plan import quantities
    from feilun.plan import tables_of_use as tables
    from feilun.plan.scaling import plan_scaling, points_of_file, points_of_runs

    found = points_of_file(points) if points else points_of_runs(workspace_of(context) / "runs")
    plan = plan_scaling(found, to_flops=quantities.count(to) if to else None, target_loss=loss)
    show(plan, tables.scaling_tables(plan), as_json)
