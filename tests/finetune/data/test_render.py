"""Training and serving see the same tokens."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from finetune.configs import Config
from finetune.data.render import render
from finetune.data.tasks import Example
from finetune.training.losses import read_at, relevance_logits
from palr.domains import DOMAINS
from palr.errors import DataError
from palr.llm.base import last
from palr.llm.grounding import select
from palr.profile import write_profile
from palr.prompts import item_names, recommend_prompt
from palr.ranking import rank, ranking_job
from palr.ranking.labels import labels
from palr.ranking.modes import verdicts
from palr.types import Candidate, Keyword, Profile


def served(listed, catalog, llm, mode, profile=None):
    """The job as `Recommender.recommend` makes it, but for the five that are asked for here."""
    history = [catalog.item(item) for item in listed.history]
    candidates = [
        Candidate(catalog.item(item), rank, score)
        for rank, (item, score) in enumerate(
            zip(listed.candidates, listed.scores, strict=True), start=1
        )
    ]
    job = ranking_job(catalog.domain, history, profile, candidates, 10, llm, mode)
    return replace(job, k=5)


class Follower:
    """A decoder that wants to write a given answer, and remembers all that it was fed."""

    def __init__(self, wanted, vocabulary):
        self.fed, self._wanted, self._vocabulary = [], wanted, vocabulary
        self.forward_passes = 0

    def feed(self, tokens):
        self.fed += tokens

    def passes(self):
        return iter(())

    def logprobs(self):
        logprobs = np.full(self._vocabulary, -9.0, np.float32)
        logprobs[self._wanted[len(self.fed)]] = 0.0
        return logprobs


@pytest.mark.parametrize("with_profile", [False, True])
def test_a_labelled_prompt_is_the_served_one(listed, films, tiny_llama, with_profile):
    profile = None
    if with_profile:
        history = [films.item(item) for item in listed.history]
        profile = last(write_profile(history, films, tiny_llama))
        keywords = tuple(keyword.text for keyword in profile.keywords)
        listed = replace(listed, keywords=keywords, text=profile.text)
    job = served(listed, films, tiny_llama, "labels", profile)
    rendered = render(listed, films, tiny_llama, mode="labels")
    assert list(rendered.prompt) == tiny_llama.encode_prompt(job.prompt.text)
    assert rendered.answer == ()
    # Serving reads the logits of exactly these tokens, in this order.
    ranking = last(rank(job, tiny_llama))
    logprobs = tiny_llama.start(job.prompt.text).logprobs()
    trained = {
        item: logprobs[t] for item, t in zip(listed.candidates, rendered.choices, strict=True)
    }
    assert {r.item.id: r.logprob for r in ranking.items} == pytest.approx(trained, abs=1e-4)


def test_judged_candidates_are_read_where_serving_reads_them(listed, films, tiny_llama):
    job = served(listed, films, tiny_llama, "relevance")
    rendered = render(listed, films, tiny_llama, mode="relevance")
    assert list(rendered.prompt) == tiny_llama.encode_prompt(job.prompt.text)
    for at, name in zip(rendered.marks, job.names, strict=True):
        read = tiny_llama.tokenizer.decode(rendered.prompt[: at + 1])
        assert read.rstrip(",.").endswith(name)
    ranking = last(rank(job, tiny_llama))
    marks = torch.tensor([rendered.marks])
    with torch.inference_mode(), read_at(tiny_llama.model, marks):
        logits = tiny_llama.model(torch.tensor([rendered.prompt])).logits
    odds = relevance_logits(logits, marks, torch.tensor(verdicts(tiny_llama)))
    trained = dict(zip(listed.candidates, torch.log_softmax(odds[0], dim=0).tolist(), strict=True))
    assert {r.item.id: r.logprob for r in ranking.items} == pytest.approx(trained, abs=1e-4)


def test_a_written_answer_is_what_grounding_writes(listed, films, tiny_llama):
    job = served(listed, films, tiny_llama, "titles")
    rendered = render(listed, films, tiny_llama, mode="titles")
    assert list(rendered.prompt) == tiny_llama.encode_prompt(job.prompt.text)
    decoder = Follower(rendered.answer, len(tiny_llama.tokenizer))
    choices = list(filter(None, select(tiny_llama, decoder, job.names, k=2)))
    assert [listed.candidates[choice.index] for choice in choices] == ["7", "5"]
    assert decoder.fed == list(rendered.answer[:-1])
    assert rendered.answer[-1] == tiny_llama.tokenizer.eos_token_id


def test_the_task_recommend_is_in_the_papers_words(films, tiny_llama):
    example = Example("Recommend", 0, ("1",), ("2",), keywords=("Drama",))
    history = [films.item("1")]
    prompt = recommend_prompt(films.domain, history, Profile((Keyword("Drama", ()),)), 10)
    assert prompt.text == (
        "Task Instruction: Recommend 10 other movies based on user's watching history.\n"
        'Input: User watched movies "Film B1 (1971)". User\'s preference: Drama.\n'
        "Output:"
    )
    rendered = render(example, films, tiny_llama, mode="labels")
    assert list(rendered.prompt) == tiny_llama.encode_prompt(prompt.text)
    (name,) = item_names(films.domain, [films.item("2")])
    assert list(rendered.answer[:-1]) == tiny_llama.encode_answer(name)


def test_both_domains_can_ask_without_candidates():
    for domain in DOMAINS.values():
        assert domain.open_instruction == domain.instruction.replace(" from the candidate list", "")


def test_a_part_of_the_list_keeps_the_labels_of_the_whole(listed, films, tiny_llama):
    marks = labels(tiny_llama, 5)
    rendered = render(listed, films, tiny_llama, mode="labels", shown=[1, 3, 4])
    assert list(rendered.choices) == [tiny_llama.encode_answer(marks[at])[0] for at in (1, 3, 4)]
    text = tiny_llama.tokenizer.decode(rendered.prompt)
    assert f'are {marks[1]}: "Film F5 (1975)", {marks[3]}: "Film H7 (1977)", {marks[4]}:' in text


def test_what_does_not_fit_is_left_out_but_never_the_answer(listed, films, tiny_llama):
    from transformers import AutoModelForCausalLM

    from palr.llm.transformers import TransformersLLM

    config = tiny_llama.model.config.__class__(**tiny_llama.model.config.to_dict())
    full = len(render(listed, films, tiny_llama, mode="labels").prompt)
    config.max_position_embeddings = full + 2  # serving keeps room for names, even for labels
    small = TransformersLLM(AutoModelForCausalLM.from_config(config), tiny_llama.tokenizer, "small")
    rendered = render(listed, films, small, mode="labels")
    assert len(rendered.prompt) < full
    marks = labels(small, 5)
    wanted = {small.encode_answer(marks[at])[0] for at in (1, 3)}
    assert wanted <= set(rendered.choices)
    assert len(rendered.choices) < 5
    config.max_position_embeddings = 40
    with pytest.raises(DataError, match="lower history"):
        render(listed, films, small, mode="labels")


def test_config_defaults_show_whole_prompts():
    assert Config().history == 20
    assert Config().candidates == (50, 50)
