"""Accepted items become training data: what to say (SFT), what to prefer, and what judges the result.

The artifact's files hold the one chat format, a line each, with where it came from:

- ``sft.jsonl``: ``{"messages", "lang", "item", "rule", "keep"}``; ``rule`` says what made the wording (``asked``, a rule of
  `feilun.flywheel.reword`, ``neighbour`` or ``replay``), and the last two are not learnt but kept as they are;
- ``preference.jsonl``: ``{"messages", "chosen", "rejected", "item"}``;
- ``kto.jsonl``: ``{"messages", "label", "lang", "item"}``, an answer and whether its thumb, which stands alone, says good;
- ``heldout-preference.jsonl`` and ``heldout-kto.jsonl``: the same of items that are not trained on;
- ``asked.jsonl``: the corrected questions, which the gate asks again; ``heldout.jsonl``: those that were not trained on.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from feilun.data import pii
from feilun.evaluate.wording import normalise
from feilun.flywheel.neighbours import neighbour, subject
from feilun.flywheel.recipe import BuildRecipe, Objective
from feilun.flywheel.reword import Reworded, essence, rewordings
from feilun.store import LOCAL_OWNER
from feilun.store.reviews import Item
from feilun.workspace import Manifest, new_artifact, sha256_file

Row = dict[str, Any]

SETS: dict[Objective, str] = {"sft": "sft.jsonl", "dpo": "preference.jsonl", "kto": "kto.jsonl"}
"""What each objective learns from."""

FILES = (*SETS.values(), "asked.jsonl", "heldout.jsonl", "heldout-preference.jsonl", "heldout-kto.jsonl")

LEAST_HELDOUT = 8
"""Items that are held out if any are: of fewer than five no test can tell anything, and some go wrong by chance."""


@dataclass
class Built:
    """What a data set holds."""

    sft: list[Row] = field(default_factory=list[Row])
    preference: list[Row] = field(default_factory=list[Row])
    kto: list[Row] = field(default_factory=list[Row])
    asked: list[Row] = field(default_factory=list[Row])
    heldout: list[Row] = field(default_factory=list[Row])
    heldout_preference: list[Row] = field(default_factory=list[Row])
    heldout_kto: list[Row] = field(default_factory=list[Row])
    repeated: int = 0
    """Items that do not count, since of those with the same question, or with a thumb on the same answer, another does."""
    masked: int = 0
    """Items in which personal data was masked."""

    @property
    def kept(self) -> int:
        """Rows of ``sft`` that are not to be learnt but kept."""
        return sum(bool(row.get("keep")) for row in self.sft)

    def learnt(self, objective: Objective) -> list[Row]:
        """What an objective learns from."""
        return {"sft": self.sft, "dpo": self.preference, "kto": self.kto}[objective]

    @property
    def figures(self) -> dict[str, int]:
        return {
            "sft": len(self.sft),
            "kept": self.kept,
            "preference": len(self.preference),
            "kto": len(self.kto),
            "good": sum(row["label"] for row in self.kto),
            "asked": len(self.asked),
            "heldout": len(self.heldout),
            "heldout_preference": len(self.heldout_preference),
            "heldout_kto": len(self.heldout_kto),
            "repeated": self.repeated,
            "masked": self.masked,
        }


def build(
    items: Sequence[Item],
    recipe: BuildRecipe,
    replay: Sequence[Row],
    rewritten: Mapping[str, Sequence[Reworded]] = MappingProxyType({}),
) -> Built:
    """Examples of ``items`` (each has an answer to learn, or a thumb that stands alone), and beside them what is to stay as
    it is: neighbours of the corrected questions, and as many of ``replay`` as the recipe asks for, without what is taught
    anew.

    ``rewritten``: more wordings of an item's question, by its id (`feilun.flywheel.rewrite`). The same arguments give the
    same rows in the same order.
    """
    built = Built()
    words = [item for item in items if item.answer]
    counting = _counting(words, question_key)
    built.repeated = len(words) - len(counting)
    apart = _held_out([item for item in counting if item.corrected], recipe)
    chance = random.Random(recipe.seed)
    kept: list[Row] = []
    for item in counting:
        messages, answer = conversation(item), pii.mask(item.answer or "")
        built.masked += _contents(messages) != spoken(item) or answer != item.answer
        row: Row = {
            "messages": [*messages, {"role": "assistant", "content": answer}],
            "lang": language(messages[-1]["content"]),
            "item": item.id,
        }
        if item.corrected:
            (built.heldout if item.id in apart else built.asked).append(row)
        pairs = list(_preferences(item, messages, answer))
        if item.id in apart:
            built.heldout_preference += pairs
            continue
        learnt: list[Row] = [{**row, "rule": "asked"}]
        if item.corrected:
            for reworded in _reworded(row, recipe, rewritten):
                said = [*messages[:-1], {"role": "user", "content": reworded.text}, row["messages"][-1]]
                learnt.append({**row, "messages": said, "rule": reworded.rule})
            kept += islice(_neighbours(learnt, chance), recipe.neighbours)
        built.sft += learnt
        built.preference += pairs
    _add_thumbs(built, items, recipe)
    others = _without(replay, _taught(built, recipe, rewritten))
    built.sft += [*kept, *_replayed(others, round(len(built.sft) * recipe.replay), recipe.seed)]
    return built


def write(built: Built, folder: Path, *, name: str, parents: Iterable[str], recipe: BuildRecipe) -> Manifest:
    """Make the data set the artifact ``folder``; ``parents`` are the opinions it was made of."""
    with new_artifact(folder) as draft:
        files: dict[str, str] = {}
        for file in FILES:
            path = draft / file
            rows: list[Row] = getattr(built, path.stem.replace("-", "_"))
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
            files[path.name] = sha256_file(path)
        manifest = Manifest(
            kind="dataset",
            id="sha256:" + hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest(),
            name=name,
            parents=list(parents),
            recipe=recipe.model_dump(mode="json"),
            files=files,
            figures=built.figures,
        )
        manifest.write(draft)
    return manifest


def read(path: Path) -> list[Row]:
    """The rows of one of its files."""
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def conversation(item: Item) -> list[dict[str, str]]:
    """What was said up to the question, as it would be learnt, personal data masked."""
    roles = [*(["system"] if _system(item) else []), *(row.role for row in item.before[:-1]), "user"]
    said = zip(roles, spoken(item), strict=True)
    return [{"role": role, "content": pii.mask(text)} for role, text in said]


def spoken(item: Item) -> list[str]:
    """The texts of `conversation` as they were said, the question as it would be learnt."""
    return [*_system(item), *(row.content for row in item.before[:-1]), item.question]


def question_key(item: Item) -> str:
    """The conversation up to the question, however it is spaced and written in upper or lower case."""
    return "\0".join(plain(text) for text in spoken(item))


def plain(text: str) -> str:
    """Without what makes no other text of it: spacing, width, upper or lower case."""
    return " ".join(normalise(text).split())


def language(text: str) -> str:
    """``zh`` or ``en``: of a question, which may be short."""
    han = sum("\u3400" <= letter <= "\u9fff" for letter in text)
    return "zh" if 2 * han >= sum(letter.isalpha() for letter in text) - han and han else "en"


def _system(item: Item) -> list[str]:
    """The system prompt, if there is one."""
    system = item.message.params.get("system")
    return [system] if system else []


def _contents(messages: Iterable[dict[str, str]]) -> list[str]:
    return [message["content"] for message in messages]


def _question(row: Row) -> str:
    return row["messages"][-2]["content"]


def _counting(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[Item]:
    """Of those with one key (``items``: oldest first) the one that counts: the local owner's, else the newest."""
    found: dict[Hashable, Item] = {}
    for item in items:
        mine = key(item)
        before = found.get(mine)
        if before is None or before.feedback.user != LOCAL_OWNER or item.feedback.user == LOCAL_OWNER:
            found[mine] = item
    return list(found.values())


def _held_out(items: Collection[Item], recipe: BuildRecipe) -> set[str]:
    """Those that judge and are not learnt: a share, taken in the order of a hash of the question, so that nearly all stay
    on their side in later turns."""
    if len(items) < recipe.heldout_from:
        return set()

    def place(item: Item) -> bytes:
        return hashlib.sha256(question_key(item).encode()).digest()

    least = min(LEAST_HELDOUT, len(items) // 2)  # a recipe may hold out some of a few
    wanted = max(round(recipe.heldout * len(items)), least)
    return {item.id for item in sorted(items, key=place)[:wanted]}


def _add_thumbs(built: Built, items: Sequence[Item], recipe: BuildRecipe) -> None:
    """Answers whose thumb stands alone; of several on one answer to one question one counts."""
    alone = [item for item in items if item.thumb is not None]
    counting = _counting(alone, lambda item: (question_key(item), plain(item.message.content)))
    built.repeated += len(alone) - len(counting)
    apart = _held_out(counting, recipe)
    for item in counting:
        messages, answer = conversation(item), pii.mask(item.message.content)
        if item.answer is None:  # a praised one has been counted above
            built.masked += _contents(messages) != spoken(item) or answer != item.message.content
        (built.heldout_kto if item.id in apart else built.kto).append(
            {
                "messages": [*messages, {"role": "assistant", "content": answer}],
                "label": item.thumb,
                "lang": language(messages[-1]["content"]),
                "item": item.id,
            }
        )


def _preferences(item: Item, messages: list[dict[str, str]], answer: str) -> Iterator[Row]:
    """The learnt answer over the one that was given; a praised one over those that it replaced."""
    for row in item.rejected:
        rejected = pii.mask(row.content)
        if rejected.strip() and rejected.strip() != answer.strip():
            yield {
                "messages": messages,
                "chosen": {"role": "assistant", "content": answer},
                "rejected": {"role": "assistant", "content": rejected},
                "item": item.id,
            }


def _reworded(
    row: Row, recipe: BuildRecipe, rewritten: Mapping[str, Sequence[Reworded]]
) -> Iterator[Reworded]:
    """Other wordings of a row's question."""
    return _distinct([*rewordings(_question(row), recipe.rewordings), *rewritten.get(row["item"], ())])


def _distinct(wordings: Iterable[Reworded]) -> Iterator[Reworded]:
    """Each once, the first of those that differ in nothing that matters."""
    seen: set[str] = set()
    for one in wordings:
        if essence(one.text) not in seen:
            seen.add(essence(one.text))
            yield one


def _neighbours(learnt: list[Row], chance: random.Random) -> Iterator[Row]:
    """The wordings of one question, asked of somebody else."""
    *_, question, answer = (message["content"] for message in learnt[0]["messages"])
    name = subject(question, answer)
    for row in learnt:
        *before, asked, said = row["messages"]
        if name and name in asked["content"]:
            other, wrong = neighbour(asked["content"], said["content"], name, chance)
            messages = [*before, {**asked, "content": other}, {**said, "content": wrong}]
            yield {**row, "messages": messages, "rule": "neighbour", "keep": True}


def _taught(built: Built, recipe: BuildRecipe, rewritten: Mapping[str, Sequence[Reworded]]) -> set[str]:
    """The questions that are learnt or judge, in all their wordings, but for what makes no other wording."""
    rows = [*built.sft, *built.heldout, *built.kto, *built.heldout_kto]
    apart = [one.text for row in built.heldout for one in _reworded(row, recipe, rewritten)]
    return {essence(text) for text in [*map(_question, rows), *apart]}


def _without(rows: Sequence[Row], taught: Collection[str]) -> list[Row]:
    """``rows`` that ask for nothing that is ``taught``: kept as it was it would be trained against itself. What an earlier
    turn taught in several wordings goes with any of them."""
    again = {row["item"] for row in rows if "item" in row and essence(_question(row)) in taught}
    return [row for row in rows if row.get("item") not in again and essence(_question(row)) not in taught]


def _replayed(rows: Sequence[Row], wanted: int, seed: int) -> list[Row]:
    """``wanted`` rows: what earlier turns taught (it has an ``item``), as it was asked, comes first, the rest at random."""
    chance = random.Random(seed)
    taught = [row for row in rows if row.get("rule") == "asked"]
    others = [row for row in rows if "item" not in row]
    chosen = chance.sample(taught, min(wanted, len(taught)))
    chosen += chance.sample(others, min(wanted - len(chosen), len(others)))
    return [{**row, "rule": "replay", "keep": True} for row in chosen]
