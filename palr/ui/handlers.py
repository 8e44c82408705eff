"""What happens when a visitor acts: requests in, updates of the page out."""

import logging
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from palr.app.runtime import Runtime
from palr.catalog.catalog import Catalog
from palr.domains import DOMAINS
from palr.errors import PalrError
from palr.recommender import ZERO_SHOT
from palr.serve.spaces import on_gpu
from palr.types import Asked, Item, Recommendation
from palr.ui import hood, render
from palr.ui.picker import Selection, catalog_of, resolve
from palr.ui.refine import NO_REFINEMENT, Refinement
from palr.ui.render import View
from palr.ui.request import AUTOMATIC, UNSET, Choices, PageRequest
from palr.ui.update import Update

_POLL_SECONDS = 0.3
_WARMING = "The language model is warming up"
BROKEN_OFF = (
    "The connection to the server was lost, and the run broke off. Your picks are kept: press "
    "Recommend to go on."
)
_log = logging.getLogger(__name__)

IDLE = View()
MAX_UNDO = 20


@dataclass(frozen=True)
class Earlier:
    """What a change was made to: what was shown, and what it was asked for."""

    view: View = IDLE
    choices: Choices = UNSET
    refinement: Refinement = NO_REFINEMENT


@dataclass(frozen=True)
class DomainState:
    """One domain as a session left it: the picks, the last run, and what it was asked for.

    Attributes:
        picks: The ids that stood in the picker when the domain was left.
        view: The last run.
        asked_picks: The ids that the last run was asked for.
        choices: The settings that the last run was asked for.
        refinement: What the last run was asked for beyond picks and settings.
        earlier: What it was before each change, the last one last; only over the same picks.
        taken: Says that the run has begun: a change that follows another at once begins both, and
            only one must run.
        stop: Ends the run at its next step. Gradio's own cancelling is not used: it misses a run
            that has not reached its queue yet, and can break the stream of one that follows.
        left: Says that the page shows something else by now, so that a stopped run sends nothing
            more; it also ends what panels do with these results.
    """

    picks: tuple[str, ...] = ()
    view: View = IDLE
    asked_picks: tuple[str, ...] = ()
    choices: Choices = UNSET
    refinement: Refinement = NO_REFINEMENT
    earlier: tuple[Earlier, ...] = ()
    taken: threading.Event = field(default_factory=threading.Event, compare=False)
    stop: threading.Event = field(default_factory=threading.Event, compare=False)
    left: threading.Event = field(default_factory=threading.Event, compare=False)

    def stale_reasons(self, request: PageRequest) -> list[str]:
        """What differs by now from what the results were asked for."""
        if self.view.trace is None:
            return []
        picks = ["picks"] if self.asked_picks != request.picks else []
        wish = ["wish"] if self.refinement != request.refinement else []
        return [*picks, *wish, *self.choices.differences(request.choices)]

    def next_run(self, request: PageRequest) -> "DomainState":
        """The state of a run that is asked for now, with the way back to what is shown.

        Where the request differs in its refinement alone, the run before it stays in view.
        """
        refinement, earlier = request.refinement, self.earlier
        if self.asked_picks != request.picks and self.view.trace is not None:
            earlier = ()
        elif refinement != self.refinement and self.view.phase in ("done", "idle"):
            earlier = (*earlier, Earlier(self.view, self.choices, self.refinement))[-MAX_UNDO:]
        same = self.asked_picks == request.picks and self.choices == request.choices
        before = earlier[-1].view.trace if earlier and same else None
        if earlier and earlier[-1].refinement == refinement:
            before = None  # nothing was changed: everything runs again
        view = View(_profile_alone(before), "waiting", "Waiting for a turn", before, bool(earlier))
        asked = (request.picks, view, request.picks, request.choices, refinement, earlier)
        return DomainState(*asked)

    def undone(self) -> "DomainState":
        """The state before the last change; itself where nothing was changed."""
        if not self.earlier:
            return self
        *rest, last = self.earlier
        asked = (self.asked_picks, last.choices, last.refinement)
        return DomainState(self.picks, last.view, *asked, tuple(rest))


States = dict[str, DomainState]


class Handlers:
    """The app's answers to the page's events."""

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

    def begin(self, request: PageRequest, states: States) -> Update:
        """Answer the press of the button at once, before the run gets its turn."""
        try:
            self._catalog(request)
        except PalrError as error:
            return page({request.domain: DomainState(), **states}, request.domain, f"{error}.")
        if not request.asks:
            noun = self._runtime.catalog(request.domain).domain.noun
            return page(
                {request.domain: DomainState(), **states},
                request.domain,
                f"Pick at least one {noun} first, or ask for something.",
            )
        was = states.get(request.domain) or DomainState(request.picks)
        states = _stop(states, request.domain)
        _leave(states, request.domain)
        return page({**states, request.domain: was.next_run(request)}, request.domain)

    def undo(self, request: PageRequest, states: States) -> Update:
        """Go back to what was shown before the last change."""
        state = states.get(request.domain)
        if state is None or not state.earlier:
            return Update()
        _stop(states, request.domain)
        _leave(states, request.domain)
        back = state.undone()
        update = page({**states, request.domain: back}, request.domain)
        return replace(update, refine=self._payload(request.domain, back))

    def run(self, request: PageRequest, states: States) -> Generator[Update | None]:
        """Stream one run; only the parts of the page that changed are sent.

        None comes wherever the run can be stopped.
        """
        begun = states.get(request.domain)
        if begun is None or begun.view.phase != "waiting":
            yield Update()  # `begin` has answered; a generator of nothing would blank the page
            return
        shown = Update()
        for step in self._views(request, begun):
            if begun.stop.is_set():
                state = step[0] if step else begun
                stopped = _stop({**states, request.domain: state}, request.domain)
                yield Update() if begun.left.is_set() else page(stopped, request.domain)
                return
            if step is None:
                yield None
                continue
            state, message = step
            update = page({**states, request.domain: state}, request.domain, message)
            yield update.since(shown)
            shown, begun = update, replace(begun, view=state.view)

    def _views(
        self, request: PageRequest, state: DomainState
    ) -> Iterator[tuple[DomainState, str] | None]:
        """The domain's state as the run goes on, with a message."""
        running = replace(state.view, phase="running", detail="")
        state, message = replace(state, view=running), ""
        try:
            # Waiting here, not inside the recommender, keeps Cancel prompt while the model loads.
            while self._runtime.llm_status.state == "loading":
                waiting = replace(state.view, phase="waiting", detail=_WARMING)
                yield replace(state, view=waiting), message
                time.sleep(_POLL_SECONDS)
            items, unknown = resolve(self._catalog(request), request.picks)
            if unknown:
                message = _left_out(len(unknown))
            if not items and not state.refinement.wish:
                yield replace(state, view=IDLE), message
                return
            yield state, message
            own = self._runtime.own_items.of(request.session, request.domain)
            asked = state.refinement.applied(state.choices.asked(own))
            stream = self.stream(request.domain, items, asked, state.view.before)
            with closing(stream):  # a cancelled run must let go of the model at once
                for trace in stream:
                    if trace is None or trace is state.view.trace:
                        yield None
                        continue
                    state = replace(state, view=replace(running, trace=trace))
                    yield state, message
            yield replace(state, view=replace(state.view, phase="done")), message
        except PalrError as error:
            yield replace(state, view=replace(state.view, phase="failed")), str(error)
        except Exception:
            # The last line of defence: a visitor sees a sentence, the operator the traceback.
            _log.exception("a run failed")
            words = "This run failed. The reason is in the server's log. Your picks are kept."
            yield replace(state, view=replace(state.view, phase="failed")), words

    def _catalog(self, request: PageRequest) -> Catalog:
        """The catalog as the session sees it, with its own items; PalrError where the page is of
        another data set."""
        return catalog_of(self._runtime, request.selection, request.session)

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

    def waiting(self, request: PageRequest, states: States, words: str) -> Update:
        """The page of a run that stands in line."""
        state = states.get(request.domain) or DomainState(request.picks)
        state = replace(state, view=replace(state.view, phase="waiting", detail=words))
        return page({**states, request.domain: state}, request.domain)

    def refused(self, request: PageRequest, states: States, why: str) -> Update:
        """The page of a run that was not let in."""
        state = states.get(request.domain) or DomainState(request.picks)
        back = state.undone() if state.view.before else replace(state, view=IDLE)
        return page({**states, request.domain: back}, request.domain, f"{why}.")

    def broken_off(self, request: PageRequest, states: States) -> Update:
        """The page of a run that reached the server in part: it was started anew, or this is
        another one behind the same address."""
        return page(_stop(states, request.domain), request.domain, BROKEN_OFF)

    def cancelled(self, request: PageRequest, states: States) -> Update:
        return page(_stop(states, request.domain), request.domain)

    def switch(self, domain: str, request: PageRequest, states: States) -> Update:
        """Put one domain's picks and results away and show the other's."""
        domain = known(domain)
        states = _stop(states, request.domain)
        _leave(states, request.domain)
        fresh = DomainState(choices=request.choices)
        left = states.get(request.domain, fresh)
        if left.view.trace is None and request.domain != domain:
            left = fresh
        left = replace(left, picks=request.picks, left=threading.Event())
        states = {**states, request.domain: left}
        there = states.get(domain, fresh)
        return replace(page(states, domain), **self._picks_and_choices(domain, there))

    def restore(
        self, domain: str, state: DomainState, message: str, request: PageRequest, states: States
    ) -> Update:
        """Show a domain in this state, with its picks and settings, in the place of what it was."""
        for left in {request.domain, domain}:
            states = _stop(states, left)
            _leave(states, left)
        kept = states.get(request.domain, DomainState())
        states = {**states, request.domain: replace(kept, picks=request.picks), domain: state}
        shown = self._picks_and_choices(domain, state)
        return replace(page(states, domain, message), **shown, domain=domain)

    def changed(self, request: PageRequest, states: States) -> str:
        """The note that results are stale, empty where they are not; picks are read ahead."""
        state = states.get(request.domain, DomainState())
        if state.view.phase not in ("waiting", "running"):
            items, _ = resolve(self._catalog(request), request.picks)
            choices = request.choices
            mode, adapter = choices.named("mode"), choices.named("adapter")
            self._runtime.prefetch(request.domain, items, mode, adapter)
        return render.stale(state.stale_reasons(request))

    def _picks_and_choices(self, domain: str, state: DomainState) -> dict[str, Any]:
        """The parts of the page beside the run; a choice that is not offered here is automatic."""
        chosen = {}
        for name, options in Choices.offered(self._runtime, domain).items():
            value = getattr(state.choices, name)
            offered = value in {key for _, key in options}
            chosen[name] = gr.update(choices=options, value=value if offered else AUTOMATIC)
        dataset = self._runtime.catalog(domain).dataset
        picker = Selection(domain, state.picks, dataset).payload()
        status = self.status(domain, state.choices.adapter)[0]
        refine = self._payload(domain, state)
        return {"picker": picker, "choices": chosen, "status": status, "refine": refine}

    @staticmethod
    def _payload(domain: str, state: DomainState) -> str:
        return replace(state.refinement, domain=domain).payload()

    def _tuning(self, domain: str, asked: str) -> str:
        """How the model is prepared that ranks; what is not offered is as not asked for."""
        tuned = self._runtime.adapters(domain)
        if asked == self._runtime.zero_shot:
            return ZERO_SHOT
        name = asked if asked in tuned else self._runtime.default_adapter(domain)
        return tuned[name] if name else self._runtime.settings.adapter or ZERO_SHOT


def page(states: Mapping[str, DomainState], domain: str, message: str = "") -> Update:
    """The run of a domain in all parts of the page that show it."""
    view = states.get(domain, DomainState()).view
    running = view.phase in ("waiting", "running")
    return Update(
        states=states,
        notice=render.notice(message, "error" if view.phase == "failed" else "info"),
        profile=render.profile_stage(view),
        candidates=render.candidates_stage(view),
        ranking=render.ranking_stage(view),
        hood=hood.under_the_hood(view),
        announcer=render.announcement(view),
        recommend=gr.update(interactive=not running, value="Working" if running else "Recommend"),
        cancel=gr.update(visible=running),
    )


def told(why: str) -> Update:
    """A notice alone."""
    return Update(notice=render.notice(f"{why}."))


def _stop(states: States, domain: str) -> States:
    state = states.get(domain, DomainState())
    if state.view.phase not in ("waiting", "running"):
        return states
    state.stop.set()
    return {**states, domain: replace(state, view=replace(state.view, phase="cancelled"))}


def _leave(states: States, domain: str) -> None:
    if domain in states:
        states[domain].left.set()


def _profile_alone(trace: Recommendation | None) -> Recommendation | None:
    """A run as far as its profile, which stays in view while the rest is made again."""
    if trace is None or "profile" not in trace.seconds:
        return None
    seconds = {s: trace.seconds[s] for s in ("history", "profile") if s in trace.seconds}
    cleared = replace(trace, candidates=None, ranking=None, prompt=None, notes=(), shifts=())
    return replace(cleared, seconds=seconds, fallback="")


def finished(states: States, domain: str) -> Recommendation | None:
    """The last run of a domain, None before it has ended well."""
    view = states.get(known(domain), DomainState()).view
    return view.trace if view.phase == "done" else None


def known(domain: str) -> str:
    """The domain, or the first one where a forged request names none that there is."""
    return domain if domain in DOMAINS else next(iter(DOMAINS))


def _left_out(count: int) -> str:
    return f"Not in this catalog, and left out: {count} pick{'' if count == 1 else 's'}."
