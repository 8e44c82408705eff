"""What comes back to the page: a saved run, or the picks and settings of a link.

A small component hands the text over as the browser has it, from a file, a link or its own list of
runs; nothing is uploaded. What is saved and linked stands in the page, hidden, for the browser.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from palr.app.runtime import Runtime
from palr.catalog.carried import carry
from palr.domains import get_domain
from palr.prompts import shorten, wish_text
from palr.runs.files import SavedTrace, named, read_trace, resolved
from palr.runs.report import markdown
from palr.types import Item, Recommendation
from palr.ui.handlers import DomainState
from palr.ui.picker import MAX_PICKS, Selection, catalog_of, resolve
from palr.ui.refine import Refinement
from palr.ui.render import View
from palr.ui.request import Choices, PageRequest
from palr.ui.text import escape, visible

LIMIT = 200_000  # characters; the body of a request is bounded at the gate
LINK = "palr-link"
MAX_LABELS = 500  # in a link, of the latest picks
LOST = (
    "The connection to the server was lost, and the page was loaded again. Your picks are kept: "
    "press Recommend to go on."
)
OPENED = "opened from a file: profile, prompts and order are those of the file"
_LABEL = 60  # characters of a run's name where words stand for picks
_SCRIPT = Path(__file__).parent / "keeper.js"


def keeper() -> gr.HTML:
    """The component; its submit event brings the text."""
    return gr.HTML(
        "",
        html_template="",
        js_on_load=_SCRIPT.read_text("utf-8"),
        apply_default_css=False,
        elem_id="keeper",
        limit=LIMIT,
    )


def link(request: PageRequest, runtime: Runtime) -> str:
    """Picks and choices, as the fragment of an address: with their data set, and with the labels
    by which another one may know them.

    Raises:
        PalrError: the page is of another data set than the one that is served by now.
    """
    catalog = catalog_of(runtime, request.selection, request.session)
    wish = request.refinement.wish
    items, _ = resolve(catalog, (*wish.liked, *wish.disliked, *wish.seen, *request.picks))
    labels = {item.id: item.label for item in items[-MAX_LABELS:]}
    asked = {"domain": request.domain, "dataset": catalog.dataset}
    asked |= {"picks": ",".join(request.picks)} | asdict(request.choices)
    if labels:
        asked["labels"] = json.dumps(labels, ensure_ascii=False, separators=(",", ":"))
    if request.refinement:
        asked["ask"] = request.refinement.payload()
    return f'<span hidden data-link="{escape(urlencode(asked, safe=","))}"></span>'


def saved(runtime: Runtime, trace: Recommendation | None) -> str:
    """The finished run as a file and as a report, for the browser to save."""
    if trace is None:
        return ""
    content = SavedTrace(runtime.origin(trace.domain), trace)
    return (
        f'<pre id="run-file" hidden data-id="{escape(trace.run_id)}" '
        f'data-label="{escape(_label(trace))}">'
        f"{escape(content.to_json())}</pre>"
        f'<pre id="run-report" hidden>{escape(markdown(content))}</pre>'
    )


def _label(trace: Recommendation) -> str:
    """What a run is called in the browser's list: by its last pick, else by what was asked for."""
    if trace.picks:
        more = f" and {len(trace.picks) - 1} more" if len(trace.picks) > 1 else ""
        return f"{trace.picks[-1].label}{more}"
    asked = trace.asked.wish.words.strip() or wish_text(get_domain(trace.domain), trace.wish)
    return shorten(asked or "A wish", _LABEL)


def opened(text: str, runtime: Runtime) -> tuple[str, DomainState, str]:
    """The domain, its state, and a message; raises PalrError with the reason."""
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        asked = None
    if isinstance(asked, dict) and asked.get("format") == LINK:
        return _linked(asked, runtime)
    content = read_trace(text, max_bytes=4 * LIMIT)
    trace, unknown = resolved(content, runtime.catalog(content.trace.domain))
    notes = [note for note in trace.notes if note != OPENED]
    left_out = (f"not in this catalog, and left out: {named(unknown)}",) if unknown else ()
    trace = replace(trace, notes=(*notes, *left_out, OPENED))
    ids = _ids(runtime.catalog(trace.domain).domain.history(trace.picks))
    view = View(trace, "done" if trace.ranking else "cancelled")
    state = DomainState(ids, view, ids, Choices.of_run(trace.asked), Refinement.of_run(trace))
    told = f"Run {visible(trace.run_id[:40])} is open, as it was saved."
    told += f" Not in this catalog, and left out: {named(unknown)}." if unknown else ""
    return trace.domain, state, f"{told} Press Recommend to run it here."


def _linked(asked: dict[str, Any], runtime: Runtime) -> tuple[str, DomainState, str]:
    selection = Selection.parse(asked)
    catalog = runtime.catalog(selection.domain)
    refinement = Refinement.parse(asked.get("ask"), selection.domain)
    wish = refinement.wish
    every = (*selection.ids, *wish.liked, *wish.disliked, *wish.seen)
    carried = carry(every, _labels(asked.get("labels")), selection.dataset, catalog)
    liked, disliked, seen = map(carried.here, (wish.liked, wish.disliked, wish.seen))
    wish = replace(wish, liked=liked, disliked=disliked, seen=seen)
    refinement = replace(refinement, wish=wish)
    picks = _ids(catalog.domain.history([catalog.item(i) for i in carried.here(selection.ids)]))
    state = DomainState(picks, choices=Choices.of(asked), refinement=refinement)
    told = [LOST] if asked.get("lost") else []
    if asked.get("domain") != selection.domain:
        told.append("The link names no catalog of this page.")
    elif not _is_whole(asked, refinement):
        told.append("A part of the link cannot be read, and was left out.")
    told += [carried.note] if carried.note else []
    if carried.missing:
        told.append(f"Not in this catalog, and left out: {named(carried.missing)}.")
    return selection.domain, state, " ".join(told)


def _is_whole(asked: dict[str, Any], refinement: Refinement) -> bool:
    picks, dataset = asked.get("picks"), asked.get("dataset", "")
    if not isinstance(picks, list) or len(picks) > MAX_PICKS or not isinstance(dataset, str):
        return False
    read = bool(refinement) or not asked.get("ask")
    return read and all(isinstance(pick, str) for pick in picks)


def _labels(text: object) -> dict[str, str]:
    """The labels of a link by id; what does not parse names nothing."""
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    pairs = found.items() if isinstance(found, dict) else ()
    return {key: label for key, label in pairs if isinstance(label, str) and label.strip()}


def _ids(items: Sequence[Item]) -> tuple[str, ...]:
    return tuple(item.id for item in items)[-MAX_PICKS:]
