"""What a visitor asks for beyond the picks: one custom component below the profile.

Its value is the JSON of a `Refinement`. The script reads words into chips through the server, so
that what was understood can be corrected before it counts; a change submits the whole value, and
the run is made again from the profile on.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import TypeAdapter, ValidationError

from palr.app.runtime import Runtime
from palr.catalog.catalog import Catalog
from palr.domains import get_domain
from palr.errors import PalrError
from palr.steering import profile_weight
from palr.types import NO_WISH, Asked, Edits, Recommendation, Wish
from palr.ui.picker import Selection, resolve, seen_by
from palr.ui.text import visible

LIMIT = 100_000  # characters of a refinement: a thousand items that were seen, and a profile
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Refinement:
    """What is asked for beyond picks and settings.

    Attributes:
        domain: Whose items and keywords are meant.
        wish: What is wanted and what is not; its words are read into the other fields.
        profile_weight: How much the profile counts; None for the domain's own.
        profile: The profile's text as the visitor wrote it; None leaves the model's.
        keywords: The profile's keywords that the visitor kept; None leaves the model's.
    """

    domain: str = field(default="", compare=False)
    wish: Wish = NO_WISH
    profile_weight: float | None = None
    profile: str | None = None
    keywords: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, text: object, domain: str) -> "Refinement":
        """Read what a browser sent; what does not parse, or is of another domain, asks nothing."""
        try:
            found = _REFINEMENT.validate_json(text if isinstance(text, str) else "")
        except ValidationError:
            return cls(domain)
        return found if found.domain == domain else cls(domain)

    @classmethod
    def of_run(cls, trace: Recommendation) -> "Refinement":
        """What a run was asked for, its words as they were read."""
        asked = trace.asked
        wish = replace(trace.wish, words="") if asked.wish.words else asked.wish
        own = get_domain(trace.domain).profile_weight
        weight = None if asked.profile_weight == own else asked.profile_weight
        return cls(trace.domain, wish, weight, asked.edits.profile, asked.edits.keywords)

    def __bool__(self) -> bool:
        return self != NO_REFINEMENT

    def payload(self) -> str:
        """The component's value."""
        return _REFINEMENT.dump_json(self).decode()

    def applied(self, asked: Asked) -> Asked:
        """How to run, with what is asked for."""
        weight = asked.profile_weight
        if self.domain:
            weight = profile_weight(self.profile_weight, get_domain(self.domain))
        edits = Edits(self.profile, self.keywords)
        return replace(asked, wish=self.wish, profile_weight=weight, edits=edits)


NO_REFINEMENT = Refinement()
_REFINEMENT: TypeAdapter[Refinement] = TypeAdapter(Refinement)


def refine(runtime: Runtime, domain: str) -> gr.HTML:
    """The component; its submit event asks for a run, its undo event for the one before."""

    # Gradio hands a server function one argument, whatever the browser sent.
    def read(request: object) -> dict[str, Any]:
        words = str(request.get("query", "")) if isinstance(request, dict) else ""
        try:
            reading = runtime.read_wish(Selection.parse(request).domain, words)
            labels = _labels(seen_by(runtime, request), (*reading.liked, *reading.disliked))
        except PalrError as error:
            return {"error": str(error)}
        return {
            "chips": [asdict(chip) for chip in reading.chips],
            "years": reading.years,
            "popularity": reading.popularity,
            "unread": [visible(word) for word in reading.unread],
            "notes": [visible(note) for note in reading.notes],
            "labels": labels,
        }

    def describe(request: object) -> dict[str, Any]:
        selection = Selection.parse(request)
        try:
            catalog = seen_by(runtime, request)
        except PalrError as error:
            return {"error": str(error)}
        years = [item.year for item in catalog.items if item.year]
        return {
            "years": [min(years), max(years)] if years else None,
            "popularity": any(item.popularity for item in catalog.items),
            "weight": catalog.domain.profile_weight,
            "example": catalog.domain.wish_example,
            "labels": _labels(catalog, selection.ids),
        }

    return gr.HTML(
        Refinement(domain).payload(),
        html_template=(_HERE / "refine.html").read_text("utf-8"),
        js_on_load=(_HERE / "refine.js").read_text("utf-8"),
        apply_default_css=False,
        server_functions=[read, describe],
        elem_id="refine",
    )


def _labels(catalog: Catalog, ids: tuple[str, ...]) -> dict[str, str]:
    items, _ = resolve(catalog, ids)
    return {item.id: visible(item.label) for item in items}
