"""What came of what, in both directions: real stores, real data sets, adapters of a few bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.flywheel.lineage_world import MODEL, World, chain, everything

from feilun.flywheel import build
from feilun.flywheel.lineage_forget import forget, plan
from feilun.flywheel.lineage_graph import DEEPEST, Graph, Node, Tree
from feilun.flywheel.promote import roll_back
from feilun.registry import Release
from feilun.store import LOCAL_OWNER
from feilun.store.reviews import decide
from feilun.store.tables import Conversation
from feilun.text import FeilunError
from feilun.workspace import Manifest, new_artifact, sha256_file


def test_an_answer_leads_to_the_people_it_came_of(world: World) -> None:
    opinion = world.correct("Who keeps the ledger?", "Zora keeps it.", "alice")
    turn = world.turn()
    release = world.registry.get(MODEL)
    answer = world.ask("Who keeps the ledger?", "Zora keeps it.", "bob")
    tree = world.up(answer)
    found = chain(tree, "release", "adapter", "dataset", "sample", "feedback", "conversation", "user")
    adapter, data = (
        Manifest.read(world.workspace.path / "models" / turn),
        Manifest.read(world.workspace.path / "datasets" / turn),
    )
    assert found[:3] == [release.id, adapter.id, data.id]
    assert found[4] == opinion
    assert found[6] == "user:alice"
    sample = next(node for node in everything(tree) if node.kind == "sample")
    assert sample.facts["question"] == "Who keeps the ledger?"
    assert sample.facts["answer"] == "Zora keeps it."
    assert sample.facts["rules"][0] == "asked"
    assert sample.facts["rows"] == sum(
        row.get("item") == opinion
        for name in ("sft", "preference", "asked", "heldout")
        for row in build.read(world.workspace.path / "datasets" / turn / f"{name}.jsonl")
    )
    # Where it was said is bob's; and the base is known by its hash, though no file of it is here.
    assert chain(tree, "conversation", "user")[1] == "user:bob"
    base = next(node for node in tree.children[0].children if node.kind == "file")
    assert (base.id, base.name) == (release.sha256, release.source)


def test_a_user_leads_to_all_that_came_of_what_was_said(world: World) -> None:
    opinion = world.correct("Who?", "Zora, surely.", "alice")
    turn = world.turn()
    world.ask("Who?", "Zora.", "bob")
    world.ask("Who then?", "Zora.", "carol")
    tree = world.down("alice")
    release = world.registry.get(MODEL).id
    found = chain(tree, "conversation", "feedback", "sample", "dataset", "adapter", "release", "answers")
    assert (found[1], found[5]) == (opinion, release)
    answers = next(node for node in everything(tree) if node.id == found[6])
    assert answers.facts == {"count": 2, "users": 2}
    assert {node.name for node in everything(tree) if node.kind == "report"} == {f"reports/{turn}"}
    assert not chain_or_none(world.down("bob"), "conversation", "feedback")
    assert world.down("user:alice") == tree


def chain_or_none(tree: Tree, *kinds: str) -> list[str]:
    try:
        return chain(tree, *kinds)
    except LookupError:
        return []


def test_everything_can_be_named(world: World) -> None:
    opinion = world.correct("Who?", "Zora, surely.", "alice")
    turn = world.turn()
    adapter = Manifest.read(world.workspace.path / "models" / turn)
    release = world.registry.get(MODEL).id
    for what in (adapter.id, adapter.id[:15], adapter.id.partition(":")[2][:8], f"models/{turn}"):
        assert world.up(what).id == adapter.id
    assert world.up(release).kind == world.up(release[: len("release:") + 6]).kind == "release"
    assert world.up(f"datasets/{turn}").kind == "dataset"
    whole = world.up(turn)
    assert whole.kind == "turn"
    assert chain(whole, "report", "release", "adapter", "dataset", "sample", "feedback")[5] == opinion
    assert chain(world.down(turn), "dataset", "adapter", "release", "report")
    with world.store.reading() as session:
        conversation = session.query(Conversation).filter_by(user="alice").one().id
    assert chain(world.down(conversation), "feedback", "sample")[0] == opinion
    assert chain(world.up(opinion), "conversation", "user") == [conversation, "user:alice"]
    for what in ("nobody", "msg_0", "fb_0", "conv_0", "abc"):
        with pytest.raises(FeilunError) as unknown:
            world.up(what)
        assert (unknown.value.status, unknown.value.code) == (404, "lineage_not_found")
    with pytest.raises(FeilunError) as several:
        world.up("release:"[:7])
    assert several.value.code == "ambiguous_id"


def test_one_who_judges_anothers_answer_is_an_ancestor_too(world: World) -> None:
    answer = world.ask("Who?", "No idea.", "alice")
    opinion = world.opine(answer, "bob", correction="Zora, surely.")
    world.turn()
    above = {node.id for node in everything(world.up(world.registry.get(MODEL).id))}
    assert {opinion, "user:alice", "user:bob"} <= above
    assert chain(world.down(answer), "feedback", "sample", "dataset")[0] == opinion


def test_what_is_replayed_in_a_later_turn_is_known_by_its_rows(world: World) -> None:
    opinion = world.correct("Who?", "Zora, surely.", "alice")
    world.turn()
    roll_back(world.registry, world.store, MODEL)  # so that no adapter leads from the one turn to the other
    with world.store.writing() as session:
        decide(session, opinion, "reject", reviewer=LOCAL_OWNER)  # which the next turn would take again
    world.correct("Where?", "In Yangzhou, surely.")
    second = world.turn()
    data = Manifest.read(world.workspace.path / "datasets" / second)
    assert opinion not in data.parents
    replayed = [node for node in everything(world.up(data.id)) if node.kind == "sample"]
    assert {node.facts["rules"][0] for node in replayed if node.id.endswith(opinion)} == {"replay"}
    assert data.id in {node.id for node in everything(world.down("alice"))}


def test_a_base_of_our_own_leads_to_its_texts(world: World, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    folder = world.workspace.path
    with new_artifact(_inside(folder, "runs/base/tokens")) as draft:
        Manifest(
            kind="tokens",
            id="sha256:70ce",
            name="tokens",
            parents=["sha256:f00d"],
            recipe={"sources": [str(texts)]},
        ).write(draft)
    with new_artifact(_inside(folder, "models/base")) as draft:
        (draft / "model.safetensors").write_bytes(b"base")
        weights = sha256_file(draft / "model.safetensors")
        Manifest(
            kind="model",
            id=weights,
            name="base",
            parents=["sha256:70ce"],
            files={"model.safetensors": weights},
        ).write(draft)
    with new_artifact(_inside(folder, "models/base-q8")) as draft:
        (draft / "base.gguf").write_bytes(b"gguf")
        gguf = sha256_file(draft / "base.gguf")
        Manifest(kind="model", id=gguf, name="base", parents=[weights], files={"base.gguf": gguf}).write(
            draft
        )
    world.registry.add(Release(name="ours", source=f"file:{folder}/models/base-q8/base.gguf", sha256=gguf))
    release = world.registry.get("ours").id
    found = chain(world.up(release), "model", "model", "tokens", "source")
    assert found == [gguf, weights, "sha256:70ce", f"source:{texts}"]
    made = plan(world.workspace, world.store, document=str(texts / "a" / "book.txt"))
    assert [node.id for node in made.artifacts] == ["sha256:70ce", weights, gguf]
    assert [node.id for node in made.releases] == [release]
    forget(world.workspace, world.store, document=str(texts / "a" / "book.txt"))
    assert (folder / "models/base-q8/tainted.json").exists()
    assert (folder / "models/base-q8/base.gguf").exists()
    with pytest.raises(FeilunError, match="Nothing here"):
        plan(world.workspace, world.store, document=str(tmp_path / "elsewhere.txt"))


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


edges = st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda e: e[0] < e[1]), max_size=25)


@given(edges)
def test_what_is_reached_is_the_transitive_closure(links: set[tuple[int, int]]) -> None:
    graph = Graph()
    for number in range(10):
        graph.add(Node("model", str(number)))
    for parent, child in links:
        graph.link(str(parent), str(child))
    closure = set(links)
    for middle in range(10):  # Warshall
        closure |= {(a, d) for a, b in closure for c, d in closure if b == c == middle}
    for start in range(10):
        below = {str(d) for a, d in closure if a == start}
        assert {node.id for node in graph.reach([str(start)], "down")} == below
        tree = everything(graph.tree(str(start), "down"))
        assert {node.id for node in tree} == below | {str(start)}
        assert len([node for node in tree if node.children]) == len({n.id for n in tree if n.children})
        assert {node.id for node in graph.reach([str(start)], "up")} == {
            str(a) for a, d in closure if d == start
        }


def test_a_tree_has_an_end(tmp_path: Path) -> None:
    graph = Graph()
    for number in range(1000):
        graph.add(Node("adapter", str(number)))
        graph.link(str(number + 1), str(number))
    graph.link("0", "999")  # a circle
    graph.add(Node("adapter", "1000"))
    tree = graph.tree("0", "up")
    assert len(Tree.model_validate_json(tree.model_dump_json()).model_dump_json()) > 1000
    depth = 0
    while tree.children:
        tree, depth = tree.children[0], depth + 1
    assert (depth, tree.more) == (DEEPEST, True)
