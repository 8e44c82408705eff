"""Every kind of adapter that PEFT knows, over a small LLaMA: served as trained, or refused."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.tuners.lora.config import KasaConfig
from peft.utils import PeftType
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from palr.errors import LLMError
from palr.llm.adapted import adapted

PROMPT = torch.arange(5, 17)[None]
NAME = "small-llama"
TARGETS = ["q_proj", "v_proj"]
WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"


@dataclass(frozen=True)
class Kind:
    """An adapter to be made; ``base`` are fields of the model that it is made for."""

    type: str
    settings: dict[str, Any]
    base: dict[str, Any]


def kind(peft_type: str, base: dict[str, Any] | None = None, **settings: Any) -> Kind:
    return Kind(peft_type, {"target_modules": TARGETS} | settings, base or {})


def lora(base: dict[str, Any] | None = None, **settings: Any) -> Kind:
    return kind("LORA", base, r=4, **settings)


BIASED = {"attention_bias": True, "mlp_bias": True}
TIED = {"tie_word_embeddings": True}
SERVED = {
    "lora": lora(),
    "lora gaussian": lora(init_lora_weights="gaussian"),
    "lora orthogonal": lora(init_lora_weights="orthogonal"),
    "lora eva": lora(init_lora_weights="eva"),
    "lora mica": lora(init_lora_weights="mica"),
    "pissa": lora(init_lora_weights="pissa"),
    "olora": lora(init_lora_weights="olora"),
    "dora": lora(use_dora=True),
    "rslora": lora(use_rslora=True),
    "kasa": lora(kasa_config=KasaConfig()),
    "lora of all layers": lora(target_modules="all-linear"),
    "lora of one layer": lora(layers_to_transform=[1]),
    "lora of more layers": lora(layer_replication=[[0, 2], [1, 2]]),
    "lora of patterns": lora(rank_pattern={"q_proj": 2}, alpha_pattern={"v_proj": 16}),
    "lora of parameters": lora(target_modules=[], target_parameters=["mlp.down_proj.weight"]),
    "lora of embeddings": lora(target_modules=["q_proj", "embed_tokens"]),
    "lora of tied embeddings": lora(TIED, target_modules=["q_proj", "embed_tokens"]),
    "lora of the output": lora(target_modules=["q_proj", "lm_head"]),
    "lora with a whole module": lora(modules_to_save=["lm_head"]),
    "lora with whole tied embeddings": lora(TIED, modules_to_save=["embed_tokens"]),
    "lora with tokens": lora(trainable_token_indices=[200, 201]),
    "lora with tied tokens": lora(TIED, trainable_token_indices={"embed_tokens": [5, 200]}),
    "lora with biases of its own": lora(lora_bias=True),
    "lora and all biases": lora(BIASED, bias="all"),
    "lora and its biases": lora(BIASED, bias="lora_only"),
    "adalora": kind("ADALORA", total_step=10, init_r=4, target_r=2),
    "adamss": kind("ADAMSS"),
    "adaption prompt": kind(
        "ADAPTION_PROMPT", target_modules=None, adapter_len=4, adapter_layers=1
    ),
    "beft": kind("BEFT"),
    "boft": kind("BOFT", boft_block_size=4),
    "c3a": kind("C3A", block_size=8),
    "deft": kind("DEFT"),
    "deft qr": kind("DEFT", decomposition_method="qr"),
    "delora": kind("DELORA", r=4),
    "fourierft": kind("FOURIERFT", n_frequency=50),
    "frod": kind("FROD", progressbar=False),
    "glora": kind("GLORA", r=4),
    "gralora": kind("GRALORA", r=4),
    "hira": kind("HIRA", r=4),
    "hra": kind("HRA", r=2),
    "ia3": kind("IA3", target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "ln tuning": kind("LN_TUNING", target_modules=["input_layernorm", "norm"]),
    "loha": kind("LOHA", r=4),
    "lokr": kind("LOKR", r=4),
    "miss": kind("MISS", r=4),
    "miss bat": kind("MISS", r=4, init_weights="bat"),
    "oft": kind("OFT", oft_block_size=4),
    "oft and all biases": kind("OFT", BIASED, oft_block_size=4, bias="all"),
    "osf": kind("OSF"),
    "peanut": kind("PEANUT", r=4),
    "psoft": kind("PSOFT", ab_svd_init="pissa_init"),
    "pvera": kind("PVERA", r=4),
    "randlora": kind("RANDLORA", r=4, randlora_alpha=4),
    "road": kind("ROAD", group_size=8),
    "shira": kind("SHIRA", r=2, random_seed=3),
    "supertuning": kind("SUPERTUNING"),
    "tinylora": kind("TINYLORA"),
    "tokens": kind("TRAINABLE_TOKENS", target_modules=["embed_tokens"], token_indices=[200]),
    "unilora": kind("UNILORA", r=2),
    "vblora": kind("VBLORA", r=2, num_vectors=20, vector_length=4, topk=2),
    "vera": kind("VERA", r=4),
    "waveft": kind("WAVEFT", n_frequency=50),
}
QUICK = {"pissa", "olora", "dora", "lora and all biases", "lora of embeddings", "lora with tokens"}
QUICK |= {"lora of more layers", "ln tuning", "ia3", "vera", "osf"}

CPT = {"cpt_token_ids": [1], "cpt_mask": [1], "cpt_tokens_type_mask": [1]}
# Made elsewhere, so that a file of settings is all that is needed to see them refused.
REFUSED = {
    "prompt tuning": ({"peft_type": "PROMPT_TUNING"}, "before every prompt"),
    "several prompts": ({"peft_type": "MULTITASK_PROMPT_TUNING"}, "before every prompt"),
    "p-tuning": ({"peft_type": "P_TUNING"}, "before every prompt"),
    "prefix tuning": ({"peft_type": "PREFIX_TUNING"}, "before every prompt"),
    "cpt": ({"peft_type": "CPT", **CPT}, "before every prompt"),
    "cartridge": ({"peft_type": "CARTRIDGE"}, "before every prompt"),
    "lily": ({"peft_type": "LILY"}, "whole prompt"),
    "poly": ({"peft_type": "POLY"}, "number of a task"),
    "shadow": ({"peft_type": "SHADOW"}, "second model"),
    "xlora": ({"peft_type": "XLORA", "hidden_size": 32, "adapters": {"a": "b"}}, "twice"),
    "alora": ({"peft_type": "LORA", "alora_invocation_tokens": [9]}, "a part of the prompt"),
    "corda": ({"peft_type": "LORA", "init_lora_weights": "corda"}, "path_initial_model"),
    "lora ga": ({"peft_type": "LORA", "init_lora_weights": "lora_ga"}, "path_initial_model"),
    "quick pissa": ({"peft_type": "LORA", "init_lora_weights": "pissa_niter_16"}, "path_initial"),
    "a newer kind": ({"peft_type": "QUANTUM"}, "pip install -U peft"),
    "no kind": ({"r": 4}, "missing or damaged"),
    "a list": ([], "missing or damaged"),
    "a rank in words": (
        {"peft_type": "LORA", "target_modules": TARGETS, "r": "four"},
        "Train it again",
    ),
    "no rank": ({"peft_type": "LORA", "target_modules": TARGETS, "r": 0}, "r` should be"),
    "no such layer": ({"peft_type": "LORA", "target_modules": ["c_attn"]}, "c_attn"),
}


def llama(**changes: Any) -> LlamaForCausalLM:
    torch.manual_seed(7)
    shape = {"vocab_size": 300, "hidden_size": 32, "intermediate_size": 64}
    shape |= {"num_hidden_layers": 2, "num_attention_heads": 4, "initializer_range": 0.5}
    return LlamaForCausalLM(LlamaConfig(**shape | changes)).eval()


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model(PROMPT).logits.clone()


def train(base: LlamaForCausalLM, made: Kind, folder: Path) -> torch.Tensor:
    """Save an adapter with other weights than it began with; the logits are those it is to have."""
    settings = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType[made.type]](
        task_type="CAUSAL_LM", **copy.deepcopy(made.settings)
    )
    model = get_peft_model(copy.deepcopy(base), settings)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.3)
    model.eval().save_pretrained(folder)
    return logits(model)


def in_two_pieces(model: Any) -> torch.Tensor:
    """Logits of the prompt's second half, behind the keys and values of its first."""
    n = PROMPT.shape[1] // 2
    with torch.inference_mode():
        first = model(PROMPT[:, :n], use_cache=True)
        places = torch.arange(n, PROMPT.shape[1])[None]
        rest = model(PROMPT[:, n:], past_key_values=first.past_key_values, position_ids=places)
    return rest.logits


def test_every_kind_is_served_or_refused():
    kinds = {made.type for made in SERVED.values()}
    kinds |= {given["peft_type"] for given, _ in REFUSED.values() if "peft_type" in given}
    assert {each.name for each in PeftType} <= kinds


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in SERVED],
)
def test_an_adapter_ranks_as_it_was_trained_and_the_model_stays_as_it_is(name, tmp_path):
    made = SERVED[name]
    base = llama(**made.base)
    plain, weights = logits(base), copy.deepcopy(base.state_dict())
    wanted = train(base, made, tmp_path)
    torch.manual_seed(99)  # what PEFT draws when it loads is not what it drew in training
    found, notes = adapted(base, NAME, tmp_path)
    assert torch.allclose(logits(found), wanted, atol=1e-4)
    assert torch.allclose(in_two_pieces(found), wanted[:, PROMPT.shape[1] // 2 :], atol=1e-3)
    assert not torch.allclose(wanted, plain) or "tokens" in name
    assert torch.equal(logits(base), plain)
    assert base.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[key]) for key, value in base.state_dict().items())
    assert base.config.num_hidden_layers == 2
    assert notes == ()


def test_adapters_of_all_kinds_beside_each_other(tmp_path):
    base = llama(**BIASED)
    plain = logits(base)
    names = [name for name in SERVED if name in QUICK]
    wanted = {name: train(base, SERVED[name], tmp_path / name) for name in names}
    found = {name: adapted(base, NAME, tmp_path / name)[0] for name in names}
    for name in [*names, *reversed(names)]:
        assert torch.allclose(logits(found[name]), wanted[name], atol=1e-4), name
        assert torch.equal(logits(base), plain), name


def test_an_adapter_takes_little_memory_beside_the_model(tmp_path):
    """Weights are shared where they are the same, of a kind too that PEFT writes into."""
    base = llama()
    shared = {weight.data_ptr() for weight in base.parameters()}
    for name, own in (("lora", 0), ("olora", 4), ("lora of embeddings", 0)):
        train(base, SERVED[name], tmp_path / name)
        found, _ = adapted(base, NAME, tmp_path / name)
        large = [w for n, w in found.named_parameters() if "lora_" not in n]
        assert len([w for w in large if w.data_ptr() not in shared]) == own, name


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_is_refused_in_one_line(name, tmp_path):
    given, words = REFUSED[name]
    given = {"task_type": "CAUSAL_LM"} | given if isinstance(given, dict) else given
    (tmp_path / SETTINGS).write_text(json.dumps(given))
    save_file({"x": torch.ones(1)}, tmp_path / WEIGHTS)
    base = llama()
    plain = logits(base)
    with pytest.raises(LLMError, match=words) as refused:
        adapted(base, NAME, tmp_path)
    assert "\n" not in str(refused.value)
    assert torch.equal(logits(base), plain)


# Made for another model, or damaged


OTHERS = {
    "deeper": ({"num_hidden_layers": 4}, r"8 of its 16 weights .* 4 layers, and the model has 2"),
    "shallower": ({"num_hidden_layers": 1}, r"4 places get no weight .* 1 layers, and the model"),
    "wider": (
        {"hidden_size": 64},
        r"8 of its 8 weights .*\[4, 64\], here \[4, 32\].* another size",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_adapter_of_another_model_says_what_does_not_fit(name, tmp_path):
    other, words = OTHERS[name]
    train(llama(**other), lora(), tmp_path)
    with pytest.raises(LLMError, match=words) as refused:
        adapted(llama(), NAME, tmp_path)
    assert "the model that it was trained on" in str(refused.value)


@pytest.mark.parametrize(
    "made",
    [
        lora(modules_to_save=["embed_tokens", "lm_head"]),
        lora(target_modules=["embed_tokens"]),
    ],
)
def test_another_vocabulary_is_named(made, tmp_path):
    train(llama(vocab_size=301), made, tmp_path)
    with pytest.raises(LLMError, match=r"\[301, 32\], here \[300, 32\].*another vocabulary"):
        adapted(llama(), NAME, tmp_path)


def test_tokens_that_the_model_does_not_have_are_refused(tmp_path):
    train(llama(vocab_size=400), lora(trainable_token_indices=[350]), tmp_path)
    with pytest.raises(LLMError, match="take the model"):
        adapted(llama(), NAME, tmp_path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def without_one(path: Path) -> None:
    weights = load_file(path)
    del weights[next(iter(weights))]
    save_file(weights, path)


def no_numbers(path: Path) -> None:
    weights = load_file(path)
    next(iter(weights.values()))[0] = float("nan")
    save_file(weights, path)


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        (WEIGHTS, Path.unlink, "holds no adapter_model.safetensors"),
        (WEIGHTS, cut, "is damaged"),
        (WEIGHTS, lambda path: path.write_bytes(b""), "is damaged"),
        (WEIGHTS, lambda path: save_file({}, path), "8 places get no weight"),
        (WEIGHTS, without_one, "1 places get no weight"),
        (WEIGHTS, no_numbers, "no numbers"),
        (SETTINGS, Path.unlink, "missing or damaged"),
        (SETTINGS, cut, "missing or damaged"),
        (SETTINGS, lambda path: path.write_bytes(b"\xff\xfe\xff"), "missing or damaged"),
    ],
)
def test_a_damaged_file_is_named(
    file: str, damage: Callable[[Path], object], words: str, tmp_path: Path
):
    train(llama(), lora(), tmp_path)
    damage(tmp_path / file)
    with pytest.raises(LLMError, match=words) as refused:
        adapted(llama(), NAME, tmp_path)
    assert "\n" not in str(refused.value)


def test_a_module_that_was_to_be_saved_and_was_not_is_named(tmp_path):
    train(llama(), lora(modules_to_save=["lm_head"]), tmp_path)
    weights = load_file(tmp_path / WEIGHTS)
    del weights["base_model.model.lm_head.weight"]
    save_file(weights, tmp_path / WEIGHTS)
    with pytest.raises(LLMError, match=r"lacks the weight .*lm_head\.weight"):
        adapted(llama(), NAME, tmp_path)


def test_another_base_and_settings_of_a_newer_peft_are_told(tmp_path):
    train(llama(), lora(), tmp_path)
    path = tmp_path / SETTINGS
    settings = json.loads(path.read_text())
    newer = {"use_magic": 3, "new_and_off": None, "base_model_name_or_path": "them/Small-LLaMA"}
    path.write_text(json.dumps(settings | newer))
    (note,) = adapted(llama(), NAME, tmp_path)[1]
    assert "use_magic" in note
    assert "new_and_off" not in note
    path.write_text(json.dumps(settings | {"base_model_name_or_path": "them/other-1b"}))
    (note,) = adapted(llama(), NAME, tmp_path)[1]
    assert note == f"the adapter was trained on them/other-1b, not on {NAME}"
