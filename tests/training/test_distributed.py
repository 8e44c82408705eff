"""Two real processes train one model on the CPU.

``accelerate launch`` starts several processes on one machine for GPUs only; torch's own launcher,
which it stands on, sets the same variables.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from palr.training.distributed import ProcessGroup

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path

import numpy as np
import torch

from palr.data.interactions import LeaveOneOut
from palr.retrieval.sasrec import Config, SASRec
from palr.retrieval.trainable import Plan
from palr.training.distributed import ProcessGroup
from palr.training.fit import fit

# 61 people walk on a circle of 24 items: 4 batches of 16, which two processes share.
walks = [np.arange(user, user + 6 + user % 5) % 24 for user in range(61)]
split = LeaveOneOut(
    [w[:-2] for w in walks],
    np.array([w[-2] for w in walks]),
    np.array([w[-1] for w in walks]),
    tuple(map(str, range(24))),
)
torch.manual_seed(0)
model = SASRec(24, Config(width=16, layers=1, heads=1, max_len=10, dropout=0.2))
plan = Plan(epochs=12, batch_size=16, lr=1e-2, warmup=0.5)
out = Path(sys.argv[1])
result = fit(model, split, plan, 0, out / "run.pt", "run", quiet=True)
group = ProcessGroup(cpu=True)
torch.save(
    {"weights": model.state_dict(), "ndcg": result.validation["NDCG@5"], "size": group.size},
    out / f"{group.rank}.pt",
)
"""


def test_two_processes_end_with_the_same_trained_weights(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    result = subprocess.run(
        [*launch, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert result.returncode == 0, result.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert first["size"] == second["size"] == 2
    for name, value in first["weights"].items():
        assert torch.equal(value, second["weights"][name]), name
    assert first["ndcg"] == second["ndcg"] > 0.8  # by chance: about 0.2
    assert not (tmp_path / "run.pt").exists()


def group_of(size, rank):
    group = ProcessGroup(cpu=True)
    group.size, group.rank = size, rank
    return group


@pytest.mark.parametrize(("batches", "size"), [(8, 2), (7, 3), (1, 4)])
def test_every_batch_is_taken_and_all_take_as_many(batches, size):
    shares = [group_of(size, rank).shard(range(batches)) for rank in range(size)]
    assert len({len(share) for share in shares}) == 1
    taken = [batch for share in shares for batch in share]
    assert set(taken) == set(range(batches))
    assert len(taken) - batches < size


def test_processes_draw_different_random_numbers():
    drawn = []
    for rank in range(2):
        group_of(2, rank).seed(0, 5)
        drawn.append(torch.rand(3).tolist())
    assert not np.allclose(*drawn)


def test_alone_nothing_changes():
    group = ProcessGroup(cpu=True)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    group.seed(0, 1)
    batches = [1, 2, 3]
    assert torch.equal(torch.rand(2), expected)
    assert group.shard(batches) is batches
    assert group.broadcast("this") == "this"
    assert (group.size, group.is_main, group.device) == (1, True, None)
