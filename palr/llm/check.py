"""Whether the language model of the settings can serve, found out without loading it."""

import os
import re
import socket
from pathlib import Path

from palr.errors import PalrError, fault
from palr.llm.passes import check_kind
from palr.settings import SMOLLM2, Settings

_CONNECT_SECONDS = 5.0

Found = tuple[str, str]
"""What was found, and what to do about it; the latter is empty where all is well."""


def weights(settings: Settings) -> Found:
    """The weights of ``PALR_LLM``: embedded, in a folder, or on the hub."""
    if settings.llm == SMOLLM2:
        return f"{SMOLLM2}, embedded", ""
    found, remedy = folder_or_hub(settings.llm, "config.json")
    return found, remedy or _kind(settings.llm)


def _kind(name: str) -> str:
    """What to do where a model that is here, in a folder or cached, is none that can be loaded."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    try:
        config = AutoConfig.from_pretrained(name, local_files_only=True, trust_remote_code=False)
        check_kind(config, name)
    except PalrError as error:
        return str(error)
    except OSError:
        return ""  # it is yet to be fetched
    except Exception as error:  # whatever the code of some architecture raises
        return f"its config.json cannot be read: {fault(error)}"
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        return f"{config.model_type} is no language model that writes: set PALR_LLM to another one"
    return ""


def server(settings: Settings) -> Found:
    """The server at ``PALR_LLM_URL``, which is asked for its list of models."""
    from palr.llm.http import HTTPLLM
    from palr.llm.resilience import Patience

    patience = Patience(connect=_CONNECT_SECONDS, silence=10, total=15, retries=0)
    key = settings.llm_api_key.get_secret_value()
    try:
        model = HTTPLLM(settings.llm_url, settings.llm, key, patience=patience)
    except PalrError as error:
        return f"{settings.llm} behind HTTP", str(error)
    return f"{model.name} answers at {settings.llm_url}", ""


def script(settings: Settings) -> Found:
    """The script needs nothing."""
    return "scripted: it repeats the candidates, for tests only", ""


def folder_or_hub(name: str, file: str) -> Found:
    """A folder with safetensors, or a repository of the hub.

    Args:
        name: A path or a hub id.
        file: A file that the repository holds, to find out whether it is cached.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if any(folder.glob("*.safetensors")):
            return f"{folder}, a folder", ""
        return f"{folder} holds no safetensors", "convert its weights; see README"
    if folder.is_absolute() or name.startswith(("./", "../", "~")):
        return f"{name} is no folder", "name a folder with the model, or a hub id (USER/MODEL)"
    from huggingface_hub import constants, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, file), str):
        return f"{name}, cached", ""
    token = "HF_TOKEN is set" if os.environ.get("HF_TOKEN") else "HF_TOKEN is not set"
    hub = re.sub(r"^https?://", "", constants.ENDPOINT).split("/")[0]
    if constants.HF_HUB_OFFLINE or not reachable(hub):
        remedy = f"not cached, and {hub} is out of reach: copy the model here and name its folder"
        return f"{name}; {token}", remedy
    return f"{name}, to be fetched from {hub} at the start; {token}", ""


def reachable(address: str) -> bool:
    """Whether something listens at ``HOST`` or ``HOST:PORT``; the port is 443 unless given."""
    name, _, port = address.partition(":")
    try:
        socket.create_connection((name, int(port or 443)), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
