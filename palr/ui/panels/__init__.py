"""What opens on demand below the results: one module a panel, in the order of the page.

To add a panel, write a module with ``build(host)`` and add one entry to `PANELS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from palr.ui.panels import compare, edit, own, plots, runs, sure, why, whynot
from palr.ui.panels.host import PanelHost


@dataclass(frozen=True)
class Panel:
    """What a closed panel promises, and what fills it."""

    hint: str
    build: Callable[[PanelHost], None]


PANELS = {
    "Edit and run again": Panel("change the profile, the candidates or the prompt", edit.build),
    "Compare two ways": Panel("the same picks with another model or setting", compare.build),
    "Why this pick": Panel("which of your picks brought which title", why.build),
    "How sure": Panel("what stays when the candidates change places", sure.build),
    "Why not …": Panel("where a title was lost, what would bring it in", whynot.build),
    "Your own item": Panel("bring something that no model has seen", own.build),
    "Map and plots": Panel("this run on the catalog's map, its scores and its time", plots.build),
    "Save, share, open": Panel("keep a run, pass it on, come back to it", runs.build),
}
"""By the label that a visitor reads."""
