"""A batch gives what one at a time gives."""

import numpy as np
import pytest

from palr.llm.batch import TransformersBatch
from palr.llm.decoder import TransformersDecoder

PROMPTS = [list(range(100, 160)), list(range(300, 317)), [5], list(range(40, 99))]


@pytest.fixture
def batch(tiny_llama):
    return TransformersBatch(tiny_llama.model, PROMPTS)


@pytest.fixture
def alone(tiny_llama):
    return [TransformersDecoder(tiny_llama.model, prompt) for prompt in PROMPTS]


def test_each_row_has_the_numbers_it_has_alone(batch, alone):
    for step in ([[], [], [], []], [[7], [8, 9, 10], [], [11]], [[], [], [3, 4], [5]]):
        for row, tokens in enumerate(step):
            batch.feed(row, tokens)
            alone[row].feed(tokens)
        together = batch.logprobs()
        for row, decoder in enumerate(alone):
            assert np.allclose(together[row], decoder.logprobs(), atol=1e-4)
    assert batch.forward_passes == 3


def test_scores_are_those_of_each_row_alone(batch, alone):
    continuations = [
        [[7], [7, 8, 9], [7, 8]],
        [[200, 201, 202, 203], [7, 8, 9], [1, 2]],
        [[1, 2], [3]],
        [[4]],
    ]
    together = batch.score(continuations)
    for row, decoder in enumerate(alone):
        assert together[row] == pytest.approx(list(decoder.score(continuations[row])), abs=1e-4)
    assert batch.forward_passes == 2
    batch.feed(1, [9])
    alone[1].feed([9])
    assert np.allclose(batch.logprobs()[1], alone[1].logprobs(), atol=1e-4)


def test_marks_are_read_in_each_row_as_alone(tiny_llama):
    marks = [[3, 30, 59], [], [0], [7, 8]]
    together = TransformersBatch(tiny_llama.model, PROMPTS, marks).marked()
    for row, (prompt, places) in enumerate(zip(PROMPTS, marks, strict=True)):
        assert len(together[row]) == len(places)
        if places:
            alone = TransformersDecoder(tiny_llama.model, prompt, marks=places).marked()
            assert np.allclose(together[row], alone, atol=1e-4)


def test_continuations_of_one_token_need_the_prompts_only(batch):
    assert len(batch.score([[[1], [2]], [[1]], [[1]], [[2]]])[0]) == 2
    assert batch.forward_passes == 1


def test_what_one_pass_does_not_hold_runs_in_several(tiny_llama):
    rng = np.random.default_rng(3)
    prompts = [rng.integers(5, 4000, size=n).tolist() for n in (2500, 2500, 30)]
    marks = [[0, 2400], [7], [29]]
    batch = TransformersBatch(tiny_llama.model, prompts, marks)
    together, marked = batch.logprobs(), batch.marked()
    assert batch.forward_passes == 2
    for row, (prompt, places) in enumerate(zip(prompts, marks, strict=True)):
        alone = TransformersDecoder(tiny_llama.model, prompt, marks=places)
        assert np.allclose(together[row], alone.logprobs(), atol=1e-4)
        assert np.allclose(marked[row], alone.marked(), atol=1e-4)
