"""Fewer forward passes, the same numbers."""

import copy

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


def test_the_output_layer_gets_what_lies_in_one_piece(tiny_llama):
    """Otherwise torch copies the whole layer where it is frozen, several times a pass's cost."""
    seen = []
    handle = tiny_llama.model.lm_head.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].is_contiguous())
    )
    try:
        decoder = TransformersDecoder(tiny_llama.model, PROMPT)
        decoder.logprobs()
        decoder.feed([1, 2, 3])
        decoder.logprobs()
    finally:
        handle.remove()
    assert seen == [True, True]


@pytest.fixture(params=["float32", pytest.param("bfloat16", marks=pytest.mark.long)])
def model(request, tiny_llama):
    """The tiny model in either precision."""
    import torch

    return copy.deepcopy(tiny_llama.model).to(getattr(torch, request.param))


CUTS = (16, 32)


@pytest.mark.parametrize(
    ("later", "reused"),
    [
        (PROMPT, 60),
        (PROMPT[:32], 32),
        ([*PROMPT, 9, 9], 32),
        ([*PROMPT[:40], 9, 9], 32),
        ([*PROMPT[:30], 9, 9, 9], 16),
        ([9, *PROMPT], 0),
        (PROMPT[:10], 0),
    ],
    ids=["equal", "beginning", "longer", "edited", "edited early", "other", "too short"],
)
def test_what_is_reused_changes_no_bit(model, later, reused):
    prefixes = PrefixCache()
    TransformersDecoder(model, PROMPT, prefixes, CUTS).logprobs()
    decoder = TransformersDecoder(model, later, prefixes, CUTS)
    fresh = TransformersDecoder(model, later, cuts=CUTS)
    assert np.array_equal(decoder.logprobs(), fresh.logprobs())
    for step in ([7, 8], [9]):
        decoder.feed(step)
        fresh.feed(step)
        assert np.array_equal(decoder.logprobs(), fresh.logprobs())
    assert decoder.reused == reused
    assert list(decoder.score([[1, 2], [3]])) == list(fresh.score([[1, 2], [3]]))


def test_a_piece_that_began_elsewhere_is_another_piece(model):
    prefixes = PrefixCache()
    TransformersDecoder(model, PROMPT, prefixes, cuts=(20,)).logprobs()
    decoder = TransformersDecoder(model, PROMPT, prefixes, CUTS)
    fresh = TransformersDecoder(model, PROMPT, cuts=CUTS)
    assert np.array_equal(decoder.logprobs(), fresh.logprobs())
    assert decoder.reused == 0


def test_pieces_give_the_numbers_of_one_pass(tiny_llama):
    whole = TransformersDecoder(tiny_llama.model, PROMPT)
    for cuts in ((1, 2, 3), (7,), (16, 32, 48), (60,), (80,)):
        pieces = TransformersDecoder(tiny_llama.model, PROMPT, cuts=cuts)
        assert np.allclose(pieces.logprobs(), whole.logprobs(), atol=1e-4)
        assert pieces.forward_passes == sum(cut < len(PROMPT) for cut in cuts) + 1
    assert whole.forward_passes == 1


def test_a_prompt_can_be_left_between_its_pieces_and_taken_up_again(tiny_llama):
    decoder = TransformersDecoder(tiny_llama.model, PROMPT, PrefixCache(), CUTS)
    next(decoder.passes())
    assert decoder.forward_passes == 1
    whole = TransformersDecoder(tiny_llama.model, PROMPT, cuts=CUTS)
    assert np.array_equal(decoder.logprobs(), whole.logprobs())
    assert decoder.forward_passes == 3


def test_the_cache_keeps_its_limit_and_forgets_the_oldest(tiny_llama):
    probe, ends = PrefixCache(), (20, 40, 60)
    TransformersDecoder(tiny_llama.model, PROMPT, probe, ends).logprobs()
    prefixes = PrefixCache(max_bytes=int(2.5 * probe.bytes))
    for first in (1, 2, 3):
        TransformersDecoder(tiny_llama.model, [first, *PROMPT[1:]], prefixes, ends).logprobs()
        assert prefixes.bytes <= 2.5 * probe.bytes
    known = [len(prefixes.known([first, *PROMPT[1:]], ends)) for first in (1, 2, 3)]
    assert known == [1, 3, 3]  # of the oldest, the beginning is kept the longest
    prefixes.clear()
    assert prefixes.bytes == 0
    small = PrefixCache(max_bytes=10)
    TransformersDecoder(tiny_llama.model, PROMPT, small, ends).logprobs()
    assert small.bytes == 0
    assert small.known(PROMPT, ends) == []


def test_models_with_other_adapters_share_the_room_and_nothing_else(tiny_llama):
    ends = (20, 40, 60)
    plain = PrefixCache()
    other = plain.with_adapter("other")
    TransformersDecoder(tiny_llama.model, PROMPT, plain, ends).logprobs()
    assert other.bytes == plain.bytes > 0
    assert other.known(PROMPT, ends) == []
    TransformersDecoder(tiny_llama.model, PROMPT, other, ends).logprobs()
    other.clear()
    assert len(plain.known(PROMPT, ends)) == 3


def test_reading_ahead_is_all_that_a_later_prompt_needs(tiny_llama):
    history = ", ".join(f'"Film {n} (1990)"' for n in range(60))
    beginning = f"User watched {history}."
    tiny_llama.forget()
    steps = sum(1 for _ in tiny_llama.read_ahead(beginning))
    decoder = tiny_llama.start(f"{beginning} The candidates are these.", beginning)
    decoder.logprobs()
    assert steps == 2
    assert decoder.forward_passes == 1
    assert 512 == decoder.reused < len(tiny_llama.encode_prompt(beginning)) < 768
    assert list(tiny_llama.read_ahead(beginning)) == []
