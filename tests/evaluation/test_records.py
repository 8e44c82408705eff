import json
from dataclasses import replace

import pytest

from palr.errors import DataError
from palr.evaluation.records import Record, Training, read, to_json

RECORD = Record(
    dataset="beauty",
    model="sasrec",
    seed=1,
    protocol="leave-one-out",
    part="test",
    n_users=22363,
    n_items=12101,
    measures={"HR@10": 0.09, "NDCG@10": 0.05, "HR@50": 0.18, "coverage@10": 0.7},
    intervals={"HR@10": (0.08, 0.1), "NDCG@10": (0.04, 0.06), "HR@50": (0.17, 0.19)},
    popularity_lift=1.2,
    unserved=0,
    seconds=3.5,
    users_per_second=6389.4,
    data_checksum="38e7",
    command="python -m palr evaluate --dataset beauty --model sasrec",
    training=Training("python -m palr train-retriever", 577.7, 30, 25, 1952128, {}, "cc9b"),
)


def test_a_record_is_flat_and_comes_back():
    flat = RECORD.flat()
    assert list(flat)[:3] == ["dataset", "model", "seed"]
    assert flat["HR@10"] == 0.09
    assert flat["intervals"]["HR@10"] == [0.08, 0.1]
    assert flat["training"]["parameters"] == 1952128
    assert Record.from_flat(json.loads(json.dumps(flat))) == RECORD


def test_what_does_not_apply_is_left_out():
    flat = RECORD.flat()
    assert not {"baseline", "p_value", "base_model", "valid_share"} & set(flat)
    ranked = replace(RECORD, base_model="SmolLM2-135M", valid_share=1.0).flat()
    assert (ranked["base_model"], ranked["valid_share"]) == ("SmolLM2-135M", 1.0)


def test_a_file_of_records_comes_back(tmp_path):
    path = tmp_path / "retrieval-beauty.json"
    path.write_text(to_json([RECORD, replace(RECORD, seed=2)]))
    assert [record.name for record in read(path)] == ["sasrec-1", "sasrec-2"]


@pytest.mark.parametrize(
    "content",
    ["", "{}]", "[1]", '[{"dataset": "beauty"}]', json.dumps([RECORD.flat() | {"hr10": 1}])],
    ids=["empty", "no json", "no records", "fields missing", "unknown field"],
)
def test_anything_else_is_refused(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"results\.json is not a results file"):
        read(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a results file"):
        read(tmp_path / "no.json")
