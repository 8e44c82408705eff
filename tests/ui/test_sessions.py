"""Visitors' states stay apart, few are kept, and no configuration is kept with them."""

import gradio as gr
import pytest
from gradio.state_holder import StateHolder

from palr.ui.sessions import Messages, Sessions


@pytest.fixture
def sessions() -> Sessions:
    with gr.Blocks() as demo:
        demo.state = gr.State([])
        demo.box = gr.Textbox("Hello")
    demo.state_session_capacity = 3
    holder = Sessions()
    holder.set_blocks(demo)
    return holder


def test_states_stay_apart(sessions: Sessions) -> None:
    state = sessions.blocks.state._id
    sessions["a"][state].append("picked")
    sessions["b"][state] = ["other"]
    assert [sessions[name][state] for name in "abc"] == [["picked"], ["other"], []]


def test_the_least_recently_used_go_first(sessions: Sessions) -> None:
    for name in "abcad":
        assert sessions[name] is sessions[name]
    assert list(sessions.session_data) == ["c", "a", "d"]


def test_no_configuration_is_kept(sessions: Sessions) -> None:
    box = sessions.blocks.box._id
    sessions["a"]._update_value_in_config(box, "Secret")
    sessions["a"]._update_config(box)
    assert list(sessions["a"].components) == []
    theirs = StateHolder()  # which is what this is for: once it keeps none, ours can go
    theirs.set_blocks(sessions.blocks)
    assert list(theirs["a"].components)


def test_whoever_still_reads_is_not_forgotten(sessions: Sessions) -> None:
    queue = sessions.blocks.queue()._queue
    messages = queue.pending_messages_per_session = Messages(queue, 3)
    for name in "abc":
        messages[name] = f"for {name}"
        queue.pending_event_ids_session[name] = {name}
    assert messages["a"] == "for a"  # stands in line since before the others came
    messages["d"] = "for d"
    assert dict(messages) == {"c": "for c", "a": "for a", "d": "for d"}
    assert list(queue.pending_event_ids_session) == ["a", "c"]
    with pytest.raises(KeyError):
        messages["b"]
