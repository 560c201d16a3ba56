"""The sampler: the training forward's tokens and log-probabilities, whatever stands beside a row."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.shape import SHAPE

from feilun.model.checkpoint import to_hf
from feilun.model.config import ModelConfig
from feilun.model.lora import Lora, attach
from feilun.model.transformer import Transformer
from feilun.train.rollout import Answer, Sampling, choose, sample

PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [12, 13], [14, 15, 16, 17]]
STOP = [*range(3, 64, 5)]
GEMMA = {"family": "gemma3", "window": 4, "global_every": 2, "layers": 4}


def tiny(**changes: Any) -> Transformer:
    model = Transformer(ModelConfig(**SHAPE | changes))
    model.initialise(3)
    with torch.no_grad():  # logits that differ enough
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(6)
    return model


def forward(model: Transformer, prompt: list[int], answer: Answer, temperature: float) -> list[float]:
    """Log-probabilities of an answer as training computes them."""
    ids = torch.tensor([[*prompt, *answer.ids]])
    logits = model(ids)[0, len(prompt) - 1 : -1] / temperature
    return logits.log_softmax(-1).gather(1, torch.tensor(answer.ids)[:, None])[:, 0].tolist()


@pytest.mark.parametrize("changes", [{}, {"family": "llama"}, GEMMA], ids=["qwen3", "llama", "gemma3"])
def test_log_probabilities_are_those_of_the_training_forward(changes: dict[str, Any]) -> None:
    model = tiny(**changes)
    attach(model, Lora(rank=2), 1)
    sampling = Sampling(tokens=20, temperature=0.8, top_k=30, top_p=0.95)
    answers = sample(model, PROMPTS, sampling, stop=STOP, seed=1, copies=2)
    assert len({len(answer.ids) for answer in answers}) > 1, "some end before others"
    for number, answer in enumerate(answers):
        expected = forward(model, PROMPTS[number // 2], answer, 0.8)
        assert answer.logprobs == pytest.approx(expected, abs=2e-4)


def test_many_rows_are_read_as_few_are() -> None:
    model = tiny(context=128)
    for learns in attach(model, Lora(rank=2, targets=("q", "down")), 1):
        torch.nn.init.normal_(learns, std=0.1)
    prompts = [[*range(5 + number, 61)] for number in range(3)]  # 192 tokens at once, then 12 each time
    for number, answer in enumerate(sample(model, prompts, Sampling(tokens=8), stop=[], copies=4)):
        assert answer.logprobs == pytest.approx(forward(model, prompts[number // 4], answer, 1), abs=2e-4)


@pytest.mark.parametrize("changes", [{}, {"family": "llama"}, GEMMA], ids=["qwen3", "llama", "gemma3"])
def test_greedy_answers_are_transformers_own(changes: dict[str, Any]) -> None:
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import AutoConfig

    model = tiny(**changes)
    facts = model.config.to_hf()
    theirs = AutoModelForCausalLM.from_config(AutoConfig.for_model(**facts)).eval()
    theirs.load_state_dict({name: tensor.clone() for name, tensor in to_hf(model)}, strict=False)
    for prompt, answer in zip(
        PROMPTS, sample(model, PROMPTS, Sampling(tokens=16, temperature=0), stop=STOP), strict=True
    ):
        ids = torch.tensor([prompt])
        expected = theirs.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=16, eos_token_id=STOP,
            pad_token_id=0,
        )  # fmt: skip
        assert answer.ids == expected[0, len(prompt) :].tolist()


@pytest.mark.parametrize("together", [1, 2, 5])
@pytest.mark.parametrize("changes", [{}, GEMMA], ids=["qwen3", "gemma3"])
def test_answers_take_the_places_of_those_that_have_ended(changes: dict[str, Any], together: int) -> None:
    """Of 14 answers so many at a time: the same as all at once."""
    model = tiny(**changes)
    model.add_value_head()
    assert model.value is not None
    torch.nn.init.normal_(model.value.weight, generator=torch.Generator().manual_seed(2))
    prompts, sampling = [*PROMPTS, *PROMPTS[::-1], PROMPTS[1]], Sampling(tokens=12)
    at_once = sample(model, prompts, sampling, stop=STOP, seed=3, copies=2)
    assert {answer.end for answer in at_once} == {"stop", "length"}
    found = sample(model, prompts, sampling, stop=STOP, seed=3, copies=2, together=together)
    for one, other in zip(at_once, found, strict=True):
        assert (one.ids, one.end) == (other.ids, other.end)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert one.values == pytest.approx(other.values, abs=1e-3)


def test_a_row_does_not_depend_on_those_beside_it() -> None:
    model, sampling = tiny(), Sampling(tokens=24)
    together = sample(model, PROMPTS, sampling, stop=STOP, seed=4)
    assert together == sample(model, PROMPTS, sampling, stop=STOP, seed=4)
    alone = sample(model, PROMPTS[:1], sampling, stop=STOP, seed=4)
    assert together[0].ids == alone[0].ids
    assert together != sample(model, PROMPTS, sampling, stop=STOP, seed=5)


def test_a_stop_token_ends_an_answer_and_is_part_of_it() -> None:
    for answer in sample(tiny(), PROMPTS, Sampling(tokens=40), stop=STOP, seed=2, copies=4):
        if answer.end == "stop":
            assert answer.ids[-1] in STOP
            assert not set(STOP) & set(answer.ids[:-1])
        else:
            assert len(answer.ids) == 40
            assert not set(STOP) & set(answer.ids)
        assert len(answer.logprobs) == len(answer.ids)


def test_the_value_head_says_what_it_would_in_training() -> None:
    model = tiny()
    model.add_value_head()
    assert model.value is not None
    torch.nn.init.normal_(model.value.weight, generator=torch.Generator().manual_seed(0))
    for prompt, answer in zip(PROMPTS, sample(model, PROMPTS, Sampling(tokens=9), stop=STOP), strict=True):
        values = model.values(torch.tensor([[*prompt, *answer.ids]]))[0, len(prompt) - 1 : -1]
        assert answer.values == pytest.approx(values.tolist(), abs=2e-4)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**20), st.sampled_from([None, 1, 3, 20]), st.floats(0.05, 1), st.floats(0.3, 2))
def test_only_what_is_allowed_is_drawn(seed: int, k: int | None, p: float, temperature: float) -> None:
    """Against the definitions: among the k likeliest, and among the fewest whose probabilities reach p."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(1, 20, generator=generator)
    sampling = Sampling(temperature=temperature, top_k=k, top_p=p)
    chances = (logits[0] / temperature).softmax(-1)
    order = chances.argsort(descending=True).tolist()
    likelier = [float(chances[order[:n]].sum()) for n in range(20)]
    allowed = [token for token, before in zip(order, likelier, strict=True) if before < p + 1e-6][:k]
    for chance in (0.0, 0.3, 0.999999999, 1.0):
        token, logprob = choose(logits, sampling, torch.tensor([chance], dtype=torch.float64))
        assert int(token) in allowed
        assert float(logprob) == pytest.approx(float(chances[int(token)].log()), abs=1e-5)


@pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(top_k=3), Sampling(top_p=0.5), Sampling(temperature=0)]
)
def test_logits_that_are_no_numbers_give_a_token_without_a_likelihood(sampling: Sampling) -> None:
    """Not one beyond the vocabulary: who looks at the log-probability is told."""
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.0, float("nan"), 2.0]])
    token, logprob = choose(logits, sampling, torch.tensor([0.5, 0.5], dtype=torch.float64))
    assert bool(((token >= 0) & (token < 3)).all())
    assert torch.isfinite(logprob).tolist() == [True, False]


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    grid = (torch.arange(10_000) + 0.5) / 10_000
    drawn, _ = choose(logits.expand(10_000, -1), Sampling(), grid)
    shares = torch.bincount(drawn, minlength=4) / 10_000
    torch.testing.assert_close(shares, logits.softmax(-1)[0], atol=2e-4, rtol=0)
