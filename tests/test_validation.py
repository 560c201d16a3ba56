"""What pydantic says, in Chinese too."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import httpx
import pytest
from pydantic import BaseModel, ValidationError, field_validator
from pydantic_core._pydantic_core import list_all_errors
from tests.support import Server

from feilun import validation
from feilun.text import Text
from feilun.validation import explain, first_fault, invalid

KNOWN: dict[str, Any] = {row["type"]: row for row in list_all_errors()}


@pytest.mark.parametrize("kind", validation._CHINESE)
def test_each_sentence_fits_what_pydantic_knows_of_the_error(kind: str) -> None:
    row = KNOWN[kind]
    text = explain({"type": kind, "msg": row["message_template_python"], "ctx": row.get("example_context")})
    assert re.search("[\u4e00-\u9fff]", text.zh)
    assert "{" not in text.zh
    for value in (row.get("example_context") or {}).values() if "{" in validation._CHINESE[kind] else ():
        assert str(value).replace(" or ", "、") in text.zh


class Recipe(BaseModel):
    kind: Literal["pretrain", "sft"] = "sft"
    steps: int = 1

    @field_validator("steps")
    @classmethod
    def _even(cls, steps: int) -> int:
        if steps % 2:
            raise invalid(f"{steps} is odd", f"{steps} 是奇数")
        return steps


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"steps": 3}, Text("3 is odd", "3 是奇数")),
        ({"kind": "dpo"}, Text("Input should be 'pretrain' or 'sft'", "应为 'pretrain'、'sft' 之一")),
    ],
)
def test_our_own_and_pydantics_faults(value: dict[str, Any], text: Text) -> None:
    with pytest.raises(ValidationError) as refused:
        Recipe.model_validate(value)
    assert explain(refused.value.errors()[0]) == text


def test_a_fault_is_told_with_its_place() -> None:
    for value, text in (
        ({"steps": "x"}, ("steps: Input should be", "steps：应为整数")),
        ([], ("Input should be", "应为对象")),
    ):
        with pytest.raises(ValidationError) as refused:
            Recipe.model_validate(value)
        said = first_fault(refused.value)
        assert (said.en.startswith(text[0]), said.zh.startswith(text[1])) == (True, True)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("{", "请求体：不是有效的 JSON"),
        ({"messages": []}, "messages：至少要有 1 项，现有 0 项"),
        ({"messages": [{"role": "user", "content": "hi"}], "n": -1}, "n：应不小于 1"),
        ({"messages": [{"role": "user"}]}, "messages.0：user 消息需要 content"),
    ],
)
def test_over_http_a_chinese_reader_is_told_in_chinese(server: Server, body: Any, sentence: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"Content-Type": "application/json", "Accept-Language": "zh-CN"}
    answer = httpx.post(f"{server.url}/v1/chat/completions", content=text, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(sentence)


def test_a_wrong_method_is_named_so(server: Server) -> None:
    answer = httpx.get(f"{server.url}/v1/chat/completions")
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "method_not_allowed"
