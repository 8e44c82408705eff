"""Training on a tiny random LLaMA, through the code that trains the real ones."""

import json
import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from finetune import adapters
from finetune.build import build, folder
from finetune.collate import IGNORED, NO_CHOICE, Collator, Instructions, arranged
from finetune.configs import CONFIGS, Config, Recipe
from finetune.losses import (
    answer_loss,
    choice_logits,
    distilled_loss,
    kept_columns,
    listwise_loss,
    relevance_logits,
    target_ranks,
)
from finetune.record import Point, loss_curve, read_record
from finetune.tasks import Example
from finetune.train import (
    Run,
    arguments,
    base_model,
    last_checkpoint,
    memory_guard,
    pad_token,
    train,
)
from palr.errors import DataError, LLMError, PalrError
from palr.llm.adapters import read_adapter
from palr.llm.transformers import TransformersLLM

LISTED = Example(
    "Recommend_Retrieval",
    user=0,
    history=("1", "2", "3"),
    answer=("7", "5"),
    candidates=("4", "5", "6", "7", "8"),
    scores=(5.0, 4.0, 3.0, 2.0, 1.0),
)
OPEN = Example("Recommend", 0, ("1",), ("2", "3"))


@pytest.fixture
def instructions(films, own_settings, small_recipe) -> Path:
    build(films, own_settings, "v2", small_recipe)
    return folder(own_settings, "ml-100k", "v2")


@pytest.fixture
def run(instructions, quick, tmp_path) -> Run:
    return Run("palr-v2", "smollm2-135m-cpu", quick, instructions, tmp_path / "adapter", "make it")


def batch_of(examples, catalog, llm, config):
    data = Instructions(examples, catalog, llm, config)
    return Collator(pad_token(llm.tokenizer))([data[at] for at in range(len(data))])


# What is learnt from


def test_the_loss_covers_the_answer_only(films, tiny_llama):
    batch = batch_of([OPEN], films, tiny_llama, Config())
    answer = batch["labels"][0]
    text = tiny_llama.tokenizer.decode(answer)
    assert text == '"Film C2 (1972)", "Film D3 (1973)"<|im_end|>'
    assert (answer != IGNORED).all()
    # Logits are only made at the last places: the first of them sees the prompt and nothing more.
    whole = tiny_llama.tokenizer.decode(batch["input_ids"][0])
    assert whole.endswith('"Film C2 (1972)", "Film D3 (1973)"')
    prompt = batch["input_ids"][0][: -(len(answer) - 1)]
    assert tiny_llama.tokenizer.decode(prompt).endswith("assistant\n")


def test_the_prompt_has_no_part_in_the_loss(films, tiny_llama):
    batch = batch_of([OPEN], films, tiny_llama, Config())
    width = batch["labels"].shape[1]
    with torch.inference_mode():
        logits = tiny_llama.model(batch["input_ids"]).logits
    expected = torch.nn.functional.cross_entropy(logits[0, -width:], batch["labels"][0])
    assert answer_loss(logits[:, -width:], batch["labels"]).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_a_batch_has_the_losses_of_its_rows(films, tiny_llama):
    examples = [OPEN, LISTED, replace(OPEN, answer=("4", "5", "6"))]

    def losses(batch):
        seen = {
            name: batch[name]
            for name in ("input_ids", "attention_mask", "position_ids")
            if name in batch
        }
        with torch.inference_mode():
            logits = tiny_llama.model(**seen, logits_to_keep=batch["labels"].shape[1]).logits
        scored = choice_logits(logits, batch["choices"]) + batch["prior"]
        return [
            listwise_loss(scored[at : at + 1], batch["weights"][at : at + 1]).item()
            if batch["weights"][at].sum() > 0
            else answer_loss(logits[at : at + 1], batch["labels"][at : at + 1]).item()
            for at in range(len(logits))
        ]

    together = losses(batch_of(examples, films, tiny_llama, Config()))
    alone = [losses(batch_of([e], films, tiny_llama, Config()))[0] for e in examples]
    assert together == pytest.approx(alone, rel=1e-4)
    assert "attention_mask" not in batch_of([OPEN], films, tiny_llama, Config())


def test_labels_are_judged_where_the_answer_begins(films, tiny_llama):
    batch = batch_of([LISTED], films, tiny_llama, Config(decay=0.5))
    assert batch["weights"][0].tolist() == pytest.approx([0, 1 / 3, 0, 2 / 3, 0])
    assert batch["labels"].tolist() == [[IGNORED]]
    assert batch["prior"].tolist() == [[0.0] * 5]
    assert tiny_llama.tokenizer.decode(batch["input_ids"][0]).endswith("assistant\n")


def test_listwise_loss_by_hand():
    logits = torch.zeros(2, 3, 10)
    logits[0, -1, [4, 5, 6]] = torch.tensor([1.0, 2.0, 3.0])
    choices = torch.tensor([[4, 5, 6], [4, 5, NO_CHOICE]])
    prior = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    scored = choice_logits(logits, choices) + prior
    assert scored[0].tolist() == [1.0, 2.0, 3.0]
    assert scored[1].tolist() == [1.0, 0.0, float("-inf")]
    weights = torch.tensor([[0.0, 0.25, 0.75], [0.0, 1.0, 0.0]])
    # log softmax of (1, 2, 3) is (-2.4076, -1.4076, -0.4076); of (1, 0) it is (-0.3133, -1.3133).
    assert listwise_loss(scored, weights).tolist() == pytest.approx(
        [0.25 * 1.4076 + 0.75 * 0.4076, 1.3133], abs=1e-4
    )
    assert target_ranks(scored, torch.tensor([2, 1])).tolist() == [1, 2]


def test_relevance_is_read_behind_each_mark():
    columns = kept_columns(torch.tensor([[2, 5], [4, NO_CHOICE]]), length=8, width=1)
    assert columns.tolist() == [2, 4, 5, 7]
    logits = torch.zeros(2, 4, 10)  # rows, columns, vocabulary
    logits[0, 0, 3], logits[0, 2, 6] = 2.0, 1.0
    logits[1, 1, 3] = 4.0
    marks = torch.tensor([[2, 5], [4, NO_CHOICE]])
    odds = relevance_logits(logits, columns, marks, torch.tensor([3, 6]))
    assert odds.tolist() == [[2.0, -1.0], [4.0, float("-inf")]]


def test_padding_moves_the_marks(films, tiny_llama):
    config = Config(loss="relevance")
    longer = replace(LISTED, history=(*LISTED.history, "9", "10"))
    batch = batch_of([LISTED, longer], films, tiny_llama, config)
    for row, marks in zip(batch["input_ids"], batch["marks"], strict=True):
        ends = [tiny_llama.tokenizer.decode(row[mark - 1 : mark + 1]) for mark in marks]
        assert all('"' in end for end in ends), ends
    losses = []
    for examples in ([LISTED], [longer], [LISTED, longer]):
        batch = batch_of(examples, films, tiny_llama, config)
        columns = kept_columns(batch["marks"], batch["input_ids"].shape[1], 1)
        seen = ("input_ids", "attention_mask", "position_ids")
        inputs = {name: batch[name] for name in seen if name in batch}
        with torch.inference_mode():
            logits = tiny_llama.model(**inputs, logits_to_keep=columns).logits
        odds = relevance_logits(logits, columns, batch["marks"], batch["verdicts"])
        losses.append(listwise_loss(odds, batch["weights"]).tolist())
    assert [*losses[0], *losses[1]] == pytest.approx(losses[2], rel=1e-4)


@pytest.mark.parametrize("loss", ["listwise", "relevance"])
def test_beta_adds_the_retrievers_scores(films, tiny_llama, loss):
    config = Config(loss=loss, beta=0.5)
    batch = batch_of([LISTED], films, tiny_llama, config)
    assert batch["prior"][0].tolist() == [2.5, 2.0, 1.5, 1.0, 0.5]
    bare = replace(LISTED, scores=())
    with pytest.raises(DataError, match="negatives=retriever"):
        batch_of([bare], films, tiny_llama, config)
    batch_of([bare], films, tiny_llama, replace(config, loss="answer"))


def test_distilled_loss_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.0], [5.0, 1.0, float("-inf")]])
    soft = torch.tensor([[1.0, 0.0, 2.0], [1.0, 1.0, 0.0]])
    # Apart by (2, 1, 0), centred (1, 0, -1); and by (4, 0), centred (2, -2).
    assert distilled_loss(logits, soft).tolist() == pytest.approx([2 / 3, 4.0])
    assert distilled_loss(soft + 7.0, soft).tolist() == pytest.approx([0.0, 0.0])


def test_a_teachers_targets_are_needed(films, tiny_llama):
    config = Config(loss="distilled", beta=0.5)
    taught = replace(LISTED, soft=(0.0, 1.0, 2.0, 3.0, 4.0))
    batch = batch_of([taught], films, tiny_llama, config)
    assert batch["soft"].tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0]]
    assert batch["target"].tolist() == [3]
    with pytest.raises(DataError, match="teacher=true"):
        batch_of([LISTED], films, tiny_llama, config)


def test_lists_are_cut_around_the_answer_and_arranged_anew_each_epoch(films, tiny_llama):
    config = Config(candidates=(3, 3), history=2)
    shown = {tuple(arranged(LISTED, config, np.random.default_rng(seed))[1]) for seed in range(30)}
    assert shown == {(0, 1, 3), (1, 2, 3), (1, 3, 4)}
    example, _ = arranged(LISTED, config, np.random.default_rng(0))
    assert example.history == ("2", "3")
    assert example.candidates == LISTED.candidates
    shuffled, _ = arranged(LISTED, Config(shuffle=True), np.random.default_rng(1))
    assert shuffled.candidates != LISTED.candidates
    scored = dict(zip(LISTED.candidates, LISTED.scores, strict=True))
    assert shuffled.scores == tuple(scored[item] for item in shuffled.candidates)

    data = Instructions([LISTED] * 8, films, tiny_llama, Config(shuffle=True))
    first = [data[at]["row"].rendered for at in range(8)]
    assert first == [data[at]["row"].rendered for at in range(8)]
    data.epoch = 1
    assert first != [data[at]["row"].rendered for at in range(8)]


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
    llm = TransformersLLM.load(served)
    assert llm.adapter == "adapter"
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


def test_it_learns_from_a_teacher(films, settings, own_settings, quick, tmp_path, small_recipe):
    own_settings.home.mkdir()
    (own_settings.home / "models").symlink_to(settings.home / "models")  # of sentences
    recipe = replace(small_recipe, tasks=("Recommend_Retrieval",), negatives="retriever")
    build(films, own_settings, "taught", replace(recipe, user_share=1.0, teacher=True))
    config = replace(quick, loss="distilled", beta=0.5, max_steps=24, log_steps=6)
    config = replace(config, lora_layers=None, accumulate=1, batch_size=8, save_steps=100)
    config = replace(config, learning_rate=3e-2)
    place = folder(own_settings, "ml-100k", "taught")
    record = train(Run("x", "x", config, place, tmp_path / "a"), films, own_settings, quiet=True)
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


def _train(threads: int, *given: object) -> None:
    """In a process of its own. Sums come out differently with another number of threads, which
    loading a model may have set in this process."""
    torch.set_num_threads(threads)
    train(*given, quiet=True)


def test_a_killed_run_ends_like_an_uninterrupted_one(run, films, own_settings, tmp_path):
    run = replace(run, config=replace(run.config, max_steps=8, save_steps=2))
    whole = train(replace(run, out=tmp_path / "whole"), films, own_settings, quiet=True)
    checkpoints = own_settings.home / "checkpoints"
    assert not list(checkpoints.iterdir())  # a run that ended leaves none

    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_train, args=(torch.get_num_threads(), run, films, own_settings))
    process.start()
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("*/checkpoint-*/trainer_state.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not run.out.exists()

    resumed = train(run, films, own_settings, quiet=True)
    assert resumed.resumed_at > 0
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


@pytest.mark.parametrize("name", ["llama-7b-qlora", "llama-7b-fsdp", "smollm2-135m-gpu"])
def test_larger_configurations_run_on_a_tiny_llama(
    name, films, own_settings, instructions, base_folder, tmp_path
):
    config = replace(
        CONFIGS[name],
        base_model=str(base_folder),
        dtype="float32",  # 4-bit weights need a GPU
        fsdp=False,
        max_steps=2,
        accumulate=1,
    )
    run = Run(name, name, config, instructions, tmp_path / name)
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
