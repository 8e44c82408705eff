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
from palr.app.runtime import Runtime
from palr.catalog.catalog import CatalogStore
from palr.domains import DOMAINS, Domain
from palr.errors import CatalogError, PalrError
from palr.llm import get_backend
from palr.llm.check import folder_or_hub, reachable
from palr.retrieval import available
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
    free = shutil.disk_usage(place).free
    found = f"{settings.home}, {free / (1 << 30):.1f} GiB free"
    if setup.missing(settings) and not os.access(place, os.W_OK):
        yield Finding("home", f"{found}, not writable", "set PALR_HOME to a writable folder")
    elif setup.missing(settings) and free < ROOM:
        yield Finding("home", found, "free a GiB, or set PALR_HOME to a folder with more room")
    else:
        yield Finding("home", found)


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

    if not torch.cuda.is_available():
        wanted = settings.device.startswith("cuda") or settings.dtype == "int4"
        remedy = "unset PALR_DEVICE and PALR_DTYPE, or install a CUDA build of torch"
        found = f"no CUDA GPU; {os.cpu_count()} CPU cores, {torch.get_num_threads()} threads"
        yield Finding("device", found, remedy if wanted else "")
        return
    properties = torch.cuda.get_device_properties(0)
    yield Finding("device", f"{properties.name}, {properties.total_memory / (1 << 30):.0f} GiB")
    if settings.dtype == "int4" and _version("bitsandbytes") == "missing":
        yield Finding("int4", "bitsandbytes is missing", "pip install bitsandbytes")


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
    local = settings.host if settings.host not in ("0.0.0.0", "::", "") else "localhost"
    if reachable(f"{local}:{settings.port}"):
        remedy = f"the app may be running already; else PALR_PORT={settings.port + 1}"
        yield Finding("port", f"{settings.port} is taken", remedy)
    else:
        yield Finding("port", f"{settings.port} is free")
