"""A reward model: how good an answer is, learnt from which of two was preferred."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from feilun.model import checkpoint
from feilun.model.loss import IGNORED
from feilun.model.tokenizer import Tokenizer
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.train.distributed import World
from feilun.train.dpo import pairs
from feilun.train.objectives import Batch, Tally
from feilun.train.pairs import padded
from feilun.train.preferences import Pair, Side

HEAD = "value_head.safetensors"
ROWS = 16
"""Rows that are computed at a time."""


class BradleyTerry(Tally):
    """The chosen answer is worth more (R. Bradley and M. Terry 1952; L. Ouyang et al. 2022, equation 1), by the pair's
    ``margin`` if it has one (H. Touvron et al. 2023, equation 2).

    ``centre``: weight of the squared sum of both, which keeps worths around 0 (J. Eisenstein et al. 2023, section 2).
    ``length``: weight of the squared correlation of worth and length of the answers in a batch, all processes' rows together,
    so that words do not count because they are many (L. Chen et al. 2024, "ODIN", equation 5). Rows ``2 i`` are chosen over rows
    ``2 i + 1``; a batch may bring ``margin`` (rows,). Gives a sum over pairs.
    """

    def __init__(self, *, centre: float = 0.0, length: float = 0.0, world: World | None = None) -> None:
        super().__init__()
        self._centre, self._length, self._world = centre, length, world or World()

    def __call__(self, model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
        worth = worths(model, batch, dtype)
        chosen, rejected = pairs(worth)
        margin = chosen - rejected
        wanted = batch.facts["margin"][::2].to(worth.dtype) if "margin" in batch.facts else 0.0
        nats = -F.logsigmoid(margin - wanted)
        if self._centre:
            nats = nats + self._centre * (chosen + rejected).square()
        related = correlation(worth, (batch.targets != IGNORED).sum(1), self._world)
        self.add(accuracy=(margin > 0).float(), margin=margin, reward=worth, length_correlation=related)
        if not self._length:
            return nats.sum()
        # One penalty for each pair. Those of the others depend on these rows too, but have no gradient for them.
        penalty, own, all_pairs = related.square(), len(margin), self._world.sum(len(margin))
        return nats.sum() + self._length * (all_pairs * penalty + (own - all_pairs) * penalty.detach())


def worths(model: Transformer, batch: Batch, dtype: torch.dtype) -> Tensor:
    """The value (rows,) of each row at its last target's token: where the answer has ended."""
    values = model.values(batch.ids, batch.packing, dtype)
    places = torch.arange(batch.targets.shape[1], device=values.device)
    last = torch.where(batch.targets != IGNORED, places, -1).amax(1) + 1
    return values.gather(1, last[:, None])[:, 0]


def correlation(a: Tensor, b: Tensor, world: World | None = None) -> Tensor:
    """Pearson's correlation of two (n,), of all processes' together, near 0 where one of them hardly varies. What the others
    have is a constant to the gradient.
    """
    world = world or World()

    def total(x: Tensor) -> Tensor:
        own = x.sum()
        return own + world.sum(float(own.detach())) - own.detach() if world.size > 1 else own

    b = b.to(a.dtype)
    count = world.sum(len(a))
    # A mean is a constant as well: what the sums below owe to it is 0 over all processes, but not in each.
    a, b = a - total(a).detach() / count, b - total(b) / count
    size = (total(a.square()) * total(b.square())).clamp(min=1e-12).sqrt()
    return total(a * b) / size


class RewardModel:
    """A folder of `feilun train` with a recipe of kind ``reward``: a transformer, its value head, its tokenizer."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, dtype: torch.dtype = torch.float32) -> None:
        self._model, self.tokenizer, self._dtype = model, tokenizer, dtype
        model.requires_grad_(requires_grad=False).eval()

    @classmethod
    def load(
        cls,
        folder: Path,
        policy: Tokenizer | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> RewardModel:
        """Raises `FeilunError` if it is none, or reads other tokens than the ``policy`` that it is to judge."""
        if not (folder / HEAD).is_file():
            raise FeilunError(
                f"{folder} is no reward model: it has no {HEAD}. Train one with a recipe of kind 'reward'.",
                f"{folder} 不是奖励模型：缺少 {HEAD}。请先用 kind 为“reward”的配方训练。",
                code="no_reward_model",
            )
        tokenizer = Tokenizer.load(folder)
        if policy is not None and policy.fingerprint != tokenizer.fingerprint:
            raise FeilunError(
                f"The reward model in {folder} was trained with another tokenizer than the model it is to judge. "
                "Train it from the same base.",
                f"{folder} 中的奖励模型所用的分词器与被评判的模型不同。请从同一个基座模型训练。",
                code="other_tokenizer",
            )
        model = checkpoint.load(folder, dtype)
        model.add_value_head()
        assert model.value is not None
        model.value.weight.data.copy_(load_file(folder / HEAD)["value.weight"])
        return cls(model.to(device), tokenizer, dtype)

    def save(self, folder: Path) -> None:
        """Write it into an existing folder."""
        assert self._model.value is not None
        checkpoint.save(self._model, folder)
        head = {"value.weight": self._model.value.weight.detach().contiguous()}
        checkpoint.save_tensors(head, folder / HEAD)
        self.tokenizer.save(folder)

    def score(self, sides: Sequence[Side]) -> list[float]:
        """What each answer is worth."""
        return scores(self._model, sides, self.tokenizer.pad_id, self._dtype)


@torch.no_grad()
def scores(model: Transformer, sides: Sequence[Side], pad_id: int, dtype: torch.dtype) -> list[float]:
    """What a model with a value head finds each answer worth."""
    found = [0.0] * len(sides)
    order = sorted(range(len(sides)), key=lambda number: len(sides[number].ids))
    for begin in range(0, len(order), ROWS):
        numbers = order[begin : begin + ROWS]
        batch = padded([sides[number] for number in numbers], pad_id).to(model.device)
        for number, worth in zip(numbers, worths(model, batch, dtype), strict=True):
            found[number] = float(worth)
    return found


def accuracy(judged: Sequence[Pair], margins: Sequence[float]) -> dict[str, float]:
    """The share of pairs whose chosen answer is worth more, by ``margins``: of all, of each language, and of those whose
    chosen answer is the ``longer`` or the ``shorter`` one. A model that counts words is good at the first of these only.
    """
    kinds: dict[str, list[bool]] = {}
    for pair, margin in zip(judged, margins, strict=True):
        longer = len(pair.chosen.ids) - len(pair.rejected.ids)
        names = ["all"] if pair.language == "all" else ["all", pair.language]
        names += [] if longer == 0 else ["longer" if longer > 0 else "shorter"]
        for name in names:
            kinds.setdefault(name, []).append(margin > 0)
    return {name: sum(right) / len(right) for name, right in sorted(kinds.items())}
