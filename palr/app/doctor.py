"""What is installed, cached and reachable, and what to do about the rest: ``palr doctor``."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from palr.app import setup
from palr.catalog.catalog import CatalogStore
from palr.domains import DOMAINS
from palr.errors import PalrError
from palr.retrieval import available
from palr.settings import SMOLLM2, Settings

ROOM = 1 << 30  # bytes that a first start needs, with some to spare
REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"
_CONNECT_SECONDS = 5.0


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
                yield Finding(domain.key, str(error), "python -m palr setup")
                continue
            found = f"{catalog.dataset}, {len(catalog.items):,} items; {', '.join(names)}"
            yield Finding(domain.key, found)


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
    if settings.llm_backend == "http":
        yield _server(settings)
    elif settings.llm_backend == "scripted":
        yield Finding("language model", "scripted: it repeats the candidates, for tests only")
    elif settings.llm == SMOLLM2:
        yield Finding("language model", f"{SMOLLM2}, embedded")
    else:
        yield _local(settings.llm, "language model")
    if settings.adapter:
        yield _local(settings.adapter, "adapter")
    else:
        yield Finding("adapter", "none: rankings are zero-shot")


def _server(settings: Settings) -> Finding:
    from palr.llm.http import HTTPLLM
    from palr.llm.resilience import Patience

    patience = Patience(connect=_CONNECT_SECONDS, silence=10, total=15, retries=0)
    key = settings.llm_api_key.get_secret_value()
    try:
        model = HTTPLLM(settings.llm_url, settings.llm, key, patience=patience)
    except PalrError as error:
        return Finding("language model", f"{settings.llm} behind HTTP", str(error))
    return Finding("language model", f"{model.name} answers at {settings.llm_url}")


def _local(name: str, about: str) -> Finding:
    """A folder, or a model of the hub that is cached or can be fetched."""
    folder = Path(name)
    if folder.is_dir():
        if any(folder.glob("*.safetensors")):
            return Finding(about, f"{folder}, a folder")
        return Finding(about, f"{folder} holds no safetensors", "convert its weights; see README")
    from huggingface_hub import constants, try_to_load_from_cache

    config = "adapter_config.json" if about == "adapter" else "config.json"
    if isinstance(try_to_load_from_cache(name, config), str):
        return Finding(about, f"{name}, cached")
    token = "HF_TOKEN is set" if os.environ.get("HF_TOKEN") else "HF_TOKEN is not set"
    hub = re.sub(r"^https?://", "", constants.ENDPOINT).split("/")[0]
    if constants.HF_HUB_OFFLINE or not _reachable(hub):
        remedy = f"not cached, and {hub} is out of reach: copy the model here and name its folder"
        return Finding(about, f"{name}; {token}", remedy)
    return Finding(about, f"{name}, to be fetched from {hub} at the start; {token}")


def _reachable(host: str) -> bool:
    name, _, port = host.partition(":")
    try:
        socket.create_connection((name, int(port or 443)), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _port(settings: Settings) -> Iterator[Finding]:
    local = settings.host if settings.host not in ("0.0.0.0", "::", "") else "localhost"
    if _reachable(f"{local}:{settings.port}"):
        remedy = f"the app may be running already; else PALR_PORT={settings.port + 1}"
        yield Finding("port", f"{settings.port} is taken", remedy)
    else:
        yield Finding("port", f"{settings.port} is free")
