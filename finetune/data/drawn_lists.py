"""Candidates drawn from a retriever that did not learn from the targets.

At test time the retriever has learnt from the training part, reads history and validation item,
and proposes 50 items; the re-ranker's job is to order lists of this kind. A retriever that was
fitted on the very targets would rank them far too high in training lists. So one more SASRec is
trained: for the users of the recipe it learns from all but their last ``held_back + 1`` training
items. The first of these takes the place of the validation item (it stops the training), and each
of the others is a target in turn, given everything before it.

Targets among the proposed candidates become examples: a re-ranker can do nothing about the others,
so this is the distribution that it meets. A teacher has something to say of any list, so for it the
others can be had too, with the target in the place of the last candidate (``Recipe.complete``), and
so can lists for histories that the retriever learnt from (``Recipe.earlier``).
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray

from finetune.configs import Recipe
from finetune.data.tasks import Example
from palr.data.interactions import LeaveOneOut, Split
from palr.errors import DataError
from palr.files import write
from palr.retrieval import sasrec
from palr.retrieval.neural import set_tensors, tensors_of
from palr.retrieval.splits import TrainingData
from palr.retrieval.steer import ItemSets
from palr.retrieval.trainable import Trainable
from palr.settings import Settings
from palr.training.fit import fit
from palr.training.train import training_device
from palr.types import Wish

_BATCH = 256


def held_back(train: NDArray[np.int64], n: int) -> int:
    """How many of the last training items can be targets: ``n``, or all that leave the retriever
    two items, one to learn from and one to stop at."""
    return max(min(n, len(train) - 2), 0)


def truncated(split: Split, users: Collection[int], n: int) -> LeaveOneOut:
    """The split that the retriever is trained on: the targets of ``users`` and all that follows
    them are gone. The last training item of everybody else stops the training too.

    ``validation_targets`` are those items; there are no test targets, so they are repeated.
    """
    chosen = set(users)
    prefixes, targets = [], []
    for user, train in enumerate(split.train):
        rest = train[: len(train) - held_back(train, n)] if user in chosen else train
        if len(rest) >= 2:
            prefixes.append(rest[:-1])
            targets.append(rest[-1])
    ends = np.array(targets, np.int64)
    return LeaveOneOut(prefixes, ends, ends, split.item_ids)


def prefix_retriever(
    data: TrainingData, users: Sequence[int], recipe: Recipe, settings: Settings, quiet: bool
) -> Trainable:
    """The SASRec for these users: trained, or loaded where it was trained before.

    A killed training resumes.

    Args:
        data: The training data.
        users: Whose targets are left out.
        recipe: How it is trained.
        settings: The settings, for the home and the models.
        quiet: Whether no progress is shown.
    """
    config, plan = sasrec.TUNED.get(data.dataset, sasrec.TUNED["default"])
    if recipe.retriever_epochs is not None:
        plan = replace(plan, epochs=recipe.retriever_epochs)
    signature = hashlib.sha256(
        f"{data.checksum} {recipe.held_back} {recipe.seed} {list(users)} {config} {plan}".encode()
    ).hexdigest()[:16]
    path = settings.home / "finetune" / data.dataset / f"retriever-{signature}.safetensors"
    torch.manual_seed(recipe.seed)
    model: Trainable = sasrec.build(len(data.item_ids), asdict(config))
    model.to(training_device(settings))
    if path.is_file():
        set_tensors(model, safetensors.numpy.load_file(path))
        model.eval()
        return model
    split = truncated(data.split, users, recipe.held_back)
    if not len(split.train):
        raise DataError(f"{data.dataset} has no user with two training items")
    fit(model, split, plan, recipe.seed, path.with_suffix(".pt"), signature, quiet)
    tensors = tensors_of(model)
    write(path, safetensors.numpy.save(tensors))
    set_tensors(model, tensors)
    model.eval()
    return model


def drawn(
    model: Trainable,
    split: Split,
    users: Sequence[int],
    recipe: Recipe,
    wishes: Iterator[Wish | None] | None = None,
    sets: ItemSets | None = None,
) -> Iterator[Example]:
    """Each held-back item of ``users``, and the ``earlier`` ones before, with the list that the
    retriever draws for its history.

    The candidates are in the retriever's order. Items of the history are masked, and so are the
    user's own validation and test items, which must not enter training data even as negatives.
    The answer holds those of the next ``window`` items that are in the list, the target first.

    Args:
        model: The retriever.
        split: The training data.
        users: Whose items are targets.
        recipe: How many candidates are drawn, and for which items.
        wishes: For each list, what steers it; its scores remain the retriever's own.
        sets: Of the split's items, to steer with.
    """
    ids = split.item_ids
    first = {
        user: len(split.train[user]) - held_back(split.train[user], recipe.held_back)
        for user in users
    }
    cases = [
        (user, at)
        for user in users
        for at in range(max(first[user] - recipe.earlier, 1), len(split.train[user]))
    ]
    for start in range(0, len(cases), _BATCH):
        batch = cases[start : start + _BATCH]
        scores = model.score([split.train[user][:at] for user, at in batch]).copy()
        for row, (user, at) in enumerate(batch):
            train = split.train[user]
            hidden = [split.validation_targets[user], split.test_targets[user]]
            scores[row, train[:at]] = -np.inf
            scores[row, hidden] = -np.inf
            wish = next(wishes) if wishes and sets else None
            order = scores[row]
            if wish and sets:
                order = sets.steer(order, wish, hidden=np.isneginf(order)).scores
            top = np.argsort(-order, kind="stable")[: recipe.candidates]
            top = top[np.isfinite(scores[row, top])]
            retrieved = int(train[at]) in top
            if not retrieved:
                if not recipe.complete:
                    continue
                top[-1] = train[at]
            listed = set(top.tolist())
            answer = [item for item in train[at : at + recipe.window].tolist() if item in listed]
            yield Example(
                "Recommend_Retrieval",
                user,
                tuple(ids[item] for item in train[max(at - recipe.history, 0) : at]),
                tuple(ids[item] for item in answer),
                tuple(ids[item] for item in top),
                tuple(round(float(score), 4) for score in scores[row, top]),
                retrieved=retrieved and at >= first[user] and not wish,
                more=wish.more if wish else (),
                less=wish.less if wish else (),
            )
