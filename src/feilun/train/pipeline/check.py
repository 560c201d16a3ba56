"""Faults of a pipeline's last stages, told before the work of the first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from feilun.data.recipe import CorpusRecipe, SourceRecipe
from feilun.evaluate.questions import read_questions
from feilun.model.chat_template import CHATML, ChatTemplate
from feilun.recipe import read_recipe
from feilun.registry import Release
from feilun.registry.sources import ensure, normalise
from feilun.text import FeilunError
from feilun.train.conversations import Message, is_apart, read_lines, said
from feilun.train.experience import check_rollout
from feilun.train.pipeline.own_answers import Line, some
from feilun.train.pipeline.recipe import PipelineRecipe
from feilun.train.preferences import MOST_MARGIN
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
    _check_examples(
        recipe,
        [(beside / source).resolve() for source in recipe.sft.data.sources],
        [(beside / source).resolve() for source in recipe.pairs.sources],
    )
    tokens, context = recipe.ppo.rollout.sampling.tokens, recipe.pretrain.model.context
    if tokens >= context:
        raise FeilunError(
            f"Stage ppo could draw no answer: ppo.rollout.sampling.tokens is {tokens}, but the model reads {context} tokens "
            "(pretrain.model.context), question and answer together. Lower the one, or raise the other.",
            f"阶段 ppo 将无法生成回答：ppo.rollout.sampling.tokens 为 {tokens}，而模型连同问题最多读取 {context} 个 token"
            "（pretrain.model.context）。请降低前者或提高后者。",
            code="beyond_context",
        )
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


class _Example(Line):
    keep: bool = False


class _PairLine(BaseModel):
    messages: list[Message]
    chosen: Message
    rejected: Message
    margin: float = Field(default=0.0, ge=-MOST_MARGIN, le=MOST_MARGIN, allow_inf_nan=False)


def _check_examples(recipe: PipelineRecipe, sources: list[Path], added: list[Path]) -> None:
    """Conversations and pairs, of which the tokenizer is not known yet: what is too long is found later, and left out."""
    lines = _conversations(recipe, sources)
    heldout = recipe.sft.data.heldout
    training = [line for line in lines if line.is_answered and not is_apart(line.messages, heldout)]
    if not training:
        raise FeilunError(
            f"No conversation is left to learn from: of {len(lines)} none ends with a question and an answer and is not held out "
            f"(sft.data.heldout = {heldout}).",
            f"没有可供学习的对话：共 {len(lines)} 个，其中没有以一问一答结尾且未被留出的（sft.data.heldout = {heldout}）。",
            code="corpus_too_small",
        )
    own = [line.messages[:-1] for line in some(training, recipe.pairs.prompts, recipe.seed)]
    pairs = own + (list(_pairs(added)) if added else [])
    for stage, share in (("reward", recipe.reward.data.heldout), ("dpo", recipe.dpo.data.heldout)):
        if all(is_apart(messages, share) for messages in pairs):
            raise FeilunError(
                f"Stage {stage} would have nothing to learn from: all of its {len(pairs)} pairs would be held out "
                f"({stage}.data.heldout = {share}). Have more conversations answered (pairs.prompts = {len(own)}), or hold out less.",
                f"阶段 {stage} 将没有可供学习的数据：全部 {len(pairs)} 对都会被留出（{stage}.data.heldout = {share}）。"
                f"请增加回答的对话数（pairs.prompts = {len(own)}），或减小留出比例。",
                code="corpus_too_small",
            )


def _conversations(recipe: PipelineRecipe, sources: list[Path]) -> list[Line]:
    """What fine-tuning reads. Raises `FeilunError` for a line that it would stop at."""
    lines: list[Line] = []
    for place, line in read_lines(sources, _Example):
        if not recipe.sft.data.takes(said(line.messages)):
            continue
        _check_messages(place, line.messages)
        if not any(message.role == "assistant" and message.content for message in line.messages):
            raise FeilunError(
                f"{place}: there is no answer of the assistant to learn from.",
                f"{place}：没有可供学习的助手回答。",
                code="no_answer",
            )
        lines.append(line)
    return lines


def _check_messages(place: str, messages: list[Message]) -> None:
    """Raises `FeilunError` for what the template of a model from nothing cannot write."""
    try:
        _template().render([message.model_dump() for message in messages])
    except FeilunError as error:
        raise FeilunError(f"{place}: {error.text.en}", f"{place}：{error.text.zh}", code=error.code) from None


@cache
def _template() -> ChatTemplate:
    return ChatTemplate(CHATML, {})


def _pairs(sources: list[Path]) -> Iterator[list[Message]]:
    """The questions of added pairs."""
    for place, pair in read_lines(sources, _PairLine):
        _check_messages(place, [*pair.messages, pair.chosen])
        if not pair.messages:
            raise FeilunError(f"{place}: there is no question.", f"{place}：没有问题。", code="bad_pairs")
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
        yield pair.messages
