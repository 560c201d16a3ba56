"""GGUF in and out, with llama.cpp as the judge of what we write and of the ids we give."""

from __future__ import annotations

import json
import re
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import tokenizers
import torch
import torch.nn.functional as F
import typer
import xllamacpp
from gguf import GGMLQuantizationType as Q
from gguf.quants import dequantize, quantize
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers
from typer.testing import CliRunner

from feilun.commands import convert
from feilun.model import checkpoint
from feilun.model.config import ModelConfig, RopeScaling
from feilun.model.gguf import divergence, export_gguf, import_gguf, probe, read_model
from feilun.model.gguf_names import from_gguf, to_gguf
from feilun.model.gguf_tokenizer import PRE_TOKENISERS, pre_tokeniser_name, read_tokenizer
from feilun.model.lora_files import load_gguf
from feilun.model.tokenizer import Tokenizer
from feilun.model.transformer import Transformer
from feilun.registry import ASSISTANT, SMALLEST, Release
from feilun.registry.gguf import read_header
from feilun.registry.sources import ensure
from feilun.text import FeilunError

TEXT = Path(__file__).read_text(encoding="utf-8") + "飞轮是一个开源项目，让大语言模型越用越好。" * 30
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NASTY = [
    "",
    " ",
    "  a   b\t\tc",
    "\n\n\n \n x\r\n\r\n",
    "你好，世界！飞轮２０２４年１１月，共计123個。",
    "全角\u3000空格\u3000\u3000段落",
    "🦙🦙 llamas 👨‍👩‍👧‍👦 🇨🇳🙂🙂🙂",
    "12345 67.89 1,000,000 ½ ① Ⅷ ²³",
    "it's I'LL we'Ve DON'T ’s 'tis",
    "naïve café e\u0301 A\u030a ﬁ",
    "<b>x</b>▁▁a▁b<0x0A>",
    "\u200b\ufeff\x01\x85\u2028\u00a0x\u00a0",
    "x" * 300 + "-" * 77 + "=" * 35 + " " * 40 + "\n" * 40,
    "हिन्दी עברית عربى ไทย 한국어 ひらがなカタカナ",
    "    def f(x):\n        return x  # “‘’”……——",
    TEXT,
]

common: dict[str, Any] = {
    "hidden_size": 64, "layers": 3, "heads": 4, "kv_heads": 2, "head_dim": 32, "ffn_size": 96, "context": 256,
    "bos_id": 0, "eos_ids": (2, 0), "pad_id": 0,
}  # fmt: skip
CONFIGS = {
    "llama": ModelConfig(family="llama", vocab_size=544, tied=False, norm_eps=1e-5, **common),
    "llama3": ModelConfig(
        family="llama",
        vocab_size=544,
        rope_theta=500_000.0,
        rope_scaling=RopeScaling(kind="llama3", factor=8.0),
        **{**common, "context": 4096},
    ),
    "qwen3": ModelConfig(family="qwen3", vocab_size=544, rope_theta=1e6, **common),
    "gemma3": ModelConfig(
        family="gemma3", vocab_size=800, rope_theta=1e6, rope_local_theta=10_000.0,
        rope_scaling=RopeScaling(kind="linear", factor=8.0), window=8, global_every=2, attention_scale=32**-0.5,
        **{**common, "bos_id": 2, "eos_ids": (1, 4)},
    ),
    "gemma3 without window": ModelConfig(
        family="gemma3", vocab_size=800, attention_scale=32**-0.5, **{**common, "bos_id": 2, "eos_ids": (1, 4)}
    ),
}  # fmt: skip


class Llama:
    """llama.cpp on a file, started as `feilun.serve.engines.llamacpp` does, with its own tokeniser within reach."""

    def __init__(self, path: Path, context: int = 256, adapter: Path | None = None) -> None:
        folder = Path(tempfile.mkdtemp(prefix="llama-"))
        params, key = xllamacpp.CommonParams(), secrets.token_urlsafe()
        params.model.path = str(path)
        params.n_parallel, params.n_ctx = 1, context
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.cache_ram_mib, params.cache_idle_slots = 0, False
        params.hostnames, params.api_keys, params.ui = [str(folder / "llama.sock")], [key], False
        params.verbosity = -1
        if adapter:
            params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
        self.server = xllamacpp.Server(params)
        self.http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(folder / "llama.sock")),
            base_url="http://llama",
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        response = self.http.post(path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def ids(self, text: str, *, specials: bool = False, begin: bool = False) -> list[int]:
        return self.post("/tokenize", content=text, parse_special=specials, add_special=begin)["tokens"]

    def continued(self, prompt: list[int], count: int) -> list[int]:
        return self.post(
            "/completion", prompt=prompt, n_predict=count, temperature=0, return_tokens=True, ignore_eos=True
        )["tokens"]


def byte_level(pre: str = "qwen2") -> dict[str, Any]:
    """The content of a ``tokenizer.json`` of ours, of 512 tokens."""
    made = tokenizers.Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    cut = [pre_tokenizers.Split(tokenizers.Regex(regex), "isolated") for regex in PRE_TOKENISERS[pre]]
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [*cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator([TEXT], trainer)
    return json.loads(made.to_str())


def sentencepiece() -> tuple[tokenizers.Tokenizer, dict[str, Any]]:
    """A tokenizer of Gemma's kind, from such metadata as Gemma's GGUF has."""
    learner = tokenizers.Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    learner.train_from_iterator([TEXT.replace(" ", "▁")], trainers.BpeTrainer(vocab_size=500))
    learnt = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    control = ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>", "<unk>"]
    own = ["\n\n\n", "\n\n", "    ", "  ", "<b>"]
    tokens = [*control, *own, *(f"<0x{byte:02X}>" for byte in range(256)), *(token for token, _ in learnt)]
    types = [3] * len(control) + [4] * len(own) + [6] * 256 + [1] * len(learnt)
    scores = [-1000.0] * (len(control) + len(own)) + [0.0] * 256 + [-float(i) for i in range(len(learnt))]
    tokens, types = tokens[:760] + [f"[PAD{i}]" for i in range(760, 800)], types[:760] + [5] * 40
    named = {"bos": 2, "eos": 1, "unknown": 5, "padding": 0}
    metadata: dict[str, Any] = {
        "model": "llama", "tokens": tokens, "token_type": types, "scores": scores[:760] + [0.0] * 40,
        "add_space_prefix": False, "add_bos_token": True,
        **{f"{name}_token_id": id for name, id in named.items()},
    }  # fmt: skip
    return read_tokenizer({f"tokenizer.ggml.{k}": v for k, v in metadata.items()}, CONFIGS["gemma3"])


def make(folder: Path, config: ModelConfig, pre: str = "qwen2") -> Transformer:
    """A random model in ``folder``, its weights large enough for decided predictions, and a tokenizer beside it."""
    folder.mkdir(exist_ok=True)
    model = Transformer(config)
    model.initialise(seed=1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:  # what the layers say must count for more than the token itself
                weight *= 30 if name.endswith(("out.weight", "down.weight")) else 5 if "blocks" in name else 1
            else:
                weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(len(name)))
    checkpoint.save(model, folder)
    if config.family == "gemma3":
        made, settings = sentencepiece()
        (folder / "tokenizer.json").write_text(made.to_str())
        settings |= {"chat_template": TEMPLATE.replace("|im_start|", "start_of_turn")}
    else:
        (folder / "tokenizer.json").write_text(json.dumps(byte_level(pre)))
        settings = {"eos_token": "<|im_end|>", "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return model


@pytest.fixture(scope="module", params=CONFIGS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and ``f16.gguf`` made of it."""
    folder = tmp_path_factory.mktemp(request.param) / "model"
    make(folder, CONFIGS[request.param])
    export_gguf(folder, folder / "f16.gguf", "f16")
    return folder


def behind(model: Transformer, prompt: list[int], continued: list[int]) -> torch.Tensor:
    """By how many standard deviations of the logits each token of ``continued`` is worse than our own choice."""
    with torch.no_grad():
        logits = model(torch.tensor([prompt + continued]))[0, len(prompt) - 1 : -1]
    logits[:, list(model.config.eos_ids)] = logits.min()  # llama.cpp was told not to end
    chosen = logits.gather(-1, torch.tensor(continued)[:, None])[:, 0]
    return (logits.max(-1).values - chosen) / logits.std(-1)


def test_llama_cpp_continues_a_text_as_our_model_does(written: Path) -> None:
    model, llama = read_model(written / "f16.gguf"), Llama(written / "f16.gguf")
    prompt = [7 + 29 * i % 480 for i in range(24)]
    continued = llama.continued(prompt, 48)
    assert len(set(continued)) > 10
    # llama.cpp computes in float16: where two tokens are as good as equal it may take the other.
    found = behind(model, prompt, continued)
    assert found.max() < 0.02, found
    assert (found == 0).float().mean() > 0.9


def test_rotations_are_stretched_as_llama_cpp_stretches_them(tmp_path: Path) -> None:
    """Llama 3's scaling shows only on the way to the context it was trained for."""
    make(tmp_path, CONFIGS["llama3"])
    export_gguf(tmp_path, tmp_path / "m.gguf", "f16")
    model, prompt = read_model(tmp_path / "m.gguf"), [7 + 31 * i * i % 480 for i in range(3000)]
    plain = Transformer(model.config.model_copy(update={"rope_scaling": None}))
    plain.load_state_dict(model.state_dict())
    continued = Llama(tmp_path / "m.gguf", 4096).continued(prompt, 16)
    assert behind(model, prompt, continued).max() < 0.02
    assert behind(plain, prompt, continued).max() > 0.1


def test_what_comes_back_is_what_went_in_to_float16(written: Path, tmp_path: Path) -> None:
    config = import_gguf(written / "f16.gguf", tmp_path)
    before, after = checkpoint.load(written), checkpoint.load(tmp_path)
    assert config == before.config == after.config
    for name, weight in before.state_dict().items():
        rounded = weight if weight.ndim == 1 else weight.half().float()
        torch.testing.assert_close(after.state_dict()[name], rounded, rtol=0, atol=1e-6)
    tokenizer, returned = Tokenizer.load(written), Tokenizer.load(tmp_path)
    assert [returned.encode(text) for text in NASTY] == [tokenizer.encode(text) for text in NASTY]
    assert (returned.bos_id or 0) == (tokenizer.bos_id or 0)
    assert set(returned.end_ids) == set(tokenizer.end_ids)
    messages = [{"role": "user", "content": "你好"}]
    assert returned.render(messages) == tokenizer.render(messages)


def test_llama_cpp_gives_the_same_ids(written: Path) -> None:
    tokenizer, llama = Tokenizer.load(written), Llama(written / "f16.gguf")
    for text in NASTY:
        assert tokenizer.encode(text) == llama.ids(text), text
    talk = tokenizer.render([{"role": "user", "content": "hi <|im_end|>"}])
    tokenizer.raw.encode_special_tokens = False
    assert tokenizer.raw.encode(talk, add_special_tokens=False).ids == llama.ids(talk, specials=True)
    assert tokenizer.raw.encode("a").ids == llama.ids("a", begin=True)


@pytest.mark.parametrize("pre", PRE_TOKENISERS)
def test_every_pre_tokeniser_cuts_as_llama_cpp_does(pre: str, tmp_path: Path) -> None:
    make(tmp_path, CONFIGS["qwen3"], pre)
    assert pre_tokeniser_name(json.loads((tmp_path / "tokenizer.json").read_text())) == pre
    export_gguf(tmp_path, tmp_path / "m.gguf", "f16")
    tokenizer, llama = Tokenizer.load(tmp_path), Llama(tmp_path / "m.gguf")
    for text in NASTY:
        assert tokenizer.encode(text) == llama.ids(text), text


def test_pre_tokenisers_are_known_however_they_are_written() -> None:
    def name(*steps: dict[str, Any]) -> str:
        return pre_tokeniser_name({"pre_tokenizer": {"type": "Sequence", "pretokenizers": list(steps)}})

    gpt2 = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    assert name({"type": "Digits", "individual_digits": True}, gpt2) == "smollm"
    assert pre_tokeniser_name({"pre_tokenizer": gpt2}) == "gpt-2"
    unknown = {"type": "Split", "pattern": {"Regex": r"\w+"}, "behavior": "Isolated", "invert": False}
    for steps in ([unknown, gpt2], [{**gpt2, "add_prefix_space": True}], [gpt2, gpt2], []):
        with pytest.raises(FeilunError) as refused:
            name(*steps)
        assert refused.value.code == "unsupported_tokenizer"


@pytest.mark.parametrize("release", [ASSISTANT, SMALLEST], ids=lambda release: release.name)
def test_the_embedded_models_have_the_ids_and_the_words_of_llama_cpp(release: Release) -> None:
    path, adapter = ensure(release), release.adapter_file
    model, llama = read_model(path), Llama(path, adapter=adapter)
    if adapter:
        load_gguf(model, adapter)
    tokenizer, _ = read_tokenizer(read_header(path, arrays=True).metadata, model.config)
    tokenizer.encode_special_tokens = True
    for text in NASTY:
        assert tokenizer.encode(text, add_special_tokens=False).ids == llama.ids(text), text
    prompt = tokenizer.encode("The capital of France is").ids
    continued = llama.continued(prompt, 8)
    # It rounds activations to 8 bits beside weights of 4.
    assert behind(model, prompt, continued).max() < 0.1
    assert "Paris" in tokenizer.decode(continued)


@pytest.mark.parametrize(("kind", "type"), [("q8_0", Q.Q8_0), ("q4_0", Q.Q4_0)])
def test_quantised_weights_are_ggmls_and_their_cost_is_measured(kind: Any, type: Q, tmp_path: Path) -> None:
    model = make(tmp_path, CONFIGS["qwen3"])
    export_gguf(tmp_path, tmp_path / "m.gguf", kind)
    read = read_model(tmp_path / "m.gguf")
    name = "blocks.1.ffn.down.weight"
    weight = model.state_dict()[name].numpy()
    assert torch.equal(read.state_dict()[name], torch.from_numpy(dequantize(quantize(weight, type), type)))
    ids = probe(tmp_path, TEXT, 64, 4)
    assert ids.shape == (4, 64)
    found = divergence(model, read, ids)
    with torch.no_grad():
        logs = [m(ids).log_softmax(-1).flatten(0, 1) for m in (read, model)]
        expected = F.kl_div(*logs, log_target=True, reduction="batchmean")
    assert found.nats == pytest.approx(float(expected), rel=1e-3)
    assert found.tokens == 256
    assert found.same_top == float((logs[0].argmax(-1) == logs[1].argmax(-1)).float().mean())
    assert found.nats > 0
    assert divergence(model, model, ids).nats == pytest.approx(0, abs=1e-6)
    Llama(tmp_path / "m.gguf").continued([7, 8], 2)  # it loads


@given(st.sampled_from(list(CONFIGS)), st.sampled_from(["blk.0.attn_q.weight", "blk.0.attn_k.weight"]))
def test_rows_of_rotary_pairs_go_there_and_back(name: str, tensor: str) -> None:
    config = CONFIGS[name]
    heads = config.heads if "_q" in tensor else config.kv_heads
    rows = torch.arange(heads * 32.0)[:, None].repeat(1, 3)
    stored = to_gguf(config, tensor, rows)
    assert torch.equal(from_gguf(config, tensor, stored), rows)
    pairs = [0, 16, 1, 17] if config.family == "llama" else [0, 1, 2, 3]
    assert stored[:4, 0].tolist() == pairs


# What is refused, and that it leaves alone what is there.


def patched(path: Path, change: Callable[[bytes], bytes]) -> Path:
    other = path.with_name("bad.gguf")
    other.write_bytes(change(path.read_bytes()))
    return other


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "model"
    make(folder, CONFIGS["qwen3"])
    export_gguf(folder, folder / "f16.gguf", "f16")
    return folder


def _type_99(data: bytes) -> bytes:
    at = data.index(b"blk.0.attn_q.weight") + len("blk.0.attn_q.weight") + 4 + 2 * 8
    return data[:at] + b"\x63" + data[at + 1 :]


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        (lambda data: data.replace(b"qwen3", b"qwen9"), "unsupported_architecture", "qwen9"),
        (lambda data: data[: len(data) // 2], "bad_model_file", "cut short"),
        (lambda data: data[:-100], "bad_model_file", "cut short"),
        (_type_99, "unknown_quantisation", "99"),
        (lambda data: data.replace(b"blk.1.ffn_up", b"blk.1.ffn_xx"), "bad_model_file", "blk.1.ffn_"),
        (lambda data: data.replace(b"qwen3.block_count", b"qwen3.block_coins"), "bad_model_file", "block_count"),
        (lambda data: data.replace(b"qwen2", b"qwenX"), "unsupported_tokenizer", "qwenX"),
        (lambda data: data.replace(b"gguf", b"GGUF", 1)[4:], "bad_model_file", "GGUF"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_one_line(
    good: Path, tmp_path: Path, change: Callable[[bytes], bytes], code: str, word: str
) -> None:
    bad = patched(good / "f16.gguf", change)
    out = tmp_path / "out"
    found = command("import", str(bad), "--out", str(out))
    assert isinstance(found, FeilunError), found
    assert (found.code, "\n" in str(found)) == (code, False)
    assert word in str(found)
    assert not out.exists()
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("there", "instead", "zh"),
    [
        (b"qwen3.embedding_length", b"qwen3.embedding_lengty", "文件头缺少 qwen3.embedding_length"),
        (b"token_embd.weight", b"token_embx.weight", "文件中没有 token_embd.weight"),
        (b"GGUF", b"GGUX", "文件开头不是 GGUF"),
    ],
)
def test_what_is_wrong_with_a_header_is_told_in_chinese_too(
    good: Path, there: bytes, instead: bytes, zh: str
) -> None:
    with pytest.raises(FeilunError) as refused:
        read_model(patched(good / "f16.gguf", lambda data: data.replace(there, instead, 1)))
    assert f"（{zh}）" in refused.value.text.zh
    assert re.search("[\u4e00-\u9fff]", refused.value.text.en) is None


def command(*args: str) -> BaseException | None:
    app = typer.Typer()
    app.command("import")(convert.import_)
    app.command("export")(convert.export)
    return CliRunner().invoke(app, list(args)).exception


def test_an_existing_folder_is_left_alone(good: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    found = command("import", str(good / "f16.gguf"), "--out", str(tmp_path))
    assert isinstance(found, FeilunError)
    assert found.code == "folder_exists"
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_the_commands_go_there_and_back(good: Path, tmp_path: Path) -> None:
    out, text = tmp_path / "out", tmp_path / "text.txt"
    text.write_text(TEXT)
    assert command("import", str(good / "f16.gguf"), "--out", str(out)) is None
    manifest = json.loads((out / "artifact.json").read_text())
    assert manifest["kind"] == "model"
    (out / "artifact.json").write_text(json.dumps({**manifest, "license": "gemma"}))
    assert set(manifest["files"]) == {path.name for path in out.iterdir()} - {"artifact.json"}
    again = tmp_path / "again.gguf"
    assert command("export", str(out), "--gguf", "f16", "--out", str(again), "--text", str(text)) is None
    assert read_header(again).license == "gemma"
    before, after = (read_model(path).state_dict() for path in (good / "f16.gguf", again))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_vocabulary_that_is_not_the_models_leaves_the_old_file(tmp_path: Path) -> None:
    small = ModelConfig(family="qwen3", vocab_size=480, **common)
    make(tmp_path, small)
    out = tmp_path / "old.gguf"
    out.write_bytes(b"old")
    found = command("export", str(tmp_path), "--gguf", "q8_0", "--out", str(out))
    assert isinstance(found, FeilunError)
    assert found.code == "vocabulary_mismatch"
    assert "512" in str(found)
    assert "480" in str(found)
    assert out.read_bytes() == b"old"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_what_llama_cpp_cannot_be_told_is_refused(tmp_path: Path) -> None:
    make(tmp_path, CONFIGS["qwen3"].model_copy(update={"attention_scale": 0.5}))
    config = json.loads((tmp_path / "config.json").read_text())
    config["rope_scaling"] = {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(FeilunError) as refused:
        export_gguf(tmp_path, tmp_path / "m.gguf", "f16")
    assert refused.value.code == "unsupported_option"
