"""What every ranking mode must do. A new one joins by its entry in `MODES`."""

import math

import pytest

from palr.domains import MOVIES
from palr.errors import PalrError
from palr.llm.adapters import Adapter
from palr.llm.base import last
from palr.llm.scripted import ScriptedLLM
from palr.ranking import MODES, rank, ranking_job
from palr.ranking.labels import labels
from palr.types import Candidate, Item, Prompt, Segment
from tests.ranking.test_rank import TextOnly

FILMS = [Item(str(n), f"Film {n}", year=1990 + n % 10) for n in range(60)]


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


def run(llm, items, mode, k=10):
    found = [Candidate(item, n, 1.0 / n) for n, item in enumerate(items, start=1)]
    job = ranking_job(MOVIES, FILMS[:3], None, found, k, llm, mode)
    return job.prompt, last(rank(job, llm))


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
    if mode in (
        "titles",
        "likelihood",
    ):  # equal names score alike, and stay in the retriever's order
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


def test_the_candidate_with_the_most_of_a_yes_comes_first():
    reply = '"Film 7 (1997)", "Film 4 (1994)"'
    prompt, ranking = run(ScriptedLLM(reply), FILMS[3:13], "relevance", k=3)
    assert [ranked.item.id for ranked in ranking.items] == ["7", "4", "3"]
    # Odds of 1 (1/2 against 1/2), 1/2 (1/3 against 2/3) and 8 times 0.001/0.999, of their sum.
    total = 1 + 1 / 2 + 8 / 999
    assert [ranked.logprob for ranked in ranking.items] == pytest.approx(
        [math.log(odds / total) for odds in (1, 1 / 2, 1 / 999)], rel=1e-3
    )
    assert prompt.text == run(ScriptedLLM("C"), FILMS[3:13], "labels", k=3)[0].text


@pytest.mark.parametrize("mode", ["labels", "relevance"])
def test_scores_lie_on_the_adapters_prior(mode):
    llm = ScriptedLLM("C" if mode == "labels" else '"Film 5 (1995)"')
    _, plain = run(llm, FILMS[3:13], mode)
    assert plain.items[0].item.id == "5"
    llm.adapter = Adapter("tuned", prior=100.0)  # drowns whatever the model says
    _, drowned = run(llm, FILMS[3:13], mode)
    assert [ranked.retriever_rank for ranked in drowned.items] == list(range(1, 11))
    # And the model has the word again.
    llm.adapter = Adapter("tuned", prior=100.0, spread=10_000.0)
    _, louder = run(llm, FILMS[3:13], mode)
    assert louder.items[0].item.id == "5"


def test_names_end_where_the_list_names_them():
    # The history names film 4 too, and two candidates have one name.
    twins = [FILMS[4], FILMS[4], FILMS[5]]
    found = [Candidate(item, n, 1.0 / n) for n, item in enumerate(twins, start=1)]
    llm = ScriptedLLM()
    job = ranking_job(MOVIES, FILMS[4:5], None, found, 3, llm, "relevance")
    prompt = job.prompt
    ends = MODES["relevance"].marks(prompt, job.names)
    assert ends == sorted(set(ends))
    listed = prompt.text[: ends[-1]]
    assert listed.endswith('A: "Film 4 (1994)", B: "Film 4 (1994)", C: "Film 5 (1995)"')
    assert prompt.text[: ends[0]].endswith('A: "Film 4 (1994)"')


def test_a_name_that_was_edited_away_is_judged_at_its_neighbour():
    prompt = Prompt((Segment("edited", 'The candidates are A: "Heat", C: "Babe".'),))
    name_ends = MODES["relevance"].marks
    assert name_ends(prompt, ['"Heat"', '"Gone"', '"Babe"']) == [28, 28, 39]
    assert name_ends(Prompt((Segment("edited", "Hello"),)), ['"Heat"']) == [1]


def test_an_unknown_mode_names_the_known_ones(tiny_llama):
    with pytest.raises(PalrError, match="titles, labels, likelihood, relevance"):
        run(tiny_llama, FILMS[3:13], "magic")


def test_a_text_only_model_says_which_mode_it_can_do():
    for mode in ("labels", "likelihood", "relevance"):
        with pytest.raises(PalrError, match="choose 'titles'"):
            run(TextOnly(ScriptedLLM()), FILMS[3:13], mode)
