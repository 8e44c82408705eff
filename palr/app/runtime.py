"""What the page and the command line share: one catalog, retriever and language model each."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from palr import __version__
from palr.app.own_items import OwnItems
from palr.app.read_ahead import Prefetcher, Running
from palr.candidates import COLD_START
from palr.catalog.catalog import Catalog, CatalogStore
from palr.catalog.own_items import new_own_item
from palr.data.progress import silent
from palr.domains import DOMAINS, Domain, get_domain
from palr.errors import CatalogError, LLMError, PalrError, RetrieverUnavailableError
from palr.llm import Pool, get_backend, load_llm
from palr.llm.adapters import Adapter, absent, adapters, configured, preferred
from palr.llm.base import LLM
from palr.recommender import ZERO_SHOT, Recommender
from palr.retrieval import available, load_retriever
from palr.retrieval.base import Retriever
from palr.retrieval.semantic import embed, embed_kept, item_text
from palr.runs.files import Origin
from palr.settings import MINILM, Settings, gpu_is_lent
from palr.types import Item
from palr.wish import Reading, read_wish

_log = logging.getLogger(__name__)
MAX_EMBEDDED = 512  # texts of sessions' own items
_UNHEARD = "beekeepers"  # no table holds it, so that the sentence model is asked


@dataclass(frozen=True)
class LLMStatus:
    """How far the language model is, with words for the page."""

    state: Literal["loading", "ready", "failed"]
    message: str


class Runtime:
    """Opens catalogs, retrievers and the model once, on first use, and hands them out.

    Safe to use from several threads.

    Args:
        settings: Where data and models are, and which of them to use.

    Raises:
        SettingsError: there is no such backend.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self._backend = get_backend(settings.llm_backend)
        self._store = CatalogStore(settings.catalog_url)
        # Search reads catalogs: it must not wait while a retriever is being loaded.
        self._catalog_lock = threading.Lock()
        self._retriever_lock = threading.Lock()
        self._llm_lock = threading.Lock()
        self._catalogs: dict[str, Catalog] = {}
        self._retrievers: dict[tuple[str, str], Retriever] = {}
        self._llm: LLM | None = None
        self._pool: Pool | None = None
        self._llm_error: PalrError | None = None
        self.running = Running()
        self._prefetcher = Prefetcher(self.running)
        self.own_items = OwnItems()
        self.embed = lru_cache(MAX_EMBEDDED)(self._embed)

    @property
    def domains(self) -> list[Domain]:
        """The domains that have data, in the order of `DOMAINS`.

        Raises:
            CatalogError: none has, or the database cannot be read.
        """
        installed = set(self._store.installed())
        found = [domain for domain in DOMAINS.values() if installed & set(domain.datasets)]
        if not found:
            raise CatalogError("no catalog is installed; run `python -m palr setup`")
        return found

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
        key = (domain, name)
        if key in self._retrievers:  # it need not wait while another domain's is being loaded
            return self._retrievers[key]
        with self._retriever_lock:
            if key not in self._retrievers:
                loaded = load_retriever(name, self.catalog(domain), self.settings)
                # "auto" and the name of what it found are one and the same.
                loaded = self._retrievers.setdefault((domain, loaded.name), loaded)
                self._retrievers[key] = loaded
            return self._retrievers[key]

    def recommender(self, domain: str) -> Recommender:
        """The data path over a domain's catalog; raises CatalogError where it has no data."""
        return Recommender(
            self.catalog(domain),
            lambda name: self.retriever(domain, name),
            lambda: self.llm_with(domain, self.default_adapter(domain)),
            self.settings.retriever,
            self.running,
            adapters=partial(self.llm_with, domain) if self._backend.pool else None,
            embed=lambda item: self.embed(item_text(item)),
            read=partial(self.read_wish, domain),
            writing=self.settings.profile,
        )

    def embed_catalogs(self) -> None:
        """Embed catalogs and keywords now, where no earlier run has, and not while somebody waits.

        Raises:
            RetrieverUnavailableError: the sentence model is missing or damaged.
        """
        for domain in self.domains:
            self.retriever(domain.key, COLD_START)
            self.read_wish(domain.key, _UNHEARD)

    def add_own_item(self, session: str, domain: str, title: str, listed: str) -> Item:
        """Add an item of a session's own to what is recommended to it; see `palr.app.own_items`.

        Args:
            session: Gradio's name of it.
            domain: A key of `DOMAINS`.
            title: The title, as it was typed.
            listed: Keywords, separated by commas.

        Raises:
            PalrError: title or keywords are missing or too long, or there are too many items.
            RetrieverUnavailableError: the sentence model is missing or damaged.
        """
        item = new_own_item(title, listed)
        self.own_items.check(session, domain, item)
        self.retriever(domain, COLD_START)  # the first session waits for it here
        self.embed(item_text(item))
        self.own_items.add(session, domain, item)
        return item

    def read_wish(self, domain: str, text: str) -> Reading:
        """How a wish in words is read, with the catalog's keywords; see `palr.wish`.

        Without the sentence model, only what the tables and the spelling tell is read.
        """
        catalog = self.catalog(domain)
        folder = self.settings.model_path(MINILM)
        if not folder.is_dir():
            return read_wish(text, catalog)

        def embed_words(texts: Sequence[str], keep: bool = False) -> NDArray[np.float32]:
            if keep:
                return embed_kept(texts, f"{catalog.dataset}-keywords", self.settings)
            return embed(texts, folder, silent)

        return read_wish(text, catalog, embed_words)

    def _embed(self, text: str) -> NDArray[np.float32]:
        folder = self.settings.model_path(MINILM)
        if not folder.is_dir():
            raise RetrieverUnavailableError(
                f"the sentence model is not in {folder}; run `python -m palr setup`"
            )
        vector: NDArray[np.float32] = embed([text], folder)[0]
        return vector

    def origin(self, domain: str) -> Origin:
        """What makes the runs of a domain, as a saved trace tells it."""
        arithmetic = str(getattr(self._llm, "arithmetic", ""))
        return Origin(__version__, self.catalog(domain).fingerprint, arithmetic)

    def prefetch(
        self, domain: str, picks: Sequence[Item], mode: str | None, adapter: str | None
    ) -> None:
        """Let the model read these picks in the background, in case they will be run.

        Returns at once. No run waits for it: it ends within one forward pass when one starts.

        Args:
            domain: A key of `DOMAINS`.
            picks: Oldest first.
            mode: A ranking mode, None for the adapter's own.
            adapter: See `llm_with`.
        """
        if self._llm is not None and picks:
            recommender = self.recommender(domain)
            self._prefetcher.ask(lambda: recommender.read_ahead(picks, mode=mode, adapter=adapter))

    def adapters(self, domain: str) -> dict[str, str]:
        """Labels of the adapters that can be chosen for a domain, by name; see `llm_with`."""
        return {name: adapter.label for name, adapter in self._adapters(domain).items()}

    def default_adapter(self, domain: str) -> str | None:
        """The adapter that ranks unless a run asks for another.

        Returns:
            The name of a PALR_v2 for this domain; None where there is none, or where
            ``PALR_ADAPTER`` names an adapter, which then ranks everywhere.
        """
        if self.settings.adapter:
            return None
        best = preferred(self._adapters(domain), self.catalog(domain).dataset)
        return best.name if best else None

    def absent_adapters(self, domain: str) -> list[str]:
        """The paper's adapters that are not installed, each with the command that trains it."""
        if self._backend.pool is None:
            return ["Adapters can be compared for a model in this process only."]
        return absent(self._adapters(domain), self.catalog(domain).dataset)

    @property
    def zero_shot(self) -> str | None:
        """The name that stands for no adapter; None where the backend cannot switch adapters."""
        return ZERO_SHOT if self._backend.pool else None

    def llm_with(self, domain: str, name: str | None) -> LLM:
        """The language model with an adapter.

        Args:
            domain: A key of `DOMAINS`.
            name: One of `adapters`, `ZERO_SHOT` for none, or None for the one of ``PALR_ADAPTER``.

        Raises:
            PalrError: there is no such adapter.
            LLMError: it or the model cannot be loaded.
        """
        if name is None:
            return self.llm()
        adapter = None if name == ZERO_SHOT else self._adapters(domain).get(name)
        if adapter is None and name != ZERO_SHOT:
            raise PalrError(f"no adapter {name!r} is installed for {domain}")
        self.llm()
        assert self._pool is not None
        return self._pool.llm(adapter)

    def _adapters(self, domain: str) -> dict[str, Adapter]:
        return adapters(self.settings, domain) if self._backend.pool else {}

    def llm(self) -> LLM:
        """The language model, loaded by the first caller while the others wait.

        Raises:
            LLMError: it cannot be loaded; the next call tries again.
        """
        with self._llm_lock:
            if self._llm is None:
                try:
                    self._llm = self._load()
                    self._llm_error = None
                except PalrError as error:
                    self._llm_error = error
                    raise
            return self._llm

    def _load(self) -> LLM:
        if self._backend.pool is None:
            return load_llm(self.settings)
        self._pool = self._backend.pool(self.settings)
        return self._pool.llm(configured(self.settings))

    def warm_up(self) -> threading.Thread:
        """Load the models and retrievers in the background; `llm_status` tells of the LLM."""
        thread = threading.Thread(target=self._warm_up, name="palr-warm-up", daemon=True)
        thread.start()
        return thread

    @property
    def llm_status(self) -> LLMStatus:
        """Whether the model is loaded, by now or by `warm_up`, and answered when it was tried."""
        if self._llm_error is not None:
            return LLMStatus("failed", str(self._llm_error))
        if self._llm is not None:
            adapter = f", {self._llm.adapter.name}" if self._llm.adapter else ""
            return LLMStatus("ready", f"{self._llm.name}{adapter}")
        return LLMStatus("loading", "The language model is warming up")

    def _warm_up(self) -> None:
        try:
            domains = [domain.key for domain in self.domains]
            for domain in domains:
                with _left_to_a_run(f"the catalog of {domain}"):
                    self.catalog(domain).search("a")  # builds the index
            llm = self.llm()
            if not gpu_is_lent():  # else there is none yet
                # The first passes through a model are slow; let them not be a visitor's.
                for _ in llm.generate("Hello", max_tokens=2):
                    pass
            for domain in domains:
                with _left_to_a_run(f"the retriever of {domain}"):
                    self.retriever(domain, self.settings.retriever)
            for domain in domains:
                with _left_to_a_run(f"the sentence model for {domain}"):
                    self.read_wish(domain, _UNHEARD)  # what is asked for first waits for nothing
        except PalrError as error:
            # The first visitor's run meets the same error and shows it; nobody waits here. A server
            # may be well again by then, a model in this process will not be.
            if self._llm is None or self._backend.loads_weights:
                self._llm_error = self._llm_error or error
        except Exception as error:
            # Whatever it was, no run may wait for ever for a model that is not being loaded.
            _log.exception("the warm-up broke off")
            if self._llm is None:
                self._llm_error = LLMError(f"the language model does not load: {error}")


@contextmanager
def _left_to_a_run(what: str) -> Iterator[None]:
    """Log an error instead of raising it: a run of that domain meets it again and shows it."""
    try:
        yield
    except PalrError as error:
        _log.warning("%s is not there: %s", what, error)
