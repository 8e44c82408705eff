"""Runs leave the page and come back: files, links, a reload, and the list in the browser."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from palr.runs.files import read_trace

from .conftest import Visit, picks, recommend, show

pytestmark = pytest.mark.timeout(600)


def run(page: Page, visitor: int = 1) -> list[str]:
    """The labels of the recommendations for a ready-made visitor."""
    page.locator(".visitor").nth(visitor).click()
    return recommend(page)


def open_panel(page: Page) -> None:
    page.get_by_role("button", name="Save, share, open").click()
    expect(page.get_by_role("button", name="Save as JSON")).to_be_visible()


def test_a_run_is_saved_as_a_file_and_comes_back_from_it(
    visit_scripted: Visit, tmp_path: Path
) -> None:
    page = visit_scripted()
    open_panel(page)
    page.get_by_role("button", name="Save as JSON").click()
    expect(page.locator("[data-runs-said]")).to_contain_text("Run a recommendation first")
    cards, chosen = run(page), picks(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as JSON").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    saved = read_trace(file.read_bytes())
    assert file.name == f"palr-{saved.trace.run_id}.json"
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as report").click()
    report = Path(download.value.path()).read_text("utf-8")
    assert report.startswith(f"# PALR Studio, run {saved.trace.run_id}")

    other = visit_scripted(width=390)
    show(other, "Beauty")
    open_panel(other)
    expect(other.locator("[data-runs-none]")).to_be_visible()
    other.locator("[data-runs-file]").set_input_files(file)
    expect(other.locator(".card")).to_have_count(10)
    assert other.locator(".card h3").all_inner_texts() == cards
    expect(other.locator("#picker .pick")).to_have_count(len(chosen))
    assert picks(other) == chosen
    expect(other.get_by_role("radio", name="Movies")).to_be_checked()

    (tmp_path / "other.json").write_text('{"format": "palr-trace", "version": 99}')
    other.locator("[data-runs-file]").set_input_files(tmp_path / "other.json")
    expect(other.locator(".notice")).to_contain_text("has version 99 of the format")
    expect(other.locator(".card")).to_have_count(10)
    for encoding in ("utf-16", "utf-16-be", "cp1252"):
        words = saved.to_dict()
        words["trace"]["run_id"] = f"é-{encoding}"
        text = json.dumps(words, ensure_ascii=False)
        (tmp_path / "other.json").write_bytes(text.encode(encoding, "replace"))
        other.locator("[data-runs-file]").set_input_files(tmp_path / "other.json")
        expect(other.get_by_text(f"Run é-{encoding} is open")).to_be_visible()


def test_a_bad_file_changes_nothing_and_says_why(visit_scripted: Visit, tmp_path: Path) -> None:
    page = visit_scripted()
    cards, chosen = run(page), picks(page)
    open_panel(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as JSON").click()
    sound = Path(download.value.path()).read_text("utf-8")

    def give(text: str) -> None:
        (tmp_path / "given.json").write_text(text)
        page.locator("[data-runs-file]").set_input_files(tmp_path / "given.json")

    give(sound[: len(sound) // 2])
    expect(page.locator(".notice")).to_contain_text("it is not JSON")
    give(json.dumps(json.loads(sound) | {"trace": {}}))
    expect(page.locator(".notice")).to_contain_text("damaged at trace")
    other = json.loads(sound)
    other["trace"]["dataset"] = "ml-latest-small"
    give(json.dumps(other))
    expect(page.locator(".notice")).to_contain_text("was made with")
    give(" " * 5_000_000)
    expect(page.locator("[data-runs-said]")).to_contain_text("too large")
    assert page.locator(".card h3").all_inner_texts() == cards
    assert picks(page) == chosen


def test_a_file_with_scripts_opens_as_plain_text(visit_scripted: Visit, tmp_path: Path) -> None:
    page = visit_scripted()
    cards = run(page)
    open_panel(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as JSON").click()
    trace = json.loads(Path(download.value.path()).read_text("utf-8"))
    attack = '<img src=x onerror="document.body.dataset.hit = 1"><script>alert(1)</script>'
    trace["trace"]["profile"]["text"] = attack
    trace["trace"]["notes"] = [attack]
    for pick in trace["trace"]["picks"]:
        pick["title"] = attack
    for keyword in trace["trace"]["profile"]["keywords"]:
        keyword["text"] = attack
    for segment in trace["trace"]["prompt"]["segments"]:
        segment["text"] += attack
    (tmp_path / "given.json").write_text(json.dumps(trace))
    page.locator("[data-runs-file]").set_input_files(tmp_path / "given.json")
    expect(page.locator(".profile-text")).to_contain_text("<script>alert(1)</script>")
    assert page.locator(".card h3").all_inner_texts() == cards
    page.locator(".hood > summary").click()
    page.get_by_role("button", name="Edit and run again").click()
    assert page.locator("#studio img[src=x]").count() == 0
    assert page.evaluate("document.body.dataset.hit") is None


def test_a_link_and_a_reload_bring_picks_and_settings_back(visit_scripted: Visit) -> None:
    page = visit_scripted()
    show(page, "Beauty")
    page.locator(".visitor").first.click()
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("radio", name="Score labels").check()
    expect(page.locator("#link [data-link*='mode=labels']")).to_be_attached()
    open_panel(page)
    page.get_by_role("button", name="Copy link").click()
    address = page.get_by_label("Link to these picks").input_value()
    chosen = picks(page)

    page.reload()
    shared = visit_scripted(fragment=f"#{address.partition('#')[2]}")
    for back in (page, shared):
        expect(back.locator("#picker .pick-label")).to_have_text(chosen)
        expect(back.get_by_role("radio", name="Beauty")).to_be_checked()
        back.get_by_role("button", name="Settings").click()
        expect(back.get_by_role("radio", name="Score labels")).to_be_checked()


def test_runs_are_kept_in_the_browser_until_they_are_deleted(visit_scripted: Visit) -> None:
    page = visit_scripted()
    first, chosen = run(page, 0), picks(page)
    assert run(page, 1) != first
    open_panel(page)
    rows = page.locator(".runs-list li")
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_role("button", name="Open").click()
    expect(page.locator(".notice")).to_contain_text("is open, as it was saved")
    assert page.locator(".card h3").all_inner_texts() == first
    assert picks(page) == chosen
    page.reload()
    open_panel(page)
    rows.nth(0).get_by_role("button", name="Delete").press("Enter")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Delete all").press("Enter")
    expect(rows).to_have_count(0)
    assert page.evaluate("localStorage.getItem('palr-runs')") == "[]"


def test_the_list_works_where_storage_is_refused(visit_scripted: Visit) -> None:
    page = visit_scripted()
    refuse = "() => { throw new DOMException('refused') }"
    page.evaluate(f"() => {{ Storage.prototype.setItem = Storage.prototype.getItem = {refuse} }}")
    run(page)
    open_panel(page)
    expect(page.locator(".runs-list li")).to_have_count(1)


def test_kept_runs_are_read_when_a_run_comes_and_not_at_every_change(
    visit_scripted: Visit,
) -> None:
    page = visit_scripted()
    run(page)
    page.evaluate(
        """() => {
            window.reads = 0;
            const read = Storage.prototype.getItem;
            Storage.prototype.getItem = function (key) {
                window.reads += key === "palr-runs";
                return read.call(this, key);
            };
        }"""
    )
    for _ in range(20):
        page.evaluate("() => document.body.append(document.createElement('span'))")
    page.locator("#picker input").fill("toy story")
    expect(page.locator("[role=option]").first).to_be_visible()
    assert page.evaluate("() => window.reads") == 0
    # A run that was deleted while it is shown does not come back.
    open_panel(page)
    page.get_by_role("button", name="Delete all").click()
    page.evaluate("() => document.body.append(document.createElement('span'))")
    expect(page.locator("[data-runs-none]")).to_be_visible()
    expect(page.locator("[data-runs-list] li")).to_have_count(0)
    run(page, visitor=2)
    expect(page.locator("[data-runs-list] li")).to_have_count(1)
