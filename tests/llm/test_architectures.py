"""Every kind of model that transformers caches for answers alike, whatever it has read before.

The models have random weights, tiny shapes and the embedded model's tokenizer. What is expected of
them is computed without any cache: one forward pass over all tokens for every decision.
"""

import functools

import pytest

from palr.domains import MOVIES
from palr.llm.base import last
from palr.llm.plain import PlainDecoder
from palr.llm.prefixes import PrefixCache
from palr.llm.transformers import TransformersLLM
from palr.ranking import MODES, rank, rank_many, ranking_job
from palr.types import Candidate, Item

FILMS = [Item(str(n), f"Film {n} of {n % 7} Summers", year=1930 + n) for n in range(60)]
PICKS = FILMS[:6]
BLOCK, WINDOW = 64, 32  # tokens; the prompts below begin with more of them

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 2048,
    "initializer_range": 0.3,
}
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
MIXED = {"layer_types": ["linear_attention", "full_attention"]}
SLIDES = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": WINDOW}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}

ARCHITECTURES: dict[str, tuple[str, dict[str, object]]] = {
    "llama": ("llama", {}),
    "mistral": ("mistral", {"sliding_window": WINDOW}),
    "gemma2": ("gemma2", SLIDES),
    "gemma3": ("gemma3_text", SLIDES),
    "phi3": ("phi3", {"sliding_window": WINDOW, "pad_token_id": 0}),
    "qwen3": ("qwen3", {}),
    "gpt-oss": ("gpt_oss", {**SLIDES, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "gpt2": ("gpt2", {"n_positions": 2048}),
    "gpt-neo": (
        "gpt_neo",
        {"attention_types": [[["global", "local"], 1]], "num_layers": 2, "window_size": 2 * WINDOW},
    ),
    "gpt-neox": ("gpt_neox", {}),
    "opt": ("opt", {"ffn_dim": 64, "word_embed_proj_dim": 32}),
    "bloom": ("bloom", {"n_layer": 2, "n_head": 4}),
    "mpt": ("mpt", {"d_model": 32, "n_heads": 4, "n_layers": 2}),
    "falcon": ("falcon", {}),
    "falcon-alibi": ("falcon", {"alibi": True, "new_decoder_architecture": True}),
    "mamba": ("mamba", {"state_size": 8, "use_mambapy": False}),
    "recurrent-gemma": (
        "recurrent_gemma",
        {"attention_window_size": WINDOW, "block_types": ["recurrent", "attention"]},
    ),
    "rwkv": ("rwkv", {"attention_hidden_size": 32}),
    "openai-gpt": ("openai-gpt", {"n_positions": 2048, "n_embd": 32, "n_layer": 2, "n_head": 4}),
    "qwen3-next": ("qwen3_next", {**LINEAR, **MIXED, **EXPERTS}),
    "lfm2": ("lfm2", {"layer_types": ["conv", "full_attention"]}),
    "falcon-h1": (
        "falcon_h1",
        {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8},
    ),
    "jamba": (
        "jamba",
        {
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "use_mamba_kernels": False,
            "num_experts": 2,
        },
    ),
}


@functools.cache
def weights(name):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    model_type, special = ARCHITECTURES[name]
    shape = {
        key: value for key, value in SHAPE.items() if hasattr(AutoConfig.for_model(model_type), key)
    }
    if model_type == "falcon":
        del shape["head_dim"]  # which it computes
    config = AutoConfig.for_model(model_type, **{**shape, "vocab_size": 49152, **special})
    torch.manual_seed(7)
    return AutoModelForCausalLM.from_config(config).eval()


def small(llm):
    """The model with blocks that a short prompt fills already."""
    llm._block = BLOCK
    return llm


class PlainLLM(TransformersLLM):
    """The same model, which reads everything anew for each decision."""

    def start(self, text, beginning="", marks=()):
        return PlainDecoder(self.model, self.encode_prompt(text), self.marked_tokens(text, marks))

    def start_many(self, texts, marks=()):
        raise NotImplementedError


QUICK = ("mistral", "gemma2", "bloom")


@pytest.fixture(
    params=[pytest.param(n, marks=[pytest.mark.long] * (n not in QUICK)) for n in ARCHITECTURES]
)
def model(request):
    return weights(request.param)


@pytest.fixture
def tokenizer(tiny_llama):
    return tiny_llama.tokenizer


def job(llm, mode, history, n=6):
    shown = FILMS[40 : 40 + n]
    candidates = [Candidate(film, place, 0.0) for place, film in enumerate(shown, start=1)]
    return ranking_job(MOVIES, history, None, candidates, 3, llm, mode)


def same(found, expected, bits=False):
    assert [r.item for r in found.items] == [r.item for r in expected.items]
    scores, wanted = ([r.logprob for r in ranking.items] for ranking in (found, expected))
    assert scores == wanted if bits else scores == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize("mode", MODES)
def test_it_ranks_alike_whatever_it_has_read_before(model, tokenizer, mode):
    llm = small(TransformersLLM(model, tokenizer, "tiny"))
    fresh = small(TransformersLLM(model, tokenizer, "tiny", prefixes=PrefixCache(0)))
    plain = PlainLLM(model, tokenizer, "tiny")
    first = last(rank(job(llm, mode, PICKS), llm))
    same(first, last(rank(job(llm, mode, PICKS), plain)))
    same(last(rank(job(llm, mode, PICKS), llm)), first, bits=True)
    longer = job(llm, mode, [*PICKS, FILMS[20]])
    same(last(rank(longer, llm)), last(rank(longer, fresh)), bits=True)


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_ranks_as_one_at_a_time(model, tokenizer, mode):
    llm = TransformersLLM(model, tokenizer, "tiny")
    jobs = [job(llm, mode, PICKS, 4), job(llm, mode, PICKS[:3])]
    for at, ranking in rank_many(jobs, llm):
        same(ranking, last(rank(jobs[at], llm)))


def test_where_nothing_can_be_kept_the_log_says_so(tokenizer, caplog):
    llm = small(TransformersLLM(weights.__wrapped__("openai-gpt"), tokenizer, "tiny"))
    asked = job(llm, "labels", PICKS)
    assert list(llm.read_ahead(asked.prompt.beginning)) == []
    for _ in range(2):
        assert last(rank(asked, llm)).forward_passes == 1
    assert llm.prefixes.bytes == 0
    assert caplog.text.count("every decision reads the whole prompt anew") == 1


@pytest.mark.parametrize("name", ["mistral", "gemma2"])
def test_pieces_of_a_window_take_the_room_of_their_own_tokens(name, tokenizer):
    llm = small(TransformersLLM(weights(name), tokenizer, "tiny"))
    last(rank(job(llm, "labels", PICKS), llm))
    pieces = llm.prefixes._pieces.items()
    assert len(pieces) > 2
    for (_, tokens, ends), piece in pieces:
        n = len(tokens) - (ends[-2] if len(ends) > 1 else 0)
        held = {keys.shape[-2] for keys, values in piece.layers}
        assert held == {min(n, WINDOW - 1)} | ({n} if name == "gemma2" else set())
