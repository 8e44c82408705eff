"""Fixtures for every test: a clean environment, and a home that a real first start has prepared."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Set before any library reads them: tests never reach a model hub.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest

from palr.app.setup import ensure
from palr.settings import PREFIX, Settings

from .load.app import RunningApp

if TYPE_CHECKING:
    from palr.llm.transformers import TransformersLLM

_GIVEN_HOME = os.environ.get("PALR_HOME")
_GIVEN_DATA = os.environ.get("PALR_DATA")
for _name in [name for name in os.environ if name.startswith(PREFIX)]:
    del os.environ[_name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser comes last: once started, its event loop runs in this thread to the end."""
    items.sort(key=lambda item: "e2e" in item.path.parts)


@pytest.fixture(scope="session")
def palr_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``PALR_HOME`` where it was given, else a new one; either way `ensure` has run over it."""
    home = Path(_GIVEN_HOME) if _GIVEN_HOME else tmp_path_factory.mktemp("palr-home")
    ensure(Settings(home=home))
    return home


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
