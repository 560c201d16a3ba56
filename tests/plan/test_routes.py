"""``/api/plan`` of a real server: the same answers as on the command line, and what would fit where something does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.forks import run_feilun
from tests.support import Server, error_of

pytestmark = pytest.mark.xdist_group("server")

SEVEN = {"params": "7B", "tokens": "1T", "device": "A100-80G"}


def on_the_command_line(server: Server, command: str, asked: dict[str, Any]) -> Any:
    options: list[str] = []
    for name, value in asked.items():
        for one in value if isinstance(value, list) else [value]:
            option = f"--{name.replace('_', '-')}"
            options += [option] if one is True else [option, str(one)]
    done = run_feilun("-w", server.workspace, "plan", command, *options, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        ("train", {**SEVEN, "count": "64"}),
        ("train", {"params": "10M", "device": "here"}),
        ("train", {**SEVEN, "count": "8..512", "price": 1.5}),
        ("train", {**SEVEN, "deadline": "30d"}),
        ("train", {"params": "1B", "deadline": "30d"}),
        ("train", {"budget": "50000USD", "device": "H100"}),
        ("train", {"preset": "gpt35-10000-1t"}),
        ("train", {"params": "671B", "active": "37B", "count": "2048", "precision": "fp8", "tflops": 400}),
        ("serve", {"model": "qwen3-8b", "users": "200", "context": "8k", "device": "4090", "revenue": 0.01}),
        ("serve", {"params": "7B", "users": "1..100M", "quantisation": "int4", "speculative": True}),
        ("compare", {"params": "7B", "count": 256, "device": ["H100", "V100", "K200"]}),
        ("presets", {}),
        ("devices", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_the_answer_is_that_of_the_command(
    client: httpx.Client, server: Server, command: str, asked: dict[str, Any]
) -> None:
    answer = client.get(f"/api/plan/{command}", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json() == on_the_command_line(server, command, asked)


@pytest.mark.parametrize(
    ("path", "asked", "status", "code", "said", "said_zh"),
    [
        ("train", {"params": "70B", "device": "4090", "count": "8"}, 422, "does_not_fit", "At least 128", "至少需要 128 张"),
        ("train", {"params": "7B", "device": "Abacus"}, 404, "unknown_device", "Choose one of", "可选"),
        ("train", {"budget": "0.0001USD"}, 422, "budget_too_small", "USD train", "不足"),
        ("train", {"budget": "50USD", "device": "K200"}, 422, "no_price", "take one of", "选用"),
        ("train", {**SEVEN, "count": "8", "deadline": "1d"}, 422, "too_slow", "would make it", "可按期完成"),
        ("train", {**SEVEN, "deadline": "1s"}, 422, "bad_quantity", "no quantity", "无法识别"),
        ("train", {**SEVEN, "deadline": "0.00001"}, 422, "bad_quantity", "less than a minute", "不足一分钟"),
        ("train", {**SEVEN, "count": "8..512", "deadline": "9d"}, 422, "bad_option", "neither", "不能"),
        ("train", {"budget": "9USD", "params": "7B"}, 422, "bad_option", "looks for the model", "求解模型"),
        ("train", {"params": "7B", "model": "8B"}, 422, "bad_option", "not both", "只能"),
        ("train", {"preset": "tier-personal", "count": "5"}, 422, "bad_option", "whole question", "完整的问题"),
        ("train", {"params": "7B", "deadline": "9d", "price": "2"}, 422, "bad_option", "name a --device", "给出 --device"),
        ("train", {"budget": "¥50000"}, 422, "bad_quantity", "no quantity", "无法识别"),
        ("train", {"params": "1B", "device": "A100-80G", "precision": "fp8"}, 422, "no_fp8", "These have", "支持的有"),
        ("train", {"params": "7B", "tokens": "1T", "deadline": "0.1d", "device": "T4"}, 422, "too_slow", "shortest", "最短"),
        ("train", {"params": "9e300"}, 422, "bad_quantity", "params: 9e300", "params：9e300"),
        ("train", {}, 422, "no_model", "Give --params", "请给出"),
        ("train", {"params": "7B", "tflops": "nan"}, 400, "invalid_value", "tflops", "tflops"),
        ("train", {"params": "7B", "gpus": "8"}, 400, "invalid_value", "gpus", "没有这一项"),
        ("serve", {"model": "llama-3.1-405b", "device": "4090"}, 422, "does_not_fit", "int4", "int4"),
        ("serve", {"model": "/"}, 404, "unknown_model", "Known: gpt3-175b", "已知"),
        ("serve", {"params": "7B", "users": "9..1"}, 422, "bad_quantity", "larger one", "由小到大"),
        ("compare", {"params": "7B", "count": "0"}, 400, "invalid_value", "count", "count"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else str(value)[:20],
)  # fmt: skip
def test_what_cannot_be_says_what_could_in_the_readers_language(
    client: httpx.Client, path: str, asked: dict[str, str], status: int, code: str, said: str, said_zh: str
) -> None:
    english, chinese = (
        client.get(f"/api/plan/{path}", params=asked, headers={"Accept-Language": language})
        for language in ("en", "zh-CN")
    )
    assert error_of(english, status)["code"] == code
    assert said in error_of(english, status)["message"]
    assert said_zh in error_of(chinese, status)["message"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("train", {"params": "70B", "device": "4090", "count": "8"}),
        ("train", {"params": "10T", "device": "T4", "count": "3"}),
        ("train", {"params": "10M", "device": "H100", "count": "100000"}),
        (
            "train",
            {"params": "13B", "device": "A100-40G", "count": "4", "recompute": "none"},
        ),
        ("serve", {"model": "llama-3.1-405b", "device": "A100-40G", "context": "8k"}),
        ("serve", {"params": "10T", "device": "4090", "context": "128k"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else value,
)
def test_what_is_offered_does_fit(client: httpx.Client, path: str, asked: dict[str, str]) -> None:
    assert client.get(f"/api/plan/{path}", params=asked).status_code == 422
    fits = client.get(f"/api/plan/{path}/fits", params=asked).json()
    offered = {name: str(value) for name, value in fits.items() if name in OFFERED and value is not None}
    assert offered
    together = [offered] if path == "serve" else [{name: value} for name, value in offered.items()]
    for change in together:
        changed = {name: value for name, value in asked.items() if name != "model" or "params" not in change}
        answer = client.get(f"/api/plan/{path}", params={**changed, **change})
        assert answer.status_code == 200, answer.text


OFFERED = ("count", "params", "quantisation")


def test_a_folder_of_the_server_is_no_model(client: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    answer = client.get("/api/plan/serve", params={"model": str(tmp_path)[:100]})
    assert error_of(answer, 404)["code"] == "unknown_model"
