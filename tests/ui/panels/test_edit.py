"""What counts as an edit, and the way back; no browser."""

from dataclasses import replace

from palr.types import (
    Asked,
    Candidate,
    Edits,
    Item,
    Keyword,
    Profile,
    Prompt,
    Recommendation,
    Segment,
)
from palr.ui.panels.edit import MAX_RUNS, Fields, Visit, edits_of

ITEMS = [Item(str(n), f"Film {n}") for n in range(3)]


def run(number: int = 0, edits: Edits | None = None) -> Recommendation:
    return Recommendation(
        *("movies", "made-up", ()),
        profile=Profile((Keyword("crime", ()), Keyword("war", ())), "Likes crime."),
        candidates=tuple(Candidate(item, n, 0.5) for n, item in enumerate(ITEMS, start=1)),
        prompt=Prompt((Segment("instruction", "Recommend."), Segment("history", "\nHeat"))),
        run_id=str(number),
        asked=Asked(edits=edits or Edits()),
    )


FIRST = Fields.of(run())


def test_the_boxes_read_back_as_they_were_filled() -> None:
    profile, chips, instruction, candidates, prompt = FIRST.page("movies")
    assert (profile, instruction) == ("Likes crime.", "Recommend.")
    assert chips["value"] == ["crime", "war"]
    assert candidates == {"domain": "movies", "picks": ["0", "1", "2"]}
    again = Fields.read(profile, chips["value"], instruction, candidates, prompt)
    assert edits_of(again, FIRST, run()) == Edits()


def test_only_what_differs_is_an_edit() -> None:
    now = Fields.read(
        "Likes war.",
        [" war", "", 7, "crime "],
        "",
        {"domain": "movies", "picks": ["2"]},
        "Recommend.\r\nHeat",
    )
    edits = edits_of(now, FIRST, run())
    # An emptied instruction is the paper's; line ends as browsers send them are no edit.
    assert edits == Edits("Likes war.", ("war", "crime"), None, ("2",), None)


def test_forged_chips_are_none() -> None:
    for forged in ("crime", None, {"crime": 1}, [["crime"]]):
        assert Fields.read("", forged, "", {}, "").keywords == ()


def test_the_picks_keywords_are_offered_after_the_profiles() -> None:
    picks = (Item("a", "A", keywords=("war", "noir")), Item("b", "B", keywords=("noir", "sea")))
    chips = Fields.of(replace(run(), history=picks)).page("movies")[1]
    assert chips["choices"] == ["crime", "war", "noir", "sea"]


def test_a_prompt_by_hand_stays_until_it_is_emptied() -> None:
    edited = Edits(prompt="By hand")
    shown = replace(run(1, edited), prompt=Prompt((Segment("edited", "By hand"),)))
    kept = replace(FIRST, prompt="By hand")
    assert edits_of(kept, FIRST, shown) == edited
    assert edits_of(replace(kept, prompt="  "), FIRST, shown) == Edits()


def test_undo_goes_back_and_forth_and_the_first_run_stays() -> None:
    visit = Visit((run(),))
    for number in range(1, 2 * MAX_RUNS):
        visit = visit.then(run(number))
    assert len(visit.runs) == MAX_RUNS
    assert visit.runs[0].run_id == "0"
    assert visit.shown.run_id == str(2 * MAX_RUNS - 1)
    back = visit.step(-1)
    assert back.step(+1) == visit
    assert visit.step(-99).shown.run_id == "0"
    assert visit.step(+99) == visit
    assert len(back.then(run(99)).runs) == MAX_RUNS
    assert back.then(run(99)).shown.run_id == "99"
