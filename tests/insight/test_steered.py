"""Runs with a wish, and runs of words alone, asked once more: each measurement keeps the wish."""

from dataclasses import replace

import pytest

from palr.candidates import popular
from palr.insight.explain import explain
from palr.insight.influence import measure_influence
from palr.insight.rerun import Search, question, rankings, retriever_of
from palr.insight.stability import measure_stability
from palr.insight.whynot import why_not
from palr.llm.adapters import Adapter
from palr.llm.scripted import ScriptedLLM
from palr.ranking.mix import ScoreMix
from palr.recommender import Recommender
from palr.types import Edits, Wish

from .conftest import last

WISH = Wish(more=("western",), less=("drama",), strength=0.6)


def ranked(trace, job, llm):
    """The items of a job's ranking, made as the run's own was."""
    steps = rankings(trace, [job], llm, trace.asked.k)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value[0].items


@pytest.fixture
def llm():
    return ScriptedLLM()


@pytest.fixture
def picks(catalog):
    return list(catalog.items[:4])


@pytest.fixture
def steered(run, llm, picks):
    return run(llm, picks, mode="titles", wish=WISH, profile_weight=0.4)


@pytest.fixture
def words_alone(run, llm):
    return run(llm, [], mode="titles", wish=Wish(words="more western, no drama"))


@pytest.mark.parametrize("mode", ["titles", "labels", "relevance"])
@pytest.mark.parametrize(
    "asked",
    [
        {"wish": WISH, "profile_weight": 0.4},
        {"wish": WISH, "edits": Edits(profile="Only war films, please.")},
    ],
)
def test_a_run_is_asked_again_in_the_very_words(run, llm, picks, mode, asked):
    for given in (picks, []):
        trace = run(llm, given, mode=mode, **asked)
        job = question(trace, llm, trace.asked.k)
        assert job.prompt == trace.prompt
        assert ranked(trace, job, llm) == trace.ranking.items


def test_the_weights_of_the_runs_own_retriever_count(run, picks):
    """An adapter may weigh the scores of one retriever otherwise than those of the rest."""
    llm = ScriptedLLM()
    llm.adapter = Adapter(
        "mine", modes=("labels",), prior=0.5, by_retriever={"semantic": (4.0, 0.7)}
    )
    trace = run(llm, picks)
    assert (trace.retriever, trace.prior, trace.spread) == ("semantic", 4.0, 0.7)
    job = question(trace, llm, trace.asked.k)
    assert job.mix == ScoreMix(4.0, 0.7)
    assert ranked(trace, job, llm) == trace.ranking.items


def test_influence_is_measured_with_the_wish_in_the_prompt(steered, llm, retriever):
    found = last(measure_influence(steered, llm, retriever))
    assert len(found.llm) == len(found.retriever) == 4
    without = question(steered, llm, 10, history=steered.history[1:])
    assert "User asks for more western and less drama." in without.prompt.text


def test_words_alone_have_no_influence_and_say_so(words_alone, llm, catalog):
    found = last(measure_influence(words_alone, llm, popular(catalog)))
    assert (found.picks, found.llm, found.retriever) == ((), None, None)
    assert found.gaps == (
        "this run has no picks to leave out: it follows from what was asked for alone",
    )


def test_what_was_asked_for_explains_an_item(steered, words_alone, llm, catalog):
    for trace in (steered, words_alone):
        explained = last(explain(trace, catalog, llm))
        assert [line.item for line in explained] == [r.item for r in trace.ranking.items]
        assert any(line.asked for line in explained)
        for line in explained:
            assert line.asked == (("western",) if "western" in line.item.keywords else ())
    assert {(line.text, line.generated) for line in explained} == {("", False)}


def test_shuffles_keep_the_wish(run, catalog):
    def favourites(prompt):
        named = [f'"{item.label}"' for item in catalog.items]
        return ", ".join(name for name in named if name in prompt.split("candidates are")[-1])

    llm = ScriptedLLM(favourites)
    for picks, wish in ((list(catalog.items[:3]), WISH), ([], Wish(words="more western"))):
        trace = run(llm, picks, mode="titles", n_candidates=20, wish=wish)
        found = last(measure_stability(trace, llm, shuffles=3))
        assert {share for _, share in found.kept} == {1.0}


def test_a_rank_is_that_of_the_steered_search(steered, llm, retriever, picks):
    for candidate in steered.candidates[::5]:
        recommended = replace(steered, ranking=replace(steered.ranking, items=()))
        found = last(why_not(recommended, candidate.item, llm, retriever))
        assert (found.rank, found.candidate) == (candidate.rank, True)
        assert found.steer == pytest.approx(candidate.steer)
        named = [shift for shift in steered.shifts if shift.name in candidate.item.keywords]
        assert list(found.moved_by) == named


def test_a_lift_is_that_of_a_run_with_the_further_pick(run, llm, picks, retriever):
    trace = run(llm, picks, mode="titles", wish=WISH)
    order, _ = Search.of(trace, retriever).found(trace.history)
    wanted = order[25].item
    found = last(why_not(trace, wanted, llm, retriever))
    assert found.lifts
    for lift in found.lifts:
        again = run(llm, [*picks, lift.pick], mode="titles", wish=WISH, n_candidates=60)
        assert [c.rank for c in again.candidates if c.item == wanted] == [lift.rank]


@pytest.mark.parametrize("part", ["seen", "disliked", "years"])
def test_what_a_wish_rules_out_is_named(run, llm, picks, retriever, part):
    first = run(llm, picks).candidates[0].item
    wish = Wish(years=(1800, first.year - 1)) if part == "years" else Wish(**{part: (first.id,)})
    if part == "years":
        wish = replace(wish, years=(first.year + 1, 2200))
    trace = run(llm, picks, wish=wish, k=5)
    found = last(why_not(trace, first, llm, retriever))
    assert (found.ruled_out, found.own_rank, found.rank) == (part, 1, None)
    assert found.lifts == ()


def test_less_of_a_keyword_lowers_an_item(run, llm, picks, retriever):
    plain = run(llm, picks)
    wanted = plain.candidates[0].item
    trace = run(llm, picks, wish=Wish(less=wanted.keywords, strength=0.9))
    found = last(why_not(trace, wanted, llm, retriever))
    assert (found.ruled_out, found.own_rank) == ("", 1)
    assert found.rank > 16
    assert {(s.source, s.name) for s in found.moved_by} == {("less", k) for k in wanted.keywords}
    assert found.steer == pytest.approx(sum(shift.logit for shift in found.moved_by))
    assert found.steer < 0


def test_why_not_of_words_alone_tries_no_pick(words_alone, llm, catalog):
    retriever = popular(catalog)
    shown = {c.item.id for c in words_alone.candidates}
    wanted = next(i for i in catalog.items if "drama" in i.keywords and i.id not in shown)
    found = last(why_not(words_alone, wanted, llm, retriever))
    assert found.lifts == ()
    assert found.unlifted == "this run has no picks to which one could be added"
    assert [shift.name for shift in found.moved_by if shift.logit < 0] == ["drama"]
    assert found.score is not None


def test_the_retriever_of_words_alone_serves_without_interactions(words_alone, steered, catalog):
    """A catalog in which nothing is more popular has no popularity to load, but can be steered."""

    def none(name):
        raise AssertionError(name)

    recommender = Recommender(catalog, none, ScriptedLLM)
    assert retriever_of(words_alone, recommender).name == words_alone.retriever == "popularity"
    with pytest.raises(AssertionError, match="semantic"):
        retriever_of(steered, recommender)
