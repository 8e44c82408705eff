"""Saved traces: read back with suspicion, made plain in a report, run again."""

import json
from dataclasses import replace

import pytest

from palr.app.runtime import Runtime
from palr.llm.scripted import ScriptedLLM
from palr.recommender import Recommender
from palr.runs.files import (
    MAX_BYTES,
    STAGES,
    Difference,
    Origin,
    SavedTrace,
    TraceError,
    changed_origin,
    differences,
    read_trace,
    replay,
    resolved,
)
from palr.runs.report import markdown
from palr.types import (
    Asked,
    Candidate,
    Edits,
    Item,
    Keyword,
    Profile,
    RankedItem,
    Ranking,
    Recommendation,
    Shift,
    Wish,
)

from ..hostile import TITLES


@pytest.fixture(scope="module")
def runtime(settings):
    return Runtime(settings.model_copy(update={"llm_backend": "scripted"}))


@pytest.fixture(scope="module")
def saved(runtime):
    catalog = runtime.catalog("movies")
    picks = catalog.persona_picks(catalog.domain.personas[0])
    trace = runtime.recommender("movies").recommend(picks, Asked(n_candidates=12, k=3))
    return SavedTrace(runtime.origin("movies"), trace)


def edited(saved, **changes):
    """The file with some of its values replaced, by dotted path."""
    content = json.loads(saved.to_json())
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = content
        for name in parents:
            place = place[int(name) if name.isdigit() else name]
        place[last] = value
    return json.dumps(content)


def test_a_saved_trace_is_read_back_as_it_was(saved):
    assert read_trace(saved.to_json()) == saved
    assert read_trace(saved.to_json(indent=None).encode()) == saved


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "does not begin with"),
        ('{"format": "har"}', "does not begin with"),
        ('{"format": "palr-trace"}', "has version null of the format"),
        ('{"format": "palr-trace", "version": true}', "has version true"),
        ('{"format": "palr-trace", "version": 1}', "damaged at origin"),
        (" " * (MAX_BYTES + 1), f"a trace may have {MAX_BYTES:,}"),
    ],
)
def test_what_is_no_trace_is_refused_with_the_reason(text, why):
    with pytest.raises(TraceError, match=why):
        read_trace(text)


def test_a_trace_of_another_version_is_refused_and_names_its_app(saved):
    with pytest.raises(TraceError, match=r"version 2 .* reads version 1. PALR Studio 9.9 wrote it"):
        read_trace(edited(saved, version=2, origin__palr="9.9"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"trace__picks": "1"}, "damaged at trace.picks"),
        ({"trace__picks": [{"id": "1"}]}, "damaged at trace.picks.0.title"),
        ({"trace__domain": "books"}, "domain 'books'"),
        ({"trace__mode": "magic"}, "ranks by 'magic'"),
        ({"trace__asked__k": 0}, "candidates"),
        ({"trace__asked__n_candidates": 10**6}, "candidates"),
        ({"trace__run_id": "\ud800"}, "damaged|not JSON"),
    ],
)
def test_damage_is_named(saved, change, why):
    with pytest.raises(TraceError, match=why):
        read_trace(edited(saved, **change))


def test_what_an_item_is_the_catalog_says_and_not_the_file(saved, runtime):
    catalog = runtime.catalog("movies")
    text = edited(
        saved,
        trace__picks__0__title="<script>",
        trace__candidates__0__item__title="Forged",
        trace__candidates__1__item__id="no-such-id",
        trace__candidates__2__rank=-7,
        trace__ranking__items__0__retriever_rank=99,
    )
    trace, unknown = resolved(read_trace(text), catalog)
    assert trace.picks == saved.trace.picks
    assert unknown == ("no-such-id",)
    kept = [c.item for n, c in enumerate(saved.trace.candidates) if n != 1]
    assert [c.item for c in trace.candidates] == kept
    assert [c.rank for c in trace.candidates] == list(range(1, 12))
    # The script ranks the last candidate first: of the eleven that are left, the eleventh.
    assert trace.ranking.items[0].retriever_rank == 11


def test_a_trace_of_another_data_set_is_refused(saved, runtime):
    other = read_trace(edited(saved, trace__dataset="ml-latest-small"))
    for use in (
        lambda: resolved(other, runtime.catalog("movies")),
        lambda: replay(other, runtime.recommender("movies")),
    ):
        with pytest.raises(TraceError, match="was made with MovieLens"):
            use()


def test_a_replay_of_unknown_picks_names_them(saved, runtime):
    trace = read_trace(edited(saved, trace__picks__0__id="nobody"))
    with pytest.raises(TraceError, match="lacks picks of the trace: nobody"):
        replay(trace, runtime.recommender("movies"))


def test_a_replay_gives_the_same_again(saved, runtime):
    again = replay(saved, runtime.recommender("movies"))
    assert differences(saved.trace, again) == []
    assert again.asked == replace(saved.trace.asked, mode=saved.trace.mode)
    assert again.run_id != saved.trace.run_id


def test_words_alone_and_steering_come_back(runtime):
    recommender, catalog = runtime.recommender("movies"), runtime.catalog("movies")
    picks = catalog.persona_picks(catalog.domain.personas[2])
    liked = (catalog.find("Unforgiven (1992)").id,)
    for given, wish, weight in (
        ([], Wish(words="funny cartoons from the nineties"), 0.4),
        (picks, Wish(less=("drama",), liked=liked, words="no war", strength=0.8), 0.4),
    ):
        asked = Asked(wish=wish, profile_weight=weight, mode="relevance")
        trace = recommender.recommend(given, asked)
        steered = {c.item.id: c.steer for c in trace.candidates}
        assert len({round(steer, 3) for steer in steered.values()}) > 1
        read = read_trace(SavedTrace(runtime.origin("movies"), trace).to_json())
        known, unknown = resolved(read, catalog)
        assert (known.candidates, unknown) == (trace.candidates, ())
        again = replay(read, recommender)
        assert differences(known, again) == []
        assert again.candidates == trace.candidates
        assert again.ranking == trace.ranking
        assert (again.wish, again.shifts) == (trace.wish, trace.shifts)


def test_neither_picks_nor_a_wish_is_no_run(saved, runtime):
    empty = read_trace(edited(saved, trace__picks=[], trace__history=[]))
    with pytest.raises(TraceError, match="neither picks nor a wish"):
        resolved(empty, runtime.catalog("movies"))


def test_a_wish_that_was_read_otherwise_is_a_difference():
    run = Recommendation("movies", "ml-100k", (), candidates=(), wish=Wish(more=("war",)))
    other = replace(run, wish=Wish(less=("war",), years=(1990, 1999)))
    assert differences(run, other) == [
        Difference("wish", "from character 1: 'More: war', now 'Less: war; Years: 1990 to 1999'")
    ]


def test_a_replay_with_another_model_says_what_differs(saved, runtime):
    recommender = Recommender(
        runtime.catalog("movies"),
        lambda name: runtime.retriever("movies", name),
        lambda: ScriptedLLM("nothing that fits"),
    )
    again = replay(saved, recommender)
    found = {difference.stage for difference in differences(saved.trace, again)}
    assert "ranking" in found
    assert "candidates" not in found
    assert found <= set(STAGES)


def test_differences_name_the_place_and_both_items():
    a, b, c = Item("1", "A"), Item("2", "B"), Item("3", "C")
    run = Recommendation("movies", "ml-100k", (a,), (a,), Profile(text="I like drama."))
    before = replace(run, candidates=(Candidate(b, 1, 0.5), Candidate(c, 2, 0.4)))
    after = replace(run, candidates=(Candidate(c, 1, 0.5),), profile=Profile(text="I like noir."))
    assert differences(before, after) == [
        Difference("profile", "from character 8: 'I like drama.', now 'I like noir.'"),
        Difference("candidates", "place 1: B, now C"),
        Difference("candidates", "place 2: C, now nothing"),
    ]
    assert differences(before, before) == []
    # A run that was cancelled after its profile is compared up to there.
    assert differences(run, replace(run, candidates=before.candidates)) == []
    one, two = Origin("1", "abc", "float32 on cpu"), Origin("1", "abc", "bfloat16 on cpu")
    assert changed_origin(SavedTrace(one, run), SavedTrace(two, run)) == [
        "arithmetic: float32 on cpu, now bfloat16 on cpu"
    ]


def test_the_report_shows_every_stage(saved):
    text = markdown(saved)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings[1:] == [
        "## Picks, oldest first",
        "## Profile",
        "## Candidates",
        "## Recommendations",
        "## Profile prompt",
        "## Ranking prompt",
    ]
    first = saved.trace.ranking.items[0]
    assert f"| {first.item.id} | 12 | up 11 |" in text
    assert saved.trace.prompt.rendered.strip() in text


def test_the_report_says_what_an_adapter_adds(saved):
    assert "on top of" not in markdown(saved)
    worn = replace(saved.trace, prior=0.63, spread=0.0)
    assert "on top of 0.63 times the retriever's scores" in markdown(replace(saved, trace=worn))
    spread = replace(saved.trace, prior=0.63, spread=0.51)
    assert (
        "on top of 0.63 times the retriever's scores, the model's brought to a spread of 0.51"
        in markdown(replace(saved, trace=spread))
    )


def test_the_report_makes_hostile_text_plain():
    items = [Item(str(n), title, keywords=(title,)) for n, title in enumerate(TITLES)]
    for item in items:
        trace = Recommendation(
            "movies",
            "ml-100k",
            (item,),
            (item,),
            Profile((Keyword(item.title, (item.id,)),), item.title),
            candidates=(Candidate(item, 1, 0.5),),
            ranking=Ranking((RankedItem(item, 1, 1),)),
            llm=item.title,
            notes=(item.title,),
            asked=Asked(wish=Wish(words=item.title), edits=Edits(item.title, (item.title,))),
            wish=Wish(more=(item.title,), liked=(item.title,)),
            shifts=(Shift("more", item.title, 0.1, 0.2, 0.8), Shift(item.title, "x", 0, 0, 0)),
        )
        lines = markdown(SavedTrace(Origin("1", "abc"), trace)).splitlines()
        for line in lines:
            if line.startswith("|"):
                bare = line.replace("\\\\", "").replace("\\|", "")
                assert bare.count("|") in (3, 5, 6), line
            for mark in "<>`[*":
                assert mark not in line.replace("\\\\", "").replace(f"\\{mark}", ""), line
        headings = [line for line in lines if line.startswith("#")]
        assert len(headings) == 9, item.title
