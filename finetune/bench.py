"""How fast a large model trains and ranks, where its weights are not at hand.

The weights are random, which no time depends on; shape, prompts, losses and code are the real ones.
"""

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from finetune.configs import Config, named
from finetune.data.dataset import EXAMPLES, read_examples
from finetune.data.render import candidates_of
from finetune.data.tasks import ANSWER_LIMIT, Example
from finetune.training.train import Run, memory_guard, train
from palr.errors import DataError
from palr.llm.transformers import TransformersLLM, device_of
from palr.ranking import rank_many, ranking_job
from palr.settings import SMOLLM2, Settings

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

MODE = "relevance"  # in which the shipped PALR_v2 ranks
RANKED = 6  # lists that are ranked one by one; the first is not counted
# Of transformers' LlamaConfig; what is not said is LLaMA's own.
SHAPES: dict[str, dict[str, int]] = {
    "llama-7b": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
    },
    "tiny": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 2048,
    },
}


def bench(
    catalog: "Catalog",
    settings: Settings,
    instructions: Path,
    config_name: str,
    config: Config,
    shape: str,
    command: str = "",
) -> dict[str, Any]:
    """Train ``config.max_steps`` steps and rank a few lists; the adapter is thrown away.

    Raises:
        DataError: the instructions hold no list to rank.
        PalrError: the shape is unknown, or memory ran out; see also `train`.
    """
    from transformers import LlamaConfig

    dimensions = named(SHAPES, shape)
    known = {item.id for item in catalog.items}
    lists = [e for e in read_examples(instructions / EXAMPLES, known) if e.candidates][:RANKED]
    if not lists:
        raise DataError(f"{instructions} holds no list to rank; take those of palr-v2")
    with memory_guard(config):
        llm = random_llm(LlamaConfig(**dimensions), settings, shape)
    with TemporaryDirectory() as out:
        run = Run(shape, config_name, config, instructions, Path(out), command)
        record = train(run, catalog, settings, llm=llm)
    llm.model.eval()
    return {
        "command": command,
        "shape": shape,
        "parameters": sum(p.numel() for p in llm.model.parameters()) - record.parameters,
        "lora_parameters": record.parameters,
        "config": config_name,
        "batch_size": config.batch_size * config.accumulate,
        "gradient_checkpointing": config.gradient_checkpointing,
        "steps": record.steps,
        "seconds": record.seconds,
        "tokens": record.tokens,
        "tokens_per_second": round(record.tokens_per_second, 1),
        "peak_memory_mb": record.peak_memory_mb,
        "rank_s": round(_ranking(lists, catalog, llm), 4),
        "device": record.device,
        "dtype": record.dtype,
        "versions": record.versions,
    }


def random_llm(config: Any, settings: Settings, name: str) -> TransformersLLM:
    """A LLaMA of this shape with the embedded model's tokenizer, in bfloat16 on the device of the
    settings.

    Args:
        config: The shape.
        settings: The settings, for the home and the models.
        name: What the model is called.
    """
    from transformers import AutoTokenizer, LlamaForCausalLM

    folder = settings.model_path(SMOLLM2)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    config.vocab_size = len(tokenizer)
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    config.dtype = torch.bfloat16
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device_of(settings.device)):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    return TransformersLLM(model, tokenizer, f"random {name}")


def _ranking(lists: list[Example], catalog: "Catalog", llm: TransformersLLM) -> float:
    """Median seconds for one list, alone, judged in one pass."""
    took = []
    for example in lists:
        candidates = candidates_of(example, catalog)
        history = [catalog.item(item) for item in example.history]
        job = ranking_job(catalog.domain, history, None, candidates, ANSWER_LIMIT, llm, MODE)
        begin = time.perf_counter()
        for _ in rank_many([job], llm):
            pass
        took.append(time.perf_counter() - begin)
    return statistics.median(took[1:] or took)
