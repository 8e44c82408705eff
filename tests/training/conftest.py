"""The small world of the retrievers' tests."""

from tests.retrieval.conftest import small_catalog, small_items

__all__ = ["small_catalog", "small_items"]
