"""How much the retriever's scores should weigh beside a trained adapter's.

A teacher's scale is that of the lists it was fitted on, and a loss shrinks what it cannot explain;
so the two scores are weighed once more, on validation lists of the retriever that is served. A
model may also be surer of itself in some lists than its word is worth there. So both ways are
fitted, its scores as they are and brought to one standard deviation in every list, and that which
makes the validation targets likelier is written to the adapter's ``palr.json``: for SASRec as the
weights for any retriever, for another one as the weights for its lists:

    as they are     prior = v / w,  spread = 0,  where w and v are the fitted weights of model
    standardised    prior = v,      spread = w   and retriever (`palr.ranking.mix.ScoreMix`)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.configs import RETRIEVER
from finetune.data.lists import Order, UserList, fit_mix, mix_features
from finetune.data.logit import log_likelihood
from finetune.evaluation.evaluate import opened, validation_lists
from finetune.evaluation.rankers import Sampling, SystemRunner, read_system
from palr.data.progress import Progress, silent
from palr.errors import PalrError
from palr.llm.adapters import read_note, write_note
from palr.ranking import get_mode
from palr.settings import Settings

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

_LEAST = 0.05  # a model that counts for less than this against the retriever adds nothing


@dataclass(frozen=True)
class Weights:
    """What the model's scores, standardised or not, and the retriever's count, and the mean
    log-likelihood of the targets under them."""

    model: float
    retriever: float
    standardised: bool
    likelihood: float

    @property
    def spread(self) -> float:
        return round(self.model, 2) if self.standardised else 0.0

    @property
    def prior(self) -> float:
        """0 where the retriever's scores speak against the target beside the model's."""
        prior = self.retriever if self.standardised else self.retriever / self.model
        return round(max(prior, 0.0), 2)


def calibrate(
    catalog: "Catalog",
    settings: Settings,
    folder: Path,
    retriever: str = RETRIEVER,
    sampling: Sampling | None = None,
    progress: Progress = silent,
) -> Weights:
    """Fit an adapter's prior and spread for a retriever's lists; prompts are without a profile.

    Args:
        catalog: Whose items are meant.
        settings: The settings, for the home and the models.
        folder: The adapter's.
        retriever: Whose lists it is fitted for.
        sampling: Which validation users are asked.
        progress: Told how far the work is.

    Returns:
        The weights that were fitted, and written into ``palr.json``.

    Raises:
        PalrError: the adapter gives no scores, no validation list holds its target, or the model
            adds nothing to the retriever.
    """
    chosen = read_system(f"calibrated={folder}")
    if not get_mode(chosen.mode).mixes:
        raise PalrError(f"{folder} ranks by {chosen.mode!r}, which takes no scores of a retriever")
    sampling = replace(sampling or Sampling(), users=1)  # no test list is asked
    evaluation = opened(catalog, settings, retriever, sampling, "none", progress)
    lists = validation_lists(SystemRunner(evaluation, chosen))
    if not lists:
        raise PalrError("no validation list holds its target: raise the number of users")
    found = max((_fitted(lists, way) for way in (False, True)), key=lambda fit: fit.likelihood)
    if found.model < _LEAST * found.retriever:
        raise PalrError(
            f"the adapter in {folder} adds nothing to {retriever} (weights {found.model:.2f} and "
            f"{found.retriever:.2f}): train it longer"
        )
    note = read_note(folder)
    weights = {"prior": found.prior, "spread": found.spread}
    if retriever == RETRIEVER:
        note |= weights
    else:
        note["behind"] = note.get("behind", {}) | {retriever: weights}
    write_note(folder, note)
    return found


def _fitted(lists: Sequence[tuple[UserList, Order]], standardise: bool) -> Weights:
    features, targets = mix_features(lists, standardise)
    weights = fit_mix(features, targets)
    model, given = (float(weight) for weight in weights)
    return Weights(model, given, standardise, log_likelihood(features, targets, weights))
