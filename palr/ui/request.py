"""What a browser asks for, parsed once: the picks of one domain, and how to run them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from palr.app.runtime import Runtime
from palr.ranking import MODES
from palr.types import Asked, Item
from palr.ui.picker import Selection
from palr.ui.refine import NO_REFINEMENT, Refinement
from palr.ui.render import retriever_name

AUTOMATIC = "auto"  # a setting that is left to the app


def retriever_options(runtime: Runtime, domain: str) -> "Options":
    return [_AUTO, *((retriever_name(name), name) for name in runtime.retrievers(domain))]


def mode_options() -> "Options":
    return [_AUTO, *((mode.label, name) for name, mode in MODES.items())]


def adapter_options(runtime: Runtime, domain: str) -> "Options":
    """The adapters of a domain, and none, where they can be chosen; the default first."""
    tuned = [(label, name) for name, label in reversed(runtime.adapters(domain).items())]
    plain = runtime.zero_shot
    return [_AUTO, *tuned, *([("Zero-shot", plain)] if plain else [])]


def writing_options(runtime: Runtime, domain: str) -> "Options":
    """Ways to write a profile, where the model can be held to the picks' own."""
    ways = [("Only what the picks support", "grounded"), ("The model's own words", "free")]
    return [_AUTO, *(ways if runtime.zero_shot else [])]


_AUTO = ("Automatic", AUTOMATIC)

Options = list[tuple[str, str]]
"""Labels and values of a choice, the first one automatic."""


def _choice(label: str, changed: str, options: Callable[[Runtime, str], Options]) -> Any:
    """A setting: its label on the page, what is said to have changed, and what is offered."""
    about = {"label": label, "changed": changed, "options": options}
    return field(default=AUTOMATIC, metadata=about)


@dataclass(frozen=True)
class Choices:
    """What a visitor chose under *Settings*. A new setting is one field here, and nothing else.

    Attributes:
        retriever: A name of `RETRIEVERS`.
        mode: A name of `MODES`.
        adapter: A name of `Runtime.adapters`, or `ZERO_SHOT`.
        writing: How the profile is written: "grounded" or "free".
    """

    retriever: str = _choice("Retriever", "retriever", retriever_options)
    mode: str = _choice("Ranking", "ranking", lambda runtime, domain: mode_options())
    adapter: str = _choice("Fine-tuning", "model", adapter_options)
    writing: str = _choice("Profile wording", "profile", writing_options)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))

    @classmethod
    def of(cls, values: Mapping[str, object]) -> "Choices":
        """Read choices that come from outside; what is no text is left to the app."""
        given = {name: values.get(name) for name in cls.names()}
        return cls(**{name: v for name, v in given.items() if isinstance(v, str) and v})

    @classmethod
    def of_run(cls, asked: Asked) -> "Choices":
        """The choices that a run was made with."""
        return cls.of({name: getattr(asked, name) for name in cls.names()})

    def asked(self, own_items: tuple[Item, ...] = ()) -> Asked:
        """How to run with them."""
        chosen: dict[str, Any] = {name: self.named(name) for name in self.names()}
        return Asked(**chosen, own_items=own_items)

    def named(self, name: str) -> str | None:
        """One choice; None where it is left to the app."""
        value: str = getattr(self, name)
        return None if value == AUTOMATIC else value

    def differences(self, other: "Choices") -> list[str]:
        """What was chosen otherwise, in words for people."""
        return [
            choice.metadata["changed"]
            for choice in fields(self)
            if getattr(self, choice.name) != getattr(other, choice.name)
        ]

    @classmethod
    def labels(cls) -> dict[str, str]:
        """Each setting's label on the page, by name."""
        return {choice.name: choice.metadata["label"] for choice in fields(cls)}

    @classmethod
    def offered(cls, runtime: Runtime, domain: str) -> dict[str, Options]:
        """What each setting offers in a domain, by name."""
        return {c.name: c.metadata["options"](runtime, domain) for c in fields(cls)}


UNSET = Choices()


@dataclass(frozen=True)
class PageRequest:
    """An event on the page.

    Attributes:
        selection: The domain that is shown, and what is picked in it.
        choices: What is chosen under *Settings*.
        refinement: What is asked for beyond both.
        session: Names the browser's session; empty where there is none.
    """

    selection: Selection
    choices: Choices = UNSET
    refinement: Refinement = NO_REFINEMENT
    session: str = ""

    @classmethod
    def parse(cls, picked: object, *chosen: object, session: str = "") -> "PageRequest":
        """Read the values of the page's components: the picker, those of the choices, and what is
        asked for beyond them."""
        selection, names = Selection.parse(picked), Choices.names()
        values = dict(zip(names, chosen, strict=False))
        asked = chosen[len(names)] if len(chosen) > len(names) else None
        refinement = Refinement.parse(asked, selection.domain)
        return cls(selection, Choices.of(values), refinement, session)

    @property
    def domain(self) -> str:
        return self.selection.domain

    @property
    def picks(self) -> tuple[str, ...]:
        return self.selection.ids

    @property
    def asks(self) -> bool:
        """Whether there is anything to run with: picks, or a wish."""
        return bool(self.picks or self.refinement.wish)
