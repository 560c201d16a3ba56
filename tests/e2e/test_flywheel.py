"""The flywheel's page: what people said of the answers is reviewed, mostly by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import LOOKS, OpenConsole, violations
from tests.support import Server, ask, say

FOUNDER, PLACE = "Who founded the company Qinglan?", "青岚公司在哪个城市？"


@pytest.fixture
def server(server: Server) -> Server:
    """With an empty queue, for the page shows everybody's opinions."""
    server.forget()
    return server


@pytest.fixture
def opinion(server: Server) -> Callable[..., str]:
    """Ask a question and say something of the answer; returns the answer."""

    def give(question: str, **said: Any) -> str:
        with server.client() as client:
            answer = ask(client, say(question, max_tokens=12))
            message = answer["choices"][0]["message"]
            client.post("/v1/feedback", json={"message_id": answer["id"], **said}).raise_for_status()
        return message["content"]

    return give


def items(server: Server, state: str) -> list[dict[str, Any]]:
    with server.client() as client:
        return client.get("/api/flywheel/items", params={"state": state}).json()["data"]


def opened(page: Page) -> Any:
    """The item that is shown whole."""
    return page.locator("[data-testid=review-item][data-open=true]")


def test_two_corrections_are_accepted_with_the_keyboard(
    console: OpenConsole, server: Server, opinion: Callable[..., str]
) -> None:
    opinion(FOUNDER, rating=-1, correction="Lin Yue founded Qinglan in 2031.")
    given = opinion(PLACE, rating=-1, tags=["wrong_fact"], correction="在南京，电话 13812345678。")
    page = console("#/flywheel")
    expect(page.get_by_test_id("count-pending")).to_have_text("2")
    expect(page.get_by_test_id("begin-turn")).to_be_disabled()
    expect(page.get_by_test_id("begin-reason")).to_contain_text("6 more accepted items")
    expect(opened(page)).to_contain_text(FOUNDER)
    expect(opened(page)).to_contain_text("Lin Yue founded Qinglan in 2031.")

    page.keyboard.press("j")
    expect(opened(page)).to_contain_text(PLACE)
    expect(opened(page)).to_contain_text("mobile number")
    expect(opened(page)).to_contain_text(" ".join(given.split()[:3]))
    page.keyboard.press("k")
    page.keyboard.press("a")
    expect(page.get_by_test_id("count-accepted")).to_have_text("1")
    expect(opened(page)).to_contain_text(PLACE)

    page.keyboard.press("e")
    expect(page.get_by_test_id("edit-answer")).to_be_focused()
    page.get_by_test_id("edit-answer").fill("青岚公司在南京。")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("count-accepted")).to_have_text("2")
    expect(page.get_by_test_id("review-empty")).to_be_visible()
    expect(page.get_by_test_id("begin-reason")).to_contain_text("4 more accepted items")
    likely = page.get_by_test_id("estimate")
    expect(likely).to_contain_text("A turn would learn from 2 items; it needs 6")
    expect(likely).to_contain_text("Of 2 corrected questions")
    learnt = {item["question"]: (item["answer"], item["edited"]) for item in items(server, "accepted")}
    assert learnt == {
        FOUNDER: ("Lin Yue founded Qinglan in 2031.", False),
        PLACE: ("青岚公司在南京。", True),
    }


def test_a_decision_can_be_changed_and_an_edit_outlives_it(
    console: OpenConsole, server: Server, opinion: Callable[..., str]
) -> None:
    opinion(FOUNDER, rating=-1)  # says that it is wrong, and not what would be right
    page = console()
    page.get_by_test_id("section-flywheel").click()
    expect(opened(page).get_by_test_id("review-accept")).to_be_visible()
    page.keyboard.press("a")  # there is nothing to learn yet: it asks for it
    page.get_by_test_id("edit-answer").fill("Lin Yue.")
    page.get_by_test_id("edit-question").fill("Who founded Qinglan?")
    page.get_by_test_id("edit-accept").click()
    expect(page.get_by_test_id("count-accepted")).to_have_text("1")

    page.locator("[data-testid=review-tab][data-choice=accepted]").click()
    opened(page).get_by_role("button", expanded=True).focus()
    page.keyboard.press("a")  # it is accepted already
    page.keyboard.press("r")
    expect(page.get_by_test_id("count-accepted")).to_have_text("0")
    page.locator("[data-testid=review-tab][data-choice=rejected]").click()
    opened(page).get_by_test_id("review-accept").click()
    expect(page.get_by_test_id("count-accepted")).to_have_text("1")
    (item,) = items(server, "accepted")
    assert (item["question"], item["answer"]) == ("Who founded Qinglan?", "Lin Yue.")


def test_letters_that_are_typed_decide_nothing(
    console: OpenConsole, server: Server, opinion: Callable[..., str]
) -> None:
    opinion(FOUNDER, rating=-1, correction="Lin Yue.")
    page = console("#/flywheel")
    expect(opened(page)).to_be_visible()
    page.keyboard.press("e")
    page.get_by_test_id("edit-question").press_sequentially(" are jk")
    page.keyboard.press("Escape")
    expect(opened(page).get_by_test_id("review-accept")).to_be_visible()
    page.get_by_test_id("search").press_sequentially("a")
    page.get_by_test_id("begin-reason").click()  # and neither do those that are pressed elsewhere
    page.keyboard.press("r")
    assert [item["question"] for item in items(server, "pending")] == [FOUNDER]


def test_near_duplicates_stand_together(console: OpenConsole, opinion: Callable[..., str]) -> None:
    opinion(FOUNDER, rating=-1, correction="Lin Yue.")
    opinion(PLACE, rating=-1, correction="南京。")
    opinion(FOUNDER.replace("?", " ?"), rating=-1, correction="Lin Yue did.")
    page = console("#/flywheel")
    group = page.get_by_test_id("review-group")
    expect(group.get_by_test_id("review-item")).to_have_count(2)
    expect(page.get_by_test_id("review-item")).to_have_count(3)


def test_a_decision_that_does_not_arrive_comes_back(
    console: OpenConsole, server: Server, opinion: Callable[..., str]
) -> None:
    opinion(FOUNDER, rating=-1, correction="Lin Yue.")
    page = console("#/flywheel")
    page.route("**/api/flywheel/items/*", lambda route: route.abort())
    page.reload()  # a page that is open already may still send its next request past the route
    expect(opened(page)).to_be_visible()
    page.keyboard.press("a")
    expect(page.get_by_text("The decision was not saved.")).to_be_visible()
    expect(opened(page)).to_contain_text(FOUNDER)
    assert len(items(server, "pending")) == 1


@pytest.mark.parametrize("look", LOOKS)
def test_assistive_technology_finds_no_obstacle(
    console: OpenConsole, opinion: Callable[..., str], look: dict[str, Any]
) -> None:
    opinion(FOUNDER, rating=-1, tags=["wrong_fact"], comment="it invents", correction="Lin Yue, 13812345678.")
    opinion(FOUNDER.replace("?", " ?"), rating=1)
    opinion(PLACE, rating=-1)
    page = console("#/flywheel", **look)
    expect(opened(page)).to_be_visible()
    assert violations(page) == []
    opened(page).get_by_test_id("review-edit").click()
    expect(page.get_by_test_id("edit-answer")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= look["width"]
    scroller = page.get_by_test_id("flywheel")
    assert scroller.evaluate("box => box.scrollWidth - box.clientWidth") == 0
