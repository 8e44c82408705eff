"""What is asked for, where the shipped model and its adapter rank: the model has a mind of its own,
and the ten must follow the visitor all the same."""

import pytest
from playwright.sync_api import expect

from .conftest import Visit, recommend, show
from .test_accessibility import every_view, faults
from .test_wish import ask, cards, chips, keywords, note, settled, share, undo

pytestmark = pytest.mark.timeout(900)
RUN_MS = 240_000

# Whom the page knows, and a keyword that their ten lack.
VISITORS = {"Movies": ("Hopeless romantic", "western"), "Beauty": ("Nail art at home", "fragrance")}


@every_view()
def test_the_models_ten_follow_words_profile_and_cards(
    visit: Visit, domain: str, width: int, mode: str
) -> None:
    page = visit(width=width, mode=mode)
    show(page, domain)
    who, wanted = VISITORS[domain]
    page.locator(".visitor", has_text=who).click()
    recommend(page, RUN_MS)
    first, written = cards(page), page.locator(".profile-text").inner_text()
    assert share(keywords(page), wanted) <= 0.2
    ask(page, f"more {wanted}, no drama")
    assert share(keywords(page), wanted) >= 0.5
    assert wanted in chips(page)
    settled(page, page.get_by_role("button", name=f"More {wanted}: turn round").click)
    assert share(keywords(page), wanted) == 0
    undo(page)
    undo(page)
    assert cards(page) == first
    page.get_by_role("button", name="Edit profile").click()
    page.get_by_role("textbox", name="Profile", exact=True).fill(f"{written} Now only {wanted}.")
    settled(page, page.get_by_role("button", name="Save", exact=True).click)
    assert share(keywords(page), wanted) >= 0.5
    name = page.locator(".card h3").first.inner_text()
    settled(page, page.locator(".card").first.get_by_role("button", name="Less like this").click)
    assert name not in page.locator(".card h3").all_inner_texts()
    expect(note(page)).to_be_empty()
    assert faults(page) == []
