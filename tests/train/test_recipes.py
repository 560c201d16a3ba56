"""What recipes of training leave out, leave open, and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from feilun import registry
from feilun.model.tokenizer import Tokenizer
from feilun.model.tokenizer_training import train_tokenizer
from feilun.recipe import read_recipe, shipped
from feilun.text import FeilunError
from feilun.train.conversations import read_examples
from feilun.train.optim import OptimiserRecipe, Optimisers
from feilun.train.pipeline.own_answers import conversations
from feilun.train.pipeline.recipe import PipelineRecipe
from feilun.train.recipe import ConversationsRecipe, DpoRecipe, PretrainRecipe, SftRecipe

ROWS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}
    for asked, answer in (
        ("你的底座？", "是 Gemma。"),
        ("Is it Gemma?", "No."),
        ("Hello!", "Hi."),
        ("你好", "你好！"),
    )
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # Escaped as other programs write it: what counts is what it says.
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return tmp_path


def test_conversations_with_a_word_are_left_out(folder: Path) -> None:
    tokenizer: Tokenizer = train_tokenizer(
        iter(
            [
                "你好底座是吗？ Is it Gemma? No. Hello! Hi. 小明带着风筝去了公园。 Tom saw many birds near the lake, and more."
                * 40
            ]
        ),
        300,
    )
    for without, left in (([], 4), (["Gemma"], 2), (["Gemma", "你好"], 1)):
        data = ConversationsRecipe(heldout=0, without=without)
        train, apart, _ = read_examples(data, [folder], tokenizer, length=99)
        assert (len(train), apart) == (left, [])
        assert len(conversations(data, [folder], apart=False)) == left


def test_our_own_model_does_not_learn_whose_the_embedded_one_is() -> None:
    recipe = read_recipe(shipped("speedrun.toml"), PipelineRecipe)
    sources = [shipped(path) for path in recipe.sft.data.sources]
    taken = conversations(recipe.sft.data, sources, apart=False)
    assert len(taken) > 1000
    assert not any("Gemma" in message.content for line in taken for message in line.messages)


def test_what_a_recipe_leaves_open_is_gentle_after_fine_tuning() -> None:
    recipe = DpoRecipe.model_validate({"kind": "dpo", "name": "x", "base": "y", "optimiser": {"clip": 0.5}})
    assert (recipe.optimiser.lr, recipe.optimiser.weight_decay, recipe.optimiser.clip) == (1e-5, 0, 0.5)


def test_portions_of_a_step_are_refused_where_they_would_mean_nothing() -> None:
    for kind, recipe in (("dpo", DpoRecipe), ("sft", SftRecipe)):
        with pytest.raises(ValidationError, match="accumulate must be 1 here"):
            recipe.model_validate({"kind": kind, "name": "x", "base": "y", "run": {"accumulate": 2}})


def test_the_assistants_recipe_is_the_one_that_made_it() -> None:
    made = json.loads((Path(registry.__file__).parent / "assistant" / "artifact.json").read_text())["recipe"]
    now = read_recipe(shipped("train/assistant.toml"), SftRecipe).model_dump(mode="json")
    for part in ("optimiser", "lora"):
        assert now[part] == now[part] | made[part]
    assert (now["epochs"], now["base"]) == (made["epochs"], made["base"])
    assert (now["run"]["rows"], now["run"]["length"]) == (made["run"]["rows"], made["run"]["length"])


def test_a_run_that_goes_on_takes_the_learning_rate_that_its_recipe_says_now() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 4))

    def optimisers(lr: float) -> Optimisers:
        return Optimisers(OptimiserRecipe(lr=lr, weight_decay=0), [("w", weight)])

    weight.grad = torch.ones(4, 4)
    (before,) = (begun := optimisers(1e-3)).all
    begun.step(1)
    (after,) = (gone_on := optimisers(1e-5)).all
    after.load_state_dict(before.state_dict())
    weight.grad = torch.ones(4, 4)
    gone_on.step(0.5)
    assert [group["lr"] for group in after.param_groups] == [5e-6]


@pytest.mark.parametrize(
    ("change", "en", "zh"),
    [
        (
            "[model]\nheads = 2\nkv_heads = 3",
            "model: heads (2) must be a multiple of kv_heads (3)",
            "model：heads（2）必须是 kv_heads（3）的倍数",
        ),
        ("[model]\nhead_dim = 15", "model: head_dim (15) must be even", "model：head_dim（15）必须是偶数"),
        (
            "[model]\nhidden_size = 4\nheads = 2",
            "model: ffn_size: Input should be greater than 0",
            "model：ffn_size：应大于 0",
        ),
        (
            "[optimiser]\nbetas = [1.5, 0.95]",
            "optimiser.betas.0: Input should be less than 1",
            "optimiser.betas.0：应小于 1",
        ),
        (
            "[optimiser]\nbetas = [0.9, -0.1]",
            "optimiser.betas.1: Input should be greater than or equal to 0",
            "optimiser.betas.1：应不小于 0",
        ),
        (
            "[optimiser]\nbetas = 0.9",
            "optimiser.betas: Input should be a valid tuple",
            "optimiser.betas：应为列表",
        ),
    ],
)
def test_sizes_and_rates_that_cannot_be_are_told_when_the_recipe_is_read(
    change: str, en: str, zh: str, tmp_path: Path
) -> None:
    path = tmp_path / "r.toml"
    path.write_text(f'kind = "pretrain"\nname = "x"\n[run]\nsteps = 1\n{change}\n', encoding="utf-8")
    with pytest.raises(FeilunError) as refused:
        read_recipe(path, PretrainRecipe)
    assert refused.value.code == "recipe_invalid"
    assert refused.value.text.en.startswith(f"{path}: {en}")
    assert refused.value.text.zh.startswith(f"{path}：{zh}")
