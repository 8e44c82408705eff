"""What every backend must do. A new backend joins by one more parameter of the `llm` fixture."""

import numpy as np
import pytest

from palr.llm import BACKENDS
from palr.llm.base import LLM, TokenLLM
from tests.llm.conftest import BACKENDS_UNDER_TEST

pytestmark = pytest.mark.xdist_group("server_url")  # which the fixture `llm` takes for "http"

QUESTION = "What is the capital of France? Answer in one sentence."


def test_the_suite_covers_every_backend():
    assert set(BACKENDS_UNDER_TEST) == set(BACKENDS)


def test_it_satisfies_the_protocol(llm):
    assert isinstance(llm, LLM)
    assert llm.name
    assert llm.adapter is None
    assert llm.context_length >= 2048


def test_it_answers_in_pieces(llm):
    pieces = [piece for piece in llm.generate(QUESTION, max_tokens=40) if piece]
    assert len(pieces) > 3
    assert "Paris" in "".join(pieces)


def test_it_is_deterministic(llm):
    first = "".join(filter(None, llm.generate(QUESTION, max_tokens=24)))
    assert first == "".join(filter(None, llm.generate(QUESTION, max_tokens=24)))


def test_max_tokens_bounds_the_answer(llm):
    pieces = [piece for piece in llm.generate("Count from 1 to 100.", max_tokens=3) if piece]
    assert len(pieces) <= 4


def test_it_can_be_stopped_and_used_again(llm):
    pieces = llm.generate(QUESTION, max_tokens=40)
    next(pieces)
    pieces.close()
    assert "".join(filter(None, llm.generate(QUESTION, max_tokens=24)))


def test_token_counts_are_enough_for_the_text(llm):
    text = 'Task Instruction: "Toy Story (1995)", "Œuvre"'
    assert llm.count_tokens("") <= 1
    assert llm.count_tokens(text) >= 10
    assert llm.count_tokens(text * 2) > llm.count_tokens(text)


def test_the_rendered_prompt_holds_the_text(llm):
    assert QUESTION in llm.render(QUESTION)


def test_what_follows_a_mark_is_told_as_if_the_prompt_ended_there(llm):
    if not isinstance(llm, TokenLLM):
        return
    text = 'Who? "Heat", "Babe", "Œuvre", "Help!".'
    ends = [text.index(name) + len(name) for name in ('"Heat"', '"Babe"', '"Œuvre"')]
    marked = llm.start(text, marks=ends).marked()
    assert len(marked) == 3
    assert np.allclose(np.exp(marked.astype(np.float64)).sum(axis=1), 1.0, atol=1e-3)
    # The first of them does not see what comes later.
    changed = llm.start('Who? "Heat", "Alien".', marks=ends[:1]).marked()
    assert np.allclose(marked[0], changed[0], atol=1e-3)
    (again,) = llm.start_many([text], [ends]).marked()
    assert np.allclose(marked, again, atol=1e-3)


def test_a_decoder_is_the_same_for_one_feed_or_many(llm):
    if not isinstance(llm, TokenLLM):
        return  # text is all that such a backend offers
    tokens = llm.encode_answer('"Heat", "Babe"')
    together, apart = llm.start(QUESTION), llm.start(QUESTION)
    together.feed(tokens)
    for token in tokens:
        apart.feed([token])
        apart.logprobs()
    assert np.allclose(together.logprobs(), apart.logprobs(), atol=1e-3)
    assert together.forward_passes < apart.forward_passes
    assert np.isclose(np.exp(together.logprobs().astype(np.float64)).sum(), 1.0, atol=1e-3)
