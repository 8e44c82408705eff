"""A catalog of hostile titles in a real browser: nothing runs, nothing breaks, nothing leaves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from palr.catalog.catalog import CatalogStore
from palr.data.readers import RawDataset
from palr.types import Item

from ..hostile import TITLES
from ..load.app import RunningApp
from .conftest import recommend

pytestmark = pytest.mark.timeout(900)
WAIT_MS = 240_000
BUILTIN = {"script", "style", "link", "meta", "base", "iframe", "object", "embed", "form", "svg"}


@pytest.fixture(scope="module")
def hostile_app(palr_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    url = f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'catalog.db'}"
    items = tuple(
        Item(str(n), f"Title {n} {title}", year=1995, keywords=(title[:60], "drama"))
        for n, title in enumerate(TITLES)
    )
    more = tuple(
        Item(str(n), f"Plain {n}", year=1995, keywords=("drama",)) for n in range(100, 160)
    )
    store = CatalogStore(url)
    store.install("ml-1m", RawDataset((*items, *more), None, "hostile"))
    store.close()
    settings = {"PALR_DATABASE_URL": url, "PALR_LLM_BACKEND": "scripted", "PALR_RATE": "0"}
    with RunningApp(palr_home, seconds=240, **settings) as app:
        yield app
    assert "Traceback" not in app.last_words


@pytest.fixture
def page(chromium: Browser, hostile_app: RunningApp) -> Iterator[Page]:
    faults: list[str] = []
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
    page.on("framenavigated", lambda f: faults.append(f.url) if f.parent_frame else None)
    page.on(
        "request",
        lambda r: (
            None if r.url.startswith((hostile_app.url, "data:", "blob:")) else faults.append(r.url)
        ),
    )
    page.goto(hostile_app.url)
    page.wait_for_selector("#picker-input")
    yield page
    assert page.evaluate("window.pwned") is None
    context.close()
    assert faults == []


def pick(page: Page, number: int) -> None:
    page.get_by_role("combobox").fill(f"Title {number}")
    expect(page.locator("#picker .option-label").first).to_contain_text(f"Title {number} ")
    page.get_by_role("combobox").press("Enter")
    expect(page.locator("#picker .pick-label").last).to_contain_text(f"Title {number} ")


@pytest.mark.long  # the shorter one is `test_hostile_text_is_inert` of the page
@pytest.mark.parametrize("part", range(4))
def test_hostile_titles_from_the_search_to_the_trace(page: Page, part: int) -> None:
    outline = "Array.from(document.querySelectorAll('#studio *'), e => e.tagName)"
    before = set(page.evaluate(outline))
    numbers = range(part * 25, part * 25 + 25)
    for number in numbers:
        pick(page, number)
    assert page.locator("#picker .pick").count() == 25
    recommend(page, WAIT_MS)
    page.get_by_role("button", name="Show all").click()
    page.locator(".hood > summary").click()
    for key in ("profile-prompt", "ranking-prompt", "trace"):
        page.locator(f'[data-keep="{key}"] > summary').click()

    trace = page.evaluate("JSON.parse(document.getElementById('trace-json').textContent)")
    assert [pick["id"] for pick in trace["picks"]] == [str(number) for number in numbers]
    assert trace["picks"][3]["title"] == f"Title {numbers[3]} {TITLES[numbers[3]]}"
    candidates = {candidate["item"]["id"] for candidate in trace["candidates"]}
    ranked = [item["item"]["id"] for item in trace["ranking"]["items"]]
    assert set(ranked) <= candidates
    assert not set(ranked) & {str(number) for number in numbers}

    added = {tag.lower() for tag in set(page.evaluate(outline)) - before}
    assert not added & BUILTIN, added
    assert page.locator("#results img, #picker img, #results form, #results a").count() == 0
    text = page.locator("#studio").inner_text()
    assert not set(text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0


def test_what_slips_into_the_page_unescaped_still_does_not_run(
    chromium: Browser, live_app: RunningApp
) -> None:
    """The policy is a second lock: HTML is put into the page here as a bug would."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(live_app.url)
    page.wait_for_selector("#picker-input")
    blocked = page.evaluate(
        """() => new Promise(done => {
            const seen = [];
            const keep = event => seen.push(event.violatedDirective);
            document.addEventListener("securitypolicyviolation", keep);
            document.getElementById("stale").innerHTML =
                "<img src=x onerror='window.pwned=1'><svg onload='window.pwned=1'></svg>";
            const script = document.createElement("script");
            script.textContent = "window.pwned = 1";
            document.head.append(script);
            fetch("https://evil.example/").catch(() => {});
            setTimeout(() => done(seen), 2000);
        })"""
    )
    assert {"script-src-attr", "script-src-elem", "connect-src"} <= set(blocked)
    assert page.evaluate("window.pwned") is None
    context.close()
