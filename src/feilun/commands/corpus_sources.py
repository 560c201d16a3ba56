"""Where the sources, references and evaluation sets of a corpus's recipe are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from feilun.text import FeilunError

if TYPE_CHECKING:
    from feilun.data.recipe import CorpusRecipe, QualityRecipe, SourceRecipe


def with_sources(recipe: CorpusRecipe, beside: Path, given: list[str]) -> CorpusRecipe:
    """The recipe with its sources found: relative paths begin at the recipe, those of the command line here.

    ``NAME=PATH`` gives a source of the recipe its path; a path alone takes the place of all of them.
    """
    from feilun.data.recipe import SourceRecipe

    names = {one.called for one in recipe.sources}
    _check_rules(recipe, names)
    paths: dict[str, str] = {}
    alone: list[str] = []
    for one in given:
        name, found, path = one.partition("=")
        if not (path if found and name in names else one).strip():
            raise FeilunError(
                f"--source '{one}' names no file or folder.",
                f"--source “{one}”没有指明文件或文件夹。",
                code="no_source",
            )
        if not found or name not in names:
            alone.append(one)
        elif name in paths:
            raise FeilunError(
                f"--source {name}=... is given twice. A source is one file or folder: put both into one.",
                f"--source {name}=… 出现了两次。一个数据源只能是一个文件或文件夹：请合并到一起。",
                code="source_twice",
            )
        else:
            paths[name] = _absolute(path, Path.cwd())
    misnamed = [one for one in alone if "=" in one and "://" not in one and not Path(one).exists()]
    if names and (misnamed or (alone and paths)):
        wrong = (misnamed or alone)[0]
        raise FeilunError(
            f"--source {wrong} names no source of this recipe. There are: {', '.join(sorted(names))} (--source NAME=PATH).",
            f"--source {wrong} 不是此配方的数据源。可用：{'、'.join(sorted(names))}（--source 名称=路径）。",
            code="no_such_source",
        )
    if alone:
        given_paths = dict.fromkeys(_absolute(path, Path.cwd()) for path in alone)
        found = [SourceRecipe(path=path) for path in given_paths]
        called = [one.called for one in found]
        sources = [  # of two folders of one name each is called by its whole path
            one if called.count(one.called) == 1 else one.model_copy(update={"name": one.path})
            for one in found
        ]
    else:
        sources = [
            one.model_copy(update={"path": paths.get(one.called) or _absolute(one.path, beside)})
            for one in recipe.sources
            if one.path or one.called in paths
        ]
    wanted = _resolved(recipe, sources, beside)
    if recipe.quality and wanted.quality and not wanted.quality.reference:
        names = recipe.quality.reference
        raise FeilunError(
            f"The quality classifier needs a reference: give one of {', '.join(names)} (--source NAME=PATH).",
            f"质量分类器需要参考文本：请给出 {'、'.join(names)} 之一（--source 名称=路径）。",
            code="no_reference",
        )
    return wanted


def _check_rules(recipe: CorpusRecipe, names: set[str]) -> None:
    """A rule of a source that is none would never judge anything. Raises `FeilunError`."""
    for rule in recipe.rules:
        if rule.source is not None and rule.source not in names:
            known = sorted(names)
            raise FeilunError(
                f"The rule {rule.reason} is for the source {rule.source}, which is none of the recipe's: {', '.join(known)}.",
                f"规则 {rule.reason} 针对数据源 {rule.source}，但配方中没有该数据源。现有：{'、'.join(known)}。",
                code="no_such_source",
            )


def with_those_of(made_by: CorpusRecipe, recipe: CorpusRecipe, beside: Path) -> CorpusRecipe:
    """The recipe with its sources where a corpus had them; those that it had not are left out, as they were then."""
    paths = {one.called: one.path for one in made_by.sources}
    _check_rules(recipe, {*paths, *(one.called for one in recipe.sources)})
    sources = [
        one.model_copy(update={"path": paths[one.called], "name": one.called})
        for one in recipe.sources
        if one.called in paths
    ]
    return _resolved(recipe, sources, beside)


def _resolved(recipe: CorpusRecipe, sources: list[SourceRecipe], beside: Path) -> CorpusRecipe:
    """The recipe with these sources; all other paths of it begin at the recipe."""
    names = {one.called for one in recipe.sources}
    sets = [one.model_copy(update={"path": _absolute(one.path, beside)}) for one in recipe.decontaminate]
    return recipe.model_copy(
        update={
            "sources": sources,
            "decontaminate": sets,
            "quality": recipe.quality and _with_references(recipe.quality, names, sources, beside),
        }
    )


def _with_references(
    quality: QualityRecipe, names: set[str], sources: list[SourceRecipe], beside: Path
) -> QualityRecipe:
    """Without those sources that are left out."""
    left = {one.called for one in sources}
    reference = [
        one if one in left else _absolute(one, beside)
        for one in quality.reference
        if one in left or one not in names
    ]
    raw = [one for one in quality.raw if one in left or one not in names]
    return quality.model_copy(update={"reference": reference, "raw": raw})


def _absolute(path: str, beside: Path) -> str:
    return path if "://" in path else str(beside.absolute() / path)
