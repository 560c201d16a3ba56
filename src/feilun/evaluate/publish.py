"""An evaluation as an artifact: ``artifact.json``, ``report.json``, ``report.html`` in a folder of its own."""

from __future__ import annotations

import re
import time
from pathlib import Path

from feilun.evaluate.page import page
from feilun.evaluate.results import Results
from feilun.workspace import Manifest, new_artifact, sha256_file

REPORT = "report.json"
PAGE = "report.html"


def publish(results: Results, reports: Path) -> Path:
    """Write the report below ``reports``, under the task's name and the time; returns its folder.

    Its id is the hash of ``report.json``; its parents are the releases that were asked.
    """
    name = re.sub(r"[^\w.-]+", "-", results.name).strip(".-") or "task"
    folder = _free(reports / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    reports.mkdir(parents=True, exist_ok=True)
    with new_artifact(folder) as draft:
        (draft / REPORT).write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (draft / PAGE).write_text(page(results), encoding="utf-8")
        files = {path.name: sha256_file(path) for path in sorted(draft.iterdir())}
        Manifest(
            kind="report",
            id=files[REPORT],
            name=results.name,
            parents=[model.release for model in results.models if model.release],
            recipe=results.task,
            files=files,
            figures={
                model.name: {scorer: figure.model_dump(mode="json") for scorer, figure in found.all.items()}
                for model, found in zip(results.models, results.figures, strict=True)
            },
        ).write(draft)
    return folder


def _free(folder: Path) -> Path:
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free
