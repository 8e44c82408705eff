"""The pictures of the page in the README: `python -m tests.screenshots` takes them anew.

``page.png`` is the page after a run, ``run.gif`` the run itself. Both carry the wording of the page
that they show, so that a test can tell when they are out of date.
"""

import io
import json
import shutil
import time
from pathlib import Path

from PIL import Image, PngImagePlugin
from playwright.sync_api import Page, sync_playwright

from palr.app.setup import ensure
from palr.settings import load_settings

from .e2e.conftest import FLAGS
from .load.app import RunningApp

FOLDER = Path(__file__).parents[1] / "assets" / "screenshots"
PAGE, RUN = FOLDER / "page.png", FOLDER / "run.gif"
WIDTH, HEIGHT = 1280, 800
RUN_WIDTH = 960
VISITOR = "Space opera fan"
# What a reader would miss if it changed: headings, visitors, the button, and the panels' names.
WORDING = "h1, .visitor, #stages h2, .stage h2, #recommend, .hood > summary, .panel > button"
_FOLLOW = "document.querySelector('.stage[aria-busy=true]')?.scrollIntoView({block: 'nearest'})"
_SHORTEST, _LONGEST, _LAST = 80, 900, 4000  # milliseconds that a frame of the GIF stays


def wording(page: Page) -> list[str]:
    """The page's fixed words, in their order, after a run."""
    found = page.locator(WORDING).all_inner_texts()
    return [" ".join(text.rstrip("\N{BLACK DOWN-POINTING TRIANGLE} ").split()) for text in found]


def wording_of(path: Path) -> list[str]:
    """The words of the page when a picture was taken."""
    with Image.open(path) as picture:
        kept = picture.info["wording" if path == PAGE else "comment"]
    return list(json.loads(kept))


def take(url: str, chromium: str) -> None:
    """Visit a running app in the light scheme, run once, and write both pictures."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light"
        )
        page = context.new_page()
        page.goto(url)
        page.locator(".status-ready").wait_for(timeout=240_000)
        page.locator(".visitor", has_text=VISITOR).click()
        page.locator("#picker .pick").first.wait_for()
        frames = _filmed_run(page)
        words = json.dumps(wording(page))
        _write_run(frames, words)
        _write_page(page, words)
        browser.close()


def _filmed_run(page: Page) -> list[tuple[bytes, float]]:
    """Screenshots of one run and the moment of each, in seconds."""
    frames = [(page.screenshot(), time.monotonic())]
    page.locator("#recommend").click()
    page.mouse.move(0, 0)
    while not page.locator("#run-file").count():
        page.evaluate(_FOLLOW)
        frames.append((page.screenshot(), time.monotonic()))
    page.locator("#ranking").evaluate("stage => stage.scrollIntoView({block: 'end'})")
    page.wait_for_timeout(500)
    frames.append((page.screenshot(), time.monotonic()))
    return frames


def _write_run(frames: list[tuple[bytes, float]], words: str) -> None:
    pictures: list[Image.Image] = []
    stays: list[float] = []
    for n, (shot, moment) in enumerate(frames):
        following = frames[n + 1][1] if n + 1 < len(frames) else moment
        if n and shot == frames[n - 1][0]:
            stays[-1] += (following - moment) * 1000
            continue
        size = (RUN_WIDTH, RUN_WIDTH * HEIGHT // WIDTH)
        picture = Image.open(io.BytesIO(shot)).convert("RGB")
        pictures.append(picture.resize(size, Image.Resampling.LANCZOS))
        stays.append((following - moment) * 1000)
    palette = _montage(pictures).quantize(256)
    first, *rest = (
        picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures
    )
    stays = [round(min(max(stay, _SHORTEST), _LONGEST)) for stay in stays[:-1]] + [_LAST]
    first.save(
        RUN, save_all=True, append_images=rest, duration=stays, loop=0, comment=words.encode()
    )


def _montage(pictures: list[Image.Image]) -> Image.Image:
    """All frames in one, so that their palette has the colours of each."""
    width, height = pictures[0].size
    whole = Image.new("RGB", (width, height * len(pictures)))
    for n, picture in enumerate(pictures):
        whole.paste(picture, (0, n * height))
    return whole


def _write_page(page: Page, words: str) -> None:
    """The page from its head to the end of the recommendations."""
    page.evaluate("window.scrollTo(0, 0)")
    end = page.locator(".card").last.evaluate("card => card.getBoundingClientRect().bottom")
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": int(end) + 24}
    shot = page.screenshot(full_page=True, clip=clip)
    about = PngImagePlugin.PngInfo()
    about.add_text("wording", words)
    picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(PAGE, optimize=True, pnginfo=about)


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("no chromium on the PATH (Debian: apt-get install chromium)")
    settings = load_settings()
    ensure(settings)
    with RunningApp(settings.home) as app:
        take(app.url, chromium)
    for path in (PAGE, RUN):
        print(f"{path.relative_to(FOLDER.parents[1])}: {path.stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    main()
