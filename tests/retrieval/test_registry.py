import shutil
import subprocess
import sys

import pytest

from palr.errors import RetrieverUnavailableError
from palr.retrieval import RETRIEVERS, Entry, available, load_retriever
from palr.settings import Settings


def test_importing_the_package_loads_no_model_library():
    code = (
        "import sys, palr.retrieval; "
        "print({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_available_lists_what_can_be_loaded(
    small_catalog, bare_catalog, small_settings, fresh_settings, tmp_path
):
    assert available(small_catalog, small_settings) == list(RETRIEVERS)
    assert available(small_catalog, fresh_settings) == ["ease", "itemknn", "semantic", "popularity"]
    assert available(bare_catalog, fresh_settings) == ["semantic"]
    assert available(bare_catalog, Settings(home=tmp_path / "empty")) == []


def test_auto_takes_the_best_that_loads(
    small_catalog, bare_catalog, small_settings, fresh_settings
):
    assert load_retriever("auto", small_catalog, small_settings).name == "sasrec"
    assert load_retriever("auto", small_catalog, fresh_settings).name == "semantic"
    assert load_retriever("auto", bare_catalog, small_settings).name == "semantic"


def test_auto_passes_over_broken_weights_and_says_so(small_catalog, fresh_settings, home, caplog):
    folder = fresh_settings.home / "weights" / "small"
    shutil.copytree(home / "weights" / "small", folder)
    (folder / "sasrec.safetensors").write_bytes(b"broken")
    assert load_retriever("auto", small_catalog, fresh_settings).name == "semantic"
    assert "sasrec.safetensors is damaged" in caplog.text


def test_auto_says_what_each_of_them_lacks(bare_catalog, tmp_path):
    with pytest.raises(RetrieverUnavailableError, match=r"train-retriever sasrec.*palr setup"):
        load_retriever("auto", bare_catalog, Settings(home=tmp_path))


@pytest.mark.parametrize("name", RETRIEVERS)
def test_what_is_not_available_says_why_when_loaded(name, bare_catalog, tmp_path):
    if RETRIEVERS[name].missing(bare_catalog, Settings(home=tmp_path)) is None:
        pytest.skip("it needs neither interactions nor a model")
    with pytest.raises(RetrieverUnavailableError) as raised:
        load_retriever(name, bare_catalog, Settings(home=tmp_path))
    assert str(raised.value) == RETRIEVERS[name].missing(bare_catalog, Settings(home=tmp_path))


def test_an_unknown_name_lists_the_known(small_catalog, small_settings):
    with pytest.raises(RetrieverUnavailableError, match=r"auto, .*sasrec, .*semantic"):
        load_retriever("sasrek", small_catalog, small_settings)


def test_an_entry_must_say_what_it_learns_from():
    semantic = RETRIEVERS["semantic"]
    parts = {"label": "Mine", "meaning": "mine", "load": semantic.load, "missing": semantic.missing}
    with pytest.raises(TypeError, match="learns"):
        Entry(**parts)
    assert Entry(**parts, learns=semantic.learns).learns == semantic.learns
