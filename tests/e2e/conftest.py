"""A real browser before a real server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.support import Server, ask, say

AXE = Path(__file__).parents[2] / "console" / "node_modules" / "axe-core" / "axe.min.js"

OpenConsole = Callable[..., Page]

LOOKS = [
    pytest.param(
        {"locale": "en-US", "dark": False, "width": 1280, "height": 844}, id="wide", marks=pytest.mark.slow
    ),
    pytest.param({"locale": "zh-CN", "dark": True, "width": 390, "height": 844}, id="narrow"),
]
"""Each language, theme and width once: what `violations` finds seldom hangs on two of them together, and each look takes seconds."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for the session: while it is open, Playwright's event loop is the one of this thread, and other tests want theirs.
    chromium = os.environ.get("FEILUN_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("no browser: install Debian's chromium, or name one in FEILUN_CHROMIUM")
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def console(browser: Browser, server: Server) -> Iterator[OpenConsole]:
    """Open the console: ``console(path="", locale="en-US", width=1280, height=800, dark=False)``.

    When the test ends no page may have failed, or have asked any other host for anything.
    """
    contexts: list[Any] = []
    faults: list[str] = []

    def request_made(request: Any) -> None:
        if not request.url.startswith((server.url, "data:", "blob:")):
            faults.append(f"asked {request.url}")

    def open_page(
        path: str = "", *, locale: str = "en-US", width: int = 1280, height: int = 800, dark: bool = False
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale=locale,
            color_scheme="dark" if dark else "light",
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("request", request_made)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{server.url}/{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def conversation(server: Server) -> Callable[..., str]:
    """Make a conversation through the API and return its id."""

    def make(question: str = "What is the capital of France?", **params: Any) -> str:
        with server.client() as client:
            return ask(client, say(question, **{"max_tokens": 12, **params}))["conversation_id"]

    return make


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA on the page as it is."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run npm ci in console/")
    page.wait_for_timeout(400)  # transitions change colours on the way
    # Evaluated by the debugger, which the page's content security policy does not bind.
    page.evaluate(AXE.read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", tags)
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found["violations"] for node in rule["nodes"]]
