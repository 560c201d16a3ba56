"""The plan page: sliders ask, the planner answers, and what cannot be says what could."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import LOOKS, OpenConsole, violations
from tests.forks import run_feilun
from tests.support import Server

SEVEN = "#/plan/train?params=7B&tokens=1T&device=A100+SXM+80GB&count=64"


def test_a_slider_moved_with_the_keyboard_changes_the_days(console: OpenConsole) -> None:
    page = console(SEVEN)
    expected = page.get_by_test_id("plan-expected")
    expect(expected).to_have_text(re.compile(r"^[\d.]+ days$"))
    before = float(expected.inner_text().split()[0])
    page.get_by_test_id("plan-count").focus()
    for _ in range(2):  # 96, and then 128
        page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("plan-count-text")).to_have_value("128")
    expect(page.get_by_test_id("plan-count")).to_have_attribute("aria-valuetext", "128")
    expect(expected).to_have_text(f"{before / 2:.3g} days")
    for name in ("plan-ideal", "plan-programme"):
        expect(page.get_by_test_id(name)).to_contain_text("days")
    expect(page.get_by_test_id("plan-money-chart")).to_be_visible()
    expect(page.get_by_test_id("plan-memory")).to_contain_text("activations")
    expect(page.get_by_test_id("plan-layout")).to_contain_text("ZeRO")
    expect(page).to_have_url(re.compile(r"count=128$"))


def test_the_address_holds_the_plan_and_the_command_asks_the_same(
    console: OpenConsole, server: Server
) -> None:
    page = console(SEVEN, locale="zh-CN")
    expect(page.get_by_test_id("plan-expected")).to_contain_text("天")
    page.get_by_test_id("plan-tokens-text").fill("5000亿")
    page.get_by_test_id("plan-device").select_option("Kunlun K200 16GB")
    page.get_by_test_id("plan-count-text").fill("256")
    expect(page).to_have_url(re.compile("K200.*count=256"))
    expect(page.get_by_test_id("plan-train")).to_contain_text("256 张 Kunlun K200 16GB")
    expect(page.get_by_test_id("plan-waiting")).to_have_count(0)
    said = page.get_by_test_id("plan-expected").inner_text()
    page.get_by_test_id("plan-copy").click()
    command = page.evaluate("navigator.clipboard.readText()")
    shown = run_feilun(*shlex.split(command)[1:], FEILUN_LANG="zh").stdout
    assert said in shown
    page.reload()
    expect(page.get_by_test_id("plan-expected")).to_have_text(said)
    expect(page.get_by_test_id("plan-tokens-text")).to_have_value("5000亿")


@pytest.mark.parametrize(
    ("locale", "said", "change"),
    [
        ("en-US", "At least 128 of them would hold it", "Use 128 devices"),
        ("zh-CN", "至少需要 128 张", "改用 128 张设备"),
    ],
)
def test_what_does_not_fit_says_what_would_and_does_it(
    console: OpenConsole, locale: str, said: str, change: str
) -> None:
    page = console("#/plan/train?params=70B&tokens=1T&device=RTX+4090+24GB&count=8", locale=locale)
    refusal = page.get_by_test_id("plan-refusal")
    expect(refusal).to_contain_text(said)
    refusal.get_by_role("button", name=change).click()
    expect(page.get_by_test_id("plan-expected")).to_be_visible()
    expect(page.get_by_test_id("plan-count-text")).to_have_value("128")


def test_claims_budgets_and_deadlines(console: OpenConsole) -> None:
    page = console()
    page.get_by_test_id("section-plan").click()
    page.locator("[data-preset=gpt3-1024-a100]").click()
    expect(page.get_by_test_id("plan-ideal")).to_have_text("34.4 days")
    page.locator("[data-preset=ten-million-gpus]").click()
    expect(page.get_by_test_id("plan-claim")).to_contain_text("10 million GPUs")
    expect(page.get_by_test_id("plan-notes")).to_contain_text("stop 5,275 times a day")

    page.locator("[data-testid=plan-goal][data-choice=budget]").click()
    page.get_by_test_id("plan-budget-text").fill("50000USD")
    expect(page.get_by_test_id("plan-variant")).to_have_count(2)
    page.get_by_test_id("plan-variant").first.get_by_role("button").click()
    expect(page.get_by_test_id("plan-expected")).to_be_visible()

    page.locator("[data-testid=plan-goal][data-choice=deadline]").click()
    page.get_by_test_id("plan-device").select_option("")
    expect(page.get_by_test_id("plan-cheapest").locator("li").nth(1)).to_be_visible()
    page.get_by_test_id("plan-deadline-text").fill("soon")
    expect(page.get_by_role("alert").filter(has_text="Write it like 30d")).to_be_visible()
    page.go_back()  # the sliders have left no trail behind them
    expect(page.get_by_test_id("composer")).to_be_visible()


def test_serving_and_comparing(console: OpenConsole) -> None:
    page = console("#/plan/serve")
    expect(page.get_by_test_id("plan-devices-needed")).to_have_text("1")
    page.get_by_test_id("plan-users-text").fill("10M")
    expect(page.get_by_test_id("plan-devices-needed")).not_to_have_text("1")
    page.get_by_test_id("plan-revenue").fill("1")
    expect(page.get_by_test_id("plan-pays")).to_have_text("An answer pays for itself.")
    expect(page.get_by_test_id("plan-users-chart")).to_be_visible()

    page.locator("[data-testid=plan-tab][data-choice=compare]").click()
    expect(page.get_by_test_id("plan-compared")).to_have_count(10)
    page.get_by_test_id("plan-devices").locator("summary").click()
    for device in ("H100 SXM 80GB", "V100 SXM2 32GB"):
        page.get_by_label(device).check()
    expect(page.get_by_test_id("plan-compared")).to_have_count(2)
    expect(page.get_by_test_id("plan-compared").last).to_contain_text("are as fast")


def test_an_older_request_is_given_up(console: OpenConsole) -> None:
    page = console(SEVEN)
    given_up: list[str] = []
    page.on("requestfailed", lambda request: given_up.append(request.url))
    page.route("**/api/plan/train?*params=13B*", lambda route: None)  # an answer that never comes
    page.reload()  # a page that is open already may still send its next request past the route
    expect(page.get_by_test_id("plan-expected")).to_be_visible()
    page.get_by_test_id("plan-params-text").fill("13B")
    with page.expect_request("**/api/plan/train?*params=13B*"):
        pass
    page.get_by_test_id("plan-params-text").fill("1B")
    expect(page.get_by_test_id("plan-train")).to_contain_text("1B")
    assert any("params=13B" in url for url in given_up)
    page.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("look", LOOKS)
def test_assistive_technology_finds_no_obstacle(console: OpenConsole, look: dict[str, Any]) -> None:
    pages = {
        SEVEN: "plan-money-chart",
        "#/plan/train?params=70B&device=T4+16GB&count=8": "plan-change",
        "#/plan/serve": "plan-users-chart",
        "#/plan/compare": "plan-compared",
    }
    for path, shown in pages.items():
        page = console(path, **look)
        expect(page.get_by_test_id(shown).first).to_be_visible(timeout=30_000)
        expect(page.get_by_test_id("plan-waiting")).to_have_count(0)
        page.evaluate("for (const box of document.querySelectorAll('main details')) box.open = true")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= look["width"]
        scroller = page.get_by_test_id("plan")
        assert scroller.evaluate("box => box.scrollWidth - box.clientWidth") == 0
