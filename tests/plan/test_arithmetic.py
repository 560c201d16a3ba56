"""The planner's counts, held against PyTorch's own on real small models, and against published figures."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feilun.model.config import ModelConfig
from feilun.plan.arithmetic import (
    Model,
    activation_bytes_per_layer,
    decode_flops_per_token,
    feilun_saved_bytes,
    interleaved_share,
    kv_bytes,
    kv_bytes_per_token,
    shape_of,
    train_flops_per_token,
)

QWEN = ModelConfig(
    family="qwen3", vocab_size=1024, hidden_size=128, layers=3, heads=4, kv_heads=2, head_dim=32, ffn_size=344
)
LLAMA = QWEN.model_copy(update={"family": "llama", "kv_heads": 4, "tied": False})
GEMMA = QWEN.model_copy(update={"family": "gemma3", "window": 128, "global_every": 3})


@pytest.mark.parametrize("config", [QWEN, LLAMA, GEMMA], ids=lambda config: config.family)
def test_parameters_and_cache_are_pytorchs(config: ModelConfig) -> None:
    torch = pytest.importorskip("torch")
    from feilun.model.transformer import Transformer

    model = Transformer(config)
    assert sum(weight.numel() for weight in model.parameters()) == Model.of_config(config).params
    k = torch.zeros(config.layers, 2, 100, config.kv_heads, config.head_dim, dtype=torch.bfloat16)
    assert kv_bytes_per_token(config) * 100 == k.nbytes
    kept = [min(100, 40) if config.is_local(i) else 100 for i in range(config.layers)]
    narrow = config.model_copy(update={"window": 40 if config.window else None})
    if config.window:
        assert kv_bytes(narrow, 100) == 2 * 2 * sum(kept) * config.kv_heads * config.head_dim
    else:
        assert kv_bytes(config, 100) == k.nbytes


@pytest.mark.parametrize("config", [QWEN, LLAMA], ids=lambda config: config.family)
@pytest.mark.parametrize("length", [256, 1024])
def test_operations_are_those_that_pytorch_counts(config: ModelConfig, length: int) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from feilun.model.transformer import Transformer

    model = Transformer(config)
    model.initialise()
    ids = torch.randint(config.vocab_size, (2, length + 1))
    with FlopCounterMode(display=False) as counter:
        model.nats(ids[:, :-1], ids[:, 1:]).backward()
    counted = counter.get_total_flops() / (2 * length)
    # Attention's blocks compute the whole of the last block of 128 scores, which causality would halve; without queries that ask for
    # it, half a block a token more than the formula.
    attention = 6.0 * 128 * config.layers * config.heads * config.head_dim
    wanted = train_flops_per_token(Model.of_config(config), length) + attention
    assert counted == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("config", [QWEN, LLAMA, GEMMA], ids=lambda config: config.family)
@pytest.mark.parametrize(("rows", "length", "dtype"), [(2, 256, "float32"), (3, 384, "bfloat16")])
def test_what_is_kept_for_the_backward_pass_is_what_pytorch_keeps(
    config: ModelConfig, rows: int, length: int, dtype: str
) -> None:
    torch = pytest.importorskip("torch")
    from feilun.model.transformer import Transformer

    model = Transformer(config)
    model.initialise()
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    ids = torch.randint(config.vocab_size, (rows, length + 1))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model.nats(ids[:, :-1], ids[:, 1:], dtype=getattr(torch, dtype))
    assert loss.isfinite()
    saved = sum(storage.nbytes() for storage in kept.values())
    element = 2 if dtype == "bfloat16" else 4
    assert feilun_saved_bytes(config, rows, length, element) == pytest.approx(saved, rel=0.03)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_state_bytes_are_those_of_a_step(kind: str) -> None:
    torch = pytest.importorskip("torch")
    from feilun.model.transformer import Transformer
    from feilun.plan.memory import SCHEMES
    from feilun.train.optim import OptimiserRecipe, Optimisers

    config = QWEN.model_copy(update={"layers": 12, "vocab_size": 256})
    model = Transformer(config)
    model.initialise()
    optimisers = Optimisers(OptimiserRecipe(kind=kind), model.named_parameters())  # pyright: ignore[reportArgumentType]
    ids = torch.randint(config.vocab_size, (1, 33))
    model.nats(ids[:, :-1], ids[:, 1:]).backward()
    weights = sum(weight.nbytes for weight in model.parameters())
    gradients = sum(weight.grad.nbytes for weight in model.parameters() if weight.grad is not None)
    optimisers.step(1.0)
    moments = sum(
        value.nbytes
        for optimiser in optimisers.all
        for state in optimiser.state.values()
        for value in state.values()
        if torch.is_tensor(value)
    )
    scheme = SCHEMES["amp" if kind == "adamw" else kind]
    assert config.params * scheme.bytes_per_param == pytest.approx(weights + gradients + moments, rel=0.03)


# V. Korthikanti et al. 2022: table 3 gives the shapes, section 4 the formulas; 22B: s 2048, h 6144, a 64, L 48, t 8.
GPT_175B = shape_of(175e9)


def test_megatrons_published_activations() -> None:
    """Section 4.2: for GPT-3 175B and MT-NLG 530B 5 a s / h is 80 and 64; "selective" saves 70% and 65%."""
    mtnlg = GPT_175B.model_copy(update={"hidden_size": 20480, "heads": 128, "layers": 105})
    for config, scores, saved in ((GPT_175B, 80, 0.70), (mtnlg, 64, 0.65)):
        sbh = 2048 * config.hidden_size
        whole = activation_bytes_per_layer(config, 1, 2048)
        assert whole == (34 + scores) * sbh
        selective = activation_bytes_per_layer(config, 1, 2048, recompute="selective")
        assert selective == 34 * sbh
        assert 1 - selective / whole == pytest.approx(saved, abs=0.005)
        assert activation_bytes_per_layer(config, 1, 2048, tensor=8) == (10 + 24 / 8 + scores / 8) * sbh
        assert activation_bytes_per_layer(config, 1, 2048, tensor=8, sequence=True) == (34 + scores) / 8 * sbh
        assert activation_bytes_per_layer(config, 1, 2048, recompute="full") == 2 * sbh
    assert interleaved_share(8, 3) == 1 + 7 / 24


def test_gpt3s_shape_and_operations() -> None:
    """T. Brown et al. 2020, tables 2.1 and D.1: 96 layers of 12,288; 3.14e23 operations on 300B tokens."""
    assert (GPT_175B.layers, GPT_175B.hidden_size, GPT_175B.heads) == (96, 12288, 96)
    assert GPT_175B.params == pytest.approx(174.6e9, rel=0.001)
    assert train_flops_per_token(Model.of_size(175e9), 2048) * 300e9 == pytest.approx(3.14e23, rel=0.02)
    # D. Narayanan et al. 2021, equation 3, with the vocabulary's share: 96 B s l h^2 (1 + s / 6 h + V / 16 l h), attention whole.
    layers, h, s, v = 96, 12288, 2048, 51200
    paper = 96 * layers * h**2 * (1 + s / (6 * h) + v / (16 * layers * h))
    ours = train_flops_per_token(Model.of_size(GPT_175B.params, config=GPT_175B), s, "full")
    causal = 8 * layers * s * h  # which counts half of it
    assert ours + causal == pytest.approx(paper, rel=0.002)


def test_a_step_of_decoding() -> None:
    model = Model.of_config(QWEN)
    assert decode_flops_per_token(model, 0) == 2 * model.active
    assert decode_flops_per_token(model, 100) - 2 * model.active == 4 * 100 * QWEN.layers * 4 * 32


@given(st.floats(1e6, 5e12))
def test_a_guessed_shape_has_about_so_many_parameters(params: float) -> None:
    assert shape_of(params).params == pytest.approx(params, rel=0.35)
    if params > 1e9:
        assert shape_of(params).params == pytest.approx(params, rel=0.05)
