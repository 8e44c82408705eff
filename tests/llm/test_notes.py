"""``palr.json`` of an adapter, as editors and other programs leave it."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palr.errors import LLMError
from palr.llm.adapters import Adapter, read_adapter, trained_for

from ..mutations import ENCODINGS, damaged, mistyped

NOTE = {
    "modes": ["labels", "titles"],
    "domain": "movies",
    "base_model": "Größe/model",
    "dataset": "ml-100k",
    "prior": 0.5,
    "spread": 1,
    "behind": {"semantic": {"prior": 4.0, "spread": 0.0}},
}


def written(folder: Path, content: bytes) -> Adapter:
    (folder / "palr.json").write_bytes(content)
    return read_adapter(folder)


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name != "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_note_is_read_in_every_encoding(tmp_path: Path, encoding: str, end: str) -> None:
    text = json.dumps(NOTE, indent=2, ensure_ascii=False).replace("\n", end)
    adapter = written(tmp_path, text.encode(encoding))
    assert adapter.base_model == "Größe/model"
    assert adapter.modes == ("labels", "titles")
    assert trained_for(str(tmp_path), tmp_path).weights("semantic") == (4.0, 0.0)


@pytest.mark.parametrize(
    "content",
    [
        b"\x81\x8d",
        b"\xff\xfea",
        b"[" * 100_000,
        b'{"modes": ["labels"], "prior": 1' + b"0" * 400 + b"}",
        b'{"modes": ["labels"], "prior": 1e999}',
    ],
    ids=lambda content: str(content[:20]),
)
def test_a_note_that_is_none_names_its_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(LLMError, match=r"palr\.json is missing or damaged"):
        written(tmp_path, content)
    with pytest.raises(LLMError, match=r"palr\.json of the adapter .* or remove the file"):
        trained_for(str(tmp_path), tmp_path)


@pytest.mark.parametrize("n", [60, pytest.param(2000, marks=pytest.mark.long)])
def test_a_damaged_note_is_read_or_refused(n: int, tmp_path: Path) -> None:
    valid = json.dumps(NOTE)

    @settings(max_examples=n, deadline=None, derandomize=True, database=None)
    @given(damaged(valid.encode()) | mistyped(valid).map(str.encode), st.booleans())
    def run(content: bytes, configured: bool) -> None:
        (tmp_path / "palr.json").write_bytes(content)
        with contextlib.suppress(LLMError):
            readers = (lambda: trained_for(str(tmp_path), tmp_path), lambda: read_adapter(tmp_path))
            adapter = readers[configured]()
            assert all(isinstance(mode, str) for mode in adapter.modes)
            assert all(weight >= 0 for weight in adapter.weights("semantic"))

    run()
