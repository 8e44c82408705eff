"""Errors that a person can act on: each message says what is wrong and what to do about it."""


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
