import json

import pytest
from transformers import LlamaConfig

from palr.llm.speed import Speed, _pass_seconds, choose, cpu_speed, measure

CONFIG = LlamaConfig(
    vocab_size=50,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=30,
    num_attention_heads=2,
    max_position_embeddings=256,
)


def test_every_type_is_measured_with_one_thread_up_to_all():
    import torch

    before = torch.get_num_threads()
    seconds = measure(CONFIG)
    assert set(seconds) == {"float32", "bfloat16"}
    for by_threads in seconds.values():
        assert {"1", str(before)} <= set(by_threads)
        assert all(value > 0 for value in by_threads.values())
    assert torch.get_num_threads() == before
    assert CONFIG.num_hidden_layers == 30


@pytest.mark.parametrize(("hopeless", "passes"), [(0.0, 2), (float("inf"), 5)])
def test_what_takes_too_long_to_be_chosen_is_not_repeated(hopeless, passes):
    asked = []

    def model(tokens, use_cache):
        asked.append(tokens.shape)

    assert _pass_seconds(model, 7, hopeless) > 0
    assert asked == [(1, 7)] * passes


def test_a_given_type_is_kept_and_gets_its_own_threads():
    seconds = {"float32": {"1": 3.0, "2": 2.0}, "bfloat16": {"1": 1.0, "2": 1.5}}
    assert choose(seconds) == Speed("bfloat16", 1)
    assert choose(seconds, "float32") == Speed("float32", 2)
    assert choose(seconds, "float16") == Speed("float16", 2)


def test_the_measurement_is_made_once_and_kept_by_model(tmp_path):
    file = tmp_path / "new" / "speed.json"
    cpu_speed(file, "a", CONFIG)
    kept = json.loads(file.read_text())
    (key,) = kept
    kept[key] = {"float32": {"5": 1.0}, "bfloat16": {"6": 0.1}}
    file.write_text(json.dumps(kept))
    assert cpu_speed(file, "a", CONFIG) == Speed("bfloat16", 6)
    assert cpu_speed(file, "b", CONFIG).threads != 6
    assert len(json.loads(file.read_text())) == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", "null"])
def test_a_damaged_file_is_measured_anew(tmp_path, damage):
    file = tmp_path / "speed.json"
    file.write_text(damage)
    cpu_speed(file, "a", CONFIG)
    assert len(json.loads(file.read_text())) == 1
