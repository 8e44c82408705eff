import numpy as np

from finetune.data.augment import Graph, enrich, swap, three_hop
from finetune.data.tasks import Cut, cut_at, recommend, recommend_retrieval

# User 0 chose 0 and 1; user 1 chose 1, 2, 3; user 2 chose 0, 1, 2; user 3 chose 4 alone.
TRAIN = [np.array(items) for items in ([0, 1], [1, 2, 3], [0, 1, 2], [4])]
GRAPH = Graph(TRAIN, n_items=5)


def test_a_history_holds_twenty_items_at_most():
    cut = cut_at([str(at) for at in range(60)], 40)
    assert cut.history == tuple(str(at) for at in range(20, 40))
    assert cut.answer == tuple(str(at) for at in range(40, 50))


def test_a_short_sequence_gives_what_there_is():
    assert cut_at("abc", 1) == Cut(("a",), ("b", "c"))


def test_the_candidates_hold_every_target_in_random_order():
    cut = Cut(("h",), ("x", "y"))
    lists = [
        recommend_retrieval(3, cut, ["n1", "n2", "n3"], np.random.default_rng(seed)).candidates
        for seed in range(20)
    ]
    assert all(sorted(listed) == ["n1", "n2", "n3", "x", "y"] for listed in lists)
    assert len({listed.index("x") for listed in lists}) > 2
    assert recommend(3, cut).candidates == ()


def test_three_hops_count_paths():
    # From user 0: item 0 -> user 2, item 1 -> users 1 and 2. Item 2 is reached over user 1 (by
    # item 1) and twice over user 2 (by items 0 and 1); item 3 over user 1 only; 4 by nobody.
    assert three_hop(GRAPH, 0, limit=5) == [2, 3]
    assert three_hop(GRAPH, 0, limit=1) == [2]
    assert three_hop(GRAPH, 3, limit=5) == []


def test_users_and_company_of_an_item():
    assert [users.tolist() for users in GRAPH.users_of] == [[0, 2], [0, 1, 2], [1, 2], [1], [3]]
    assert GRAPH.co_chosen(1).tolist() == [2, 0, 2, 1, 0]


def test_a_short_list_is_enriched_at_its_old_end():
    assert enrich(["x", "y"], ["a", "b", "c"], 4) == ("a", "b", "x", "y")
    assert enrich(["x", "y"], ["a"], 4) == ("a", "x", "y")
    assert enrich(["x", "y"], ["a"], 2) == ("x", "y")


def test_swapped_items_change_places():
    cut = Cut(("a", "b", "c"), ("x", "y"))
    assert swap(cut, 0.0, np.random.default_rng(0)) == cut
    swapped = swap(cut, 1.0, np.random.default_rng(0))
    assert sorted(swapped.history + swapped.answer) == ["a", "b", "c", "x", "y"]
    assert len(swapped.history) == 3
    assert set(swapped.answer) != {"x", "y"}


def test_about_as_many_items_are_swapped_as_asked():
    rng = np.random.default_rng(0)
    cut = Cut(tuple("abcdefghij"), tuple("qrstuvwxyz"))
    moved = [item for _ in range(200) for item in swap(cut, 0.1, rng).answer if item in cut.history]
    assert 120 < len(moved) < 280
