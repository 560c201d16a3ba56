"""Learning from preferences without a reward model: DPO and its variants for pairs, KTO for single thumbs.

Both compare what the policy thinks of an answer with what a reference does, the model before the training. The
reference's log-probabilities are computed once and come with each batch (`feilun.train.reference`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from feilun.model.loss import IGNORED
from feilun.model.transformer import Transformer
from feilun.text import Text
from feilun.train.distributed import World
from feilun.train.objectives import Batch, Doubt, Tally

WATCHED, LOST, LEAPT, DEAD = 5, 2.0, 30.0, 0.01
"""Steps that are looked at together, and nats a token: see `Likely`."""


class Likely(Tally):
    """Watches whether the answers that were good are still words to the model.

    A loss that compares answers says nothing of it: of a ruined model one of them is by chance far likelier than the other. Good
    answers may well lose likelihood where bad ones lose more, but in no sound run do they become far less likely than words
    drawn by lot (ln(vocabulary) nats a token, or what they had before, if that was more; with 60 times the learning rate of
    recipes/speedrun.toml a tiny model came 0.2 above that, and back): by `LOST` in the mean of some steps,
    or by `LEAPT` in one. Nor do they become just as likely as those, step after step, from something better: then all words are
    the same to the model. At the end of a run two steps are enough, since none comes after.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lot = math.inf
        self._steps = 0
        self._seen: list[tuple[int, float, float]] = []
        """Of the last steps that had some: their number, and the nats a token of good answers, now and before the training."""

    def saw(self, model: Transformer, policy: Tensor, reference: Tensor, lengths: Tensor) -> None:
        """``policy`` and ``reference``: sums of log-probabilities of good answers, of so many tokens (all (answers,))."""
        self._lot = math.log(model.config.vocab_size)
        self.add(nats=-policy.detach() / lengths, nats_before=-reference / lengths)

    def doubt(self, told: Mapping[str, float], *, last: bool) -> Doubt | None:
        self._steps += 1
        if "nats" in told:  # else there was no good answer
            self._seen = [*self._seen, (self._steps, told["nats"], told["nats_before"])][-WATCHED:]
        if not self._seen:
            return None
        above = [now - max(self._lot, before) for _, now, before in self._seen]
        dead = [
            abs(now - self._lot) < DEAD and before < self._lot - LOST / 4 for _, now, before in self._seen
        ]
        bad = [far > LOST or one for far, one in zip(above, dead, strict=True)]
        sure = len(bad) == WATCHED and (fmean(above) > LOST or all(dead))
        sure = sure or above[-1] > LEAPT or (last and len(bad) > 1 and all(bad[-2:]))
        if not (sure or bad[-1]):
            return None
        steps, *nats = zip(*self._seen, strict=True)
        now, before = map(fmean, nats)
        said = Text(
            f"good answers have come to {now:.3g} nats a token ({before:.3g} before the training; words drawn by lot are at "
            f"{self._lot:.3g}), so the model is ruined: the run has diverged",
            f"好的回答已变为每个 token {now:.3g} nat（训练前为 {before:.3g}，随机的词为 {self._lot:.3g}），模型已损坏，训练已发散",
        )
        return Doubt(said, self._steps - steps[bad.index(True)], sure)


class Dpo(Likely):
    """Direct preference optimisation (R. Rafailov et al. 2023, equation 7). Rows ``2 i`` are chosen over rows ``2 i + 1``.

    ``loss``: ``sigmoid``, or the squared one of IPO (M. Azar et al. 2023, equation 17). ``smoothing``: the share of pairs
    that are taken to stand the wrong way round (cDPO: E. Mitchell 2023). ``normalised``: an answer's log-probability is the
    mean over its tokens instead of their sum; in IPO it always is, as TRL has it from the authors. ``nll``: how much of the
    chosen answer's mean nats is added, lest both answers become rare (R. Pang et al. 2024, equation 2).

    A batch brings ``reference`` (rows,): sums of log-probabilities. Gives a sum over pairs.
    """

    def __init__(
        self,
        beta: float = 0.1,
        *,
        loss: Literal["sigmoid", "ipo"] = "sigmoid",
        smoothing: float = 0.0,
        normalised: bool = False,
        nll: float = 0.0,
    ) -> None:
        super().__init__()
        self._beta, self._loss, self._smoothing, self._nll = beta, loss, smoothing, nll
        self._normalised = normalised or loss == "ipo"

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        policy, lengths = answer_logprobs(model, batch, dtype)
        gained = policy - batch.facts["reference"]
        chosen, rejected = pairs(gained / lengths if self._normalised else gained)
        margin = chosen - rejected
        if self._loss == "ipo":
            nats = (margin - 1 / (2 * self._beta)).square()
        else:
            nats = -(1 - self._smoothing) * F.logsigmoid(self._beta * margin)
            nats = nats - self._smoothing * F.logsigmoid(-self._beta * margin)
        if self._nll:
            nats = nats - self._nll * (policy / lengths)[::2]
        self.add(accuracy=(margin > 0).float(), margin=self._beta * margin, chosen=self._beta * chosen)
        self.saw(model, policy[::2], batch.facts["reference"][::2], lengths[::2])
        return nats.sum()


class Kto(Likely):
    """Kahneman-Tversky optimisation (K. Ethayarajh et al. 2024, equation 8): each answer was good or was not.

    Rows ``2 i`` are the answers; rows ``2 i + 1`` the same questions with another one's answer, which tell how far the policy
    has moved at all. ``good`` and ``bad`` weigh the two kinds. A batch brings ``reference`` (rows,) and ``label`` (rows,) bool.
    Gives a sum over answers.
    """

    def __init__(
        self, beta: float = 0.1, *, good: float = 1.0, bad: float = 1.0, world: World | None = None
    ) -> None:
        super().__init__()
        self._beta, self._good, self._bad, self._world = beta, good, bad, world or World()

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        policy, lengths = answer_logprobs(model, batch, dtype)
        gained, strangers = pairs(policy - batch.facts["reference"])
        label = batch.facts["label"][::2]
        count = self._world.sum(len(strangers))
        moved = max(0.0, self._world.sum(float(strangers.detach().sum())) / max(1.0, count))
        sign = torch.where(label, 1.0, -1.0).to(gained.dtype)
        weight = torch.where(label, self._good, self._bad).to(gained.dtype)
        self.add(accuracy=((gained > moved) == label).float(), kl=gained.new_full(gained.shape, moved))
        self.add(chosen=self._beta * gained[label], rejected=self._beta * gained[~label])
        self.saw(model, policy[::2][label], batch.facts["reference"][::2][label], lengths[::2][label])
        return (weight * (1 - torch.sigmoid(sign * self._beta * (gained - moved)))).sum()


def answer_logprobs(model: Transformer, batch: Batch, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Of each row the sum of its targets' log-probabilities, and their number: both (rows,)."""
    found = model.logprobs(batch.ids, batch.targets, batch.packing, dtype)
    return found.sum(1), (batch.targets != IGNORED).sum(1).clamp(min=1)


def pairs(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The first ones and the second ones of rows that stand in pairs."""
    return rows[::2], rows[1::2]
