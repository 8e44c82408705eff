"""The model card of an adapter, written from its training record."""

from finetune.configs import Recipe
from finetune.training.record import CURVE, TrainingRecord
from palr.data.datasets import get_dataset


def card(record: TrainingRecord, base: str) -> str:
    """Markdown with the hub's front matter."""
    config, recipe = record.config, record.instructions.recipe
    dataset = get_dataset(record.instructions.dataset)
    counts = ", ".join(f"{n:,} {task}" for task, n in sorted(record.instructions.counts.items()))
    layers = "all layers" if config.lora_layers is None else f"the top {config.lora_layers} layers"
    lora = f"rank {config.lora_rank} on {layers}" if not config.start else "that of the start"
    loss = {
        "answer": "cross-entropy of the written names",
        "listwise": "cross-entropy over the candidates' labels",
        "relevance": "cross-entropy over the odds of yes against no behind each candidate",
        "distilled": "squared difference of the odds of yes against no and a teacher's",
    }[config.loss]
    if config.prior:
        loss += "; ranks on top of the retriever's scores (`prior` in palr.json)"
    source = {
        "similar": "the targets with similar negatives",
        "retriever": "drawn by a SASRec that did not learn from the targets",
    }[recipe.negatives]
    listed = "Recommend_Retrieval" in record.instructions.counts
    batch = config.batch_size * config.accumulate
    last = f"{record.curve[-1].loss:.3f}" if record.curve else "not logged"
    return f"""---
base_model: {base}
library_name: peft
pipeline_tag: text-generation
tags: [recommendation, lora, palr]
---

# {record.name} ({dataset.label})

A LoRA adapter that ranks candidates for a user, after
[PALR](https://arxiv.org/abs/2305.07622). Made by

```bash
{record.command}
```

| | |
| --- | --- |
| Base model | {base} |
| Data | {dataset.label}; {dataset.licence} |
| Instructions | {counts}, of {record.instructions.users:,} users ({recipe.user_share:.0%}) |
| Candidates | {source if listed else "none"} |
| Profile in the prompt | {recipe.profile}{_share(record)} |
{_other_words(recipe)}| LoRA | {lora}, {record.parameters:,} parameters |
| Loss | {loss} |
| Started from | {_start(record)} |
| Steps | {record.steps:,} of {batch} examples, learning rate {config.learning_rate:g} |
| Last loss | {last} |
| Time | {record.seconds / 60:.0f} minutes on {record.device}, {record.dtype} |
| Weights' SHA-256 | {record.weights_sha256} |

![Training loss]({CURVE})

The training part of the leave-one-out split is all that was used: no validation or test item of
any user is in the instructions. The full record is in `record.json`.

Meant for research. The adapter knows the items of this data set, inherits what its users and its
base model prefer, and has no use outside ranking candidates of this kind.

{dataset.citation}
"""


def _other_words(recipe: Recipe) -> str:
    if not recipe.counterfactual:
        return ""
    return (
        f"| Words that ask for something else | in {recipe.counterfactual:.0%} of the examples, "
        f"worth {recipe.worth:g} |\n"
    )


def _share(record: TrainingRecord) -> str:
    recipe = record.instructions.recipe
    return "" if recipe.profile == "none" else f", in {recipe.profile_share:.0%} of the examples"


def _start(record: TrainingRecord) -> str:
    if not record.start_sha256:
        return "random LoRA weights"
    return f"an adapter whose weights have the SHA-256 {record.start_sha256}"
