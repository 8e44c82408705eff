"""The stage of the profile: written by the model, taken from an earlier run, or the visitor's."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from palr.catalog.catalog import Catalog
from palr.domains import HISTORY_LIMIT
from palr.edits import edited_profile, given_profile
from palr.llm.base import LLM
from palr.profile import supported_keywords, write_profile, written_freely
from palr.prompts import wish_text
from palr.steering import Read, steering
from palr.types import Asked, Item, Keyword, Profile, Recommendation, Writing


@dataclass(frozen=True)
class ProfileStage:
    """Writes profiles over one catalog.

    Attributes:
        catalog: Whose keywords can be chosen.
        writer: Who writes the profile where a model ranks.
        read: Reads the words of a wish; see `palr.steering.steering`.
        writing: How profiles are written where a run does not say.
    """

    catalog: Catalog
    writer: Callable[[LLM], LLM]
    read: Read | None = None
    writing: Writing = "auto"

    def write(
        self,
        shown: Sequence[Item],
        asked: Asked,
        llm: LLM | None,
        earlier: Recommendation | None = None,
    ) -> Generator[Profile | None]:
        """Stream the profile, with the visitor's edits once it is whole; None between two steps.

        Args:
            shown: The picks that prompts show, oldest first.
            asked: How the run was asked for.
            llm: Who ranks; None where no model takes part.
            earlier: A run whose profile is taken where it was written from the same.

        Raises:
            LLMError: the model failed.
        """
        edits = asked.edits
        if not shown:
            yield edited_profile(self._of_wish(asked), edits, {})
            return
        written = edits.profile is not None and edits.keywords is not None
        if asked.with_profile and written:
            yield given_profile(edits, shown, self.catalog)
            return
        if llm is None or not asked.with_profile:
            yield Profile()
            return
        known = earlier.profile if earlier and self._same(earlier, shown, asked, llm) else None
        profile = known or Profile()
        if known is None:
            writer = self.writer(llm)
            freely = written_freely(writer, self._way(asked))
            for grown in write_profile(shown, self.catalog, writer, freely):
                profile = grown or profile
                yield grown
        yield edited_profile(profile, edits, supported_keywords(shown, self.catalog))

    def _way(self, asked: Asked) -> Writing:
        return asked.writing or self.writing

    def _of_wish(self, asked: Asked) -> Profile:
        """What is known of a visitor who picked nothing: the wish alone."""
        wish = steering(asked, Profile(), 0, self.catalog, self.read).wish
        keywords = tuple(Keyword(word, ()) for word in wish.more)
        return Profile(keywords, wish_text(self.catalog.domain, wish))

    def _same(self, earlier: Recommendation, shown: Sequence[Item], asked: Asked, llm: LLM) -> bool:
        """Whether an earlier run's model wrote its profile of the same picks in the same way, and
        nobody edited it."""
        was = earlier.asked
        return (
            earlier.history[-min(was.n_history, HISTORY_LIMIT) :] == tuple(shown)
            and (earlier.llm or "").split(" + ")[0] == llm.name
            and self._way(was) == self._way(asked)
            and was.with_profile
            and was.edits.profile is None
            and was.edits.keywords is None
            and not earlier.fallback
        )
