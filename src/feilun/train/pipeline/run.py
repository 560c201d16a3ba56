"""A pipeline, stage by stage, as one job: killed anywhere it goes on where it was, and ends with the same weights.

Every stage is a part of the job (`feilun.jobs.Part`) and leaves an artifact in the workspace: ``corpora/NAME``,
``datasets/NAME-pairs`` and ``models/NAME-STAGE``, where other recipes find it. Token shards stay in the job's folder.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from feilun.data.build import build
from feilun.data.forgotten import read_forgotten
from feilun.data.tokens import TokenDocument, Tokens
from feilun.data.workers import local
from feilun.evaluate.questions import read_questions
from feilun.jobs import Job
from feilun.model.served import served_file
from feilun.model.tokenizer import Tokenizer
from feilun.registry import Registry, Release
from feilun.registry.sources import ensure, normalise
from feilun.text import FeilunError
from feilun.train import prefer, pretrain, reinforce, sft
from feilun.train.distributed import World
from feilun.train.heldout import heldout_documents
from feilun.train.pipeline.check import check, corpus_recipe, served_as
from feilun.train.pipeline.measure import Measured, Yardstick
from feilun.train.pipeline.own_answers import PAIRS, PROMPTS, conversations, write_own_answers
from feilun.train.pipeline.recipe import BASES, PipelineRecipe
from feilun.train.pipeline.report import page
from feilun.train.pipeline.results import Results
from feilun.train.pipeline.resume import ORDER, RESULTS, to_lose
from feilun.train.preferences import Prompt, prompt_ids
from feilun.train.report import write_report
from feilun.train.reward import RewardModel
from feilun.train.tuning import unpacked
from feilun.workspace import MANIFEST, Manifest, Workspace, write_atomically

MEASURED = ("pretrain", "sft", "ppo", "dpo")
RELEASED = ("ppo", "dpo")
REPORT = "report.html"


@dataclass
class Pipeline:
    """One run of a recipe; `run` inside ``job.running()``."""

    recipe: PipelineRecipe
    beside: Path
    """The folder that relative paths of the recipe begin at."""
    workspace: Workspace
    job: Job
    world: World = field(default_factory=World)
    _found_whole: set[str] = field(default_factory=set[str], init=False)
    """Stages whose files have been read again."""

    def run(self) -> Path | None:
        """The report; None if the job was asked to stop before the end. Several processes each call this with their ``world``.

        Raises `FeilunError` naming the stage if an artifact that a stage has left is gone, altered or another, and what the stages raise.
        """
        check(self.recipe, self.beside, self.world.size)
        for stage in ORDER:
            if not self.world.of_first(self.world.first and self._done(stage)):
                self._inputs_are_ours(stage)
                self.job.emit("stage", name=stage)
                with _named(stage):
                    made = self._make(stage)
                if made is None:
                    return None
            if stage in MEASURED and self.world.first:
                self._measure(stage)
        if self.world.first:
            for stage in RELEASED:
                self._release(stage)
            write_atomically(self.job.folder / REPORT, page(self._results(), self.job))
        return self.job.folder / REPORT

    # What is known beforehand.

    def _done(self, stage: str) -> bool:
        """Whether the stage has left its artifact. Raises `FeilunError` if what it has left is gone, altered, or another."""
        made = self._part(stage).last("artifact")
        if made is None:
            return False
        folder = self._folder(stage)
        found = broken = None
        if (folder / MANIFEST).is_file():
            try:
                found = Manifest.read(folder)
            except FeilunError as error:
                broken = error
        if broken is not None:
            gone = (f"has no {MANIFEST} that can be read", f"的 {MANIFEST} 无法读取")
        elif found is None:
            gone = ("is gone", "已不存在")
        elif found.id != made["id"]:
            gone = ("is of another run", "来自另一次运行")
        elif stage in self._found_whole:
            return True
        elif altered := ", ".join(found.altered(folder)):
            gone = (f"is not what it was: {altered}", f"已不是原来的内容：{altered}")
        else:
            self._found_whole.add(stage)
            return True
        raise FeilunError(
            f"Stage {stage}: what it left in {folder} {gone[0]}. Put it back, or start anew without --resume; the stages "
            "before it are as they were.",
            f"阶段 {stage}：其产物 {folder} {gone[1]}。请放回，或去掉 --resume 重新开始；之前各阶段的产物未受影响。",
            code="stage_missing",
        ) from broken

    def _inputs_are_ours(self, stage: str) -> None:
        """Another run of the same name may have put its own in the place of what an earlier stage left. Raises as `_done`."""
        if self.world.first:
            for earlier in ORDER[: ORDER.index(stage)]:
                self._done(earlier)

    # The stages.

    def _make(self, stage: str) -> Path | None:
        make: dict[str, Callable[[Job, Path], Path | None]] = {
            "corpus": self._corpus,
            "pretrain": self._pretrain,
            "sft": self._sft,
            "pairs": self._pairs,
            "reward": self._reward,
            "ppo": self._ppo,
            "dpo": self._dpo,
        }
        part, folder = self._part(stage), self._folder(stage)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if stage in BASES:
            if self.world.first and to_lose(self.job, stage) is None:
                # Nothing is learnt yet: the data that it was begun with may have been mended since.
                for known in part.folder.glob("*.sha256"):
                    known.unlink()
            try:
                made = make[stage](part, folder)
            except (FeilunError, OSError):
                # The curves of a stage that went wrong are those one wants to see.
                with contextlib.suppress(OSError):
                    self._report(part)
                raise
            self._report(part)
            return made
        # The others share nothing: the first process does them alone.
        return self.world.of_first(make[stage](part, folder) if self.world.first else None)

    def _report(self, part: Job) -> None:
        if self.world.first:
            write_report(part)

    def _corpus(self, part: Job, folder: Path) -> Path | None:
        wanted, each = corpus_recipe(self.recipe, self.beside), local(os.cpu_count() or 1)
        return build(wanted, part, folder, each, read_forgotten(self.workspace.path))

    def _pretrain(self, part: Job, folder: Path) -> Path | None:
        more = [self._beside(path) for path in self.recipe.pretrain.data.sources]
        return pretrain.pretrain(
            self.recipe.pretrain, [self._folder("corpus"), *more], part, folder, self.world
        )

    def _sft(self, part: Job, folder: Path) -> Path | None:
        return sft.fine_tune(
            self.recipe.sft, self._base("sft"), self._conversations, part, folder, self.world
        )

    def _pairs(self, part: Job, folder: Path) -> Path | None:
        wanted = self.recipe.pairs
        return write_own_answers(
            self._folder("sft"),
            self._conversations,
            [self._beside(path) for path in wanted.sources],
            part,
            folder,
            name=f"{self.recipe.name}-pairs",
            data=self.recipe.sft.data,
            prompts=wanted.prompts,
            sampling=wanted.sampling,
            likeliest=wanted.likeliest,
            seed=self.recipe.seed,
            dtype=self.recipe.sft.run.torch_dtype,
            device=self.world.device,
        )

    def _reward(self, part: Job, folder: Path) -> Path | None:
        pairs = [self._folder("pairs") / PAIRS]
        return prefer.train_reward(self.recipe.reward, self._base("reward"), pairs, part, folder, self.world)

    def _ppo(self, part: Job, folder: Path) -> Path | None:
        prompts = [self._folder("pairs") / PROMPTS]
        reward = self._folder("reward")
        return reinforce.reinforce(
            self.recipe.ppo, self._base("ppo"), prompts, part, folder, self.world, reward=reward
        )

    def _dpo(self, part: Job, folder: Path) -> Path | None:
        pairs = [self._folder("pairs") / PAIRS]
        return prefer.prefer(self.recipe.dpo, self._base("dpo"), pairs, part, folder, self.world)

    # What they are worth.

    def _measure(self, stage: str) -> Measured:
        path = self._part(stage).folder / "measured.json"
        with contextlib.suppress(FileNotFoundError, ValidationError):  # an earlier Feilun has measured less
            found = Measured.model_validate_json(path.read_bytes())
            if found.by and found.by != self._yardstick.digest:
                raise FeilunError(
                    f"Stage {stage} was measured by other questions, instructions or held-out texts than there are now. Put the "
                    "files of [evaluate] and the conversations back as they were, or start anew without --resume.",
                    f"阶段 {stage} 当时所用的评测问题、指令或留出文本与现在不同。请将 [evaluate] 的文件与对话恢复原状，"
                    "或去掉 --resume 重新开始。",
                    code="other_questions",
                )
            return found
        self.job.emit("stage", name=f"evaluate {stage}")
        measured = self._yardstick.measure(self._folder(stage), stage)
        write_atomically(path, measured.model_dump_json())
        self.job.emit(
            "measured",
            part=stage,
            bits_per_byte=measured.bits,
            talks=f"{measured.talks.passed}/{measured.talks.total}",
            right=f"{measured.right.passed}/{measured.right.total}",
            followed=f"{measured.followed.passed}/{measured.followed.total}",
        )
        return measured

    @cached_property
    def _yardstick(self) -> Yardstick:
        wanted, run = self.recipe.evaluate, self.recipe.pretrain.run
        tokenizer = Tokenizer.load(self._folder("pretrain"))
        held = conversations(self.recipe.sft.data, self._conversations, apart=True)
        prompts = [
            Prompt(prompt_ids(tokenizer, line.asked), line.asked, {"lang": line.lang}, "") for line in held
        ]
        return Yardstick(
            questions=read_questions(self._beside(wanted.questions)),
            instructions=read_questions(self._beside(wanted.instructions)) if wanted.instructions else [],
            prompts=[prompt for prompt in prompts if len(prompt.ids) <= run.length][: wanted.compared],
            documents=self._documents(tokenizer),
            tokens=wanted.tokens,
            length=run.length,
            dtype=run.torch_dtype,
            device=self.world.device,
        )

    def _documents(self, tokenizer: Tokenizer) -> list[TokenDocument]:
        """Held out of pre-training, as its own evaluations read them. Raises `FeilunError` if its token shards are not there."""
        encoder: Any = tokenizer  # whose cached properties pyright does not match with the protocol's
        folder = self._part("pretrain").folder / "tokens"
        try:
            tokens = Tokens.open(folder, encoder)
        except FeilunError as error:
            # Not in its words: they advise to make them again, which a stage that has ended does not.
            raise FeilunError(
                f"Stage pretrain: its token shards, by which models are measured, are gone or broken: {folder}. Put them back, or "
                "start anew without --resume; what the stages have left is as it was.",
                f"阶段 pretrain：用于评测模型的 token 分片已不存在或已损坏：{folder}。请放回，或去掉 --resume 重新开始；"
                "各阶段的产物未受影响。",
                code="stage_missing",
            ) from error
        return heldout_documents(tokens, self.recipe.pretrain.evaluate_tokens)

    def _results(self) -> Results:
        path = self.job.folder / RESULTS
        if path.exists():
            return Results.model_validate_json(path.read_bytes())
        self.job.emit("stage", name="compare")
        yardstick = self._yardstick
        models = [self._measure(stage) for stage in MEASURED]
        by_stage = {model.stage: model for model in models}
        judge = RewardModel.load(self._folder("reward"), dtype=yardstick.dtype, device=yardstick.device)
        text = Tokenizer.load(self._folder("pretrain"))
        figures = {stage: Manifest.read(self._folder(stage)).figures for stage in ORDER}
        results = Results(
            name=self.recipe.name,
            size=self.recipe.size,
            models=models,
            ngram=figures["pretrain"].get("ngram_bits_per_byte"),
            peers={peer: yardstick.of_other(_fetched(peer), text) for peer in self.recipe.evaluate.peers},
            reward_accuracy=figures["reward"].get("heldout_accuracy"),
            wins=[
                difference
                for stage in RELEASED
                for difference in yardstick.compare(by_stage["sft"], by_stage[stage], judge)
            ],
            asked={
                question.id: question.messages[-1].content
                for question in (*yardstick.questions, *yardstick.instructions)
            },
            figures=figures,
        )
        write_atomically(path, results.model_dump_json(indent=1))
        return results

    # What is served.

    def _release(self, stage: str) -> None:
        folder = self._folder(stage)
        file = served_file(folder, folder.name, self.recipe.release.gguf, self.workspace.path / "models")
        digest = Manifest.read(file.parent).id
        release = served_as(folder.name, normalise(str(file)), self.recipe.pretrain.model.context, digest)
        registry = Registry(self.workspace)
        if any(known.name == release.name for known in registry.releases()):
            registry.replace(release)
        else:
            registry.add(release)
        self.job.emit("registered", model=release.name, release=release.id, file=str(file))

    # Where things are.

    def _part(self, stage: str) -> Job:
        own: Any = getattr(self.recipe, stage)
        return self.job.part(stage, own.model_dump(mode="json"))

    def _folder(self, stage: str) -> Path:
        """What a stage leaves."""
        name, path = self.recipe.name, self.workspace.path
        others = {"corpus": path / "corpora" / name, "pairs": path / "datasets" / f"{name}-pairs"}
        return others.get(stage, path / "models" / f"{name}-{stage}")

    def _base(self, stage: str) -> Path:
        base = BASES[stage]
        assert base is not None
        return self._folder(base)

    def _beside(self, path: str) -> Path:
        return (self.beside / path).resolve()

    @property
    def _conversations(self) -> list[Path]:
        return [self._beside(path) for path in self.recipe.sft.data.sources]


@contextlib.contextmanager
def _named(stage: str) -> Generator[None]:
    """What goes wrong in a stage says which one it was."""
    try:
        yield
    except FeilunError as error:
        raise FeilunError(
            f"Stage {stage}: {error.text.en}",
            f"阶段 {stage}：{error.text.zh}",
            status=error.status,
            code=error.code,
        ) from error


def _fetched(source: str) -> Path:
    """The Hugging Face folder of a model out of any source."""
    return unpacked(ensure(Release(name="peer", source=normalise(source))))
