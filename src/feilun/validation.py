"""What is wrong with a value that came from outside, in both languages.

Requests, recipes and the command line are all checked by pydantic, which speaks English only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from feilun.text import Text

_CHINESE = {
    "missing": "缺少此项",
    "extra_forbidden": "没有这一项，请检查拼写或删去",
    "string_type": "应为字符串",
    "string_too_short": "至少要有 {min_length} 个字符",
    "string_too_long": "最多 {max_length} 个字符",
    "string_pattern_mismatch": "应符合 {pattern}",
    "string_unicode": "不是有效的 Unicode 文本",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数，不能带小数",
    "int_parsing_size": "整数太大",
    "float_type": "应为数字",
    "float_parsing": "应为数字",
    "finite_number": "应为有限的数字",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "应不小于 {ge}",
    "less_than": "应小于 {lt}",
    "less_than_equal": "应不大于 {le}",
    "list_type": "应为列表",
    "tuple_type": "应为列表",
    "dict_type": "应为对象（键和值）",
    "model_type": "应为对象（键和值）",
    "model_attributes_type": "应为对象（键和值）",
    "too_short": "至少要有 {min_length} 项，现有 {actual_length} 项",
    "too_long": "最多 {max_length} 项，现有 {actual_length} 项",
    "literal_error": "应为 {expected} 之一",
    "enum": "应为 {expected} 之一",
    "none_required": "应为 null",
    "json_invalid": "不是有效的 JSON（{error}）",
    "url_parsing": "不是有效的网址（{error}）",
}


def invalid(en: str, zh: str) -> PydanticCustomError:
    """What a validator of ours raises, with the sentence in both languages (without a full stop)."""
    return PydanticCustomError("feilun", "{en}", {"en": en, "zh": zh})


def first_fault(error: ValidationError) -> Text:
    """The first of what is wrong, with where it is, without a full stop."""
    problem = error.errors()[0]
    said, where = explain({**problem}), ".".join(map(str, problem["loc"]))
    return Text(f"{where}: {said.en}", f"{where}：{said.zh}") if where else said  # none: it is the whole file


def explain(problem: Mapping[str, Any]) -> Text:
    """One entry of ``ValidationError.errors()`` as a sentence without a full stop; an unknown kind in pydantic's words."""
    kind, context, english = problem["type"], dict(problem.get("ctx") or {}), str(problem["msg"])
    if kind == "feilun":
        return Text(context["en"], context["zh"])
    if kind == "json_invalid":
        english = f"not valid JSON ({context.get('error', '')})"
    if kind not in _CHINESE:
        return Text(english, english)
    context["expected"] = str(context.get("expected", "")).replace(" or ", "、")
    return Text(english, _CHINESE[kind].format_map(context))
