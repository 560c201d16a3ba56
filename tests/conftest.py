"""Fixtures with real parts: a server process, its embedded model, its SQLite database."""

from __future__ import annotations

import os

# The tests run in as many processes as there are cores. Before anything imports PyTorch: its threads, which wait for one another
# in every product of the tests' tiny models, made a test of 5 seconds take 100.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import openai
import pytest
from tests.forks import MODEL
from tests.support import Server

# The smallest and quickest; what tests the default takes this away.
os.environ["FEILUN_DEFAULT_MODEL"] = MODEL

StartServer = Callable[..., Server]


def _start(workspace: Path, *options: str, ready: bool = True, **env: str) -> Server:
    server = Server(workspace, *options, **env)
    try:
        if ready:
            server.wait_until_ready()
        else:
            server.wait_until_up()
    except BaseException:
        server.kill()
        raise
    return server


def _end(server: Server) -> None:
    """Stop it; whatever the tests did to it, nobody may have seen a traceback."""
    server.stop()
    assert "Traceback" not in server.log, server.log


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a worker that leave it as they found it. Its workspace fills up as they run."""
    server = _start(tmp_path_factory.mktemp("feilun") / "workspace")
    yield server
    _end(server)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start servers of the test's own: ``start_server(workspace=None, *options, ready=True, **env)``."""
    servers: list[Server] = []

    def start(workspace: Path | None = None, *options: str, ready: bool = True, **env: str) -> Server:
        server = _start(workspace or tmp_path / "workspace", *options, ready=ready, **env)
        servers.append(server)
        return server

    yield start
    for server in reversed(servers):
        _end(server)


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def openai_client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client
