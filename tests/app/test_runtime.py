"""What is ready once the app has warmed up."""

import time

import pytest

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
