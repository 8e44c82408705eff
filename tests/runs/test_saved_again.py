"""Saved traces as other programs leave them: encodings of Windows, cut and changed files."""

import contextlib
import json

import pytest
from hypothesis import given, settings

from palr.catalog.catalog import Catalog
from palr.domains import MOVIES
from palr.errors import PalrError
from palr.runs.files import Origin, SavedTrace, read_trace, resolved
from palr.runs.report import markdown
from palr.types import (
    Asked,
    Candidate,
    Item,
    Keyword,
    Profile,
    RankedItem,
    Ranking,
    Recommendation,
    Wish,
)

from ..mutations import ENCODINGS, damaged, mistyped

FILMS = tuple(Item(str(n), title) for n, title in enumerate(("Élan vital", "Zwölf Möwen", "Kite")))
CATALOG = Catalog("ml-100k", MOVIES, FILMS)
SAVED = SavedTrace(
    Origin("1.0", CATALOG.fingerprint),
    Recommendation(
        "movies",
        "ml-100k",
        FILMS[:1],
        FILMS[:1],
        Profile((Keyword("drama", ("0",)),), "I like déjà-vu."),
        candidates=(Candidate(FILMS[1], 1, 0.5), Candidate(FILMS[2], 2, 0.25)),
        ranking=Ranking((RankedItem(FILMS[2], 1, 2),)),
        asked=Asked(wish=Wish(words="für morgen")),
    ),
)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_trace_is_read_in_every_encoding(encoding: str, end: str) -> None:
    text = SAVED.to_json().replace("\n", end)
    assert read_trace(text.encode(encoding)) == SAVED


def test_a_mark_before_a_text_is_no_part_of_it() -> None:
    assert read_trace("\ufeff" + SAVED.to_json()) == SAVED


@pytest.mark.parametrize("content", [b"\x81\x8d", b"\xff\xfea", b"\xef\xbb\xbf\xe9", b"\0\0"])
def test_what_is_no_text_is_no_trace(content: bytes) -> None:
    with pytest.raises(PalrError, match="the file is no trace: it is not JSON"):
        read_trace(content)


@pytest.mark.parametrize("n", [60, pytest.param(2000, marks=pytest.mark.long)])
def test_a_damaged_trace_is_read_or_refused(n: int) -> None:
    valid = json.dumps(SAVED.to_dict(), ensure_ascii=False)

    @settings(max_examples=n, deadline=None, derandomize=True, database=None)
    @given(damaged(valid.encode()) | mistyped(valid).map(str.encode))
    def run(content: bytes) -> None:
        with contextlib.suppress(PalrError):
            saved = read_trace(content)
            trace, _ = resolved(saved, CATALOG)
            assert set(trace.picks) <= set(CATALOG.items)
            assert {c.item for c in trace.candidates or ()} <= set(CATALOG.items)
            markdown(saved).encode()
            read_trace(saved.to_json())

    run()
