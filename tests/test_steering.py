"""A wish and the profile move candidates and ranking, in every mode, and nothing else does."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from palr.app.api import Api
from palr.app.runtime import Runtime
from palr.domains import get_domain
from palr.errors import PalrError
from palr.ranking import MODES
from palr.retrieval.steer import ItemSets
from palr.runs.files import Origin, SavedTrace, read_trace, replay
from palr.steering import ruled_out, steering, with_reading
from palr.types import NO_WISH, Asked, Edits, Item, Profile, Recommendation, Wish
from palr.ui.refine import Refinement
from palr.wish import Reading

from .hostile import WISHES

CRIME = ("Pulp Fiction (1994)", "The Godfather (1972)", "GoodFellas (1990)")


@pytest.fixture(scope="module")
def runtime(settings):
    runtime = Runtime(settings.model_copy(update={"llm_backend": "scripted"}))
    runtime.llm()
    return runtime


@pytest.fixture
def recommender(runtime):
    return runtime.recommender("movies")


@pytest.fixture
def picks(runtime):
    return [runtime.catalog("movies").find(title) for title in CRIME]


def share(items: Sequence[Item], keyword: str) -> float:
    return sum(keyword in item.keywords for item in items) / len(items)


def top(trace: Recommendation) -> list[Item]:
    return [ranked.item for ranked in trace.ranking.items]


def retrieved(trace: Recommendation) -> list[Item]:
    return [candidate.item for candidate in trace.candidates]


def test_without_a_wish_and_a_weight_a_run_is_what_it_was(recommender, picks):
    plain = recommender.recommend(picks)
    asked = recommender.recommend(picks, Asked(wish=Wish(strength=1.0), profile_weight=0.0))
    assert asked.candidates == plain.candidates
    assert asked.ranking == plain.ranking
    assert asked.prompt == plain.prompt
    assert all(candidate.steer == 0.0 for candidate in plain.candidates)
    assert plain.shifts == ()


def test_at_strength_0_a_wish_changes_nothing(recommender, picks):
    plain = recommender.recommend(picks)
    asked = recommender.recommend(picks, Asked(wish=Wish(more=("western",), strength=0.0)))
    assert asked.prompt == plain.prompt
    assert asked.ranking == plain.ranking


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_heeds_a_wish(runtime, recommender, picks, tiny_llama, mode):
    recommender._llm = lambda: tiny_llama
    asked = Asked(mode=mode, wish=Wish(more=("western",), strength=1.0))
    before = recommender.recommend(picks, Asked(mode=mode))
    after = recommender.recommend(picks, asked)
    westerns = [i for i in runtime.catalog("movies").items if "western" in i.keywords]
    assert share(top(before), "western") <= 0.1
    assert share(top(after), "western") >= 0.9
    assert len(westerns) > 10  # enough for all ten places
    words = Counter(word for item in top(before) for word in item.keywords)
    ((common, _),) = words.most_common(1)
    never = recommender.recommend(picks, Asked(mode=mode, wish=Wish(less=(common,), strength=1)))
    assert share(top(never), common) == 0


def test_the_candidates_heed_half_a_wish(recommender, picks):
    before = recommender.recommend(picks)
    after = recommender.recommend(picks, Asked(wish=Wish(more=("western",))))
    assert share(retrieved(before)[:10], "western") == 0
    assert share(retrieved(after)[:10], "western") >= 0.5
    assert set(retrieved(after)) - set(retrieved(before))  # others than the old fifty
    (shift,) = after.shifts
    assert (shift.source, shift.name) == ("more", "western")
    # 1 - t = (1 - m) / 4
    assert shift.after == pytest.approx(1 - (1 - shift.before) / 4)


def test_years_and_items_seen_are_never_broken(recommender, picks):
    plain = recommender.recommend(picks)
    seen = tuple(item.id for item in retrieved(plain)[:5])
    wish = Wish(years=(1965, 1984), seen=seen)
    trace = recommender.recommend(picks, Asked(wish=wish))
    assert len(trace.candidates) == 50
    assert all(1965 <= item.year <= 1984 for item in retrieved(trace))
    assert not {item.id for item in retrieved(trace)} & set(seen)


def test_words_are_read_and_reach_the_prompt(recommender, picks):
    trace = recommender.recommend(picks, Asked(wish=Wish(words="less crime, more westerns")))
    assert trace.wish.more == ("western",)
    assert trace.wish.less == ("crime",)
    assert trace.asked.wish.more == ()  # what was typed stays what it was
    assert "User asks for more western and less crime." in trace.prompt.text
    assert [segment.part for segment in trace.prompt.segments].count("wish") == 1


def test_an_edited_profile_is_a_wish(recommender, picks):
    before = recommender.recommend(picks)
    edits = Edits(profile="This viewer now wants only westerns, and is tired of crime.")
    after = recommender.recommend(picks, Asked(edits=edits))
    assert share(retrieved(before)[:10], "western") == 0
    assert share(retrieved(after)[:10], "western") >= 0.5
    assert share(retrieved(after)[:10], "crime") < share(retrieved(before)[:10], "crime")


def test_the_models_own_sentences_stay_no_wish_beside_the_visitors(runtime, recommender):
    # The model's text ends in "sci-fi.", which is no abbreviation: what follows is a new sentence.
    space = [runtime.catalog("movies").item(id) for id in ("50", "172", "181", "183", "89", "222")]
    before = recommender.recommend(space)
    assert before.profile.text.endswith("share sci-fi.")
    edits = Edits(profile=f"{before.profile.text} Now only western.")
    after = recommender.recommend(space, Asked(edits=edits))
    assert (after.wish.more, after.wish.less) == (("western",), ())


def test_a_keyword_that_no_pick_carries_is_a_wish(recommender, picks):
    edits = Edits(keywords=("crime", "musical"))
    trace = recommender.recommend(picks, Asked(edits=edits))
    assert [(shift.source, shift.name) for shift in trace.shifts] == [("more", "musical")]
    assert share(retrieved(trace)[:10], "musical") >= 0.5


def test_the_profile_moves_candidates_by_its_weight(recommender, picks):
    def crime(weight: float) -> float:
        asked = Asked(profile_weight=weight, edits=Edits(profile="", keywords=("crime",)))
        return share(retrieved(recommender.recommend(picks, asked))[:20], "crime")

    assert crime(0.0) < crime(0.5) <= crime(1.0)


def test_words_alone_are_enough(recommender):
    wish = Wish(words="funny cartoons from the nineties")
    trace = recommender.recommend([], Asked(wish=wish))
    assert trace.retriever == "popularity"
    assert share(retrieved(trace)[:10], "animation") >= 0.9
    assert all(1990 <= item.year <= 1999 for item in retrieved(trace))
    assert len(trace.ranking.items) == 10
    assert "User watched nothing yet. User's preference:" in trace.prompt.text
    with pytest.raises(PalrError, match="or say what you would like"):
        recommender.recommend([])
    with pytest.raises(PalrError, match="or say what you would like"):
        recommender.recommend([], Asked(wish=Wish(words="  ")))


def test_a_liked_and_a_disliked_item_move_their_kind(runtime, recommender, picks):
    aladdin = runtime.catalog("movies").find("Aladdin (1992)")
    before = recommender.recommend(picks)
    liked = recommender.recommend(picks, Asked(wish=Wish(liked=(aladdin.id,))))
    assert share(retrieved(liked), "animation") > share(retrieved(before), "animation")
    first = retrieved(before)[0]
    disliked = recommender.recommend(picks, Asked(wish=Wish(disliked=(first.id,))))
    assert first not in retrieved(disliked)


def test_popularity_and_variety_move_the_candidates(recommender, picks):
    def popularity(wish: Wish) -> float:
        items = retrieved(recommender.recommend(picks, Asked(wish=wish)))[:10]
        return sum(item.popularity for item in items) / 10

    assert popularity(Wish(popularity=-1.0)) < popularity(NO_WISH)
    assert popularity(Wish(popularity=-1.0)) < popularity(Wish(popularity=1.0))
    semantic = recommender.retriever("semantic")

    def alike(wish: Wish) -> float:
        items = retrieved(recommender.recommend(picks, Asked(wish=wish)))[:10]
        return float(semantic.likeness(items, items).mean())

    assert alike(Wish(variety=1.0)) < alike(NO_WISH)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(more=("western",), strength=1.5), "choose one from 0 to 1"),
        (Wish(years=(1999, 1990)), "put the earlier one first"),
        (Wish(more=("horror",), less=("horror",)), "take it off one side"),
        (Wish(words="x" * 5001), "shorten it to 5,000"),
        (Wish(years=(1801, 1802)), "no movie is left: widen the years"),
    ],
)
def test_a_wish_that_cannot_be_followed_says_what_to_change(recommender, picks, wish, words):
    with pytest.raises(PalrError, match=words):
        recommender.recommend(picks, Asked(wish=wish))


def test_what_a_wish_cannot_do_is_noted(runtime, recommender, picks):
    trace = recommender.recommend(picks, Asked(wish=Wish(more=("westerns",))))
    assert "the catalog has no keyword 'westerns'; the nearest is 'western'" in trace.notes
    trace = recommender.recommend(picks, Asked(wish=Wish(years=(1922, 1931))))
    assert any("widen the years for more" in note for note in trace.notes)
    products = runtime.recommender("beauty")
    trace = products.recommend(products.catalog.items[:2], Asked(wish=Wish(years=(1990, 1999))))
    assert any("have no years" in note for note in trace.notes)
    assert len(trace.candidates) == 50


@pytest.mark.parametrize(("words", "note"), WISHES)
@pytest.mark.parametrize("picked", [True, False])
def test_odd_words_say_what_was_not_followed(runtime, picks, words, note, picked):
    ids = [item.id for item in picks] if picked else []
    run = answer(Api(runtime).recommend(ids, wish=words))
    assert len(run["recommendations"]) == 10 or "widen" in note
    assert any(note in said for said in run["notes"]), run["notes"]
    assert not any("\n" in said or len(said) > 400 for said in run["notes"])
    assert run["moved"] == [] or picked or "horror" in words


def test_a_steered_run_replays_the_same(recommender, picks):
    asked = Asked(wish=Wish(words="no crime", years=(1970, 1990)), profile_weight=0.4)
    trace = recommender.recommend(picks, asked)
    saved = SavedTrace(Origin("1", recommender.catalog.fingerprint), trace)
    again = replay(read_trace(saved.to_json()), recommender)
    assert again.candidates == trace.candidates
    assert again.ranking == trace.ranking
    assert again.shifts == trace.shifts


def test_programs_ask_for_the_same(runtime, picks):
    api, ids = Api(runtime), [item.id for item in picks]
    keywords = {item.id: item.keywords for item in runtime.catalog("movies").items}
    found = answer(api.retrieve(ids, more=["western"], years=[1930, 1999], strength=1.0))
    assert all("western" in keywords[place["id"]] for place in found["candidates"][:10])
    assert found["moved"][0]["name"] == "western"
    run = answer(api.recommend(ids, wish="only westerns", strength=1.0, mode="relevance"))
    western = [place for place in run["recommendations"] if "western" in keywords[place["id"]]]
    assert len(western) >= 9
    listed = [place["id"] for place in answer(api.retrieve(ids, n_candidates=40))["candidates"]]
    others = [i for i, words in keywords.items() if "western" in words and i not in listed]
    listed = others[:10] + listed  # first, where the script says they belong last
    profile = "This viewer now wants only westerns."
    plain = answer(api.rank(ids, listed, mode="relevance"))
    steered = answer(api.rank(ids, listed, profile=profile, mode="relevance"))

    def westerns(found) -> int:
        return sum("western" in keywords[place["id"]] for place in found["recommendations"])

    assert westerns(steered) > westerns(plain)
    with pytest.raises(PalrError, match="two numbers"):
        answer(api.retrieve(ids, years=[1990]))


def test_choices_come_before_words(runtime):
    wish = Wish(less=("comedy",), years=(1990, 1999))
    reading = Reading(more=("comedy", "western"), years=(1940, 1949), popularity=1)
    merged = with_reading(wish, reading)
    assert merged.more == ("western",)
    assert merged.years == (1990, 1999)
    assert merged.popularity == 1.0
    asked = Asked(wish=replace(wish, words="more comedies"))
    steered = steering(asked, Profile(), 0, runtime.catalog("movies"))
    assert steered.wish.more == ()


def answer(steps):
    *_, found = steps
    return found


def test_programs_run_with_the_weight_of_the_page_unless_they_name_one(runtime, picks):
    api, ids = Api(runtime), [item.id for item in picks]

    def weight(domain: str, ids: list[str], **asked) -> float:
        run = answer(api.recommend(ids, domain, trace=True, **asked))["trace"]["trace"]
        return run["asked"]["profile_weight"]

    products = [item.id for item in runtime.catalog("beauty").items[:2]]
    for domain, chosen in (("movies", ids), ("beauty", products)):
        page = Refinement(domain).applied(Asked()).profile_weight
        assert weight(domain, chosen) == page == get_domain(domain).profile_weight > 0
    assert weight("movies", ids, profile_weight=0.0) == 0.0
    moved = answer(api.recommend(ids))["moved"]
    assert {shift["source"] for shift in moved} == {"profile"}
    assert answer(api.recommend(ids, profile_weight=0.0))["moved"] == []


def test_the_parts_steer_as_the_whole(runtime, picks):
    api, ids = Api(runtime), [item.id for item in picks]
    asked = {"wish": "less drama, more laughs", "years": [1960, 1997], "seen": ["100"]}
    whole = answer(api.recommend(ids, trace=True, mode="relevance", **asked))
    written = [keyword["text"] for keyword in whole["keywords"]]
    found = answer(api.retrieve(ids, keywords=written, **asked))
    places = whole["trace"]["trace"]["candidates"]
    listed = [place["id"] for place in found["candidates"]]
    assert listed == [place["item"]["id"] for place in places]
    assert found["moved"] == whole["moved"]
    assert whole["wish"]["more"] == ["comedy"]
    assert whole["wish"]["less"] == ["drama"]
    by_parts = answer(api.rank(ids, listed, mode="relevance", keywords=written, **asked))
    assert [place["id"] for place in by_parts["recommendations"]] == [
        place["id"] for place in whole["recommendations"]
    ]


def test_candidates_of_ones_own_keep_what_a_wish_rules_out_away(runtime, picks):
    api, ids = Api(runtime), [item.id for item in picks]
    catalog = runtime.catalog("movies")
    new, old = (catalog.find(title).id for title in ("Toy Story (1995)", "Casablanca (1942)"))
    rest = [item.id for item in catalog.items if item.year == 1996][:3]
    found = answer(api.rank(ids, [new, old, *rest], years=[1990, 1999], seen=rest[:1]))
    assert {place["id"] for place in found["recommendations"]} == {new, *rest[1:]}
    assert "left out: 2 of the edited candidates, which the wish rules out" in found["notes"]


def test_what_is_ruled_out_is_the_same_for_one_item_and_for_all(runtime):
    catalog = runtime.catalog("movies")
    some = [item.id for item in catalog.items]
    wish = Wish(years=(1950, 1989), seen=tuple(some[:40]), disliked=tuple(some[40:60]))
    rows = ItemSets(catalog.items).excluded(wish)
    assert [bool(ruled_out(item, wish)) for item in catalog.items] == rows.tolist()
    assert 0 < rows.sum() < len(rows)


def test_a_profile_in_words_steers_programs(runtime, picks):
    api, ids = Api(runtime), [item.id for item in picks]
    keywords = {item.id: item.keywords for item in runtime.catalog("movies").items}

    def westerns(found) -> int:
        return sum("western" in keywords[c["id"]] for c in found["candidates"][:10])

    assert westerns(answer(api.retrieve(ids))) == 0
    told = "This viewer now wants only westerns."
    assert westerns(answer(api.retrieve(ids, profile=told))) >= 5
    run = answer(api.recommend(ids, profile=told))
    assert run["profile"] == told
    assert run["wish"]["more"] == ["western"]


def test_words_alone_are_enough_for_programs(runtime):
    api = Api(runtime)
    run = answer(api.recommend(wish="funny cartoons from the nineties"))
    assert run["retriever"] == "popularity"
    assert run["wish"]["years"] == [1990, 1999]
    found = answer(api.retrieve(wish="funny cartoons from the nineties"))
    listed = [place["id"] for place in found["candidates"]]
    ranked = answer(api.rank([], listed, wish="funny cartoons from the nineties"))
    ids = [place["id"] for place in run["recommendations"]]
    assert [place["id"] for place in ranked["recommendations"]] == ids
    for ask in (api.recommend, api.retrieve):
        with pytest.raises(PalrError, match="or say what you would like"):
            answer(ask())


def test_a_profile_that_is_handed_back_is_no_wish(runtime, picks):
    api, ids = Api(runtime), [item.id for item in picks]
    profile = answer(api.profile(ids))
    written = {
        "profile": profile["profile"],
        "keywords": [keyword["text"] for keyword in profile["keywords"]],
    }
    moved = answer(api.retrieve(ids, **written))["moved"]
    assert {shift["source"] for shift in moved} == {"profile"}
    written["profile"] += " No drama, please."
    moved = answer(api.retrieve(ids, **written))["moved"]
    assert [shift["name"] for shift in moved if shift["source"] == "less"] == ["drama"]
    assert {shift["source"] for shift in moved} == {"profile", "less"}


def test_programs_learn_what_to_change(runtime, picks):
    api, ids = Api(runtime), [item.id for item in picks]
    products = [item.id for item in runtime.catalog("beauty").items]
    for asked, words in (
        ({"wish": "x" * 5001}, "the wish has 5,001 characters: shorten it to 5,000"),
        ({"more": ["war"], "strength": 1.5}, "the strength is 1.5: choose one from 0 to 1"),
        ({"profile_weight": -0.5}, "the weight of the profile is -0.5: choose one from 0 to 1"),
        ({"years": [1801, 1802]}, "no movie is left: widen the years"),
        ({"more": ["war"], "less": ["war"]}, "war is wanted both more and less"),
        ({"seen": ["nobody"]}, "not in the catalog of movies: nobody"),
        ({"liked": ["nobody"]}, "not in the catalog of movies: nobody"),
    ):
        for ask in (api.recommend, api.retrieve):
            with pytest.raises(PalrError, match=re.escape(words)):
                answer(ask(ids, **asked))
    with pytest.raises(PalrError, match="no product is left: take some off those seen or disliked"):
        answer(api.recommend(products[:1], "beauty", seen=products))
    run = answer(api.recommend(ids, more=["westerm", "qqqq"], years=[1922, 1931]))
    assert "the catalog has no keyword 'westerm'; the nearest is 'western'" in run["notes"]
    assert "the catalog has no keyword 'qqqq': try drama, comedy and action" in run["notes"]
    assert any("are left: widen the years for more" in note for note in run["notes"])
    run = answer(api.recommend(products[:2], "beauty", years=[1990, 1999]))
    assert "these products have no years, so the years asked for change nothing" in run["notes"]
    run = answer(api.recommend(products[:2], "beauty", wish="from the nineties"))
    assert "these products have no years" in run["notes"]


@pytest.mark.long
def test_half_a_wish_is_half_of_what_the_shipped_model_ranks(settings):
    """The ten hold half of what was asked for, over visitors and keywords.

    A single pair can stay below: of the 1,682 films of MovieLens-100K 27 are westerns, and the
    profile of a fan of space operas asks for science fiction beside them, so that four of that
    visitor's ten are westerns (without the profile's weight, six).
    """
    recommender = Runtime(settings).recommender("movies")
    catalog = recommender.catalog
    weight = catalog.domain.profile_weight
    shares = []
    for persona in catalog.domain.personas:
        picks = catalog.persona_picks(persona)
        before = top(recommender.recommend(picks, Asked(profile_weight=weight)))
        for keyword in ("western", "comedy", "horror", "musical", "animation", "crime"):
            if share(before, keyword) > 0.1:
                continue
            asked = Asked(profile_weight=weight, wish=Wish(more=(keyword,)))
            shares.append(share(top(recommender.recommend(picks, asked)), keyword))
    assert len(shares) > 15
    assert sum(shares) / len(shares) >= 0.5
    assert min(shares) >= 0.3
