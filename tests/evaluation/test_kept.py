import numpy as np
import pytest

from palr.errors import DataError, PalrError
from palr.evaluation.kept import KeptRanks, Ranks, compare_kept
from palr.settings import Settings


def ranks(name, values, users=None, checksum="abc"):
    users = range(len(values)) if users is None else users
    return Ranks(name, np.array(users), np.array(values), checksum)


@pytest.fixture
def kept(settings):
    return KeptRanks(settings, "small", "leave-one-out", "test")


def test_what_is_kept_comes_back(kept, settings):
    path = kept.keep(ranks("sasrec-0", [3, 1, 99]))
    assert path == settings.home / "evaluations" / "small" / "leave-one-out" / "sasrec-0.npz"
    back = kept.recall("sasrec")
    assert (back.name, back.ranks.tolist(), back.data_checksum) == ("sasrec-0", [3, 1, 99], "abc")
    assert kept.recall("sasrec-0").users.tolist() == [0, 1, 2]
    assert [path.name for path in kept.folder.iterdir()] == ["sasrec-0.npz"]


def test_the_asked_seed_is_taken_else_the_lowest(kept):
    for seed in (4, 2):
        kept.keep(ranks(f"palr-v2-{seed}", [seed]))
    assert kept.recall("palr-v2", 4).name == "palr-v2-4"
    assert kept.recall("palr-v2", 7).name == "palr-v2-2"
    assert kept.recall("palr-v2-4").ranks.tolist() == [4]


def test_missing_ranks_name_those_there_are_and_the_command(kept):
    kept.keep(ranks("popularity-0", [1]))
    with pytest.raises(
        DataError, match=r"no ranks of hstu .*popularity-0.*evaluate --dataset small --model hstu"
    ):
        kept.recall("hstu")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_named(kept, content):
    kept.keep(ranks("sasrec-0", [1])).write_bytes(content)
    with pytest.raises(DataError, match=r"sasrec-0\.npz is damaged"):
        kept.recall("sasrec")


def test_a_home_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    kept = KeptRanks(Settings(home=tmp_path / "file"), "small", "leave-one-out", "test")
    with pytest.raises(PalrError, match="set PALR_HOME"):
        kept.keep(ranks("sasrec-0", [1]))


def test_users_are_paired_by_their_place():
    whole = ranks("sasrec-0", [1, 99, 99, 1])
    some = ranks("palr-v2-0", [1, 99], users=[2, 3])
    comparison, n_users = compare_kept(some, whole)
    assert n_users == 2
    assert comparison.deltas["HR@10"] == 0.0  # one gained, one lost
    assert comparison.intervals["HR@10"] != (0.0, 0.0)


def test_other_data_cannot_be_compared():
    with pytest.raises(DataError, match="a-0 and b-0 were measured on different data"):
        compare_kept(ranks("a-0", [1]), ranks("b-0", [1], checksum="other"))


def test_no_user_in_common_cannot_be_compared():
    with pytest.raises(DataError, match="no user in common"):
        compare_kept(ranks("a-0", [1], users=[0]), ranks("b-0", [1], users=[1]))
