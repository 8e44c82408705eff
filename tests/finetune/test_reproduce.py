"""Data, training and evaluation in one go, on a small world with a tiny model."""

from dataclasses import replace

import pytest

from finetune.configs import CONFIGS, RECIPES
from finetune.evaluation.rankers import Sampling
from finetune.reproduce import EXPECTED, reproduce
from palr.evaluation.records import read

FEW = Sampling(users=6, validation=6, checked=2, shuffled=2, shuffles=2)


@pytest.fixture(autouse=True)
def small(monkeypatch, quick):
    """The configuration ``tiny``, and the recipes at a size that takes seconds."""
    monkeypatch.setitem(CONFIGS, "tiny", quick)
    monkeypatch.setitem(EXPECTED, "tiny", "some seconds")
    for name in ("palr-v1", "palr-v2-drawn"):
        recipe = replace(
            RECIPES[name], user_share=0.5, candidates=12, held_back=2, retriever_epochs=2
        )
        monkeypatch.setitem(RECIPES, name, recipe)


def test_all_rows_come_out_of_one_command_and_nothing_is_done_twice(films, ready_home, tmp_path):
    said: list[str] = []
    file = tmp_path / "rows.json"
    reproduce(films, ready_home, "tiny", file, said.append, FEW)
    assert said[0] == "tiny on ml-100k: some seconds"
    rows = {record.model for record in read(file) if record.part == "test"}
    assert rows >= {"sasrec", "zero-shot", "palr-v1", "palr-v2", "palr-v2-alone", "palr-v2-mix"}

    again: list[str] = []
    before = file.read_text()
    reproduce(films, ready_home, "tiny", file, again.append, FEW)
    assert sum("there already" in line for line in again) == 2
    assert file.read_text() == before
