"""Languages, themes, small screens, assistive technology, and Markdown that means harm."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import OpenConsole, violations
from tests.support import Server, ask, talk

RICH = """# Title

| a | b |
|---|---|
| 1 | 2 |

```python
print("hello")
```

Euler: $e^{i\\pi} + 1 = 0$ and **飞轮**很好。
"""

HARM = """<script>window.hurt = 1</script><img src="https://example.com/a.png" onerror="window.hurt = 1">
![picture](https://example.com/b.png) [click](javascript:window.hurt=1) <iframe src="https://example.com"></iframe>
[fine](https://example.com/page)
"""


@pytest.fixture
def shown(server: Server) -> Callable[[str], str]:
    """Store an answer of our own making, as a client that resends a history would; returns the path of its page."""

    def store(answer: str) -> str:
        history = [
            {"role": "user", "content": f"Show me {hash(answer)}"},
            {"role": "assistant", "content": answer},
        ]
        with server.client() as client:
            made = ask(client, talk(*history, {"role": "user", "content": "Thanks."}, max_tokens=4))
        return f"#/c/{made['conversation_id']}"

    return store


def test_the_language_follows_the_browser_and_can_be_switched(console: OpenConsole) -> None:
    page = console(locale="zh-CN")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_test_id("new-chat")).to_contain_text("新对话")
    page.get_by_test_id("language-switch").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_test_id("new-chat")).to_contain_text("New chat")
    page.reload()
    expect(page.get_by_test_id("new-chat")).to_contain_text("New chat")


def test_markdown_tables_code_and_formulas_are_drawn(
    console: OpenConsole, shown: Callable[[str], str]
) -> None:
    page = console(shown(RICH))
    answer = page.get_by_test_id("message-assistant").first
    expect(answer.locator("table td").first).to_have_text("1")
    expect(answer.locator("pre code")).to_contain_text('print("hello")')
    expect(answer.locator(".hljs-string, .hljs-built_in").first).to_be_visible()
    expect(answer.locator(".katex").first).to_be_visible()
    expect(answer.locator("strong")).to_have_text("飞轮")


def test_harmful_markdown_does_nothing(console: OpenConsole, shown: Callable[[str], str]) -> None:
    page = console(shown(HARM))
    answer = page.get_by_test_id("message-assistant").first
    fine = answer.get_by_role("link", name="fine")
    expect(fine).to_have_attribute("rel", "noopener noreferrer nofollow")
    assert answer.locator("img, script, iframe").count() == 0
    assert answer.locator("a[href^='javascript']").count() == 0
    assert page.evaluate("window.hurt") is None  # and the fixture has seen no request to another host


@pytest.mark.parametrize(
    ("locale", "dark"), [pytest.param("en-US", True, marks=pytest.mark.slow), ("zh-CN", False)]
)
def test_assistive_technology_finds_no_obstacle(
    console: OpenConsole, shown: Callable[[str], str], dark: bool, locale: str
) -> None:
    page = console(dark=dark, locale=locale)
    expect(page.get_by_test_id("first-run")).to_be_visible()
    assert violations(page) == []
    page = console(shown(RICH), dark=dark, locale=locale)
    expect(page.locator(".katex").first).to_be_visible()
    assert violations(page) == []
    page.get_by_test_id("thumb-down").last.click()
    expect(page.get_by_test_id("feedback-panel")).to_be_visible()
    assert violations(page) == []
    page.get_by_test_id("settings-open").click()
    expect(page.get_by_test_id("system-prompt")).to_be_visible()
    assert violations(page) == []


def test_a_phone_is_wide_enough(console: OpenConsole, shown: Callable[[str], str]) -> None:
    page = console(shown(RICH), width=390, height=844)
    expect(page.locator(".katex").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_test_id("sidebar-toggle").click()
    expect(page.get_by_test_id("search")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_test_id("composer").fill("Does it fit?")
    expect(page.get_by_test_id("send")).to_be_in_viewport()


def test_the_api_documentation_needs_no_other_host(console: OpenConsole) -> None:
    page = console("docs")
    expect(page.get_by_text("/v1/chat/completions").first).to_be_visible()
