"""Scores of a text: columns with versioned names, computed once; `feilun.data.decide` sets the limits later.

A score that changes its meaning gets a new version. NaN says that a text has too little of what is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from feilun.data.score.advert import advert
from feilun.data.score.classifier import Classifier
from feilun.data.score.cohesion import rarity
from feilun.data.score.familiar import familiar
from feilun.data.score.languages import language
from feilun.data.score.letters import read
from feilun.data.score.lexicons import lexicons
from feilun.data.score.repetition import repetition
from feilun.data.score.shape import shape
from feilun.data.score.spun import spun
from feilun.data.score.turned import turned
from feilun.recipe import shipped

__all__ = ["QUALITY", "SCORES", "Classifier", "language", "quality", "scores"]

QUALITY = "score.quality.v1"


def scores(text: str, title: str, shadow: str) -> dict[str, float]:
    """Every column but the quality classifier's. Pure; never raises.

    Args:
        shadow: the Simplified form of ``text`` (`feilun.data.repair.simplified`), which is what is scored.
    """
    letters = read(shadow)
    known, rare, sells, spinners = familiar(), rarity(), advert(), spun()
    return {
        "score.chars.v1": float(len(text)),
        **shape(letters),
        **repetition(letters),
        **lexicons(letters, title),
        "score.advert.v1": sells.of(letters) if sells else float("nan"),
        "score.spun.v2": spinners.of(letters) if spinners else float("nan"),
        "score.turned.v1": turned(letters),
        "score.unseen.v1": known.unseen(letters) if known else float("nan"),
        "score.cohesion.v2": rare.cohesion(letters) if rare else float("nan"),
    }


def quality(path: Path | None = None) -> Callable[[str], float] | None:
    """What computes ``score.quality.v1`` of a text: the classifier in the file, or the one that comes with Feilun."""
    path = path or shipped("data/quality.npz")
    return Classifier.load(path).score if path.is_file() else None


SCORES = (*scores("", "", ""), QUALITY)
"""The names of the columns, in order."""
