"""Talking in the browser."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect
from tests.e2e.conftest import OpenConsole, violations
from tests.forks import MODEL, run_feilun
from tests.support import Server, eventually

SCREENSHOTS = Path(__file__).parents[2] / "docs" / "images"


def send(page: Page, text: str) -> None:
    page.get_by_test_id("composer").fill(text)
    page.keyboard.press("Enter")


def answered(page: Page, count: int = 1) -> None:
    """Wait until ``count`` answers stand there, the last one whole."""
    answers = page.get_by_test_id("message-assistant")
    expect(answers).to_have_count(count, timeout=60_000)
    expect(answers.last).to_have_attribute("data-status", "complete", timeout=60_000)


def speaking(page: Page) -> Locator:
    """Wait until an answer has its first dozen words."""
    answer = page.get_by_test_id("message-assistant")
    expect(answer).to_contain_text(re.compile(r"(\w+\W+){12}"), timeout=60_000)
    return answer


def limit(page: Page, tokens: int) -> None:
    """Keep answers short, as a user would: in the settings."""
    page.get_by_test_id("settings-open").click()
    field = page.get_by_test_id("max-tokens")
    (field if field.get_attribute("type") else field.locator("input").last).fill(str(tokens))
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")


def test_a_question_is_answered_and_kept(console: OpenConsole, server: Server) -> None:
    page = console()
    expect(page.get_by_test_id("first-run")).to_be_visible()
    limit(page, 24)
    send(page, "What is the capital of France?")
    answered(page)
    expect(page.get_by_test_id("message-assistant")).to_contain_text(MODEL)  # what stands under it comes last
    text = page.get_by_test_id("message-assistant").inner_text().split()
    assert len(text) > 5
    page.reload()
    answered(page)
    assert page.get_by_test_id("message-assistant").inner_text().split() == text
    expect(page.get_by_test_id("conversation-item").first).to_contain_text("What is the capital of France?")


def test_a_chinese_question_typed_with_an_input_method_is_sent_only_when_it_is_done(
    console: OpenConsole,
) -> None:
    page = console(locale="zh-CN")
    limit(page, 8)
    composer = page.get_by_test_id("composer")
    composer.fill("你好")
    composer.evaluate("e => e.dispatchEvent(new CompositionEvent('compositionstart', {bubbles: true}))")
    composer.evaluate(
        "e => e.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, keyCode: 229, bubbles: true}))"
    )
    expect(page.get_by_test_id("message-user")).to_have_count(0)
    composer.evaluate("e => e.dispatchEvent(new CompositionEvent('compositionend', {bubbles: true}))")
    composer.press("Enter")
    answered(page)
    expect(page.get_by_test_id("message-user")).to_contain_text("你好")


def test_a_question_asked_before_the_server_has_said_how_it_is_gets_its_answer(console: OpenConsole) -> None:
    page = console()
    page.route("**/api/status", lambda _route: None)  # its answer does not come
    page.reload()
    send(page, "Write a very long story about a well.")
    speaking(page)
    page.get_by_test_id("stop").click()
    expect(page.get_by_test_id("message-assistant")).to_have_attribute("data-status", "stopped")


def test_stop_ends_the_answer_and_keeps_what_there_is(console: OpenConsole, server: Server) -> None:
    page = console()
    send(page, "Write a very long story about a robot who learns to cook.")
    answer = speaking(page)
    page.get_by_test_id("stop").click()
    expect(answer).to_have_attribute("data-status", "stopped")
    eventually(lambda: server.running() == 0, what="for the engine to be free")
    kept = answer.inner_text().split()
    page.reload()
    expect(answer).to_have_attribute("data-status", "stopped")
    assert answer.inner_text().split()[:12] == kept[:12]


def test_after_a_stop_the_conversation_goes_on(console: OpenConsole, server: Server) -> None:
    page = console()
    send(page, "Write a very long story about a river.")
    speaking(page)
    page.get_by_test_id("stop").click()
    expect(page.get_by_test_id("message-assistant")).to_have_attribute("data-status", "stopped")
    limit(page, 8)
    send(page, "Thank you.")
    answered(page, 2)
    with server.client() as client:
        conversation = client.get(f"/api/conversations/{page.url.rpartition('/')[2]}").json()
    assert [message["role"] for message in conversation["messages"]] == ["user", "assistant"] * 2


def test_a_closed_browser_stops_the_model_and_loses_nothing(console: OpenConsole, server: Server) -> None:
    page = console()
    send(page, "Write a very long story about a lighthouse.")
    speaking(page)
    page.wait_for_url(re.compile("#/c/conv_"))
    conversation = page.url.rpartition("/")[2]
    page.close()
    eventually(lambda: server.running() == 0, what="for the engine to be free")
    with server.client() as client:
        eventually(
            lambda: (
                client.get(f"/api/conversations/{conversation}").json()["messages"][-1]["status"] == "stopped"
            )
        )
        assert client.get(f"/api/conversations/{conversation}").json()["messages"][-1]["content"]


def test_editing_a_question_makes_a_branch_that_can_be_walked(console: OpenConsole) -> None:
    page = console()
    limit(page, 8)
    send(page, "Name a colour.")
    answered(page)
    page.get_by_test_id("edit").click()
    page.get_by_test_id("edit-text").fill("Name a fruit.")
    page.get_by_test_id("edit-save").click()
    answered(page)
    question = page.get_by_test_id("message-user")
    expect(question).to_contain_text("Name a fruit.")
    expect(question.get_by_test_id("branch-label")).to_contain_text("2/2")
    question.get_by_test_id("branch-prev").click()
    expect(question).to_contain_text("Name a colour.")
    page.reload()
    expect(question).to_contain_text("Name a colour.")  # the branch that was shown last is shown again


def test_an_answer_can_be_had_again_beside_the_first(console: OpenConsole) -> None:
    page = console()
    limit(page, 8)
    send(page, "Name an animal.")
    answered(page)
    page.get_by_test_id("regenerate").click()
    answer = page.get_by_test_id("message-assistant")
    expect(answer.get_by_test_id("branch-label")).to_contain_text("2/2", timeout=60_000)
    answered(page)
    expect(page.get_by_test_id("message-user")).to_have_count(1)


def test_of_two_answers_the_better_one_is_chosen_side_by_side(console: OpenConsole, server: Server) -> None:
    page = console(locale="zh-CN", width=390, height=844, dark=True)
    limit(page, 8)
    send(page, "Name a river.")
    answered(page)
    page.get_by_test_id("regenerate").click()
    label = page.get_by_test_id("message-assistant").get_by_test_id("branch-label")
    expect(label).to_contain_text("2/2", timeout=60_000)
    answered(page)
    page.get_by_test_id("compare-open").click()
    expect(page.get_by_test_id("compare-version")).to_have_count(2)
    expect(page.get_by_test_id("compare")).to_be_focused()
    assert violations(page) == []
    page.get_by_test_id("compare-choose").first.click()
    expect(page.get_by_test_id("compare")).to_have_count(0)
    expect(label).to_contain_text("1/2")  # it is the one that is shown, and gone on with
    expect(page.get_by_test_id("thumb-up")).to_have_attribute("aria-pressed", "true")
    page.get_by_test_id("compare-open").click()
    page.get_by_test_id("compare-choose").last.click()
    expect(label).to_contain_text("2/2")
    expect(page.get_by_test_id("thumb-up")).to_have_attribute("aria-pressed", "true")
    page.get_by_test_id("branch-prev").click()
    expect(page.get_by_test_id("thumb-up")).to_have_attribute(
        "aria-pressed", "false"
    )  # another one is better
    listed = run_feilun("-w", server.workspace, "review", "list", "--json")
    (chosen,) = (row for row in json.loads(listed.stdout) if row["question"] == "Name a river.")
    assert chosen["kind"] == "choice"


def test_a_thumb_with_reasons_and_a_correction_reach_the_store(console: OpenConsole, server: Server) -> None:
    page = console()
    limit(page, 16)
    send(page, "Who founded the company Qinglan?")
    answered(page)
    page.get_by_test_id("thumb-down").click()
    page.get_by_test_id("feedback-tag").first.click()
    page.get_by_test_id("feedback-comment").fill("it invents names")
    page.get_by_test_id("feedback-submit").click()
    expect(page.get_by_test_id("feedback-saved").first).to_be_visible()
    page.get_by_test_id("correct").click()
    page.get_by_test_id("correct-text").fill("Lin Yue founded Qinglan in 2031.")
    page.get_by_test_id("correct-save").click()
    expect(page.get_by_test_id("correct-text")).to_have_count(0)  # it closes when it is kept
    expect(page.get_by_test_id("message-assistant")).to_contain_text("Lin Yue founded Qinglan in 2031.")
    with server.client() as client:
        conversation = client.get(f"/api/conversations/{page.url.rpartition('/')[2]}").json()
    opinion = conversation["messages"][-1]["feedback"]
    assert opinion == {
        "rating": -1,
        "tags": ["wrong_fact"],
        "comment": "it invents names",
        "correction": "Lin Yue founded Qinglan in 2031.",
    }
    page.reload()
    page.get_by_test_id("version-original").click()
    expect(page.get_by_test_id("message-assistant")).not_to_contain_text("Lin Yue")


def test_the_system_prompt_and_settings_are_used_and_kept(console: OpenConsole, server: Server) -> None:
    page = console()
    page.get_by_test_id("settings-open").click()
    page.get_by_test_id("system-prompt").fill("Answer in one word.")
    page.keyboard.press("Escape")
    limit(page, 6)
    send(page, "What colour is the sky?")
    answered(page)
    with server.client() as client:
        conversation = client.get(f"/api/conversations/{page.url.rpartition('/')[2]}").json()
    answer = conversation["messages"][-1]
    assert answer["params"]["system"] == "Answer in one word."
    assert answer["params"]["max_tokens"] == 6
    page.reload()
    answered(page)
    page.get_by_test_id("settings-open").click()
    expect(page.get_by_test_id("system-prompt")).to_have_value("Answer in one word.")


def test_the_pictures_in_the_readme(console: OpenConsole, tmp_path: Path) -> None:
    """Made anew with FEILUN_SCREENSHOT=1; checked here to be possible."""
    folder = SCREENSHOTS if os.environ.get("FEILUN_SCREENSHOT") == "1" else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    page = console()
    page.get_by_test_id("settings-open").click()
    page.get_by_test_id("system-prompt").fill("You are a helpful assistant. Use Markdown.")
    page.keyboard.press("Escape")
    limit(page, 150)
    send(page, "Write a Python function that adds two numbers, and explain it.")
    answered(page)
    page.screenshot(path=folder / "console.png")
    page = console(locale="zh-CN")
    expect(page.get_by_test_id("first-run")).to_be_visible()
    page.screenshot(path=folder / "console.zh.png")
    assert all((folder / name).stat().st_size > 10_000 for name in ("console.png", "console.zh.png"))
