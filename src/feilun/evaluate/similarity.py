"""How like two texts are, 0 to 1: token F1, chrF, ROUGE-L.

A token is a Chinese character or a word of letters and digits in any other script; case and width make no difference.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from feilun.evaluate.wording import normalise

_TOKEN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+")


def tokens(text: str) -> list[str]:
    """Words, and Chinese characters one by one; punctuation is left out."""
    return _TOKEN.findall(normalise(text))


def token_f1(answer: str, target: str) -> float:
    """Harmonic mean of the shares of tokens that both have, whatever their order.

    Source: Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text" (2016), section 6.1.
    """
    ours, theirs = tokens(answer), tokens(target)
    return _f1((Counter(ours) & Counter(theirs)).total(), len(ours), len(theirs))


def rouge_l(answer: str, target: str) -> float:
    """F1 of the longest common subsequence of tokens.

    Source: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries" (2004), section 3.1, with beta = 1.
    """
    ours, theirs = tokens(answer), tokens(target)
    return _f1(common_length(ours, theirs), len(ours), len(theirs))


def _f1(common: int, ours: int, theirs: int) -> float:
    return 2 * common / (ours + theirs) if common else 0.0


def common_length(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Source: Hyyrö, "Bit-Parallel LCS-length Computation Revisited" (2004): a column of the table is one integer, in
    which a zero bit says that the length grows there.
    """
    where: dict[str, int] = {}
    for at, token in enumerate(a):
        where[token] = where.get(token, 0) | 1 << at
    full = (1 << len(a)) - 1
    column = full
    for token in b:
        found = column & where.get(token, 0)
        column = ((column + found) | (column - found)) & full
    return len(a) - column.bit_count()


def chrf(answer: str, target: str, *, order: int = 6, beta: float = 2.0) -> float:
    """F-score of character n-grams up to ``order``, spaces left out; recall counts ``beta`` times as much.

    Source: Popović, "chrF: character n-gram F-score for automatic MT evaluation" (2015). As in sacrebleu, precision
    and recall are averaged over the lengths of n-grams that both texts have, and case counts.
    """
    ours, theirs = "".join(answer.split()), "".join(target.split())
    shared = range(1, min(order, len(ours), len(theirs)) + 1)
    if not shared:
        return 0.0
    precision = recall = 0.0
    for n in shared:
        mine, wanted = _grams(ours, n), _grams(theirs, n)
        common = (mine & wanted).total()
        precision += common / mine.total()
        recall += common / wanted.total()
    precision, recall = precision / len(shared), recall / len(shared)
    weight = beta * beta
    return (1 + weight) * precision * recall / (weight * precision + recall) if precision else 0.0


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[at : at + n] for at in range(len(text) - n + 1))
