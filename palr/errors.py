"""Errors that a person can act on: each message says what is wrong and what to do about it."""

from pydantic import ValidationError


class PalrError(Exception):
    """Base of every error raised on purpose; its text may be shown to a visitor."""


class SettingsError(PalrError):
    """A ``PALR_*`` variable is unknown or does not parse."""


class DataError(PalrError):
    """A data file, wheel member or data set is missing, damaged or malformed."""


class CatalogError(PalrError):
    """The catalog database cannot be read or written."""


class UnknownItemError(PalrError):
    """A pick names no item of the catalog."""


class UnwritableError(PalrError, OSError):
    """A file cannot be written: no permission, no folder, or no space."""


class RetrieverUnavailableError(PalrError):
    """A retriever cannot serve: it lacks weights or interactions, or knows none of the picks."""


class LLMError(PalrError):
    """The language model cannot be loaded or reached."""


def fault(error: Exception) -> str:
    """What an error of a library says, in one line: of pydantic's, each field that is wrong."""
    if isinstance(error, ValidationError):
        faults = ((".".join(map(str, each["loc"])), each["msg"]) for each in error.errors())
        return "; ".join(f"{where}: {what}" if where else what for where, what in faults)
    return (str(error).strip() or type(error).__name__).splitlines()[0]
