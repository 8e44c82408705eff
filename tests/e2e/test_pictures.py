"""The README's pictures of the page say what the page says today."""

from PIL import Image

from tests.screenshots import HEIGHT, PAGE, RUN, RUN_WIDTH, WIDTH, wording, wording_of

from .conftest import Visit, recommend


def test_the_pictures_have_the_wording_of_the_page(visit_scripted: Visit) -> None:
    page = visit_scripted()
    page.locator(".visitor").nth(1).click()
    recommend(page)
    page.locator(".hood > summary").wait_for()
    for picture in (PAGE, RUN):
        assert wording_of(picture) == wording(page), "run `python -m tests.screenshots`"


def test_the_pictures_are_of_their_sizes() -> None:
    with Image.open(PAGE) as page, Image.open(RUN) as run:
        assert page.width == WIDTH
        assert run.size == (RUN_WIDTH, RUN_WIDTH * HEIGHT // WIDTH)
        assert run.n_frames >= 5
    assert PAGE.stat().st_size + RUN.stat().st_size < 2_000_000
