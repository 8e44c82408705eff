"""What is installed, cached and reachable, and what to do about the rest: ``palr doctor``."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from palr.app import setup
from palr.app.port import require_free_port
from palr.app.runtime import Runtime
from palr.catalog.catalog import CatalogStore
from palr.domains import DOMAINS, Domain
from palr.errors import CatalogError, PalrError, SettingsError
from palr.llm import get_backend
from palr.llm.check import folder_or_hub
from palr.retrieval import RETRIEVERS, available
from palr.settings import Settings

ROOM = 1 << 30  # bytes that a first start needs, with some to spare
REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``remedy`` is empty where all is well."""

    about: str
    found: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything that these settings need; changes nothing."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _packages,
        _home,
        _named,
        _parts,
        _catalogs,
        _device,
        _model,
        _adapters,
        _port,
    )
    return [finding for check in checks for finding in check(settings)]


def _packages(settings: Settings) -> Iterator[Finding]:
    found = f"Python {sys.version.split()[0]}"
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", REQUIREMENTS.read_text(), re.MULTILINE))
    wrong = [f"{name} {_version(name)}, not {pin}" for name, pin in pins.items()
             if _version(name) != pin]  # fmt: skip
    if wrong:
        yield Finding("packages", "; ".join(wrong), "pip install -r requirements.txt")
    else:
        yield Finding("packages", f"{found}, all {len(pins)} pinned packages")


def _version(name: str) -> str:
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return "missing"


def _home(settings: Settings) -> Iterator[Finding]:
    place = settings.home
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        yield Finding("home", f"{place} is no folder", "set PALR_HOME to a writable folder")
        return
    free = shutil.disk_usage(place).free
    found = f"{settings.home}, {free / (1 << 30):.1f} GiB free"
    if setup.missing(settings) and not os.access(place, os.W_OK):
        yield Finding("home", f"{found}, not writable", "set PALR_HOME to a writable folder")
    elif setup.missing(settings) and free < ROOM:
        yield Finding("home", found, "free a GiB, or set PALR_HOME to a folder with more room")
    else:
        yield Finding("home", found)


def _named(settings: Settings) -> Iterator[Finding]:
    """What settings name, where it is not there; the rest has a check of its own."""
    if settings.data and not settings.data.exists():
        yield Finding("data", f"{settings.data} does not exist", "set PALR_DATA to a folder")
    if settings.retriever not in ("auto", *RETRIEVERS):
        known = f"set PALR_RETRIEVER to one of: auto, {', '.join(RETRIEVERS)}"
        yield Finding("retriever", f"there is no {settings.retriever!r}", known)


def _parts(settings: Settings) -> Iterator[Finding]:
    missing = setup.missing(settings)
    if missing:
        yield Finding("setup", f"missing: {', '.join(missing)}", "python -m palr setup")
    else:
        yield Finding("setup", "all embedded models and data are there")


def _catalogs(settings: Settings) -> Iterator[Finding]:
    with closing(CatalogStore(settings.catalog_url)) as store:
        for domain in DOMAINS.values():
            try:
                catalog = store.active(domain)
                names = available(catalog, settings)
            except PalrError as error:
                yield Finding(domain.key, str(error), _install(domain))
                continue
            found = f"{catalog.dataset}, {len(catalog.items):,} items; {', '.join(names)}"
            yield Finding(domain.key, found)


def _install(domain: Domain) -> str:
    """The command that brings a domain its data."""
    if set(setup.EMBEDDED) & set(domain.datasets):
        return "python -m palr setup"
    return f"python -m palr data install {domain.datasets[0]}"


def _device(settings: Settings) -> Iterator[Finding]:
    import torch

    if settings.device != "auto" and (fault := _device_fault(settings.device)):
        remedy = "set PALR_DEVICE to auto, cpu, mps or one of the CUDA GPUs, cuda:0 onwards"
        yield Finding("device", f"{settings.device} cannot be used ({fault})", remedy)
        return
    if not torch.cuda.is_available():
        remedy = "unset PALR_DTYPE, or install a CUDA build of torch"
        found = f"no CUDA GPU; {os.cpu_count()} CPU cores, {torch.get_num_threads()} threads"
        yield Finding("device", found, remedy if settings.dtype == "int4" else "")
        return
    properties = torch.cuda.get_device_properties(0)
    yield Finding("device", f"{properties.name}, {properties.total_memory / (1 << 30):.0f} GiB")
    if settings.dtype == "int4" and _version("bitsandbytes") == "missing":
        yield Finding("int4", "bitsandbytes is missing", "pip install bitsandbytes")


def _device_fault(name: str) -> str:
    """Why nothing can be computed there; empty where it can."""
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return str(error).splitlines()[0].split(":")[0][:80]
    return ""


def _model(settings: Settings) -> Iterator[Finding]:
    backend = get_backend(settings.llm_backend)
    yield Finding("backend", f"{settings.llm_backend}: {backend.label}")
    yield Finding("language model", *backend.check(settings))


def _adapters(settings: Settings) -> Iterator[Finding]:
    """The adapter that ranks, which `Runtime.default_adapter` chooses for each domain."""
    if settings.adapter and get_backend(settings.llm_backend).loads_weights:
        yield Finding("adapter", *folder_or_hub(settings.adapter, "adapter_config.json"))
        return
    if settings.adapter:
        yield Finding("adapter", f"{settings.adapter}, which the server must run")
        return
    runtime = Runtime(settings)
    for domain in DOMAINS.values():
        about = f"adapter, {domain.key}"
        try:
            name = runtime.default_adapter(domain.key)
        except CatalogError:
            continue  # `_catalogs` has named the domain
        except PalrError as error:
            yield Finding(about, "its note cannot be read", str(error))
            continue
        tuned = f"{runtime.adapters(domain.key)[name]} ({name})" if name else ""
        yield Finding(about, tuned or "none: rankings are zero-shot")


def _port(settings: Settings) -> Iterator[Finding]:
    try:
        require_free_port(settings)
        yield Finding("port", f"{settings.port} is free")
    except SettingsError as error:
        found, _, remedy = str(error).partition("; ")
        yield Finding("port", found, remedy)
