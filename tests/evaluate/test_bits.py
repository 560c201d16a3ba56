"""Bits per byte."""

from __future__ import annotations

import math

import pytest

from feilun.evaluate.bits import Bits, bits_per_byte


def test_a_model_that_knows_nothing_needs_eight_bits_a_byte() -> None:
    text = "飞轮 flywheel".encode()
    assert bits_per_byte(len(text) * math.log(256), len(text)) == pytest.approx(8)


def test_languages_are_summed_apart_and_together() -> None:
    bits = Bits()
    assert bits.figures() == {}
    bits.add(2 * math.log(2), 4, "zh")
    bits.add(6 * math.log(2), 4, "zh")
    bits.add(3 * math.log(2), 1, "en")
    bits.add(1 * math.log(2), 3)
    assert bits.figures() == pytest.approx({"all": 1.0, "en": 3.0, "zh": 1.0})
    assert list(bits.figures()) == ["all", "en", "zh"]


def test_a_language_without_bytes_has_no_figure() -> None:
    bits = Bits()
    bits.add(0.0, 0, "en")
    assert bits.figures() == {}
    with pytest.raises(ValueError, match="0 bytes"):
        bits_per_byte(1.0, 0)
