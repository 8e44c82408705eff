"""Fixtures for every test: a clean environment, and a home that a real first start has prepared."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Set before any library reads them: tests never reach a model hub, and workers share the cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
if _workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    _threads = max(len(os.sched_getaffinity(0)) // _workers, 1)
    os.environ.setdefault("OMP_NUM_THREADS", str(_threads))

import pytest
from filelock import FileLock

from palr.app.runtime import Runtime
from palr.app.setup import ensure
from palr.settings import PREFIX, Settings

from .load.app import RunningApp

if TYPE_CHECKING:
    from palr.llm.transformers import TransformersLLM

_GIVEN_HOME = os.environ.get("PALR_HOME")
_GIVEN_DATA = os.environ.get("PALR_DATA")


def pytest_configure(config: pytest.Config) -> None:
    """Take the settings of whoever runs the tests away, but for pytest-xdist's controller, which
    runs none and hands its environment to the workers."""
    if not config.getoption("numprocesses", None):
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            del os.environ[name]


# What takes seconds to make, processes and trained models: the tests that share one run on one
# worker. The longest come first, so that the short tests of single files fill the workers' ends;
# `small_settings` needs no prepared home, which the first worker has yet to make.
_SHARED = ("live_app", "small_settings", "app_url", "hostile_app", "server_url")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell pytest-xdist what runs on one worker: the tests that share something, else of a file."""
    places = {}
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        given = item.get_closest_marker("xdist_group")
        group = next((name for name in _SHARED if name in fixtures), item.path.stem)
        group = given.args[0] if given else group
        if not given:
            item.add_marker(pytest.mark.xdist_group(group))
        places[item] = _SHARED.index(group) if group in _SHARED else len(_SHARED)
    items.sort(key=places.__getitem__)


@pytest.fixture(scope="session")
def palr_home(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """``PALR_HOME`` where it was given, else a new one for all workers; prepared either way, with
    the catalogs embedded, by one worker at a time."""
    folder = tmp_path_factory.getbasetemp()
    home = (folder if worker_id == "master" else folder.parent) / "palr-home"
    settings = Settings(home=Path(_GIVEN_HOME) if _GIVEN_HOME else home)
    with FileLock(folder.parent / "palr-home.lock"):
        ensure(settings)
        Runtime(settings).embed_catalogs()
    return settings.home


@pytest.fixture(scope="session")
def settings(palr_home: Path) -> Settings:
    """The default settings over the prepared home."""
    return Settings(home=palr_home)


@pytest.fixture(scope="session")
def live_app(palr_home: Path) -> Iterator[RunningApp]:
    """The real app with a model that follows a script, so that a run takes a moment."""
    with RunningApp(palr_home, PALR_LLM_BACKEND="scripted", PALR_RATE="0") as app:
        yield app
    assert "Traceback" not in app.last_words


@pytest.fixture(scope="session")
def official_data() -> Path:
    """The folder of the official data sets: ``PALR_DATA``, or ``shared/data`` beside the clone."""
    folder = Path(_GIVEN_DATA) if _GIVEN_DATA else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "ml-1m.zip").is_file():
        pytest.skip("the official data sets are not here; set PALR_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny_llama(palr_home: Path) -> "TransformersLLM":
    """A LLaMA with random weights behind the embedded model's real tokenizer: quick, and as
    arbitrary in its choices as a model can be."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from palr.llm.transformers import TransformersLLM

    tokenizer = AutoTokenizer.from_pretrained(palr_home / "models" / "smollm2-135m")
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=8192,
        initializer_range=0.5,
    )
    return TransformersLLM(LlamaForCausalLM(config).eval(), tokenizer, "tiny-llama")


@pytest.fixture(scope="session")
def smollm2(settings: Settings) -> "TransformersLLM":
    """The embedded model in float32."""
    from palr.llm.transformers import TransformersLLM

    return TransformersLLM.load(settings.model_copy(update={"dtype": "float32"}))
