"""The canary's card on the flywheel's page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.conftest import StartServer
from tests.e2e.conftest import OpenConsole, violations
from tests.flywheel.test_canary import vote
from tests.registry.canaries import canary
from tests.support import Server

from feilun.flywheel.promote import begin_canary
from feilun.registry import SMALLEST, Canary, Registry
from feilun.store import Store
from feilun.workspace import Workspace

LONG = 30_000
"""Milliseconds: the canary's engine is being loaded while the page comes up."""


@pytest.fixture
def server(start_server: StartServer) -> Server:
    return start_server()


@pytest.fixture
def begun(server: Server) -> Canary:
    """With two thumbs up of three; the present release has one."""
    one = canary()
    store = Store(server.workspace / "feilun.db")
    begin_canary(Registry(Workspace(server.workspace)), store, one)
    for good in (True, False, True):
        vote(store, one.release.id, good)
    vote(store, SMALLEST.id, good=True)
    store.close()
    return one


@pytest.mark.slow
def test_it_shows_both_arms_and_is_withdrawn_with_a_click(
    console: OpenConsole, server: Server, begun: Canary
) -> None:
    page = console("#/flywheel")
    card = page.get_by_test_id("canary")
    expect(card).to_contain_text("25% of the conversations", timeout=LONG)
    expect(page.get_by_test_id("canary-own").locator("td")).to_have_text(["2", "1"])
    expect(page.get_by_test_id("canary-present").locator("td")).to_have_text(["1", "0"])
    expect(page.get_by_test_id("canary-votes")).to_contain_text("3 of 40 votes")
    assert violations(page) == []
    page.get_by_test_id("canary-withdraw").click()
    expect(card).to_have_count(0)
    expect(page.get_by_test_id("served").first).to_contain_text("Alone again")
    assert Registry(Workspace(server.workspace)).serving(None) == (SMALLEST, None)


def test_it_is_promoted_in_chinese_on_a_phone(console: OpenConsole, server: Server, begun: Canary) -> None:
    page = console("#/flywheel", locale="zh-CN", width=390, height=844, dark=True)
    expect(page.get_by_test_id("canary")).to_contain_text("灰度发布", timeout=LONG)
    assert violations(page) == []
    page.get_by_test_id("canary-promote").click()
    expect(page.get_by_test_id("canary")).to_have_count(0)
    assert Registry(Workspace(server.workspace)).default() == begun.release
