"""Adapters against dense algebra, and their files against peft and llama.cpp."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import gguf
import httpx
import peft
import pytest
import torch
import transformers
import xllamacpp
from pydantic import ValidationError
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor

from feilun.model import checkpoint, lora_files
from feilun.model.config import ModelConfig
from feilun.model.lora import ALL_TARGETS, Lora, LoraLinear, adapter_state, adapters, attach, merge, restrict
from feilun.model.transformer import Linear, Transformer
from feilun.text import FeilunError

FAMILIES = ("llama", "qwen3", "gemma3")
KINDS = {
    "all": Lora(rank=3, alpha=5),
    "some": Lora(rank=2, alpha=8, targets=("down", "q", "v", "up")),
    "k": Lora(rank=2, alpha=2, targets=("k",)),
    "dora": Lora(rank=3, alpha=5, dora=True),
    "some dora": Lora(rank=2, alpha=8, targets=("k", "o", "gate"), dora=True),
}
VOCAB = 300


def tiny(family: Any, **sizes: Any) -> Transformer:
    """A model that has opinions: fresh ones answer nearly alike to everything."""
    gemma = {"window": 8, "global_every": 6} if family == "gemma3" else {}
    given = {"hidden_size": 32, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 12, "ffn_size": 40}
    config = ModelConfig(family=family, vocab_size=VOCAB, **{**given, **gemma, **sizes})
    model = Transformer(config)
    generator = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        deviation = 0.3 if weight.ndim == 1 else 0.2 if "embedding" in name else weight.shape[1] ** -0.5
        torch.nn.init.normal_(
            weight, 0.0 if weight.ndim == 2 else 1.0 - config.norm_offset, deviation, generator
        )
    return model


def shake(model: Transformer, deviation: float = 0.2) -> None:
    """An adapter as after training: B no longer zero, magnitudes moved."""
    generator = torch.Generator().manual_seed(2)
    for name, tensor in adapter_state(model).items():
        if not name.endswith(".a"):
            tensor += deviation * torch.randn(tensor.shape, generator=generator)


def ids(length: int = 20) -> Tensor:
    return torch.randint(VOCAB, (2, length), generator=torch.Generator().manual_seed(3))


def near(found: Tensor, expected: Tensor, relative: float = 1e-5) -> None:
    error = (found - expected).abs().max() / expected.abs().max()
    assert error < relative, f"relative error {error:.2g}"


# Algebra.


@pytest.mark.parametrize("kind", ["all", "dora", "some dora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_adapter_changes_nothing(family: str, kind: str) -> None:
    model = tiny(family)
    before = model(ids()).detach()
    attach(model, KINDS[kind])
    near(model(ids()), before, 1e-6)


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("targets", [("q", "k", "v"), ("q", "v"), ("k",)])
def test_output_and_gradients_are_those_of_dense_algebra(targets: Any, dora: bool) -> None:
    torch.manual_seed(0)
    sizes: Any = {"q": 12, "k": 6, "v": 6}
    lora = Lora(rank=3, alpha=5, targets=targets, dora=dora)
    base = Linear(10, 24).requires_grad_(False)
    module = LoraLinear(base, sizes, lora, torch.Generator())
    torch.nn.init.normal_(module.b)
    if module.magnitude is not None:
        torch.nn.init.normal_(module.magnitude, 1.0)
    x = torch.randn(2, 5, 10, requires_grad=True)
    slope = torch.randn(2, 5, 24)

    # The same from whole matrices: A and B of every part cut out again, the rest left as it was.
    a = list(module.a.chunk(len(targets)))
    b = list(module.b.split([sizes[part] for part in targets]))
    long = (
        None if module.magnitude is None else list(module.magnitude.split([sizes[part] for part in targets]))
    )
    outputs = []
    for part, weight in zip(sizes, base.weight.split(list(sizes.values())), strict=True):
        if part in targets:
            weight = weight + 5 / 3 * b.pop(0) @ a.pop(0)
            if long:
                weight = weight * (long.pop(0) / weight.detach().norm(dim=1))[:, None]
        outputs.append(x @ weight.T)
    expected = torch.cat(outputs, -1)
    learning = [x, *module.parameters()] if not lora.dora else [x, module.a, module.b, module.magnitude]
    learning = [tensor for tensor in learning if tensor is not None and tensor.requires_grad]
    wanted = torch.autograd.grad((expected * slope).sum(), learning)

    found = module(x)
    near(found, expected)
    for mine, theirs in zip(torch.autograd.grad((found * slope).sum(), learning), wanted, strict=True):
        near(mine, theirs)
    near(module.merged()(x), expected)


def test_a_starts_as_in_peft_and_b_at_zero() -> None:
    model = tiny("qwen3")
    attach(model, Lora(rank=8), seed=4)
    for name, tensor in adapter_state(model).items():
        if name.endswith(".a"):
            bound = tensor.shape[1] ** -0.5  # kaiming_uniform_(a=sqrt(5))
            assert 0.95 * bound < tensor.abs().max() <= bound
        else:
            assert not tensor.any()
    other, third = tiny("qwen3"), tiny("qwen3")
    attach(other, Lora(rank=8), seed=4)
    attach(third, Lora(rank=8), seed=5)
    key = "blocks.1.ffn.gate_up.a"
    assert torch.equal(adapter_state(model)[key], adapter_state(other)[key])
    assert not torch.equal(adapter_state(model)[key], adapter_state(third)[key])
    assert not torch.equal(*adapters(model)["blocks.0.ffn.gate_up"].a.chunk(2))


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_only_the_adapter_learns_and_it_does(family: str, kind: str, recompute: bool) -> None:
    model = tiny(family)
    model.recompute = recompute
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    learning = attach(model, KINDS[kind])
    assert {id(p) for p in learning} == {id(p) for p in model.parameters() if p.requires_grad}
    assert sum(p.numel() for p in learning) == sum(t.numel() for t in adapter_state(model).values())
    optimiser = torch.optim.AdamW(learning, lr=0.02)
    losses = []
    for _ in range(8):
        loss = model.nats(ids()[:, :-1], ids()[:, 1:])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.99 * losses[0]
    for name, tensor in model.state_dict().items():
        ours = name.replace(".base.", ".")
        assert ours not in before or torch.equal(before[ours], tensor)


@pytest.mark.parametrize("how", ["recomputed", pytest.param("compiled", marks=pytest.mark.slow)])
def test_gradients_are_the_same_when_blocks_are(how: str) -> None:
    gradients = []
    for changed in (False, True):
        model = tiny("qwen3")
        learning = attach(model, KINDS["some dora"])
        shake(model)
        if changed and how == "recomputed":
            model.recompute = True
        elif changed:
            for block in model.blocks:
                block.compile(fullgraph=True, backend="aot_eager")
        model.nats(ids()[:, :-1], ids()[:, 1:]).backward()
        gradients.append([parameter.grad for parameter in learning])
    for mine, theirs in zip(*gradients, strict=True):
        assert mine is not None
        assert theirs is not None
        near(mine, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_is_near_float32(kind: str) -> None:
    model = tiny("llama")
    attach(model, KINDS[kind])
    shake(model)
    near(model(ids(), dtype=torch.bfloat16).float(), model(ids()), 0.06)
    model.nats(ids()[:, :-1], ids()[:, 1:], dtype=torch.bfloat16).backward()
    assert all(
        p.grad is not None and p.grad.dtype == torch.float32 for p in model.parameters() if p.requires_grad
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_merged_model_is_plain_and_computes_the_same(family: str, kind: str, tmp_path: Path) -> None:
    plain, model = tiny(family), tiny(family)
    attach(model, KINDS[kind])
    shake(model)
    expected = model(ids()).detach()
    assert (expected - plain(ids())).abs().max() > 0.1
    merge(model)
    assert model.state_dict().keys() == plain.state_dict().keys()
    assert all(parameter.requires_grad for parameter in model.parameters())
    near(model(ids()), expected)
    checkpoint.save(model, tmp_path)
    near(checkpoint.load(tmp_path)(ids()), expected)


def test_an_adapter_state_goes_into_another_model() -> None:
    model, other = tiny("gemma3"), tiny("gemma3")
    attach(model, KINDS["some dora"])
    shake(model)
    attach(other, KINDS["some dora"], seed=9)
    state = adapter_state(model)
    assert not any(".base." in name or "norm" in name for name in state)
    problems = other.load_state_dict(state, strict=False)
    assert not problems.unexpected_keys
    assert torch.equal(other(ids()), model(ids()))


def test_what_cannot_be_is_said() -> None:
    model = tiny("qwen3")
    with pytest.raises(FeilunError, match="no adapter"):
        merge(model)
    attach(model, Lora())
    with pytest.raises(FeilunError, match="already"):
        attach(model, Lora())
    for wrong in ({"rank": 0}, {"alpha": 0}, {"targets": ()}, {"targets": ("lm_head",)}, {"dropout": 0.1}):
        with pytest.raises(ValidationError):
            Lora.model_validate(wrong)
    assert Lora.model_validate({"targets": ["down", "q", "q"]}).targets == ("q", "down")


# PEFT's folders.


def theirs(model: Transformer, folder: Path) -> Any:
    """The same model in transformers."""
    checkpoint.save(model, folder)
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_peft_reads_ours(family: str, kind: str, tmp_path: Path) -> None:
    model = tiny(family)
    base = theirs(model, tmp_path)
    attach(model, KINDS[kind])
    shake(model)
    (folder := tmp_path / "adapter").mkdir()
    lora_files.save_peft(model, folder, str(tmp_path))
    with torch.no_grad():
        near(model(ids()), peft.PeftModel.from_pretrained(base, str(folder))(ids()).logits)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_we_read_pefts(family: str, kind: str, tmp_path: Path) -> None:
    model, lora = tiny(family), KINDS[kind]
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=int(lora.alpha),
        target_modules=[f"{target}_proj" for target in lora.targets],
        use_dora=lora.dora,
        lora_dropout=0.1,
        init_lora_weights=False,  # B is random
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(0)
    other = peft.get_peft_model(theirs(model, tmp_path), config).eval()
    for name, tensor in other.named_parameters():
        if "magnitude" in name:
            torch.nn.init.normal_(tensor, 1.0, 0.1)
    other.save_pretrained(str(tmp_path / "adapter"))
    before = model(ids()).detach()
    assert lora_files.load_peft(model, tmp_path / "adapter") == lora
    with torch.no_grad():
        assert (model(ids()) - before).abs().max() > 0.05
        near(model(ids()), other(ids()).logits)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rank_pattern", {"q_proj": 3}),
        ("alpha_pattern", {"q_proj": 3}),
        ("bias", "all"),
        ("modules_to_save", ["lm_head"]),
        ("use_rslora", True),
        ("layers_to_transform", [0]),
        ("init_lora_weights", "pissa"),
    ],
)
def test_what_peft_can_do_and_we_cannot_is_refused_by_name(option: str, value: Any, tmp_path: Path) -> None:
    model = tiny("qwen3", tied=False)
    base = theirs(model, tmp_path)
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", **{option: value})
    peft.get_peft_model(base, config).save_pretrained(str(tmp_path / "adapter"))
    with pytest.raises(FeilunError, match=option) as raised:
        lora_files.load_peft(model, tmp_path / "adapter")
    assert raised.value.code == "unsupported_option"
    assert "\n" not in str(raised.value)
    attach(model, Lora())  # nothing was attached


def adapter_folder(tmp_path: Path) -> Path:
    model = tiny("llama")
    attach(model, Lora(rank=2))
    lora_files.save_peft(model, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (tiny("llama", layers=1), "no place for .*layers.1"),
        (tiny("llama", layers=3), "layers.2.* is missing"),
        (tiny("llama", ffn_size=48), r"\(2, 40\) instead of \(2, 48\)"),
    ],
)
def test_an_adapter_of_another_model_is_refused(model: Transformer, why: str, tmp_path: Path) -> None:
    with pytest.raises(FeilunError, match=why):
        lora_files.load_peft(model, adapter_folder(tmp_path))
    attach(model, Lora())  # nothing was attached


def test_broken_folders_are_named(tmp_path: Path) -> None:
    model, folder = tiny("llama"), adapter_folder(tmp_path)
    weights, config = folder / lora_files.WEIGHTS, folder / lora_files.CONFIG
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FeilunError, match="damaged"):
        lora_files.load_peft(model, folder)
    weights.unlink()
    with pytest.raises(FeilunError, match=r"no adapter_model\.safetensors"):
        lora_files.load_peft(model, folder)
    written = json.loads(config.read_text())
    for text, why in (
        (json.dumps({**written, "r": "many"}), "r: "),
        (json.dumps({**written, "peft_type": "IA3"}), "peft_type"),
        ("[]", "adapter_config"),
        ("{", "JSON"),
    ):
        config.write_text(text)
        with pytest.raises(FeilunError, match=why):
            lora_files.load_peft(model, folder)
    config.unlink()
    with pytest.raises(FeilunError, match="no adapter folder"):
        lora_files.load_peft(model, folder)


# llama.cpp's adapters.

GGUF_NAMES = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
    "q_norm": "attn_q_norm",
    "k_norm": "attn_k_norm",
    "input_layernorm": "attn_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def write_base(model: Transformer, path: Path) -> None:
    """A GGUF of ``model`` in float32 whose tokens are bytes; written here, apart from what is tested."""
    c = model.config
    writer = gguf.GGUFWriter(path, c.family)
    writer.add_context_length(c.context)
    writer.add_embedding_length(c.hidden_size)
    writer.add_block_count(c.layers)
    writer.add_feed_forward_length(c.ffn_size)
    writer.add_head_count(c.heads)
    writer.add_head_count_kv(c.kv_heads)
    writer.add_key_length(c.head_dim)
    writer.add_value_length(c.head_dim)
    writer.add_rope_dimension_count(c.head_dim)
    writer.add_rope_freq_base(c.rope_theta)
    writer.add_layer_norm_rms_eps(c.norm_eps)
    if c.window:
        writer.add_sliding_window(c.window)
    letters = sorted(ByteLevel.alphabet())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(letters + [f"<{i}>" for i in range(VOCAB - len(letters))])
    writer.add_token_types([gguf.TokenType.NORMAL] * VOCAB)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(VOCAB - 1)
    for name, tensor in checkpoint.to_hf(model):
        array = tensor.numpy()
        if name.endswith("norm.weight"):
            array = array + c.norm_offset
        parts = name.split(".")
        if c.family == "llama" and parts[-2] in ("q_proj", "k_proj"):
            heads = c.heads if parts[-2] == "q_proj" else c.kv_heads
            array = array.reshape(heads, 2, c.head_dim // 2, -1).swapaxes(1, 2).reshape(array.shape)
        outer = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
        if parts[1] == "layers":
            after = "post_attention_norm" if c.sandwich_norms else "ffn_norm"
            part = after if parts[-2] == "post_attention_layernorm" else GGUF_NAMES[parts[-2]]
            writer.add_tensor(f"blk.{parts[2]}.{part}.weight", array)
        else:
            writer.add_tensor(f"{outer[name.removesuffix('.weight')]}.weight", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def greedy(model: Transformer, prompt: list[int], count: int) -> list[int]:
    tokens = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            # The last token is the end, which llama.cpp is asked to ignore.
            tokens.append(int(model(torch.tensor([tokens]))[0, -1, :-1].argmax()))
    return tokens[len(prompt) :]


@pytest.mark.parametrize(("targets", "half"), [(("q", "k"), False), (ALL_TARGETS, True)])
@pytest.mark.parametrize("family", FAMILIES)
def test_llama_cpp_answers_as_we_do(family: str, targets: Any, half: bool, tmp_path: Path) -> None:
    # With q and k alone: a wrong order of their rows drowns in an adapter of everything.
    model = tiny(family, layers=7, head_dim=16, tied=False)
    prompt = ids(24)[0].tolist()
    base, count = greedy(model, prompt, 24), 24
    write_base(model, tmp_path / "base.gguf")
    attach(model, Lora(rank=4, alpha=12, targets=targets))
    shake(model, 0.5)
    if half:  # what the file will hold
        for tensor in adapter_state(model).values():
            tensor.copy_(tensor.half())
    lora_files.save_gguf(model, tmp_path / "adapter.gguf", half=half)
    assert {path.name for path in tmp_path.iterdir()} == {"base.gguf", "adapter.gguf"}
    adapted = greedy(model, prompt, count)
    assert adapted[:4] != base[:4]

    llama: Any = xllamacpp  # the stubs have what serving uses
    params = llama.CommonParams()
    params.model.path = str(tmp_path / "base.gguf")
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads, params.verbosity = 256, 1, 1, -1
    params.cache_type_k = params.cache_type_v = llama.ggml_type.GGML_TYPE_F32
    params.lora_adapters = [llama.CommonAdapterLoraInfo(str(tmp_path / "adapter.gguf"), 0.0)]
    server = llama.Server(params)

    def answer(scale: float) -> list[int]:
        request = {
            "prompt": prompt,
            "n_predict": count,
            "temperature": 0,
            "return_tokens": True,
            "ignore_eos": True,
            "cache_prompt": False,
            "lora": [{"id": 0, "scale": scale}],
        }
        with httpx.Client(base_url=server.listening_address, trust_env=False, timeout=60) as client:
            return client.post("/completion", json=request).json()["tokens"]

    assert answer(0.0) == base
    assert answer(1.0) == adapted


def test_half_is_half_as_large_and_dora_is_no_gguf(tmp_path: Path) -> None:
    model = tiny("llama", hidden_size=256, ffn_size=512)
    attach(model, Lora(rank=16))
    sizes = []
    for half in (False, True):
        lora_files.save_gguf(model, tmp_path / "a.gguf", half=half)
        sizes.append((tmp_path / "a.gguf").stat().st_size)
    assert 0.5 < sizes[1] / sizes[0] < 0.52
    merge(model)
    attach(model, Lora(dora=True))
    with pytest.raises(FeilunError, match="Merge it"):
        lora_files.save_gguf(model, tmp_path / "b.gguf")
    assert not (tmp_path / "b.gguf").exists()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_gguf_adapter_comes_back_as_it_was(family: str, tmp_path: Path) -> None:
    model = tiny(family, head_dim=16)
    attach(model, Lora(rank=4, alpha=12, targets=("q", "k", "down")))
    shake(model, 0.5)
    lora_files.save_gguf(model, tmp_path / "adapter.gguf")
    again = tiny(family, head_dim=16)
    assert lora_files.load_adapter(again, tmp_path / "adapter.gguf") == Lora(
        rank=4, alpha=12, targets=("q", "k", "down")
    )
    torch.testing.assert_close(adapter_state(again), adapter_state(model), rtol=0, atol=0)


def test_a_gguf_adapter_of_another_shape_is_refused_and_leaves_the_model(tmp_path: Path) -> None:
    model = tiny("llama")
    attach(model, Lora(rank=2))
    lora_files.save_gguf(model, tmp_path / "adapter.gguf")
    other = tiny("llama", ffn_size=96)
    with pytest.raises(FeilunError, match="does not fit") as refused:
        lora_files.load_gguf(other, tmp_path / "adapter.gguf")
    assert refused.value.code == "adapter_does_not_fit"
    attach(other, Lora(rank=2))  # it carries none
    write_base(tiny("llama"), tmp_path / "base.gguf")
    with pytest.raises(FeilunError, match="no adapter"):
        lora_files.load_gguf(tiny("llama"), tmp_path / "base.gguf")


@pytest.mark.parametrize(
    ("there", "instead", "en", "zh"),
    [
        (b"adapter.lora.alpha", b"adapter.lora.alphx", "its header lacks adapter.lora.alpha", "文件头缺少 adapter.lora.alpha"),
        (struct.pack("<f", 12), struct.pack("<f", 0), "its header makes no sense", "文件头不合理"),
        (struct.pack("<f", 12), struct.pack("<f", math.nan), "its header makes no sense", "文件头不合理"),
    ],
)  # fmt: skip
def test_a_gguf_adapter_without_a_scale_is_refused(
    there: bytes, instead: bytes, en: str, zh: str, tmp_path: Path
) -> None:
    model, path = tiny("llama"), tmp_path / "adapter.gguf"
    attach(model, Lora(rank=2, alpha=12))
    lora_files.save_gguf(model, path)
    path.write_bytes(path.read_bytes().replace(there, instead, 1))
    with pytest.raises(FeilunError) as refused:
        lora_files.load_gguf(tiny("llama"), path)
    assert refused.value.code == "bad_model_file"
    assert f"({en})" in refused.value.text.en
    assert f"（{zh}）" in refused.value.text.zh


def test_only_a_part_of_an_adapter_learns_on() -> None:
    model = tiny("llama", layers=6)
    attach(model, Lora(rank=2))
    restrict(model, "ffn", above=1 / 3)
    learns = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert learns == {
        f"blocks.{layer}.ffn.{place}.{letter}"
        for layer in (2, 3, 4, 5)
        for place in ("gate_up", "down")
        for letter in "ab"
    }
    restrict(model, "all", above=0)
    again = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert again == adapter_state(model).keys()
