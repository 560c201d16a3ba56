"""A whole turn in the browser: answers are corrected, reviewed, learnt, judged, served, and taken back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.conftest import StartServer
from tests.e2e.conftest import OpenConsole
from tests.e2e.test_chat import answered, limit, send
from tests.flywheel.tiny import FACTS, make_workspace
from tests.support import Server, eventually

pytestmark = pytest.mark.timeout(300)  # on a busy machine a turn takes its time

TURN_MS = 200_000
"""What a turn may take; the tiny model needs a tenth of it."""


@pytest.fixture
def server(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """One whose model is tiny enough to be trained while one looks on."""
    return start_server(make_workspace(tmp_path_factory.mktemp("turn")))


def likeliest(page: Page) -> None:
    """Short answers, always the same ones."""
    limit(page, 24)
    page.get_by_test_id("settings-open").click()
    page.get_by_test_id("temperature").fill("0")
    page.keyboard.press("Escape")


def ask(page: Page, question: str) -> str:
    """The answer in a conversation of its own."""
    page.get_by_test_id("section-chat").click()
    expect(page.get_by_test_id("message-assistant")).to_have_count(0)
    send(page, question)
    answered(page)
    page.wait_for_url(re.compile("#/c/conv_"))
    return page.get_by_test_id("message-assistant").inner_text()


def correct(page: Page, answer: str) -> None:
    page.get_by_test_id("correct").click()
    page.get_by_test_id("correct-text").fill(answer)
    page.get_by_test_id("correct-save").click()
    expect(page.get_by_test_id("version-switch")).to_be_visible()
    expect(page.get_by_test_id("message-assistant")).to_contain_text(answer)


def author(page: Page, server: Server) -> str:
    """The release that wrote the answer which is shown."""
    query = "SELECT release FROM messages WHERE conversation_id = ? AND role = 'assistant'"
    (row,) = server.rows(query, page.url.rpartition("/")[2])
    return row["release"]


def accept_with_the_keyboard(page: Page, count: int) -> None:
    expect(page.get_by_test_id("count-pending")).to_have_text(str(count))
    expect(page.locator("[data-testid=review-item][data-open=true]")).to_be_visible()
    for number in range(1, count + 1):
        page.keyboard.press("a")
        expect(page.get_by_test_id("count-accepted")).to_have_text(str(number))
    expect(page.get_by_test_id("review-empty")).to_be_visible()


def step(page: Page, name: str, state: str) -> None:
    """Wait until a step of the turn is in a state."""
    expect(page.locator(f"[data-step={name}]")).to_have_attribute("data-state", state, timeout=TURN_MS)


def turn_of(page: Page, server: Server) -> dict[str, Any]:
    with server.client() as client:
        return client.get(f"/api/flywheel/turns/{page.url.rpartition('/')[2]}").raise_for_status().json()


def test_a_turn_from_the_chat_to_a_new_release_and_back(console: OpenConsole, server: Server) -> None:
    page = console()
    likeliest(page)
    for question, answer in FACTS:
        assert answer not in ask(page, question)
        correct(page, answer)
    first, process = author(page, server), server.process.pid

    page.get_by_test_id("section-flywheel").click()
    expect(page.get_by_test_id("begin-turn")).to_be_disabled()
    accept_with_the_keyboard(page, len(FACTS))
    expect(page.get_by_test_id("rollback")).to_be_disabled()
    page.get_by_test_id("begin-turn").click()

    # Its course, up to the verdict.
    step(page, "collected", "done")
    expect(page.get_by_test_id("turn")).to_contain_text(f"{len(FACTS)} items")
    expect(page.get_by_test_id("begin-turn")).to_be_disabled()
    expect(page.get_by_test_id("loss-curve")).to_contain_text("in", timeout=TURN_MS)
    step(page, "trained", "done")
    step(page, "promoted", "done")
    expect(page.get_by_test_id("verdict")).to_have_text("The candidate may take over.")
    expect(page.get_by_test_id("count-taken")).to_have_text(str(len(FACTS)))
    expect(page.get_by_test_id("changed")).to_have_count(len(FACTS))
    turn = turn_of(page, server)
    second = next(event["release"] for event in turn["events"] if event["event"] == "promoted")
    learnt = [row for row in turn["verdict"]["changed"] if row["passed_after"]]
    assert second != first
    assert len(learnt) >= 6

    # The same server answers with what it learnt.
    def answers() -> bool:
        text = ask(page, learnt[0]["question"])
        return learnt[0]["wanted"] in text and author(page, server) == second

    eventually(answers, what="for the new release to answer")
    assert server.process.pid == process

    # And goes back.
    page.get_by_test_id("section-flywheel").click()
    expect(page.get_by_test_id("served")).to_have_count(2)
    page.get_by_test_id("rollback").click()
    page.get_by_test_id("rollback-confirm").click()
    expect(page.get_by_test_id("served")).to_have_count(3)
    expect(page.get_by_test_id("served").first).to_contain_text("serving now")
    expect(page.get_by_test_id("rollback")).to_be_disabled()

    def forgot() -> bool:
        text = ask(page, learnt[0]["question"])
        return learnt[0]["wanted"] not in text and author(page, server) == first

    eventually(forgot, what="for the first release to answer again")
