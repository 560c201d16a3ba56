"""``feilun canary``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.flywheel.test_canary import vote
from tests.forks import run_feilun
from tests.registry.canaries import canary

from feilun.flywheel.promote import begin_canary
from feilun.registry import SMALLEST, Canary, Registry
from feilun.store import Store
from feilun.workspace import Workspace


@pytest.fixture
def begun(tmp_path: Path) -> Canary:
    """With a thumb for either arm."""
    one = canary(votes=3)
    store = Store(tmp_path / "feilun.db")
    begin_canary(Registry(Workspace(tmp_path)), store, one)
    vote(store, one.release.id, good=False)
    vote(store, SMALLEST.id, good=True)
    store.close()
    return one


def test_status_says_how_it_stands_in_both_languages(tmp_path: Path, begun: Canary) -> None:
    told = run_feilun("-w", tmp_path, "canary", "status")
    assert told.returncode == 0, told.stderr
    assert f"{begun.release.id} answers 25% of the conversations" in told.stdout
    assert f"{begun.release.id}: 0 up, 1 down" in told.stdout
    assert f"{SMALLEST.id}: 1 up, 0 down" in told.stdout
    assert "after 3 votes on its answers (1 so far) and as many on the present release's (1)" in told.stdout
    assert "It waits" not in told.stdout
    chinese = run_feilun("-w", tmp_path, "canary", "status", FEILUN_LANG="zh")
    assert f"{begun.release.id}：赞 0，踩 1" in chinese.stdout
    report = json.loads(run_feilun("-w", tmp_path, "canary", "status", "--json").stdout)
    assert report["votes"]["canary"] == {"up": 0, "down": 1}
    assert (report["share"], report["decided"]) == (0.25, None)


def test_status_does_what_the_votes_have_decided(tmp_path: Path, begun: Canary) -> None:
    store = Store(tmp_path / "feilun.db")
    for _ in range(2):
        vote(store, SMALLEST.id, good=False)
        vote(store, begun.release.id, good=True)
    store.close()
    told = run_feilun("-w", tmp_path, "canary", "status")
    assert "the canary has taken over" in told.stdout
    assert Registry(Workspace(tmp_path)).default() == begun.release
    again = run_feilun("-w", tmp_path, "canary", "status", "--json")
    assert json.loads(again.stdout) is None


def test_status_says_what_it_waits_for_when_it_has_its_votes(tmp_path: Path, begun: Canary) -> None:
    def told(release: str, good: bool, times: int = 2) -> tuple[str, str, str]:
        store = Store(tmp_path / "feilun.db")
        for _ in range(times):
            vote(store, release, good)
        store.close()
        english, chinese = (
            run_feilun("-w", tmp_path, "canary", "status", FEILUN_LANG=lang) for lang in ("en", "zh")
        )
        report = run_feilun("-w", tmp_path, "canary", "status", "--json")
        return english.stdout, chinese.stdout, json.loads(report.stdout)["waits_for"]

    english, chinese, reason = told(begun.release.id, good=False)
    assert "the present release has too few to compare with" in english
    assert "当前版本的票数不足" in chinese
    assert reason == "present_votes"
    english, chinese, reason = told(SMALLEST.id, good=True)
    assert "0% of the thumbs on its answers are up, 100% on the present release's" in english
    assert "好评率为 0%，当前版本为 100%" in chinese
    assert reason == "share"
    assert Registry(Workspace(tmp_path)).serving(None) == (SMALLEST, begun)


@pytest.mark.parametrize("verb", ["promote", "withdraw"])
def test_somebody_may_decide_before_the_votes(tmp_path: Path, begun: Canary, verb: str) -> None:
    done = run_feilun("-w", tmp_path, "canary", verb)
    stays = begun.release if verb == "promote" else SMALLEST
    assert stays.id in done.stdout
    assert Registry(Workspace(tmp_path)).serving(None) == (stays, None)
    again = run_feilun("-w", tmp_path, "canary", verb)
    assert again.returncode == 1
    assert "has no canary" in again.stderr


def test_a_rollback_withdraws_it(tmp_path: Path, begun: Canary) -> None:
    done = run_feilun("-w", tmp_path, "rollback")
    assert SMALLEST.id in done.stdout
    assert Registry(Workspace(tmp_path)).serving(None) == (SMALLEST, None)
