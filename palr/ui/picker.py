"""The picker: one custom component that searches a catalog and holds an ordered selection.

Its value is ``{"domain": "movies", "picks": ["1", "588"], "dataset": "ml-100k"}``, oldest pick
first. Only ids travel, and the data set that they are of: the server looks every one of them up
and trusts no label that a browser sends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from palr.app.runtime import Runtime
from palr.catalog.catalog import Catalog
from palr.catalog.own_items import is_own, with_own_items
from palr.data.datasets import dataset_name
from palr.domains import DOMAINS, HISTORY_LIMIT, get_domain
from palr.errors import PalrError, UnknownItemError
from palr.serve import telemetry
from palr.types import Item
from palr.ui.text import visible

MAX_PICKS = 1000
MAX_QUERY = 200
MIN_PERSONA_PICKS = 3
SUGGESTIONS = 8
_HERE = Path(__file__).parent


class Lookup(Protocol):
    """Finds items by id, as a Catalog does."""

    def item(self, id: str) -> Item: ...


@dataclass(frozen=True)
class Selection:
    """The ids picked in one domain, oldest first.

    ``dataset`` is the key of the data set that they are of; empty where it is not known.
    """

    domain: str
    ids: tuple[str, ...] = ()
    dataset: str = ""

    @classmethod
    def parse(cls, payload: object) -> "Selection":
        """Read what a browser sent; whatever does not parse is dropped."""
        value = payload if isinstance(payload, dict) else {}
        domain, picks = value.get("domain"), value.get("picks")
        if not isinstance(domain, str) or domain not in DOMAINS:
            return cls(next(iter(DOMAINS)))
        ids = picks if isinstance(picks, list) else []
        dataset = value.get("dataset", "")
        kept = tuple(i for i in ids if isinstance(i, str))[-MAX_PICKS:]
        return cls(domain, kept, dataset if isinstance(dataset, str) else "")

    def payload(self) -> dict[str, Any]:
        named = {"dataset": self.dataset} if self.dataset else {}
        return {"domain": self.domain, "picks": list(self.ids), **named}


def resolve(catalog: Lookup, ids: tuple[str, ...]) -> tuple[list[Item], list[str]]:
    """The items of the ids, and the ids that the catalog does not hold."""
    items, unknown = [], []
    for item_id in ids:
        try:
            items.append(catalog.item(item_id))
        except UnknownItemError:
            unknown.append(item_id)
    return items, unknown


@dataclass(frozen=True)
class Words:
    """What a picker calls what it holds; ``limit`` of them count."""

    noun: str = "pick"
    order: str = "Oldest first, most recent last."
    limit: int = HISTORY_LIMIT
    personas: bool = True


def seen_by(runtime: Runtime, request: object) -> Catalog:
    """The catalog with the items of the session that a server function is called from."""
    session = str(request.get("session", "")) if isinstance(request, dict) else ""
    return catalog_of(runtime, Selection.parse(request), session)


def catalog_of(runtime: Runtime, selection: Selection, session: str) -> Catalog:
    """The catalog that a selection is of, with the session's own items.

    Raises:
        PalrError: by now another data set is served, where the ids are other items.
    """
    catalog = runtime.catalog(selection.domain)
    if selection.dataset not in ("", catalog.dataset):
        raise PalrError(
            f"this page was made for {dataset_name(selection.dataset)}, and by now "
            f"{dataset_name(catalog.dataset)} is served: reload it. Your picks come along"
        )
    return with_own_items(catalog, runtime.own_items.of(session, selection.domain))


def picker(runtime: Runtime, domain: str, elem_id: str, words: Words | None = None) -> gr.HTML:
    """The component: search as you type, an ordered list, ready-made personas.

    A function and not a subclass: Gradio writes a ``.pyi`` beside the source of every subclass.
    """

    words = words or Words()

    # Gradio hands a server function one argument, whatever the browser sent.
    def search(request: object) -> dict[str, Any]:
        query = str(request.get("query", "")) if isinstance(request, dict) else ""
        try:
            catalog = seen_by(runtime, request)
            with telemetry.SEARCH.time():
                return {"items": _brief(catalog.search(query[:MAX_QUERY], SUGGESTIONS))}
        except PalrError as error:
            return {"error": f"{error}."}

    def describe(request: object) -> dict[str, Any]:
        selection = Selection.parse(request)
        scene = get_domain(selection.domain)
        try:
            catalog = seen_by(runtime, request)
        except PalrError as error:
            return {"error": f"{error}."}
        items, _ = resolve(catalog, selection.ids)
        chosen = scene.personas if words.personas else ()
        personas = [(persona, catalog.persona_picks(persona)) for persona in chosen]
        return {
            "items": _brief(items),
            "nouns": scene.nouns,
            "example": next((picks[0].title for _, picks in personas if picks), ""),
            "personas": [
                {"name": persona.name, "blurb": persona.blurb, "items": _brief(picks)}
                for persona, picks in personas
                if len(picks) >= MIN_PERSONA_PICKS
            ],
        }

    return gr.HTML(
        Selection(domain, dataset=runtime.catalog(domain).dataset).payload(),
        html_template=_own_ids("picker.html", elem_id),
        js_on_load=_own_ids("picker.js", elem_id),
        apply_default_css=False,
        server_functions=[search, describe],
        elem_id=elem_id,
        limit=words.limit,
        noun=words.noun,
        order=words.order,
    )


def _own_ids(file: str, elem_id: str) -> str:
    """The file with ids that no other picker on the page has."""
    return (_HERE / file).read_text("utf-8").replace("picker-", f"{elem_id}-")


def _brief(items: Sequence[Item]) -> list[dict[str, Any]]:
    return [
        {
            "id": i.id,
            "label": visible(i.label),
            "keywords": [*(("yours",) if is_own(i) else ()), *map(visible, i.keywords)],
        }
        for i in items
    ]
