"""Preprocessing, worked out by hand."""

import numpy as np

from palr.data.interactions import Interactions, global_time, leave_one_out


def test_rows_are_sorted_by_time_and_ties_keep_their_order() -> None:
    log = Interactions.from_rows(["u", "u", "u", "v"], ["c", "a", "b", "a"], [2, 1, 1, 0])
    assert [log.item_ids[i] for i in log.items] == ["a", "a", "b", "c"]
    assert [log.user_ids[i] for i in log.users] == ["v", "u", "u", "u"]


def test_of_a_repeated_pair_the_earliest_row_stays() -> None:
    log = Interactions.from_rows(["u", "u", "u"], ["a", "b", "a"], [3, 2, 1])
    assert [log.item_ids[i] for i in log.items] == ["a", "b"]
    assert log.popularity == {"a": 1, "b": 1}


def test_the_core_is_taken_until_nothing_falls_below() -> None:
    # In the 2-core d goes first (one user), then w, who has only c left, then c.
    pairs = ["ua", "ub", "va", "vb", "vc", "wc", "wd"]
    log = Interactions.from_rows([p[0] for p in pairs], [p[1] for p in pairs], range(len(pairs)))
    core = log.core(2)
    kept = [
        core.user_ids[u] + core.item_ids[i] for u, i in zip(core.users, core.items, strict=True)
    ]
    assert kept == ["ua", "ub", "va", "vb"]
    assert (core.user_ids, core.item_ids) == (("u", "v"), ("a", "b"))
    assert len(log.core(5)) == 0


def test_the_last_two_items_of_each_user_are_held_out() -> None:
    rows = ["ua", "ub", "va", "uc", "vb", "ud"]
    log = Interactions.from_rows([r[0] for r in rows], [r[1] for r in rows], range(len(rows)))
    split = leave_one_out(log)
    names = np.array(split.item_ids)
    assert [list(names[s]) for s in split.train] == [["a", "b"]]
    assert list(names[split.validation_targets]) == ["c"]
    assert list(names[split.test_targets]) == ["d"]
    assert [list(names[s]) for s in split.test_histories] == [["a", "b", "c"]]


def test_the_global_split_asks_for_the_first_item_after_each_moment() -> None:
    # Ten rows; the moments are before the seventh and the ninth.
    rows = ["ua", "va", "ub", "wa", "vb", "uc", "vc", "ud", "wb", "xa"]
    log = Interactions.from_rows([r[0] for r in rows], [r[1] for r in rows], range(len(rows)))
    split = global_time(log, train_share=0.6, test_share=0.2)
    names = np.array(split.item_ids)

    def named(histories: list[np.ndarray]) -> list[str]:
        return ["".join(names[history]) for history in histories]

    assert named(split.train) == ["abc", "ab", "a"]
    # Between the moments v goes on to c, and u to d; w does nothing.
    assert named(split.validation_histories) == ["abc", "ab"]
    assert "".join(names[split.validation_targets]) == "dc"
    # After the second w goes on to b; x has no history.
    assert named(split.test_histories) == ["a"]
    assert "".join(names[split.test_targets]) == "b"


def test_an_item_that_nobody_chose_before_the_moments_is_asked_for_all_the_same() -> None:
    rows = ["ua", "ub", "va", "vb", "uz"]
    log = Interactions.from_rows([r[0] for r in rows], [r[1] for r in rows], range(len(rows)))
    split = global_time(log, train_share=0.6, test_share=0.2)
    assert split.item_ids[split.test_targets[0]] == "z"
    assert "z" not in {split.item_ids[i] for sequence in split.train for i in sequence}
