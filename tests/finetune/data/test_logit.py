"""The conditional logit, against data that were made with known weights."""

import numpy as np
import pytest

from finetune.data.logit import fit_logit, log_likelihood


def chosen(truth, n=500):
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(10, len(truth))) for _ in range(n)]
    targets = []
    for rows in features:
        odds = np.exp(rows @ truth)
        targets.append(int(rng.choice(10, p=odds / odds.sum())))
    return features, targets


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("start", [[0.0, 0.0], [0.0, 1.0], [-50.0, 80.0]])
def test_any_start_and_scale_lead_to_the_weights_that_made_the_data(scale, start):
    truth = np.array([0.7, -1.5])
    features, targets = chosen(truth)
    scaled = [rows * scale for rows in features]
    found = fit_logit(scaled, targets, np.array(start))
    assert found * scale == pytest.approx(truth, abs=0.15)
    likelihood = log_likelihood(scaled, targets, found)
    for nearby in np.array([[0.01, 0], [-0.01, 0], [0, 0.01], [0, -0.01]]) / scale:
        assert log_likelihood(scaled, targets, found + nearby) < likelihood


def test_features_that_tell_every_target_apart_keep_finite_weights():
    rows = np.array([[1.0], [0.0]])
    (weight,) = fit_logit([rows] * 20, [0] * 20, np.array([0.0]))
    assert 5 < weight < 20
