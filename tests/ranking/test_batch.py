"""Batches rank as one at a time does, and every prompt is ranked exactly once."""

import os
import random
import subprocess
import sys

import pytest

from palr.domains import MOVIES
from palr.llm.base import last
from palr.llm.scripted import ScriptedLLM
from palr.ranking import MODES, Job, rank, rank_many, ranking_job
from palr.ranking.batch import batches
from palr.types import Candidate, Item, Prompt
from tests.llm.conftest import free_port

FILMS = [Item(str(n), f"Film {n}" + " and so on" * (n % 4), year=1930 + n) for n in range(60)]


def jobs(llm, mode, n=5):
    generator = random.Random(0)
    made = []
    for index in range(n):
        picks = generator.sample(FILMS, 1 + 2 * index)
        shown = generator.sample(FILMS, 3 + 4 * index)
        candidates = [Candidate(film, rank, 0.0) for rank, film in enumerate(shown, start=1)]
        made.append(ranking_job(MOVIES, picks, None, candidates, 10, llm, mode))
    return made


@pytest.mark.parametrize("batch_tokens", [800, 100_000])
@pytest.mark.parametrize("mode", MODES)
def test_batches_rank_as_one_at_a_time(tiny_llama, mode, batch_tokens):
    made = jobs(tiny_llama, mode)
    together = dict(rank_many(made, tiny_llama, batch_tokens))
    assert sorted(together) == list(range(5))
    for at, job in enumerate(made):
        alone = last(rank(job, tiny_llama))
        assert [r.item for r in together[at].items] == [r.item for r in alone.items]
        assert together[at].raw == alone.raw
        assert [r.logprob for r in together[at].items] == pytest.approx(
            [r.logprob for r in alone.items], abs=1e-3
        )


@pytest.mark.parametrize("mode", MODES)
def test_one_forward_pass_serves_a_whole_batch(tiny_llama, mode):
    made = jobs(tiny_llama, mode)
    (_, first), *_ = rank_many(made, tiny_llama, 100_000)
    longest = max(made, key=lambda job: len(job.names))
    alone = last(rank(longest, tiny_llama))
    assert first.forward_passes < alone.forward_passes + 10


@pytest.mark.parametrize(
    "mode", [pytest.param(mode, marks=[pytest.mark.long] * (mode != "labels")) for mode in MODES]
)
def test_the_real_model_ranks_alike_in_batches(smollm2, mode):
    made = jobs(smollm2, mode, n=3)
    together = dict(rank_many(made, smollm2))
    for at, job in enumerate(made):
        alone = last(rank(job, smollm2))
        assert [r.item for r in together[at].items] == [r.item for r in alone.items]


def test_a_prompt_without_candidates_has_an_empty_ranking():
    llm = ScriptedLLM()
    empty = Job(Prompt(()), (), (), 10, "titles")
    first, second = jobs(llm, "titles", n=2)
    found = dict(rank_many([first, empty, second], llm))
    assert found[1].items == ()
    assert found[0].items
    assert found[2].items


def test_batches_hold_like_lengths_within_the_limit():
    lengths = [10, 500, 12, 480, 2000, 11]
    made = [Job(Prompt((), tokens=tokens), (), (), 10, "titles") for tokens in lengths]
    groups = [[made[at].prompt.tokens for at in group] for group in batches(made, 1000)]
    assert groups == [[2000], [500, 480], [12, 11, 10]]


def test_processes_share_the_prompts():
    code = (
        "from palr.ranking.batch import Job, my_share; from palr.types import Prompt;"
        "prompts = [Prompt((), tokens=n * 7 % 5) for n in range(7)];"
        "print(*my_share([Job(prompt, (), (), 10, 'titles') for prompt in prompts]))"
    )
    port = str(free_port())
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                **group,
                "RANK": rank,
                "LOCAL_RANK": rank,
                "CUDA_VISIBLE_DEVICES": "",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    shares = [process.communicate(timeout=120)[0].split() for process in processes]
    assert sorted(shares[0] + shares[1]) == [str(n) for n in range(7)]
    assert abs(len(shares[0]) - len(shares[1])) == 1
