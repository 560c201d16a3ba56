"""The lineage page: from an answer to what it was made of, and from a person to what was made of their words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.conftest import StartServer
from tests.e2e.conftest import LOOKS, OpenConsole, violations
from tests.flywheel.lineage_world import World
from tests.forks import run_feilun
from tests.support import Server

from feilun.evaluate.questions import Answer as Given
from feilun.flywheel import asking
from feilun.flywheel.lineage_forget import forget
from feilun.registry import Release
from feilun.store import Store
from feilun.store.served import note_served
from feilun.workspace import Workspace


@pytest.fixture
def server(start_server: StartServer) -> Server:
    return start_server()


@pytest.fixture
def world(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The server's workspace, in which turns are made whose candidates nobody asks."""

    def ask(_release: Release, questions: Mapping[str, Any], **_: Any) -> dict[str, Given]:
        return {key: Given("No idea.", True) for key in questions}

    monkeypatch.setattr(asking, "ask", ask)
    made = World(Workspace(server.workspace), Store(server.workspace / "feilun.db"))
    yield made
    made.store.close()


def node(page: Page | Locator, kind: str) -> Locator:
    return page.locator(f"[data-testid=lineage-node][data-kind={kind}]")


def toggle(place: Locator) -> Locator:
    """The button that opens a node, not those of the nodes below it."""
    return place.locator("button[aria-expanded]").first


def test_from_an_answer_to_its_release_and_base_in_both_languages(
    console: OpenConsole, server: Server, conversation: Callable[..., str]
) -> None:
    talk = conversation()
    page = console(f"#/c/{talk}")
    page.get_by_test_id("message-assistant").get_by_role("link", name="Where this answer comes from").click()
    expect(page).to_have_url(re.compile(r"#/lineage/msg_\w+$"))
    answer = page.url.rpartition("/")[2]
    shown = run_feilun("-w", server.workspace, "lineage", "show", answer, "--json")
    tree = json.loads(shown.stdout)
    (release,) = (child for child in tree["children"] if child["kind"] == "release")
    (base,) = release["children"]

    expect(node(page, "answer")).to_have_attribute("data-id", answer)
    expect(node(page, "release")).to_have_attribute("data-id", release["id"])
    expect(node(page, "release")).to_contain_text("serving now")
    expect(node(page, "release").locator(f"[data-id='{base['id']}']")).to_contain_text(base["name"])
    expect(node(page, "user")).to_have_count(1)

    page.get_by_test_id("language-switch").click()
    expect(page.get_by_role("heading", name="来历")).to_be_visible()
    expect(node(page, "release")).to_contain_text("正在服务")
    page.get_by_role("button", name="产生了什么").click()
    expect(page.get_by_text("目前还没有由它产生的内容。")).to_be_visible()

    page.go_back()
    node(page, "answer").get_by_test_id("lineage-chat").first.click()
    expect(page).to_have_url(re.compile(f"#/c/{talk}$"))


def test_from_a_person_to_the_release_with_the_keyboard(console: OpenConsole, world: World) -> None:
    """What stands twice in the tree is opened once, and asked for where it is opened again."""
    first, second = (world.correct(f"Who keeps ledger {n}?", f"Zora {n}.", "alice") for n in (1, 2))
    turn = world.turn(promoted=False)
    page = console("#/flywheel")
    page.get_by_test_id("lineage-link").click()
    page.get_by_test_id("lineage-search").fill("alice")
    page.keyboard.press("Enter")
    expect(node(page, "user")).to_have_attribute("data-id", "user:alice")
    page.get_by_role("button", name="What came of it").click()
    expect(node(page, "feedback")).to_have_count(2)
    for opinion in (first, second):
        expect(page.locator(f"[data-id={opinion}]")).to_contain_text("Zora")
    # The release is reached once; the second way to it ends at the data set.
    expect(node(page, "release")).to_have_count(1)
    expect(node(page, "dataset")).to_have_count(2)
    again = toggle(node(page, "dataset").last)
    expect(again).to_have_attribute("aria-expanded", "false")
    again.focus()
    page.keyboard.press("Enter")
    expect(node(page, "release")).to_have_count(2)
    page.keyboard.press("Space")
    expect(node(page, "release")).to_have_count(1)

    # Any node may become the root.
    page.get_by_role("link", name=f"Begin with this data set: datasets/{turn}").first.click()
    expect(page.get_by_test_id("lineage-search")).to_have_value(re.compile("^sha256:"))
    expect(node(page, "user")).to_have_count(0)
    page.get_by_role("button", name="Where it came from").click()
    expect(node(page, "sample")).to_have_count(2)
    expect(node(page, "sample").first).to_contain_text("Who keeps ledger 1?")
    page.go_back()
    expect(page.get_by_role("button", name="What came of it")).to_have_attribute("aria-pressed", "true")


def test_what_was_made_of_forgotten_words_is_marked_and_history_leads_there(
    console: OpenConsole, world: World
) -> None:
    world.correct("Who keeps the ledger?", "Zora keeps it.", "alice")
    for n in range(12):
        world.correct(f"Where is hall {n}?", f"At {n}.")
    turn = world.turn(promoted=False)
    forget(world.workspace, world.store, user="alice")
    release = world.registry.default()
    with world.store.writing() as session:
        note_served(session, release.name, release.id, release.model_dump(), reason="first")
    page = console("#/flywheel")
    page.get_by_test_id("history").get_by_role("link", name="Where this release comes from").click()
    expect(page.get_by_test_id("lineage-search")).to_have_value(release.id)
    expect(node(page, "release")).to_contain_text("serving now")
    page.go_back()
    page.get_by_test_id("history").get_by_role("link", name="What this turn was made of").click()
    expect(page.get_by_test_id("lineage-search")).to_have_value(turn)
    expect(node(page, "adapter").first).to_contain_text("made of what was forgotten")
    # Few of many are shown at once.
    page.goto(page.url.replace(turn, f"datasets%2F{turn}"))
    expect(node(page, "sample")).to_have_count(10)
    page.get_by_role("button", name="Show 3 more").click()
    expect(node(page, "sample")).to_have_count(12)
    expect(node(page, "feedback").filter(has_text="not here (any more)")).to_have_count(1)
    expect(page.get_by_text("Zora")).to_have_count(0)


def test_what_is_unknown_is_said_in_the_readers_language(console: OpenConsole) -> None:
    page = console("#/lineage/nobody")
    expect(page.get_by_test_id("lineage-fault")).to_contain_text("Nothing here is called 'nobody'")
    page.get_by_test_id("language-switch").click()
    expect(page.get_by_test_id("lineage-fault")).to_contain_text("找不到“nobody”")
    expect(page.get_by_test_id("lineage-tree")).to_have_count(0)


@pytest.mark.parametrize("look", LOOKS)
def test_assistive_technology_finds_no_obstacle(
    console: OpenConsole, world: World, look: dict[str, Any]
) -> None:
    world.correct("Who keeps the ledger?", "Zora keeps it.", "alice")
    turn = world.turn(promoted=False)
    for path, shown in {f"#/lineage/{turn}": "user", "#/lineage/alice?direction=down": "release"}.items():
        page = console(path, **look)
        expect(node(page, shown).first).to_be_visible()
        assert violations(page) == []
        scroller = page.get_by_test_id("lineage")
        assert scroller.evaluate("box => box.scrollWidth - box.clientWidth") == 0
