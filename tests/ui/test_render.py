"""What visitors see of a trace, without a browser."""

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
)
from palr.ui import hood, render
from palr.ui.render import View

HOSTILE = '<script>alert("x")</script> & "quoted", ${alert(1)} {{value}} 😀'
EVIL = Item("evil", HOSTILE, year=1999, keywords=("<b>bold</b>", "Drama"))
TOY_STORY = Item("1", "Toy Story", year=1995, keywords=("Animation",))
LACQUER = Item("PB1", "Nail Lacquer", brand="OPI", size="0.5 fl oz")
PROMPT = Prompt(
    (Segment("history", f"User watched {HOSTILE}. "), Segment("instruction", "Recommend 10.")),
    cuts=("cut <i>one</i>",),
    rendered=f"<|user|>User watched {HOSTILE}. Recommend 10.<|end|>",
    tokens=1234,
)


def full_trace() -> Recommendation:
    candidates = tuple(
        Candidate(replace(EVIL, id=str(n), title=f"{HOSTILE} {n}"), n, 1 / n) for n in range(1, 51)
    )
    ranked = tuple(
        RankedItem(candidates[from_rank - 1].item, rank, from_rank)
        for rank, from_rank in ((1, 14), (2, 2), (3, 1))
    )
    return Recommendation(
        domain="movies",
        dataset="ml-100k",
        picks=(TOY_STORY, EVIL),
        history=(TOY_STORY, EVIL),
        profile=Profile(
            (Keyword("<u>Drama</u>", ("evil", "1", "gone")),), HOSTILE, PROMPT, HOSTILE, (HOSTILE,)
        ),
        retriever="sasrec",
        candidates=candidates,
        llm=HOSTILE,
        prompt=PROMPT,
        ranking=Ranking(ranked, HOSTILE, (HOSTILE,), 42),
        seconds={"history": 0.0, "profile": 1.25, "candidates": 0.04, "ranking": 3.0, "total": 4.3},
        notes=(HOSTILE,),
    )


def pieces(view: View) -> dict[str, str]:
    return {
        "profile": render.profile_stage(view),
        "candidates": render.candidates_stage(view),
        "ranking": render.ranking_stage(view),
        "hood": hood.under_the_hood(view),
        "notice": render.notice(HOSTILE),
        "status": render.status("failed", HOSTILE, HOSTILE, True),
        "announcement": render.announcement(view),
    }


def words(html: str) -> str:
    """The text of HTML, tags dropped."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


@pytest.mark.parametrize("piece", ["profile", "candidates", "ranking", "hood", "notice", "status"])
def test_hostile_text_is_shown_but_inert(piece: str) -> None:
    html = pieces(View(full_trace(), "done"))[piece]
    for tag in ("<script", "<b>", "<u>", "<i>", "<|"):
        assert tag not in html
    assert 'alert("x")' in words(html) or "alert(&quot;" in html


def test_title_sets_the_year_apart_and_keeps_the_label() -> None:
    assert words(render.title(TOY_STORY)) == TOY_STORY.label
    assert words(render.title(EVIL)) == EVIL.label
    assert render.title(LACQUER) == "OPI Nail Lacquer, 0.5 fl oz"


@pytest.mark.parametrize(
    ("rank", "retriever_rank", "expected"),
    [
        (2, 14, ("up", "up 12 from 14")),
        (5, 2, ("down", "down 3 from 2")),
        (7, 7, ("same", "same place")),
    ],
)
def test_movement(rank: int, retriever_rank: int, expected: tuple[str, str]) -> None:
    assert render.movement(RankedItem(TOY_STORY, rank, retriever_rank)) == expected


def test_stages_fill_in_as_they_finish() -> None:
    done = full_trace()
    states = []
    for finished in ((), ("profile",), ("profile", "candidates")):
        seconds = {name: done.seconds[name] for name in finished}
        view = View(replace(done, seconds=seconds), "running")
        states.append([render.stage_state(view, stage) for stage in render.STAGES])
    assert states == [
        ["running", "waiting", "waiting"],
        ["done", "running", "waiting"],
        ["done", "done", "running"],
    ]
    assert [render.stage_state(View(done, "done"), s) for s in render.STAGES] == ["done"] * 3
    assert [render.stage_state(View(), s) for s in render.STAGES] == ["idle"] * 3


def test_a_cancelled_run_keeps_what_was_finished() -> None:
    view = View(replace(full_trace(), seconds={"profile": 1.25}), "cancelled")
    assert "1.2 s" in words(render.profile_stage(view))
    assert "Cancelled" in words(render.ranking_stage(view))
    assert 'aria-busy="true"' not in "".join(pieces(view).values())


def test_a_waiting_run_says_what_it_waits_for() -> None:
    view = View(None, "waiting", "The language model is warming up")
    assert "The language model is warming up" in render.profile_stage(view)
    assert "Waiting" in words(render.candidates_stage(view))


def test_a_keyword_names_the_picks_that_support_it() -> None:
    html = render.profile_stage(View(full_trace(), "done"))
    assert "from" in words(html)
    assert TOY_STORY.label in words(html)
    assert "gone" not in words(html)


def test_long_support_can_be_opened() -> None:
    picks = tuple(Item(str(n), f"Film {n}", keywords=("Drama",)) for n in range(6))
    keyword = Keyword("Drama", tuple(item.id for item in picks))
    trace = replace(full_trace(), picks=picks, history=picks, profile=Profile((keyword,), "Drama."))
    html = render.profile_stage(View(trace, "done"))
    assert "and 3 more" in words(html)
    assert all(item.label in words(html) for item in picks)


def test_candidates_past_the_tenth_are_folded_and_the_retriever_is_named() -> None:
    html = render.candidates_stage(View(full_trace(), "done"))
    assert html.count("<tr") == 51
    assert html.count('class="extra"') == 40
    assert "Show all 50" in html
    assert "50 found by SASRec" in words(html)


def test_zero_shot_is_said_plainly_and_only_where_it_is_true() -> None:
    trace = full_trace()
    said = words(render.ranking_stage(View(trace, "done")))
    assert "Zero-shot: ranked without a fine-tuned adapter." in said
    tuned = replace(trace, adapter="palr-v2")
    said = words(render.ranking_stage(View(tuned, "done")))
    assert "Zero-shot" not in said
    assert "Fine-tuned: ranked with the adapter palr-v2." in said


def test_the_retrievers_say_in_the_ranking_is_told() -> None:
    trace = replace(full_trace(), adapter="palr-v2", prior=1.8)
    said = words(render.ranking_stage(View(trace, "done")))
    assert "palr-v2, on top of the retriever's scores." in said
    mixed = replace(trace, asked=Asked(ranker="mix"))
    assert "mixed evenly with the retriever." in words(render.ranking_stage(View(mixed, "done")))
    alone = replace(trace, adapter=None, asked=Asked(ranker="retriever"))
    assert "without a language model" in words(render.ranking_stage(View(alone, "done")))


def test_a_catalog_without_purchases_says_so() -> None:
    assert "no purchase data" in render.status("ready", "model", "beauty-starter", False)
    assert "no purchase data" not in render.status("ready", "model", "ml-100k", True)


def test_stale_names_what_changed() -> None:
    assert render.stale([]) == ""
    assert "Picks changed</strong>; press Recommend." in render.stale(["picks"])
    assert "Picks and retriever changed" in words(render.stale(["picks", "retriever"]))


def test_the_prompt_is_shown_exactly_as_sent() -> None:
    html = hood.prompt_html(PROMPT)
    assert unescape(re.sub(r"</?(?:span|pre)[^>]*>", "", html)) == PROMPT.rendered
    assert html.count("part-frame") == 2
    assert html.count("part-history") == html.count("part-instruction") == 1


def test_a_prompt_that_the_template_rewrote_is_shown_both_ways() -> None:
    html = hood.prompt_html(replace(PROMPT, rendered="rewritten"))
    assert "As the model received it" in html
    assert "rewritten" in html


def test_the_hood_shows_counts_cuts_and_a_trace_that_reads_back() -> None:
    trace = full_trace()
    html = hood.under_the_hood(View(trace, "done"))
    assert "1,234 tokens" in html
    assert "cut &lt;i&gt;one&lt;/i&gt;" in html
    shown = re.search(r'<pre id="trace-json"[^>]*>(.*?)</pre>', html, re.DOTALL)
    assert shown
    assert json.loads(unescape(shown.group(1))) == json.loads(trace.to_json())


def test_announcements_change_only_when_a_stage_ends() -> None:
    trace = full_trace()
    running = replace(trace, seconds={"history": 0.0, "profile": 1.0})
    assert render.announcement(View(running, "running")) == "Profile ready."
    assert render.announcement(View(trace, "done")) == "3 recommendations are ready."
    assert render.announcement(View(trace, "cancelled")) == "The run was cancelled."


def test_a_fallback_is_marked_and_explained() -> None:
    trace = replace(full_trace(), fallback="the <model> is gone", profile=Profile(), run_id="abc12")
    view = View(trace, "done")
    ranking = render.ranking_stage(view)
    assert "<strong>Fallback:</strong>" in ranking
    assert "the &lt;model&gt; is gone" in ranking
    assert "Zero-shot" not in ranking
    assert "wrote no profile" in render.profile_stage(view)
    assert "in the retriever&#x27;s order" in render.escape(render.announcement(view))
    assert "abc12" in hood.under_the_hood(view)


def test_a_profile_that_the_model_did_not_write_is_told_from_one_that_was_cleared() -> None:
    asked = Profile(prompt=Prompt(()), repairs=("the model wrote no profile",))
    unwritten = replace(full_trace(), profile=asked)
    cleared = replace(unwritten, asked=Asked(edits=Edits(profile="")))
    assert "wrote no profile" in render.profile_stage(View(unwritten, "done"))
    for trace in (full_trace(), cleared, replace(unwritten, profile=Profile())):
        assert "wrote no profile" not in render.profile_stage(View(trace, "done"))
