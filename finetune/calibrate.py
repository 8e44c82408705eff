"""What the retriever's scores should count beside a trained adapter's.

A teacher's scale is that of the lists it was fitted on, and a loss shrinks what it cannot explain;
so the two scores are weighed once more, on validation lists of the retriever that is served. Only
their ratio matters for an order, and it becomes the ``prior`` of the adapter's ``palr.json``.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.adapters import ABOUT
from finetune.evaluate import mix_weights, opened
from finetune.judge import Judge, Sampling, contender
from palr.data.progress import Progress, silent
from palr.errors import PalrError
from palr.ranking.modes import get_mode
from palr.settings import Settings

if TYPE_CHECKING:
    from palr.catalog import Catalog

_LEAST = 0.05  # a model that counts for less than this against the retriever adds nothing


def calibrate(
    catalog: "Catalog",
    settings: Settings,
    folder: Path,
    retriever: str = "sasrec",
    sampling: Sampling | None = None,
    progress: Progress = silent,
) -> float:
    """Fit the prior of the adapter in ``folder`` and write it there; prompts are without a profile.

    Raises:
        PalrError: the adapter gives no scores, no validation list holds its target, or the model
            adds nothing to the retriever.
    """
    chosen = contender(f"calibrated={folder}")
    if not get_mode(chosen.mode).on_prior:
        raise PalrError(f"{folder} ranks by {chosen.mode!r}, which takes no scores of a retriever")
    sampling = replace(sampling or Sampling(), users=1)  # no test list is asked
    bench = opened(catalog, settings, retriever, sampling, "none", progress)
    weights = mix_weights(Judge(bench, chosen))
    if weights is None:
        raise PalrError("no validation list holds its target: raise the number of users")
    model, given = (float(weight) for weight in weights)
    if model < _LEAST * given:
        raise PalrError(
            f"the adapter in {folder} adds nothing to {retriever} (weights {model:.2f} and "
            f"{given:.2f}): train it longer"
        )
    about = json.loads((folder / ABOUT).read_text())
    about["prior"] = round(given / model, 2)
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    return float(about["prior"])
