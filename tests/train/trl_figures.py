# pyright: reportMissingImports=false
"""What TRL makes of a few small batches: losses, and their gradients for the logits. Our objectives are compared with these.

Run with a Python that has TRL (1.4.0, the last with PPO of those tried) it prints the figures as JSON:

    PYTHONPATH=. PYTHON_WITH_TRL tests/train/trl_figures.py > tests/train/trl_figures.json

The model is a tensor of logits (and one of values) that learns; all else is drawn from fixed seeds, in float64.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from torch import Tensor

ROWS, LENGTH, VOCAB, PROMPT = 6, 9, 13, 3
BETA = 0.3
LABELS = [True, False, True]
MARGINS = [0.5, 0.0, 1.5]


def drawn(name: str, *shape: int) -> Tensor:
    """Normal float64 numbers that belong to a name."""
    return torch.randn(
        shape, generator=torch.Generator().manual_seed(sum(name.encode())), dtype=torch.float64
    )


def ids() -> Tensor:
    """(ROWS, LENGTH), of tokens 1 and up; 0 is for padding."""
    return torch.randint(1, VOCAB, (ROWS, LENGTH), generator=torch.Generator().manual_seed(7))


def lengths() -> Tensor:
    """(ROWS,): tokens of each row, prompt included."""
    return torch.tensor([9, 6, 7, 9, 5, 8])


def answered() -> Tensor:
    """(ROWS, LENGTH) bool: which tokens belong to an answer."""
    places = torch.arange(LENGTH)
    return (places >= PROMPT) & (places < lengths()[:, None])


def reference() -> Tensor:
    """(ROWS,): log-probabilities of the answers under some other model."""
    return -2.0 * (lengths() - PROMPT) + drawn("reference", ROWS)


CHOSEN_FIRST = [0, 2, 4, 1, 3, 5]
"""TRL has all chosen rows before all rejected ones; in our batches they alternate."""


def _accelerator() -> MagicMock:
    accelerator = MagicMock(device=torch.device("cpu"), num_processes=1)
    accelerator.gather = accelerator.gather_for_metrics = accelerator.reduce = lambda x, **_: x
    return accelerator


def _trainer(**facts: Any) -> SimpleNamespace:
    model = SimpleNamespace(training=True)
    facts = {"accelerator": _accelerator(), "_metrics": defaultdict(lambda: defaultdict(list))} | facts
    return SimpleNamespace(model=model, aux_loss_enabled=False, _total_train_tokens=0, **facts)


def _told(loss: Tensor, *leaves: Tensor) -> dict[str, Any]:
    loss.backward()
    return {
        "loss": loss.item(),
        "gradients": [leaf.grad.tolist() for leaf in leaves if leaf.grad is not None],
    }


def dpo(loss_type: str, smoothing: float = 0.0, rows: list[int] = CHOSEN_FIRST) -> dict[str, Any]:
    from trl import DPOTrainer

    logits = drawn("logits", ROWS, LENGTH, VOCAB).requires_grad_()
    ref = reference()[rows].chunk(2)
    trainer = _trainer(
        args=SimpleNamespace(gradient_checkpointing_kwargs=None),
        beta=BETA, loss_types=[loss_type], loss_weights=[1.0], label_smoothing=smoothing, ld_alpha=None,
        f_divergence_type="reverse_kl", precompute_ref_logps=True, use_weighting=False,
    )  # fmt: skip
    inputs = {
        "input_ids": ids()[rows],
        "attention_mask": (torch.arange(LENGTH) < lengths()[:, None]).long()[rows],
        "completion_mask": answered().long()[rows],
        "ref_chosen_logps": ref[0],
        "ref_rejected_logps": ref[1],
    }
    model = lambda **_: SimpleNamespace(logits=logits[rows])  # noqa: E731
    return _told(DPOTrainer._compute_loss(trainer, model, inputs, False), logits)


def cdpo() -> dict[str, Any]:
    """TRL's DPO knows no label smoothing of this kind any more; AOT of one pair is the same. So: pair by pair."""
    each = [dpo("aot", 0.2, [i, i + 1]) for i in range(0, ROWS, 2)]
    gradients = [torch.tensor(one["gradients"][0], dtype=torch.float64) for one in each]
    loss = sum(one["loss"] for one in each) / len(each)
    return {"loss": loss, "gradients": [(torch.stack(gradients).sum(0) / len(each)).tolist()]}


def kto() -> dict[str, Any]:
    """Rows 2 i are answers, rows 2 i + 1 the mismatched ones. The reference is shifted so that the KL is above 0."""
    from trl.experimental.kto import KTOTrainer
    from trl.trainer.utils import selective_log_softmax

    logits = drawn("logits", ROWS, LENGTH, VOCAB).requires_grad_()
    policy = (selective_log_softmax(logits[:, :-1], ids()[:, 1:]) * answered()[:, 1:]).sum(1)
    ref, label = reference() - 8.0, torch.tensor(LABELS)
    own, ref_own = policy[::2], ref[::2]
    trainer = _trainer(
        beta=BETA, calculate_KL=True, loss_type="kto", desirable_weight=1.0, undesirable_weight=1.5
    )
    losses, _, _, kl = KTOTrainer.kto_loss(
        trainer, own[label], own[~label], policy[1::2], ref_own[label], ref_own[~label], ref[1::2]
    )
    assert kl > 0
    return _told(losses.nanmean(), logits)


def reward(margin: bool, centre: float | None) -> dict[str, Any]:
    from trl import RewardTrainer

    values = drawn("values", ROWS).requires_grad_()
    trainer = _trainer(args=SimpleNamespace(center_rewards_coefficient=centre))
    inputs: dict[str, Any] = {"attention_mask": torch.ones(ROWS, LENGTH)}
    if margin:
        inputs["margin"] = torch.tensor(MARGINS, dtype=torch.float64)
    model = lambda **_: SimpleNamespace(logits=values[CHOSEN_FIRST][:, None])  # noqa: E731
    return _told(RewardTrainer.compute_loss(trainer, model, inputs), values)


def grpo(loss_type: str) -> dict[str, Any]:
    from trl import GRPOTrainer
    from trl.trainer.utils import selective_log_softmax

    logits = drawn("logits", ROWS, LENGTH, VOCAB).requires_grad_()
    answers = slice(PROMPT - 1, LENGTH - 1)
    found = selective_log_softmax(logits / 0.7, ids().roll(-1, 1))[:, answers]
    trainer = _trainer(
        args=SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1),
        _get_per_token_logps_and_entropies=lambda *_, **__: (found, torch.zeros_like(found)),
        top_entropy_quantile=1.0, off_policy_mask_threshold=None, importance_sampling_level="token", beta=BETA,
        epsilon_low=0.2, epsilon_high=0.3, loss_type=loss_type, use_vllm=False,
        current_gradient_accumulation_steps=1, _entropy_bonus_enabled=False,
    )  # fmt: skip
    mask = answered()[:, PROMPT:].long()
    inputs = {
        "prompt_ids": ids()[:, :PROMPT], "prompt_mask": torch.ones(ROWS, PROMPT),
        "completion_ids": ids()[:, PROMPT:], "completion_mask": mask,
        "advantages": drawn("advantages", ROWS),
        "old_per_token_logps": (found + 0.2 * drawn("old", ROWS, LENGTH)[:, answers]).detach(),
        "ref_per_token_logps": (found + 0.5 * drawn("far", ROWS, LENGTH)[:, answers]).detach(),
        "num_items_in_batch": mask.sum(),
    }  # fmt: skip
    return _told(GRPOTrainer._compute_loss(trainer, None, inputs), logits)


def ppo() -> dict[str, Any]:
    """One update of ``PPOTrainer.train`` on answers of full length, with what its models say put in their place."""
    from trl.experimental.ppo import ppo_trainer as module

    logits = drawn("logits", ROWS, LENGTH, VOCAB).requires_grad_()
    values = drawn("values", ROWS, LENGTH).requires_grad_()
    answers = slice(PROMPT - 1, LENGTH - 1)
    old_logits = (logits + 0.2 * drawn("old", ROWS, LENGTH, VOCAB)).detach()
    far_logits = (logits + 0.5 * drawn("far", ROWS, LENGTH, VOCAB)).detach()
    old_values = (values + 0.3 * drawn("before", ROWS, LENGTH)).detach()
    whole = ids()
    order = torch.arange(ROWS).numpy()
    args = SimpleNamespace(
        response_length=LENGTH - PROMPT, temperature=1.0, num_ppo_epochs=1, num_mini_batches=1,
        gradient_accumulation_steps=1, num_total_batches=1, total_episodes=ROWS, logging_steps=None,
        eval_steps=None, save_steps=None, batch_size=ROWS, local_rollout_forward_batch_size=ROWS,
        ds3_gather_for_generation=True, missing_eos_penalty=None, kl_estimator="k1", kl_coef=0.1,
        whiten_rewards=True, gamma=0.97, lam=0.9, local_batch_size=ROWS, local_mini_batch_size=ROWS,
        per_device_train_batch_size=ROWS, cliprange_value=0.2, cliprange=0.2, vf_coef=0.1,
        num_sample_generations=0,
    )  # fmt: skip
    caught: list[Tensor] = []
    accelerator = _accelerator()
    accelerator.backward = caught.append
    trainer = MagicMock(
        args=args, accelerator=accelerator, dataloader=[{"input_ids": whole[:, :PROMPT]}],
        processing_class=SimpleNamespace(pad_token_id=0, eos_token_id=99), stop_token_id=None,
        train_dataset_len=ROWS, is_deepspeed_enabled=False, ref_model="reference",
    )  # fmt: skip
    trainer.state = SimpleNamespace()
    trainer.model.policy = "policy"
    trainer.control.should_save = False
    accelerator.unwrap_model = lambda model: SimpleNamespace(value_model="value")

    def forward(model: Any, *_: Any) -> Any:
        if model == "reference":
            return SimpleNamespace(logits=far_logits.clone())
        return SimpleNamespace(logits=logits * 1.0), values[..., None]

    def get_reward(model: Any, *_: Any) -> Any:
        return (old_values[..., None] if model == "value" else None), drawn("scores", ROWS), None

    with (
        patch.object(
            module, "unwrap_model_for_generation", lambda *_, **__: contextlib.nullcontext(trainer.model)
        ),
        patch.object(module, "batch_generation", lambda *_: (whole, old_logits[:, answers])),
        patch.object(module, "forward", forward),
        patch.object(module, "get_reward", get_reward),
        patch.object(module.np.random, "permutation", lambda _: order),
        patch.object(module, "GenerationConfig", MagicMock()),
    ):
        module.PPOTrainer.train(trainer)
    return _told(caught[0], logits, values)


def main() -> None:
    import trl

    figures = {
        "trl": trl.__version__,
        "dpo sigmoid": dpo("sigmoid"),
        "dpo smoothed": cdpo(),
        "dpo ipo": dpo("ipo"),
        "dpo normalised": dpo("sigmoid_norm"),
        "kto": kto(),
        "reward": reward(False, None),
        "reward margin": reward(True, 0.01),
        "grpo answers": grpo("grpo"),
        "grpo tokens": grpo("bnpo"),
        "ppo": ppo(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
