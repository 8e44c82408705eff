"""The panels that run the same picks again: edited, and in two ways. The model is scripted."""

import re

import pytest
from playwright.sync_api import Browser, Route, expect

from ..load.app import RunningApp
from .conftest import Visit, recommend, show

pytestmark = pytest.mark.timeout(900)
RUN_MS = 240_000


@pytest.mark.parametrize(
    ("domain", "width", "mode"),
    [
        ("Movies", 1280, "light"),
        pytest.param("Beauty", 390, "dark", marks=pytest.mark.long),
    ],
)
def test_edit_undo_and_compare(
    chromium: Browser, live_app: RunningApp, domain: str, width: int, mode: str
) -> None:
    scheme = "dark" if mode == "dark" else "light"
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(60_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.goto(live_app.url)
    page.wait_for_selector(".visitor")
    show(page, domain)
    page.locator(".visitor").nth(1).click()
    recommend(page, RUN_MS)

    page.get_by_role("button", name="Edit and run again").click()
    rows = page.locator("#edit-candidates .pick")
    expect(rows).to_have_count(50, timeout=RUN_MS)
    chips = page.locator("#edit-keywords .token")
    expect(chips).not_to_have_count(0)
    page.locator("#edit-keywords .remove-all").click()
    box = page.locator("#edit-keywords input")
    for word in ("comedy", "noir", "<b>trains</b>"):
        box.fill(word)
        box.press("Enter")
    expect(chips).to_have_count(3)
    chips.filter(has_text="noir").locator(".token-remove").click()
    expect(chips).to_have_text(["comedy", "<b>trains</b>"])
    dropped = page.locator("#edit-candidates .pick-label").last.inner_text()
    rows.last.get_by_role("button", name="Remove").click()
    page.locator("#edit-run").click()
    result = page.locator("#edit-result")
    expect(result.locator(".sides")).to_be_visible(timeout=RUN_MS)
    expect(result.locator(".edited").last).to_contain_text("candidates")
    # The script answers with the last candidate first: it was taken out of the list.
    expect(result.locator(".side").first).to_contain_text(dropped[:20])
    expect(result.locator(".side").last).not_to_contain_text(dropped)
    expect(page.get_by_label("The whole prompt")).to_have_value(
        re.compile("preference: comedy, <b>trains</b>")
    )
    page.locator("#edit-undo").click()
    expect(rows).to_have_count(50)
    page.locator("#edit-redo").click()
    expect(rows).to_have_count(49)
    page.get_by_role("button", name="Edit and run again").click()

    page.get_by_role("button", name="Compare two ways").click()
    page.locator("#compare-run").click()
    sides = page.locator("#compare-result .side")
    expect(sides).to_have_count(2, timeout=RUN_MS)
    expect(sides.first).to_contain_text("Retriever alone")
    expect(sides.first).to_contain_text("no prompt")
    expect(sides.last.locator("ol > li")).to_have_count(10)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    context.close()
    assert faults == []


def test_an_answer_that_comes_late_takes_no_candidates_away(visit_scripted: Visit) -> None:
    """It was asked for when the list was empty, and knows none of what stands there by now."""
    page = visit_scripted()
    config = page.request.get(f"{page.url}config").json()
    (picker,) = (c["id"] for c in config["components"] if c["props"].get("elem_id") == "picker")
    held: list[Route] = []

    def answer(route: Route) -> None:
        other = (route.request.post_data_json or {})["component_id"] != picker
        held.append(route) if other else route.continue_()

    page.route("**/component_server/", answer)
    show(page, "Beauty")
    page.get_by_role("button", name="Edit and run again").click()
    page.locator(".visitor").nth(1).click()
    page.get_by_role("button", name="Recommend").click()
    rows = page.locator("#edit-candidates .pick-label")
    expect(rows).to_have_count(50, timeout=RUN_MS)
    assert len(held) > 1
    for route in held:
        with page.expect_response("**/component_server/"):
            route.continue_()
        page.evaluate("new Promise(requestAnimationFrame)")  # whatever it sets off is done
        expect(rows).to_have_count(50)
    expect(rows.last).not_to_have_text("…")
