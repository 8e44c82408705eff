"""Typed settings, read once from ``PALR_*`` environment variables.

An unknown variable is an error: a misspelt ``PALR_ADAPTOR`` would otherwise be a silent
zero-shot run. What Kubernetes sets for a service called ``palr`` is none of ours, and passed over.
"""

import difflib
import os
import re
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from palr.errors import SettingsError
from palr.types import Writing

PREFIX = "PALR_"
SMOLLM2 = "smollm2-135m"
MINILM = "all-minilm-l6-v2"
_PERSISTENT = Path("/data")  # where a Space has persistent storage
# Kubernetes' service links: https://kubernetes.io/docs/concepts/services-networking/service/
_LINK_NAME = re.compile(
    r"PALR(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_LINK_PORT = re.compile(r"(tcp|udp|sctp)://")
_SQLITE_AT_HOME = re.compile(r"(sqlite(?:\+\w+)?:///)(~.*)")


def default_home() -> Path:
    """A Space's persistent storage where there is one, else the user's data folder."""
    if os.environ.get("SPACE_ID") and os.access(_PERSISTENT, os.W_OK):
        return _PERSISTENT / "palr"
    return user_data_path("palr")


def gpu_is_lent() -> bool:
    """Whether a ZeroGPU Space lends a GPU to each call, in a process of its own."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


class Settings(BaseSettings):
    """Everything that can be set from outside; the defaults need no network after `palr setup`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    home: Path = Field(
        default_factory=default_home,
        description="Folder for models, embeddings and the catalog database.",
    )
    host: str = Field("0.0.0.0", description="Address that the app listens on.")
    port: int = Field(7860, ge=1, le=65535, description="Port that the app listens on.")
    password: SecretStr = Field(
        SecretStr(""), description="Password of the page, for any user name; empty means none."
    )
    queue: int = Field(
        32, ge=1, description="Runs that may wait for the language model; more are turned away."
    )
    rate: int = Field(
        20, ge=0, description="Runs that one visitor may start in a minute; 0 means no limit."
    )
    log: Literal["plain", "json", "json+text"] = Field(
        "plain", description="json writes a line for each run; json+text adds what was picked."
    )
    database_url: str = Field(
        "", description="SQLAlchemy URL of the catalogs; empty means SQLite under PALR_HOME."
    )
    data: Path | None = Field(
        None,
        description="Folder of official data set files, such as ml-1m.zip.",
    )
    retriever: str = Field(
        "auto", description="auto, or a retriever such as sasrec; auto takes the best available."
    )
    llm_backend: str = Field("transformers", description="Which LLM backend runs the model.")
    llm: str = Field(
        SMOLLM2, description=f"{SMOLLM2}, a hub id, a folder, or the served model's name."
    )
    llm_url: str = Field(
        "http://localhost:8000/v1",
        description="Base URL of the OpenAI-compatible server (http backend).",
    )
    llm_api_key: SecretStr = Field(SecretStr(""), description="Bearer token for the http backend.")
    llm_seconds: float = Field(
        180.0,
        gt=0,
        le=86_400,
        description="Longest time for the LLM's part of a run on the page, else a fallback shows.",
    )
    profile: Writing = Field(
        "auto",
        description="How profiles are written: grounded in sentences that the picks support, free "
        "in the model's own words, or auto: free from a billion parameters on.",
    )
    adapter: str = Field("", description="PEFT adapter (folder or hub id) laid over PALR_LLM.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int4"] = Field(
        "auto", description="Weights' type; int4 needs bitsandbytes and a CUDA GPU."
    )

    @model_validator(mode="before")
    @classmethod
    def _said(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What has a value: empty means the default, and blanks around a value do not count."""
        said = {name: v.strip() if isinstance(v, str) else v for name, v in given.items()}
        if isinstance(port := said.get("port"), str) and _LINK_PORT.match(port):
            del said["port"]
        return {name: value for name, value in said.items() if value != ""}

    @field_validator("home", "data", "llm", "adapter", "database_url", mode="before")
    @classmethod
    def _expanded(cls, value: object) -> object:
        """``~`` is the user's home folder, in the path of a SQLite URL too."""
        if not isinstance(value, str):
            return value
        if url := _SQLITE_AT_HOME.fullmatch(value):
            return url[1] + expanded(url[2])
        return expanded(value)

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, host: str) -> str:
        """``[::]`` is how an address bar writes ``::``."""
        return host.removeprefix("[").removesuffix("]")

    @property
    def catalog_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'catalog.db'}"

    def model_path(self, name: str) -> Path:
        """Where an embedded model (`SMOLLM2`, `MINILM`) lies, whether or not it is there yet."""
        return self.home / "models" / name


def expanded(path: str) -> str:
    """The path, with ``~`` or ``~user`` at its beginning replaced; raises ValueError where there is
    no such home."""
    found = os.path.expanduser(path)
    if found.startswith("~"):
        raise ValueError(f"{Path(path).parts[0]} is no user's home folder: write the whole path")
    return found


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: ``PALR_*`` variables are unknown (the nearest names are suggested) or have a
            value of the wrong type.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = [name for name in sorted(os.environ) if _is_unknown(name, known)]
    if unknown:
        raise SettingsError("; ".join(_unknown(name, known) for name in unknown))
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(_fault(str(fault["loc"][0]), fault) for fault in error.errors())
        raise SettingsError(f"settings do not parse: {faults}") from error


def _is_unknown(name: str, known: set[str]) -> bool:
    upper = name.upper()
    if not upper.startswith(PREFIX) or upper in known:
        return False
    link = upper.endswith("_PORT") and _LINK_PORT.match(os.environ[name].strip())
    return not link and not _LINK_NAME.fullmatch(upper)


def _unknown(name: str, known: set[str]) -> str:
    short = name.upper().removeprefix(PREFIX)  # the prefix, which all share, makes none alike
    near = difflib.get_close_matches(short, [each.removeprefix(PREFIX) for each in known], n=1)
    hint = (
        f"did you mean {PREFIX}{near[0]}?"
        if near
        else f"known settings: {', '.join(sorted(known))}"
    )
    return f"unknown setting {name}; {hint}"


def _fault(field: str, fault: Any) -> str:
    name, message = f"{PREFIX}{field.upper()}", fault["msg"].removeprefix("Value error, ")
    secret = Settings.model_fields[field].annotation is SecretStr
    return f"{name}: {message}" if secret else f"{name}={str(fault['input'])[:80]!r}: {message}"
