"""What happens when a visitor acts: selections in, pages out. The pipeline is elsewhere."""

import logging
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from palr.app.runtime import Runtime
from palr.catalog.own_items import with_own_items
from palr.domains import DOMAINS
from palr.errors import PalrError
from palr.recommender import ZERO_SHOT
from palr.serve.spaces import on_gpu
from palr.types import Asked, Item, Recommendation
from palr.ui import hood, render
from palr.ui.picker import Selection, resolve
from palr.ui.render import AUTOMATIC, View

_POLL_SECONDS = 0.3
_WARMING = "The language model is warming up"
_log = logging.getLogger(__name__)

IDLE = View()


@dataclass(frozen=True)
class Desk:
    """One domain as a visitor left it: the picks, and the last run with what it was asked.

    ``stop`` ends the run at its next step. Gradio's own cancelling is not used: it misses a run
    that has not reached its queue yet, and can break the stream of one that follows at once.
    ``left`` tells a stopped run that the page shows something else by now, so that it keeps quiet,
    and ends what panels do with these results.
    """

    picks: tuple[str, ...] = ()
    view: View = IDLE
    asked_picks: tuple[str, ...] = ()
    asked_retriever: str = AUTOMATIC
    asked_mode: str = AUTOMATIC
    asked_adapter: str = AUTOMATIC
    stop: threading.Event = field(default_factory=threading.Event, compare=False)
    left: threading.Event = field(default_factory=threading.Event, compare=False)

    def stale_reasons(
        self, picks: tuple[str, ...], retriever: str, mode: str, adapter: str
    ) -> list[str]:
        if self.view.trace is None:
            return []
        asked = {
            "picks": self.asked_picks,
            "retriever": self.asked_retriever,
            "ranking": self.asked_mode,
            "model": self.asked_adapter,
        }
        now = {"picks": picks, "retriever": retriever, "ranking": mode, "model": adapter}
        return [what for what in asked if asked[what] != now[what]]


Desks = dict[str, Desk]


class Handlers:
    """The runtime's answers to the page's events, in the order of `page.OUTPUTS`."""

    def __init__(self, runtime: Runtime):
        self._runtime = runtime
        self.stream = on_gpu(self._on_device)

    def status(self, domain: str, adapter: str = AUTOMATIC) -> tuple[str, dict[str, Any]]:
        """The status line, and a timer update that ends the polling once the model is there."""
        domain = known(domain)
        status, catalog = self._runtime.llm_status, self._runtime.catalog(domain)
        message = status.message
        if status.state == "ready":
            message += f", {self._tuning(domain, adapter)}"
        html = render.status(status.state, message, catalog.dataset, catalog.has_interactions)
        return html, gr.update(active=status.state == "loading")

    def begin(
        self, picked: object, retriever: str, mode: str, adapter: str, desks: Desks
    ) -> tuple[Any, ...]:
        """Answer the press of the button at once, before the run gets its turn."""
        selection = Selection.parse(picked)
        if not selection.ids:
            noun = self._runtime.catalog(selection.domain).domain.noun
            return self._page(desks, selection.domain, f"Pick at least one {noun} first.")
        view = View(None, "waiting", "Waiting for a turn")
        desk = Desk(selection.ids, view, selection.ids, retriever, mode, adapter)
        _leave(desks, selection.domain)
        return self._page({**desks, selection.domain: desk}, selection.domain)

    def run(self, picked: object, desks: Desks, visitor: str = "") -> Generator[tuple[Any, ...]]:
        """Stream one run. Only the parts of the page that changed are sent."""
        selection = Selection.parse(picked)
        skipped = (gr.skip(),) * len(self._page(desks, selection.domain))
        if not selection.ids:
            yield skipped  # `begin` has answered
            return
        begun = desks.get(selection.domain) or Desk(selection.ids)
        shown: tuple[Any, ...] = ()
        before: Desk | None = None
        for desk, message in self._views(selection, begun, visitor):
            now = {**desks, selection.domain: desk}
            if begun.stop.is_set():
                stopped = self._page(_stop(now, selection.domain), selection.domain)
                yield skipped if begun.left.is_set() else stopped
                return
            if desk is before:
                continue  # nothing to show, only an opportunity to stop
            before = desk
            page = self._page(now, selection.domain, message)
            yield tuple(
                gr.skip() if shown and part == shown[place] else part
                for place, part in enumerate(page)
            )
            shown = page

    def _views(self, selection: Selection, desk: Desk, visitor: str) -> Iterator[tuple[Desk, str]]:
        desk = replace(desk, view=View(None, "running"))
        message = ""
        try:
            # Waiting here, not inside the recommender, keeps Cancel prompt while the model loads.
            while self._runtime.llm_status.state == "loading":
                yield replace(desk, view=View(None, "waiting", _WARMING)), message
                time.sleep(_POLL_SECONDS)
            catalog = self._runtime.catalog(selection.domain)
            own_items = self._runtime.own_items.of(visitor, selection.domain)
            items, unknown = resolve(with_own_items(catalog, own_items), selection.ids)
            if unknown:
                message = _left_out(len(unknown))
            if not items:
                yield replace(desk, view=IDLE), message
                return
            yield desk, message
            asked = Asked(
                _named(desk.asked_retriever),
                _named(desk.asked_mode),
                adapter=_named(desk.asked_adapter),
                own_items=own_items,
            )
            stream = self.stream(selection.domain, items, asked)
            with closing(stream):  # a cancelled run must let go of the model at once
                for trace in stream:
                    if trace is not None:
                        desk = replace(desk, view=View(trace, "running"))
                    yield desk, message
            yield replace(desk, view=replace(desk.view, phase="done")), message
        except PalrError as error:
            yield replace(desk, view=replace(desk.view, phase="failed")), str(error)
        except Exception:
            # The last line of defence: a visitor sees a sentence, the operator the traceback.
            _log.exception("a run failed")
            words = "This run failed for a reason that the server's log tells. Your picks are kept."
            yield replace(desk, view=replace(desk.view, phase="failed")), words

    def _on_device(
        self,
        domain: str,
        items: Sequence[Item],
        asked: Asked,
        earlier: Recommendation | None = None,
    ) -> Generator[Recommendation | None]:
        patience = self._runtime.settings.llm_seconds
        recommender = self._runtime.recommender(domain)
        yield from recommender.stream(items, asked, patience=patience, earlier=earlier)

    def waiting(self, picked: object, desks: Desks, words: str) -> tuple[Any, ...]:
        """The page of a run that stands in line."""
        selection = Selection.parse(picked)
        desk = desks.get(selection.domain) or Desk(selection.ids)
        desk = replace(desk, view=View(None, "waiting", words))
        return self._page({**desks, selection.domain: desk}, selection.domain)

    def refused(self, picked: object, desks: Desks, why: str) -> tuple[Any, ...]:
        """The page of a run that was not let in."""
        selection = Selection.parse(picked)
        desk = desks.get(selection.domain) or Desk(selection.ids)
        desk = replace(desk, view=IDLE)
        return self._page({**desks, selection.domain: desk}, selection.domain, f"{why}.")

    def cancelled(self, picked: object, desks: Desks) -> tuple[Any, ...]:
        selection = Selection.parse(picked)
        return self._page(_stop(desks, selection.domain), selection.domain)

    def switch(
        self,
        domain: str,
        picked: object,
        retriever: str,
        mode: str,
        adapter: str,
        desks: Desks,
    ) -> tuple[Any, ...]:
        """Put one domain's picks and results away and lay the other's out."""
        selection, domain = Selection.parse(picked), known(domain)
        desks = _stop(desks, selection.domain)
        _leave(desks, selection.domain)
        chosen = Desk(asked_retriever=retriever, asked_mode=mode, asked_adapter=adapter)
        left = desks.get(selection.domain, chosen)
        if left.view.trace is None and selection.domain != domain:
            left = chosen
        left = replace(left, picks=selection.ids, left=threading.Event())
        desks = {**desks, selection.domain: left}
        there = desks.get(domain, chosen)
        return (
            *self._page(desks, domain),
            Selection(domain, there.picks).payload(),
            *self._settings(domain, there),
            self.status(domain, there.asked_adapter)[0],
        )

    def lay(
        self, domain: str, desk: Desk, message: str, picked: object, desks: Desks
    ) -> tuple[Any, ...]:
        """Put a desk in the place of a domain's and show it, with its picks and settings."""
        selection = Selection.parse(picked)
        for left in {selection.domain, domain}:
            desks = _stop(desks, left)
            _leave(desks, left)
        kept = desks.get(selection.domain, Desk())
        desks = {**desks, selection.domain: replace(kept, picks=selection.ids), domain: desk}
        return (
            *self._page(desks, domain, message),
            Selection(domain, desk.picks).payload(),
            *self._settings(domain, desk),
            self.status(domain, desk.asked_adapter)[0],
            domain,
        )

    def told(self, domain: str, desks: Desks, why: str) -> tuple[Any, ...]:
        """As `lay` where nothing is laid out: only the notice changes."""
        notice = self._page(desks, known(domain), f"{why}.")[1]
        page = len(self._page(desks, known(domain)))
        return (gr.skip(), notice, *(gr.skip(),) * (page - 2 + 6))

    def changed(self, picked: object, retriever: str, mode: str, adapter: str, desks: Desks) -> str:
        """The note that results are stale, empty where they are not; picks are read ahead."""
        selection = Selection.parse(picked)
        desk = desks.get(selection.domain, Desk())
        if desk.view.phase not in ("waiting", "running"):
            items, _ = resolve(self._runtime.catalog(selection.domain), selection.ids)
            self._runtime.prefetch(selection.domain, items, _named(mode), _named(adapter))
        return render.stale(desk.stale_reasons(selection.ids, retriever, mode, adapter))

    def retriever_choices(self, domain: str) -> list[tuple[str, str]]:
        names = self._runtime.retrievers(domain)
        return [("Automatic", AUTOMATIC), *((render.retriever_name(name), name) for name in names)]

    def adapter_choices(self, domain: str) -> list[tuple[str, str]]:
        """The adapters of a domain, and none, where they can be chosen; the default first."""
        tuned = [(label, name) for name, label in reversed(self._runtime.adapters(domain).items())]
        plain = self._runtime.zero_shot
        without = [("Zero-shot", plain)] if plain else []
        return [("Automatic", AUTOMATIC), *tuned, *without]

    def _settings(self, domain: str, desk: Desk) -> tuple[Any, ...]:
        """Retriever, mode and adapter, automatic where what the desk says is not offered here."""
        offered = (
            (desk.asked_retriever, self.retriever_choices(domain)),
            (desk.asked_mode, render.mode_choices()),
            (desk.asked_adapter, self.adapter_choices(domain)),
        )
        return tuple(
            gr.update(
                choices=choices,
                value=asked if asked in {value for _, value in choices} else AUTOMATIC,
            )
            for asked, choices in offered
        )

    def _tuning(self, domain: str, asked: str) -> str:
        """How the model is prepared that ranks; what is not offered is as not asked for."""
        tuned = self._runtime.adapters(domain)
        if asked == self._runtime.zero_shot:
            return ZERO_SHOT
        name = asked if asked in tuned else self._runtime.default_adapter(domain)
        return tuned[name] if name else self._runtime.settings.adapter or ZERO_SHOT

    def _page(self, desks: Mapping[str, Desk], domain: str, message: str = "") -> tuple[Any, ...]:
        view = desks.get(domain, Desk()).view
        running = view.phase in ("waiting", "running")
        return (
            desks,
            render.notice(message, "error" if view.phase == "failed" else "info"),
            render.profile_stage(view),
            render.candidates_stage(view),
            render.ranking_stage(view),
            hood.under_the_hood(view),
            render.announcement(view),
            gr.update(interactive=not running, value="Working" if running else "Recommend"),
            gr.update(visible=running),
        )


def _stop(desks: Desks, domain: str) -> Desks:
    desk = desks.get(domain, Desk())
    if desk.view.phase not in ("waiting", "running"):
        return desks
    desk.stop.set()
    return {**desks, domain: replace(desk, view=replace(desk.view, phase="cancelled"))}


def _leave(desks: Desks, domain: str) -> None:
    if domain in desks:
        desks[domain].left.set()


def _named(choice: str) -> str | None:
    return None if choice == AUTOMATIC else choice


def finished(desks: Desks, domain: str) -> Recommendation | None:
    """The last run of a domain, None before it has ended well."""
    view = desks.get(known(domain), Desk()).view
    return view.trace if view.phase == "done" else None


def known(domain: str) -> str:
    """The domain, or the first one where a forged request names none that there is."""
    return domain if domain in DOMAINS else next(iter(DOMAINS))


def _left_out(count: int) -> str:
    return f"Not in this catalog, and left out: {count} pick{'' if count == 1 else 's'}."
