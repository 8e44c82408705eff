"""What a handler shows: a value for each named part of the page that changes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

SAME: Any = object()  # a part that stays as it is


@dataclass(frozen=True)
class Update:
    """New values for parts of the page; a part that is not given stays as it is.

    Each field is a component of `palr.ui.page` by its name there; ``choices`` holds a value for
    each setting by its name (`palr.ui.request.Choices`).
    """

    states: Any = SAME
    notice: Any = SAME
    profile: Any = SAME
    candidates: Any = SAME
    ranking: Any = SAME
    hood: Any = SAME
    announcer: Any = SAME
    recommend: Any = SAME
    cancel: Any = SAME
    picker: Any = SAME
    refine: Any = SAME
    choices: Any = SAME
    status: Any = SAME
    domain: Any = SAME

    @property
    def parts(self) -> dict[str, Any]:
        """The parts that change, by name."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in given.items() if value is not SAME}

    def since(self, before: "Update") -> "Update":
        """What is left to send where ``before`` is on the page."""
        known = before.parts
        return Update(
            **{
                name: value
                for name, value in self.parts.items()
                if name not in known or known[name] != value
            }
        )

    def for_gradio(self, components: Mapping[str, Any]) -> dict[Any, Any]:
        """The values by component, as Gradio takes them from a handler."""
        parts = self.parts
        parts |= parts.pop("choices", {})
        values = {components[name]: value for name, value in parts.items()}
        # An empty dictionary would be taken for the value of a component.
        return values or {next(iter(components.values())): gr.skip()}
