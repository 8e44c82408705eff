"""Influence against a recomputation that shares nothing with it but the prompt's wording."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from palr.domains import MOVIES
from palr.errors import PalrError
from palr.insight.influence import Influence, measure_influence, mostly_because
from palr.insight.rerun import Progress
from palr.llm.scripted import ScriptedLLM
from palr.prompts import ranking_prompt
from palr.ranking.modes import labels
from palr.types import Item
from tests.ranking.test_rank import TextOnly

from .conftest import last, visitors


def next_token_logprobs(llm, text):
    """One plain forward pass: no blocks, no cache, no batch."""
    with torch.inference_mode():
        logits = llm.model(torch.tensor([llm.encode_prompt(text)])).logits[0, -1]
    return torch.log_softmax(logits.double(), dim=-1).numpy()


def label_scores(llm, trace, history, k=10):
    """Every candidate's log-probability above the mean, by id, in the labels mode."""
    marks = labels(llm, len(trace.candidates))
    prompt = ranking_prompt(MOVIES, history, trace.profile, trace.candidates, k, labels=marks)
    logprobs = next_token_logprobs(llm, prompt.text)
    scores = np.array([logprobs[llm.encode_answer(mark)[0]] for mark in marks])
    return dict(zip([c.item.id for c in trace.candidates], scores - scores.mean(), strict=True))


def without(history, at):
    return [item for place, item in enumerate(history) if place != at]


@pytest.mark.parametrize("n_visitors", [4, pytest.param(20, marks=pytest.mark.long)])
def test_influences_by_direct_recomputation(tiny_llama, run, catalog, retriever, n_visitors):
    for picks in visitors(catalog, n_visitors):
        trace = run(tiny_llama, picks)
        found = last(measure_influence(trace, tiny_llama, retriever))
        whole = label_scores(tiny_llama, trace, picks)
        scores = retriever.score([picks])[0]
        for at, row in enumerate(found.llm):
            left = label_scores(tiny_llama, trace, without(picks, at))
            expected = [whole[r.item.id] - left[r.item.id] for r in trace.ranking.items]
            assert row == pytest.approx(expected, abs=2e-3)
            lower = retriever.score([without(picks, at)])[0]
            columns = [retriever.items.index(r.item) for r in trace.ranking.items]
            assert found.retriever[at] == pytest.approx(
                [float(scores[c]) - float(lower[c]) for c in columns], abs=1e-5
            )
        assert found.picks == tuple(picks)
        assert found.items == tuple(r.item for r in trace.ranking.items)


def test_a_run_that_writes_titles_is_measured_by_whole_titles(tiny_llama, run, catalog, retriever):
    (picks,) = visitors(catalog, 1, seed=4)
    trace = run(tiny_llama, picks, mode="titles")
    found = last(measure_influence(trace, tiny_llama, retriever))
    assert found.mode == "likelihood"

    def title_scores(history):
        prompt = ranking_prompt(MOVIES, history, trace.profile, trace.candidates, 10).text
        begin = tiny_llama.encode_prompt(prompt)
        means = []
        for candidate in trace.candidates:
            tokens = tiny_llama.encode_answer(f'"{candidate.item.label}"')
            with torch.inference_mode():
                logits = tiny_llama.model(torch.tensor([begin + tokens])).logits[0]
            ahead = torch.log_softmax(logits[len(begin) - 1 : -1].double(), dim=-1)
            means.append(float(ahead[range(len(tokens)), tokens].mean()))
        ids = [c.item.id for c in trace.candidates]
        return dict(zip(ids, np.array(means) - np.mean(means), strict=True))

    whole = title_scores(picks)
    left = title_scores(without(picks, 0))
    expected = [whole[r.item.id] - left[r.item.id] for r in trace.ranking.items]
    assert found.llm[0] == pytest.approx(expected, abs=2e-3)


def test_batches_measure_the_same(tiny_llama, run, catalog, retriever, monkeypatch):
    (picks,) = visitors(catalog, 1, seed=2)
    trace = run(tiny_llama, picks)
    alone = last(measure_influence(trace, tiny_llama, retriever))
    monkeypatch.setattr(type(tiny_llama), "gains_by_batches", True)
    together = last(measure_influence(trace, tiny_llama, retriever))
    np.testing.assert_allclose(together.llm, alone.llm, atol=2e-3)


def test_progress_comes_between_prompts_and_closing_stops(tiny_llama, run, catalog, retriever):
    trace = run(tiny_llama, list(catalog.items[:3]))
    steps = measure_influence(trace, tiny_llama, retriever)
    seen = [step for step in islice(steps, 8) if step]
    assert len(seen) >= 2
    assert all(isinstance(step, Progress) and step.total == 4 for step in seen)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_one_pick_leaves_nothing_to_compare(run, catalog, retriever):
    trace = run(ScriptedLLM("A"), list(catalog.items[:1]))
    found = last(measure_influence(trace, ScriptedLLM("A"), retriever))
    assert (found.llm, found.retriever) == (None, None)
    assert "run with two picks or more" in found.gaps[0]
    with pytest.raises(PalrError, match="no recommendations"):
        last(measure_influence(replace(trace, ranking=None), ScriptedLLM("A"), retriever))


def test_a_model_behind_http_leaves_the_retrievers_part(run, catalog, retriever):
    llm = TextOnly(ScriptedLLM())
    trace = run(llm, list(catalog.items[:3]), mode="titles")
    found = last(measure_influence(trace, llm, retriever))
    assert found.llm is None
    assert "does not show its score of every candidate" in found.gaps[0]
    assert len(found.retriever) == 3
    assert mostly_because(found, 0)


def test_a_fallback_says_that_the_model_took_no_part(run, catalog, retriever):
    trace = replace(run(ScriptedLLM(), list(catalog.items[:3])), fallback="too slow")
    found = last(measure_influence(trace, ScriptedLLM(), retriever))
    assert found.llm is None
    assert "did not do its part" in found.gaps[0]


def test_mostly_because_by_hand():
    picks = tuple(Item(name, name) for name in "abc")
    items = tuple(Item(name, name) for name in "xyz")
    table = ((1.0, 0.2, -1.0), (0.6, 0.5, -0.5), (0.4, -0.9, -0.1))
    found = Influence(picks, items, "labels", table, None)
    assert mostly_because(found, 0) == picks[:2]  # 0.6 is more than half of 1.0
    assert mostly_because(found, 1) == (picks[1],)
    assert mostly_because(found, 2) == ()
