"""Timing of a model without weights of its own."""

from dataclasses import replace

import pytest

from finetune.bench import bench
from finetune.configs import Config
from finetune.data.build import build, folder
from palr.errors import DataError, PalrError


@pytest.fixture
def instructions(films, ready_home, small_recipe):
    build(films, ready_home, "palr-v2", small_recipe)
    return folder(ready_home, films.dataset, "palr-v2")


def test_it_trains_and_ranks_a_model_of_the_shape(films, ready_home, instructions):
    config = Config(max_steps=2, accumulate=2, lora_rank=4, candidates=(5, 8), dtype="bfloat16")
    report = bench(films, ready_home, instructions, "mine", config, "tiny", "the command")
    assert (report["steps"], report["batch_size"], report["shape"]) == (2, 2, "tiny")
    assert min(report["tokens"], report["tokens_per_second"], report["rank_s"]) > 0
    # Of two layers of width 32: embeddings and output apart, and the blocks of LLaMA.
    blocks = 2 * (4 * 32 * 32 + 3 * 32 * 64 + 2 * 32)
    vocabulary = (report["parameters"] - blocks - 32) / (2 * 32)
    assert vocabulary == int(vocabulary) > 40_000
    assert report["lora_parameters"] == 2 * 4 * (4 * 64 + 3 * 96)


def test_it_needs_lists(films, ready_home, small_recipe):
    build(films, ready_home, "palr-v1", replace(small_recipe, tasks=("Recommend",)))
    place = folder(ready_home, films.dataset, "palr-v1")
    with pytest.raises(DataError, match="palr-v2"):
        bench(films, ready_home, place, "mine", Config(), "tiny")


def test_an_unknown_shape_is_named(films, ready_home, instructions):
    with pytest.raises(PalrError, match="llama-7b"):
        bench(films, ready_home, instructions, "mine", Config(), "llama-8b")
