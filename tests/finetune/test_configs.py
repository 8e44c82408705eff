"""Settings that cannot be meant are refused in one line, before anything long begins."""

import json
import math
from dataclasses import fields, replace

import pytest

from finetune.checks import checked_name
from finetune.configs import CONFIGS, RECIPES, Config, Recipe, with_changes
from finetune.training.record import read_record
from palr.errors import PalrError
from palr.llm.adapters import SHIPPED

COUNT = [0, -1, 2.5, "3", True, None]
WHOLE = [-1, 2.5, "3", True, None]
SHARE = [-0.1, 1.1, math.nan, "half", True, None]
AMOUNT = [-0.1, math.nan, math.inf, "much", True, None]
POSITIVE = [0, *AMOUNT]
SEED = [*WHOLE, 2**32]
FLAG = ["perhaps", 2, None]
RANGE = [[0, 5], [1, 5], [5], [5, 6, 7], 5, [5.5, 6], ["5", "6"], None]
WRONG = {
    Config: {
        "base_model": ["", 5, None],
        "start": [5, None],
        "loss": ["", "mse", None],
        "beta": AMOUNT,
        "decay": SHARE,
        "shuffle": FLAG,
        "history": COUNT,
        "candidates": RANGE,
        "epochs": POSITIVE,
        "max_steps": [-2, 2.5, "3", True, None],
        "learning_rate": POSITIVE,
        "warmup": AMOUNT,
        "weight_decay": AMOUNT,
        "batch_size": COUNT,
        "accumulate": COUNT,
        "group_by_length": FLAG,
        "lora_rank": COUNT,
        "lora_alpha": COUNT,
        "lora_dropout": [1, *AMOUNT],
        "lora_layers": [value for value in COUNT if value is not None],
        "lora_targets": ["q_proj", [5], [""], None],
        "dtype": ["int3", "", None],
        "gradient_checkpointing": FLAG,
        "compile": FLAG,
        "fsdp": FLAG,
        "save_steps": COUNT,
        "log_steps": COUNT,
        "seed": SEED,
    },
    Recipe: {
        "tasks": [[], ["Rank"], "Recommend", None],
        "user_share": SHARE,
        "history": COUNT,
        "answer": COUNT,
        "per_user": COUNT,
        "candidates": [1, *COUNT],
        "negatives": ["all", None],
        "enrich_below": WHOLE,
        "swap": SHARE,
        "profile": ["all", None],
        "profile_share": SHARE,
        "held_back": COUNT,
        "window": COUNT,
        "complete": FLAG,
        "earlier": WHOLE,
        "teacher": FLAG,
        "counterfactual": SHARE,
        "worth": POSITIVE,
        "retriever_epochs": [value for value in COUNT if value is not None],
        "seed": SEED,
    },
}
CASES = [
    (kind(), name, value)
    for kind, table in WRONG.items()
    for name, values in table.items()
    for value in values
]
DRAWN = ["negatives=retriever"]
CONTRADICTIONS = [
    (Config(), ["candidates=[20,12]"], r"set candidates=\[12,20\]"),
    (Config(), ["max_steps=0"], "max_steps=0 trains nothing"),
    (Config(), ["warmup=1.5"], "neither a share"),
    (Config(), ["warmup=10", "max_steps=10"], "lower warmup"),
    (Recipe(), ["answer=50"], "raise candidates or lower answer"),
    (Recipe(), ["answer=80"], "raise candidates or lower answer"),
    (Recipe(), ['tasks=["Recommend","Recommend"]'], "name it once"),
    (Recipe(), [*DRAWN, 'tasks=["Recommend"]'], "name it in tasks"),
    (Recipe(), ["teacher=true"], "teacher .* set negatives=retriever"),
    (Recipe(), ["complete=true"], "complete .* set negatives=retriever"),
    (Recipe(), ["earlier=5"], "earlier .* set negatives=retriever"),
    (Recipe(), ["counterfactual=0.5"], "counterfactual .* set negatives=retriever"),
    (Recipe(), [*DRAWN, "earlier=5"], "set teacher=true, or earlier=0"),
    (Recipe(), [*DRAWN, "counterfactual=0.5"], "set teacher=true, or counterfactual=0"),
]


def test_the_table_has_every_setting():
    for kind, table in WRONG.items():
        assert list(table) == [field.name for field in fields(kind)]


@pytest.mark.parametrize(("entry", "name", "value"), CASES)
def test_a_wrong_value_is_named_however_it_is_given(entry, name, value):
    with pytest.raises(PalrError, match=name) as refused:
        with_changes(entry, [f"{name}={json.dumps(value)}"])
    assert "\n" not in str(refused.value)
    with pytest.raises(PalrError, match=name):
        replace(entry, **{name: value})


@pytest.mark.parametrize(("entry", "changes", "words"), CONTRADICTIONS)
def test_a_contradiction_says_what_to_set(entry, changes, words):
    with pytest.raises(PalrError, match=words):
        with_changes(entry, changes)


@pytest.mark.parametrize(
    "change", ["lora_rnak=4", "lora_rank", "=4", "", "LORA_RANK=4", "__class__=1", "prior=1"]
)
def test_a_name_that_is_none_is_refused(change):
    with pytest.raises(PalrError, match="no setting"):
        with_changes(Config(), [change])


def test_the_nearest_name_is_suggested():
    with pytest.raises(PalrError, match="did you mean lora_rank, then ="):
        with_changes(Config(), ["lora_rnak=4"])


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 100_000])
def test_what_cannot_be_read_is_no_value(text):
    with pytest.raises(PalrError, match="lora_rank"):
        with_changes(Config(), [f"lora_rank={text}"])


def test_right_values_of_every_shape_are_taken():
    changes = ["candidates=[5,8]", "lora_layers=null", "shuffle=True", "epochs=2", "beta=1"]
    changed = with_changes(Config(), [*changes, 'lora_targets=["q_proj"]', "warmup=20"])
    assert changed.candidates == (5, 8)
    assert changed.lora_targets == ("q_proj",)
    assert (changed.lora_layers, changed.shuffle, changed.epochs) == (None, True, 2.0)
    assert with_changes(Recipe(), ["retriever_epochs=3", "swap=0"]).retriever_epochs == 3


def test_entries_and_records_that_are_there_are_right():
    for entry in (*CONFIGS.values(), *RECIPES.values()):
        entry.check()
    for path in SHIPPED.glob("*/record.json"):
        record = read_record(path.parent)
        record.config.check()
        record.instructions.recipe.check()


@pytest.mark.parametrize(
    "name", [".", "..", "a/b", "/tmp/x", "a\\b", "zero-shot", "auto", "ü" * 120]
)
def test_what_cannot_name_a_folder_is_refused(name):
    with pytest.raises(PalrError, match=r"cannot be the name of a folder|take another name"):
        checked_name(name)


def test_names_of_all_other_kinds_are_taken():
    for name in ("", "palr-v2-lr0.5", "my adapter", "train", "ü", "-x", "~"):
        assert checked_name(name) == name
