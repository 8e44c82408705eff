"""Fewer forward passes, the same numbers."""

import copy
import math

import numpy as np
import pytest

from palr.llm.decoder import BLOCK, TransformersDecoder
from palr.llm.prefixes import PrefixCache

PROMPT = list(range(100, 160))


def test_forward_passes_are_counted_and_nothing_runs_twice(tiny_llama):
    decoder = TransformersDecoder(tiny_llama.model, [1, 2, 3])
    decoder.logprobs()
    decoder.logprobs()
    decoder.feed([4])
    decoder.feed([5])
    decoder.logprobs()
    assert decoder.forward_passes == 2


def test_scores_are_those_of_each_continuation_alone(tiny_llama):
    continuations = [[7], [7, 8, 9], [7, 8], [200, 201, 202, 203], [7, 8, 9]]
    decoder = TransformersDecoder(tiny_llama.model, PROMPT)
    scores = list(decoder.score(continuations))
    for tokens, score in zip(continuations, scores, strict=True):
        alone = TransformersDecoder(tiny_llama.model, PROMPT)
        logprobs = []
        for token in tokens:
            logprobs.append(alone.logprobs()[token])
            alone.feed([token])
        assert score == pytest.approx(float(np.mean(logprobs)), abs=1e-4)


def test_scoring_leaves_the_position_where_it_was(tiny_llama):
    decoder = TransformersDecoder(tiny_llama.model, PROMPT)
    before = decoder.logprobs().copy()
    list(decoder.score([[1, 2, 3], [4, 5]]))
    assert np.array_equal(before, decoder.logprobs())
    decoder.feed([9])
    plain = TransformersDecoder(tiny_llama.model, [*PROMPT, 9])
    assert np.allclose(decoder.logprobs(), plain.logprobs(), atol=1e-4)


def test_many_long_continuations_are_scored_in_parts(tiny_llama):
    continuations = [[n % 50 + 5] * 300 for n in range(8)]
    together = TransformersDecoder(tiny_llama.model, PROMPT)
    scores = list(together.score(continuations))
    alone = [
        next(iter(TransformersDecoder(tiny_llama.model, PROMPT).score([c]))) for c in continuations
    ]
    assert scores == pytest.approx(alone, abs=1e-4)
    assert together.forward_passes == 4  # the prompt, and 2,400 tokens at 1,024 or fewer a pass


@pytest.fixture(params=["float32", "bfloat16"])
def model(request, tiny_llama):
    """The tiny model in either precision."""
    import torch

    return copy.deepcopy(tiny_llama.model).to(getattr(torch, request.param))


@pytest.mark.parametrize(
    ("later", "reused"),
    [
        ([*PROMPT, 9, 9], 48),
        (PROMPT, 48),
        (PROMPT[:48], 32),  # the last token must run, and with it its block
        ([*PROMPT[:30], 9, 9, 9], 16),
        ([9, *PROMPT], 0),
        (PROMPT[:10], 0),
    ],
    ids=["longer", "equal", "whole blocks", "edited", "other", "too short"],
)
def test_what_is_reused_changes_no_bit(model, later, reused):
    prefixes = PrefixCache(block=16)
    TransformersDecoder(model, PROMPT, prefixes).logprobs()
    decoder = TransformersDecoder(model, later, prefixes)
    fresh = TransformersDecoder(model, later, PrefixCache(block=16))
    for step in ([], [7, 8], [9]):
        decoder.feed(step)
        fresh.feed(step)
        assert np.array_equal(decoder.logprobs(), fresh.logprobs())
    assert decoder.reused == reused
    assert list(decoder.score([[1, 2], [3]])) == list(fresh.score([[1, 2], [3]]))


def test_blocks_give_the_numbers_of_one_pass(tiny_llama):
    whole = TransformersDecoder(tiny_llama.model, PROMPT)
    for block in (1, 7, 16, 60):
        blocks = TransformersDecoder(tiny_llama.model, PROMPT, PrefixCache(block))
        assert np.allclose(blocks.logprobs(), whole.logprobs(), atol=1e-4)
        assert blocks.forward_passes == math.ceil(len(PROMPT) / block)
    assert whole.forward_passes == 1


def test_a_prompt_can_be_left_between_its_blocks_and_taken_up_again(tiny_llama):
    decoder = TransformersDecoder(tiny_llama.model, PROMPT, PrefixCache(block=16))
    next(decoder.passes())
    assert decoder.forward_passes == 1
    whole = TransformersDecoder(tiny_llama.model, PROMPT, PrefixCache(block=16))
    assert np.array_equal(decoder.logprobs(), whole.logprobs())
    assert decoder.forward_passes == 4


def test_the_cache_keeps_its_limit_and_forgets_the_oldest(tiny_llama):
    probe = PrefixCache(block=16)
    TransformersDecoder(tiny_llama.model, PROMPT, probe).logprobs()
    prefixes = PrefixCache(block=16, max_bytes=int(2.5 * probe.bytes))
    for first in (1, 2, 3):
        TransformersDecoder(tiny_llama.model, [first, *PROMPT[1:]], prefixes).logprobs()
        assert prefixes.bytes <= 2.5 * probe.bytes
    known = [len(prefixes.known([first, *PROMPT[1:]])) for first in (1, 2, 3)]
    assert known == [1, 3, 3]  # of the oldest, the beginning is kept the longest
    prefixes.clear()
    assert prefixes.bytes == 0
    assert PrefixCache(block=16, max_bytes=10).known(PROMPT) == []


def test_reading_ahead_is_all_that_a_later_prompt_needs(tiny_llama):
    history = ", ".join(f'"Film {n} (1990)"' for n in range(60))
    tiny_llama.forget()
    steps = sum(1 for _ in tiny_llama.read_ahead(f"User watched {history}."))
    decoder = tiny_llama.start(f"User watched {history}. The candidates are these.")
    decoder.logprobs()
    assert steps == decoder.reused // BLOCK > 3
    assert decoder.forward_passes == 1
    assert list(tiny_llama.read_ahead(f"User watched {history}.")) == []
