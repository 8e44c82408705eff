"""A GPU is asked for on ZeroGPU Spaces, and nowhere else."""

import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from palr.serve.spaces import gpu_seconds, on_gpu
from palr.settings import Settings
from palr.types import Asked, Item, Recommendation

PICKS = [Item(str(n), "x") for n in range(30)]

# Stands for the package that only exists on Spaces; what it is told is written down.
SPACES = """
asked = []
def GPU(duration):
    def decorate(run):
        def with_gpu(*arguments):
            asked.append(duration(*arguments))
            yield from run(*arguments)
        return with_gpu
    return decorate
"""


def stream(domain: str, picks: Sequence[Item], asked: Asked) -> Generator[Recommendation]:
    yield Recommendation(domain, "ml-100k", tuple(picks), mode=asked.mode or "")


@pytest.fixture
def spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    (tmp_path / "spaces.py").write_text(SPACES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "spaces", raising=False)
    return lambda: sys.modules["spaces"].asked


def test_elsewhere_nothing_changes(
    spaces: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert on_gpu(stream) is stream
    assert "spaces" not in sys.modules


def test_on_zerogpu_each_run_asks_for_its_own_time(
    spaces: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    run = on_gpu(stream)
    for mode in ("labels", "titles"):
        assert [trace.mode for trace in run("movies", PICKS, Asked(mode=mode))] == [mode]
    # 10 s + passes x 0.12 s + the last 20 picks x 0.2 s
    assert spaces() == [round(10 + 40 * 0.12 + 4), round(10 + 160 * 0.12 + 4)]


def test_the_time_is_bounded() -> None:
    assert 15 <= gpu_seconds("movies", PICKS * 1000, Asked(mode="unknown")) <= 120


def test_a_space_keeps_its_data_on_persistent_storage_where_it_has_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("palr.settings._PERSISTENT", tmp_path)
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert Settings().home != tmp_path / "palr"
    monkeypatch.setenv("SPACE_ID", "someone/runtime")
    assert Settings().home == tmp_path / "palr"
    monkeypatch.setattr("palr.settings._PERSISTENT", tmp_path / "absent")
    assert Settings().home != tmp_path / "absent" / "palr"
    assert Settings(home=tmp_path / "mine").home == tmp_path / "mine"
