"""A visitor's way through the page, in a real browser, over the real pipeline."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from .conftest import ROOT, Visit, picks, recommend, show

pytestmark = pytest.mark.timeout(900)
RUN_MS = 240_000  # a run takes seconds; two cores shared with other work take longer


def search(page: Page, text: str) -> None:
    page.get_by_role("combobox").fill(text)
    expect(page.locator("#picker .option").first).to_be_visible()


def press(page: Page) -> None:
    page.get_by_role("button", name="Recommend").click()


def wait_for_ten(page: Page) -> None:
    expect(page.locator("#ranking .stage-done")).to_be_visible(timeout=RUN_MS)
    expect(page.locator(".card")).to_have_count(10)


def open_prompt(page: Page) -> None:
    page.locator(".hood > summary").click()
    page.locator('[data-keep="ranking-prompt"] > summary').click()
    expect(page.locator('[data-keep="ranking-prompt"] .prompt')).to_be_visible()


def forge_search(page: Page, item: dict[str, object]) -> None:
    """Answer every search with one item that the catalog does not hold."""

    def answer(route: Route) -> None:
        asked = (route.request.post_data_json or {}).get("fn_name")
        route.fulfill(json={"items": [item]}) if asked == "search" else route.continue_()

    page.route("**/component_server/", answer)


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def test_movies_from_the_first_pick_to_the_prompt(visit: Visit, screenshots: Path) -> None:
    page = visit()
    expect(page.locator(".status-ready")).to_be_visible(timeout=RUN_MS)
    page.screenshot(path=screenshots / "movies-1280-light-start.png", full_page=True)

    page.locator(".visitor", has_text="Family film night").click()
    page.get_by_role("combobox").press_sequentially("star wrs", delay=40)
    expect(page.locator("#picker .option-label").first).to_have_text("Star Wars (1977)")
    page.screenshot(path=screenshots / "movies-1280-light-search.png")
    page.get_by_role("combobox").press("Enter")
    assert len(picks(page)) == 7
    assert picks(page)[-1] == "Star Wars (1977)"

    press(page)
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.locator(".profile-text")).not_to_be_empty(timeout=RUN_MS)
    wait_for_ten(page)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()

    cards = page.locator(".card h3").all_inner_texts()
    assert len(set(cards)) == 10
    assert not set(cards) & set(picks(page))
    for movement in page.locator(".movement").all_inner_texts():
        assert re.search(r"up \d+ from \d+|down \d+ from \d+|same place", movement)
    expect(page.locator(".model-note")).to_contain_text("Fine-tuned")  # a shipped adapter ranks
    expect(page.locator("#status")).to_contain_text("PALR_v2")
    expect(page.locator(".keyword").first).to_be_visible()

    rows = page.locator(".candidates tbody tr:visible")
    expect(rows).to_have_count(10)
    page.get_by_role("button", name="Show all").click()
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Show the first").click()

    open_prompt(page)
    prompt = page.locator('[data-keep="ranking-prompt"]')
    assert picks(page)[-1] in prompt.locator(".part-history").last.inner_text()
    expect(prompt.locator(".legend")).to_contain_text("Candidates")
    page.screenshot(path=screenshots / "movies-1280-light-prompt.png", full_page=True)

    page.locator("#picker .pick").last.get_by_role("button", name="Remove").click()
    expect(page.locator(".stale")).to_contain_text("Picks changed")
    assert page.locator(".card").count() == 10
    page.screenshot(path=screenshots / "movies-1280-light-stale.png", full_page=True)

    page.get_by_role("button", name="Settings").click()
    page.get_by_role("radio", name="Zero-shot").check()
    expect(page.locator("#status")).to_contain_text("zero-shot")


@pytest.mark.long
@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("domain", ["Movies", "Beauty"])
def test_every_view(visit: Visit, screenshots: Path, domain: str, width: int, mode: str) -> None:
    page = visit(width=width, mode=mode, scale=1.5)
    expect(page.locator(".status-ready")).to_be_visible(timeout=RUN_MS)
    show(page, domain)
    page.locator(".visitor").nth(1).click()
    recommend(page, RUN_MS)
    assert overflow(page) <= 0
    page.mouse.move(0, 0)
    view = page.screenshot(full_page=True)
    (screenshots / f"{domain.lower()}-{width}-{mode}.png").write_bytes(view)
    if (domain, width, mode) == ("Movies", 1280, "light") and "SCREENSHOTS_DIR" in os.environ:
        (ROOT / "assets" / "screenshots" / "page.png").write_bytes(view)
    open_prompt(page)
    assert overflow(page) <= 0
    page.screenshot(path=screenshots / f"{domain.lower()}-{width}-{mode}-prompt.png")


def test_beauty_on_a_phone_in_the_dark(visit: Visit, screenshots: Path) -> None:
    page = visit(width=390, height=844, mode="dark")
    assert overflow(page) <= 0
    show(page, "Beauty")
    expect(page.locator(".catalog-note")).to_contain_text("no purchase data")
    search(page, "lip")
    page.locator("#picker .option").nth(1).tap()
    page.screenshot(path=screenshots / "beauty-390-dark-picked.png", full_page=True)
    page.locator(".visitor").first.tap()
    expect(page.locator("#picker .picks-message")).to_contain_text("replaced")
    recommend(page, RUN_MS)
    open_prompt(page)
    assert overflow(page) <= 0
    page.screenshot(path=screenshots / "beauty-390-dark-done.png", full_page=True)

    show(page, "Movies")
    expect(page.locator(".card")).to_have_count(0)
    show(page, "Beauty")
    expect(page.locator(".card")).to_have_count(10)
    assert len(picks(page)) >= 3


def test_cancel_and_run_again(visit: Visit, screenshots: Path) -> None:
    page = visit(width=390, height=844)
    page.locator(".visitor", has_text="Crime and noir").tap()
    before = picks(page)
    press(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".stage-stopped").first).to_contain_text("Cancelled")
    expect(page.get_by_role("button", name="Recommend")).to_be_enabled()
    page.screenshot(path=screenshots / "movies-390-light-cancelled.png", full_page=True)
    assert picks(page) == before

    press(page)
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    search(page, "toy story")  # answered although a run is under way
    page.get_by_role("combobox").press("Escape")
    wait_for_ten(page)
    assert overflow(page) <= 0
    page.screenshot(path=screenshots / "movies-390-light-done.png", full_page=True)


def test_everything_by_keyboard(visit: Visit) -> None:
    page = visit()
    box = page.get_by_role("combobox")
    search(page, "star")
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("ArrowDown")
    second = page.locator("#picker .option").nth(1)
    expect(second).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", second.get_attribute("id") or "")
    box.press("ArrowUp")
    box.press("Enter")
    expect(box).to_have_value("")
    for title in ("aladdin", "psycho"):
        search(page, title)
        box.press("Enter")
    search(page, "fargo")
    box.press("Escape")
    expect(page.locator(".combo-popup")).to_be_hidden()
    box.press("Escape")
    expect(box).to_have_value("")

    first, second_pick, third = picks(page)
    last_row = page.locator("#picker .pick").last
    last_row.get_by_role("button", name="earlier").focus()
    page.keyboard.press("Enter")
    assert picks(page) == [first, third, second_pick]
    page.keyboard.press("Alt+ArrowUp")
    assert picks(page) == [third, first, second_pick]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Delete")
    assert picks(page) == [third, second_pick]

    page.get_by_role("button", name="Clear all").press("Enter")
    assert picks(page) == []
    page.get_by_role("button", name="Undo").press("Enter")
    assert picks(page) == [third, second_pick]
    page.locator(".visitor").first.press("Enter")
    assert len(picks(page)) >= 3


def test_reorder_by_dragging_and_pick_by_mouse(visit: Visit) -> None:
    page = visit()
    search(page, "toy story")
    page.locator("#picker .option").first.click()
    search(page, "aladdin")
    page.locator("#picker .option").first.click()
    first, second = picks(page)
    page.locator("#picker .pick").nth(1).drag_to(page.locator("#picker .pick").nth(0))
    assert picks(page) == [second, first]


def test_enter_takes_what_was_typed_and_not_what_the_first_letters_found(visit: Visit) -> None:
    page = visit()
    box = page.get_by_role("combobox")
    search(page, "toy story")
    box.fill("aladdin")
    box.press("Enter")  # the list is still that of the toys
    expect(page.locator("#picker .pick-label")).to_have_text(["Aladdin (1992)"])
    box.fill("babe")
    box.press("Enter")  # there is no list yet
    expect(page.locator("#picker .pick-label").last).to_have_text("Babe (1995)")

    search(page, "star trek")
    box.press("ArrowDown")
    second = page.locator("#picker .option-label").nth(1).inner_text()
    box.press("Enter")  # what the arrows chose
    expect(page.locator("#picker .pick-label").last).to_have_text(second)


def test_a_search_that_takes_long_says_so(visit: Visit) -> None:
    page = visit()
    held: list[Route] = []
    page.route("**/component_server/", lambda route: held.append(route))
    box = page.get_by_role("combobox")
    box.fill("aladdin")
    expect(page.locator(".combo-empty")).to_have_text("Searching…")
    box.press("Enter")  # asks again, for the best match
    page.wait_for_timeout(500)
    for route in held:
        route.continue_()
    expect(page.locator("#picker .pick-label")).to_have_text(["Aladdin (1992)"])


def test_no_picks_is_a_friendly_message(visit: Visit) -> None:
    page = visit()
    press(page)
    expect(page.locator(".notice")).to_have_text(
        "Pick at least one movie first, or ask for something."
    )
    expect(page.get_by_role("button", name="Recommend")).to_be_enabled()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_hostile_text_is_inert(visit: Visit) -> None:
    hostile = '<img src=x onerror=alert(1)> "quoted" ${alert(2)} {{value}} 😀'

    page = visit()
    box = page.get_by_role("combobox")
    box.fill("<qqqqxxxx>")
    expect(page.locator(".combo-empty")).to_have_text("Nothing matches “<qqqqxxxx>”.")

    forge_search(page, {"id": "1", "label": hostile, "keywords": [hostile]})
    search(page, "anything")
    expect(page.locator("#picker .option-label")).to_have_text(hostile)
    box.press("Enter")
    assert picks(page) == [hostile]
    assert page.locator("#picker .picker img").count() == 0


def test_ids_that_the_catalog_does_not_hold_are_left_out(visit: Visit) -> None:
    page = visit()
    forge_search(page, {"id": "no-such-id", "label": "Forged", "keywords": []})
    search(page, "forged")
    page.get_by_role("combobox").press("Enter")
    press(page)
    expect(page.locator(".notice")).to_contain_text("Not in this catalog", timeout=RUN_MS)
    assert picks(page) == ["Forged"]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_colour_mode_follows_the_system_and_is_remembered(visit: Visit, width: int) -> None:
    page = visit(width=width, mode="dark")
    expect(page.locator("body")).to_have_class(re.compile(r"\bdark\b"))
    page.get_by_role("button", name="Switch to light mode").click()
    expect(page.locator("body")).not_to_have_class(re.compile(r"\bdark\b"))
    page.reload()
    page.wait_for_selector(".visitor")
    expect(page.get_by_role("button", name="Switch to dark mode")).to_be_visible()
    expect(page.locator("body")).not_to_have_class(re.compile(r"\bdark\b"))


def test_many_picks_say_what_is_used(visit_scripted: Visit) -> None:
    page = visit_scripted(fragment=f"#domain=movies&picks={','.join(map(str, range(1, 20)))}")
    expect(page.locator("#picker .pick")).to_have_count(19)
    for letter in "abc":
        search(page, letter)
        page.locator("#picker .option").last.click()
    expect(page.locator("#picker .pick")).to_have_count(22)
    expect(page.locator("#picker .picks-note")).to_contain_text("most recent 20")
    expect(page.locator("#picker .pick.unused")).to_have_count(2)


def rank_in_other_ways(page: Page, screenshots: Path) -> None:
    page.locator(".visitor").first.click()
    recommend(page, RUN_MS)
    page.get_by_role("button", name="Settings").click()
    for name in ("Score labels", "Title likelihood"):
        page.get_by_role("radio", name=name).check()
        expect(page.locator(".stale")).to_contain_text("Ranking changed")
        page.screenshot(path=screenshots / "movies-1280-light-settings.png")
        recommend(page, RUN_MS)
        expect(page.locator(".stale")).to_have_count(0)
        expect(page.locator(".facts")).to_contain_text(name)


def test_another_way_of_ranking(visit_scripted: Visit, screenshots: Path) -> None:
    rank_in_other_ways(visit_scripted(), screenshots)


@pytest.mark.long
def test_another_way_of_ranking_by_the_default_model(visit: Visit, screenshots: Path) -> None:
    rank_in_other_ways(visit(), screenshots)
