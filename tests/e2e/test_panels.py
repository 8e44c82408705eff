"""Every panel below the results, opened and used once, and looked at. The model is scripted."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from palr.ui.panels import PANELS

from .conftest import Visit, recommend, show
from .test_accessibility import every_view, faults
from .test_page import overflow

pytestmark = pytest.mark.timeout(1800)
WAIT_MS = 400_000


def edit(page: Page) -> None:
    instruction = page.locator("#edit-instruction textarea")
    # The run's own: the boxes are laid out one after the other, the prompt's last.
    expect(page.locator("#edit-prompt textarea")).not_to_have_value("")
    expect(instruction).not_to_have_value("")
    instruction.fill("Recommend what a friend would lend me.")
    page.locator("#edit-candidates .pick").last.get_by_role("button", name="Remove").click()
    page.locator("#edit-run").click()
    expect(page.locator("#edit-result .sides")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator("#edit-result .edited").last).to_contain_text("instruction")
    expect(page.locator("#edit-undo")).to_be_enabled()


def compare(page: Page) -> None:
    page.locator("#compare-run").click()
    expect(page.locator("#compare-result .side")).to_have_count(2, timeout=WAIT_MS)


def why(page: Page) -> None:
    page.locator("#why-measure").click()
    expect(page.locator("#why .because li")).to_have_count(10, timeout=WAIT_MS)
    expect(page.locator("#why .heat").first).to_be_visible()
    expect(page.locator("#why-measure")).to_be_enabled(timeout=WAIT_MS)


def sure(page: Page) -> None:
    page.locator("#sure-measure").click()
    expect(page.locator("#sure .shares li")).to_have_count(10, timeout=WAIT_MS)


def own(page: Page) -> None:
    page.locator("#own-title input").fill("An item that <b>nobody</b> has seen")
    page.locator("#own-keywords input").fill("drama, comedy")
    page.locator("#own-add").click()
    expect(page.locator("#own .mark")).to_be_visible(timeout=WAIT_MS)


def whynot(page: Page) -> None:
    page.locator("#whynot-title input").fill("a")
    page.locator("#whynot-ask").click()
    expect(page.locator("#whynot .reasons")).to_be_visible(timeout=WAIT_MS)


def plots(page: Page) -> None:
    page.locator("#plots-draw").click()
    expect(page.locator("#plots .dot-recommended")).to_have_count(10, timeout=WAIT_MS)


def runs(page: Page) -> None:
    expect(page.locator(".runs-list li")).to_have_count(1)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_label("Link to these picks")).to_be_visible()


USES: dict[str, Callable[[Page], None]] = {
    "Edit and run again": edit,
    "Compare two ways": compare,
    "Why this pick": why,
    "How sure": sure,
    "Your own item": own,
    "Why not …": whynot,
    "Map and plots": plots,
    "Save, share, open": runs,
}


def test_every_panel_is_used_here() -> None:
    assert set(USES) == set(PANELS)


@every_view(("Movies", 390, "dark"))
def test_every_panel(
    visit_scripted: Visit, screenshots: Path, domain: str, width: int, mode: str
) -> None:
    page = visit_scripted(width=width, mode=mode)
    show(page, domain)
    page.locator(".visitor").nth(1).click()
    recommend(page, WAIT_MS)
    for name, use in USES.items():
        panel = page.locator(".panel", has=page.get_by_role("button", name=name))
        panel.get_by_role("button", name=name).click()
        use(page)
        assert faults(page) == [], name
        assert overflow(page) <= 0, name
        view = f"panel-{domain.lower()}-{width}-{mode}-{use.__name__}.png"
        panel.screenshot(path=screenshots / view)
        panel.get_by_role("button", name=name).click()
