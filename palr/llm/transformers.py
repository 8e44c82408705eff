"""Any causal language model of the transformers library, with an optional PEFT adapter.

Deterministic by construction: the next token is always read from the logits here, so a model's
own sampling defaults never apply.
"""

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from palr.errors import LLMError
from palr.llm.base import Decoder
from palr.llm.decoder import TransformersDecoder
from palr.llm.prefixes import PrefixCache
from palr.settings import SMOLLM2, Settings

_SMOLLM2_NAME = "SmolLM2-135M-Instruct"
_CPU_CONTEXT = 8192


class TransformersLLM:
    """A tokenizer and a model on one device."""

    def __init__(self, model: Any, tokenizer: Any, name: str, adapter: str | None = None):
        self.name = name
        self.adapter = adapter
        self.model = model
        self.tokenizer = tokenizer
        # Reuse changes the shapes of the passes, and so the rounding. In float32 that is far below
        # any difference between candidates; in half precision the same picks could rank anew.
        exact = str(model.dtype) == "torch.float32"
        self._prefixes = PrefixCache() if exact else None
        self._newline = self._encode("\n")
        self._markup = {t for t in tokenizer.all_special_tokens if len(t) > 1}
        self._ends = {
            i for i in (tokenizer.eos_token_id, model.config.eos_token_id) if isinstance(i, int)
        }

    @classmethod
    def load(cls, settings: Settings) -> "TransformersLLM":
        """Load ``settings.llm`` (embedded name, folder or hub id) and its adapter.

        Raises:
            LLMError: naming the remedy, where the model is absent, gated or too large, the GPU or
                bitsandbytes is missing, or the adapter does not fit.
        """
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        embedded = settings.llm == SMOLLM2
        source = str(settings.model_path(SMOLLM2)) if embedded else settings.llm
        device = _device(settings.device)
        local = embedded or Path(source).is_dir()
        options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
        weights = _weights_options(settings.dtype, device)
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            model = AutoModelForCausalLM.from_pretrained(
                source, use_safetensors=True, **options, **weights
            )
            if "quantization_config" not in weights:
                model = model.to(device)
        except torch.cuda.OutOfMemoryError as error:
            raise LLMError(
                f"{settings.llm} does not fit into the memory of {device}: set PALR_DTYPE=int4 or "
                "take a smaller PALR_LLM"
            ) from error
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise LLMError(_load_remedy(settings.llm, error)) from error
        model.eval()
        adapter = None
        if settings.adapter:
            model = _with_adapter(model, settings.adapter, settings.llm)
            adapter = Path(settings.adapter).name
        name = _SMOLLM2_NAME if embedded else Path(settings.llm).name
        return cls(model, tokenizer, name, adapter)

    @property
    def context_length(self) -> int:
        return int(getattr(self.model.config, "max_position_embeddings", _CPU_CONTEXT))

    def render(self, text: str) -> str:
        for token in self._markup:
            text = text.replace(token, " ".join(token))
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

    def start(self, text: str) -> Decoder:
        return TransformersDecoder(self.model, self.encode_prompt(text), self._prefixes)

    def forget(self) -> None:
        """Drop what is kept of earlier prompts."""
        if self._prefixes is not None:
            self._prefixes.clear()

    def generate(self, text: str, *, max_tokens: int) -> Generator[str]:
        decoder = self.start(text)
        written: list[int] = []
        shown = ""
        while len(written) < max_tokens:
            token = int(np.argmax(decoder.logprobs()))
            if token in self._ends:
                return
            written.append(token)
            decoder.feed([token])
            answer = str(self.tokenizer.decode(written))
            if not answer.endswith("\ufffd"):  # half of a character whose bytes span tokens
                yield answer[len(shown) :]
                shown = answer

    def _encode(self, text: str, special: bool = False) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=special).input_ids)


def _device(wanted: str) -> str:
    import torch

    if wanted != "auto":
        if wanted.startswith("cuda") and not torch.cuda.is_available():
            raise LLMError(
                f"PALR_DEVICE={wanted}, but torch finds no CUDA GPU: set PALR_DEVICE=cpu"
            )
        return wanted
    if torch.cuda.is_available():
        return "cuda"
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
        return {"dtype": _fastest_cpu_dtype() if device == "cpu" else torch.bfloat16}
    return {"dtype": getattr(torch, dtype)}


def _fastest_cpu_dtype() -> Any:
    """bfloat16 where this CPU multiplies it clearly faster than float32, else float32."""
    import torch

    def seconds(dtype: Any) -> float:
        a, b = torch.ones(256, 576, dtype=dtype), torch.ones(576, 1536, dtype=dtype)
        best = float("inf")
        for _ in range(5):
            begin = time.perf_counter()
            a @ b
            best = min(best, time.perf_counter() - begin)
        return best

    return (
        torch.bfloat16 if seconds(torch.bfloat16) * 1.3 < seconds(torch.float32) else torch.float32
    )


def _with_adapter(model: Any, adapter: str, base: str) -> Any:
    """Lay a PEFT adapter over the model and prove that it changes the logits."""
    import torch
    from peft import PeftModel

    try:
        adapted = PeftModel.from_pretrained(model, _adapter_folder(adapter)).eval()
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise LLMError(
            f"the adapter {adapter} does not load over {base}: {_first_line(error)}. Check that "
            "PALR_ADAPTER is a PEFT folder or hub id that was trained on this PALR_LLM"
        ) from error
    with torch.inference_mode():
        probe = torch.arange(5, 13, device=adapted.device)[None]
        changed = adapted(probe).logits
        with adapted.disable_adapter():
            plain = adapted(probe).logits
    if torch.equal(changed, plain):
        raise LLMError(
            f"the adapter {adapter} leaves {base} unchanged: it is empty, untrained, or made for "
            "another model. Unset PALR_ADAPTER to run zero-shot"
        )
    return adapted


def _adapter_folder(adapter: str) -> str:
    """Where the adapter lies, fetched if need be; PEFT itself would also unpickle weights."""
    from huggingface_hub import snapshot_download

    folder = Path(adapter)
    if not folder.is_dir():
        folder = Path(snapshot_download(adapter, allow_patterns=["*.json", "*.safetensors"]))
    if not (folder / "adapter_model.safetensors").is_file():
        raise OSError("it holds no adapter_model.safetensors")
    return str(folder)


def _load_remedy(name: str, error: Exception) -> str:
    text, reason = str(error), _first_line(error)
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


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
