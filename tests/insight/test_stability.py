"""Stability against a recomputation shuffle by shuffle, and its figures by hand."""

from dataclasses import replace

import numpy as np
import pytest

from palr.domains import MOVIES
from palr.errors import PalrError
from palr.insight.stability import measure_stability, position_bias, shuffled
from palr.llm.scripted import ScriptedLLM
from palr.prompts import ranking_prompt
from palr.ranking.modes import labels
from palr.types import Candidate, Item
from tests.ranking.test_rank import TextOnly

from .conftest import last, visitors
from .test_influence import next_token_logprobs


def top_of(llm, trace, order):
    """The ten best of the candidates in this order, by one plain pass over labels."""
    shown = [trace.candidates[at] for at in order]
    marks = labels(llm, len(shown))
    prompt = ranking_prompt(MOVIES, trace.history, trace.profile, shown, 10, labels=marks)
    logprobs = next_token_logprobs(llm, prompt.text)
    scores = [-logprobs[llm.encode_answer(mark)[0]] for mark in marks]
    return [shown[at].item.id for at in np.argsort(scores, kind="stable")[:10]]


@pytest.mark.parametrize("n_visitors", [4, pytest.param(20, marks=pytest.mark.long)])
def test_stability_by_direct_recomputation(tiny_llama, run, catalog, n_visitors):
    for picks in visitors(catalog, n_visitors, seed=12):
        trace = run(tiny_llama, picks)
        found = last(measure_stability(trace, tiny_llama, shuffles=3, seed=9))
        generator = np.random.default_rng(9)
        tops, hits = [], np.zeros(16)
        for _ in range(3):
            order = generator.permutation(16)
            tops.append(top_of(tiny_llama, trace, order))
            for place, at in enumerate(order):
                hits[place] += trace.candidates[at].item.id in tops[-1]
        for item, share in [*found.kept, *found.others]:
            assert share == pytest.approx(sum(item.id in top for top in tops) / 3)
        assert {i.id for i, _ in found.kept} == {r.item.id for r in trace.ranking.items}
        assert sum(share for _, share in [*found.kept, *found.others]) == pytest.approx(10)
        # 16 places in ten parts: six of two, four of one.
        sizes = [2] * 6 + [1] * 4
        cuts = np.split(hits / 3, np.cumsum(sizes)[:-1])
        assert found.positions == pytest.approx([part.mean() for part in cuts])
        common = [
            len(set(a) & set(b)) / 10
            for a, b in ((0, 1), (0, 2), (1, 2))
            for a, b in [(tops[a], tops[b])]
        ]
        assert found.overlap == pytest.approx(np.mean(common))


def test_a_model_that_reads_only_positions_has_all_of_the_bias(run, catalog):
    first = ScriptedLLM(lambda prompt: "A")  # the rest are equal, and stay in the shown order
    trace = run(first, list(catalog.items[:3]), n_candidates=20)
    found = last(measure_stability(trace, first, shuffles=4))
    assert found.positions == (1.0,) * 5 + (0.0,) * 5
    assert found.even == 0.5


def test_a_model_that_reads_only_titles_is_perfectly_sure(run, catalog):
    def favourites(prompt):
        names = [f'"Film {n} ({1950 + n})"' for n in range(60)]
        return ", ".join(name for name in names if name in prompt.split("candidates are")[-1])

    llm = ScriptedLLM(favourites)
    trace = run(llm, list(catalog.items[50:53]), mode="titles", n_candidates=20)
    found = last(measure_stability(trace, llm))
    assert {share for _, share in found.kept} == {1.0}
    assert found.others == ()
    assert found.overlap == found.tau == 1.0


def test_any_backend_can_be_shuffled(run, catalog):
    llm = TextOnly(ScriptedLLM())
    trace = run(llm, list(catalog.items[:3]), mode="titles")
    assert last(measure_stability(trace, llm, shuffles=2)).shuffles == 2


def test_the_bias_by_hand():
    a, b, c, d = (Candidate(Item(name, name), n, 0.0) for n, name in enumerate("abcd", 1))
    bias = position_bias([(a, b, c, d), (d, c, b, a)], [["a"], ["b"]], parts=2)
    assert bias == (0.25, 0.25)
    assert position_bias([(a, b, c, d), (d, c, b, a)], [["a"], ["d"]], parts=2) == (0.5, 0.0)


def test_shuffles_are_seeded_and_keep_the_candidates():
    some = [Candidate(Item(str(n), str(n)), n, 0.0) for n in range(9)]
    assert shuffled(some, 3, 1) == shuffled(some, 3, 1) != shuffled(some, 3, 2)
    assert all(sorted(c.rank for c in order) == list(range(9)) for order in shuffled(some, 3, 1))


def test_what_cannot_be_shuffled_says_so(run, catalog):
    few = run(ScriptedLLM("A"), list(catalog.items[:3]), n_candidates=4)
    with pytest.raises(PalrError, match="nothing can change"):
        last(measure_stability(few, ScriptedLLM("A")))
    whole = run(ScriptedLLM("A"), list(catalog.items[:3]))
    with pytest.raises(PalrError, match="did not do its part"):
        last(measure_stability(replace(whole, fallback="slow"), ScriptedLLM("A")))
