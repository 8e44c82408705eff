"""Instruction data out of the training part of a data set: ``python -m finetune build``."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finetune.configs import Recipe
from finetune.data.augment import Graph, enrich, swap, three_hop
from finetune.data.counterfactual import counterfactuals, wishes
from finetune.data.dataset import EXAMPLES, Manifest, write_examples, write_manifest
from finetune.data.negatives import Similar, similar_negatives
from finetune.data.tasks import Cut, Example, cut_at, recommend, recommend_retrieval
from finetune.data.teacher import Teacher, taught
from palr.data.progress import Progress, silent
from palr.errors import DataError
from palr.llm.base import LLM, last
from palr.profile import N_KEYWORDS, supported_keywords, write_profile
from palr.retrieval.splits import TrainingData, training_data
from palr.retrieval.steer import ItemSets
from palr.settings import Settings

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

SHORTEST = 2  # training items that a user must have: one to show, one to ask for


def folder(settings: Settings, dataset: str, name: str) -> Path:
    """Where the instruction data of a name lie.

    Args:
        settings: The settings, for the home and the models.
        dataset: Key of the data set.
        name: Name of the instruction data.
    """
    return settings.home / "finetune" / dataset / name


def chosen_users(data: TrainingData, share: float, seed: int) -> list[int]:
    """Users whose sequences become instructions (paper, section 2.2: 20% of them).

    Args:
        data: The training data.
        share: From 0 to 1: how many of the users are drawn.
        seed: Names the draw.

    Returns:
        Ascending positions in the split.
    """
    n = len(data.split.train)
    drawn = np.random.default_rng(seed).permutation(n)[: round(n * share)]
    return sorted(int(user) for user in drawn)


def build(
    catalog: "Catalog",
    settings: Settings,
    name: str,
    recipe: Recipe,
    llm: Callable[[], LLM] | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Write the instruction data of a recipe into `folder`.

    Args:
        catalog: Whose items are meant.
        settings: The settings, for the home and the models.
        name: Name of the instruction data.
        recipe: What is made.
        llm: Gives the model for ``profile="llm"``.
        progress: Told how far the work is.

    Raises:
        PalrError: settings of the recipe contradict each other.
        DataError: no example is left.
        RetrieverUnavailableError: the catalog has no interactions.
    """
    recipe.check()
    data = training_data(catalog)
    users = chosen_users(data, recipe.user_share, recipe.seed)
    rng = np.random.default_rng([recipe.seed, 1])
    drawn = _examples(catalog, data, users, recipe, settings, progress)
    examples = list(drawn) if users else []
    if not examples:
        raise DataError(
            f"no example is left of {len(users)} users of {catalog.dataset}: raise user_share "
            f"(now {recipe.user_share:g}), candidates (now {recipe.candidates}) or held_back "
            f"(now {recipe.held_back})"
        )
    model = llm() if llm is not None and recipe.profile == "llm" else None
    profiled = []
    for done, example in enumerate(examples, start=1):
        if recipe.profile != "none" and rng.random() < recipe.profile_share:
            example = with_profile(example, catalog, model)
        profiled.append(example)
        progress("profiles", done, len(examples), "examples")
    if recipe.counterfactual:
        draws = np.random.default_rng([recipe.seed, 3])
        share, worth = recipe.counterfactual, recipe.worth
        profiled = list(counterfactuals(profiled, catalog, share, worth, draws))
    order = rng.permutation(len(profiled))
    target = folder(settings, catalog.dataset, name)
    sha256 = write_examples((profiled[at] for at in order), target / EXAMPLES)
    manifest = Manifest(
        dataset=catalog.dataset,
        name=name,
        recipe=recipe,
        data_checksum=data.checksum,
        counts=dict(Counter(example.task for example in examples)),
        users=len({example.user for example in examples}),
        sha256=sha256,
    )
    write_manifest(manifest, target)
    return manifest


def with_profile(example: Example, catalog: "Catalog", llm: LLM | None) -> Example:
    """The example with a profile of its history.

    Args:
        example: An instruction without a profile.
        catalog: Whose items are meant.
        llm: The model that writes it; None for the best keywords alone.
    """
    history = [catalog.item(item) for item in example.history]
    if llm is None:
        return replace(example, keywords=tuple(supported_keywords(history, catalog))[:N_KEYWORDS])
    profile = last(write_profile(history, catalog, llm))
    keywords = tuple(keyword.text for keyword in profile.keywords)
    return replace(example, keywords=keywords, text=profile.text)


def _examples(
    catalog: "Catalog",
    data: TrainingData,
    users: Sequence[int],
    recipe: Recipe,
    settings: Settings,
    progress: Progress,
) -> Iterator[Example]:
    if recipe.negatives == "retriever" and "Recommend_Retrieval" in recipe.tasks:
        from finetune.data.drawn_lists import drawn, prefix_retriever

        model = prefix_retriever(data, users, recipe, settings, quiet=progress is silent)
        asked = wishes(catalog, recipe.counterfactual, np.random.default_rng([recipe.seed, 4]))
        sets = ItemSets([catalog.item(item) for item in data.item_ids])
        lists = drawn(model, data.split, users, recipe, asked, sets)
        if recipe.teacher:
            lists = iter(taught(_teacher(catalog, data, users, recipe, settings), list(lists)))
        yield from lists
        if recipe.tasks == ("Recommend_Retrieval",):
            return
    yield from paper_examples(Material(catalog, data), users, recipe, progress)


def _teacher(
    catalog: "Catalog", data: TrainingData, users: Sequence[int], recipe: Recipe, settings: Settings
) -> Teacher:
    from finetune.data.drawn_lists import truncated
    from palr.retrieval.semantic import load

    known = truncated(data.split, users, recipe.held_back).train
    return Teacher(catalog, load(catalog, settings).vectors, data.item_ids, known)


class Material:
    """The training part in the shapes that the paper's recipe needs."""

    def __init__(self, catalog: "Catalog", data: TrainingData) -> None:
        self.split, self.ids = data.split, data.item_ids
        self.index = {item: at for at, item in enumerate(self.ids)}
        self.graph = Graph(self.split.train, len(self.ids))
        self.similar = Similar([catalog.item(item) for item in self.ids], self.graph)

    def held_out(self, user: int) -> set[int]:
        """The user's validation and test item."""
        return {int(self.split.validation_targets[user]), int(self.split.test_targets[user])}


def paper_examples(
    material: Material, users: Sequence[int], recipe: Recipe, progress: Progress = silent
) -> Iterator[Example]:
    """The paper's recipe: random cuts, similar negatives.

    Args:
        material: The users and the items to draw from.
        users: Positions of the users.
        recipe: What is made.
        progress: Told how far the work is.
    """
    for done, user in enumerate(users, start=1):
        rng = np.random.default_rng([recipe.seed, 2, user])
        for cut in cuts(material, user, recipe, rng):
            if "Recommend" in recipe.tasks:
                yield recommend(user, cut)
            if "Recommend_Retrieval" in recipe.tasks and recipe.negatives == "similar":
                negatives = _negatives(material, user, cut, recipe, rng)
                yield recommend_retrieval(user, cut, negatives, rng)
        progress("instructions", done, len(users), "users")


def cuts(material: Material, user: int, recipe: Recipe, rng: np.random.Generator) -> list[Cut]:
    """Random cuts of a user's training sequence, augmented.

    The user's held-out items take no part, nor do they come in by enrichment.

    Args:
        material: The users and the items to draw from.
        user: The position of the user.
        recipe: How many cuts, and how they are augmented.
        rng: Draws them.

    Returns:
        ``per_user`` of them; fewer of short sequences.
    """
    ids = material.ids
    own = [ids[item] for item in material.split.train[user]]
    if len(own) < SHORTEST:
        return []
    held_out = material.held_out(user)
    missing = max(recipe.enrich_below - len(own), 0)
    near = three_hop(material.graph, user, missing + len(held_out)) if missing else []
    affinity = [ids[item] for item in near if item not in held_out]
    sequence = enrich(own, affinity, recipe.enrich_below)
    first = len(sequence) - len(own) + 1  # an answer begins behind at least one own item
    places = rng.permutation(np.arange(first, len(sequence)))[: recipe.per_user]
    return [
        swap(cut_at(sequence, int(at), recipe.history, recipe.answer), recipe.swap, rng)
        for at in sorted(places)
    ]


def _negatives(
    material: Material, user: int, cut: Cut, recipe: Recipe, rng: np.random.Generator
) -> list[str]:
    """Similar negatives that fill the list: nothing that the user chose, before or after."""
    targets = [material.index[item] for item in cut.answer]
    own = material.held_out(user) | {int(item) for item in material.split.train[user]}
    own |= {material.index[item] for item in cut.history}
    n = max(recipe.candidates - len(targets), 0)
    return [material.ids[at] for at in similar_negatives(material.similar, targets, own, n, rng)]
