"""The quality classifier, against a dense twin solved by Newton's method."""

from pathlib import Path

import numpy as np
import pytest

from feilun.data.labelled import pages
from feilun.data.score import quality
from feilun.data.score.classifier import Classifier, features, train
from feilun.data.score.letters import Letters
from feilun.text import FeilunError

GOOD = [
    "春天的湖边有很多鸟。",
    "老人在树下读书，风很轻。",
    "The river is quiet in the morning.",
    "他们把粮食收进了仓库。",
]
BAD = ["包邮包邮立即抢购", "点击购买优惠券领取", "buy now cheap pills buy now", "限时秒杀加微信领取"]


def newton(good: list[str], bad: list[str], bits: int, l2: float) -> tuple[np.ndarray, float]:
    found = [features(Letters(text), bits) for text in [*good, *bad]]
    x = np.stack([np.bincount(one, minlength=1 << bits) / len(one) ** 0.5 for one in found])
    x = np.hstack([x, np.ones((len(x), 1))])
    y = np.array([1.0] * len(good) + [0.0] * len(bad))
    share = np.array([0.5 / len(good)] * len(good) + [0.5 / len(bad)] * len(bad))
    penalty = np.diag([l2] * (1 << bits) + [0.0])
    w = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ w))
        gradient = x.T @ (share * (p - y)) + penalty @ w
        hessian = (x.T * (share * p * (1 - p))) @ x + penalty
        w -= np.linalg.solve(hessian, gradient)
    return w[:-1], float(w[-1])


def test_it_finds_the_minimum_that_newton_finds() -> None:
    model = train(GOOD, BAD, bits=6, l2=0.01, rounds=3000)
    weights, bias = newton(GOOD, BAD, 6, 0.01)
    assert model.weights * model.scale == pytest.approx(weights, abs=model.scale)  # rounded to its steps
    assert model.bias == pytest.approx(bias, abs=1e-4)


def test_where_features_are_distinct_what_comes_again_counts_once(tmp_path: Path) -> None:
    model = train(GOOD, BAD, bits=14, distinct=True)
    text = "老人在树下读书"
    assert model.score("buy now " * 50) == model.score("buy now buy")
    model.save(tmp_path / "model.npz")
    assert Classifier.load(tmp_path / "model.npz").score(text) == model.score(text)
    counting = train(GOOD, BAD, bits=14)
    assert counting.score("buy now " * 50) < counting.score("buy now buy")


def test_it_tells_the_sides_apart_and_reads_both_scripts() -> None:
    model = train(GOOD, BAD, bits=14)
    assert min(map(model.score, GOOD)) > max(map(model.score, BAD))
    assert model.score("老人在樹下讀書，風很輕。") == model.score("老人在树下读书，风很轻。")
    assert np.isnan(model.score("123 !!!"))


def test_training_repeats_and_saving_keeps_every_bit(tmp_path: Path) -> None:
    first, second = train(GOOD, BAD, bits=10), train(GOOD, BAD, bits=10)
    assert np.array_equal(first.weights, second.weights)
    assert (first.scale, first.bias) == (second.scale, second.bias)
    first.save(tmp_path / "model.npz")
    again = Classifier.load(tmp_path / "model.npz")
    assert [again.score(text) for text in GOOD] == [first.score(text) for text in GOOD]


def test_a_side_without_text_and_a_file_without_a_model_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FeilunError, match="both sides"):
        train(GOOD, [])
    (tmp_path / "model.npz").write_bytes(b"nothing")
    with pytest.raises(FeilunError, match="classifier"):
        Classifier.load(tmp_path / "model.npz")


def test_the_shipped_one_is_small_and_knows_bad_pages() -> None:
    path = Path(__file__).parents[2] / "recipes/data/quality.npz"
    assert path.stat().st_size <= 2_000_000
    score = quality()
    assert score is not None
    found = pages(11)
    good = np.array([score(page.text) for page in found if page.kind == "clean"])
    bad = np.array([score(page.text) for page in found if page.kind in ("spam", "gambling")])
    assert np.mean(good[:, None] > bad[None, :]) > 0.9
