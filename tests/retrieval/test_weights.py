import json
from dataclasses import replace

import numpy as np
import pytest

from palr.catalog.catalog import Catalog
from palr.data.interactions import Interactions
from palr.errors import PalrError, RetrieverUnavailableError, SettingsError
from palr.retrieval import load_retriever, retrieve, weights
from palr.retrieval.splits import fingerprint, in_id_order, training_data
from palr.settings import Settings
from palr.training.train import train


def files(settings):
    folder = weights.user_folder(settings) / "small"
    return folder / "sasrec.json", folder / "sasrec.safetensors"


def test_the_record_says_how_to_make_the_weights_again(trained, small_catalog):
    settings, record = trained(seed=3)
    assert record.command == "python -m palr train-retriever sasrec --dataset small --seed 3"
    data = training_data(small_catalog)
    assert record.data.checksum == data.checksum
    assert (record.data.users, record.data.items) == (data.n_users, data.n_items) == (60, 24)
    assert record.data.item_fingerprint == fingerprint(data.item_ids)
    assert record.hyperparameters["plan"]["epochs"] == 2
    assert {"HR@10", "NDCG@10", "HR@50"} <= set(record.test)
    assert record.versions["torch"]
    assert record.to_json() == files(settings)[0].read_text().rstrip("\n")


def test_the_weights_hold_no_item_ids(trained, small_catalog):
    settings, _ = trained()
    content = b"".join(path.read_bytes() for path in files(settings))
    assert not any(f'"{item.id}"'.encode() in content for item in small_catalog.items)


def test_the_same_seed_gives_the_same_weights(trained):
    _, first = trained(seed=1)
    _, second = trained(seed=1)
    _, other = trained(seed=2)
    assert first.weights_sha256 == second.weights_sha256 != other.weights_sha256


def test_the_order_of_users_and_items_in_the_source_does_not_matter(small_catalog):
    interactions = small_catalog.interactions()
    users = [interactions.user_ids[at] for at in interactions.users]
    items = [interactions.item_ids[at] for at in interactions.items]
    times = [sum(u == user for u in users[:at]) for at, user in enumerate(users)]
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(len(users))
    again = Interactions.from_rows(
        [users[at] for at in shuffled],
        [items[at] for at in shuffled],
        [times[at] for at in shuffled],
    )
    catalog = Catalog("small", small_catalog.domain, small_catalog.items[::-1], lambda: again)
    assert training_data(catalog).checksum == training_data(small_catalog).checksum


def test_in_id_order_keeps_every_row(small_catalog):
    before = small_catalog.interactions()
    after = in_id_order(before)

    def rows(i):
        return [(i.user_ids[u], i.item_ids[x]) for u, x in zip(i.users, i.items, strict=True)]

    assert rows(after) == rows(before)
    assert list(after.item_ids) == sorted(before.item_ids)


def test_items_outside_the_5_core_are_not_among_its_items(trained, small_catalog):
    settings, _ = trained()
    model = load_retriever("sasrec", small_catalog, settings)
    assert [item.id for item in model.items] == sorted(
        item.id for item in small_catalog.items if item.popularity >= 5
    )
    rare = next(item for item in small_catalog.items if item.popularity == 1)
    with pytest.raises(RetrieverUnavailableError, match="none of the picks"):
        retrieve(model, [rare], 5)


def test_another_catalogs_items_are_refused_naming_both(trained, small_catalog):
    settings, record = trained()
    renamed = tuple(replace(item, id=f"x{item.id}") for item in small_catalog.items)
    old = small_catalog.interactions()
    interactions = replace(old, item_ids=tuple(f"x{item_id}" for item_id in old.item_ids))
    other = Catalog("small", small_catalog.domain, renamed, lambda: interactions)
    ours = fingerprint(training_data(other).item_ids)
    with pytest.raises(RetrieverUnavailableError) as raised:
        load_retriever("sasrec", other, settings)
    for part in (record.data.item_fingerprint, ours, record.command):
        assert part in str(raised.value)


def test_the_5_core_is_computed_where_popularity_alone_does_not_tell(trained, small_catalog):
    settings, _ = trained()
    inflated = tuple(replace(item, popularity=9) for item in small_catalog.items)
    catalog = Catalog("small", small_catalog.domain, inflated, small_catalog.interactions)
    assert len(load_retriever("sasrec", catalog, settings).items) == 24


@pytest.mark.parametrize("at", [0, 1], ids=["record", "weights"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 64], ids=["empty", "braces", "zeros"])
def test_a_damaged_file_is_refused_with_the_remedy(trained, small_catalog, at, content):
    settings, _ = trained()
    files(settings)[at].write_bytes(content)
    with pytest.raises(RetrieverUnavailableError, match="train-retriever"):
        load_retriever("sasrec", small_catalog, settings)


def test_missing_weights_beside_a_record_are_refused(trained, small_catalog):
    settings, _ = trained()
    files(settings)[1].unlink()
    with pytest.raises(RetrieverUnavailableError, match="train-retriever"):
        load_retriever("sasrec", small_catalog, settings)


def test_one_flipped_bit_is_noticed(trained, small_catalog):
    settings, _ = trained()
    path = files(settings)[1]
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(RetrieverUnavailableError, match="damaged"):
        load_retriever("sasrec", small_catalog, settings)


def test_a_record_of_another_shape_is_refused(trained, small_catalog):
    settings, _ = trained()
    path = files(settings)[0]
    record = json.loads(path.read_text())
    record["hyperparameters"]["model"]["width"] *= 2
    path.write_text(json.dumps(record))
    with pytest.raises(RetrieverUnavailableError, match="does not fit"):
        load_retriever("sasrec", small_catalog, settings)


def test_ones_own_weights_win_over_the_shipped(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "shipped")
    settings, record = trained(out=tmp_path / "shipped")
    assert weights.find("sasrec", "small", settings) == tmp_path / "shipped/small/sasrec.json"
    assert weights.load(weights.find("sasrec", "small", settings))[0] == record
    trained(seed=5)
    assert weights.find("sasrec", "small", settings) == files(settings)[0]
    assert weights.find("sasrec", "elsewhere", settings) is None


def test_the_shipped_files_are_whole():
    records = sorted(weights.SHIPPED.glob("*/*.json"))
    assert "ml-100k" in {path.parent.name for path in records}
    for path in records:
        record, tensors = weights.load(path)
        assert (record.dataset, record.model) == (path.parent.name, path.stem)
        assert tensors["items.weight"].shape[0] == record.data.items


def test_what_cannot_be_trained_is_named(small_catalog, small_settings):
    with pytest.raises(PalrError, match=r"'semantic' cannot be trained; choose one of: .*sasrec"):
        train("semantic", small_catalog, small_settings)


def test_a_folder_that_cannot_be_written_is_refused_before_training(small_catalog, tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings = Settings(home=tmp_path / "file")
    with pytest.raises(PalrError, match="cannot write to"):
        train("sasrec", small_catalog, settings, quiet=True)


def test_a_device_that_is_not_there_is_named(small_catalog, tmp_path):
    settings = Settings(home=tmp_path, device="abacus")
    with pytest.raises(SettingsError, match="PALR_DEVICE=abacus"):
        train("sasrec", small_catalog, settings, quiet=True)


def test_without_interactions_there_is_nothing_to_train_on(bare_catalog, small_settings):
    with pytest.raises(RetrieverUnavailableError, match="no interactions"):
        train("sasrec", bare_catalog, small_settings)
