"""One base, several adapters."""

import copy
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from palr.errors import LLMError
from palr.llm.adapter_pool import AdapterPool
from palr.llm.adapters import SMOLLM2_HUB_ID, absent, adapters, configured, read_adapter
from palr.llm.transformers import TransformersLLM
from palr.settings import Settings


def save(
    folder: Path, base: TransformersLLM, seed: int, scale: float = 1.0, **note: object
) -> Path:
    torch.manual_seed(seed)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(copy.deepcopy(base.model), config)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=scale)
    adapted.save_pretrained(folder)
    about = {"modes": ["labels"], "domain": "movies", "base_model": SMOLLM2_HUB_ID}
    (folder / "palr.json").write_text(json.dumps(about | note))
    return folder


@pytest.fixture
def pool(tiny_llama) -> AdapterPool:
    return AdapterPool(
        TransformersLLM(copy.deepcopy(tiny_llama.model), tiny_llama.tokenizer, "tiny-llama")
    )


def test_adapters_are_found_by_domain_and_base(tmp_path, tiny_llama):
    settings = Settings(home=tmp_path / "home")
    shipped = tmp_path / "shipped"
    save(shipped / "palr-v2", tiny_llama, 1)
    save(shipped / "palr-v1", tiny_llama, 1, modes=["titles", "likelihood"])
    save(shipped / "beauty", tiny_llama, 1, domain="beauty")
    save(shipped / "other", tiny_llama, 1, base_model="huggyllama/llama-7b")
    own = save(settings.home / "adapters" / "palr-v2", tiny_llama, 2)
    found = adapters(settings, "movies", shipped)
    assert list(found) == ["palr-v1", "palr-v2"]
    assert found["palr-v2"].folder == own
    assert found["palr-v1"].modes == ("titles", "likelihood")
    assert absent(found, "ml-1m") == []
    del found["palr-v2"]
    (line,) = absent(found, "ml-1m")
    assert line.startswith("PALR_v2 is not installed: python -m finetune reproduce --dataset ml-1m")


def test_views_rank_like_models_of_their_own(tmp_path, tiny_llama, pool):
    one = read_adapter(save(tmp_path / "one", tiny_llama, 1))
    two = read_adapter(save(tmp_path / "two", tiny_llama, 2))
    plain = tiny_llama.start("x").logprobs()
    assert np.allclose(pool.llm(None).start("x").logprobs(), plain, atol=1e-4)
    seen = [pool.llm(adapter).start("x").logprobs() for adapter in (one, two, one, None)]
    assert np.allclose(seen[0], seen[2], atol=1e-4)
    assert np.allclose(seen[3], plain, atol=1e-4)
    assert not np.allclose(seen[0], seen[1])
    assert not np.allclose(seen[0], plain)
    models = [tiny_llama.model, *(pool.llm(adapter).model for adapter in (None, one, two))]
    prompt = torch.arange(5, 13)[None]
    asked = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": 8, "pad_token_id": 2}
    texts = [model.generate(prompt, **asked)[0].tolist() for model in models]
    assert texts[0] == texts[1]
    assert texts[1] != texts[2] != texts[3] != texts[1]
    assert pool.llm(two).adapter == two
    assert pool.llm(None).adapter is None


def test_visitors_with_different_adapters_do_not_disturb_each_other(tmp_path, tiny_llama, pool):
    chosen = [
        None,
        *(read_adapter(save(tmp_path / n, tiny_llama, s)) for s, n in ((1, "a"), (2, "b"))),
    ]
    alone = [pool.llm(adapter).start("x").logprobs() for adapter in chosen]
    wrong = []

    def visit(at: int) -> None:
        for _ in range(10):
            llm = pool.llm(chosen[at])
            llm.forget()
            if not np.allclose(llm.start("x").logprobs(), alone[at], atol=1e-5):
                wrong.append(at)

    threads = [threading.Thread(target=visit, args=(at,)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_adapter_that_does_not_fit_or_changes_nothing_is_refused(tmp_path, tiny_llama, pool):
    cut = read_adapter(save(tmp_path / "cut", tiny_llama, 1))
    weights = cut.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(LLMError, match="does not load"):
        pool.llm(cut)
    silent = read_adapter(save(tmp_path / "silent", tiny_llama, 1, scale=0.0))
    with pytest.raises(LLMError, match="unchanged"):
        pool.llm(silent)
    assert np.allclose(pool.llm(None).start("x").logprobs(), tiny_llama.start("x").logprobs())


def test_a_damaged_note_is_named(tmp_path):
    with pytest.raises(LLMError, match=r"palr\.json"):
        read_adapter(tmp_path)
    (tmp_path / "palr.json").write_text('{"modes": "labels"')
    with pytest.raises(LLMError, match="damaged"):
        read_adapter(tmp_path)


# Names


NAMES = ["palr-v2-lr0.5", "palr-v2-lr0_5", "train", "keys", "default", "my adapter", "lora_", "ø"]


def test_a_folder_may_have_any_name(tmp_path, tiny_llama, pool):
    found = {
        name: read_adapter(save(tmp_path / name, tiny_llama, seed))
        for seed, name in enumerate(NAMES)
    }
    alone = {
        name: AdapterPool(tiny_llama).llm(adapter).start("x").logprobs()
        for name, adapter in found.items()
    }
    for name in [*NAMES, *NAMES]:
        llm = pool.llm(found[name])
        assert llm.adapter.name == name
        assert np.allclose(llm.start("x").logprobs(), alone[name], atol=1e-4)
    assert len({values.tobytes() for values in alone.values()}) == len(NAMES)


def test_adapters_of_one_name_in_two_folders_do_not_meet(tmp_path, tiny_llama, pool):
    one = read_adapter(save(tmp_path / "movies" / "palr-v2", tiny_llama, 1))
    two = read_adapter(save(tmp_path / "beauty" / "palr-v2", tiny_llama, 2))
    assert one.name == two.name
    first, second = (pool.llm(adapter).start("x").logprobs() for adapter in (one, two))
    assert not np.allclose(first, second)
    assert np.array_equal(pool.llm(one).start("x").logprobs(), first)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (".", "palr-v2-lr0.5"),
        ("..", "runs"),
        ("../palr-v2-lr0.5", "palr-v2-lr0.5"),
        ("~/runs/palr-v2-lr0.5", "palr-v2-lr0.5"),
        ("{}/runs/palr-v2-lr0.5/", "palr-v2-lr0.5"),
        ("{}/runs/palr-v2-lr0.5/.", "palr-v2-lr0.5"),
    ],
)
def test_a_folder_may_be_named_in_any_way(given, name, tmp_path, tiny_llama, monkeypatch):
    folder = save(tmp_path / "runs" / "palr-v2-lr0.5", tiny_llama, 1)
    if given == "..":
        folder = save(tmp_path / "runs", tiny_llama, 1)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "runs" / "palr-v2-lr0.5")
    adapter = configured(Settings(home=tmp_path, adapter=given.format(tmp_path)))
    assert adapter.name == name
    assert adapter.folder.resolve() == folder
    assert adapter.modes == ("labels",)
    assert AdapterPool(tiny_llama).llm(adapter).adapter.name == name


@pytest.mark.parametrize("given", ["./nowhere", "~/nowhere", "/nowhere", "runs/a/nowhere", "../x"])
def test_a_folder_that_is_not_there_is_said_to_be_missing(given, tmp_path):
    with pytest.raises(LLMError, match="there is no such folder") as refused:
        configured(Settings(home=tmp_path, adapter=given))
    assert os.path.expanduser(given) in str(refused.value)


def test_an_adapter_of_the_hub_may_have_a_dot_in_its_name(tmp_path, tiny_llama, pool, monkeypatch):
    """As the hub's cache keeps it."""
    cache = tmp_path / "cache" / "models--user--model-1.5"
    save(cache / "snapshots" / "abc", tiny_llama, 1)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    adapter = configured(Settings(home=tmp_path, adapter="user/model-1.5"))
    assert (adapter.name, adapter.modes) == ("model-1.5", ("labels",))
    assert pool.llm(adapter).adapter.name == "model-1.5"


def test_a_refusal_names_adapter_and_model_in_one_line(tmp_path, tiny_llama, pool):
    adapter = read_adapter(save(tmp_path / "palr-v2-lr0.5", tiny_llama, 1))
    path = adapter.folder / "adapter_config.json"
    path.write_text(path.read_text().replace('"LORA"', '"PREFIX_TUNING"'))
    with pytest.raises(LLMError) as refused:
        pool.llm(adapter)
    said = str(refused.value)
    assert said.startswith("the adapter palr-v2-lr0.5 does not load over tiny-llama: ")
    assert "\n" not in said


def test_what_may_be_amiss_is_told_with_every_run(tmp_path, tiny_llama, pool):
    adapter = read_adapter(save(tmp_path / "one", tiny_llama, 1))
    path = adapter.folder / "adapter_config.json"
    settings = json.loads(path.read_text()) | {"base_model_name_or_path": "them/other-1b"}
    path.write_text(json.dumps(settings))
    notes = pool.llm(adapter).adapter.untrained("titles")
    assert notes[0] == "the adapter was trained on them/other-1b, not on tiny-llama"
    assert "trained for 'labels', not for 'titles'" in notes[1]


def test_batches_read_like_single_prompts(tmp_path, tiny_llama, pool):
    llm = pool.llm(read_adapter(save(tmp_path / "one", tiny_llama, 1)))
    texts = ["a film about a dog", "another"]
    assert np.allclose(
        llm.start_many(texts).logprobs(), [llm.start(t).logprobs() for t in texts], atol=1e-3
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"modes": None}, "modes"),
        ({"modes": [["labels"]]}, "modes"),
        ({"prior": 10**400}, "prior"),
        ({"prior": [1]}, "prior"),
        ({"spread": "0.5"}, "spread"),
        ({"behind": {"semantic": {"spread": None}}}, r"behind\.semantic\.spread"),
        ({"domain": 1}, "domain"),
        ({"domain": ""}, "domain"),
        ({"base_model": None}, "base_model"),
        ({"dataset": ["ml-1m"]}, "dataset"),
    ],
)
def test_a_wrong_value_of_a_note_is_named(tmp_path, changes, words):
    note = {"modes": ["labels"], "domain": "movies", "base_model": SMOLLM2_HUB_ID}
    (tmp_path / "palr.json").write_text(json.dumps(note))
    assert read_adapter(tmp_path).modes == ("labels",)
    (tmp_path / "palr.json").write_text(json.dumps(note | changes))
    with pytest.raises(LLMError, match=words) as refused:
        read_adapter(tmp_path)
    assert "\n" not in str(refused.value)
