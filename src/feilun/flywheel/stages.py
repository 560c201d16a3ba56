"""The stages of a turn's training, one for each of its objectives: what they learn from, for how long, and how.

A stage goes on from the adapter of the one before, the first from that of the present release. The release before the
stage is what its answers are held to (`feilun.train.dpo`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from feilun.flywheel import build
from feilun.flywheel.recipe import Objective, TurnRecipe
from feilun.jobs import Job
from feilun.registry import Release
from feilun.registry.sources import ensure
from feilun.store.reviews import Item, enough, items, within_caps
from feilun.text import FeilunError, Text

if TYPE_CHECKING:  # PyTorch is imported by those who train only
    from feilun.train.recipe import DpoRecipe, KtoRecipe, SftRecipe

SAVES = 12
"""Checkpoints of a stage: a turn that is killed does at most so much of it again."""


@dataclass(frozen=True)
class Stage:
    """One objective of a turn."""

    objective: Objective
    recipe: TurnRecipe
    figures: Mapping[str, int]
    """Of the data set (`feilun.flywheel.build.Built.figures`)."""

    @property
    def examples(self) -> int:
        """To learn from: conversations, those to keep included; pairs; or answers with a thumb."""
        return self.figures[Path(build.SETS[self.objective]).stem]

    @property
    def steps(self) -> int:
        """Of the optimiser."""
        if self.objective == "sft":
            kept = self.figures["kept"]
            return self.recipe.train.steps(self.examples - kept, kept)
        return (self.recipe.dpo if self.objective == "dpo" else self.recipe.kto).steps(self.examples)

    @property
    def missing(self) -> Text | None:
        """What there is not, and what to do about it. None: the objective has what it needs."""
        out = Text(
            f'; or leave "{self.objective}" out of `objectives` in the recipe.',
            f"；或从配方的 `objectives` 中去掉 “{self.objective}”。",
        )
        if self.objective == "kto":
            good = self.figures["good"]
            bad = self.examples - good
            if good and bad:
                return None
            return Text(
                f"KTO needs good and bad thumbs on answers that nobody has corrected: {good} good and {bad} bad are accepted. "
                f"Accept more of them in the review{out.en}",
                f"KTO 需要针对未被更正的回答的赞与踩：已接受 {good} 个赞、{bad} 个踩。请在审核中接受更多{out.zh}",
            )
        if self.objective == "dpo":
            if self.examples:
                return None
            return Text(
                "DPO needs pairs, and no accepted item prefers one answer to another. Correct an answer, or have it written "
                f"again and praise the better one, and accept it in the review{out.en}",
                "DPO 需要成对的回答，而已接受的反馈中没有一条表明哪个回答更好。请更正回答，或重新生成后赞更好的那个，"
                f"并在审核中接受{out.zh}",
            )
        if self.examples > self.figures["kept"]:
            return None
        return Text(
            "SFT needs answers to learn, and none of the accepted items has one. Correct or praise answers, and accept that in "
            f"the review{out.en}",
            f"SFT 需要可供学习的回答，而已接受的反馈中没有。请更正或赞回答，并在审核中接受{out.zh}",
        )

    def train(
        self, release: Release, adapter: Path | None, dataset: Path, job: Job, folder: Path, name: str
    ) -> bool:
        """Make ``folder`` the adapter ``name`` of ``release``'s base, going on from ``adapter``, inside ``job.running()``.
        False: the job was asked to stop before the end. Called again after a kill it goes on.
        """
        from feilun.train.prefer import prefer
        from feilun.train.recipe import SftRecipe
        from feilun.train.sft import fine_tune

        recipe = self._recipe(release.source, name)
        base, data = ensure(release), [dataset / build.SETS[self.objective]]
        part = job.part(self.objective, recipe.model_dump(mode="json"))
        if isinstance(recipe, SftRecipe):
            return fine_tune(recipe, base, data, part, folder, adapter=adapter) is not None
        judging = dataset / f"heldout-{data[0].name}"
        heldout = [judging] if self.figures[f"heldout_{data[0].stem}"] else []
        return prefer(recipe, base, data, part, folder, adapter=adapter, heldout=heldout) is not None

    def _recipe(self, base: str, name: str) -> SftRecipe | DpoRecipe | KtoRecipe:
        from feilun.model.lora import Lora
        from feilun.train.recipe import (
            ConversationsRecipe,
            DataRecipe,
            DpoRecipe,
            GentleOptimiser,
            KtoRecipe,
            SftRecipe,
        )
        from feilun.train.run_recipe import RunRecipe

        turn, steps, data = self.recipe, self.steps, DataRecipe(heldout=0)
        wanted = turn.train
        lora = Lora(rank=wanted.rank, alpha=2 * wanted.rank)

        def optimiser(lr: float, weight_decay: float = 0) -> GentleOptimiser:
            return GentleOptimiser(lr=lr, weight_decay=weight_decay, warmup=3, floor=0.02)

        def run(rows: int) -> RunRecipe:
            save_every = max(1, steps // SAVES)
            return RunRecipe(
                steps=steps, rows=rows, length=wanted.length, save_every=save_every, evaluate_every=steps
            )

        if self.objective == "sft":
            return SftRecipe(
                kind="sft",
                name=name,
                seed=wanted.seed,
                base=base,
                data=ConversationsRecipe(heldout=0),
                lora=lora,
                most=wanted.most,
                learns=wanted.learns,
                above=wanted.above,
                spare=wanted.spare,
                keep_share=wanted.keep_share,
                vocabulary="occurring",
                optimiser=optimiser(wanted.lr, wanted.weight_decay),
                run=run(wanted.rows),
            )
        if self.objective == "dpo":
            return DpoRecipe(
                kind="dpo",
                name=name,
                seed=wanted.seed,
                base=base,
                data=data,
                lora=lora,
                most=wanted.most,
                beta=turn.dpo.beta,
                nll=turn.dpo.nll,
                optimiser=optimiser(turn.dpo.lr),
                run=run(turn.dpo.rows),
            )
        good = self.figures["good"]
        bad = self.examples - good
        return KtoRecipe(
            kind="kto",
            name=name,
            seed=wanted.seed,
            base=base,
            data=data,
            lora=lora,
            most=wanted.most,
            beta=turn.kto.beta,
            good=min(1, bad / good),  # so that both kinds weigh the same
            bad=min(1, good / bad),
            optimiser=optimiser(turn.kto.lr),
            run=run(turn.kto.rows),
        )


def stages(recipe: TurnRecipe, figures: Mapping[str, int]) -> list[Stage]:
    """The stages of a turn of a data set with these figures, in their order."""
    return [Stage(objective, recipe, figures) for objective in recipe.train.objectives]


def teaches(item: Item, objectives: Collection[Objective]) -> bool:
    """Whether one of the objectives learns something from an item, should it be accepted."""
    answer = (item.answer or "").strip()
    others = {row.content.strip() for row in item.rejected} - {"", answer}
    learns: dict[Objective, bool] = {
        "sft": bool(answer),
        "dpo": bool(answer and others),
        "kto": item.thumb is not None,
    }
    return any(learns[objective] for objective in objectives)


def need_enough(session: Session, recipe: TurnRecipe) -> None:
    """Raises `FeilunError` (409) if too little is accepted for a turn, or nothing that one of its objectives needs."""
    rules, teaching = recipe.review, partial(teaches, objectives=recipe.train.objectives)
    accepted = items(session, state="accepted")
    if len(accepted) >= rules.least:  # else it is too little of everything
        mine, _ = within_caps(filter(teaching, accepted), rules.per_user)
        for stage in stages(recipe, build.build(mine, recipe.build, ()).figures):
            if missing := stage.missing:
                raise FeilunError(missing.en, missing.zh, status=409, code="nothing_for_objective")
    enough(session, per_user=rules.per_user, least=rules.least, teaches=teaching)
