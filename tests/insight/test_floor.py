from dataclasses import replace

import pytest

from palr.errors import PalrError
from palr.insight.floor import Floor, measure_floor
from palr.insight.rerun import Progress
from palr.llm.scripted import ScriptedLLM

from .conftest import last


def test_the_floor_counts_a_pass_for_each_further_one_of_the_run(tiny_llama, run, catalog):
    titles = run(tiny_llama, list(catalog.items[:3]), mode="titles")
    *steps, floor = measure_floor(titles, tiny_llama)
    assert all(isinstance(step, Progress) for step in steps)
    read = tiny_llama.prompt_passes(titles.prompt.text, titles.prompt.beginning)
    assert floor.further == titles.ranking.forward_passes - read > 0
    assert floor.prompt > 0
    assert floor.one > 0
    labels = run(tiny_llama, list(catalog.items[:3]), mode="labels")
    assert last(measure_floor(labels, tiny_llama)).further == 0


def test_the_sum_by_hand():
    assert Floor(prompt=2.0, one=0.25, further=4).seconds == 3.0


def test_what_cannot_be_timed_says_so(tiny_llama, run, catalog):
    trace = run(ScriptedLLM("A"), list(catalog.items[:3]))
    with pytest.raises(PalrError, match="in this process"):
        last(measure_floor(trace, ScriptedLLM()))
    with pytest.raises(PalrError, match="did not rank"):
        last(measure_floor(replace(trace, fallback="slow"), tiny_llama))
