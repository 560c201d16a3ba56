"""Preferences in tokens, their batches, and what a reward model makes of length."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.shape import SHAPE

from feilun.jobs import Job, list_jobs
from feilun.model.config import ModelConfig
from feilun.model.loss import IGNORED
from feilun.model.tokenizer import Tokenizer
from feilun.model.tokenizer_training import train_tokenizer
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.train.advantages import generalised, of_group, whitened
from feilun.train.before import Before
from feilun.train.conversations import read_examples
from feilun.train.dpo import Dpo, Kto, answer_logprobs
from feilun.train.judges import ByVerifier, repeated, signs_of_hacking
from feilun.train.loop import Trainer
from feilun.train.optim import OptimiserRecipe
from feilun.train.pairs import Pairs, padded, with_strangers
from feilun.train.ppo import Controller
from feilun.train.preferences import (
    Prompt,
    Side,
    Thumb,
    prompt_ids,
    read_pairs,
    read_prompts,
    read_thumbs,
    side_of,
)
from feilun.train.recipe import ConversationsRecipe
from feilun.train.reference import kept_logprobs, logprobs
from feilun.train.reward import BradleyTerry, scores
from feilun.train.rollout import Answer
from feilun.train.run_recipe import RunRecipe
from feilun.train.state import checkpoints


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


READERS = {
    "pairs": lambda files, tokenizer, heldout: read_pairs(files, tokenizer, length=99, heldout=heldout),
    "thumbs": lambda files, tokenizer, heldout: read_thumbs(files, tokenizer, length=99, heldout=heldout),
    "prompts": lambda files, tokenizer, _: read_prompts(files, tokenizer, length=99),
    "examples": lambda files, tokenizer, heldout: read_examples(
        ConversationsRecipe(heldout=heldout), files, tokenizer, length=99
    ),
}


@pytest.mark.parametrize("kind", READERS)
def test_why_nothing_is_left_to_learn_from_is_told(kind: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(FeilunError, match=r"there is not one line in .*empty\.jsonl") as refused:
        READERS[kind]([empty], tokenizer, 0.1)
    assert "没有任何数据行" in refused.value.text.zh
    if kind == "prompts":
        return
    row = {"messages": [*PAIR["messages"], PAIR["chosen"]], "label": True} if kind == "examples" else PAIR
    with pytest.raises(FeilunError, match="of 2 lines 2 are held out") as refused:
        READERS[kind](write(tmp_path / "a.jsonl", row, row), tokenizer, 0.999999)
    assert "set data.heldout = 0." in refused.value.text.en
    assert "longer" not in refused.value.text.en
    assert "共 2 行，2 行属于留出集" in refused.value.text.zh
    assert refused.value.code == "corpus_too_small"


@pytest.mark.parametrize("kind", ["pairs", "thumbs", "prompts"])
def test_a_line_without_a_question_says_so(kind: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{**PAIR, "messages": []}]
    if kind == "thumbs":
        rows.append({"messages": [PAIR["chosen"]], "label": True})
    with pytest.raises(
        FeilunError, match=f"{len(rows)} with: there is no question .first .*jsonl:1"
    ) as refused:
        READERS[kind](write(tmp_path / "a.jsonl", *rows), tokenizer, 0)
    assert "没有问题" in refused.value.text.zh


@pytest.mark.parametrize("margin", ["NaN", "1e30", "-1e30", "Infinity"])
def test_a_margin_is_a_number_of_some_nats(margin: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(PAIR)[:-1] + f', "margin": {margin}}}\n')
    with pytest.raises(FeilunError, match=r"jsonl:1: margin: ") as refused:
        read_pairs([file], tokenizer, length=99, heldout=0)
    assert refused.value.code == "bad_example"


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


def test_a_reward_that_cannot_be_reckoned_with_is_refused(tokenizer: Tokenizer) -> None:
    prompt = Prompt([5], [said("user", "去哪？")], {}, "a.jsonl:7")
    answers = [Answer([6, 7], [0.0, 0.0], [], "length"), Answer([8], [0.0], [], "length")]
    for reward in (1e300, -1e16, math.inf, math.nan):
        with pytest.raises(
            FeilunError, match=r"“去哪？” \(a\.jsonl:7\): .*from -1e\+15 to 1e\+15"
        ) as refused:
            ByVerifier(lambda row, answer, reward=reward: reward, tokenizer)([prompt] * 2, answers)
        assert refused.value.code == "verifier_failed"
        assert "checkpoint" not in refused.value.text.en, "who says this does not know of any"
    found = ByVerifier(lambda row, answer: 1e15 * len(answer), tokenizer)
    with pytest.raises(FeilunError):
        found([prompt] * 2, answers)
    assert math.isfinite(signs_of_hacking(answers, ["a", "b"], [1e15, -1e15])["length_correlation"])


def learnt_before() -> Transformer:
    """A model that knows both answers of `ASKED`."""
    model = Transformer(ModelConfig(**SHAPE))
    model.initialise(2)
    moves = torch.optim.Adam(model.parameters(), lr=1e-2)
    batch = padded([side for pair in ASKED for side in pair], 0)
    for _ in range(30):
        moves.zero_grad()
        (-answer_logprobs(model, batch, torch.float32)[0].mean()).backward()
        moves.step()
    return model


ASKED = [(Side([5, 6 + n, 40, 41, 1], 2), Side([5, 6 + n, 50, 51, 52, 1], 2)) for n in range(16)]


def preferring(
    objective: str,
    folder: Path,
    steps: int = 12,
    lr: float = 1e-3,
    ruin: Callable[[Transformer], None] | None = None,
) -> Job:
    """A run from whose third step on something happens to the weights."""
    model = learnt_before()
    before = logprobs(model, [side for pair in ASKED for side in pair], 0, torch.float32).view(-1, 2)
    facts = {"reference": before, "label": torch.arange(16) % 2 == 0}
    job = Job.create(folder, objective, "tiny", {}, argv=["true"])
    one = Trainer(
        model, Pairs(ASKED, facts, rows=8, pad_id=0), RunRecipe(steps=steps, dtype="float32", save_every=1),
        OptimiserRecipe(lr=lr, warmup=0, weight_decay=0, schedule="constant"), job,
        objective=Dpo() if objective == "dpo" else Kto(),
    )  # fmt: skip
    step, count = one.optimisers.step, itertools.count(1)

    def ruins(share: float) -> None:
        step(share)
        if ruin and next(count) >= 3:
            ruin(model)

    one.optimisers.step = ruins  # pyright: ignore[reportAttributeAccessIssue]
    with job.running():
        one.run()
    return job


def wild(by: float) -> Callable[[Transformer], None]:
    """Words are mixed up, and the model is as sure of them."""

    def ruin(model: Transformer) -> None:
        model.embedding.weight.data = torch.randn(SHAPE["vocab_size"], SHAPE["hidden_size"], generator=chance)
        model.norm.weight.data.fill_(by)

    chance = torch.Generator().manual_seed(0)
    return ruin


def dead(model: Transformer) -> None:
    """All words are the same to it."""
    model.embedding.weight.data.zero_()


@pytest.mark.parametrize("objective", ["dpo", "kto"])
@pytest.mark.parametrize(("ruin", "steps", "stopped_at"), [
    (wild(50), 12, 4), (wild(2), 12, 8), (wild(2), 5, 5), (dead, 12, 8), (dead, 5, 5),
])  # fmt: skip
def test_preferences_learnt_by_a_ruined_model_are_none(
    ruin: Callable[[Transformer], None], steps: int, stopped_at: int, objective: str, tmp_path: Path
) -> None:
    """Their losses say nothing: they are as low as those of a sound run."""
    with pytest.raises(FeilunError, match=r"good answers have come to .* nats a token") as stopped:
        preferring(objective, tmp_path, steps, ruin=ruin)
    assert stopped.value.code == "diverged"
    assert int(stopped.value.text.en.split()[1].rstrip(":")) <= stopped_at
    assert "已发散" in stopped.value.text.zh
    said = stopped.value.text.en
    assert "newest checkpoint from before is of step 2 (removed, since no good loss came after: 3)" in said
    (job,) = list_jobs(tmp_path)
    assert [path.name for path in checkpoints(job.checkpoints)] == ["step-00000001", "step-00000002"]
    assert (job.folder / "bad-batch-4.safetensors").exists()


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_a_model_that_learns_preferences_all_too_well_is_not_ruined(objective: str, tmp_path: Path) -> None:
    """Bad answers become as unlikely as can be, and good ones may lose as well."""
    job = preferring(objective, tmp_path, 60, lr=5e-3)
    assert job.state == "finished"
    step = job.last("step")
    assert step is not None
    assert {"nats", "nats_before"} <= step.keys()


def test_what_speaks_against_a_model() -> None:
    def doubts(*seen: tuple[float, float], last: bool = False) -> list[tuple[bool, int] | None]:
        objective = Dpo()
        objective._lot = 7.0
        found: list[tuple[bool, int] | None] = []
        for number, (now, before) in enumerate(seen, 1):
            doubt = objective.doubt({"nats": now, "nats_before": before}, last=last and number == len(seen))
            found.append(doubt and (doubt.sure, doubt.ago))
        return found

    assert doubts((2, 2), (6.5, 2), (8.9, 2), (7.5, 2), (8.5, 2), (8.9, 2)) == [None] * 6
    assert doubts((2, 2), (9.1, 2), (2, 2)) == [None, (False, 0), None]
    assert doubts((2, 2), (38, 2)) == [None, (True, 0)]
    assert doubts((12, 12), (13, 12), (13.9, 12.0)) == [None] * 3, "words that were unlikely before"
    assert doubts(*[(7, 2)] * 5) == [(False, n) for n in range(4)] + [(True, 4)]
    assert doubts((2, 2), (7, 2), (7.2, 2), (7, 2)) == [None, (False, 0), None, (False, 2)]
    assert doubts(*[(7, 6.9)] * 5) == [None] * 5, "it never thought any word likelier than another"
    assert doubts((2, 2), (2, 2), (9.5, 2), (9.5, 2), last=True)[-1] == (True, 1)
    assert doubts((2, 2), (2, 2), (2, 2), (9.5, 2), last=True)[-1] == (False, 0)
    objective = Kto()
    assert objective.doubt({"loss": 1.0}, last=True) is None, "no good answer was seen"
