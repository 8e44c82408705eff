"""Teaching an LLM to recommend: instruction data, training, adapters, evaluation of the pipeline.

    python -m finetune build      instruction data out of the training part of a data set
    python -m finetune train      a LoRA adapter out of instruction data
    python -m finetune evaluate   retriever -> top 50 -> LLM -> top 10, for every user sampled
    python -m finetune reproduce  all three, for PALR_v1 and PALR_v2

This package imports `palr`, never the other way round.
"""
