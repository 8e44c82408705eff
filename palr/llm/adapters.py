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
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, Strict

from palr.errors import LLMError, fault
from palr.files import decoded
from palr.settings import SMOLLM2, Settings

Weight = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]

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
        notes: What may be amiss with it over the model at work.
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
    notes: tuple[str, ...] = ()

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
        """Notes on what it was not trained for: the model at work, or a ranking mode."""
        if not self.modes or mode in self.modes:
            return self.notes
        trained = " and ".join(repr(name) for name in self.modes)
        return (
            *self.notes,
            f"the adapter {self.name} was trained for {trained}, not for {mode!r}",
        )


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
        note = _Note.model_validate(read_note(folder))
        if not (note.domain and note.base_model):
            raise ValueError("domain and base_model are names")
    except (OSError, ValueError, TypeError) as error:
        raise LLMError(
            f"{folder / NOTE} is missing or damaged ({fault(error)}); train the adapter again, or "
            "remove its folder"
        ) from error
    adapter = _adapter(folder.name, folder, note)
    return replace(adapter, domain=note.domain, base_model=note.base_model, dataset=note.dataset)


def read_note(folder: Path) -> dict[str, Any]:
    """What ``palr.json`` in a folder says.

    Raises:
        OSError, ValueError, TypeError: it is missing, is not JSON, or no object.
    """
    try:
        note = json.loads(decoded((folder / NOTE).read_bytes()))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(note, dict):
        raise TypeError("it is no object")
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
        raise LLMError(
            f"the adapter {adapter} does not load over {settings.llm}: {fault(error)}. Check that "
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
    name = name_of(adapter)
    if not (folder / NOTE).is_file():
        return Adapter(name, folder)
    try:
        return _adapter(name, folder, _Note.model_validate(read_note(folder)))
    except (OSError, ValueError, TypeError) as error:
        raise LLMError(
            f"{NOTE} of the adapter {adapter} is damaged ({fault(error)}): write "
            '{"modes": ["titles"]} with the ranking modes it was trained for, or remove the file'
        ) from error


def name_of(adapter: str) -> str:
    """What an adapter (folder or hub id) is called: the last part of where it lies.

    >>> name_of("user/model-1.5"), name_of("runs/palr-v2-lr0.5/"), name_of("runs/..") != ".."
    ('model-1.5', 'palr-v2-lr0.5', True)
    """
    return os.path.basename(os.path.abspath(os.path.expanduser(adapter))) or adapter


class _Weights(BaseModel):
    prior: Weight = 0.0
    spread: Weight = 0.0


class _Note(_Weights):
    """What `NOTE` must say."""

    modes: tuple[str, ...]
    behind: dict[str, _Weights] = {}
    domain: str = ""
    base_model: str = ""
    dataset: str = ""


def _adapter(name: str, folder: Path, note: _Note) -> Adapter:
    behind = {retriever: (each.prior, each.spread) for retriever, each in note.behind.items()}
    return Adapter(name, folder, note.modes, note.prior, note.spread, behind)


def _folder(adapter: str) -> Path:
    """Where the adapter lies, fetched if need be."""
    from huggingface_hub import snapshot_download

    folder = Path(adapter).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or adapter.startswith(".") or len(folder.parts) > 2:
        raise FileNotFoundError("there is no such folder")
    return Path(snapshot_download(adapter, allow_patterns=["*.json", "*.safetensors"]))
