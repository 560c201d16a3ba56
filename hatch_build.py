"""Hatchling's build hook: `pip install`, editable or not, builds the console as well."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "scripts"))
import console


class ConsoleBuildHook(BuildHookInterface):  # pyright: ignore[reportMissingTypeArgument]
    def dependencies(self) -> list[str]:
        """Node from PyPI, on machines that have none: the installer brings it for the build alone."""
        return console.requirements()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        try:
            console.build()
        except console.BuildError as error:
            self.app.abort(f"console: {error}")
