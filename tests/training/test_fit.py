import dataclasses

import numpy as np
import pytest
import torch

from palr.errors import DataError, PalrError
from palr.retrieval.sasrec import Config, SASRec
from palr.retrieval.splits import training_data
from palr.retrieval.trainable import Plan, Trainable
from palr.training.fit import fit, learning_rate

CONFIG = Config(width=16, layers=1, heads=1, max_len=10, dropout=0.3)
PLAN = Plan(epochs=4, batch_size=16, lr=3e-3, warmup=0.5)


@pytest.fixture(scope="module")
def split(small_catalog):
    return training_data(small_catalog).split


def new_model(split, model_type=SASRec):
    torch.manual_seed(0)
    return model_type(len(split.item_ids), CONFIG)


class Interrupted(SASRec):
    """Killed in the middle of the third epoch."""

    steps = 0

    def loss(self, batch):
        self.steps += 1
        if self.steps == 10:
            raise KeyboardInterrupt
        return super().loss(batch)


class Diverged(SASRec):
    def loss(self, batch):
        return super().loss(batch) * float("nan")


class OneEpochWonder(Trainable):
    """Scores by chance after its first epoch, and all items alike ever after."""

    def __init__(self, n_items):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(n_items))
        self.epoch = 0

    def batches(self, sequences, size, rng):
        self.epoch += 1
        return [np.array([0])]

    def loss(self, batch):
        return (self.weight * 0).sum()

    def score(self, histories):
        shape = (len(histories), len(self.weight))
        return np.random.default_rng(0).random(shape, np.float32) * (self.epoch == 1)


def test_it_learns_the_circle(split):
    plan = dataclasses.replace(PLAN, epochs=15, lr=1e-2)
    outcome = fit(new_model(split), split, plan, seed=0, quiet=True)
    assert outcome.validation["HR@5"] > 0.9  # by chance: 5 in 15 unseen items


def test_a_killed_run_ends_like_an_uninterrupted_one(split, tmp_path):
    whole = new_model(split)
    expected = fit(whole, split, PLAN, seed=0, quiet=True)

    checkpoint = tmp_path / "deep" / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(new_model(split, Interrupted), split, PLAN, 0, checkpoint, "run", quiet=True)
    assert checkpoint.exists()
    torch.manual_seed(99)  # a new process knows nothing of the old one's random numbers
    resumed = new_model(split)
    outcome = fit(resumed, split, PLAN, 0, checkpoint, "run", quiet=True)

    assert dataclasses.replace(outcome, seconds=0) == dataclasses.replace(expected, seconds=0)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert not list(checkpoint.parent.iterdir())


def test_another_runs_checkpoint_is_not_taken_over(split, tmp_path):
    checkpoint = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(new_model(split, Interrupted), split, PLAN, 0, checkpoint, "run", quiet=True)
    with pytest.raises(DataError, match="belongs to a run with other settings"):
        fit(new_model(split), split, PLAN, 0, checkpoint, "other run", quiet=True)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_checkpoint_names_the_remedy(split, tmp_path, content):
    checkpoint = tmp_path / "run.pt"
    checkpoint.write_bytes(content)
    with pytest.raises(DataError, match="damaged; delete it"):
        fit(new_model(split), split, PLAN, 0, checkpoint, "run", quiet=True)


def test_a_loss_that_is_not_a_number_stops_the_run(split):
    with pytest.raises(PalrError, match="nan in epoch 1, step 1: lower the learning rate"):
        fit(new_model(split, Diverged), split, PLAN, seed=0, quiet=True)


def test_it_stops_early_and_keeps_the_best(split):
    plan = dataclasses.replace(PLAN, epochs=50, patience=3)
    outcome = fit(OneEpochWonder(len(split.item_ids)), split, plan, seed=0, quiet=True)
    assert (outcome.best_epoch, outcome.epochs) == (1, 4)


def test_sequences_of_one_item_are_nothing_to_train_on(split):
    short = dataclasses.replace(split, train=[sequence[:1] for sequence in split.train])
    with pytest.raises(DataError, match="nothing to train on"):
        fit(new_model(split), short, PLAN, seed=0, quiet=True)


def test_the_learning_rate_warms_up_and_falls_to_zero():
    plan = Plan(epochs=11, lr=1.0, warmup=1.0)
    assert learning_rate(plan, 0.5) == 0.5
    assert learning_rate(plan, 1.0) == 1.0
    assert learning_rate(plan, 6.0) == pytest.approx(0.5)
    assert learning_rate(plan, 11.0) == pytest.approx(0.0)


def test_a_log_gets_a_line_for_each_epoch(split, capsys):
    fit(new_model(split), split, PLAN, 0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"epoch {n} of 4" for n in range(1, 5)]
    assert all("NDCG@10" in line for line in lines)
    fit(new_model(split), split, PLAN, 0, quiet=True)
    assert capsys.readouterr().err == ""
