"""What the server keeps of each visitor: the page's states.

Gradio also works out the configuration of every component for every visitor, and keeps it up to
date, so that a deep link could be made of it. The gate lets no deep link through, and with a page
of this size that was most of a visitor's memory and of the time that opening the page took.
"""

from types import SimpleNamespace
from typing import Any

from gradio import Blocks
from gradio.queueing import Queue
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import LRUCache


class Sessions(StateHolder):
    """Gradio's sessions, without configurations."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _Session(self.blocks)
        return super().__getitem__(session_id)


class Messages(LRUCache[str, Any]):
    """What Gradio's queue has to say to each of the last ``capacity`` sessions.

    Gradio's own mapping forgets whoever came first, were it somebody who still stands in line:
    their stream broke off. A page in line asks for messages all the while, which counts as use.
    """

    def __init__(self, queue: Queue, capacity: int) -> None:
        super().__init__(capacity)
        self._queue = queue

    def __getitem__(self, session: str) -> Any:
        self.move_to_end(session)
        return super().__getitem__(session)

    def popitem(self, last: bool = True) -> tuple[str, Any]:
        session, messages = super().popitem(last)
        self._queue.pending_event_ids_session.pop(session, None)  # else kept for good, and empty
        return session, messages


class _Session(SessionState):
    def __init__(self, blocks: Blocks) -> None:
        no_components: Any = SimpleNamespace(default_config=blocks.default_config, blocks={})
        super().__init__(no_components)

    def _update_config(self, key: int) -> None:
        """There is none."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """There is none."""
