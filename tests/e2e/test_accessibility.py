"""No serious or critical fault by axe-core's rules on any view."""

import json
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from palr.ui.panels import PANELS

from .conftest import Visit, recommend, show

pytestmark = pytest.mark.timeout(900)
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
WAIT_MS = 90_000


def every_view(*quick: tuple[str, int, str]) -> pytest.MarkDecorator:
    """Each pair of domain, width and mode once, since the rules take seconds on a long page. All
    but the ``quick`` ones are long."""
    views = [
        ("Movies", 1280, "light"),
        ("Movies", 390, "dark"),
        ("Beauty", 1280, "dark"),
        ("Beauty", 390, "light"),
    ]
    assert set(quick) <= set(views)
    cases = [pytest.param(*v, marks=[] if v in quick else [pytest.mark.long]) for v in views]
    return pytest.mark.parametrize(("domain", "width", "mode"), cases)


SETTLED = """() => Promise.all(document.getAnimations()
  .filter(animation => animation.effect.getComputedTiming().endTime !== Infinity)
  .map(animation => animation.finished.catch(() => {})))"""


def faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical, with its places, once nothing is worked on or fades
    any more: work ends after its result shows, and a button that comes back is pale at first."""
    expect(page.locator(".panel-cancel:visible, #cancel:visible")).to_have_count(0, timeout=WAIT_MS)
    page.evaluate(SETTLED)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert len(found["passes"]) > 10  # it has looked
    return [
        f"{fault['id']}: {[node['target'] for node in fault['nodes']][:5]}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


def open_everything(page: Page) -> None:
    buttons = page.locator("#studio button.label-wrap")
    for place in range(buttons.count()):
        buttons.nth(place).click()
        expect(buttons.nth(place)).to_have_attribute("aria-expanded", "true")
    page.locator(".hood > summary").click()
    exchanges = page.locator(".hood details.exchange > summary")
    for place in range(exchanges.count()):
        exchanges.nth(place).click()
    expect(page.locator(".hood details.exchange[open]").last).to_be_visible()


@every_view(("Beauty", 1280, "dark"))
def test_no_serious_fault_on_any_view(
    visit_scripted: Visit, domain: str, width: int, mode: str
) -> None:
    page = visit_scripted(width=width, mode=mode)
    show(page, domain)
    found: dict[str, Any] = {"idle": faults(page)}
    page.locator("#recommend").click()
    expect(page.locator(".notice")).to_be_visible()
    page.get_by_role("combobox").fill("a")
    expect(page.locator(".option").first).to_be_visible()
    found["notice and suggestions"] = faults(page)
    page.get_by_role("combobox").press("Escape")
    page.locator(".visitor").first.click()
    recommend(page, WAIT_MS)
    found["results"] = faults(page)
    page.locator(".pick").last.get_by_role("button", name="Remove").click()
    expect(page.locator(".stale")).to_be_visible()
    open_everything(page)
    found["everything open, stale"] = faults(page)
    assert not any(found.values()), json.dumps(found, indent=1)


def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press the key until the focus is there, and can be seen to be."""
    for _ in range(400):
        page.keyboard.press(key)
        if wanted.evaluate("element => element === document.activeElement"):
            assert wanted.evaluate("element => element.matches(':focus-visible')")
            return
    raise AssertionError(f"no {key} leads to {wanted}")


def cancel_by_keyboard(page: Page, panel: Locator, run: Locator) -> None:
    """Cancel what the panel's button has begun; where it was done sooner, it is asked again."""
    cancelled = panel.locator(".panel-said").filter(has_text="Cancelled")
    for _ in range(8):
        panel.locator(".panel-cancel").wait_for()
        for _ in range(4):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('.panel-cancel')"):
                page.keyboard.press("Enter")
                break
        expect(run).to_be_enabled(timeout=WAIT_MS)
        if cancelled.count():
            return
        tab_to(page, run, "Shift+Tab")
        page.keyboard.press("Enter")
    raise AssertionError("Cancel could not be reached")


# The main button of each panel, and what is there once it was pressed.
MAIN = {
    "Edit and run again": ("#edit-run", ".panel-said", "nothing was edited"),
    "Compare two ways": ("#compare-run", "#compare-result", "in both"),
    "Why this pick": ("#why-measure", ".panel-said", "Cancelled"),
    "How sure": ("#sure-measure", "#sure", "Still in the top"),
    "Why not …": ("#whynot-ask", "#whynot", "ranks it"),
    "Your own item": ("#own-add", ".panel-said", "Write a title"),
    "Map and plots": ("#plots-draw", "#plots", "catalog"),
    "Save, share, open": ("[data-runs=share]", "[data-runs-said]", "link"),
}


def test_every_action_can_be_done_from_the_keyboard(visit_scripted: Visit) -> None:
    # With 20 picks in the end, "Why this pick" works long enough to be cancelled.
    page = visit_scripted(fragment=f"#domain=movies&picks={','.join(map(str, range(1, 18)))}")
    press = page.keyboard.press
    rows = page.locator("#picker .pick-label")
    expect(rows).to_have_count(17)
    tab_to(page, page.get_by_role("radio", name="Movies"))
    press("ArrowRight")
    expect(page.get_by_role("radio", name="Beauty")).to_be_checked()
    press("ArrowLeft")
    expect(page.get_by_role("radio", name="Movies")).to_be_checked()
    expect(page.get_by_role("combobox", name="Or search movies")).to_be_visible()

    box = page.get_by_role("combobox", name="Or search movies")
    for words in ("star", "alien", "fargo"):
        tab_to(page, box) if words == "star" else None
        page.keyboard.type(words)
        expect(page.locator("#picker .option").first).to_be_visible()
        press("ArrowDown")
        press("Enter")
        expect(box).to_have_value("")
    first, second, third = rows.all_inner_texts()[17:]
    tab_to(page, page.locator("#picker .pick").last.get_by_role("button", name="earlier"))
    press("Space")
    assert rows.all_inner_texts()[17:] == [first, third, second]

    tab_to(page, page.locator("#recommend"))
    press("Enter")
    expect(page.locator("#ranking .stage-done")).to_be_visible(timeout=WAIT_MS)
    tab_to(page, page.locator("#settings .label-wrap"), "Shift+Tab")
    press("Enter")
    expect(page.locator("#retriever")).to_be_visible()

    assert set(MAIN) == set(PANELS)
    for name, (button, place, words) in MAIN.items():
        panel = page.locator(".panel", has=page.get_by_role("button", name=name))
        head = panel.locator(".label-wrap")
        tab_to(page, head)
        press("Space")
        expect(head).to_have_attribute("aria-expanded", "true")
        if name == "Why not …":
            tab_to(page, panel.locator("#whynot-title input"))
            page.keyboard.type("a")
        tab_to(page, panel.locator(button))
        press("Enter")
        if words == "Cancelled":
            cancel_by_keyboard(page, panel, panel.locator(button))
        answer = panel.locator(place).filter(has_text=words).first
        expect(answer, name).to_be_visible(timeout=WAIT_MS)
        if not button.startswith("["):
            expect(panel.locator(button)).to_be_enabled(timeout=WAIT_MS)
        tab_to(page, head, "Shift+Tab")
        press("Enter")
        expect(head).to_have_attribute("aria-expanded", "false")


def test_a_fault_would_be_found(visit_scripted: Visit) -> None:
    page = visit_scripted()
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<button></button>')")
    assert any(fault.startswith("button-name") for fault in faults(page))


SMALL = """() => [
  ...document.querySelectorAll("button, summary, input, textarea, a, .segmented label")]
  .filter(each => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
  .map(each => [each, each.getBoundingClientRect()])
  .filter(([each, box]) => box.height < 44 || (box.width < 44 && each.matches("button")))
  .map(([each, box]) => `${each.outerHTML.slice(0, 80)}: ${box.width} x ${box.height}`)"""


def test_a_finger_meets_44_pixels_on_a_phone(visit_scripted: Visit) -> None:
    page = visit_scripted(width=390)
    page.locator(".visitor").first.click()
    recommend(page, WAIT_MS)
    open_everything(page)
    assert page.locator("button:visible").count() > 20
    assert page.evaluate(SMALL) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
