"""Values that are right before anything long begins: types of settings, and names of folders."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, create_model

from palr.errors import PalrError, fault
from palr.outputs import output_name
from palr.recommender import ZERO_SHOT

Whole = Annotated[int, Strict(), Field(ge=0)]
Count = Annotated[int, Strict(), Field(ge=1)]
Listed = Annotated[int, Strict(), Field(ge=2)]  # candidates; fewer have no order
Seed = Annotated[int, Strict(), Field(ge=0, lt=2**32)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
Amount = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
_TAKEN = ("auto", ZERO_SHOT)  # names of choices on the page


class Checked:
    """A dataclass whose values are checked however it is made; wrong ones raise PalrError."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    _values: ClassVar[type[BaseModel]]

    def __init_subclass__(cls) -> None:
        types: dict[str, Any] = {name: (kind, ...) for name, kind in cls.__annotations__.items()}
        cls._values = create_model(cls.__name__, **types)

    def __post_init__(self) -> None:
        try:
            checked = self._values.model_validate(vars(self))
        except ValidationError as error:
            raise PalrError(f"settings do not parse: {fault(error)}") from error
        for name in vars(self):
            object.__setattr__(self, name, getattr(checked, name))  # lists become tuples

    def contradictions(self) -> Iterator[str]:
        """Of values that are right by themselves: what is wrong, and what to set."""
        raise NotImplementedError

    def check(self) -> None:
        """Raises PalrError where values contradict each other; the message says what to set."""
        if faults := list(self.contradictions()):
            raise PalrError("; ".join(faults))


def checked_name(name: str) -> str:
    """The name, which is to be that of a folder; "" leaves it to the command.

    Raises:
        PalrError: it cannot be, or it stands for something else.
    """
    if name in _TAKEN:
        raise PalrError(f"{name!r} is a choice of the page: take another name")
    return output_name(name)
