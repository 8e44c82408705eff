"""A model with an adapter laid over it, while the model itself stays as it is.

Some kinds of PEFT change the weights that they lie over (PiSSA, OLoRA, trained biases), or the
modules (tuned norms, replicated layers). So each adapter gets modules of its own, which share the
model's weights. A weight that PEFT replaces is replaced in them alone; where PEFT would write into
one, they get copies.
"""

import copy
import re
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from palr.errors import LLMError, fault
from palr.llm.adapter_files import read_settings, read_weights

_ANOTHER = "take the model that it was trained on, or an adapter of this one"
_PROBED = 64  # of the tokens that it has trained
_SIZES = re.compile(r"size mismatch for (\S+): .*?(\[[\d, ]*\]).*?(\[[\d, ]*\])")
_LAYER = re.compile(r"\.(\d+)\.")


def adapted(model: Any, name: str, folder: Path) -> tuple[Any, tuple[str, ...]]:
    """The model with the adapter of a folder on.

    Args:
        model: A causal language model of transformers, which stays as it is.
        name: What it is called.
        folder: A folder with an adapter of PEFT.

    Returns:
        A model that shares the weights of ``model``, and notes on what may be amiss with it.

    Raises:
        LLMError: the adapter is damaged, does not fit the model, cannot be served or changes
            nothing. The message says why and what to do, as the end of a sentence.
    """
    settings, notes = read_settings(folder)
    trained_on = settings.base_model_name_or_path or name
    if Path(trained_on).name.lower() != name.lower():
        notes += (f"the adapter was trained on {trained_on}, not on {name}",)
    weights = read_weights(folder)
    guard = _Untouched(model)
    try:
        try:
            with guard:
                found = _over_twins(model, settings, weights, copied=False)
        except Exception:
            if not guard.touched:
                raise
            found = _over_twins(model, settings, weights, copied=True)
        _check_effect(model, found, settings)
    except LLMError:
        raise
    except Exception as error:  # PEFT raises whatever a setting or a weight leads it to
        raise LLMError(misfit(error, len(weights))) from error
    return found, notes


def lay_over(modules: Any, settings: Any, weights: dict[str, Any]) -> Any:
    """PEFT's model of these very modules with an adapter on, which may be trained further.

    Args:
        modules: A causal language model of transformers, which PEFT changes.
        settings: The adapter's, as `read_settings` gives them.
        weights: The adapter's, as `read_weights` gives them.

    Raises:
        LLMError: a weight has no place in the model, or a place no weight.
        Exception: whatever PEFT raises of what does not fit; `misfit` says what it means.
    """
    from peft import PeftModel, set_peft_model_state_dict

    settings = copy.deepcopy(settings)
    settings.inference_mode = False  # PEFT then marks what is trained
    found = PeftModel(modules, settings)
    result = set_peft_model_state_dict(found, weights)
    _check_complete(found, result, weights)
    return found


def _over_twins(model: Any, settings: Any, weights: dict[str, Any], copied: bool) -> Any:
    pairs = [(weight, copy.copy(weight)) for weight in model.parameters()]
    for weight, own in pairs:
        own.requires_grad_(False)
        if copied:
            own.data = weight.data.clone()
    modules = copy.deepcopy(model, {id(weight): own for weight, own in pairs})
    found = lay_over(modules, settings, weights)
    for weight, own in pairs:
        if copied and torch.equal(weight, own):
            own.data = weight.data
    return found.eval().requires_grad_(False)


def _check_complete(found: Any, result: Any, weights: dict[str, Any]) -> None:
    """Whether each weight of the adapter has its place in the model, and each place its weight."""
    named = dict(found.named_parameters(remove_duplicate=False))
    missing = set(result.missing_keys)
    given = {id(weight) for name, weight in named.items() if name not in missing}
    trained = [name for name, weight in named.items() if weight.requires_grad]
    empty = [name for name in trained if id(named[name]) not in given]
    unused = list(result.unexpected_keys)
    if not unused and not empty:
        return
    counts = [f"{len(unused)} of its {len(weights)} weights have no place in the model"]
    counts = counts * bool(unused) + [f"{len(empty)} places get no weight"] * bool(empty)
    layers = [int(match[1]) for name in weights if (match := _LAYER.search(name))]
    depth = found.config.num_hidden_layers
    trained_depth = max(layers, default=-1) + 1
    cause = (
        f"it is for {trained_depth} layers, and the model has {depth}"
        if trained_depth not in (0, depth)
        else "it was made for another model, or its files do not belong together"
    )
    example = [*unused, *empty][0]
    raise LLMError(f"{' and '.join(counts)} (such as {example}): {cause}; {_ANOTHER}")


def _check_effect(model: Any, found: Any, settings: Any) -> None:
    """Whether it changes what the model says, and into numbers."""
    own = getattr(settings, "token_indices", None)
    own = own or getattr(settings, "trainable_token_indices", None) or []
    own = [token for tokens in own.values() for token in tokens] if isinstance(own, dict) else own
    probe = torch.tensor([[*range(5, 13), *own[:_PROBED]]], device=model.device)
    with torch.inference_mode():
        changed, plain = found(probe).logits, model(probe).logits
    if torch.equal(changed, plain):
        raise LLMError(
            "it leaves the model unchanged: it is empty, untrained, or made for another model. "
            f"Train it again, or {_ANOTHER}"
        )
    if not changed.isfinite().all():
        raise LLMError("with it the model's scores are no numbers: train it again")


def misfit(error: Exception, n: int) -> str:
    """What an error of PEFT over ``n`` weights means."""
    sizes = _SIZES.findall(str(error))
    if not sizes:
        lacking = "it lacks the weight " if isinstance(error, KeyError) else ""
        return f"{lacking}{fault(error)}. Train it again, or {_ANOTHER}"
    words = [each for each in sizes if re.search("embed|lm_head", each[0])]
    name, there, here = (words or sizes)[0]
    other = "vocabulary" if len(words) == len(sizes) else "size"
    return (
        f"{len(sizes)} of its {n} weights have another shape (such as {name}: {there}, here "
        f"{here}): it was made for a model of another {other}; {_ANOTHER}"
    )


class _Untouched(TorchDispatchMode):
    """Within, whatever would write into the weights of a model fails, and ``touched`` is set."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.touched = False
        self._kept = {weight.untyped_storage().data_ptr() for weight in model.parameters()}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        arguments = func._schema.arguments
        given = dict(zip((a.name for a in arguments), args, strict=False)) | (kwargs or {})
        for argument in arguments:
            written = argument.alias_info is not None and argument.alias_info.is_write
            if written and self._keeps(given.get(argument.name)):
                self.touched = True
                raise RuntimeError(f"{func} writes into the model's own weights")
        return func(*args, **(kwargs or {}))

    def _keeps(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor) and value.untyped_storage().data_ptr() in self._kept
