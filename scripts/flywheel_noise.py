"""How far candidates differ that differ in nothing but the seed of their training: the gate's noise floor.

    python scripts/flywheel_noise.py --keep FOLDER

Makes the same turn of the default release three times, each in a workspace of its own with another seed: the facts of
``bench/flywheel_facts.jsonl`` as corrections, trained and asked as every turn is. Writes
``recipes/flywheel/noise.json``: to be made again with every new adapter, regression suite or way of training. Stopped
anywhere, it goes on where it was when it is given the same folder; on two cores it takes some 15 minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from feilun.evaluate.questions import Answer, Question, read_questions
from feilun.flywheel.asking import ask_once
from feilun.flywheel.noise import FILE, NoiseFloor, noise_of, suite_id
from feilun.flywheel.recipe import TurnRecipe, turn_recipe
from feilun.flywheel.turn import KIND, Turn
from feilun.jobs import Job, list_jobs
from feilun.registry import Registry, Release
from feilun.registry.builtin import ASSISTANT
from feilun.store import LOCAL_OWNER, Store
from feilun.store import conversations as talk
from feilun.store.feedback import give_feedback
from feilun.store.reviews import decide, items
from feilun.workspace import Workspace, sha256_file, write_atomically

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "bench" / "flywheel_facts.jsonl"
GIVEN = {"en": "I do not know.", "zh": "我不知道。"}
"""What was answered before it was corrected. Training does not see it."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, help="make the workspaces here, and leave them")
    parser.add_argument("--like", type=Path, help="a workspace: of its default model and recipe instead")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "recipes" / FILE)
    options = parser.parse_args()
    like = Workspace(options.like) if options.like else None
    release = Registry(like).default() if like else ASSISTANT
    recipe = turn_recipe(like) if like else TurnRecipe()
    suite = read_questions(
        Path(recipe.gate.suite) if recipe.gate.suite else ROOT / "recipes/eval/regression.jsonl"
    )
    with tempfile.TemporaryDirectory() as scratch:
        keep = (options.keep or Path(scratch)).absolute()
        runs = [run(keep / f"seed-{seed}", release, seeded(recipe, seed), suite) for seed in options.seeds]
    how = recipe.model_dump(mode="json", include={"build", "train", "gate"}, exclude={"train": {"seed"}})
    floor = NoiseFloor(
        release=release.id,
        base=release.sha256,
        suite=suite_id(suite),
        seeds=options.seeds,
        recipe=how,
        parts=noise_of(suite, runs),
    )
    write_atomically(options.out, floor.model_dump_json(indent=2) + "\n")
    for part, noise in floor.parts.items():
        print(
            f"{part}: {noise.n} questions, {noise.discordant:.1%} end differently in two runs, pass rate ±{noise.sd:.1%} "
            f"(sd), two runs at most {noise.span():.1%} apart"
        )


def seeded(recipe: TurnRecipe, seed: int) -> TurnRecipe:
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})


def run(folder: Path, release: Release, recipe: TurnRecipe, suite: list[Question]) -> dict[str, Answer]:
    """What the candidate of one seed answers; what of it was done before is not done again."""
    workspace = Workspace(folder)
    registry = Registry(workspace)
    if all(one.name != release.name for one in registry.releases()):
        registry.add(release)
    store = Store(workspace.path / "feilun.db")
    try:
        correct(store, [json.loads(line) for line in FACTS.read_text("utf-8").splitlines()])
        jobs = workspace.path / "runs"
        job = next(iter(list_jobs(jobs)), None) or Job.create(
            jobs, KIND, KIND, recipe.model_dump(mode="json")
        )
        turn = Turn(workspace, store, job, recipe, release.name)
        with job.running():
            verdict = turn.run()  # passes over the steps that are done
    finally:
        store.close()
    if verdict is None:
        sys.exit("Stopped. The same command goes on.")
    print(f"{folder.name}:", *verdict.words(), sep="\n  ", flush=True)
    file = workspace.path / "models" / turn.name / "adapter.gguf"
    candidate = release.model_copy(update={"adapter": str(file), "adapter_sha256": sha256_file(file)})
    asked = {question.id: [message.model_dump() for message in question.messages] for question in suite}
    kept = workspace.path / "answers"  # where the turn has kept them
    given = ask_once(kept, candidate, asked, max_tokens=recipe.gate.max_tokens, threads=recipe.gate.threads)
    return {name: answers[0] for name, answers in given.items()}


def correct(store: Store, facts: list[dict[str, Any]]) -> None:
    """Ask and correct what has not been corrected yet."""
    with store.writing() as session:
        known = {item.question for item in items(session)}
        for fact in facts:
            if fact["question"] in known:
                continue
            asked: list[talk.ChatMessage] = [{"role": "user", "content": fact["question"]}]
            begun = talk.begin_turn(
                session, user=LOCAL_OWNER, messages=asked, model="none", release="release:0", params={}
            )
            (answer,) = begun.message_ids
            talk.save_answers(session, [talk.Answer(answer, GIVEN[fact["lang"]], "complete", "stop")])
            said = give_feedback(
                session,
                user=LOCAL_OWNER,
                message_id=answer,
                opinion={"rating": -1, "correction": fact["answer"]},
                idempotency_key=None,
            )
            decide(session, said.id, "accept", reviewer=LOCAL_OWNER)


if __name__ == "__main__":
    main()
