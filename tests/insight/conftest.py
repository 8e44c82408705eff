"""Runs of random visitors over a made-up catalog, with a tiny model of arbitrary taste."""

import random

import numpy as np
import pytest

from palr.catalog.catalog import Catalog
from palr.domains import MOVIES
from palr.recommender import Recommender
from palr.retrieval.semantic import SemanticRetriever
from palr.types import Asked, Item

GENRES = ("crime", "drama", "comedy", "war", "romance", "western")


def make_catalog(n=60):
    generator = random.Random(5)
    items = [
        Item(str(i), f"Film {i}", year=1950 + i, keywords=tuple(generator.sample(GENRES, 2)))
        for i in range(n)
    ]
    return Catalog("made-up", MOVIES, tuple(items))


def make_retriever(catalog):
    vectors = np.random.default_rng(3).normal(size=(len(catalog.items), 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return SemanticRetriever(catalog.items, vectors.astype(np.float32))


@pytest.fixture(scope="package")
def catalog():
    return make_catalog()


@pytest.fixture(scope="package")
def retriever(catalog):
    return make_retriever(catalog)


@pytest.fixture(scope="package")
def run(catalog, retriever):
    """A finished run of some picks with a model; 16 candidates keep it quick."""

    def recommend(llm, picks, mode="labels", n_candidates=16, **asked):
        recommender = Recommender(catalog, lambda name: retriever, lambda: llm)
        return recommender.recommend(picks, Asked(mode=mode, n_candidates=n_candidates, **asked))

    return recommend


def visitors(catalog, n=20, seed=11):
    generator = random.Random(seed)
    return [generator.sample(catalog.items, generator.randint(2, 7)) for _ in range(n)]


def last(steps):
    *_, result = steps
    return result
