"""The command line, as in the tests of the other commands."""

from __future__ import annotations

from tests.commands.conftest import run  # noqa: F401  a fixture for this folder too
