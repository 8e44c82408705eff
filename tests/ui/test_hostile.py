"""A hundred hostile titles through every renderer, read back by an HTML parser."""

import html.parser
import json
import re
from dataclasses import replace
from html import unescape

import pytest

from palr.types import (
    Asked,
    Candidate,
    Edits,
    Item,
    Keyword,
    Profile,
    Prompt,
    RankedItem,
    Ranking,
    Recommendation,
    Segment,
    Shift,
    Wish,
)
from palr.ui import hood, render
from palr.ui.picker import _brief
from palr.ui.render import View
from palr.ui.text import escape

from ..hostile import TITLES

VOID = {"br", "hr", "img", "input", "link", "meta", "base"}


class Outline(html.parser.HTMLParser):
    """The elements and attributes of a piece of HTML, without its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, *(name for name, _ in attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment


def pages(text: str) -> list[str]:
    """Everything that is shown of a run in which every text of strangers is ``text``."""
    item = Item("1", text, brand=text, size=text, keywords=(text,))
    prompt = Prompt(
        (Segment("history", text), Segment("candidates", text)), (text,), f"a{text}b", 3
    )
    trace = Recommendation(
        domain="movies",
        dataset=text,
        picks=(item,),
        history=(item,),
        profile=Profile((Keyword(text, ("1",)),), text, prompt, text, (text,)),
        retriever=text,
        candidates=tuple(Candidate(replace(item, id=str(n)), n, 0.5) for n in range(1, 13)),
        llm=text,
        mode=text,
        prompt=prompt,
        ranking=Ranking((RankedItem(item, 1, 1),), text, (text,), 3),
        seconds={"profile": 1.0, "candidates": 1.0, "ranking": 1.0},
        notes=(text,),
        run_id=text,
        fallback=text,
        asked=Asked(
            wish=Wish(more=(text,), liked=("1",)), edits=Edits(profile=text, keywords=(text,))
        ),
        wish=Wish(more=(text, f"{text} more"), less=(f"{text} less",)),
        shifts=(Shift("more", text, 0.1, 0.2, 1.0), Shift("disliked", text, 0.2, 0.1, -1.0)),
    )
    view = View(trace, "done", text)
    changed = replace(view, before=trace, undoable=True)
    under_way = View(replace(trace, ranking=None, seconds={}), "running", text, trace, True)
    return [
        render.profile_stage(view),
        render.candidates_stage(view),
        render.ranking_stage(view),
        render.profile_stage(View(None, "waiting", text)),
        hood.under_the_hood(view),
        render.announcement(view),
        render.notice(text, "error"),
        render.stale([text]),
        render.status(text, text, text, True),
        *(render.profile_stage(changed), render.candidates_stage(changed)),
        *(render.ranking_stage(changed), render.ranking_stage(under_way)),
    ]


PLAIN = [Outline(page).elements for page in pages("Plain")]


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title[:30]))
def test_a_title_is_text_and_never_markup(title: str) -> None:
    for page, plain in zip(pages(title), PLAIN, strict=True):
        outline = Outline(page)
        assert outline.elements == plain
        assert outline.open == []
        assert not re.search(
            "[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\x00-\x08\x0b-\x1f]", page
        )


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title[:30]))
def test_the_shown_trace_is_the_trace(title: str) -> None:
    shown = re.search(r'<pre id="trace-json"[^>]*>(.*?)</pre>', pages(title)[4], re.DOTALL)
    assert shown
    assert json.loads(unescape(shown[1]))["picks"][0]["title"] == title


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title[:30]))
def test_the_picker_gets_no_control_characters(title: str) -> None:
    (brief,) = _brief([Item("1", title, keywords=(title,))])
    assert escape(brief["label"]) == escape(title)
    assert not re.search(
        "[\u202a-\u202e\u2066-\u2069\x00-\x08]", json.dumps(brief, ensure_ascii=False)
    )
