"""Save a run, share what was picked, and open a run again; the browser does all of it.

See `palr.ui.keeper`, whose script fills this panel in.
"""

from palr.ui.panels.host import PanelHost, html

_PANEL = """
<div class="runs">
  <p class="actions">
    <button type="button" class="quiet" data-runs="json">Save as JSON</button>
    <button type="button" class="quiet" data-runs="report">Save as report</button>
    <button type="button" class="quiet" data-runs="share">Copy link</button>
    <button type="button" class="quiet" data-runs="open" data-runs-open>Open a file</button>
    <input type="file" data-runs-file accept=".json,application/json" hidden>
  </p>
  <input type="text" class="text-field" data-runs-address readonly hidden
    aria-label="Link to these picks and settings">
  <p class="muted" role="status" data-runs-said></p>
  <h3>Runs in this browser</h3>
  <p class="muted" data-runs-none>None yet. The last twenty are kept here, and nowhere else.</p>
  <ol class="lines runs-list" data-runs-list></ol>
  <button type="button" class="quiet" data-runs="clear" data-runs-clear hidden>Delete all</button>
</div>
"""


def build(host: PanelHost) -> None:
    """The panel; it needs nothing of the server."""
    html(_PANEL)
