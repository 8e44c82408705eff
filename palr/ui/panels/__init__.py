"""What opens on demand below the results: one module a panel, in the order of the page.

To add a panel, write a module with ``build(bench)`` and add one entry to `PANELS`.
"""

from collections.abc import Callable

from palr.ui.panels import compare, edit, own, plots, runs, sure, why, whynot
from palr.ui.panels.bench import Bench

PANELS: dict[str, Callable[[Bench], None]] = {
    "Edit and run again": edit.build,
    "Compare two ways": compare.build,
    "Why this pick": why.build,
    "How sure": sure.build,
    "Why not …": whynot.build,
    "Your own item": own.build,
    "Map and plots": plots.build,
    "Save, share, open": runs.build,
}
"""By the label that a visitor reads."""
