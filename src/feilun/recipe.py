"""Recipes: TOML files in which a user says what is wanted, read into pydantic models.

A fault is one line that says which file, which key, and what would be allowed there.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from feilun.text import FeilunError, Text
from feilun.validation import explain

M = TypeVar("M", bound=BaseModel)

_NOTHING: Mapping[str, object] = MappingProxyType({})


def shipped(path: str) -> Path:
    """A file or folder of ``recipes`` that comes with Feilun: inside the package, or beside it in the source tree."""
    package = Path(__file__).parent
    inside = package / "recipes"
    return (inside if inside.is_dir() else package.parents[1] / "recipes") / path


def find_recipe(name: str) -> Path:
    """The file that a command was given, else the recipe of that name that comes with Feilun.

    ``recipes/train/ppo.toml``, ``train/ppo`` and ``ppo`` are the same where there is no such file; a name that means nothing
    is returned as a path, for whoever reads it to say so.
    """
    path = Path(name)
    if path.is_file() or path.is_absolute():
        return path
    inside = path.relative_to("recipes") if path.parts[:1] == ("recipes",) else path
    at = shipped("") / inside
    if at.is_file():
        return at
    named = list(shipped("").rglob(f"{inside}.toml")) if ".." not in inside.parts and inside.name else []
    return named[0] if len(named) == 1 else path


def read_recipe(path: Path, kind: type[M], overrides: Mapping[str, object] = _NOTHING) -> M:
    """The recipe in a TOML file, checked.

    ``overrides`` maps dotted paths of keys (``optimiser.lr``) to what stands there instead of the file's value;
    None changes nothing, so that options of a command can be passed on as they are.

    Raises `FeilunError` (``recipe_invalid``) for a file that cannot be read, is not TOML, or does not fit ``kind``.
    """
    table = _read(path)
    for key, value in overrides.items():
        if value is not None:
            _put(path, table, key, value)
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        # A misspelt key is also a missing one: the spelling is what helps. sorted() keeps the order otherwise.
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        said, more = _fault(kind, faults[0]), len(faults) - 1
        en, zh = (f" ({more} more after this)", f"（另有 {more} 处）") if more else ("", "")
        raise _invalid(f"{path}: {said.en}{en}.", f"{path}：{said.zh}{zh}。") from None


def flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    """The values of a recipe, each with its dotted path."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(cast("dict[str, Any]", value), f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def differences(before: Mapping[str, Any], now: BaseModel) -> list[str]:
    """The paths of the values that ``now`` has otherwise than a recipe that was written down ``before``, perhaps by an older
    Feilun: what that did not know yet has its default.
    """
    with contextlib.suppress(ValidationError):  # it knew what is no more, which is a difference
        before = type(now).model_validate(copy.deepcopy(dict(before))).model_dump(mode="json")
    one, two = dict(flat(before)), dict(flat(now.model_dump(mode="json")))
    return [key for key in {**one, **two} if one.get(key) != two.get(key)]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Notepad puts a BOM before UTF-8
    except OSError as error:
        why = error.strerror
        raise _invalid(f"Cannot read the recipe {path}: {why}.", f"无法读取配方 {path}：{why}。") from None
    except UnicodeDecodeError:
        raise _invalid(
            f"{path} is not UTF-8 text. Save it as UTF-8.", f"{path} 不是 UTF-8 文本。请以 UTF-8 保存。"
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _invalid(f"{path} is not valid TOML: {error}.", f"{path} 不是有效的 TOML：{error}。") from None


def _put(path: Path, table: dict[str, Any], key: str, value: object) -> None:
    *above, last = key.split(".")
    for depth, name in enumerate(above, 1):
        table = table.setdefault(name, {})
        if not isinstance(cast("object", table), dict):
            where = ".".join(above[:depth])
            raise _invalid(
                f"{path}: {where} must be a table, since {key} is to be set in it.",
                f"{path}：{where} 应为表，因为要在其中设置 {key}。",
            )
    table[last] = value


def _fault(kind: type[BaseModel], fault: ErrorDetails) -> Text:
    """Where it is and what is allowed there, without a full stop."""
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return _unknown_key(where, str(fault["loc"][-1]), _known_keys(kind, fault["loc"][:-1]))
    said, value = explain(fault), cast("object", fault["input"])
    if where:
        said = Text(f"{where}: {said.en}", f"{where}：{said.zh}")
    if isinstance(value, str | int | float) and fault["type"] not in ("feilun", "value_error"):
        found = json.dumps(value, ensure_ascii=False)
        said = Text(f"{said.en} (found {found})", f"{said.zh}（现为 {found}）")
    return said


def _unknown_key(where: str, key: str, known: list[str]) -> Text:
    near = difflib.get_close_matches(key, known, 1)
    return Text(
        f"unknown key '{where}'; known: {', '.join(known)}"
        + "".join(f" (did you mean '{k}'?)" for k in near),
        f"未知的键“{where}”；可用的键：{'、'.join(known)}" + "".join(f"（您是否想用“{k}”？）" for k in near),
    )


def _known_keys(kind: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """What may stand in the table at ``path`` of a recipe. Of a union, what may stand in any of its members."""
    places = [kind]
    for step in path:
        inside = [
            model
            for place in places
            for name, field in place.model_fields.items()
            if step in (name, field.alias)
            for model in _models_in(field.annotation)
        ]
        places = inside or places  # an index into a list, a key of a dict, a member of a union lead no deeper
    return list(dict.fromkeys(field.alias or name for p in places for name, field in p.model_fields.items()))


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models in a type such as ``list[Stage] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _invalid(en: str, zh: str) -> FeilunError:
    return FeilunError(en, zh, code="recipe_invalid")
