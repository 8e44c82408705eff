"""What can be chosen: recipes of instruction data, and configurations of training, by name.

Every part of the paper's recipe is one field. ``with_changes`` lays ``field=value`` pairs of the
command line over a named entry.
"""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, Strict

from finetune.checks import Amount, Checked, Count, Listed, Positive, Seed, Share, Whole
from finetune.data.tasks import ANSWER_LIMIT, Task
from palr.domains import HISTORY_LIMIT
from palr.errors import PalrError
from palr.settings import SMOLLM2

Loss = Literal["answer", "listwise", "relevance", "distilled"]
# The ranking mode that each loss teaches, where there are candidates.
TAUGHT: dict[Loss, str] = {
    "answer": "titles",
    "listwise": "labels",
    "relevance": "relevance",
    "distilled": "relevance",
}
RETRIEVER = "sasrec"  # whose lists the adapters learn from


@dataclass(frozen=True)
class Recipe(Checked):
    """How instruction data are made (paper, section 2.2).

    ``user_share`` of the users are drawn with ``seed``. ``negatives`` says where the candidates of
    Recommend_Retrieval come from: ``similar`` is the paper's way, ``per_user`` random cuts of each
    training sequence; ``retriever`` draws the top ``candidates`` of a SASRec that did not learn
    from the last ``held_back`` training items of these users, with each of these items as a target
    in turn. ``window`` is how many of the items that follow count as targets there. With
    ``complete``, a target that was not drawn takes the place of the last candidate. The ``earlier``
    training items before these get a list too, which only a ``teacher`` has something to say of:
    the retriever has learnt from them. Lists shorter than ``enrich_below`` are enriched; items of
    the answer change places with the history's at the rate ``swap``. ``profile`` is put into the
    prompts of a ``profile_share`` of the examples: ``keywords`` are the best supported ones and
    need no model, ``llm`` is what is served. With ``teacher``, drawn lists carry soft targets
    (`finetune.data.teacher`). ``counterfactual`` of them show words that ask for something else
    than the history, which is ``worth`` so much to the teacher (`finetune.data.counterfactual`).
    """

    tasks: Annotated[tuple[Task, ...], Field(min_length=1)] = ("Recommend", "Recommend_Retrieval")
    user_share: Share = 0.2
    history: Count = HISTORY_LIMIT
    answer: Count = ANSWER_LIMIT
    per_user: Count = 2
    candidates: Listed = 50
    negatives: Literal["similar", "retriever"] = "similar"
    enrich_below: Whole = 10
    swap: Share = 0.1
    profile: Literal["none", "keywords", "llm"] = "keywords"
    profile_share: Share = 0.5
    held_back: Count = 10
    window: Count = 1
    complete: bool = False
    earlier: Whole = 0
    teacher: bool = False
    counterfactual: Share = 0.0
    worth: Positive = 2.0
    retriever_epochs: Count | None = None
    seed: Seed = 0

    def contradictions(self) -> Iterator[str]:
        """See `Checked.contradictions`."""
        listed = "Recommend_Retrieval" in self.tasks
        drawn = listed and self.negatives == "retriever"
        if len(set(self.tasks)) < len(self.tasks):
            yield "tasks names one task twice: name it once"
        if self.negatives == "retriever" and not listed:
            yield "negatives=retriever draws lists for Recommend_Retrieval: name it in tasks"
        if listed and not drawn and self.candidates <= self.answer:
            yield (
                f"answer={self.answer} leaves no room for others among candidates="
                f"{self.candidates}: raise candidates or lower answer"
            )
        if not drawn:
            asked = {"teacher": self.teacher, "complete": self.complete}
            asked |= {"earlier": self.earlier > 0, "counterfactual": self.counterfactual > 0}
            for name in (name for name, on in asked.items() if on):
                yield f"{name} is for lists that a retriever drew: set negatives=retriever"
        elif self.earlier and not self.teacher:
            yield (
                f"earlier={self.earlier} asks for lists of targets that the retriever has learnt "
                "from: set teacher=true, or earlier=0"
            )
        elif self.counterfactual and not self.teacher:
            yield (
                f"counterfactual={self.counterfactual:g} changes a teacher's targets: set "
                "teacher=true, or counterfactual=0"
            )


_DRAWN = Recipe(
    tasks=("Recommend_Retrieval",),
    negatives="retriever",
    held_back=20,
    window=3,
    complete=True,
    earlier=100,
    teacher=True,
)
RECIPES: dict[str, Recipe] = {
    "palr-v1": Recipe(tasks=("Recommend",)),
    "palr-v2": Recipe(),
    "palr-v2-drawn": _DRAWN,
    "palr-v2-steered": replace(_DRAWN, counterfactual=0.6),
}


@dataclass(frozen=True)
class Config(Checked):
    """How an adapter is trained.

    ``loss`` is that of Recommend_Retrieval: ``answer`` is the paper's cross-entropy of the written
    names, ``listwise`` that of the candidates' labels, ``relevance`` that of the odds of yes
    against no behind each candidate, and ``distilled`` the squared difference of these odds and of
    what a teacher finds. Recommend has no list and always takes ``answer``. ``decay`` is the weight
    of each further target against the one before it.

    ``listwise`` and ``relevance`` add ``beta`` times the retriever's scores to the model's, so that
    it learns what the retriever lacks; a teacher knows it apart. The adapter is served with the sum
    (`palr.ranking.mix`).

    ``lora_layers`` counts from the top; below them nothing is differentiated. ``lora_targets`` are
    names of layers; empty stands for every linear layer but the output's. ``history`` and
    ``candidates`` (fewest, most) cut prompts in training only: a random part of the list is shown,
    with the labels that its candidates have in the whole. ``shuffle`` puts the list into a new
    random order each epoch. ``compile`` has torch compile the layers, which takes a minute and a
    compiler. ``start`` is the folder of an adapter to go on from; its LoRA settings count, not
    those here.
    """

    base_model: Annotated[str, Field(min_length=1)] = SMOLLM2
    start: str = ""
    loss: Loss = "listwise"
    beta: Amount = 0.0
    decay: Share = 0.5
    shuffle: bool = False
    history: Count = HISTORY_LIMIT
    candidates: tuple[Listed, Listed] = (50, 50)
    epochs: Positive = 1.0
    max_steps: Annotated[int, Strict(), Field(ge=-1)] = -1
    learning_rate: Positive = 5e-4
    warmup: Amount = 0.03
    weight_decay: Amount = 0.0
    batch_size: Count = 1
    accumulate: Count = 16
    group_by_length: bool = False
    lora_rank: Count = 16
    lora_alpha: Count = 32
    lora_dropout: Annotated[Amount, Field(lt=1)] = 0.0
    lora_layers: Count | None = None
    lora_targets: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    dtype: Literal["auto", "float32", "bfloat16", "int4"] = "auto"
    gradient_checkpointing: bool = False
    compile: bool = False
    fsdp: bool = False
    save_steps: Count = 50
    log_steps: Count = 5
    seed: Seed = 0

    def contradictions(self) -> Iterator[str]:
        """See `Checked.contradictions`."""
        fewest, most = self.candidates
        if fewest > most:
            yield f"candidates are the fewest, then the most: set candidates=[{most},{fewest}]"
        if self.max_steps == 0:
            yield "max_steps=0 trains nothing: set a number of steps, or -1 for all epochs"
        if self.warmup >= 1 and not float(self.warmup).is_integer():
            yield f"warmup={self.warmup:g} is neither a share of the steps nor a number of steps"
        if 0 < self.max_steps <= self.warmup:
            yield (
                f"warmup={self.warmup:g} is no less than max_steps={self.max_steps}: lower warmup; "
                "below 1 it is a share"
            )

    @property
    def prior(self) -> float:
        """What the retriever's scores count in the adapter's; written names take no scores."""
        return 0.0 if self.loss == "answer" else self.beta


CONFIGS: dict[str, Config] = {
    # Two cores: the backward pass stops below the top layers, prompts are short, and a teacher says
    # something of every candidate. For the instructions palr-v2-drawn.
    "smollm2-135m-cpu": Config(
        loss="distilled",
        beta=0.8,
        shuffle=True,
        candidates=(16, 32),
        learning_rate=1e-3,
        accumulate=2,
        lora_layers=12,
        max_steps=1500,
        save_steps=25,
    ),
    "smollm2-135m-gpu": Config(
        loss="distilled",
        beta=0.8,
        shuffle=True,
        candidates=(32, 50),
        learning_rate=8e-4,
        batch_size=48,
        accumulate=1,
        group_by_length=True,
        lora_rank=24,
        lora_alpha=48,
        compile=True,
        save_steps=250,
        log_steps=10,
    ),
    # One 24 GB GPU.
    "llama-7b-qlora": Config(
        base_model="huggyllama/llama-7b",
        dtype="int4",
        learning_rate=2e-4,
        batch_size=2,
        accumulate=8,
        group_by_length=True,
        gradient_checkpointing=True,
        lora_dropout=0.05,
    ),
    # Several GPUs: `accelerate launch -m finetune train --config llama-7b-fsdp ...`
    "llama-7b-fsdp": Config(
        base_model="huggyllama/llama-7b",
        dtype="bfloat16",
        learning_rate=2e-4,
        batch_size=4,
        accumulate=1,
        group_by_length=True,
        gradient_checkpointing=True,
        lora_dropout=0.05,
        fsdp=True,
    ),
}

T = TypeVar("T", Recipe, Config)
Named = TypeVar("Named")


def named(registry: dict[str, Named], name: str) -> Named:
    """Look an entry up; raises PalrError naming the known ones."""
    if name not in registry:
        raise PalrError(f"unknown name {name!r}; choose one of: {', '.join(registry)}")
    return registry[name]


def with_changes(entry: T, changes: Sequence[str]) -> T:
    """The entry with ``field=value`` pairs laid over it; values are JSON, or bare text.

    >>> with_changes(Recipe(), ["user_share=0.5", "negatives=retriever"]).negatives
    'retriever'

    Raises:
        PalrError: a pair is malformed, a field unknown, a value wrong, or two contradict.
    """
    fields: dict[str, Any] = asdict(entry)
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            known = f"did you mean {near[0]}" if near else f"write one of: {', '.join(fields)}"
            raise PalrError(f"{change!r} is no setting; {known}, then =")
        fields[name] = _value(text)
    changed = type(entry)(**fields)
    changed.check()
    return changed


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or more than can be read
        return text
