import numpy as np
import pytest

from palr.catalog.catalog import Catalog
from palr.data.interactions import Interactions
from palr.domains import DOMAINS
from palr.errors import RetrieverUnavailableError
from palr.evaluation.metrics import hit_rate
from palr.evaluation.protocol import evaluate
from palr.retrieval import load_retriever, retrieve
from palr.retrieval.itemknn import WORTH, ItemKNNRetriever, similarities
from palr.retrieval.popularity import fit as fit_popularity
from palr.retrieval.splits import training_data

# Three users: item 0 was chosen by all, 1 by two of them, 2 by one together with both, 3 alone.
SEQUENCES = [np.array([0, 1]), np.array([1, 2, 0]), np.array([0, 3])]


def test_similarity_is_the_cosine_of_two_items_users():
    wanted = np.zeros((4, 4))
    wanted[0, 1] = 2 / np.sqrt(3 * 2)  # two users chose both, three and two chose either
    wanted[0, 2] = 1 / np.sqrt(3 * 1)
    wanted[0, 3] = 1 / np.sqrt(3 * 1)
    wanted[1, 2] = 1 / np.sqrt(2 * 1)
    np.testing.assert_allclose(similarities(SEQUENCES, 4, 0).toarray(), wanted + wanted.T, 1e-6)


def test_shrinkage_is_added_to_the_denominator():
    similar = similarities(SEQUENCES, 4, 10).toarray()
    assert similar[0, 1] == pytest.approx(2 / (np.sqrt(6) + 10))


def test_the_score_sums_similarities_that_fade_with_every_later_pick(small_items):
    model = ItemKNNRetriever(small_items[:4], SEQUENCES, shrink=0, decay=0.5)
    scores = model.score([[small_items[1], small_items[0]], [small_items[0]]])
    newest = np.array([0, 2 / np.sqrt(6), 1 / np.sqrt(3), 1 / np.sqrt(3)])
    older = np.array([2 / np.sqrt(6), 0, 1 / np.sqrt(2), 0])
    np.testing.assert_allclose(scores, WORTH * np.array([newest + 0.5 * older, newest]), rtol=1e-6)


def test_only_the_nearest_neighbours_of_an_item_count(small_items):
    model = ItemKNNRetriever(small_items[:4], SEQUENCES, shrink=0, neighbours=1)
    assert np.flatnonzero(model.score([[small_items[0]]])[0]).tolist() == [1]


def test_for_measuring_it_learns_from_the_training_part_only(small_items, four_films):
    scores = ItemKNNRetriever(small_items[:4], four_films.train).score([[small_items[0]]])
    assert np.flatnonzero(scores[0]).tolist() == [1]


def test_it_serves_the_5_core(small_catalog, small_settings):
    model = load_retriever("itemknn", small_catalog, small_settings)
    assert set(model.items) == set(small_catalog.items[:24])


def test_it_beats_popularity(small_catalog):
    data = training_data(small_catalog)
    items = [small_catalog.item(item_id) for item_id in data.item_ids]
    by_id = {item.id: item for item in items}
    models = [fit(items, data.split.train) for fit in (ItemKNNRetriever, fit_popularity)]
    knn, popularity = (hit_rate(evaluate(m, data.split, by_id).ranks, 5) for m in models)
    assert knn > popularity + 0.3


def test_it_refuses_picks_that_nobody_shares(small_catalog, small_settings, small_items):
    model = load_retriever("itemknn", small_catalog, small_settings)
    with pytest.raises(RetrieverUnavailableError, match="none of the picks"):
        retrieve(model, [small_items[-1]], 5)


def test_a_catalog_without_a_5_core_is_refused(small_items, small_settings):
    few = Interactions.from_rows(["ann", "bob"], [small_items[0].id] * 2, [0, 1])
    thin = Catalog("thin", DOMAINS["movies"], small_items, lambda: few)
    with pytest.raises(RetrieverUnavailableError, match="too few people"):
        load_retriever("itemknn", thin, small_settings)
