"""The arguments of the functions that programs call: their types, bounds and meanings."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from palr.domains import DOMAINS
from palr.edits import MAX_CANDIDATES as MAX_LISTED
from palr.edits import MAX_KEYWORDS as MAX_PROFILE_KEYWORDS
from palr.edits import MAX_PROFILE
from palr.ranking import MODES
from palr.retrieval import RETRIEVERS
from palr.wish.checks import MAX_KEYWORD, MAX_KEYWORDS, MAX_WORDS

MAX_PICKS = 1000
MAX_CANDIDATES = 200
AUTOMATIC = "auto"

Id = Annotated[str, Field(min_length=1, max_length=64)]
Ids = list[Id]
_PICKED = "Ids of items watched or bought, oldest first; `search` finds ids"
SomePicks = Annotated[Ids, Field(min_length=1, max_length=MAX_PICKS, description=f"{_PICKED}.")]
Picks = Annotated[
    Ids, Field(max_length=MAX_PICKS, description=f"{_PICKED}. May be empty where a wish is given.")
]
CandidateIds = Annotated[
    Ids,
    Field(min_length=2, max_length=MAX_LISTED, description="Ids to rank, best guess first."),
]
DomainName = Annotated[
    str, Field(max_length=64, description=f"The catalog: {' or '.join(DOMAINS)}.")
]
DatasetName = Annotated[
    str,
    Field(
        max_length=64,
        description="The data set that the ids are of, as every answer names it. Where another one "
        "is served, the call is refused; empty asks nothing.",
    ),
]
RetrieverName = Annotated[
    str, Field(max_length=64, description=f"{AUTOMATIC}, or one of: {', '.join(RETRIEVERS)}.")
]
ModeName = Annotated[
    str, Field(max_length=64, description=f"{AUTOMATIC}, or one of: {', '.join(MODES)}.")
]
CandidateCount = Annotated[
    int, Field(ge=1, le=MAX_CANDIDATES, description="Candidates to retrieve.")
]
K = Annotated[int, Field(ge=1, le=MAX_CANDIDATES, description="Recommendations to make.")]
Limit = Annotated[int, Field(ge=1, le=50, description="Most items to return.")]
Query = Annotated[str, Field(max_length=200, description="Part of a title, typos allowed.")]
ProfileText = Annotated[
    str,
    Field(
        max_length=MAX_PROFILE,
        description="A profile in words. What it asks for counts as a wish. Empty for the model's "
        "own in `recommend`, for none elsewhere.",
    ),
]
ProfileKeywords = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_KEYWORD)]],
    Field(
        max_length=MAX_PROFILE_KEYWORDS,
        description="Keywords of a profile, such as those that `profile` returns.",
    ),
]
ProfileWeight = Annotated[
    float | None,
    Field(
        ge=0,
        le=1,
        description="How much the profile's keywords move the candidates, from 0 to 1; left out, "
        "the domain's own weight: "
        + ", ".join(f"{d.profile_weight:g} for {d.nouns}" for d in DOMAINS.values())
        + ".",
    ),
]
WishText = Annotated[
    str, Field(max_length=MAX_WORDS, description="A wish in words: 'less drama, more laughs'.")
]
Keywords = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_KEYWORD)]],
    Field(max_length=MAX_KEYWORDS, description="Keywords of the catalog."),
]
Years = Annotated[
    list[int], Field(max_length=2, description="First and last year, both included; empty for any.")
]
OtherIds = Annotated[Ids, Field(max_length=MAX_PICKS, description="Ids of items.")]
Strength = Annotated[float, Field(ge=0, le=1, description="How much a wish counts, from 0 to 1.")]
WithTrace = Annotated[bool, Field(description="Whether to add the whole run, prompts included.")]


def arguments(function: Callable[..., Any]) -> type[BaseModel]:
    """A pydantic model of a function's arguments.

    It takes the exact types within their bounds, and no other argument.
    """
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
    }
    config = ConfigDict(strict=True, extra="forbid")
    name = f"{function.__name__.capitalize()}Arguments"
    return create_model(name, __config__=config, **fields)
