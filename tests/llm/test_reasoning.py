"""Every dialect in which models think aloud, whole and in pieces."""

import pytest

from palr.llm.reasoning import answer_of, why_unanswered

THOUGHT = 'The user liked "Heat". No "Alien", no "Babe".\n1. Heat\n2. Alien\n'
ANSWER = '"Jaws", "Fargo"'

ENDED = [
    f"<think>{THOUGHT}</think>{ANSWER}",
    f"\n<think>\n{THOUGHT}\n</think>\n\n{ANSWER}",
    f"<THINK>{THOUGHT}</Think>{ANSWER}",
    f"<thinking>{THOUGHT}</thinking>{ANSWER}",
    f'<thinking budget="9">{THOUGHT}</thinking>{ANSWER}',
    f"<thought>{THOUGHT}</thought>{ANSWER}",
    f"<reasoning>{THOUGHT}</reasoning>{ANSWER}",
    f"<seed:think>{THOUGHT}</seed:think>{ANSWER}",
    f"[THINK]{THOUGHT}[/THINK]{ANSWER}",
    f"\u25c1think\u25b7{THOUGHT}\u25c1/think\u25b7{ANSWER}",
    f"<|begin_of_thought|>{THOUGHT}<|end_of_thought|>"
    f"<|begin_of_solution|>{ANSWER}<|end_of_solution|>",
    f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>{ANSWER}<|END_RESPONSE|>",
    f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant"
    f"<|channel|>final<|message|>{ANSWER}<|return|>",
    f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant"
    f"<|channel|>commentary<|message|>{THOUGHT}<|end|><|start|>assistant"
    f"<|channel|>final <|constrain|>json<|message|>{ANSWER}",
    f"<|channel|>analysis{THOUGHT}<|channel|>final{ANSWER}",
    f"analysis{THOUGHT}assistantfinal{ANSWER}",
    f"{THOUGHT}</think>{ANSWER}",  # the template began it
    f"{THOUGHT}[/THINK]{ANSWER}",
    f"<think>{THOUGHT}<think>{THOUGHT}</think>{THOUGHT}</think>{ANSWER}",
    f"<think>{THOUGHT}</think>{ANSWER}<think>{THOUGHT}</think>",
    f"{ANSWER}<|im_end|>",
]
ENDLESS = [
    f"<think>{THOUGHT}",
    f"<|channel|>analysis<|message|>{THOUGHT}",
    f"analysis{THOUGHT}",
    f"[THINK]{THOUGHT}",
    f"\u25c1think\u25b7{THOUGHT}",
    f"<|begin_of_thought|>{THOUGHT}",
    f"<think></think><think>{THOUGHT}",
]


@pytest.mark.parametrize("text", ENDED)
def test_reasoning_is_cut_in_every_dialect(text):
    assert answer_of(text) == ANSWER
    assert why_unanswered(text) == ""


@pytest.mark.parametrize("text", ENDLESS)
def test_reasoning_without_an_end_leaves_no_answer(text):
    assert answer_of(text) == ""
    assert why_unanswered(text) == "holds its reasoning only"


def test_titles_are_no_reasoning():
    for text in ("Analysis of a Crime", "[REC] (2007)", "A <3 B", "Thinking aloud", "I <think"):
        assert answer_of(text) == text
    assert why_unanswered(" \n") == "is empty"
