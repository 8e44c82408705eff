"""Grounded generation writes what plain constrained decoding writes, in fewer forward passes."""

import math

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from palr.bench.ranking import constrained_decoding
from palr.llm.grounding import select
from palr.llm.scripted import ScriptedLLM
from palr.prompts import quoted

TITLES = st.lists(
    st.one_of(
        st.sampled_from(
            ["Alien", "Aliens", "Alien 3", "Alien (1979)", "Babe", 'Say "Hi"', "(500)"]
        ),
        st.text(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=8,
)


def chosen(llm, reply_to, options, k, weights=None):
    """The choices of `select`, without the pauses between them."""
    return [c for c in select(llm, llm.start(reply_to), options, k, weights) if c]


@pytest.mark.parametrize("n_lists", [8, pytest.param(40, marks=pytest.mark.long)])
def test_same_items_as_plain_constrained_decoding(tiny_llama, n_lists):
    @given(titles=TITLES, prompt=st.text(max_size=30))
    @hypothesis_settings(max_examples=n_lists, deadline=None)
    def same(titles, prompt):
        options = [quoted(title) for title in titles]
        grounded = [c.index for c in chosen(tiny_llama, prompt, options, 5)]
        tokens = [tiny_llama.encode_answer(option) for option in options]
        _, plain = constrained_decoding(tiny_llama, prompt, tokens, 5)
        assert grounded == plain

    same()


@given(titles=TITLES, k=st.integers(1, 10))
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_always_k_distinct_options(tiny_llama, titles, k):
    options = [quoted(title) for title in titles]
    indices = [c.index for c in chosen(tiny_llama, "x", options, k)]
    assert len(indices) == len(set(indices)) == min(k, len(options))


def test_the_script_is_followed():
    llm = ScriptedLLM(reply='"C", "A"')
    choices = chosen(llm, "", ['"A"', '"B"', '"C"'], k=3)
    assert [choice.index for choice in choices] == [2, 0, 1]


def test_equal_options_are_taken_in_order():
    llm = ScriptedLLM(reply='"A", "A"')
    choices = chosen(llm, "", ['"B"', '"A"', '"A"'], k=3)
    assert [choice.index for choice in choices] == [1, 2, 0]


def test_an_option_that_is_a_prefix_of_another_can_be_chosen_either_way():
    for reply, expected in [("nail, ", [0]), ("nail polish", [1])]:
        llm = ScriptedLLM(reply=reply)
        assert [c.index for c in chosen(llm, "", ["nail", "nail polish"], 1)] == expected


def test_forced_tokens_cost_no_forward_pass():
    llm = ScriptedLLM(reply='"Alpha one", "Beta two"')
    decoder = llm.start("")
    list(select(llm, decoder, ['"Alpha one"', '"Beta two"', '"Gamma three"'], k=3))
    assert decoder.forward_passes == 2  # one decision among three, one among two, none for the last


def test_weights_decide_where_the_model_is_indifferent():
    llm = ScriptedLLM(reply="")
    choices = chosen(llm, "", ["a", "b", "c"], k=3, weights=[1.0, 3.0, 2.0])
    assert [choice.index for choice in choices] == [1, 2, 0]


def test_logprob_is_over_the_options_that_remain():
    llm = ScriptedLLM(reply="")
    first, second, third = chosen(llm, "", ["a", "b", "c"], k=3, weights=[2.0, 1.0, 1.0])
    assert first.logprob == pytest.approx(math.log(2 / 4))
    assert second.logprob == pytest.approx(math.log(1 / 2))
    assert third.logprob == 0.0


def test_no_options_give_no_choice():
    llm = ScriptedLLM()
    assert chosen(llm, "", [], k=3) == []


def test_whoever_stops_at_a_choice_stands_behind_the_whole_option():
    llm = ScriptedLLM(reply='"Alpha one" and on')
    decoder = llm.start("")
    choices = select(llm, decoder, ['"Alpha one"', '"Beta two"'], k=1)
    assert next(choices) is None  # a forward pass is due
    assert next(choices).index == 0
    assert chr(int(decoder.logprobs().argmax())) == " "


def test_a_title_that_tokenizes_differently_after_a_quote_is_written_as_it_was_encoded(smollm2):
    # Alone, these begin with other tokens than behind a quotation mark.
    titles = [
        "'Night, Mother",
        "\u201cWuthering Heights\u201d",
        "...And Justice",
        "(500) Days",
        "\u00e9t\u00e9",
    ]
    options = [quoted(title) for title in titles]
    assert any(
        smollm2.encode_answer(option)[1:]
        != [*smollm2.encode_answer(title), *smollm2.encode_answer('"')]
        for option, title in zip(options, titles, strict=True)
    )
    found = chosen(smollm2, "Name some titles.", options, k=5)
    assert sorted(choice.index for choice in found) == [0, 1, 2, 3, 4]
