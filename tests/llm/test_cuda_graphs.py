"""CudaGraphs behind a prompt give what passes over a growing cache give."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import StaticCache

from palr.llm.cuda_graphs import WIDTHS, CudaGraphs
from palr.llm.decoder import TransformersDecoder

PROMPT = list(range(100, 160))
FED = ([7], [8, 9, 10], [11] * 20, [12], [13, 14])


@pytest.fixture
def graphs(tiny_llama):
    return CudaGraphs(tiny_llama.model, 256, recorded=False)


def pair(tiny_llama, graphs, prompt=PROMPT):
    model = tiny_llama.model
    return TransformersDecoder(model, prompt, graphs=graphs), TransformersDecoder(model, prompt)


def agree(stepping, plain, fed):
    for decoder in (stepping, plain):
        decoder.feed(fed)
    assert np.allclose(stepping.logprobs(), plain.logprobs(), atol=1e-4)


def test_every_width_gives_the_same_numbers(tiny_llama, graphs):
    stepping, plain = pair(tiny_llama, graphs)
    for fed in FED:
        agree(stepping, plain, fed)
    assert stepping.forward_passes == plain.forward_passes
    scores = list(stepping.score([[1, 2], [3]]))
    assert scores == pytest.approx(list(plain.score([[1, 2], [3]])), abs=1e-4)
    agree(stepping, plain, [5])


def test_decoders_that_take_turns_do_not_disturb_each_other(tiny_llama, graphs):
    pairs = [pair(tiny_llama, graphs), pair(tiny_llama, graphs, PROMPT[::-1])]
    for fed in FED:
        for stepping, plain in pairs:
            agree(stepping, plain, fed)


@pytest.mark.parametrize(
    ("device", "lent", "recorded"),
    [("cuda", "", True), ("cuda", "true", False), ("cpu", "", False)],
)
def test_only_a_gpu_that_stays_records(tiny_llama, monkeypatch, device, lent, recorded):
    monkeypatch.setenv("SPACES_ZERO_GPU", lent)
    model = SimpleNamespace(config=tiny_llama.model.config, device=torch.device(device))
    assert (CudaGraphs.of(model, 256) is not None) == recorded


def test_what_does_not_fit_runs_as_ever(tiny_llama):
    graphs = CudaGraphs(tiny_llama.model, len(PROMPT) + WIDTHS[1] + 2, recorded=False)
    stepping, plain = pair(tiny_llama, graphs)
    for fed in ([1], [2, 3], [4] * (WIDTHS[-1] + 1), [5], [6]):
        agree(stepping, plain, fed)


def test_a_reader_that_is_gone_is_not_taken_for_a_new_one(tiny_llama, graphs):
    for first in (1, 2, 3):  # a new decoder often lies where the last one lay
        stepping, plain = pair(tiny_llama, graphs, [first, *PROMPT])
        agree(stepping, plain, [9])
        del stepping
        gc.collect()


def test_a_step_is_one_graph(tiny_llama, graphs):
    """Without breaks, so that a GPU can record it as a whole; nothing is compiled for it here."""
    stepping, plain = pair(tiny_llama, graphs)
    agree(stepping, plain, [9])
    graphs._pass = torch.compile(graphs.forward, backend="eager", fullgraph=True, dynamic=False)
    for fed in FED:
        agree(stepping, plain, fed)
    assert isinstance(graphs._cache, StaticCache)


def test_what_cannot_be_recorded_runs_unrecorded(tiny_llama, caplog):
    graphs = CudaGraphs(tiny_llama.model, 256)
    stepping, plain = pair(tiny_llama, graphs)

    def fails(*_):
        raise RuntimeError("no graphs on this device")

    graphs._pass = fails
    for fed in FED:
        agree(stepping, plain, fed)
    assert "no graphs on this device" in caplog.text
