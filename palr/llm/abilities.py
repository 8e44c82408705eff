"""Which of the quick ways a model can be run in: behind kept pieces of a prompt, and in batches.

Where it cannot, `palr.llm.plain` has the slow way, and the log says so.
"""

from typing import Any

from palr.llm.batch import TransformersBatch, attends_by_rows
from palr.llm.caches import sees_everything
from palr.llm.decoder import TransformersDecoder
from palr.llm.prefixes import PrefixCache
from palr.llm.probes import Sample, remembered


def resumes(model: Any) -> bool:
    """Whether the model goes on behind what a cache holds, also one that was kept and put back
    while it read something else.

    Raises:
        LLMError: the model fails, or sees what comes behind a token.
    """

    def probe(known: Sample) -> bool:
        prefixes, cuts = PrefixCache(), (len(known.begin),)
        first = TransformersDecoder(model, known.begin, prefixes, cuts).logprobs()
        TransformersDecoder(model, known.other).logprobs()
        *rest, final = known.rest
        second = TransformersDecoder(model, [*known.begin, *rest], prefixes, cuts)
        if not known.agrees(second.logprobs(), at=-2):
            return False
        second.feed([final])  # alone: models have a way of their own for a single token
        return known.agrees(first, at=0) and known.agrees(second.logprobs())

    otherwise = "every decision reads the whole prompt anew, which is slow, and nothing is kept"
    return remembered(model, "resumes", probe, otherwise)


def batches(model: Any) -> bool:
    """Whether the model can read several prompts as one sequence, row by row; raises LLMError
    where it fails."""

    def probe(known: Sample) -> bool:
        if not sees_everything(model.config) or not attends_by_rows(model.config):
            return False
        before = model.config._attn_implementation
        agrees = False
        try:
            batch = TransformersBatch(model, [known.other, known.begin])
            agrees = known.agrees(batch.logprobs()[1], at=0)
            batch.feed(1, known.rest)
            agrees = agrees and known.agrees(batch.logprobs()[1])
        finally:
            if not agrees:
                model.config._attn_implementation = before
        return agrees

    return remembered(model, "batches", probe, "prompts are read one after the other")
