"""Faults of a pipeline's last stages, told before the work of the first."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from feilun.data.recipe import CorpusRecipe, SourceRecipe
from feilun.evaluate.questions import read_questions
from feilun.recipe import read_recipe
from feilun.registry import Release
from feilun.registry.sources import ensure, normalise
from feilun.text import FeilunError
from feilun.train.conversations import Message, read_lines
from feilun.train.experience import check_rollout
from feilun.train.pipeline.recipe import PipelineRecipe
from feilun.validation import explain


def check(recipe: PipelineRecipe, beside: Path, processes: int) -> None:
    """Raises `FeilunError` for what a later stage of ``recipe`` would stop at. ``beside``: where its paths begin."""
    for stage in ("ppo", "dpo"):
        served_as(f"{recipe.name}-{stage}", "file:x.gguf", recipe.pretrain.model.context)
    for questions in (recipe.evaluate.questions, recipe.evaluate.instructions):
        if questions is not None:
            read_questions(beside / questions)
    corpus_recipe(recipe, beside)
    for path in (*recipe.sft.data.sources, *recipe.pairs.sources):
        if not (beside / path).exists():
            raise FeilunError(
                f"There is no data at {(beside / path).resolve()}.",
                f"{(beside / path).resolve()} 处没有数据。",
                code="no_text",
            )
    if recipe.pairs.sources:
        _check_pairs([(beside / source).resolve() for source in recipe.pairs.sources])
    check_rollout(recipe.ppo.rollout, 1, recipe.ppo.run.rows, processes)
    for peer in recipe.evaluate.peers:
        ensure(Release(name="peer", source=normalise(peer)))


def corpus_recipe(recipe: PipelineRecipe, beside: Path) -> CorpusRecipe:
    """The data engine's recipe, with the pipeline's sources. Raises `FeilunError` for faults in either."""
    wanted = read_recipe((beside / recipe.corpus.recipe).resolve(), CorpusRecipe, {"name": recipe.name})
    sources = [SourceRecipe(path=str((beside / path).resolve())) for path in recipe.corpus.sources]
    return wanted.model_copy(update={"sources": sources})


def served_as(name: str, source: str, context: int, sha256: str | None = None) -> Release:
    """The release that a stage's model becomes. Raises `FeilunError` if it cannot be called or served so."""
    try:
        return Release(name=name, source=source, sha256=sha256, context_length=context)
    except ValidationError as error:
        problem = error.errors()[0]
        why = explain(problem)
        what = {"name": f"--name ({name})", "context_length": f"pretrain.model.context ({context})"}
        at = what.get(str(problem["loc"][0]), str(problem["loc"][0]))
        raise FeilunError(
            f"The models of this run could not be served: {at}: {why.en}.",
            f"此次运行的模型将无法提供服务：{at}：{why.zh}。",
            code="bad_name",
        ) from None


class _PairLine(BaseModel):
    messages: list[Message]
    chosen: Message
    rejected: Message


def _check_pairs(sources: list[Path]) -> None:
    for place, pair in read_lines(sources, _PairLine):
        chosen, rejected = pair.chosen.content.strip(), pair.rejected.content.strip()
        if not chosen or not rejected:
            raise FeilunError(f"{place}: an answer is empty.", f"{place}：有一个回答为空。", code="bad_pairs")
        if chosen == rejected:
            raise FeilunError(
                f"{place}: both sides are the same.", f"{place}：两个回答相同。", code="bad_pairs"
            )
        if {pair.chosen.role, pair.rejected.role} != {"assistant"}:
            raise FeilunError(
                f"{place}: chosen and rejected must be the assistant's.",
                f"{place}：chosen 与 rejected 的角色应为 assistant。",
                code="bad_pairs",
            )
