"""What a visitor finds out about a run, with the real model, in both domains."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .conftest import Visit, recommend, show
from .test_page import RUN_MS, overflow, search

pytestmark = [pytest.mark.timeout(900), pytest.mark.long]


def open_panel(page: Page, name: str) -> None:
    page.locator(".panel > .label-wrap", has_text=name).press("Enter")


def run(page: Page, domain: str, visitor: int) -> None:
    expect(page.locator(".status-ready")).to_be_visible(timeout=RUN_MS)
    show(page, domain)
    page.locator(".visitor").nth(visitor).click()
    recommend(page, RUN_MS)


def test_a_film_that_nobody_has_seen(visit: Visit, screenshots: Path) -> None:
    page = visit()
    open_panel(page, "Your own item")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".panel-said", has_text="Write a title").first).to_be_visible()
    page.locator("#own-title input").fill("Starship <img src=x> Gamma (2031)")
    page.get_by_label("Keywords, with commas").fill("sci-fi, action, adventure")
    page.get_by_label("Keywords, with commas").press("Enter")
    expect(page.locator("#own .mark")).to_be_visible(timeout=RUN_MS)

    search(page, "starship gam")
    expect(page.locator(".option").first).to_contain_text("yours")
    page.get_by_role("combobox").press("Escape")
    run(page, "Movies", 1)
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(".candidates .mark")).to_be_visible()

    open_panel(page, "Why not")
    page.locator("#whynot-title input").fill("starship gamma")
    page.get_by_role("button", name="Why not?").click()
    expect(page.locator("#whynot .reasons")).to_contain_text("SASRec ranks it", timeout=RUN_MS)
    open_panel(page, "Map and plots")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("#plots .bar-floor")).to_be_visible(timeout=RUN_MS)
    expect(page.locator("#plots .dot-recommended")).to_have_count(10)
    assert overflow(page) <= 0
    page.screenshot(path=screenshots / "insight-1280-light.png", full_page=True)

    stranger = visit()
    search(stranger, "starship gam")
    assert "Gamma" not in stranger.locator(".options, [role=listbox]").first.inner_text()


def test_why_and_how_surely_on_a_phone(visit: Visit, screenshots: Path) -> None:
    page = visit(width=390, height=844, mode="dark")
    open_panel(page, "How sure")
    page.get_by_role("button", name="Shuffle").click()
    expect(page.locator(".panel-said", has_text="Run a recommendation first").first).to_be_visible()
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("radio", name="Score labels").check()  # the quickest: one pass a ranking
    run(page, "Beauty", 0)
    page.get_by_role("button", name="Shuffle").click()
    expect(page.locator("#sure .plot")).to_be_visible(timeout=RUN_MS)
    expect(page.locator("#sure .shares li")).to_have_count(10)
    open_panel(page, "Why this pick")
    page.get_by_role("button", name="Measure").click()
    expect(page.locator("#why .heat").first).to_be_visible(timeout=RUN_MS)
    page.locator(".panel-cancel:visible").click()
    expect(page.locator(".panel-said", has_text="Cancelled").first).to_be_visible(timeout=RUN_MS)
    expect(page.locator("#why .because li")).to_have_count(10)
    assert overflow(page) <= 0
    page.screenshot(path=screenshots / "insight-390-dark.png", full_page=True)
