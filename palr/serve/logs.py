"""Logs: one JSON object a line, with the trace id of the run it is about.

What a visitor picked, and what was written about it, is left out unless it is asked for.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from palr.types import Recommendation

_runs = logging.getLogger("palr.runs")
_KEEP_TEXT = logging.getLogger("palr.runs.text")


class JsonFormatter(logging.Formatter):
    """``extra={"fields": {...}}`` of a log call joins the object."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(form: Literal["plain", "json", "json+text"]) -> None:
    """Set the process's logging up; plain shows warnings only, for people."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "plain":
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    else:
        handler.setFormatter(JsonFormatter())
        _runs.setLevel(logging.INFO)
    _KEEP_TEXT.setLevel(logging.INFO if form == "json+text" else logging.WARNING)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def log_run(trace: Recommendation, outcome: str, waited: float, error: str = "") -> None:
    """One line for an ended run."""
    fields: dict[str, object] = {
        "run": trace.run_id,
        "outcome": outcome,
        "domain": trace.domain,
        "dataset": trace.dataset,
        "llm": trace.llm,
        "adapter": trace.adapter,
        "mode": trace.mode,
        "retriever": trace.retriever,
        "picks": len(trace.picks),
        "waited_s": round(waited, 3),
        "seconds": {stage: round(seconds, 4) for stage, seconds in trace.seconds.items()},
    }
    if trace.fallback:
        fields["fallback"] = trace.fallback
    if error:
        fields["error"] = error
    if _KEEP_TEXT.isEnabledFor(logging.INFO):
        fields["text"] = {
            "picks": [item.label for item in trace.picks],
            "profile": trace.profile.text if trace.profile else "",
            "ranking": [r.item.label for r in trace.ranking.items] if trace.ranking else [],
        }
    level = logging.WARNING if outcome in ("failed", "fallback") else logging.INFO
    _runs.log(level, "run %s", outcome, extra={"fields": fields})
