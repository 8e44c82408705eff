"""Any causal language model of the transformers library, with an optional PEFT adapter.

Deterministic by construction: the next token is always read from the logits here, so a model's
own sampling defaults never apply.
"""

import os
from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from palr.errors import LLMError, fault
from palr.llm.abilities import batches, resumes
from palr.llm.adapters import Adapter
from palr.llm.base import Batch, Cut, Decoder
from palr.llm.batch import TransformersBatch
from palr.llm.cuda_graphs import CudaGraphs
from palr.llm.decoder import TransformersDecoder, piece_ends
from palr.llm.passes import check_kind, positions
from palr.llm.plain import PlainBatch, PlainDecoder
from palr.llm.prefixes import PrefixCache
from palr.llm.scoring import packs
from palr.llm.speed import cpu_speed
from palr.model_lock import LOADING
from palr.settings import SMOLLM2, Settings

_SMOLLM2_NAME = "SmolLM2-135M-Instruct"
_CPU_CONTEXT = 8192
_BLOCK = 256  # tokens of a prompt's beginning in one pass; shorter passes cost more a token
_STEP_ROOM = 8192  # tokens whose keys and values a GPU keeps room for beside a prompt's own
_GPU_BLOCK = 1024  # a pass costs a GPU much the same whether it is short or long


class TransformersLLM:
    """A tokenizer and a model on one device."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        name: str,
        adapter: Adapter | None = None,
        prefixes: PrefixCache | None = None,
    ):
        check_kind(model.config, name)
        self.name = name
        self.adapter = adapter
        self.model = model
        self.tokenizer = tokenizer
        self._block = _BLOCK if model.device.type == "cpu" else _GPU_BLOCK
        self.prefixes = prefixes or PrefixCache()
        self._vocabulary = model.config.get_text_config(decoder=True).vocab_size
        self._newline = self._encode("\n")
        self._markup = {t for t in tokenizer.all_special_tokens if len(t) > 1}
        self._ends = {tokenizer.eos_token_id, *_ends(model.config)}

    @classmethod
    def load(cls, settings: Settings) -> "TransformersLLM":
        """Load ``settings.llm`` (embedded name, folder or hub id) without an adapter.

        `palr.llm.adapter_pool.load_adapted` adds the adapter of the settings.

        Raises:
            LLMError: naming the remedy, where the model is absent, gated or too large, or the GPU
                or bitsandbytes is missing.
        """
        with LOADING:
            return cls._load(settings)

    @classmethod
    def _load(cls, settings: Settings) -> "TransformersLLM":
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

        embedded = settings.llm == SMOLLM2
        source = str(settings.model_path(SMOLLM2)) if embedded else settings.llm
        device = device_of(settings.device)
        local = embedded or Path(source).is_dir()
        options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
        try:
            dtype: str = settings.dtype
            config = AutoConfig.from_pretrained(source, **options)
            check_kind(config, settings.llm)
            if device == "cpu" and dtype != "int4":
                speed = cpu_speed(settings.home / "speed.json", settings.llm, config, dtype)
                torch.set_num_threads(speed.threads)
                dtype = speed.dtype
            weights = _weights_options(dtype, device)
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            model = AutoModelForCausalLM.from_pretrained(
                source, use_safetensors=True, **options, **weights
            )
            if "quantization_config" not in weights:
                model = model.to(device)
        except LLMError:
            raise
        except torch.cuda.OutOfMemoryError as error:
            raise LLMError(
                f"{settings.llm} does not fit into the memory of {device}: set PALR_DTYPE=int4 or "
                "take a smaller PALR_LLM"
            ) from error
        except Exception as error:  # whatever the code of some architecture raises
            raise LLMError(_load_remedy(settings.llm, error)) from error
        model.eval()
        name = _SMOLLM2_NAME if embedded else Path(settings.llm).name
        return cls(model, tokenizer, name)

    @property
    def arithmetic(self) -> str:
        """What decides near ties: the type of the weights, the device, and its threads."""
        import torch

        dtype, device = str(self.model.dtype).removeprefix("torch."), self.model.device.type
        threads = f", threads: {torch.get_num_threads()}" if device == "cpu" else ""
        return f"{dtype} on {device}{threads}"

    @property
    def parameters(self) -> int:
        return int(self.model.num_parameters())

    @property
    def gains_by_batches(self) -> bool:
        return str(self.model.device.type) != "cpu"  # there one prompt fills all cores

    @property
    def context_length(self) -> int:
        return positions(self.model.config) or _CPU_CONTEXT

    def render(self, text: str) -> str:
        text = self._defused(text)
        if not self.tokenizer.chat_template:
            return text + "\n"
        message = [{"role": "user", "content": text}]
        return str(
            self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
        )

    def count_tokens(self, text: str) -> int:
        return len(self._encode(text))

    def encode_answer(self, text: str) -> list[int]:
        # Behind a newline, SentencePiece tokenizers do not add their mark of a word's start.
        tokens, n = self._encode("\n" + text), len(self._newline)
        return tokens[n:] if tokens[:n] == self._newline else self._encode(text)

    def encode_prompt(self, text: str) -> list[int]:
        """Token ids of the rendered prompt."""
        return self._encode(self.render(text), special=not self.tokenizer.chat_template)

    def start(self, text: str, beginning: str = "", marks: Sequence[int] = ()) -> Decoder:
        tokens = self.encode_prompt(text)
        marked = self.marked_tokens(text, marks)
        if not resumes(self.model):
            return PlainDecoder(self.model, tokens, marked)
        cuts = self._cuts(tokens, beginning) if beginning else ()
        return TransformersDecoder(self.model, tokens, self.prefixes, cuts, marked, self._graphs)

    @cached_property
    def _graphs(self) -> CudaGraphs | None:
        graphs = CudaGraphs.of(self.model, min(self.context_length, _STEP_ROOM))
        return graphs if graphs and packs(self.model) else None

    def marked_tokens(self, text: str, marks: Sequence[int]) -> list[int]:
        """Of each mark, a place in ``text``, the index in `encode_prompt` of the token that holds
        the character before it.

        Raises:
            LLMError: the tokenizer does not tell.
        """
        if not marks:
            return []
        rendered, defused = self.render(text), self._defused(text)
        found = rendered.find(defused.strip())  # templates may strip what they are given
        if found < 0 or not self.tokenizer.is_fast:
            raise LLMError(
                f"the tokenizer of {self.name} does not tell where a candidate ends in the prompt: "
                "choose another ranking mode"
            )
        begin = found - (len(defused) - len(defused.lstrip()))
        special = not self.tokenizer.chat_template
        encoded = self.tokenizer(rendered, add_special_tokens=special, return_offsets_mapping=True)
        starts = [start for start, _ in encoded.offset_mapping]
        ends = [begin + len(self._defused(text[:mark])) for mark in marks]
        return [bisect_left(starts, end) - 1 for end in ends]

    def prompt_passes(self, text: str, beginning: str = "") -> int:
        """Forward passes over a prompt of which nothing has been read before."""
        if not resumes(self.model):
            return 1
        tokens = self.encode_prompt(text)
        return len(piece_ends(len(tokens), self._cuts(tokens, beginning) if beginning else ()))

    def start_many(self, texts: Sequence[str], marks: Sequence[Sequence[int]] = ()) -> Batch:
        if not batches(self.model):
            rows = zip(texts, marks or [()] * len(texts), strict=True)
            return PlainBatch([self.start(text, marks=row) for text, row in rows])
        marked = [self.marked_tokens(text, row) for text, row in zip(texts, marks, strict=False)]
        return TransformersBatch(self.model, [self.encode_prompt(text) for text in texts], marked)

    def read_ahead(self, beginning: str) -> Iterator[None]:
        if not resumes(self.model):
            return
        # Not to its very end: there the chat template goes on, and tokens may span what follows.
        cuts = self._cuts(self.encode_prompt(beginning + " x"), beginning)
        if cuts:
            tokens = self.encode_prompt(beginning)[: cuts[-1]]
            decoder = TransformersDecoder(self.model, tokens, self.prefixes, cuts)
            yield from decoder.passes()
            if decoder.forward_passes:
                yield

    def _cuts(self, tokens: Sequence[int], beginning: str) -> tuple[int, ...]:
        """Where the blocks end that prompts with this beginning have in common."""
        pairs = zip(self.encode_prompt(beginning), tokens, strict=False)
        shared = next((n for n, (a, b) in enumerate(pairs) if a != b), len(tokens))
        return tuple(range(self._block, shared + 1, self._block))

    def forget(self) -> None:
        """Drop what is kept of earlier prompts."""
        self.prefixes.clear()

    def generate(self, text: str, *, max_tokens: int) -> Generator[str | None]:
        decoder = self.start(text)
        written: list[int] = []
        shown = ""
        while len(written) < max_tokens:
            yield from decoder.passes()
            token = int(np.argmax(decoder.logprobs()))
            if token in self._ends:
                return
            written.append(token)
            decoder.feed([token])
            answer = str(self.tokenizer.decode(written))
            if answer.endswith("\ufffd"):  # half of a character whose bytes span tokens
                yield None
                continue
            yield answer[len(shown) :] or None
            shown = answer
        yield Cut("the limit of tokens")

    def _defused(self, text: str) -> str:
        for token in self._markup:
            text = text.replace(token, " ".join(token))
        return text

    def _encode(self, text: str, special: bool = False) -> list[int]:
        tokens = list(self.tokenizer(text, add_special_tokens=special).input_ids)
        if max(tokens, default=0) >= self._vocabulary:
            raise LLMError(
                f"the tokenizer of {self.name} has tokens that the model has not: they belong to "
                "different models; get both again, or take another PALR_LLM"
            )
        return tokens


def _ends(config: Any) -> list[int]:
    """The tokens that end an answer."""
    found = getattr(config.get_text_config(decoder=True), "eos_token_id", None)
    return list(found) if isinstance(found, list | tuple) else [found] if found is not None else []


def device_of(wanted: str) -> str:
    """What ``PALR_DEVICE`` stands for here; raises LLMError where there is no such GPU."""
    import torch

    if wanted != "auto":
        if wanted.startswith("cuda") and not torch.cuda.is_available():
            raise LLMError(
                f"PALR_DEVICE={wanted}, but torch finds no CUDA GPU: set PALR_DEVICE=cpu"
            )
        return wanted
    if torch.cuda.is_available():
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"  # set where `accelerate` starts us
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _weights_options(dtype: str, device: str) -> dict[str, Any]:
    """Arguments of ``from_pretrained`` that set the weights' type."""
    import torch

    if dtype == "int4":
        if not device.startswith("cuda"):
            raise LLMError("PALR_DTYPE=int4 needs a CUDA GPU: set PALR_DTYPE=auto")
        try:
            import bitsandbytes  # noqa: F401  (checked here for a message that names the remedy)
        except ImportError as error:
            raise LLMError(
                "PALR_DTYPE=int4 needs bitsandbytes: pip install bitsandbytes"
            ) from error
        from transformers import BitsAndBytesConfig

        quantization = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
        )
        return {"quantization_config": quantization, "device_map": device}
    if dtype == "auto":
        return {"dtype": torch.bfloat16}
    return {"dtype": getattr(torch, dtype)}


def _load_remedy(name: str, error: Exception) -> str:
    text, reason = str(error), fault(error)
    if name == SMOLLM2:
        return (
            f"the embedded model does not load ({reason}): run `python -m palr setup` to repair it"
        )
    if "gated" in text or "401" in text or "403" in text:
        return (
            f"{name} is gated: accept its licence on the Hugging Face hub and set HF_TOKEN to a "
            "token that may read it"
        )
    return (
        f"the model {name!r} does not load ({reason}): PALR_LLM must be {SMOLLM2}, a folder "
        "with safetensors, or a hub id that this machine can reach"
    )
