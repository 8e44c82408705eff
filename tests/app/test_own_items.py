"""Items that a visitor brings: retrieved and ranked at once, and nobody else's."""

import numpy as np
import pytest

from palr.app.own_items import MAX_SESSIONS, OwnItems
from palr.catalog.own_items import MAX_ITEMS, PREFIX, is_own, new_own_item
from palr.data.datasets import DATASETS
from palr.errors import PalrError, UnknownItemError
from palr.llm.scripted import ScriptedLLM
from palr.recommender import Recommender
from palr.retrieval import retrieve
from palr.retrieval.own_items import JoinedRetriever, join
from palr.retrieval.semantic import SemanticRetriever
from palr.types import Asked, Item

from ..insight.conftest import make_catalog, make_retriever

CATALOG = make_catalog()
SEMANTIC = make_retriever(CATALOG)
VECTORS = {}


class ByNumber:
    """Knows the even films only, and likes the high numbers."""

    name = "by-number"
    items = CATALOG.items[::2]

    def score(self, histories):
        return np.array([[float(item.id) for item in self.items] for _ in histories], np.float32)


def like(item, title="Mine", seed=0):
    """An own item whose text means nearly what the item's does."""
    vector = SEMANTIC.vectors[CATALOG.items.index(item)] + SEMANTIC._mean
    vector = vector + np.random.default_rng(seed).normal(size=vector.shape) * 0.01
    mine = Item(f"{PREFIX}{title}", title, keywords=("crime",))
    VECTORS[mine.id] = (vector / np.linalg.norm(vector)).astype(np.float32)
    return mine


def embed(item):
    return VECTORS[item.id]


def loader(name):
    return {"semantic": SEMANTIC, "by-number": ByNumber()}[name]


def test_a_title_and_keywords_become_an_item():
    item = new_own_item("  Night <b>Train</b> (2031)", "crime, trains,crime, ")
    assert (item.title, item.year, item.keywords) == ("Night Train", 2031, ("crime", "trains"))
    assert is_own(item)
    assert new_own_item("x", "y").id != new_own_item("x", "y").id


@pytest.mark.parametrize(
    ("title", "listed", "why"),
    [
        ("", "crime", "write a title"),
        ("  \u0000 ", "crime", "write a title"),
        ("x" * 121, "crime", "at most 120"),
        ("Mine", " , ", "one to 8 keywords"),
        ("Mine", ",".join(map(str, range(9))), "one to 8 keywords"),
        ("Mine", "x" * 33, "32 characters"),
    ],
)
def test_what_is_missing_or_too_long_is_said(title, listed, why):
    with pytest.raises(PalrError, match=why):
        new_own_item(title, listed)


def test_no_catalog_has_ids_of_that_kind(settings):
    from palr.app.runtime import Runtime

    runtime = Runtime(settings)
    assert DATASETS
    for domain in ("movies", "beauty"):
        assert not any(is_own(item) for item in runtime.catalog(domain).items)


def test_visitors_see_their_own_only():
    pool = OwnItems()
    item = new_own_item("Mine", "crime")
    pool.add("a", "movies", item)
    assert pool.of("a", "movies") == (item,)
    assert pool.of("a", "beauty") == pool.of("b", "movies") == ()
    pool.clear("a", "movies")
    assert pool.of("a", "movies") == ()


def test_the_shelf_is_bounded():
    pool = OwnItems()
    for n in range(MAX_ITEMS):
        pool.add("a", "movies", new_own_item(f"Mine {n}", "crime"))
    with pytest.raises(PalrError, match="clear them first"):
        pool.add("a", "movies", new_own_item("One more", "crime"))
    pool.add("b", "movies", new_own_item("Mine", "x"))
    with pytest.raises(PalrError, match="there already"):
        pool.add("b", "movies", new_own_item("mine", "y"))
    for n in range(MAX_SESSIONS):
        pool.add(f"v{n}", "movies", new_own_item("Mine", "crime"))
    assert pool.of("a", "movies") == ()
    assert pool.of(f"v{MAX_SESSIONS - 1}", "movies")


def test_the_catalog_finds_it_first_and_leaves_the_other_one_alone():
    mine = like(CATALOG.items[3], "Film 3 and me")
    catalog, _ = join(CATALOG, loader, [mine], embed)
    assert catalog.search("film 3")[0] == mine
    assert catalog.search("film 3")[1].id == "3"
    assert catalog.item(mine.id) == catalog.find("film 3 AND me") == mine
    assert catalog.item("3") == catalog.find("Film 3") == CATALOG.items[3]
    assert catalog.fingerprint == CATALOG.fingerprint
    with pytest.raises(UnknownItemError):
        CATALOG.item(mine.id)


def test_the_semantic_retriever_ranks_it_by_its_text():
    mine = like(CATALOG.items[3])
    _, retrievers = join(CATALOG, loader, [mine], embed)
    joined = retrievers("semantic")
    assert isinstance(joined, SemanticRetriever)
    assert retrieve(joined, [CATALOG.items[3]], 5)[0].item == mine
    # Nothing changes for the others.
    old = [c.item for c in retrieve(SEMANTIC, CATALOG.items[:3], 20)]
    new = [c.item for c in retrieve(joined, CATALOG.items[:3], 21) if c.item != mine]
    assert new[: len(old)] == old
    # And it is a pick like any other.
    assert retrieve(joined, [mine], 5)[0].item == CATALOG.items[3]


def test_a_model_that_cannot_know_it_gives_it_its_semantic_rank():
    history = list(CATALOG.items[10:13])
    for seed, twin in enumerate((1, 21, 40, 57)):
        mine = like(CATALOG.items[twin], seed=seed)
        wider = SEMANTIC.joined([mine], embed(mine)[None])
        joined = JoinedRetriever(ByNumber(), wider, [mine])
        theirs = {item.id for item in ByNumber.items} | {mine.id}
        near = [c.item for c in retrieve(wider, history, 61) if c.item.id in theirs]
        found = retrieve(joined, history, 31)
        rank = next(c.rank for c in found if c.item == mine)
        assert rank == near.index(mine) + 1
        rest = [c.item for c in found if c.item != mine]
        assert rest == [c.item for c in retrieve(ByNumber(), history, 30)]


def test_a_run_offers_it_ranks_it_and_says_where_its_rank_comes_from():
    mine = like(CATALOG.items[10])
    llm = ScriptedLLM('"Mine"')
    recommender = Recommender(CATALOG, loader, lambda: llm, embed=embed)
    picks = list(CATALOG.items[10:13])
    trace = recommender.recommend(picks, Asked("by-number", own_items=(mine,)))
    assert mine in [c.item for c in trace.candidates]
    assert trace.ranking.items[0].item == mine
    assert any("semantic" in note and "Mine" in note for note in trace.notes)
    by_meaning = recommender.recommend(picks, Asked("semantic", own_items=(mine,)))
    assert mine in [c.item for c in by_meaning.candidates]
    assert by_meaning.notes == ()
    # The next visitor's run knows nothing of it.
    other = recommender.recommend(picks, Asked("by-number"))
    assert mine not in [c.item for c in other.candidates]


def test_only_own_items_and_few_of_them_are_taken():
    recommender = Recommender(CATALOG, loader, lambda: ScriptedLLM(), embed=embed)
    with pytest.raises(PalrError, match="at most 5"):
        recommender.joined([like(CATALOG.items[0], str(n)) for n in range(6)])
    with pytest.raises(PalrError, match="at most 5"):
        recommender.joined([Item("1", "Forged")])


def test_nothing_brought_changes_nothing():
    recommender = Recommender(CATALOG, loader, lambda: ScriptedLLM())
    assert recommender.joined(()) is recommender


def test_a_studio_reads_what_is_brought_and_keeps_it_to_its_visitor(settings):
    from palr.app.runtime import Runtime

    runtime = Runtime(settings.model_copy(update={"llm_backend": "scripted"}))
    item = runtime.add_own_item(
        "me", "beauty", "Matte Lipstick, Deep Plum", "lipstick, matte, plum"
    )
    assert runtime.own_items.of("me", "beauty") == (item,)
    assert runtime.own_items.of("you", "beauty") == runtime.own_items.of("me", "movies") == ()
    with pytest.raises(PalrError, match="write a title"):
        runtime.add_own_item("me", "beauty", "", "plum")

    recommender = runtime.recommender("beauty").joined((item,))
    lipsticks = runtime.catalog("beauty").search("matte lipstick", 4)
    assert lipsticks
    # Its text alone brings it near the top of what goes with lipsticks.
    found = retrieve(recommender.retriever("semantic"), lipsticks, 20)
    assert item in [candidate.item for candidate in found]
    trace = runtime.recommender("beauty").recommend(lipsticks, Asked(own_items=(item,)))
    assert item in [candidate.item for candidate in trace.candidates]
