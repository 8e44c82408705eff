"""Two rankings by hand: shares, moves, costs, and what there is to choose from."""

from dataclasses import replace

import pytest

from palr.errors import PalrError
from palr.runs.compare import compare, compared, variants
from palr.types import (
    NO_WISH,
    Asked,
    Item,
    Profile,
    Prompt,
    RankedItem,
    Ranking,
    Recommendation,
    Wish,
)


def run(*titles, seconds=2.0, tokens=100, passes=7):
    items = (RankedItem(Item(t, f"Film {t}"), n, n) for n, t in enumerate(titles, start=1))
    return Recommendation(
        *("movies", "made-up", ()),
        profile=Profile(prompt=Prompt((), tokens=50)),
        prompt=Prompt((), tokens=tokens),
        ranking=Ranking(tuple(items), forward_passes=passes),
        seconds={"ranking": 1.5, "total": seconds},
    )


def test_moves_and_overlap():
    found = compare(run(*"abcd"), run(*"cabe", seconds=4.0, tokens=70, passes=None))
    assert found.overlap == 3 / 4
    assert [(m.item.id, m.before, m.after, m.places) for m in found.moves] == [
        ("c", 3, 1, 2),
        ("a", 1, 2, -1),
        ("b", 2, 3, -1),
        ("e", None, 4, None),
        ("d", 4, None, None),
    ]
    assert (found.before.seconds, found.before.tokens, found.before.passes) == (2.0, 150, 7)
    assert (found.after.seconds, found.after.tokens, found.after.passes) == (4.0, 120, None)


def test_only_the_top_ten_counts():
    twelve = [str(n) for n in range(12)]
    found = compare(run(*twelve), run(*reversed(twelve)))
    assert found.overlap == 8 / 10
    assert len(found.moves) == 12


def test_an_empty_ranking_shares_nothing():
    assert compare(run(), run("a")).overlap == 0.0


def test_variants_change_one_thing_each():
    asked = Asked(retriever="sasrec", mode="titles")
    found = variants(["sasrec", "semantic"], {"movies-v1": "PALR_v1"}, "zero-shot")
    made = {key: variant.change(asked) for key, variant in found.items()}
    assert made["same"] == asked
    assert made["alone"] == Asked("sasrec", "titles", ranker="retriever")
    assert made["zero-shot"] == Asked("sasrec", "titles", adapter="zero-shot")
    assert made["adapter movies-v1"] == Asked("sasrec", "titles", adapter="movies-v1")
    assert made["mix"] == Asked("sasrec", None, ranker="mix")
    assert made["retriever semantic"] == Asked("semantic", "titles")
    assert made["mode labels"] == Asked("sasrec", "labels")
    assert made["history 5"] == Asked("sasrec", "titles", n_history=5)
    assert made["without"] == Asked("sasrec", "titles", with_profile=False)
    assert made["writing free"] == Asked("sasrec", "titles", writing="free")
    assert {"zero-shot", "writing free"}.isdisjoint(variants([], {}, None))


def test_what_words_alone_cannot_do_and_what_comes_to_the_same_is_refused():
    found = variants(["sasrec"], {}, "zero-shot")
    wish = Wish(more=("war",))
    alone = Recommendation("movies", "made-up", (), asked=Asked(wish=wish))
    picked = replace(alone, picks=(Item("1", "Heat"),))
    for key in ("unasked", "retriever sasrec", "history 5", "with", "without"):
        with pytest.raises(PalrError, match=r"has words alone, and .* needs picks"):
            compared(alone, found["same"], found[key])
    with pytest.raises(PalrError, match="come to the same run"):
        compared(picked, found["with"], found["same"])
    before, after = compared(picked, found["unasked"], found["same"])
    assert (before.wish, after.wish) == (NO_WISH, wish)
    assert replace(before, wish=wish) == after
