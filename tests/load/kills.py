"""``kill -9`` at random moments, while data sets are installed and visitors use the page.

    python -m tests.load.kills --times 50 --json assets/results/kills.json

Works on a home of its own: the models of PALR_HOME, which is only read, and a database that begins
empty. After each kill every data set must be whole or absent, and the next start must serve.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from palr.catalog.catalog import CatalogStore
from palr.errors import PalrError
from palr.settings import Settings, load_settings
from tests.load.app import ROOT, RunningApp
from tests.load.visitor import Visitor

LONGEST_LIFE = 12.0  # seconds, of every other app from its first visitor: a start, or some runs


def prepared_copy(home: Path, folder: Path) -> Path:
    """A home that shares the models and has a database of its own."""
    copy = folder / "home"
    copy.mkdir()
    (copy / "models").symlink_to(home / "models")
    shutil.copytree(home / "downloads", copy / "downloads")
    return copy


def broken(home: Path) -> list[str]:
    """What is half there: a damaged database, or a data set with fewer rows than it says."""
    store = CatalogStore(Settings(home=home).catalog_url)
    faults = []
    try:
        store.check()
        for key, info in store.installed().items():
            catalog = store.open(key)
            rows = len(catalog.interactions()) if catalog.has_interactions else 0
            if (len(catalog.items), rows) != (info.items, info.interactions):
                faults.append(f"{key} has {len(catalog.items)} items and {rows} interactions")
    except PalrError as error:
        faults.append(str(error))
    finally:
        store.close()
    return faults


def _install_for_ever(home: Path, sources: list[list[str]], stop: threading.Event) -> list[int]:
    """Install and remove data sets in processes of their own, killed with the app."""
    killed = []
    while not stop.is_set():
        for arguments in random.sample(sources, len(sources)):
            process = subprocess.Popen(
                [sys.executable, "-m", "palr", "data", *arguments],
                cwd=ROOT,
                env={**os.environ, "PALR_HOME": str(home)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while process.poll() is None:
                if stop.wait(0.02):
                    process.kill()
                    process.wait()
                    killed.append(process.pid)
                    return killed
    return killed


def _visit_for_ever(url: str, stop: threading.Event, runs: Counter[str]) -> None:
    async def visits() -> None:
        while not stop.is_set():
            visitor = Visitor(url, "192.0.2.1", timeout=20)
            with suppress(httpx.HTTPError, RuntimeError, ValueError, KeyError):
                await visitor.open()
                items = await visitor.search("star")
                runs["begun"] += 1
                outcome = await visitor.recommend([item["id"] for item in items[:3]])
                runs["done" if outcome.trace else "turned away"] += 1
            await visitor.close()
            await asyncio.sleep(0.05)

    asyncio.run(visits())


def _until_somebody_is_there(app: RunningApp, runs: Counter[str]) -> None:
    before, deadline = runs["begun"], time.monotonic() + 180
    while app.running and runs["begun"] == before and time.monotonic() < deadline:
        time.sleep(0.02)


def kill_often(
    home: Path, times: int, longest: float = LONGEST_LIFE, **settings: str
) -> dict[str, Any]:
    """Start, use, install, kill; ``home`` is only read."""
    sources = [["install", "ml-100k", "--from", str(home / "downloads" / "ml-100k")]]
    sources.append(["install", "beauty-starter"])
    official = os.environ.get("PALR_DATA")
    if official and (Path(official) / "ml-1m.zip").is_file():
        sources += [["install", "ml-1m", "--from", official], ["remove", "ml-1m"]]
    faults: list[str] = []
    lives: list[float] = []
    runs: Counter[str] = Counter()
    interrupted = 0
    with tempfile.TemporaryDirectory(prefix="palr-kills-") as folder:
        copy = prepared_copy(home, Path(folder))
        for number in range(times):
            stop = threading.Event()
            app = RunningApp(copy, PALR_RATE="0", **settings)
            begin = time.monotonic()
            app.start()
            killed: list[int] = []
            installer = threading.Thread(
                target=lambda k=killed, s=stop: k.extend(_install_for_ever(copy, sources, s))
            )
            guest = threading.Thread(target=_visit_for_ever, args=(app.url, stop, runs))
            installer.start()
            guest.start()
            if number % 2 == 0:
                _until_somebody_is_there(app, runs)
            time.sleep(random.uniform(0.05, longest))
            if not app.running:
                faults.append(f"start {number} ended by itself: {app.output()[-500:]}")
            else:
                app.kill()
            stop.set()
            lives.append(time.monotonic() - begin)
            installer.join()
            guest.join()
            interrupted += len(killed)
            app.log.unlink()
            faults += [f"after kill {number}: {fault}" for fault in broken(copy)]
        try:
            with RunningApp(copy, PALR_RATE="0", **settings) as last:
                answer = asyncio.run(_recommend(last.url))
        except RuntimeError as error:
            faults.append(f"the last start: {error}")
            answer = 0
    return {
        "kills": times,
        "killed_after_s": [round(min(lives), 2), round(max(lives), 2)],
        "installations_interrupted": interrupted,
        "runs": dict(runs),
        "faults": faults[:20],
        "verdicts": {
            "nothing_half_installed": not faults,
            "the_next_start_works": answer == 10,
            "visitors_were_there": runs["begun"] > 0,
        },
    }


async def _recommend(url: str) -> int:
    visitor = Visitor(url, "192.0.2.2")
    try:
        await visitor.open()
        outcome = await visitor.recommend(["1", "50"])
        return len(outcome.trace["ranking"]["items"]) if outcome.trace else 0
    finally:
        await visitor.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--json", type=Path, help="write the report here too")
    given = parser.parse_args()
    result = kill_often(load_settings().home, given.times)
    text = json.dumps(result, indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")
    return 0 if all(result["verdicts"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
