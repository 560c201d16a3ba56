"""The transformer and its files against transformers, both ways."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from feilun.model import checkpoint
from feilun.model.attention import Packing
from feilun.model.config import ModelConfig
from feilun.model.transformer import Transformer
from feilun.text import FeilunError
from feilun.train.recipe import ShapeRecipe

transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": 199,
    "hidden_size": 64,
    "num_hidden_layers": 7,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 112,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
    "rope_theta": 10000.0,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {"tie_word_embeddings": False}),
    "llama with llama3 rope": ("LlamaConfig", {"rope_parameters": LLAMA3}),
    "llama with linear rope": (
        "LlamaConfig",
        {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}},
    ),
    "qwen3": ("Qwen3Config", {"head_dim": 24, "tie_word_embeddings": True}),
    "gemma3": ("Gemma3TextConfig", {"head_dim": 24, "sliding_window": 8, "query_pre_attn_scalar": 24}),
}


def theirs(family: str) -> Any:
    """A random model of transformers; its norms are not just ones."""
    name, options = FAMILIES[family]
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, name)(**SIZES, **options))
    offset = 0.0 if family == "gemma3" else 1.0
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn_like(weight)
            weight.copy_(noise * 0.1 if weight.ndim > 1 else offset + noise * 0.2)
    return model.float().eval()


def ids_of(*shape: int) -> Tensor:
    return torch.randint(3, 199, shape, generator=torch.Generator().manual_seed(1))


def difference(a: Tensor, b: Tensor) -> float:
    return float(((a - b).abs().max() / b.abs().max()).detach())


@pytest.mark.parametrize("family", FAMILIES)
def test_both_ways(family: str, tmp_path: Path) -> None:
    model = theirs(family)
    model.save_pretrained(tmp_path / "theirs")
    ours = checkpoint.load(tmp_path / "theirs")
    ids = ids_of(2, 40)
    (tmp_path / "ours").mkdir()
    checkpoint.save(ours, tmp_path / "ours")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours").float().eval()
    with torch.no_grad():
        logits = ours(ids)
        assert difference(logits, model(ids).logits) <= 1e-5
        assert difference(logits, again(ids).logits) <= 1e-5
        options = {"max_new_tokens": 12, "do_sample": False}
        assert again.generate(ids[:1], **options).tolist() == model.generate(ids[:1], **options).tolist()
    assert ModelConfig.from_hf(ours.config.to_hf()) == ours.config
    assert ours.config.params == sum(weight.numel() for weight in ours.parameters())


def test_a_gemma_of_our_recipe_runs_there(tmp_path: Path) -> None:
    sizes = {"hidden_size": 64, "layers": 3, "heads": 4, "kv_heads": 2, "context": 32}
    config = ShapeRecipe.model_validate({"family": "gemma3", **sizes}).config(199, (2,), 0)
    ours = Transformer(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in ours.parameters():
            weight.normal_(0, 0.2 if weight.ndim > 1 else 0.3, generator=generator)
    checkpoint.save(ours, tmp_path)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).float().eval()
    ids = ids_of(2, 32)
    with torch.no_grad():
        assert difference(ours(ids), model(ids).logits) <= 1e-5
        made = model.generate(ids[:1, :20], max_new_tokens=12, do_sample=False, eos_token_id=None)
        assert made[0, 20:].tolist() == ours(made)[0, 19:-1].argmax(-1).tolist()
    again = ModelConfig.read(tmp_path)
    assert again == config.model_copy(update={"attention_scale": config.head_dim**-0.5})


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_documents_do_not_see_each_other(family: str, tmp_path: Path) -> None:
    theirs(family).save_pretrained(tmp_path)
    model = checkpoint.load(tmp_path)
    ids = ids_of(1, 60)
    cuts = [0, 7, 8, 40, 60]
    spans = list(itertools.pairwise(cuts))
    documents = torch.cat([torch.full((end - begin,), i) for i, (begin, end) in enumerate(spans)])[None]
    positions = torch.cat([torch.arange(end - begin) for begin, end in spans])[None]
    packed = model(ids, Packing(positions, documents))
    apart = torch.cat([model(ids[:, begin:end]) for begin, end in spans], 1)
    assert difference(packed, apart) <= 1e-5


def small(**options: Any) -> ModelConfig:
    sizes = {
        "vocab_size": 50,
        "hidden_size": 32,
        "layers": 3,
        "heads": 4,
        "kv_heads": 2,
        "head_dim": 8,
        "ffn_size": 48,
    }
    return ModelConfig(**{**sizes, **options})


def test_nats_are_those_of_the_logits_and_recomputing_changes_nothing() -> None:
    model = Transformer(small())
    model.initialise()
    ids, targets = torch.randint(0, 50, (2, 3, 9)).unbind()
    targets[:, ::2] = -100
    expected = torch.nn.functional.cross_entropy(model(ids).flatten(0, 1), targets.flatten(), reduction="sum")
    gradients: list[list[Tensor]] = []
    for model.recompute in (False, True):
        nats = model.nats(ids, targets)
        torch.testing.assert_close(nats, expected)
        gradients.append(list(torch.autograd.grad(nats, list(model.parameters()))))
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(gradients[0], list(torch.autograd.grad(expected, list(model.parameters()))))


def test_bfloat16_is_near_and_keeps_the_masters() -> None:
    model = Transformer(small())
    model.initialise()
    ids = torch.randint(0, 50, (2, 20))
    near, exact = model.hidden(ids, dtype=torch.bfloat16), model.hidden(ids)
    assert near.dtype == torch.bfloat16
    assert difference(near.float(), exact) < 0.05
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "unsupported_architecture"),
        ({"attention_bias": True}, "unsupported_option"),
        ({"hidden_act": "gelu"}, "unsupported_option"),
        ({"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}, "unsupported_option"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2}}, "unsupported_option"),
        ({"num_attention_heads": 3}, "config_invalid"),
        ({"hidden_size": "big"}, "config_invalid"),
        ({"rope_scaling": {"rope_type": "linear"}}, "config_invalid"),
        ({"rope_parameters": {"full_attention": "linear"}}, "config_invalid"),
        ({"vocab_size": 60}, "weights_do_not_fit"),
        ({"num_hidden_layers": 4}, "weights_do_not_fit"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_in_one_line(
    change: dict[str, Any], code: str, tmp_path: Path
) -> None:
    model = Transformer(small())
    model.initialise()
    checkpoint.save(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(FeilunError) as refused:
        checkpoint.load(tmp_path)
    assert refused.value.code == code
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "en", "zh"),
    [
        ([], "it is no JSON object", "不是 JSON 对象（键和值）"),
        ({"architectures": "LlamaForCausalLM"}, "architectures: Input should be a valid list", "architectures：应为列表"),
        ({"rope_scaling": "linear"}, "rope_scaling: Input should be a valid dictionary", "rope_scaling：应为对象（键和值）"),
        ({"num_attention_heads": 0, "head_dim": None}, "num_attention_heads: Input should be greater", "num_attention_heads：应大于 0"),
        ({"num_hidden_layers": None}, "num_hidden_layers: Input should be a valid integer", "num_hidden_layers：应为整数"),
        ({"rope_scaling": {"type": "linear"}}, "factor is missing", "缺少 factor"),
        ({"rope_parameters": {"full_attention": [1]}}, "its values make no sense", "其中的值不合理"),
        ("{", "not valid JSON", "不是有效的 JSON"),
        (b"\xff", "it is not UTF-8 text", "不是 UTF-8 文本"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_config_is_told_with_the_file(
    content: Any, en: str, zh: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    if isinstance(content, dict):
        content = small().to_hf() | content
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FeilunError) as refused:
        ModelConfig.read(tmp_path)
    assert refused.value.code == "config_invalid"
    assert refused.value.text.en.startswith(f"{path} cannot be used: {en}")
    assert refused.value.text.zh.startswith(f"{path} 无法使用：{zh}")


@pytest.mark.parametrize(
    ("family", "key", "same", "other"),
    [
        ("llama", "hidden_act", "swish", "gelu_pytorch_tanh"),
        ("qwen3", "hidden_act", "silu", "relu"),
        ("gemma3", "hidden_activation", "gelu_new", "gelu"),
    ],
)
def test_an_activation_is_the_familys_or_refused(family: Any, key: str, same: str, other: str) -> None:
    hf = small(family=family).to_hf()
    config = ModelConfig.from_hf(hf)
    assert ModelConfig.from_hf({**hf, key: same}) == config
    assert ModelConfig.from_hf({name: value for name, value in hf.items() if name != key}) == config
    with pytest.raises(FeilunError) as refused:
        ModelConfig.from_hf({**hf, key: other})
    for said in (refused.value.text.en, refused.value.text.zh):
        assert key in said
        assert other in said


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (Path("/nonexistent"), "boom"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_a_pickle_is_never_opened(name: str, tmp_path: Path) -> None:
    model = Transformer(small())
    checkpoint.save(model, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FeilunError, match="safetensors") as refused:
        checkpoint.load(tmp_path)
    assert "header" not in refused.value.text.zh  # the library's own words are English


@pytest.mark.parametrize(
    ("content", "en", "zh"),
    [
        ("{bad", "not valid JSON", "不是有效的 JSON"),
        ("{}", "weight_map: Field required", "weight_map：缺少此项"),
        ('{"weight_map": ["model.safetensors"]}', "weight_map: ", "weight_map：应为对象"),
        ('{"weight_map": {"a": 1}}', "weight_map.a: ", "weight_map.a：应为字符串"),
        ('{"weight_map": {"a": "../model.safetensors"}}', "no name of a file in this folder", "不是此文件夹中的文件名"),
        ('{"weight_map": {"a": "/model.safetensors"}}', "no name of a file in this folder", "不是此文件夹中的文件名"),
        ('{"weight_map": {"a": ".."}}', "no name of a file in this folder", "不是此文件夹中的文件名"),
    ],
)  # fmt: skip
def test_a_damaged_index_is_named_and_names_nothing_outside(
    content: str, en: str, zh: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    model = Transformer(small())
    model.initialise()
    checkpoint.save(model, folder)
    (folder / "model.safetensors").rename(tmp_path / "model.safetensors")
    index = folder / checkpoint.INDEX
    index.write_text(content)
    with pytest.raises(FeilunError) as refused:
        checkpoint.load(folder)
    assert refused.value.code == "weights_damaged"
    said = refused.value.text
    assert said.en.startswith(f"{index} cannot be used: ")
    assert en in said.en
    assert said.zh.startswith(f"{index} 无法使用：")
    assert zh in said.zh
    assert ": :" not in said.en
