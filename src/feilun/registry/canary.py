"""A canary: a release that answers a share of a model's conversations before it may answer them all."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from feilun.registry.releases import Release
from feilun.text import FeilunError

Share = Annotated[float, Field(gt=0, le=0.5)]
"""Of the conversations; at most half, for there must be something to compare with."""


class Canary(BaseModel):
    """One canary, with the rules that it began under: a test whose rules change on the way proves nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    release: Release
    """Its name is the model's."""
    share: Share
    votes: int = Field(gt=0)
    """Thumbs on the answers of each after which it takes over, unless it does worse (`feilun.flywheel.canary`)."""
    per_user: int = Field(gt=0)
    """Votes of one person, the local owner aside, that count in a day."""
    alpha: float = Field(gt=0, lt=1)
    """How often a canary that is as good may be called worse."""
    turn: str
    """The turn of the flywheel that made it."""
    since_ms: int

    def takes(self, key: str) -> bool:
        """Whether what ``key`` stands for (a conversation, a request) is answered by the canary.

        Always the same for one key; another canary draws anew, so that not the same people try out everything.
        """
        digest = hashlib.sha256(f"{self.release.id} {key}".encode()).digest()
        return int.from_bytes(digest[:8]) < self.share * 2**64


def canary_running(name: str) -> FeilunError:
    """What is refused while ``name`` has a canary."""
    return FeilunError(
        f"A canary of {name} is running. See how it does: feilun canary status; "
        "or decide: feilun canary promote, feilun canary withdraw",
        f"{name} 正在进行灰度发布。查看进展：feilun canary status；或作出决定：feilun canary promote、feilun canary withdraw",
        status=409,
        code="canary_running",
    )
