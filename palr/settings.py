"""Typed settings, read once from ``PALR_*`` environment variables.

An unknown variable is an error: a misspelt ``PALR_ADAPTOR`` would otherwise be a silent
zero-shot run.
"""

import difflib
import os
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from palr.errors import SettingsError
from palr.types import Writing

PREFIX = "PALR_"
SMOLLM2 = "smollm2-135m"
MINILM = "all-minilm-l6-v2"
_PERSISTENT = Path("/data")  # where a Space has persistent storage


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
    port: int = Field(7860, ge=0, le=65535, description="Port that the app listens on.")
    password: SecretStr = Field(
        SecretStr(""), description="Password of the page, for any user name; unset means none."
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

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, host: str) -> str:
        """``[::]`` is how an address bar writes ``::``."""
        return host.strip().removeprefix("[").removesuffix("]") or "0.0.0.0"

    @property
    def catalog_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'catalog.db'}"

    def model_path(self, name: str) -> Path:
        """Where an embedded model (`SMOLLM2`, `MINILM`) lies, whether or not it is there yet."""
        return self.home / "models" / name


def in_address(host: str) -> str:
    """A host as an address bar takes it.

    >>> in_address("::1"), in_address("localhost")
    ('[::1]', 'localhost')
    """
    return f"[{host}]" if ":" in host else host


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: a ``PALR_*`` variable is unknown (the nearest name is suggested) or has a
            value of the wrong type, or the password is empty.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"known settings: {', '.join(sorted(known))}"
            )
            raise SettingsError(f"unknown setting {name}; {hint}")
        if name.upper() == f"{PREFIX}PASSWORD" and not os.environ[name].strip():
            raise SettingsError(
                f"{name} is empty, and the page would be open to everyone: give it a password, or "
                "unset it where everyone may come"
            )
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(
            f"{PREFIX}{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()
        )
        raise SettingsError(f"settings do not parse: {faults}") from error
