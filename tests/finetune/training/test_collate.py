"""Examples as the batches that are learnt from, and the losses over them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from finetune.configs import Config
from finetune.data.tasks import Example
from finetune.training.collate import IGNORED, Collator, Instructions, arranged
from finetune.training.losses import (
    answer_loss,
    choice_logits,
    listwise_loss,
    read_at,
    relevance_logits,
)
from finetune.training.train import pad_token
from palr.errors import DataError

OPEN = Example("Recommend", 0, ("1",), ("2", "3"))


def batch_of(examples, catalog, llm, config):
    data = Instructions(examples, catalog, llm, config)
    return Collator(pad_token(llm.tokenizer))([data[at] for at in range(len(data))])


def test_the_loss_covers_the_answer_only(films, tiny_llama):
    batch = batch_of([OPEN], films, tiny_llama, Config())
    answer = batch["labels"][0]
    text = tiny_llama.tokenizer.decode(answer)
    assert text == '"Film C2 (1972)", "Film D3 (1973)"<|im_end|>'
    assert (answer != IGNORED).all()
    # Logits are only made where the answer is: the first of them sees the prompt and nothing more.
    whole = batch["input_ids"][0]
    assert tiny_llama.tokenizer.decode(whole).endswith('"Film C2 (1972)", "Film D3 (1973)"')
    prompt = whole[: -(len(answer) - 1)]
    assert batch["places"][0].tolist() == list(range(len(prompt) - 1, len(whole)))
    assert tiny_llama.tokenizer.decode(prompt).endswith("assistant\n")


def test_the_prompt_has_no_part_in_the_loss(films, tiny_llama):
    batch = batch_of([OPEN], films, tiny_llama, Config())
    width = batch["labels"].shape[1]
    with torch.inference_mode():
        logits = tiny_llama.model(batch["input_ids"]).logits
    expected = torch.nn.functional.cross_entropy(logits[0, -width:], batch["labels"][0])
    assert answer_loss(logits[:, -width:], batch["labels"]).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_a_batch_has_the_losses_of_its_rows(listed, films, tiny_llama):
    examples = [OPEN, listed, replace(OPEN, answer=("4", "5", "6"))]

    def losses(batch):
        with torch.inference_mode(), read_at(tiny_llama.model, batch["places"]):
            logits = tiny_llama.model(batch["input_ids"]).logits
        scored = choice_logits(logits, batch["choices"]) + batch["prior"]
        return [
            listwise_loss(scored[at : at + 1], batch["weights"][at : at + 1]).item()
            if batch["weights"][at].sum() > 0
            else answer_loss(logits[at : at + 1], batch["labels"][at : at + 1]).item()
            for at in range(len(logits))
        ]

    batch = batch_of(examples, films, tiny_llama, Config())
    assert len(set(batch["lengths"].tolist())) == 3
    together = losses(batch)
    alone = [losses(batch_of([e], films, tiny_llama, Config()))[0] for e in examples]
    assert together == pytest.approx(alone, rel=1e-4)
    assert "attention_mask" not in batch
    assert "attention_mask" not in batch_of([OPEN], films, tiny_llama, Config())


def test_labels_are_judged_where_the_answer_begins(listed, films, tiny_llama):
    batch = batch_of([listed], films, tiny_llama, Config(decay=0.5))
    assert batch["weights"][0].tolist() == pytest.approx([0, 1 / 3, 0, 2 / 3, 0])
    assert batch["labels"].tolist() == [[IGNORED]]
    assert batch["prior"].tolist() == [[0.0] * 5]
    assert tiny_llama.tokenizer.decode(batch["input_ids"][0]).endswith("assistant\n")


def test_padding_changes_no_judgement(listed, films, tiny_llama):
    config = Config(loss="relevance")
    longer = replace(listed, history=(*listed.history, "9", "10"))
    batch = batch_of([listed, longer], films, tiny_llama, config)
    for row, marks in zip(batch["input_ids"], batch["marks"], strict=True):
        ends = [tiny_llama.tokenizer.decode(row[mark - 1 : mark + 1]) for mark in marks]
        assert all('"' in end for end in ends), ends
    losses = []
    for examples in ([listed], [longer], [listed, longer]):
        batch = batch_of(examples, films, tiny_llama, config)
        with torch.inference_mode(), read_at(tiny_llama.model, batch["marks"]):
            logits = tiny_llama.model(batch["input_ids"]).logits
        odds = relevance_logits(logits, batch["marks"], batch["verdicts"])
        losses.append(listwise_loss(odds, batch["weights"]).tolist())
    assert [*losses[0], *losses[1]] == pytest.approx(losses[2], rel=1e-4)


@pytest.mark.parametrize("loss", ["listwise", "relevance"])
def test_beta_adds_the_retrievers_scores(listed, films, tiny_llama, loss):
    config = Config(loss=loss, beta=0.5)
    batch = batch_of([listed], films, tiny_llama, config)
    assert batch["prior"][0].tolist() == [2.5, 2.0, 1.5, 1.0, 0.5]
    bare = replace(listed, scores=())
    with pytest.raises(DataError, match="negatives=retriever"):
        batch_of([bare], films, tiny_llama, config)
    batch_of([bare], films, tiny_llama, replace(config, loss="answer"))


def test_a_teachers_targets_are_needed(listed, films, tiny_llama):
    config = Config(loss="distilled", beta=0.5)
    taught = replace(listed, soft=(0.0, 1.0, 2.0, 3.0, 4.0))
    batch = batch_of([taught], films, tiny_llama, config)
    assert batch["soft"].tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0]]
    assert batch["target"].tolist() == [3]
    with pytest.raises(DataError, match="teacher=true"):
        batch_of([listed], films, tiny_llama, config)


def test_lists_are_cut_around_the_answer_and_arranged_anew_each_epoch(listed, films, tiny_llama):
    config = Config(candidates=(3, 3), history=2)
    shown = {tuple(arranged(listed, config, np.random.default_rng(seed))[1]) for seed in range(30)}
    assert shown == {(0, 1, 3), (1, 2, 3), (1, 3, 4)}
    example, _ = arranged(listed, config, np.random.default_rng(0))
    assert example.history == ("2", "3")
    assert example.candidates == listed.candidates
    shuffled, _ = arranged(listed, Config(shuffle=True), np.random.default_rng(1))
    assert shuffled.candidates != listed.candidates
    scored = dict(zip(listed.candidates, listed.scores, strict=True))
    assert shuffled.scores == tuple(scored[item] for item in shuffled.candidates)

    data = Instructions([listed] * 8, films, tiny_llama, Config(shuffle=True))
    first = [data[at]["row"].rendered for at in range(8)]
    assert first == [data[at]["row"].rendered for at in range(8)]
    data.epoch = 1
    assert first != [data[at]["row"].rendered for at in range(8)]
