"""Our metrics against those of an independent library, on the same rankings."""

import ir_measures
import numpy as np
import pytest
from ir_measures import Qrel, ScoredDoc, Success, nDCG

from palr.evaluation.metrics import CUTOFFS, summary, target_ranks

USERS, ITEMS = 60, 150
THEIRS = {"HR": Success, "NDCG": nDCG}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_metric_agrees_with_ir_measures(seed):
    rng = np.random.default_rng(seed)
    # Distinct scores: how ties are broken is a matter of the protocol, not of a metric.
    scores = rng.permuted(np.tile(np.arange(ITEMS), (USERS, 1)), axis=1).astype(np.float32)
    targets = rng.integers(ITEMS, size=USERS)
    seen = [
        np.setdiff1d(rng.choice(ITEMS, size=int(rng.integers(1, 90))), [target])
        for target in targets
    ]
    ours = summary(target_ranks(scores, targets, seen))

    wanted = [Qrel(str(user), str(target), 1) for user, target in enumerate(targets)]
    run = [
        ScoredDoc(str(user), str(item), float(scores[user, item]))
        for user in range(USERS)
        for item in np.setdiff1d(np.arange(ITEMS), seen[user])
    ]
    measures = {f"{name}@{k}": THEIRS[name] @ k for name in CUTOFFS for k in CUTOFFS[name]}
    theirs = ir_measures.calc_aggregate(measures.values(), wanted, run)
    assert 0 < ours["HR@5"] < ours["HR@50"] < 1
    for name, measure in measures.items():
        assert ours[name] == pytest.approx(theirs[measure], abs=1e-9), name
