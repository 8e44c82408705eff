"""What is ready once the app has warmed up."""

import shutil
import time

import pytest

from palr.app import runtime
from palr.app.runtime import Runtime
from palr.settings import Settings

FIRST_READING_S = 0.3  # without the warm-up it is some seconds


@pytest.fixture(scope="module")
def warm(settings: Settings) -> Runtime:
    runtime = Runtime(settings.model_copy(update={"llm_backend": "scripted"}))
    runtime.warm_up().join()
    return runtime


@pytest.mark.parametrize("domain", ["movies", "beauty"])
def test_the_first_words_are_read_at_once(warm: Runtime, domain: str) -> None:
    begin = time.process_time()  # of this process alone: the machine may have other work
    warm.read_wish(domain, "something with zeppelins")  # no table holds the word
    assert time.process_time() - begin < FIRST_READING_S


def test_keywords_are_embedded_before_anybody_asks_and_once(settings, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    for part in ("models", "catalog.db"):
        (home / part).symlink_to(settings.home / part)
    words = shutil.ignore_patterns("ml-100k-keywords-*")  # quick to make anew
    shutil.copytree(settings.home / "embeddings", home / "embeddings", ignore=words)
    own = settings.model_copy(update={"home": home})
    Runtime(own).embed_catalogs()
    (kept,) = (home / "embeddings").glob("ml-100k-keywords-*")
    written = kept.stat().st_mtime_ns

    asked = []
    embed = runtime.embed
    monkeypatch.setattr(runtime, "embed", lambda texts, *a: asked.append(texts) or embed(texts, *a))
    wish = "something with zeppelins"
    assert Runtime(own).read_wish("movies", wish) == Runtime(settings).read_wish("movies", wish)
    assert [list(texts) for texts in asked] == [["zeppelins"]] * 2
    assert kept.stat().st_mtime_ns == written
