"""What comes back to the page: a saved run, or the picks and settings of a link.

A small component hands the text over as the browser has it, from a file, a link or its own list of
runs; nothing is uploaded. What is saved and linked stands in the page, hidden, for the browser.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from palr.app.runtime import Runtime
from palr.runs.files import SavedTrace, named, read_trace, resolved
from palr.runs.report import markdown
from palr.types import Item, Recommendation
from palr.ui.handlers import Desk
from palr.ui.picker import MAX_PICKS, Selection, resolve
from palr.ui.render import AUTOMATIC, View
from palr.ui.text import escape, visible

LIMIT = 200_000  # characters; the body of a request is bounded at the gate
LINK = "palr-link"
OPENED = "opened from a file: profile, prompts and order are as the file tells them"
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


def link(picked: object, retriever: str, mode: str, adapter: str) -> str:
    """Picks and settings, as the fragment of an address."""
    selection = Selection.parse(picked)
    asked = {"domain": selection.domain, "picks": ",".join(selection.ids)}
    asked |= {"retriever": retriever, "mode": mode, "adapter": adapter}
    return f'<span hidden data-link="{escape(urlencode(asked, safe=","))}"></span>'


def saved(runtime: Runtime, trace: Recommendation | None) -> str:
    """The finished run as a file and as a report, for the browser to save."""
    if trace is None:
        return ""
    content = SavedTrace(runtime.origin(trace.domain), trace)
    picks = [item.label for item in trace.picks]
    more = f" and {len(picks) - 1} more" if len(picks) > 1 else ""
    label = f"{picks[-1]}{more}"
    return (
        f'<pre id="run-file" hidden data-id="{escape(trace.run_id)}" data-label="{escape(label)}">'
        f"{escape(content.to_json())}</pre>"
        f'<pre id="run-report" hidden>{escape(markdown(content))}</pre>'
    )


def opened(text: str, runtime: Runtime) -> tuple[str, Desk, str]:
    """The domain, its desk, and what to tell; raises PalrError with the reason."""
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
    asked = trace.asked
    chosen = (asked.retriever or AUTOMATIC, asked.mode or AUTOMATIC, asked.adapter or AUTOMATIC)
    desk = Desk(ids, view, ids, *chosen)
    told = f"Run {visible(trace.run_id[:40])} is open, as its file tells it."
    told += f" Not in this catalog, and left out: {named(unknown)}." if unknown else ""
    return trace.domain, desk, f"{told} Press Recommend to run it here."


def _linked(asked: dict[str, Any], runtime: Runtime) -> tuple[str, Desk, str]:
    selection = Selection.parse(asked)
    catalog = runtime.catalog(selection.domain)
    items, unknown = resolve(catalog, selection.ids)
    told = f"Not in this catalog, and left out: {named([visible(i) for i in unknown])}."
    chosen = (asked.get(name) for name in ("retriever", "mode", "adapter"))
    retriever, mode, adapter = (c if isinstance(c, str) else AUTOMATIC for c in chosen)
    ids = _ids(catalog.domain.history(items))
    desk = Desk(ids, asked_retriever=retriever, asked_mode=mode, asked_adapter=adapter)
    return selection.domain, desk, told if unknown else ""


def _ids(items: Sequence[Item]) -> tuple[str, ...]:
    return tuple(item.id for item in items)[-MAX_PICKS:]
