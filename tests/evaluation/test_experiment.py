import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from palr.catalog.catalog import Catalog
from palr.data.interactions import Interactions
from palr.errors import DataError, PalrError, RetrieverUnavailableError
from palr.evaluation.experiment import measure
from palr.evaluation.kept import KeptRanks
from palr.evaluation.metrics import summary
from palr.retrieval import RETRIEVERS, Entry, FittedAtLoad, NoInteractions, weights
from palr.retrieval.blend import TUNED
from palr.retrieval.popularity import PopularityRetriever, fit
from palr.retrieval.splits import training_data
from palr.training.train import train
from tests.evaluation.conftest import QUICK


def test_a_model_that_fits_at_once_is_fitted_to_the_training_part(catalog, settings):
    (record,) = measure(["popularity"], catalog, settings)
    data = training_data(catalog)
    assert (record.dataset, record.model, record.seed) == ("small", "popularity", 0)
    assert (record.protocol, record.part, record.unserved) == ("leave-one-out", "test", 0)
    assert (record.n_users, record.n_items) == (data.n_users, data.n_items) == (40, 12)
    assert record.data_checksum == data.checksum
    assert record.training is None
    # By hand: the rank of each target by popularity in the prefixes, ties against the model.
    counts = np.bincount(np.concatenate(data.split.train), minlength=12)
    ranks = [
        sum(counts[i] >= counts[target] for i in range(12) if i not in history)
        for history, target in zip(data.split.test_histories, data.split.test_targets, strict=True)
    ]
    assert record.measures["NDCG@10"] == pytest.approx(summary(np.array(ranks))["NDCG@10"])
    assert (
        KeptRanks(settings, "small", "leave-one-out", "test").recall("popularity").ranks.tolist()
        == ranks
    )


def seen_by(monkeypatch, learns):
    """An entry from outside, which notes what it is fitted to or loaded for."""
    fitted, loaded = [], []

    def fit(items, sequences):
        fitted.append((items, sequences))
        return PopularityRetriever(items, [item.popularity for item in items])

    def load(catalog, settings):
        loaded.append(catalog)
        return PopularityRetriever(catalog.items, [item.popularity for item in catalog.items])

    entry = Entry("Mine", "mine", learns(fit), load, lambda catalog, settings: None)
    monkeypatch.setitem(RETRIEVERS, "mine", entry)
    return fitted, loaded


def test_a_model_that_is_fitted_at_load_sees_the_training_part_alone(
    catalog, settings, monkeypatch
):
    fitted, loaded = seen_by(monkeypatch, FittedAtLoad)
    measure(["mine"], catalog, settings)
    data = training_data(catalog)
    ((items, sequences),) = fitted
    assert [item.id for item in items] == list(data.item_ids)
    assert sum(map(len, sequences)) == data.n_interactions - 2 * data.n_users
    for sequence, prefix in zip(sequences, data.split.train, strict=True):
        np.testing.assert_array_equal(sequence, prefix)
    # The catalog counts the held-out interactions too.
    assert {item.popularity for item in items} == {0}
    assert loaded == []


def test_a_model_of_no_interactions_can_see_none(catalog, settings, monkeypatch):
    fitted, loaded = seen_by(monkeypatch, lambda fit: NoInteractions())
    measure(["mine"], catalog, settings)
    (text,) = loaded
    assert fitted == []
    assert not text.has_interactions
    with pytest.raises(PalrError):
        text.interactions()
    assert {item.popularity for item in text.items} == {0}
    assert {item.popularity for item in catalog.items} != {0}
    assert [item.label for item in text.items] == [item.label for item in catalog.items]


def test_served_popularity_would_have_seen_the_held_out_items(catalog):
    data = training_data(catalog)
    items = [catalog.item(item_id) for item_id in data.item_ids]
    scores = fit(items, data.split.train).score([[]])[0]
    counts = np.expm1(scores.astype(np.float64))
    assert counts.sum() == pytest.approx(data.n_interactions - 2 * data.n_users, rel=1e-5)


def test_weights_of_several_seeds_are_measured_one_by_one(catalog, settings, folders):
    records = measure(["sasrec", "popularity"], catalog, settings, folders=folders)
    assert [record.name for record in records] == ["sasrec-0", "sasrec-1", "popularity-0"]
    for record, folder in zip(records, folders, strict=False):
        run = weights.load(folder / "small" / "sasrec.json")[0]
        assert record.measures["HR@10"] == pytest.approx(run.test["HR@10"])
        assert record.training.command == run.command
        assert record.training.weights_sha256 == run.weights_sha256
        assert record.training.epochs == 1
        assert record.command.endswith("--model sasrec --weights FOLDER")


def test_a_name_given_twice_is_measured_once(catalog, settings):
    assert len(measure(["popularity", "popularity"], catalog, settings)) == 1


def test_the_validation_part_is_kept_apart(catalog, settings):
    (test,) = measure(["popularity"], catalog, settings)
    (validation,) = measure(["popularity"], catalog, settings, part="validation")
    assert validation.part == "validation"
    assert validation.command.endswith("--part validation")
    assert validation.measures != test.measures
    kept = KeptRanks(settings, "small", "leave-one-out", "test")
    assert summary(kept.recall("popularity").ranks)["HR@5"] == pytest.approx(test.measures["HR@5"])


def test_a_baseline_may_be_measured_now_or_earlier(catalog, settings, folders):
    now = measure(
        ["sasrec", "popularity"], catalog, settings, folders=folders[:1], baseline="popularity"
    )
    later = measure(["sasrec"], catalog, settings, folders=folders[:1], baseline="popularity")
    for record in (now[0], later[0]):
        gain = record.measures["delta_NDCG@10"]
        assert gain == pytest.approx(
            record.measures["NDCG@10"] - now[1].measures["NDCG@10"], abs=1e-12
        )
        low, high = record.intervals["delta_NDCG@10"]
        assert low <= gain <= high
        assert 0 < record.p_value <= 1
        assert record.baseline == "popularity-0"
    assert now[1].baseline is None


def test_a_baseline_that_was_never_measured_is_named(catalog, settings):
    with pytest.raises(DataError, match=r"no ranks of sasrec are kept for small.*popularity-0"):
        measure(["popularity"], catalog, settings, baseline="sasrec")


def test_an_unknown_model_names_the_known_ones(catalog, settings):
    with pytest.raises(RetrieverUnavailableError, match=r"unknown retriever 'magic'.*popularity"):
        measure(["magic"], catalog, settings)


def test_missing_weights_name_the_command(catalog, settings):
    with pytest.raises(RetrieverUnavailableError, match="train-retriever sasrec --dataset small"):
        measure(["sasrec"], catalog, settings)


def test_two_folders_with_one_seed_are_refused(catalog, settings, folders):
    with pytest.raises(PalrError, match="two of the folders hold sasrec weights of seed 0"):
        measure(["sasrec"], catalog, settings, folders=[folders[0], folders[0]])


def test_weights_of_other_interactions_are_refused(catalog, settings, folders, rows):
    later = [(user, item, -time) for user, item, time in rows]
    interactions = Interactions.from_rows(*zip(*later, strict=True))
    ids = interactions.item_ids
    items = tuple(catalog.item(item_id) for item_id in ids)
    other = Catalog("small", catalog.domain, items, lambda: interactions)
    with pytest.raises(RetrieverUnavailableError, match="trained on other interactions"):
        measure(["sasrec"], other, settings, folders=folders[:1])


def test_weights_of_the_other_protocol_are_refused(catalog, settings, folders, tmp_path):
    with pytest.raises(
        RetrieverUnavailableError,
        match=r"no global-time weights of sasrec.*those of leave-one-out may have seen"
        r".*--dataset small --protocol global-time",
    ):
        measure(["sasrec"], catalog, settings, protocol="global-time", folders=folders[:1])
    # Nor does it help to put them where the others belong.
    place = weights.place("sasrec", "small", tmp_path, "global-time")
    shutil.copytree(folders[0] / "small", place.parent)
    with pytest.raises(RetrieverUnavailableError, match="trained for leave-one-out, not for"):
        measure(["sasrec"], catalog, settings, protocol="global-time", folders=[tmp_path])


def test_a_model_trained_for_the_global_split_is_measured_on_it(catalog, settings):
    run = train("sasrec", catalog, settings, plan=QUICK, protocol="global-time", quiet=True)
    assert run.command.endswith("--seed 0 --protocol global-time")
    assert weights.find("sasrec", "small", settings) is None  # it is never served
    sasrec, popularity = measure(
        ["sasrec", "popularity"], catalog, settings, protocol="global-time"
    )
    assert (
        sasrec.n_users
        == popularity.n_users
        == len(training_data(catalog, "global-time").split.test_targets)
    )
    assert sasrec.measures["HR@10"] == pytest.approx(run.test["HR@10"])
    assert sasrec.protocol == "global-time"


@pytest.mark.parametrize("protocol", ["leave-one-out", "global-time"])
def test_a_blend_is_made_of_experts_as_they_are_measured(catalog, settings, protocol, monkeypatch):
    """As it is served, the expert has seen what is asked here."""
    monkeypatch.setitem(TUNED, "small", {"popularity": 1.0})
    blend, popularity = measure(["blend", "popularity"], catalog, settings, protocol=protocol)
    assert blend.model == "blend"
    assert blend.measures == popularity.measures


def test_a_blend_whose_expert_was_not_trained_for_the_protocol_is_refused(catalog, settings):
    with pytest.raises(RetrieverUnavailableError, match=r"train-retriever hstu .*global-time"):
        measure(["blend"], catalog, settings, protocol="global-time")


def test_an_unknown_protocol_is_refused(catalog, settings):
    with pytest.raises(PalrError, match="choose one of: leave-one-out, global-time"):
        measure(["popularity"], catalog, settings, protocol="random")


def test_a_catalog_without_interactions_is_refused(catalog, settings):
    bare = Catalog("small", catalog.domain, catalog.items)
    with pytest.raises(RetrieverUnavailableError, match="no interactions"):
        measure(["popularity"], bare, settings)


def test_a_catalog_that_lacks_an_interacted_item_is_refused(catalog, settings):
    lacking = Catalog("small", catalog.domain, catalog.items[1:], catalog.interactions)
    with pytest.raises(PalrError, match=f"no movie has the id '{catalog.items[0].id}'"):
        measure(["popularity"], lacking, settings)


def test_an_item_that_is_only_in_the_test_part_can_be_asked_for(settings, catalog, rows):
    """One film is everyone's last: no model has learnt it, and it still competes."""
    last = [*rows, *((f"u{user}", "last", 99.0 + user) for user in range(40))]
    interactions = Interactions.from_rows(*zip(*last, strict=True))
    known = {item.id: item for item in catalog.items}
    items = tuple(
        known.get(item_id, replace(catalog.items[0], id=item_id))
        for item_id in interactions.item_ids
    )
    other = Catalog("small", catalog.domain, items, lambda: interactions)
    data = training_data(other)
    assert {data.item_ids[target] for target in data.split.test_targets} == {"last"}
    measure(["popularity"], other, settings)
    unseen = [len(items) - len(history) for history in data.split.test_histories]
    kept = KeptRanks(settings, "small", "leave-one-out", "test").recall("popularity")
    assert kept.ranks.tolist() == unseen  # never chosen in training: the last of all unseen


def test_the_record_is_plain_json(catalog, settings):
    (record,) = measure(["popularity"], catalog, settings)
    assert json.loads(json.dumps(record.flat())) == record.flat()
