"""The quality classifier of GPT-3 (T. Brown et al. 2020, appendix A): how much a page is like a reference, not like raw text.

Logistic regression on hashed features: Han characters and pairs of them, Latin words and pairs of them. A text is the
vector of its counts over the square root of their number; where only the different ones matter, each counts once. The
loss is convex, so full batches and Nesterov's momentum find the same weights every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from feilun.data.repair.script import simplified
from feilun.data.score.letters import Letters, different, read
from feilun.text import FeilunError

_PAIR = np.uint64(0xC2B2AE3D27D4EB4F)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Classifier:
    """Weights of the hashed features, in steps of ``scale``, and the bias."""

    weights: NDArray[np.int8]
    """(2**bits,)"""
    scale: float
    bias: float
    distinct: bool = False
    """Whether a feature counts once, however often it comes."""

    def score(self, text: str) -> float:
        """The probability that the text is of the reference, from 0 to 1; NaN without a word.

        A share of the text in Traditional characters makes no difference.
        """
        return self.of(read(simplified(text)))

    def of(self, letters: Letters) -> float:
        """The same of the Simplified shadow, where it was read before."""
        found = features(letters, len(self.weights).bit_length() - 1)
        if self.distinct:
            found = different(found)
        if not len(found):
            return float("nan")
        total = float(self.weights[found].sum(dtype=np.int64)) * self.scale
        return _sigmoid(total / len(found) ** 0.5 + self.bias)

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        np.savez_compressed(
            path,
            weights=self.weights,
            scale=np.float64(self.scale),
            bias=np.float64(self.bias),
            distinct=np.bool_(self.distinct),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises `FeilunError` for a file that holds no classifier."""
        try:
            with np.load(path, allow_pickle=False) as file:
                distinct = bool(file["distinct"]) if "distinct" in file else False  # older ones have no such
                weights = file["weights"].astype(np.int8)
                return cls(weights, float(file["scale"]), float(file["bias"]), distinct)
        except (OSError, ValueError, KeyError) as error:
            raise FeilunError(
                f"{path} holds no quality classifier: {error}",
                f"{path} 不是质量分类器：{error}",
                code="bad_classifier",
            ) from error


def features(letters: Letters, bits: int) -> NDArray[np.intp]:
    """Hashed features of a text, repeated as they occur (features,): its units, and pairs of the same script."""
    units = letters.units
    word = units.han | units.latin
    single = units.hashes[word] * _FACTOR
    same = (units.han[1:] & units.han[:-1]) | (units.latin[1:] & units.latin[:-1])
    double = (units.hashes[:-1] * _PAIR + units.hashes[1:])[same] * _FACTOR
    return (np.concatenate((single, double)) >> np.uint64(64 - bits)).astype(np.intp)


def train(
    reference: Iterable[str],
    raw: Iterable[str],
    *,
    bits: int = 18,
    l2: float = 1e-4,
    rounds: int = 200,
    distinct: bool = False,
) -> Classifier:
    """Learn to tell the texts apart. Both sides weigh the same, however many texts they have.

    Args:
        bits: of the hash; the classifier takes 2**bits bytes.
        l2: strength of the penalty on the weights, of which the mean loss is 1 at most at the start.
        rounds: steps at most; it ends sooner where the gradient vanishes.
        distinct: each feature of a text counts once: for texts that are told by what is in them, not by how much.

    Raises `FeilunError` if a side has no text.
    """
    good = [one for one in (_read(text, bits, distinct) for text in reference) if len(one)]
    bad = [one for one in (_read(text, bits, distinct) for text in raw) if len(one)]
    if not good or not bad:
        raise FeilunError(
            "The quality classifier needs texts on both sides, reference and raw.",
            "训练质量分类器需要参考文本和原始文本，两者都不能为空。",
            code="nothing_to_train",
        )
    weights, bias = _fit(good, bad, 1 << bits, l2, rounds)
    scale = max(float(np.abs(weights).max()), 1e-9) / 127
    return Classifier(np.rint(weights / scale).astype(np.int8), scale, bias, distinct)


def _read(text: str, bits: int, distinct: bool) -> NDArray[np.intp]:
    found = features(Letters(simplified(text)), bits)
    return different(found).astype(np.intp) if distinct else found


def _fit(
    good: Sequence[NDArray[np.intp]], bad: Sequence[NDArray[np.intp]], size: int, l2: float, rounds: int
) -> tuple[NDArray[np.float64], float]:
    """Weights (size,) and bias at the minimum of the mean logistic loss with an L2 penalty."""
    columns, rows, values = _sparse([*good, *bad], size)
    count = len(good) + len(bad)
    wanted = np.repeat((1.0, 0.0), (len(good), len(bad)))
    share = np.repeat((0.5 / len(good), 0.5 / len(bad)), (len(good), len(bad)))
    squares = np.bincount(rows, values**2, minlength=count)
    # The loss curves by a quarter of the squared length of an example at most.
    step = 1 / (0.25 * float(share @ (squares + 1)) * 2 + l2)
    at = np.zeros(size + 1)
    ahead = at.copy()
    momentum = 1.0
    for _ in range(rounds):
        logits = np.bincount(rows, values * ahead[columns], minlength=count) + ahead[-1]
        errors = share * (_sigmoids(logits) - wanted)
        gradient = np.bincount(columns, values * errors[rows], minlength=size + 1) + l2 * ahead
        gradient[-1] = errors.sum()
        if float(np.abs(gradient).max()) < 1e-9:
            break
        new = ahead - step * gradient
        if float(gradient @ (new - at)) > 0:  # it climbs: O'Donoghue and Candes 2015 start the momentum anew
            momentum = 1.0
        later = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = new + (momentum - 1) / later * (new - at)
        at, momentum = new, later
    return at[:-1], float(at[-1])


def _sparse(
    texts: Sequence[NDArray[np.intp]], size: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Column, row and value of each entry."""
    columns: list[NDArray[np.intp]] = []
    values: list[NDArray[np.float64]] = []
    for found in texts:
        distinct, times = np.unique(found, return_counts=True)
        columns.append(distinct)
        values.append(times / len(found) ** 0.5)
    lengths = [len(one) for one in columns]
    return np.concatenate(columns), np.repeat(np.arange(len(texts)), lengths), np.concatenate(values)


def _sigmoid(value: float) -> float:
    return float(_sigmoids(np.array([value]))[0])


def _sigmoids(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * (1 + np.tanh(0.5 * values))
