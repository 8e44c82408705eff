"""The stage of the candidates: retrieved, steered by a wish and the profile, noted where it matters
(paper, sections 2.1 and 3.2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from palr.catalog.catalog import Catalog
from palr.catalog.own_items import is_own
from palr.edits import chosen_items
from palr.errors import PalrError, RetrieverUnavailableError
from palr.retrieval.base import Retriever, retrieve, scored
from palr.retrieval.popularity import PopularityRetriever
from palr.retrieval.semantic import SemanticRetriever
from palr.retrieval.steer import Likeness, retrieve_steered, score_steered
from palr.steering import Steering, ruled_out
from palr.types import Asked, Candidate, Item, Shift, Wish

COLD_START = "semantic"


@dataclass(frozen=True)
class Retrieved:
    """The stage of the candidates.

    Attributes:
        retriever: Who found them.
        candidates: Best first.
        shifts: How far the wish and the profile moved them.
        notes: Remarks for the visitor.
    """

    retriever: str
    candidates: tuple[Candidate, ...]
    shifts: tuple[Shift, ...] = ()
    notes: tuple[str, ...] = ()


class CandidateStage:
    """Finds the candidates of a run.

    Args:
        catalog: Whose items are recommended.
        retrievers: Loads a retriever by its name.
        default_retriever: The one that serves unless another is asked for.
    """

    def __init__(
        self, catalog: Catalog, retrievers: Callable[[str], Retriever], default_retriever: str
    ) -> None:
        self._catalog = catalog
        self._retrievers = retrievers
        self._default = default_retriever

    def find(self, history: Sequence[Item], asked: Asked, steered: Steering) -> Retrieved:
        """Candidates, with a note where another retriever had to step in.

        Args:
            history: Oldest first; without any, the popular items are steered.
            asked: How many, by whom, and which, where the visitor chose them.
            steered: What moves them.

        Raises:
            PalrError: the wish leaves nothing to recommend.
        """
        retriever: Retriever
        if history:
            retriever = self._retrievers(asked.retriever or self._default)
        else:
            retriever = popular(self._catalog)
        try:
            found = self._found(retriever, history, asked, steered)
        except RetrieverUnavailableError as error:
            if retriever.name == COLD_START:
                raise
            stand_in = self._retrievers(COLD_START)
            note = (
                f"{retriever.name} could not serve these picks ({error}); {COLD_START} stepped in"
            )
            found = self._found(stand_in, history, asked, steered)
            found = replace(found, notes=(note, *found.notes))
        else:
            notes = _on_own_items(retriever, found.candidates)
            found = replace(found, notes=found.notes + notes)
        return _enough(found, asked, steered, self._catalog)

    def _found(
        self, retriever: Retriever, history: Sequence[Item], asked: Asked, steered: Steering
    ) -> Retrieved:
        wish, taste = steered.wish, steered.taste
        moved = (wish, taste, self.likeness(wish)) if steered else None
        if asked.edits.candidates is None:
            if moved is None:
                candidates = retrieve(retriever, history, asked.n_candidates)
                return Retrieved(retriever.name, candidates)
            found = retrieve_steered(retriever, history, asked.n_candidates, *moved)
            return Retrieved(retriever.name, *found)
        items, notes = chosen_items(asked.edits.candidates, history, self._catalog)
        dated = has_years(self._catalog)
        left = tuple(item for item in items if not ruled_out(item, wish, dated))
        if gone := len(items) - len(left):
            notes += (f"left out: {gone} of the edited candidates, which the wish rules out",)
        items = left
        candidates = scored(retriever, history, items)
        if moved is None:
            return Retrieved(retriever.name, candidates, notes=notes)
        found = score_steered(retriever, history, candidates, *moved)
        return Retrieved(retriever.name, *found, notes)

    def likeness(self, wish: Wish) -> Likeness | None:
        """Closeness in meaning, loaded only where the wish needs it."""
        if not (wish.liked or wish.disliked or wish.variety):
            return None
        semantic = self._retrievers(COLD_START)
        return semantic.likeness if isinstance(semantic, SemanticRetriever) else None


def popular(catalog: Catalog) -> PopularityRetriever:
    """Who finds candidates where there is no pick; it serves a catalog without interactions too,
    in which all items are alike to it."""
    return PopularityRetriever(catalog.items, [item.popularity for item in catalog.items])


def has_years(catalog: Catalog) -> bool:
    """Whether any item of the catalog has a year."""
    return any(item.year for item in catalog.items)


def _on_own_items(retriever: Retriever, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Notes on the visitor's own items among the candidates, which the retriever never learnt."""
    if retriever.name == COLD_START:
        return ()
    return tuple(
        f"{c.item.label} is the visitor's own, which {retriever.name} cannot know: among the "
        f"candidates it stands where the {COLD_START} retriever ranks it"
        for c in candidates
        if is_own(c.item)
    )


def _enough(found: Retrieved, asked: Asked, steered: Steering, catalog: Catalog) -> Retrieved:
    """The candidates, with a note where the wish leaves fewer than are to be recommended."""
    domain, wish, n = catalog.domain, steered.wish, len(found.candidates)
    notes = []
    dated = has_years(catalog)
    if wish.years and not dated:
        notes.append(f"these {domain.nouns} have no years, so the years asked for change nothing")
    ways = ["widen the years"] if wish.years and dated else []
    ways += ["take some off those seen or disliked"] if wish.seen or wish.disliked else []
    remedy = ", or ".join(ways) or f"pick fewer {domain.nouns}"
    if not n:
        raise PalrError(f"no {domain.noun} is left: {remedy}")
    if n < min(asked.k, asked.n_candidates) and asked.edits.candidates is None:
        notes.append(f"{n} {domain.noun if n == 1 else domain.nouns} are left: {remedy} for more")
    return replace(found, notes=found.notes + tuple(notes))
