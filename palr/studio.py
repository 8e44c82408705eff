"""What the page and the command line share: one catalog, retriever and language model each."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from palr.catalog import Catalog, CatalogStore
from palr.domains import DOMAINS, Domain, get_domain
from palr.errors import PalrError
from palr.llm import load_llm
from palr.llm.adapters import trained_modes
from palr.llm.base import LLM
from palr.prefetch import Prefetcher, Running
from palr.ranking import DEFAULT_MODE, MODES
from palr.recommender import Recommender
from palr.retrieval import available, load_retriever
from palr.retrieval.base import Retriever
from palr.settings import Settings
from palr.types import Item


@dataclass(frozen=True)
class LLMStatus:
    state: Literal["loading", "ready", "failed"]
    message: str


class Studio:
    """Opens catalogs, retrievers and the model once, on first use, and hands them out.

    Safe to use from several threads.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self._store = CatalogStore(settings.catalog_url)
        # Search reads catalogs: it must not wait while a retriever is being loaded.
        self._catalog_lock = threading.Lock()
        self._retriever_lock = threading.Lock()
        self._llm_lock = threading.Lock()
        self._catalogs: dict[str, Catalog] = {}
        self._retrievers: dict[tuple[str, str], Retriever] = {}
        self._llm: LLM | None = None
        self._llm_error: PalrError | None = None
        self._running = Running()
        self._prefetcher = Prefetcher(self._running)

    @property
    def domains(self) -> list[Domain]:
        return list(DOMAINS.values())

    def catalog(self, domain: str) -> Catalog:
        """The active catalog of a domain; raises CatalogError where none is installed."""
        with self._catalog_lock:
            if domain not in self._catalogs:
                self._catalogs[domain] = self._store.active(get_domain(domain))
            return self._catalogs[domain]

    def retrievers(self, domain: str) -> list[str]:
        """Names of the retrievers that can serve the active catalog, best first."""
        return available(self.catalog(domain), self.settings)

    def retriever(self, domain: str, name: str) -> Retriever:
        """A loaded retriever; raises RetrieverUnavailableError with the reason."""
        with self._retriever_lock:
            key = (domain, name)
            if key not in self._retrievers:
                self._retrievers[key] = load_retriever(name, self.catalog(domain), self.settings)
            return self._retrievers[key]

    def recommender(self, domain: str) -> Recommender:
        return Recommender(
            self.catalog(domain),
            lambda name: self.retriever(domain, name),
            self.llm,
            self.settings.retriever,
            self._running,
        )

    @cached_property
    def default_mode(self) -> str:
        """The ranking mode that the configured adapter was trained for first, else the paper's.

        Known before the model is loaded, and the same as `recommender.default_mode` then.
        """
        adapter = self.settings.adapter
        local = adapter and self.settings.llm_backend == "transformers"
        modes = trained_modes(adapter) if local else ()
        return next((mode for mode in modes if mode in MODES), DEFAULT_MODE)

    def prefetch(self, domain: str, picks: Sequence[Item], mode: str) -> None:
        """Let the model read these picks in the background, in case they will be run.

        Returns at once. No run waits for it: it ends within one forward pass when one starts.
        """
        if self._llm is not None and picks:
            recommender = self.recommender(domain)
            self._prefetcher.ask(lambda: recommender.read_ahead(picks, mode=mode))

    def llm(self) -> LLM:
        """The language model, loaded by the first caller while the others wait.

        Raises:
            LLMError: it cannot be loaded; the next call tries again.
        """
        with self._llm_lock:
            if self._llm is None:
                try:
                    self._llm = load_llm(self.settings)
                    self._llm_error = None
                except PalrError as error:
                    self._llm_error = error
                    raise
            return self._llm

    def warm_up(self) -> threading.Thread:
        """Load retrievers and the model in the background; `llm_status` tells how it stands."""
        thread = threading.Thread(target=self._warm_up, name="palr-warm-up", daemon=True)
        thread.start()
        return thread

    @property
    def llm_status(self) -> LLMStatus:
        if self._llm is not None:
            adapter = self._llm.adapter
            return LLMStatus("ready", f"{self._llm.name}, {adapter or 'zero-shot'}")
        if self._llm_error is not None:
            return LLMStatus("failed", str(self._llm_error))
        return LLMStatus("loading", "The language model is warming up")

    def _warm_up(self) -> None:
        try:
            for domain in DOMAINS:
                self.catalog(domain).search("a")  # builds the index
            # The first pass through a model is slow; let it not be a visitor's.
            next(self.llm().generate("Hello", max_tokens=1), None)
            for domain in DOMAINS:
                self.retriever(domain, self.settings.retriever)
        except PalrError as error:
            # The first visitor's run meets the same error and shows it; nobody waits here.
            self._llm_error = self._llm_error or (error if self._llm is None else None)
