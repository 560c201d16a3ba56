"""``feilun train --dry-run``: what a run would take and hold, without its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from feilun.plan import probe, tables, tables_of_many
from feilun.plan.recipes import of_recipe
from feilun.plan.train import TrainPlan
from feilun.text import say
from feilun.workspace import Workspace

if TYPE_CHECKING:
    from feilun.train.dry_run import DryRun
    from feilun.train.recipe import PretrainRecipe


def show_dry_run(
    wanted: PretrainRecipe, device: str, processes: int, workspace: Workspace, *, as_json: bool
) -> None:
    """Plan the run on so many devices, build its model on no device, and say who would hold and read what."""
    from feilun.train.dry_run import DryRun, dry_run

    class Told(DryRun):
        name: str
        device: str
        plan: TrainPlan

    found = dry_run(wanted, processes)
    plan = of_recipe(wanted.model_dump(mode="json"), probe.device(device, workspace.path), processes)
    if as_json:
        told = Told(**found.model_dump(), name=wanted.name, device=device, plan=plan)
        typer.echo(told.model_dump_json(indent=2))
        return
    console = Console(highlight=False)
    console.print(_table(wanted.name, found))
    for table in tables_of_many.tables_of(plan):
        console.print()
        console.print(table)


def _table(name: str, found: DryRun) -> Table:
    shards, order = found.shards, found.order

    def rows_of(which: dict[str, list[int]]) -> str:
        return "; ".join(
            say(f"process {process}: ", f"进程 {process}：") + ", ".join(f"{row:,}" for row in rows) + " …"
            for process, rows in which.items()
        )

    return tables.pairs(
        say(f"{name}, without its weights", f"{name}（不含权重）"),
        [
            (
                say("Numbers", "参数"),
                say(
                    f"{found.params:,} in {shards.tensors:,} tensors",
                    f"{found.params:,}，共 {shards.tensors:,} 个张量",
                ),
            ),
            (say("Tokens", "Token 数"), f"{found.tokens:,}"),
            (say("Processes", "进程"), f"{shards.processes:,}"),
            (
                say("Each holds", "每个进程持有"),
                say(
                    f"{shards.least:,} to {shards.numbers:,} numbers: {tables.size(shards.state_gb * 1e9)} with gradients "
                    f"and optimiser, and {tables.size(shards.gathered_gb * 1e9)} while a block computes",
                    f"{shards.least:,} 至 {shards.numbers:,} 个参数：含梯度与优化器 {tables.size(shards.state_gb * 1e9)}，"
                    f"计算一个块时另需 {tables.size(shards.gathered_gb * 1e9)}",
                ),
            ),
            (say("Rows of a step", "每步行数"), f"{order.rows_of_a_step:,}"),
            (say("First step reads", "第一步读取"), rows_of(order.first)),
            (say("Last step reads", "最后一步读取"), rows_of(order.last)),
        ],
    )
