"""What the bench measures is checked; how long it takes is not."""

import faiss
import numpy as np
import pytest

from palr.bench.retrieval import approximate, bench_retrieval, enlarged, largest_served
from palr.catalog.catalog import CatalogStore
from palr.errors import RetrieverUnavailableError
from palr.retrieval.base import top_k


@pytest.fixture(scope="module")
def store(settings):
    return CatalogStore(settings.catalog_url)


def test_one_run_measures_serving_evaluation_and_larger_catalogs(settings, store):
    said = []
    result = bench_retrieval(
        store.open("ml-100k"), settings, "sasrec", visits=3, say=said.append, factors=(1, 2)
    )
    assert (result["items"], result["picks"], result["candidates"]) == (1349, 20, 50)
    assert 0 < result["visitor_p50_ms"] <= result["visitor_p95_ms"]
    assert result["batch_visitors_per_second"] > 0
    assert result["evaluated_users_per_second"] > 0
    assert result["peak_memory_mb"] > 50
    assert [row["items"] for row in result["sizes"]] == [1349, 2698]
    for row in result["sizes"]:
        assert row["index_recall@50"] >= 0.95
        assert row["exact_exceeds_model"] == (row["exact_search_ms"] > row["model_ms"])
    assert len(said) == 5


def test_a_model_without_embeddings_is_measured_at_its_own_size(settings, store):
    result = bench_retrieval(store.open("ml-100k"), settings, "popularity", 3, lambda text: None)
    assert result["sizes"] == []
    assert result["visitor_p50_ms"] > 0


def test_the_largest_data_set_that_serves_the_model_is_taken(settings, store):
    sizes = {info.key: info.items for info in store.installed().values() if info.interactions}
    assert largest_served("popularity", store, settings).dataset == max(sizes, key=sizes.get)


def test_no_data_set_for_the_model_is_refused(settings, tmp_path):
    empty = CatalogStore(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(RetrieverUnavailableError, match="python -m palr setup"):
        largest_served("sasrec", empty, settings)


def test_an_enlarged_table_begins_with_the_real_one():
    rng = np.random.default_rng(0)
    table = rng.standard_normal((50, 8)).astype(np.float32)
    larger = enlarged(table, 10, rng)
    assert larger.shape == (500, 8)
    assert larger.dtype == np.float32
    np.testing.assert_array_equal(larger[:50], table)
    assert len(np.unique(larger, axis=0)) == 500


def test_an_index_finds_what_the_exact_search_does():
    rng = np.random.default_rng(1)
    table = rng.standard_normal((2000, 16)).astype(np.float32)
    queries = rng.standard_normal((5, 16)).astype(np.float32)
    exact = [top_k(table @ query, 50) for query in queries]
    index = approximate(table, queries, exact, faiss)
    assert index.recall >= 0.95
    assert 1 <= index.probes <= 45  # it has round(sqrt(2000)) lists
