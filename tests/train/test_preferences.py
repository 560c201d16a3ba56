"""Preferences in tokens, their batches, and what a reward model makes of length."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.shape import SHAPE

from feilun.jobs import Job
from feilun.model.config import ModelConfig
from feilun.model.loss import IGNORED
from feilun.model.tokenizer import Tokenizer
from feilun.model.tokenizer_training import train_tokenizer
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.train.advantages import generalised, of_group, whitened
from feilun.train.before import Before
from feilun.train.judges import repeated
from feilun.train.loop import RunRecipe, Trainer
from feilun.train.optim import OptimiserRecipe
from feilun.train.pairs import Pairs, with_strangers
from feilun.train.ppo import Controller
from feilun.train.preferences import Side, Thumb, prompt_ids, read_pairs, read_prompts, read_thumbs, side_of
from feilun.train.reference import kept_logprobs, logprobs
from feilun.train.reward import BradleyTerry, scores


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(
        iter(["小明带着风筝去了公园。 Tom saw many birds near the lake, and more." * 40]), 300
    )


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def write(path: Path, *rows: dict[str, Any]) -> list[Path]:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return [path]


PAIR = {
    "messages": [said("user", "去哪？")],
    "chosen": said("assistant", "公园"),
    "rejected": said("assistant", "lake"),
}


def test_only_the_last_answer_is_in_question(tokenizer: Tokenizer, tmp_path: Path) -> None:
    before = [said("user", "a"), said("assistant", "earlier"), said("user", "b")]
    side = side_of(tokenizer, [*before, said("assistant", "Tom")])
    assert tokenizer.decode(side.ids[side.begin :]) == "Tom<|im_end|>"
    assert prompt_ids(tokenizer, before) == side.ids[: side.begin]
    (pair,), apart, too_long = read_pairs(write(tmp_path / "a.jsonl", PAIR), tokenizer, length=99, heldout=0)
    assert (apart, too_long, pair.margin, pair.language) == ([], 0, 0.0, "all")
    assert pair.chosen.ids[: pair.chosen.begin] == pair.rejected.ids[: pair.rejected.begin]


def test_a_pair_is_two_thumbs_and_a_prompt_has_no_answer(tokenizer: Tokenizer, tmp_path: Path) -> None:
    one = {"messages": [*PAIR["messages"], PAIR["chosen"]], "label": False}
    thumbs, _, _ = read_thumbs(write(tmp_path / "a.jsonl", PAIR, one), tokenizer, length=99, heldout=0)
    assert [thumb.label for thumb in thumbs] == [True, False, False]
    assert thumbs[0].answer == thumbs[2].answer
    row = {**one, "checks": [1]}
    (prompt,), _ = read_prompts(write(tmp_path / "b.jsonl", row), tokenizer, length=99)
    assert prompt.messages == PAIR["messages"]
    assert prompt.row["checks"] == [1]


def test_what_says_nothing_is_counted_and_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    equal, empty = {**PAIR, "rejected": PAIR["chosen"]}, {**PAIR, "chosen": said("assistant", " ")}
    files = write(tmp_path / "a.jsonl", PAIR, equal, empty, equal)
    with pytest.raises(
        FeilunError, match=r"2 with: both .*jsonl:2.*1 with: an answer is empty .*jsonl:3"
    ) as refused:
        read_pairs(files, tokenizer, length=99, heldout=0)
    assert "2 行" in refused.value.text.zh
    with pytest.raises(FeilunError, match="1 are longer than 4"):
        read_pairs(write(tmp_path / "a.jsonl", PAIR), tokenizer, length=4, heldout=0)


def test_an_answer_is_the_assistants(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Else training would take an earlier answer for it, the same one on both sides, or find none."""
    before = [said("user", "a"), said("assistant", "earlier"), said("user", "b")]
    wrong = {"messages": before, "chosen": said("user", "公园"), "rejected": said("user", "lake")}
    files = write(tmp_path / "a.jsonl", PAIR, wrong, {**PAIR, "rejected": said("user", "lake")})
    for read in (
        lambda: read_pairs(files, tokenizer, length=99, heldout=0),
        lambda: read_thumbs(files, tokenizer, length=99, heldout=0),
    ):
        with pytest.raises(
            FeilunError, match=r"2 with: an answer that is not the assistant's .*jsonl:2"
        ) as refused:
            read()
        assert "2 行：回答的 role 不是 assistant" in refused.value.text.zh
    for messages in ([], before, [*before, said("assistant", " ")]):
        with pytest.raises(FeilunError, match="no answer of the assistant"):
            side_of(tokenizer, messages)


def test_a_line_that_is_no_json_has_no_place_within(tokenizer: Tokenizer, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    for row, en, zh in (
        ("{", "not valid JSON", "不是有效的 JSON"),
        ("{}", "messages: ", "messages：缺少此项"),
    ):
        file.write_text(row)
        with pytest.raises(FeilunError) as refused:
            read_pairs([file], tokenizer, length=99, heldout=0)
        assert refused.value.text.en.startswith(f"{file}:1: {en}")
        assert refused.value.text.zh.startswith(f"{file}:1：{zh}")


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 3), st.integers(1, 3))
def test_each_pair_comes_once_in_an_epoch(count: int, rows: int, accumulate: int, world: int) -> None:
    pairs = [(Side([1, 2, 3 + n, 1], 2), Side([1, 2, 3 + n] + [4] * (n % 5), 2)) for n in range(count)]
    facts = {"number": torch.arange(count)}
    seen: list[int] = []
    processes = [
        Pairs(pairs, facts, rows=rows, accumulate=accumulate, pad_id=0, rank=rank, world=world)
        for rank in range(world)
    ]
    for step in range(processes[0].steps_in_epoch):
        works = [one.at(step) for one in processes]
        assert len({(work.learnt, len(work.batches)) for work in works}) == 1
        found = [batch for work in works for batch in work.batches]
        for batch in found:
            number = batch.facts["number"]
            assert torch.equal(number[::2], number[1::2])
            for row, which in enumerate(number.tolist()):
                side = pairs[which][row % 2]
                assert batch.ids[row, : len(side.ids)].tolist() == side.ids
                wanted = batch.targets[row][batch.targets[row] != IGNORED].tolist()
                assert wanted == side.ids[side.begin :]
            seen += number[::2].tolist()
        assert sum(len(batch.ids) for batch in found) == 2 * works[0].learnt
    assert sorted(seen) == list(range(count))


def test_strangers_are_other_answers_to_the_same_questions() -> None:
    thumbs = [Thumb(Side([n, 50 + n, 9], 1), True) for n in range(3)]
    assert [two.ids for _, two in with_strangers(thumbs, 2)] == [[0, 51], [1, 52], [2, 50]]


def test_no_stranger_answers_the_same_question() -> None:
    """Of a pair both rows ask the same, and the file may end with the question that it begins with."""

    def strangers(*asked: int) -> list[int]:
        thumbs = [Thumb(Side([question, 50 + n], 1), True) for n, question in enumerate(asked)]
        found = with_strangers(thumbs, 2)
        assert [own for own, _ in found] == [thumb.answer for thumb in thumbs]
        assert [two.ids[0] for _, two in found] == list(asked)
        return [two.ids[1] - 50 for _, two in found]

    assert strangers(1, 1, 2, 2, 3, 3) == [2, 3, 4, 5, 0, 1]
    assert strangers(1, 1, 2, 1) == [2, 2, 3, 2]
    assert strangers(1, 2, 2, 2, 1, 1) == [1, 4, 5, 4, 1, 2]
    assert strangers(1, 1, 1) == [1, 2, 0]


def test_the_reference_is_kept_and_is_the_model_before(tmp_path: Path) -> None:
    model = Transformer(ModelConfig(**SHAPE))
    model.initialise(1)
    pairs = [(Side([5, 6, 7 + n, 8], 2), Side([5, 6, 9], 2)) for n in range(20)]
    sides = [side for pair in pairs for side in pair]
    file = tmp_path / "reference.safetensors"
    first = kept_logprobs(model, pairs, 0, torch.float32, file)
    before = Before(model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1)
    assert torch.equal(kept_logprobs(model, pairs, 0, torch.float32, file), first)
    moved = logprobs(model, sides, 0, torch.float32)
    with before():
        torch.testing.assert_close(logprobs(model, sides, 0, torch.float32), first.flatten())
    assert torch.equal(logprobs(model, sides, 0, torch.float32), moved)
    assert not torch.allclose(kept_logprobs(model, pairs[1:], 0, torch.float32, file), first[1:])


def test_length_control_keeps_rewards_from_counting_words(tmp_path: Path) -> None:
    """The chosen answers begin with the better of two tokens, and three in four of them are the longer ones."""
    generator = torch.Generator().manual_seed(0)

    def side(good: bool, length: int) -> Side:
        rest = torch.randint(20, 60, (length,), generator=generator).tolist()
        return Side([5, 6, 7 if good else 8, *rest], 2)

    pairs = [(side(True, long), side(False, 12 - long)) for long in [9, 9, 9, 3] * 16]
    asked = [side(good, length) for good in (True, False) for length in (3, 9) for _ in range(16)]

    def of_length(control: float) -> float:
        """How much more a long answer is worth than a short one, beside what a good one is more than a bad one."""
        model = Transformer(ModelConfig(**SHAPE))
        model.initialise(2)
        model.add_value_head()
        job = Job.create(tmp_path / f"{control}", "reward", "tiny", {}, argv=["true"])
        with job.running():
            Trainer(
                model, Pairs(pairs, {}, rows=16, pad_id=0), RunRecipe(steps=60, dtype="float32"),
                OptimiserRecipe(lr=3e-3, warmup=1, weight_decay=0), job, objective=BradleyTerry(length=control),
            ).run()  # fmt: skip
        worth = torch.tensor(scores(model, asked, 0, torch.float32)).view(2, 2, 16).mean(2)
        assert bool((worth[0] > worth[1]).all()), "good is better at both lengths"
        return float((worth[:, 1] - worth[:, 0]).mean() / (worth[0] - worth[1]).mean())

    assert abs(of_length(2.0)) < of_length(0.0) / 2


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 4), st.integers(1, 6), st.floats(0.5, 1), st.floats(0, 1), st.integers(0, 999))
def test_advantages_are_their_definition(rows: int, length: int, gamma: float, lam: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rewards, values = (torch.randn(rows, length, generator=generator, dtype=torch.float64) for _ in range(2))
    ends = torch.randint(1, length + 1, (rows,), generator=generator)
    counts = torch.arange(length) < ends[:, None]
    advantages, returns = generalised(rewards, values, counts, gamma=gamma, lam=lam)
    for row, end in enumerate(ends.tolist()):
        v = [*values[row, :end].tolist(), 0.0]
        errors = [float(rewards[row, t]) + gamma * v[t + 1] - v[t] for t in range(end)]
        for t in range(length):
            expected = sum((gamma * lam) ** k * errors[t + k] for k in range(end - t)) if t < end else 0.0
            assert float(advantages[row, t]) == pytest.approx(expected, abs=1e-9)
            assert float(returns[row, t]) == pytest.approx(expected + v[t] if t < end else 0.0, abs=1e-9)


def test_groups_whitening_control_and_repetition() -> None:
    found = of_group(torch.tensor([1.0, 3.0, 5.0, 5.0]), 2)
    torch.testing.assert_close(found, torch.tensor([-1.0, 1.0, 0.0, 0.0]) / 2**0.5, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(of_group(torch.tensor([1.0, 3.0]), 2, scaled=False), torch.tensor([-1.0, 1.0]))
    values, counts = (
        torch.tensor([[1.0, 2.0, 99.0], [6.0, 99.0, 99.0]]),
        torch.tensor([[1, 1, 0], [1, 0, 0]]).bool(),
    )
    white = whitened(values, counts)
    assert float(white[counts].mean()) == pytest.approx(0, abs=1e-6)
    assert float(white[counts].std()) == pytest.approx(1, abs=1e-4)
    assert float(white[~counts].abs().sum()) == 0
    assert float(whitened(values, counts, centred=False)[counts].mean()) == pytest.approx(3, abs=1e-5)
    controller, still = Controller(0.1, 6.0), Controller(0.1, None)
    for kl in (60.0, 6.6, 0.0):
        controller.saw(kl)
        still.saw(kl)
    assert controller.weight == pytest.approx(0.1 * 1.02 * 1.01 * 0.98)
    assert still.weight == 0.1
    assert repeated([1, 2, 3, 4] * 3) == pytest.approx(1 - 4 / 9)
    assert repeated([1, 2, 3, 4, 5]) == repeated([1]) == 0
