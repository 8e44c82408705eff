"""What a model raises, and numbers that say nothing, are errors with a remedy: never a ranking."""

import copy
import json
import logging

import numpy as np
import pytest
import torch

from palr.app.runtime import Runtime
from palr.domains import MOVIES
from palr.errors import LLMError
from palr.llm import check
from palr.llm.base import last
from palr.llm.scripted import ScriptedLLM
from palr.llm.speed import cpu_speed
from palr.llm.transformers import TransformersLLM
from palr.ranking import MODES, rank, rank_many, ranking_job
from palr.recommender import Recommender
from palr.types import Asked, Candidate, Item

FILMS = [Item(str(n), f"Film {n} of {n % 7} Summers", year=1930 + n) for n in range(60)]
OVERFLOW = r"not finite: set PALR_DTYPE=float32"
SAME = r"says the same .*: set PALR_DTYPE=float32"


def job(llm, mode="titles", picks=6, n=9):
    shown = [Candidate(film, place, 0.0) for place, film in enumerate(FILMS[40 : 40 + n], start=1)]
    return ranking_job(MOVIES, FILMS[:picks], None, shown, 3, llm, mode)


def changed(llm, change):
    """The model with other weights."""
    model = copy.deepcopy(llm.model)
    with torch.no_grad():
        model = change(model) or model
    return TransformersLLM(model, llm.tokenizer, "changed")


def overflowing(model):
    """Sound in float32; in half precision its second layer leaves the range."""
    model.model.layers[1].mlp.down_proj.weight.mul_(1e5)


def overflowing_half(model):
    overflowing(model)
    return model.half()


def silent(model):
    model.lm_head.weight.zero_()


def deaf(model):
    model.model.embed_tokens.weight[:] = model.model.embed_tokens.weight[7].clone()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("change", "said"), [(overflowing_half, OVERFLOW), (silent, SAME), (deaf, SAME)]
)
def test_numbers_that_say_nothing_are_no_ranking(tiny_llama, mode, change, said):
    llm = changed(tiny_llama, change)
    asked = job(llm, mode)
    with pytest.raises(LLMError, match=said):
        last(rank(asked, llm))
    with pytest.raises(LLMError, match=said):
        list(rank_many([asked, asked], llm))
    with pytest.raises(LLMError, match=said):
        list(llm.generate("Hello", max_tokens=3))


@pytest.mark.parametrize("mode", MODES)
def test_the_same_weights_rank_in_float32(tiny_llama, mode):
    llm = changed(tiny_llama, overflowing)
    assert len(last(rank(job(llm, mode), llm)).items) == 3


class Breaks:
    """A model that raises from its ``at``-th pass on, or says what is no number."""

    def __init__(self, model, at, error=None):
        self._model, self._at, self._error, self.passes = model, at, error, 0

    def __call__(self, *arguments, **options):
        self.passes += 1
        found = self._model(*arguments, **options)
        if self.passes >= self._at and self._error:
            raise self._error
        if self.passes >= self._at:
            found.logits.fill_(float("nan"))
        return found

    def __getattr__(self, name):
        return getattr(self._model, name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batched", [False, True])
def test_numbers_that_end_in_mid_run_are_no_ranking(tiny_llama, mode, batched):
    sound = TransformersLLM(copy.deepcopy(tiny_llama.model), tiny_llama.tokenizer, "sound")
    asked = job(sound, mode)
    for run in (lambda llm: list(rank_many([asked], llm)), lambda llm: last(rank(asked, llm))):
        run(sound)  # what it can do has been tried
    broken = TransformersLLM(Breaks(sound.model, at=1), tiny_llama.tokenizer, "broken")
    with pytest.raises(LLMError, match=OVERFLOW):
        list(rank_many([asked], broken)) if batched else last(rank(asked, broken))


ERRORS = {
    "RuntimeError: no such kernel": RuntimeError("no such kernel\nat line 7"),
    "TypeError: 'cache'": TypeError("'cache'"),
    "ValueError: two rows": ValueError("two rows"),
    "IndexError: out of range": IndexError("out of range"),
    "NotImplementedError": NotImplementedError(),
    r"out of memory on cpu: set PALR_DTYPE=bfloat16": torch.OutOfMemoryError("2 GiB"),
    r"out of memory on cpu": MemoryError(),
    "out of memory": RuntimeError("DefaultCPUAllocator: can't allocate memory"),
}


@pytest.mark.parametrize("said", ERRORS)
@pytest.mark.parametrize("at", [1, 3])
def test_what_a_model_raises_is_one_line_with_a_remedy(tiny_llama, said, at):
    last(rank(job(tiny_llama), tiny_llama))  # what it can do has been tried
    tiny_llama.forget()
    model = Breaks(tiny_llama.model, at, ERRORS[said])
    llm = TransformersLLM(model, tiny_llama.tokenizer, "broken")
    with pytest.raises(LLMError, match=said) as caught:
        last(rank(job(llm), llm))
    assert "PALR_" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert model.passes == at


@pytest.mark.parametrize("mode", MODES)
def test_the_page_falls_back_and_says_why(settings, tiny_llama, mode):
    runtime = Runtime(settings)
    catalog = runtime.catalog("movies")

    def run(llm, patience):
        recommender = Recommender(
            catalog, lambda name: runtime.retriever("movies", name), lambda: llm
        )
        asked = Asked(mode=mode, n_candidates=12)
        return last(recommender.stream(catalog.items[:12], asked, patience=patience))

    model = Breaks(tiny_llama.model, 1, RuntimeError("no such kernel"))
    trace = run(TransformersLLM(model, tiny_llama.tokenizer, "broken"), 60)
    assert "no such kernel" in trace.fallback
    assert [r.retriever_rank for r in trace.ranking.items] == list(range(1, 11))
    assert run(tiny_llama, 60).fallback == ""
    foreign = TransformersLLM(tiny_llama.model, tiny_llama.tokenizer, "foreign")
    foreign._vocabulary = 3000
    assert "belong to different models" in run(foreign, 60).fallback


def tiny_gpt2(tiny_llama, positions):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=49152,
        n_positions=positions,
        n_embd=32,
        n_layer=2,
        n_head=4,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    )
    return TransformersLLM(GPT2LMHeadModel(config).eval(), tiny_llama.tokenizer, "tiny-gpt2")


@pytest.mark.parametrize("mode", MODES)
def test_a_prompt_beyond_the_models_positions_names_the_limit(tiny_llama, mode):
    llm, roomy = tiny_gpt2(tiny_llama, 100), tiny_gpt2(tiny_llama, 400)
    asked = job(roomy, mode)
    assert len(last(rank(asked, roomy)).items) == 3
    with pytest.raises(LLMError, match=r"tokens are too many .* which reads 100"):
        last(rank(asked, llm))
    with pytest.raises(LLMError, match=r"tokens are too many .* which reads 100"):
        list(rank_many([asked], llm))


def test_what_is_written_ends_where_the_positions_do(tiny_llama):
    llm = tiny_gpt2(tiny_llama, 60)
    llm._ends = set()
    with pytest.raises(LLMError, match="61 tokens are too many"):
        list(llm.generate("Hello", max_tokens=100))


def tiny_t5(tiny_llama):
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=49152, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4)
    return T5ForConditionalGeneration(config).eval()


def test_an_encoder_decoder_is_refused(settings, tmp_path, tiny_llama):
    model = tiny_t5(tiny_llama)
    with pytest.raises(LLMError, match=r"encoder-decoder \(t5\).*decoder-only"):
        TransformersLLM(model, tiny_llama.tokenizer, "tiny-t5")
    model.save_pretrained(tmp_path)
    tiny_llama.tokenizer.save_pretrained(tmp_path)
    there = settings.model_copy(update={"llm": str(tmp_path), "dtype": "float32"})
    with pytest.raises(LLMError, match="encoder-decoder"):
        TransformersLLM.load(there)
    found, remedy = check.weights(there)
    assert "a folder" in found
    assert "decoder-only" in remedy
    (tmp_path / "config.json").write_text('{"model_type": "no-such-type"}')
    assert "cannot be read" in check.weights(there)[1]
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    assert "no language model" in check.weights(there)[1]


def test_a_model_that_reads_both_ways_is_refused(tiny_llama):
    from transformers import BertConfig, BertLMHeadModel

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=49152,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        initializer_range=0.3,
    )
    llm = TransformersLLM(BertLMHeadModel(config).eval(), tiny_llama.tokenizer, "tiny-bert")
    with pytest.raises(LLMError, match="cannot write: set PALR_LLM to a causal"):
        last(rank(job(llm), llm))


def test_a_tokenizer_of_another_model_is_refused(tiny_llama):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(vocab_size=3000, hidden_size=32, intermediate_size=64, num_hidden_layers=1)
    foreign = TransformersLLM(LlamaForCausalLM(config).eval(), tiny_llama.tokenizer, "foreign")
    with pytest.raises(LLMError, match="belong to different models"):
        job(foreign)


@pytest.mark.parametrize("ends", [0, [0, 9]])
def test_every_token_that_ends_an_answer_is_known(tiny_llama, ends):
    model = copy.deepcopy(tiny_llama.model)
    model.config.eos_token_id = ends
    llm = TransformersLLM(model, tiny_llama.tokenizer, "tiny")
    assert llm._ends == {tiny_llama.tokenizer.eos_token_id, *np.atleast_1d(ends)}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_no_ranking(value):
    asked = job(ScriptedLLM(), "labels", n=2)
    with pytest.raises(LLMError, match=OVERFLOW):
        MODES["labels"].ranking(asked, [value, -1.0], ["A", "B"], 1)


def test_one_candidate_and_ties_are_ranked(tiny_llama):
    assert len(last(rank(job(tiny_llama, n=1), tiny_llama)).items) == 1
    asked = job(ScriptedLLM(), "labels", n=20)
    tied = MODES["labels"].ranking(asked, [-1.0] * 20, ["A"] * 20, 1)
    assert [r.retriever_rank for r in tied.items] == [1, 2, 3]


def test_judging_every_candidate_alike_is_no_ranking(tiny_llama):
    """As a model does whose numbers vanish behind a longer prompt: only what its output layer adds
    is left, which is not the same for every word."""
    asked = job(tiny_llama, "relevance")
    last(rank(asked, tiny_llama))  # what it can do has been tried

    def vanish(module, inputs, output):
        return output[:, :1].expand_as(output).clone()

    handle = tiny_llama.model.lm_head.register_forward_hook(vanish)
    tiny_llama.forget()
    try:
        for run in (
            lambda: last(rank(asked, tiny_llama)),
            lambda: [*rank_many([asked], tiny_llama)],
        ):
            with pytest.raises(LLMError, match=SAME):
                run()
    finally:
        handle.remove()
        tiny_llama.forget()


def saved(folder, llm, **config):
    llm.model.save_pretrained(folder)
    llm.tokenizer.save_pretrained(folder)
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return str(folder)


def test_a_model_that_loads_and_fails_is_not_ready(settings, tmp_path, tiny_llama):
    folder = saved(tmp_path, changed(tiny_llama, overflowing))
    runtime = Runtime(settings.model_copy(update={"llm": folder, "dtype": "float16"}))
    runtime.warm_up().join()
    assert runtime.llm_status.state == "failed"
    assert "set PALR_DTYPE=float32" in runtime.llm_status.message


def test_models_of_any_shape_are_measured(tmp_path):
    from transformers import Gemma3TextConfig, GPT2Config

    few_positions = GPT2Config(vocab_size=50, n_positions=64, n_embd=16, n_layer=4, n_head=2)
    own_layers = Gemma3TextConfig(
        vocab_size=50,
        hidden_size=16,
        head_dim=8,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_hidden_layers=5,
        max_position_embeddings=64,
        layer_types=["sliding_attention"] * 4 + ["full_attention"],
    )
    for config in (few_positions, own_layers):
        file = tmp_path / f"{config.model_type}.json"
        assert cpu_speed(file, "tiny", config).dtype in ("float32", "bfloat16")
        assert file.exists()


def test_a_model_that_cannot_be_measured_runs_in_float32(tmp_path, caplog):
    from transformers import GPT2Config

    odd = GPT2Config(vocab_size=50, n_positions=64, n_embd=15, n_layer=4, n_head=2)
    with caplog.at_level(logging.WARNING):
        speed = cpu_speed(tmp_path / "none.json", "odd", odd)
    assert speed.dtype == "float32"
    assert "not measured with odd" in caplog.text
    assert not (tmp_path / "none.json").exists()
