"""What cannot be trained is refused before the base model is loaded, or right behind it.

``nowhere`` is a base model that does not exist: a refusal that names something else came before it.
"""

import json
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaForCausalLM

from finetune.configs import Config
from finetune.data.build import build, folder
from finetune.training.train import Run, memory_advice, train
from palr.errors import DataError, LLMError, PalrError, UnwritableError
from palr.llm.adapter_pool import load_adapted

NOWHERE = "/nowhere"


@pytest.fixture
def run(films, own_settings, small_recipe, quick, tmp_path) -> Run:
    build(films, own_settings, "v2", small_recipe)
    place = folder(own_settings, "ml-100k", "v2")
    return Run("palr-v2", "smollm2-135m-cpu", quick, place, tmp_path / "adapter")


@pytest.fixture
def gpt2(tmp_path, tiny_llama) -> str:
    """A GPT-2, whose layers have other names and are of another class than a LLaMA's."""
    torch.manual_seed(7)
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 4096}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tiny_llama.tokenizer), **shape))
    model.save_pretrained(tmp_path / "gpt2")
    tiny_llama.tokenizer.save_pretrained(tmp_path / "gpt2")
    return str(tmp_path / "gpt2")


def refused(run: Run, films, settings, words: str, error: type[PalrError] = PalrError, **changes):
    config = replace(run.config, **{"base_model": NOWHERE} | changes)
    with pytest.raises(error, match=words) as caught:
        train(replace(run, config=config), films, settings, quiet=True)
    assert "\n" not in str(caught.value)


# Before the base model


def test_a_contradiction(run, films, own_settings):
    refused(run, films, own_settings, r"set candidates=\[12,20\]", candidates=(20, 12))


def test_data_that_do_not_have_what_the_loss_learns_from(run, films, own_settings):
    refused(run, films, own_settings, "set loss=relevance", DataError, loss="distilled")
    refused(run, films, own_settings, "or set beta=0", DataError, beta=1.0)


def test_no_adapter_to_go_on_from(run, films, own_settings, tmp_path):
    refused(run, films, own_settings, "start=/nothing", start="/nothing")
    (tmp_path / "adapter_config.json").write_text("{")
    refused(run, films, own_settings, "missing or damaged", start=str(tmp_path))


def test_an_adapter_of_a_kind_that_cannot_be_served(run, films, own_settings, tmp_path, tiny_llama):
    base = LlamaForCausalLM(tiny_llama.model.config)
    settings = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    get_peft_model(base, settings).save_pretrained(tmp_path / "prompt")
    refused(run, films, own_settings, "before every prompt", start=str(tmp_path / "prompt"))


def test_a_folder_that_cannot_be_written(run, films, own_settings, tmp_path):
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "adapter", tmp_path / ("x" * 300)):
        refused(
            replace(run, out=out), films, own_settings, "name an output folder", UnwritableError
        )


def test_a_run_that_does_not_begin_leaves_no_folder(run, films, own_settings):
    refused(run, films, own_settings, "nowhere", LLMError)
    assert not run.out.exists()


# Behind it


def test_another_architecture_is_trained_and_served(run, films, own_settings, gpt2):
    config = replace(run.config, base_model=gpt2, max_steps=2)
    record = train(replace(run, config=config), films, own_settings, quiet=True)
    assert record.steps == 2
    settings = json.loads((run.out / "adapter_config.json").read_text())
    assert set(settings["target_modules"]) == {"c_attn", "c_fc", "c_proj"}
    layers = {name.split(".h.")[1][0] for name in load_file(run.out / "adapter_model.safetensors")}
    assert layers == {"1"}  # lora_layers=1: the top one
    served = own_settings.model_copy(update={"llm": gpt2, "dtype": "float32"})
    plain = load_adapted(served).start("x").logprobs()
    worn = load_adapted(served.model_copy(update={"adapter": str(run.out)}))
    assert not (worn.start("x").logprobs() == plain).all()
    assert worn.adapter.notes == ()


@pytest.mark.long
def test_another_architecture_is_compiled(run, films, own_settings, gpt2, monkeypatch):
    compiled: list[str] = []
    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda layer, **_: compiled.append(type(layer).__name__)
    )
    config = replace(run.config, base_model=gpt2, max_steps=1, compile=True)
    train(replace(run, config=config), films, own_settings, quiet=True)
    assert compiled == ["GPT2Block"] * 2


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (
            ("q_proj",),
            r'no layer q_proj: set lora_targets to some of \["c_attn", "c_fc", "c_proj"\]',
        ),
        (("c_attn", "nope"), "no layer nope"),
        pytest.param(("attn",), "lora_targets=attn: Target module", marks=pytest.mark.long),
    ],
)
def test_layers_that_the_model_does_not_have(targets, words, run, films, own_settings, gpt2):
    refused(run, films, own_settings, words, base_model=gpt2, lora_targets=targets)


@pytest.mark.long
def test_all_linear_layers_of_a_llama(run, films, own_settings):
    train(replace(run, config=replace(run.config, max_steps=1)), films, own_settings, quiet=True)
    settings = json.loads((run.out / "adapter_config.json").read_text())
    attention, mlp = {"q_proj", "k_proj", "v_proj", "o_proj"}, {"gate_proj", "up_proj", "down_proj"}
    assert set(settings["target_modules"]) == attention | mlp


@pytest.mark.long
def test_an_adapter_of_another_base_is_not_gone_on_from(
    run, films, own_settings, tmp_path, tiny_llama, base_folder
):
    deeper = type(tiny_llama.model.config)(
        **tiny_llama.model.config.to_dict() | {"num_hidden_layers": 4}
    )
    settings = LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM")
    get_peft_model(LlamaForCausalLM(deeper), settings).save_pretrained(tmp_path / "deeper")
    words = r"start=.*4 of its 8 weights .* 4 layers, and the model has 2"
    start = str(tmp_path / "deeper")
    refused(run, films, own_settings, words, base_model=str(base_folder), start=start)


def test_advice_never_names_what_is_refused():
    for layers in (None, 1, 2, 12):
        config = Config(lora_layers=layers, gradient_checkpointing=True, dtype="int4")
        assert "lora_layers=0" not in memory_advice(config)
