from palr.evaluation.agreement import kendall_tau, overlap


def test_overlap_and_tau_by_hand():
    one, other = (1, 2, 3, 4), (2, 1, 5, 6)
    assert overlap(one, other, k=4) == 0.5
    assert kendall_tau(one, other, k=4) == -1.0
    assert overlap(one, one, k=4) == kendall_tau(one, one, k=4) == 1.0
    assert kendall_tau(one, (9,), k=4) == 0.0
