"""How far an item came, and what brings it in, against the same runs made in full."""

import pytest

from palr.errors import UnknownItemError
from palr.insight.whynot import named, why_not
from palr.llm.scripted import ScriptedLLM
from palr.retrieval import retrieve
from tests.ranking.test_rank import TextOnly

from .conftest import last
from .test_influence import label_scores


@pytest.fixture
def trace(run, catalog, tiny_llama):
    return run(tiny_llama, list(catalog.items[:4]))


def test_an_item_far_down_is_scored_and_lifted(trace, run, catalog, retriever, tiny_llama):
    order = retrieve(retriever, trace.history, 60)
    wanted = order[30].item
    found = last(why_not(trace, wanted, tiny_llama, retriever))
    assert (found.rank, found.n_ranked, found.candidate) == (31, 56, False)
    assert found.by_score is not None
    assert found.score is not None
    assert (found.score >= found.needed) == (found.by_score <= 10)
    assert set(found.shared) == set(wanted.keywords) & {
        k for pick in trace.history for k in pick.keywords
    }
    assert found.lifts
    for lift in found.lifts:
        again = retrieve(retriever, [*trace.history, lift.pick], 60)
        assert [c.rank for c in again if c.item == wanted] == [lift.rank]
        assert lift.rank < 31


def test_a_candidate_below_the_top_has_its_score_and_gap(trace, retriever, tiny_llama):
    recommended = {r.item.id for r in trace.ranking.items}
    wanted = next(c.item for c in trace.candidates if c.item.id not in recommended)
    found = last(why_not(trace, wanted, tiny_llama, retriever))
    scores = label_scores(tiny_llama, trace, trace.history)
    assert found.candidate
    assert found.place is None
    assert found.score == pytest.approx(scores[wanted.id], abs=1e-3)
    assert found.needed == pytest.approx(sorted(scores.values())[-10], abs=1e-3)
    assert found.by_score == 1 + sum(s > scores[wanted.id] for s in scores.values())


def test_a_lift_tells_the_place_that_the_model_gives(run, catalog, retriever):
    last_first = ScriptedLLM()  # answers with the candidates, last one first
    trace = run(last_first, list(catalog.items[:4]), mode="titles")
    wanted = retrieve(retriever, trace.history, 60)[20].item
    found = last(why_not(trace, wanted, last_first, retriever))
    for lift in found.lifts:
        expected = 16 - lift.rank + 1 if lift.rank <= 16 else None
        assert lift.place == (expected if expected and expected <= 10 else None)
    assert any(lift.rank <= 16 for lift in found.lifts)


def test_picks_and_recommendations_need_no_reason(trace, retriever, tiny_llama):
    assert last(why_not(trace, trace.history[0], tiny_llama, retriever)).picked
    first = trace.ranking.items[0]
    assert last(why_not(trace, first.item, tiny_llama, retriever)).place == 1


def test_a_model_behind_http_tells_no_score(run, catalog, retriever):
    llm = TextOnly(ScriptedLLM())
    trace = run(llm, list(catalog.items[:4]), mode="titles")
    wanted = retrieve(retriever, trace.history, 60)[25].item
    found = last(why_not(trace, wanted, llm, retriever))
    assert found.score is None
    assert "does not show its score of every candidate" in found.gap
    assert found.lifts


def test_a_title_is_found_as_it_is_typed(catalog):
    assert named(catalog, "film 7").id == "7"
    assert named(catalog, "fil 12").id == "12"
    with pytest.raises(UnknownItemError):
        named(catalog, "zzzzqqq")
