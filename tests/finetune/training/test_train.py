"""Training on a tiny random LLaMA, through the code that trains the real ones."""

import json
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback
from transformers.trainer import DEFAULT_CALLBACKS

from finetune.configs import CONFIGS, Config, Recipe
from finetune.data.build import build, folder
from finetune.training import adapters
from finetune.training.record import Point, loss_curve, read_record
from finetune.training.train import (
    Run,
    arguments,
    base_model,
    last_checkpoint,
    memory_guard,
    pad_token,
    train,
)
from palr.errors import DataError, LLMError, PalrError
from palr.llm.adapter_pool import load_adapted
from palr.llm.adapters import WEIGHTS, read_adapter


@pytest.fixture
def instructions(films, own_settings, small_recipe) -> Path:
    build(films, own_settings, "v2", small_recipe)
    return folder(own_settings, "ml-100k", "v2")


@pytest.fixture
def taught(films, settings, own_settings, small_recipe) -> Path:
    own_settings.home.mkdir()
    (own_settings.home / "models").symlink_to(settings.home / "models")  # of sentences
    recipe = replace(small_recipe, tasks=("Recommend_Retrieval",), negatives="retriever")
    # Few lists, which a tiny model can learn.
    build(films, own_settings, "taught", replace(recipe, user_share=0.2, teacher=True))
    return folder(own_settings, "ml-100k", "taught")


@pytest.fixture
def run(instructions, quick, tmp_path) -> Run:
    return Run("palr-v2", "smollm2-135m-cpu", quick, instructions, tmp_path / "adapter", "make it")


def test_nothing_is_kept_below_the_lowest_adapted_layer(quick, own_settings):
    llm = base_model(quick, own_settings)
    model = adapters.with_lora(llm.model, quick)
    states = model(torch.arange(5, 13)[None], output_hidden_states=True).hidden_states
    assert [state.requires_grad for state in states] == [False, False, True]
    adapted = {
        name.split(".layers.")[1][0] for name, p in model.named_parameters() if p.requires_grad
    }
    assert adapted == {"1"}


def test_any_token_pads(tiny_llama):
    class Bare:
        pad_token_id = eos_token_id = None

    assert pad_token(tiny_llama.tokenizer) == tiny_llama.tokenizer.pad_token_id
    assert pad_token(Bare()) == 0


# Going on from an adapter


def test_it_goes_on_from_an_adapter(run, films, own_settings, tmp_path):
    first = train(run, films, own_settings, quiet=True)
    config = replace(run.config, start=str(run.out), lora_rank=2, learning_rate=1e-9)
    further = replace(run, config=config, out=tmp_path / "further")
    record = train(further, films, own_settings, quiet=True)
    assert record.start_sha256 == first.weights_sha256
    assert record.parameters == first.parameters  # of the rank that was there
    before, after = (load_file(place / WEIGHTS) for place in (run.out, further.out))
    assert all(torch.allclose(before[name], after[name], atol=1e-4) for name in before)


def test_what_cannot_be_gone_on_from_is_named(run, films, own_settings, tmp_path):
    config = replace(run.config, start=str(tmp_path / "nowhere"))
    with pytest.raises(PalrError, match="nowhere"):
        train(replace(run, config=config), films, own_settings, quiet=True)


# A run, and what it leaves


def test_a_run_leaves_an_adapter_that_serves(run, films, own_settings, tiny_llama):
    record = train(run, films, own_settings, quiet=True)
    assert record.steps == 4
    assert [point.step for point in record.curve] == [1, 2, 3, 4]
    assert record.tokens > 0
    assert read_record(run.out) == record
    about = json.loads((run.out / "palr.json").read_text())
    assert about == {
        "modes": ["labels", "titles", "likelihood"],
        "prior": 0.0,
        "domain": "movies",
        "dataset": "ml-100k",
        "base_model": Path(run.config.base_model).name,
        "tasks": ["Recommend", "Recommend_Retrieval"],
    }
    card = (run.out / "README.md").read_text()
    assert "make it" in card
    assert record.weights_sha256 in card
    assert "<svg" in (run.out / "loss.svg").read_text()
    here = str(Path(run.config.base_model).parent)
    assert all(here not in path.read_text() for path in run.out.glob("adapter_config.json"))

    served = own_settings.model_copy(
        update={"llm": run.config.base_model, "adapter": str(run.out), "dtype": "float32"}
    )
    llm = load_adapted(served)
    assert llm.adapter.name == "adapter"
    assert not (llm.start("x").logprobs() == tiny_llama.start("x").logprobs()).all()


def test_training_learns(films, own_settings, quick, tmp_path, small_recipe):
    recipe = replace(small_recipe, tasks=("Recommend_Retrieval",), negatives="retriever")
    recipe = replace(recipe, user_share=1.0, held_back=3)
    build(films, own_settings, "drawn", recipe)
    config = replace(quick, max_steps=24, accumulate=1, log_steps=6, learning_rate=3e-2)
    config = replace(config, lora_layers=None, candidates=(12, 12), save_steps=100, batch_size=8)
    place = folder(own_settings, "ml-100k", "drawn")
    record = train(Run("x", "x", config, place, tmp_path / "a"), films, own_settings, quiet=True)
    losses = [point.loss for point in record.curve]
    assert losses[-1] < losses[0] - 0.3
    assert record.curve[-1].ndcg > record.curve[0].ndcg
    assert record.curve[0].ndcg_listed > 0


def test_compiled_layers_learn_the_same(films, own_settings, run, monkeypatch):
    kept = train(run, films, own_settings, quiet=True)
    with monkeypatch.context() as patch:
        compiled: list[dict] = []
        patch.setattr("shutil.which", lambda name: name if name == "cc" else None)
        patch.setattr(torch.nn.Module, "compile", lambda _, **how: compiled.append(how))
        config = replace(run.config, compile=True)
        record = train(replace(run, config=config), films, own_settings, quiet=True)
    assert compiled == [{"dynamic": True}] * 2  # each layer of the tiny LLaMA
    assert [p.loss for p in record.curve] == [p.loss for p in kept.curve]


def test_without_a_compiler_the_remedy_is_named(films, own_settings, run, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    config = replace(run.config, compile=True)
    with pytest.raises(PalrError, match="set compile=false"):
        train(replace(run, config=config), films, own_settings, quiet=True)


def test_it_learns_from_a_teacher(films, own_settings, taught, quick, tmp_path):
    config = replace(quick, loss="distilled", beta=0.5, max_steps=40, log_steps=5)
    config = replace(config, lora_layers=None, accumulate=1, batch_size=8, save_steps=100)
    config = replace(config, learning_rate=3e-2)
    record = train(Run("x", "x", config, taught, tmp_path / "a"), films, own_settings, quiet=True)
    losses = [point.loss for point in record.curve]
    assert losses[-1] < 0.8 * losses[0]
    assert read_adapter(tmp_path / "a").prior == 0.5


@pytest.mark.parametrize(
    ("loss", "beta", "modes"),
    [
        ("answer", 0.0, ["titles", "likelihood"]),
        ("listwise", 1.0, ["labels"]),
        ("relevance", 0.0, ["relevance"]),
        ("relevance", 0.5, ["relevance"]),
    ],
)
def test_every_loss_runs(films, own_settings, quick, tmp_path, small_recipe, loss, beta, modes):
    recipe = replace(small_recipe, tasks=("Recommend_Retrieval",), negatives="retriever")
    build(films, own_settings, "drawn", replace(recipe, user_share=1.0))
    place = folder(own_settings, "ml-100k", "drawn")
    config = replace(quick, loss=loss, beta=beta, max_steps=1)
    run = Run("x", "x", config, place, tmp_path / "a")
    record = train(run, films, own_settings, quiet=True)
    assert record.steps == 1
    adapter = read_adapter(run.out)
    assert (list(adapter.modes), adapter.prior) == (modes, beta)


class _Killed(TrainerCallback):
    """Ends the process as ``kill -9`` does, once the first checkpoint is written."""

    def on_save(self, *_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def _train_until_killed(threads: int, *given: object) -> None:
    """In a process of its own. Sums come out differently with another number of threads, which
    loading a model may have set in this process."""
    torch.set_num_threads(threads)
    DEFAULT_CALLBACKS.append(_Killed)
    train(*given, quiet=True)


def test_a_killed_run_ends_like_an_uninterrupted_one(run, films, own_settings, tmp_path):
    run = replace(run, config=replace(run.config, max_steps=8, save_steps=2))
    whole = train(replace(run, out=tmp_path / "whole"), films, own_settings, quiet=True)
    checkpoints = own_settings.home / "checkpoints"
    assert not list(checkpoints.iterdir())  # a run that ended leaves none

    given = (torch.get_num_threads(), run, films, own_settings)
    process = multiprocessing.get_context("spawn").Process(target=_train_until_killed, args=given)
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    assert len(list(checkpoints.glob("*/checkpoint-*/trainer_state.json"))) == 1
    assert not run.out.exists()

    resumed = train(run, films, own_settings, quiet=True)
    assert resumed.resumed_at == 2
    assert resumed.curve == whole.curve
    first = load_file(tmp_path / "whole" / "adapter_model.safetensors")
    second = load_file(run.out / "adapter_model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path):
    assert last_checkpoint(tmp_path / "nowhere") is None
    for step, state in ((9, "{}"), (10, "{}"), (11, '{"epoch": 1.')):
        place = tmp_path / f"checkpoint-{step}"
        place.mkdir()
        (place / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert not (tmp_path / "checkpoint-11").exists()


def test_instructions_of_other_data_are_refused(run, films, own_settings):
    manifest = run.instructions / "build.json"
    manifest.write_text(manifest.read_text().replace('"ml-100k"', '"beauty"', 1))
    with pytest.raises(DataError, match="beauty"):
        train(run, films, own_settings, quiet=True)


def test_a_missing_base_names_the_remedy(run, films, own_settings, tmp_path):
    config = replace(run.config, base_model=str(tmp_path / "nowhere"))
    with pytest.raises(LLMError, match="does not load"):
        train(replace(run, config=config), films, own_settings, quiet=True)


def test_out_of_memory_names_what_to_lower():
    large = Config(batch_size=4, accumulate=4)
    with pytest.raises(PalrError, match="batch_size=2 accumulate=8"), memory_guard(large):
        raise torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(PalrError, match="gradient_checkpointing=true"), memory_guard(Config()):
        torch.empty(1 << 60)
    with pytest.raises(RuntimeError, match="another fault"), memory_guard(Config()):
        raise RuntimeError("another fault")


# The larger configurations, through the same code


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("llama-7b-qlora", "instructions"),
        ("llama-7b-fsdp", "instructions"),
        ("smollm2-135m-gpu", "taught"),
    ],
)
def test_larger_configurations_run_on_a_tiny_llama(
    name, data, films, own_settings, base_folder, tmp_path, request
):
    config = replace(
        CONFIGS[name],
        base_model=str(base_folder),
        dtype="float32",  # 4-bit weights need a GPU
        fsdp=False,
        compile=False,  # a minute, and no compiler need be here
        max_steps=2,
        accumulate=1,
    )
    run = Run(name, name, config, request.getfixturevalue(data), tmp_path / name)
    record = train(run, films, own_settings, quiet=True)
    assert record.steps == 2
    assert (run.out / "adapter_model.safetensors").is_file()


def test_the_fsdp_configuration_is_one_that_accelerate_takes(tmp_path):
    from accelerate import FullyShardedDataParallelPlugin
    from transformers import TrainingArguments

    config = CONFIGS["llama-7b-fsdp"]
    cpu, dtype = torch.device("cpu"), torch.float32
    chosen = TrainingArguments(**arguments(config, tmp_path, cpu, dtype, quiet=True))
    plugin = FullyShardedDataParallelPlugin(**chosen.fsdp_plugin_args)
    assert plugin.fsdp_version == 2
    assert plugin.transformer_cls_names_to_wrap == ["LlamaDecoderLayer"]
    assert plugin.activation_checkpointing


def test_four_bits_without_a_gpu_names_the_remedy(run, films, own_settings):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    config = replace(run.config, dtype="int4")
    with pytest.raises(LLMError, match="needs a CUDA GPU"):
        train(replace(run, config=config), films, own_settings, quiet=True)


def test_the_curve_is_drawn_from_the_points():
    picture = loss_curve([Point(1, 4.0), Point(2, 2.0), Point(4, 3.0)], "a < b")
    assert "a &lt; b: training loss" in picture
    assert ">4.00</text>" in picture
    assert ">2.00</text>" in picture
    assert ">4 steps</text>" in picture
    assert loss_curve([], "none").startswith("<svg")


def test_recipes_are_the_papers():
    assert Recipe().user_share == 0.2
    assert Recipe().history == 20
