"""Scores that are kept stand for the model, whatever is added to them."""

import pytest

from palr.bench.kept_rankings import KeptRankings
from palr.domains import DOMAINS
from palr.llm.base import last
from palr.ranking import ScoreMix, rank, ranking_job
from palr.types import Candidate, Item

ITEMS = [Item(str(at), f"Film {at}", 1990 + at) for at in range(8)]


def job_of(llm, mode="relevance", steer=0.0, prior=0.0):
    listed = [
        Candidate(item, at, 3.0 - at + (steer if at == 5 else 0.0), steer if at == 5 else 0.0)
        for at, item in enumerate(ITEMS[2:], start=1)
    ]
    mix = ScoreMix(prior)
    return ranking_job(DOMAINS["movies"], ITEMS[:2], None, listed, 3, llm, mode, mix=mix)


def order(ranking):
    return [ranked.item.id for ranked in ranking.items]


@pytest.mark.parametrize("added", [{}, {"steer": 4.0}, {"prior": 1.0}, {"prior": 0.5, "steer": 2}])
def test_kept_scores_rank_as_the_model_does(tiny_llama, tmp_path, added):
    path = tmp_path / "kept.jsonl"
    job = job_of(tiny_llama, **added)
    assert order(KeptRankings(path).rank([job], tiny_llama)[0]) == order(
        last(rank(job, tiny_llama))
    )


def test_no_prompt_is_asked_twice(tiny_llama, tmp_path):
    path = tmp_path / "kept.jsonl"
    asked = []
    jobs = [job_of(tiny_llama), job_of(tiny_llama, steer=4.0)]  # one prompt, two weights
    first = KeptRankings(path).rank(jobs, tiny_llama, lambda *said: asked.append(said))
    assert len(asked) == 1
    path.write_text(path.read_text() + '\n["cut off')
    again = KeptRankings(path).rank(jobs, tiny_llama, lambda *said: asked.append(said))
    assert len(asked) == 1
    assert [order(ranking) for ranking in again] == [order(ranking) for ranking in first]
    assert order(first[0]) != order(first[1])


def test_a_mode_that_scores_nothing_is_asked_anew(tiny_llama, tmp_path):
    path = tmp_path / "kept.jsonl"
    (ranking,) = KeptRankings(path).rank([job_of(tiny_llama, "titles")], tiny_llama)
    assert len(ranking.items) == 3
    assert not path.exists()
