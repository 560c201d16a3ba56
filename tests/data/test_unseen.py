"""The default rules on pages that nothing in Feilun was made with (`unseen`): their writers had seen no list, no classifier
and no text of those that these were learnt from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from feilun.data.decide import decide
from feilun.data.judged import columns_of
from feilun.data.recipe import CorpusRecipe
from feilun.data.score import quality
from feilun.data.sources import Raw
from feilun.recipe import read_recipe, shipped

UNSEEN = Path(__file__).with_name("unseen")


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [("advert", 0.8, 1.0), ("spun", 0.6, 1.0), ("honest", 0.0, 0.1), ("article", 0.0, 0.1)],
)
def test_what_is_dropped(kind: str, least: float, most: float) -> None:
    rows = [json.loads(line) for line in (UNSEEN / f"{kind}.jsonl").read_text("utf-8").splitlines()]
    columns = columns_of((Raw(row["id"], "unseen", "text", row["text"]) for row in rows), quality())
    dropped = decide(read_recipe(shipped("data/web.toml"), CorpusRecipe).rules, columns)[0] != ""
    languages = np.array([row["lang"] for row in rows])
    assert set(languages) == {"zh", "en"}
    for lang in ("zh", "en"):
        assert least <= dropped[languages == lang].mean() <= most, lang
