"""Finding, naming and removing conversations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect
from tests.e2e.conftest import OpenConsole


def item(page: Page, text: str) -> Locator:
    return page.get_by_test_id("conversation-item").filter(has_text=text)


def menu(page: Page, text: str, entry: str) -> None:
    item(page, text).hover()
    item(page, text).get_by_test_id("conversation-menu").click()
    page.get_by_test_id(entry).click()


def test_search_finds_chinese_inside_a_sentence(
    console: OpenConsole, conversation: Callable[..., str]
) -> None:
    conversation("请问长江流域的水稻什么时候收割?")
    conversation("Which river is the longest?")
    page = console(locale="zh-CN")
    page.get_by_test_id("search").fill("流域的水稻")
    expect(item(page, "长江流域")).to_be_visible()
    expect(item(page, "Which river")).to_have_count(0)
    item(page, "长江流域").click()
    expect(page.get_by_test_id("message-user")).to_contain_text("收割")


def test_a_conversation_is_renamed_and_pinned(console: OpenConsole, conversation: Callable[..., str]) -> None:
    conversation("Tell me of the oldest pin.")
    conversation("Something newer than the pin.")
    page = console()
    menu(page, "oldest pin", "rename")
    page.get_by_test_id("rename-input").fill("The pinned one")
    page.keyboard.press("Enter")
    expect(item(page, "The pinned one")).to_be_visible()
    menu(page, "The pinned one", "pin")
    page.reload()
    expect(page.get_by_test_id("conversation-item").first).to_contain_text("The pinned one")
    menu(page, "The pinned one", "pin")


def test_a_deleted_conversation_can_be_taken_back(
    console: OpenConsole, conversation: Callable[..., str]
) -> None:
    conversation("Delete me and regret it.")
    page = console()
    menu(page, "regret it", "delete")
    expect(item(page, "regret it")).to_have_count(0)
    page.get_by_test_id("undo").click()
    expect(item(page, "regret it")).to_be_visible()
    page.reload()
    expect(item(page, "regret it")).to_be_visible()


def test_an_export_holds_the_conversation(
    console: OpenConsole, conversation: Callable[..., str], tmp_path: Path
) -> None:
    conversation("Export me, please.")
    page = console()
    menu(page, "Export me", "export")
    with page.expect_download() as download:
        page.get_by_test_id("export-jsonl").click()
    target = tmp_path / "conversation.jsonl"
    download.value.save_as(target)
    line = json.loads(target.read_text().splitlines()[0])
    assert line["messages"][0] == {"role": "user", "content": "Export me, please."}
    assert line["messages"][1]["role"] == "assistant"
