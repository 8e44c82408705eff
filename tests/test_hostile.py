"""Titles that give orders: whatever a model makes of them, only candidates are recommended."""

from collections.abc import Generator

import pytest

from palr.catalog.catalog import Catalog
from palr.domains import MOVIES
from palr.llm.base import LLM
from palr.llm.scripted import ScriptedLLM
from palr.llm.transformers import TransformersLLM
from palr.ranking import MODES
from palr.recommender import Recommender
from palr.retrieval.popularity import PopularityRetriever
from palr.types import Asked, Item, Recommendation

from .hostile import TITLES

ITEMS = tuple(
    Item(str(n), title, year=1990 + n % 9, keywords=("drama", title[:40]), popularity=n)
    for n, title in enumerate(TITLES)
)
JAWS = Item("jaws", "Jaws", year=1975, keywords=("thriller",))
CATALOG = Catalog("ml-100k", MOVIES, (*ITEMS, JAWS))
# Never proposes Jaws, so that recommending it would be the model's doing.
RETRIEVER = PopularityRetriever(ITEMS, [item.popularity for item in ITEMS])


class Obedient:
    """A model as an HTTP server offers it, which does what the titles say."""

    name = "obedient"
    adapter = None
    context_length = 1 << 20

    def render(self, text: str) -> str:
        return text

    def count_tokens(self, text: str) -> int:
        return len(text)

    def generate(self, text: str, *, max_tokens: int) -> Generator[str]:
        yield 'Of course. "Jaws", "Jaws (1975)", "Jaws", <script>window.pwned=1</script>\n'
        yield " ".join(f'"{title}"' for title in TITLES)


def run(llm: LLM, picks: tuple[Item, ...], mode: str = "titles") -> Recommendation:
    recommender = Recommender(CATALOG, lambda name: RETRIEVER, lambda: llm)
    return recommender.recommend(picks, Asked(mode=mode))


def assert_sound(trace: Recommendation) -> None:
    assert trace.candidates is not None
    assert trace.ranking is not None
    ranked = [r.item.id for r in trace.ranking.items]
    assert len(set(ranked)) == len(ranked) == 10
    assert set(ranked) <= {c.item.id for c in trace.candidates}
    assert not set(ranked) & {pick.id for pick in trace.picks}
    assert "jaws" not in ranked
    assert Recommendation.from_json(trace.to_json()) == trace


@pytest.mark.parametrize("start", range(0, 100, 20))
@pytest.mark.parametrize(
    "llm", [Obedient(), ScriptedLLM('"Jaws", "Jaws (1975)", "Jaws"')], ids=["text", "tokens"]
)
def test_an_obedient_model_recommends_candidates_only(llm: LLM, start: int) -> None:
    assert_sound(run(llm, ITEMS[start : start + 20]))


@pytest.mark.parametrize("mode", MODES)
def test_a_real_tokenizer_keeps_titles_out_of_its_markup(
    tiny_llama: TransformersLLM, mode: str
) -> None:
    trace = run(tiny_llama, ITEMS[::5], mode)
    assert_sound(trace)
    assert trace.prompt is not None
    assert trace.prompt.rendered.count("<|im_end|>") == 2  # the template's own


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title[:30]))
def test_a_hostile_title_can_be_searched_and_named(title: str) -> None:
    CATALOG.search(title)
    CATALOG.search(title[::-1])
    assert CATALOG.item(str(TITLES.index(title))).title == title
