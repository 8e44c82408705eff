"""What every ranking mode must do. A new one joins by its entry in `MODES`."""

import pytest

from palr.domains import MOVIES
from palr.errors import PalrError
from palr.llm.scripted import ScriptedLLM
from palr.ranking import MODES, fit_ranking_prompt, rank
from palr.ranking.modes import labels
from palr.types import Candidate, Item
from tests.ranking.test_rank import TextOnly

FILMS = [Item(str(n), f"Film {n}", year=1990 + n % 10) for n in range(60)]


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


def run(llm, items, mode, k=10):
    found = [Candidate(item, n, 1.0 / n) for n, item in enumerate(items, start=1)]
    prompt, names = fit_ranking_prompt(MOVIES, FILMS[:3], None, found, k, llm, mode)
    *_, ranking = rank(prompt, names, found, llm, k, mode)
    return prompt, ranking


def test_k_distinct_candidates_come_out(mode, tiny_llama):
    _, ranking = run(tiny_llama, FILMS[3:53], mode)
    ids = [ranked.item.id for ranked in ranking.items]
    assert len(set(ids)) == 10
    assert set(ids) <= {film.id for film in FILMS[3:53]}
    assert [ranked.rank for ranked in ranking.items] == list(range(1, 11))
    assert ranking.raw
    assert ranking.forward_passes


def test_it_is_deterministic(mode, tiny_llama):
    first, second = (run(tiny_llama, FILMS[3:30], mode)[1] for _ in range(2))
    assert [r.item.id for r in first.items] == [r.item.id for r in second.items]


@pytest.mark.parametrize("n", [0, 1, 4])
def test_fewer_candidates_than_k_are_all_ranked(mode, tiny_llama, n):
    _, ranking = run(tiny_llama, FILMS[3 : 3 + n], mode)
    assert sorted(r.retriever_rank for r in ranking.items) == list(range(1, n + 1))


def test_equal_titles_are_told_apart(mode, tiny_llama):
    twins = [Item("a", "Twin"), Item("b", "Twin"), Item("c", "Other")]
    _, ranking = run(tiny_llama, twins, mode, k=3)
    assert sorted(r.item.id for r in ranking.items) == ["a", "b", "c"]
    ids = [r.item.id for r in ranking.items]
    if mode != "labels":  # equal names score alike, and stay in the retriever's order
        assert ids.index("a") < ids.index("b")


def test_too_many_candidates_are_cut_and_the_cut_is_reported(mode, tiny_llama):
    many = [Item(f"x{n}", f"A film with a fairly long title, number {n}") for n in range(1000)]
    prompt, ranking = run(tiny_llama, many, mode)
    assert len(ranking.items) == 10
    assert any("of 1000 candidates" in cut for cut in prompt.cuts)
    assert prompt.tokens <= tiny_llama.context_length


def test_labels_are_single_tokens_in_context_and_all_different(tiny_llama):
    found = labels(tiny_llama, 200)
    tokens = [tiny_llama.encode_answer(label) for label in found]
    assert all(len(token) == 1 for token in tokens)
    assert len({token[0] for token in tokens}) == len(found) >= 100
    line = tiny_llama.encode_prompt("x")
    assert tiny_llama.tokenizer.decode(line).endswith("\n")


def test_the_label_that_the_model_prefers_comes_first():
    prompt, ranking = run(ScriptedLLM("C"), FILMS[3:13], "labels", k=3)
    assert ranking.items[0].retriever_rank == 3
    assert 'C: "Film 5 (1995)"' in prompt.text
    assert "Answer with the label" in prompt.text
    assert ranking.forward_passes == 1


def test_the_likeliest_title_comes_first():
    _, ranking = run(ScriptedLLM('"Film 7 (1997)"'), FILMS[3:13], "likelihood", k=3)
    assert ranking.items[0].item.id == "7"


def test_an_unknown_mode_names_the_known_ones(tiny_llama):
    with pytest.raises(PalrError, match="titles, labels, likelihood"):
        run(tiny_llama, FILMS[3:13], "magic")


def test_a_text_only_model_says_which_mode_it_can_do():
    for mode in ("labels", "likelihood"):
        with pytest.raises(PalrError, match="choose 'titles'"):
            run(TextOnly(ScriptedLLM()), FILMS[3:13], mode)
