"""Fewer forward passes, the same numbers."""

import numpy as np
import pytest

from palr.llm.decoder import TransformersDecoder
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
    scores = decoder.score(continuations)
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
    decoder.score([[1, 2, 3], [4, 5]])
    assert np.array_equal(before, decoder.logprobs())
    decoder.feed([9])
    plain = TransformersDecoder(tiny_llama.model, [*PROMPT, 9])
    assert np.allclose(decoder.logprobs(), plain.logprobs(), atol=1e-4)


def test_many_long_continuations_are_scored_in_parts(tiny_llama):
    continuations = [[n % 50 + 5] * 300 for n in range(8)]
    together = TransformersDecoder(tiny_llama.model, PROMPT)
    scores = together.score(continuations)
    alone = [TransformersDecoder(tiny_llama.model, PROMPT).score([c])[0] for c in continuations]
    assert scores == pytest.approx(alone, abs=1e-4)
    assert together.forward_passes == 4  # the prompt, and 2,400 tokens at 1,024 or fewer a pass


@pytest.mark.parametrize(
    ("later", "reused"),
    [
        ([*PROMPT, 9, 9], len(PROMPT)),
        (PROMPT, len(PROMPT) - 1),
        ([*PROMPT[:30], 9, 9, 9], 30),
        ([9, *PROMPT], 0),
        (PROMPT[:10], 0),
    ],
    ids=["longer", "equal", "edited", "other", "too short"],
)
def test_a_known_prefix_is_reused_with_the_same_result(tiny_llama, later, reused):
    prefixes = PrefixCache()
    TransformersDecoder(tiny_llama.model, PROMPT, prefixes).logprobs()
    decoder = TransformersDecoder(tiny_llama.model, later, prefixes)
    plain = TransformersDecoder(tiny_llama.model, later)
    assert np.allclose(decoder.logprobs(), plain.logprobs(), atol=1e-4)
    assert decoder.reused == reused


def test_an_answer_that_ran_along_is_not_part_of_the_prompt(tiny_llama):
    prefixes = PrefixCache()
    decoder = TransformersDecoder(tiny_llama.model, PROMPT, prefixes)
    decoder.feed([7, 8])
    decoder.logprobs()
    again = TransformersDecoder(tiny_llama.model, [*PROMPT, 7, 8, 9], prefixes)
    again.logprobs()
    assert again.reused == len(PROMPT)


def test_the_cache_keeps_its_limit_and_forgets_the_oldest(tiny_llama):
    probe = PrefixCache()
    TransformersDecoder(tiny_llama.model, PROMPT, probe).logprobs()
    prefixes = PrefixCache(max_bytes=int(2.5 * probe.bytes))
    for first in (1, 2, 3):
        TransformersDecoder(tiny_llama.model, [first, *PROMPT[1:]], prefixes).logprobs()
        assert prefixes.bytes <= 2.5 * probe.bytes
    known = [prefixes.longest([first, *PROMPT[1:], 9])[0] for first in (1, 2, 3)]
    assert known == [0, len(PROMPT), len(PROMPT)]
    prefixes.clear()
    assert prefixes.bytes == 0
    assert PrefixCache(max_bytes=10).longest(PROMPT) == (0, ())
