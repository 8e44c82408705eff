"""Adapters: PEFT weights over a model, and the note of what they were trained for.

A folder with an adapter may hold ``palr.json`` beside ``adapter_config.json``:

    {"modes": ["labels"], "domain": "movies", "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct"}

names the ranking modes that it was trained for, the best first, and what it was trained on.
``"prior": 1.0`` says that it was trained on top of the retriever's scores, and how much they count,
``"spread": 0.5`` to which standard deviation its own are brought (`palr.ranking.mix.ScoreMix`);
``"behind": {"semantic": {"prior": 4.0, "spread": 0.0}}`` has weights for lists of that retriever.
Those that lie in ``assets/adapters`` and ``PALR_HOME/adapters`` can be chosen on the page; they
need the whole note.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palr.errors import LLMError
from palr.files import decoded
from palr.settings import SMOLLM2, Settings

NOTE, WEIGHTS = "palr.json", "adapter_model.safetensors"
SHIPPED = Path(__file__).parents[2] / "assets" / "adapters"
SMOLLM2_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
STEERED = "steered"  # taught to read wishes, and profiles that ask for something else
ROWS = ("v1", "v2")  # of the paper's table: without and with candidates in the instructions


@dataclass(frozen=True)
class Adapter:
    """A fine-tuned adapter and what its note says.

    Attributes:
        name: The name of its folder.
        folder: Where it lies; None for an adapter that a server runs.
        modes: Ranking modes that it was trained for, the best first; empty where unknown.
        prior: The weight of the retriever's scores (`palr.ranking.mix.ScoreMix`).
        spread: The standard deviation to which its own scores are brought.
        by_retriever: Prior and spread for the lists of certain retrievers.
        domain: Key of the domain whose instructions it learnt.
        base_model: The hub id of the model that it lies over.
        dataset: Key of the data set that it was trained on.
    """

    name: str
    folder: Path | None = None
    modes: tuple[str, ...] = ()
    prior: float = 0.0
    spread: float = 0.0
    by_retriever: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    domain: str = ""
    base_model: str = ""
    dataset: str = ""

    @property
    def label(self) -> str:
        """Its name in the paper's table, where it has one, and what sets it apart from that.

        >>> [Adapter(name).label for name in ("movies-v2", "palr-v1-beauty", "mine")]
        ['PALR_v2', 'PALR_v1', 'mine']
        >>> Adapter("movies-v2-steered").label
        'PALR_v2, steered'
        """
        parts = self.name.split("-")
        row = next((row for row in ROWS if row in parts), None)
        steered = f", {STEERED}" if STEERED in parts else ""
        return f"PALR_{row}{steered}" if row else self.name

    def weights(self, retriever: str | None) -> tuple[float, float]:
        """Prior and spread for the lists of a retriever; None for any."""
        return self.by_retriever.get(retriever or "", (self.prior, self.spread))

    def untrained(self, mode: str) -> tuple[str, ...]:
        """A note where it was not trained for a ranking mode."""
        if not self.modes or mode in self.modes:
            return ()
        trained = " and ".join(repr(name) for name in self.modes)
        return (f"the adapter {self.name} was trained for {trained}, not for {mode!r}",)


def adapters(settings: Settings, domain: str, shipped: Path = SHIPPED) -> dict[str, Adapter]:
    """The adapters for this domain that were trained on ``settings.llm``, by name in order.

    One in ``PALR_HOME/adapters`` stands in for a shipped one of its name.

    Raises:
        LLMError: a ``palr.json`` is damaged.
    """
    found: dict[str, Adapter] = {}
    for root in (shipped, settings.home / "adapters"):
        for path in sorted(root.glob(f"*/{NOTE}")):
            adapter = read_adapter(path.parent)
            if adapter.domain == domain and adapter.base_model == base_name(settings):
                found[adapter.name] = adapter
    return dict(sorted(found.items()))


def preferred(found: dict[str, Adapter], dataset: str) -> Adapter | None:
    """The one to rank with unless another is asked for: a PALR_v2, best of this very data set."""
    known = [adapter for adapter in found.values() if adapter.label == f"PALR_{ROWS[-1]}"]
    return next((a for a in known if a.dataset == dataset), known[0] if known else None)


def absent(found: dict[str, Adapter], dataset: str) -> list[str]:
    """The paper's rows that no adapter at hand stands for, each with the command that trains it."""
    labels = {adapter.label for adapter in found.values()}
    missing = [row for row in ROWS if f"PALR_{row}" not in labels]
    return [
        f"PALR_{row} is not installed: python -m finetune reproduce --dataset {dataset} trains it."
        for row in missing
    ]


def read_adapter(folder: Path) -> Adapter:
    """The adapter in a folder.

    Raises:
        LLMError: its ``palr.json`` is missing or damaged.
    """
    try:
        note = read_note(folder)
        whole = note["domain"], note["base_model"]
        return _adapter(folder.name, folder, note, *whole, note.get("dataset", ""))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LLMError(
            f"{folder / NOTE} is missing or damaged ({type(error).__name__}); train the adapter "
            "again, or remove its folder"
        ) from error


def read_note(folder: Path) -> dict[str, Any]:
    """What ``palr.json`` in a folder says.

    Raises:
        OSError, ValueError, TypeError: it is missing, is not JSON, or not an object of this kind.
    """
    try:
        note = json.loads(decoded((folder / NOTE).read_bytes()))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(note, dict):
        raise TypeError("it is no object")
    if not all(isinstance(note.get(key, ""), str) for key in ("domain", "base_model", "dataset")):
        raise TypeError("domain, base_model and dataset are names")
    return note


def write_note(folder: Path, note: Mapping[str, Any]) -> None:
    """Write ``palr.json`` into a folder."""
    (folder / NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


def configured(settings: Settings) -> Adapter | None:
    """The adapter of ``PALR_ADAPTER`` (folder or hub id), fetched if need be; None without one.

    Raises:
        LLMError: there is none of that name, or its note is damaged.
    """
    adapter = settings.adapter
    if not adapter:
        return None
    try:
        folder = _folder(adapter)
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise LLMError(
            f"the adapter {adapter} does not load over {settings.llm}: {reason}. Check that "
            "PALR_ADAPTER is a PEFT folder or hub id that was trained on this PALR_LLM"
        ) from error
    return trained_for(adapter, folder)


def base_name(settings: Settings) -> str:
    """How adapters name the model of the settings."""
    if settings.llm == SMOLLM2:
        return SMOLLM2_HUB_ID
    return Path(settings.llm).name if Path(settings.llm).is_dir() else settings.llm


def trained_for(adapter: str, folder: Path) -> Adapter:
    """The adapter (folder or hub id), which lies in ``folder``, and what its note says of it, where
    it has one.

    Raises:
        LLMError: the note does not say what it should.
    """
    name, path = Path(adapter).name, _note(adapter)
    if path is None:
        return Adapter(name, folder)
    try:
        return _adapter(name, folder, read_note(path.parent))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LLMError(
            f'{NOTE} of the adapter {adapter} is damaged ({error}): write {{"modes": ["titles"]}} '
            "with the ranking modes it was trained for, or remove the file"
        ) from error


def _adapter(name: str, folder: Path, note: dict[str, Any], *trained_on: str) -> Adapter:
    by_retriever = note.get("behind", {})
    if not (isinstance(by_retriever, dict) and all(map(_is_object, by_retriever.values()))):
        raise TypeError("behind gives prior and spread by retriever")
    weights = {retriever: _weights(given) for retriever, given in by_retriever.items()}
    return Adapter(name, folder, _modes(note), *_weights(note), weights, *trained_on)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _modes(note: dict[str, Any]) -> tuple[str, ...]:
    modes = note["modes"]
    if not (isinstance(modes, list) and all(isinstance(mode, str) for mode in modes)):
        raise TypeError("modes is no list of names")
    return tuple(modes)


def _weights(note: dict[str, Any]) -> tuple[float, float]:
    """The prior and the spread."""
    prior, spread = note.get("prior", 0.0), note.get("spread", 0.0)
    for weight in (prior, spread):
        known = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not known or not 0 <= weight <= sys.float_info.max:
            raise TypeError("prior and spread are weights")
    return float(prior), float(spread)


def _folder(adapter: str) -> Path:
    """Where the adapter lies, fetched if need be."""
    from huggingface_hub import snapshot_download

    folder = Path(adapter)
    if not folder.is_dir():
        folder = Path(snapshot_download(adapter, allow_patterns=["*.json", "*.safetensors"]))
    return folder


def _note(adapter: str) -> Path | None:
    if Path(adapter).is_dir():
        path = Path(adapter) / NOTE
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(adapter, NOTE))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError):
        return None  # the note is optional; whether the adapter itself is there, its loading tells
