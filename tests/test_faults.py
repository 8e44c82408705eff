"""What can break around a run, broken for real: model, database, disk."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from palr.app.runtime import Runtime
from palr.catalog.catalog import CatalogStore
from palr.data.raw import RawDataset
from palr.errors import CatalogError, LLMError, RetrieverUnavailableError
from palr.llm.base import LLM
from palr.llm.scripted import ScriptedLLM, reversed_candidates
from palr.model_lock import LOADING
from palr.recommender import Recommender
from palr.retrieval.base import Retriever
from palr.settings import MINILM, Settings
from palr.types import Asked, Recommendation

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def runtime(settings: Settings) -> Runtime:
    return Runtime(settings.model_copy(update={"llm_backend": "scripted"}))


def run(runtime: Runtime, reply: Callable[[str], str], patience: float | None) -> Recommendation:
    catalog = runtime.catalog("movies")
    model = ScriptedLLM(reply)
    recommender = Recommender(
        catalog, lambda name: runtime.retriever("movies", name), lambda: model
    )
    picks = catalog.persona_picks(catalog.domain.personas[0])
    *_, trace = recommender.stream(picks, patience=patience)
    return trace


def breaks_at(stage: str) -> Callable[[str], str]:
    """A model that fails once it is asked for a profile, or for a ranking."""

    def reply(prompt: str) -> str:
        if ("The candidates are" in prompt) == (stage == "ranking"):
            raise LLMError("the model is gone")
        return reversed_candidates(prompt)

    return reply


@pytest.mark.parametrize("stage", ["profile", "ranking"])
def test_a_model_that_fails_leaves_the_retrievers_order_and_says_so(
    runtime: Runtime, stage: str
) -> None:
    trace = run(runtime, breaks_at(stage), patience=60)
    assert trace.fallback == "the model is gone"
    assert trace.candidates is not None
    assert trace.ranking is not None
    assert [r.item for r in trace.ranking.items] == [c.item for c in trace.candidates[:10]]
    assert [(r.rank, r.movement) for r in trace.ranking.items] == [(n, 0) for n in range(1, 11)]
    assert list(trace.seconds) == ["history", "profile", "candidates", "ranking", "total"]
    assert trace.profile is not None
    assert bool(trace.profile.text) == (stage == "ranking")


def test_a_model_that_is_too_slow_is_not_waited_for(runtime: Runtime) -> None:
    trace = run(runtime, reversed_candidates, patience=1e-9)
    assert "took too long: set PALR_LLM_SECONDS" in trace.fallback
    assert trace.ranking is not None
    assert [r.retriever_rank for r in trace.ranking.items] == list(range(1, 11))


def test_a_model_that_does_not_load_is_done_without(runtime: Runtime) -> None:
    def no_model() -> ScriptedLLM:
        raise LLMError("there is no such model")

    catalog = runtime.catalog("movies")
    recommender = Recommender(catalog, lambda name: runtime.retriever("movies", name), no_model)
    *_, trace = recommender.stream(catalog.items[:3], patience=60)
    assert (trace.fallback, trace.llm) == ("there is no such model", None)
    with pytest.raises(LLMError, match="no such model"):
        recommender.recommend(catalog.items[:3])


def test_researchers_get_the_error_and_no_fallback(runtime: Runtime) -> None:
    with pytest.raises(LLMError, match="the model is gone"):
        run(runtime, breaks_at("ranking"), patience=None)
    assert run(runtime, reversed_candidates, patience=None).fallback == ""


@pytest.fixture
def copied(settings: Settings, tmp_path: Path) -> Settings:
    """The settings over a copy of the database, which a test may break."""
    database = tmp_path / "catalog.db"
    shutil.copy(settings.home / "catalog.db", database)
    update = {"llm_backend": "scripted", "database_url": f"sqlite:///{database}"}
    return settings.model_copy(update=update)


def served(runtime: Runtime) -> list[str]:
    catalog = runtime.catalog("movies")
    trace = runtime.recommender("movies").recommend(catalog.search("star")[:3])
    assert trace.ranking is not None
    return [ranked.item.id for ranked in trace.ranking.items]


def test_a_database_that_is_locked_or_gone_leaves_the_page_at_work(
    copied: Settings, tmp_path: Path
) -> None:
    runtime = Runtime(copied)
    before = served(runtime)
    installing = sqlite3.connect(tmp_path / "catalog.db")
    installing.execute("BEGIN EXCLUSIVE")
    assert served(runtime) == before
    installing.rollback()
    installing.close()
    (tmp_path / "catalog.db").unlink()
    assert served(runtime) == before
    with pytest.raises(CatalogError, match="run `python -m palr setup`"):
        Runtime(copied).catalog("movies")
    assert not (tmp_path / "catalog.db").exists()


def test_a_data_set_that_is_installed_again_leaves_the_page_at_work(copied: Settings) -> None:
    runtime = Runtime(copied)
    before = served(runtime)
    store = CatalogStore(copied.catalog_url)
    raw = store.raw("ml-100k")
    films = tuple(replace(item, title=f"New {item.title}") for item in raw.items)
    store.install("ml-100k", RawDataset(films[:50], None, "new"))
    assert served(runtime) == before
    catalog = runtime.catalog("movies")
    with pytest.raises(CatalogError, match=r"ml-100k was installed again .*restart the app"):
        runtime.recommender("movies").recommend(catalog.items[:3], Asked("itemknn"))
    assert Runtime(copied).catalog("movies").items == films[:50]


def test_a_database_that_fails_half_way_is_named(copied: Settings, tmp_path: Path) -> None:
    database = tmp_path / "catalog.db"
    database.write_bytes(database.read_bytes()[:100_000])
    with pytest.raises(CatalogError, match=r"is damaged .*python -m palr setup"):
        Runtime(copied).catalog("movies")


Shell = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def own_mounts() -> Shell:
    """A shell in a mount namespace of its own, where anything may be mounted."""
    namespace = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine grants no mount namespace of its own")

    def shell(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*namespace, "sh", "-ec", script],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return shell


def test_a_full_disk_is_named_and_leaves_what_was_there(
    own_mounts: Shell, palr_home: Path, tmp_path: Path
) -> None:
    home, palr = tmp_path / "small", f"{sys.executable} -m palr"
    home.mkdir()
    result = own_mounts(
        f"mount -t tmpfs -o size=1m tmpfs {home}; export PALR_HOME={home}\n"
        f"{palr} data install beauty-starter 2>/dev/null\n"
        f"{palr} data install ml-100k --from {palr_home}/downloads/ml-100k && exit 9\n"
        f"{palr} data list"
    )
    assert result.returncode == 0, result.stderr
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("palr: the catalog database")
    assert "disk" in message
    assert "set PALR_HOME to a folder that can be written" in message
    assert "Traceback" not in result.stderr
    lines = {line.split()[0]: line.split()[1] for line in result.stdout.splitlines()[-4:]}
    assert (lines["beauty-starter"], lines["ml-100k"]) == ("installed", "-")


def test_everything_read_only_still_recommends(
    own_mounts: Shell, palr_home: Path, tmp_path: Path
) -> None:
    """As in a container: a read-only root file system, and nothing at all that can be written."""
    result = own_mounts(
        f"mount -o remount,bind,ro /; touch {tmp_path}/x 2>/dev/null && exit 9\n"
        f"export PALR_HOME={palr_home} PALR_LLM_BACKEND=scripted PYTHONDONTWRITEBYTECODE=1\n"
        f"exec {sys.executable} -m palr recommend --pick Alien"
    )
    assert result.returncode == 0, result.stderr
    assert "Recommendations (scripted" in result.stdout


def test_a_read_only_database_says_so_when_it_is_written(
    own_mounts: Shell, palr_home: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    store = CatalogStore(f"sqlite:///{home}/catalog.db")
    result = own_mounts(
        f"export PALR_HOME={home}; {sys.executable} -m palr data install beauty-starter\n"
        f"mount --bind {home} {home}; mount -o remount,bind,ro {home}\n"
        f"{sys.executable} -m palr data remove beauty-starter && exit 9; true"
    )
    assert result.returncode == 0, result.stderr
    message = result.stderr.strip().splitlines()[-1]
    assert "readonly database" in message
    assert "set PALR_HOME to a folder that can be written" in message
    assert set(store.installed()) == {"beauty-starter"}


@pytest.mark.parametrize("lent", ["", "true"])
def test_the_warm_up_asks_no_model_whose_gpu_is_lent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, lent: str
) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", lent)
    asked: list[str] = []

    def reply(prompt: str) -> str:
        asked.append(prompt)
        return "Hello"

    warming = Runtime(settings.model_copy(update={"llm_backend": "scripted"}))
    warming._llm = ScriptedLLM(reply)
    warming.warm_up().join()
    assert bool(asked) == (not lent)
    assert warming.llm_status.state == "ready"


def test_a_warm_up_that_breaks_off_lets_nobody_wait(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks() -> LLM:
        raise ImportError("half a library")

    warming = Runtime(settings.model_copy(update={"llm_backend": "scripted"}))
    with monkeypatch.context() as patch:
        patch.setattr(warming, "_load", breaks)
        warming.warm_up().join()
    assert warming.llm_status.state == "failed"
    assert "half a library" in warming.llm_status.message
    assert warming.llm().name == "scripted"  # the next run loads it
    assert warming.llm_status.state == "ready"


def test_a_domain_does_not_wait_for_what_another_one_loads(
    copied: Settings, tmp_path: Path
) -> None:
    home = tmp_path / "home"  # whose sentence model is asked for, and does not load
    sentence_model = home / "models" / MINILM
    sentence_model.mkdir(parents=True)
    (sentence_model / "modules.json").write_text("[]")
    runtime = Runtime(copied.model_copy(update={"home": home}))
    ready = runtime.retriever("movies", "auto")
    found: list[Retriever] = []

    def load() -> None:
        with suppress(RetrieverUnavailableError):
            runtime.retriever("beauty", "semantic")

    with LOADING:  # the other's catalog cannot be embedded for now
        other = Thread(target=load, daemon=True)
        other.start()
        while not runtime._retriever_lock.locked():
            time.sleep(0.01)
        mine = Thread(target=lambda: found.append(runtime.retriever("movies", "auto")), daemon=True)
        mine.start()
        mine.join(timeout=30)
        assert other.is_alive()
        assert found == [ready]
    other.join()


# A visitor's own item needs the sentence model while the warm-up loads the language model.
IMPORTS = """
import threading, time
from pathlib import Path
from palr.errors import PalrError
from palr.llm.transformers import TransformersLLM
from palr.retrieval.semantic import embed
from palr.settings import MINILM, Settings

broken = []

def at(seconds, work):
    time.sleep(seconds)
    try:
        work()
    except PalrError:
        pass  # there is no such model
    except Exception as error:
        broken.append(error)

nowhere = Path("nowhere").absolute()
works = [(0, lambda: embed(["x"], nowhere))]
works += [(n / 4, lambda: TransformersLLM.load(Settings(llm=str(nowhere)))) for n in range(12)]
threads = [threading.Thread(target=at, args=work) for work in works]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not broken, broken
"""


def test_two_threads_may_need_the_large_libraries_at_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
