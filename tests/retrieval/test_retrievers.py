"""What every entry of RETRIEVERS must do, whatever the model behind it."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from finetune.data.logit import fit_logit
from palr.catalog.catalog import CatalogStore
from palr.data.datasets import DATASETS
from palr.data.interactions import Interactions
from palr.data.raw import RawDataset
from palr.errors import CatalogError, RetrieverUnavailableError
from palr.evaluation.experiment import evaluated_models
from palr.retrieval import RETRIEVERS, load_retriever, retrieve
from palr.retrieval.splits import training_data
from palr.types import Item

STRANGER = Item("no-such-id", "Unheard Of")
SERVES_EMPTY_HISTORIES = {"popularity"}
READS_INTERACTIONS = {"ease", "itemknn"}  # whenever it is loaded


@pytest.fixture(params=RETRIEVERS)
def retriever(request, small_catalog, small_settings):
    return load_retriever(request.param, small_catalog, small_settings)


def some_histories(items, n=20):
    rng = np.random.default_rng(3)
    return [
        [items[at] for at in rng.permutation(len(items))[: int(rng.integers(1, 12))]]
        for _ in range(n)
    ]


def test_it_is_called_by_its_key(retriever, small_catalog, small_settings):
    assert RETRIEVERS[retriever.name](small_catalog, small_settings).name == retriever.name


def test_its_items_are_distinct_items_of_the_catalog(retriever, small_catalog):
    assert len(set(retriever.items)) == len(retriever.items) > 0
    assert set(retriever.items) <= set(small_catalog.items)


def test_scores_are_finite_and_one_for_each_item(retriever):
    histories = some_histories(retriever.items)
    scores = retriever.score(histories)
    assert scores.shape == (len(histories), len(retriever.items))
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("k", [1, 10, 1000])
def test_candidates_are_distinct_unseen_and_as_many_as_asked(retriever, small_catalog, k):
    for history in some_histories(retriever.items):
        candidates = retrieve(retriever, history, k)
        ids = [candidate.item.id for candidate in candidates]
        assert len(set(ids)) == len(ids)
        assert not set(ids) & {item.id for item in history}
        assert len(ids) == min(k, len(retriever.items) - len(history))
        assert [candidate.rank for candidate in candidates] == list(range(1, len(ids) + 1))
        scores = [candidate.score for candidate in candidates]
        assert scores == sorted(scores, reverse=True)


def test_every_item_may_have_been_picked(retriever):
    assert retrieve(retriever, retriever.items, 10) == ()


def test_a_long_history_is_served(retriever):
    history = [*retriever.items] * 20 + [*retriever.items[:3]]
    assert np.isfinite(retriever.score([history])).all()


def test_asking_twice_gives_the_same_answer(retriever, small_catalog, small_settings):
    again = load_retriever(retriever.name, small_catalog, small_settings)
    for history in some_histories(retriever.items, n=5):
        assert retrieve(retriever, history, 10) == retrieve(again, history, 10)


def test_a_batch_equals_one_at_a_time(retriever):
    histories = some_histories(retriever.items)
    alone = np.concatenate([retriever.score([history]) for history in histories])
    np.testing.assert_allclose(retriever.score(histories), alone, rtol=1e-4, atol=1e-4)


def test_threads_get_the_answers_of_one(retriever):
    histories = some_histories(retriever.items, n=8)
    expected = [retrieve(retriever, history, 5) for history in histories]
    answers = [None] * len(histories)

    def ask(at):
        answers[at] = retrieve(retriever, histories[at], 5)

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(len(histories))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == expected


def test_unknown_items_are_skipped(retriever):
    known = list(retriever.items[:3])
    mixed = [STRANGER, known[0], known[1], STRANGER, known[2]]
    np.testing.assert_array_equal(retriever.score([mixed]), retriever.score([known]))


@pytest.mark.parametrize("history", [[], [STRANGER]], ids=["empty", "unknown"])
def test_no_known_pick_is_refused_with_a_reason(retriever, history):
    if retriever.name in SERVES_EMPTY_HISTORIES:
        assert len(retrieve(retriever, history, 5)) == 5
    else:
        with pytest.raises(RetrieverUnavailableError, match="pick"):
            retrieve(retriever, history, 5)


class Constant:
    name = "constant"

    def __init__(self, items, value=1.0):
        self.items, self.value = items, value

    def score(self, histories):
        return np.full((len(histories), len(self.items)), self.value, np.float32)


def test_ties_keep_the_order_of_the_items(small_items):
    candidates = retrieve(Constant(small_items), [small_items[1]], 4)
    assert [c.item for c in candidates] == [small_items[at] for at in (0, 2, 3, 4)]


def test_scores_that_are_not_finite_are_refused(small_items):
    with pytest.raises(RetrieverUnavailableError, match="not finite"):
        retrieve(Constant(small_items, np.nan), small_items[:1], 4)


SERVING = ("blend", "hstu", "sasrec", "ease", "itemknn", "semantic", "popularity")


LARGE = {"blend", "hstu", "sasrec"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in LARGE)) for name in SERVING]
)
def test_a_score_one_higher_is_about_e_times_as_likely(settings, name):
    """Of all validation items of MovieLens-100K that it retrieves."""
    catalog = CatalogStore(settings.catalog_url).open("ml-100k")
    data = training_data(catalog)
    items = [catalog.item(item_id) for item_id in data.item_ids]
    retriever = next(evaluated_models(name, data, catalog, settings)).retriever
    features, targets = [], []
    for user, target in enumerate(data.split.validation_targets):
        found = retrieve(retriever, [items[at] for at in data.split.train[user]], 50)
        listed = [candidate.item.id for candidate in found]
        if items[target].id in listed:
            features.append(np.array([[candidate.score] for candidate in found]))
            targets.append(listed.index(items[target].id))
    (worth,) = fit_logit(features, targets, np.array([1.0]))
    assert len(targets) > 150
    assert 0.5 < worth < 2


@pytest.mark.parametrize("name", RETRIEVERS)
def test_a_data_set_that_is_installed_again_is_never_mixed_into_a_run(
    name, small_catalog, small_settings, tmp_path, monkeypatch
):
    monkeypatch.setitem(DATASETS, "small", replace(DATASETS["ml-100k"], key="small"))
    store = CatalogStore(f"sqlite:///{tmp_path / 'catalog.db'}")
    log = small_catalog.interactions()
    store.install("small", RawDataset(small_catalog.items, log, "old"))
    running, ready = store.open("small"), store.open("small")
    loaded = load_retriever(name, ready, small_settings)
    histories = some_histories(loaded.items, n=5)
    before = [retrieve(loaded, history, 10) for history in histories]

    # The same ids, each of another film, which other people chose.
    ids = [item.id for item in small_catalog.items]
    others = tuple(
        replace(item, id=id) for item, id in zip(reversed(small_catalog.items), ids, strict=True)
    )
    fewer = Interactions(log.users[::-2], log.items[::-2], log.user_ids, tuple(ids))
    store.install("small", RawDataset(others, fewer, "new"))
    assert [retrieve(loaded, history, 10) for history in histories] == before
    late, refused = None, ""
    try:
        late = load_retriever(name, running, small_settings)
    except CatalogError as error:
        refused = str(error)
    assert bool(refused) == (name in READS_INTERACTIONS)
    if late:
        assert [retrieve(late, history, 10) for history in histories] == before
        assert set(late.items) <= set(running.items)
    else:
        assert "small was installed again while it was in use: restart the app" in refused
