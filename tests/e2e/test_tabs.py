"""Two tabs of one browser: each has picks, items and results of its own; they share the runs."""

import pytest
from playwright.sync_api import Page, expect

from .conftest import Visit, picks, recommend

pytestmark = pytest.mark.timeout(900)
WAIT_MS = 120_000


def chosen(page: Page) -> list[str]:
    return picks(page)


def test_two_tabs_of_one_visitor_do_not_mix(visit_scripted: Visit) -> None:
    one = visit_scripted()
    two = one.context.new_page()
    two.set_default_timeout(20_000)
    two.goto(one.url)
    two.wait_for_selector(".visitor")
    one.locator(".visitor").nth(0).click()
    two.locator(".visitor").nth(1).click()
    picks = chosen(one), chosen(two)
    assert picks[0] != picks[1]

    one.get_by_role("button", name="Your own item").click()
    one.locator("#own-title input").fill("Zyzzyva of the first tab")
    one.locator("#own-keywords input").fill("drama")
    one.locator("#own-add").click()
    expect(one.locator("#own .mark")).to_be_visible(timeout=WAIT_MS)
    two.get_by_role("combobox").fill("zyzzyva")
    expect(two.locator(".combo-popup")).to_be_visible()
    assert "Zyzzyva" not in two.locator(".combo-popup").inner_text()
    two.get_by_role("combobox").fill("")

    cards = recommend(one), recommend(two)
    assert cards[0] != cards[1]
    assert (chosen(one), chosen(two)) == picks
    assert one.locator(".card h3").all_inner_texts() == cards[0]
    one.get_by_role("button", name="Clear all").click()
    assert chosen(two) == picks[1]

    # What is kept in the browser, either tab kept; each shows it once its list is drawn again.
    assert one.evaluate("JSON.parse(localStorage.getItem('palr-runs')).length") == 2
