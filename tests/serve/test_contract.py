"""What the page may send, and what is made of anything else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palr.serve.contract import Call, Contract, ContractError, Text

CONTRACT = Contract(
    {
        0: Call(("selection", "word", "nothing")),
        2: Call(("selection",), queued=True),
        3: Call((Text(5),)),
        4: Call(("words",)),
    },
    components=frozenset({9}),
    lookups=frozenset({"search", "describe"}),
)
PICKS = {"domain": "movies", "picks": ["1", "2"]}
CALL = {"fn_index": 0, "session_hash": "abc", "data": [PICKS, "auto", None]}
LOOKUP = {"component_id": 9, "session_hash": "abc", "fn_name": "search", "data": {**PICKS}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def called(**change: Any) -> dict[str, Any]:
    return dict(json.loads(CONTRACT.call(json.dumps({**CALL, **change}).encode(), queued=False)))


def test_a_call_of_the_page_passes() -> None:
    assert called(trigger_id=12) == {**CALL, "trigger_id": 12, "event_data": None}


def test_only_what_is_needed_passes() -> None:
    file = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    passed = called(data=[{**PICKS, **file}, "auto", file], event_data=file, request=file)
    assert passed["data"] == [PICKS, "auto", None]
    assert passed["event_data"] is None
    assert "request" not in passed


@pytest.mark.parametrize(
    "change",
    [
        {"fn_index": 1},
        {"fn_index": True},
        {"fn_index": "0"},
        {"fn_index": 2},  # joins the queue, and was called directly
        {"session_hash": None},
        {"session_hash": "../../x"},
        {"session_hash": "a" * 65},
        {"data": []},
        {"data": {"0": PICKS}},
        {"data": [PICKS, None, None]},
        {"data": [PICKS, ["auto"], None]},
        {"data": ["movies", "auto", None]},
        {"data": [{"domain": "movies", "picks": [1]}, "auto", None]},
        {"data": [{"domain": "movies", "picks": ["x" * 65]}, "auto", None]},
        {"data": [{"domain": "movies", "picks": ["x"] * 2001}, "auto", None]},
        {"data": [{"picks": []}, "auto", None]},
    ],
    ids=str,
)
def test_what_the_page_never_sends_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        called(**change)


def test_text_is_taken_up_to_its_length() -> None:
    assert called(fn_index=3, data=["a\n<b>"])["data"] == ["a\n<b>"]
    assert called(fn_index=3, data=["\ud800"])["data"] == ["?"]
    for text in ("a" * 6, None, 5, ["a"], {"path": "/etc/passwd"}):
        with pytest.raises(ContractError, match="at most 5 characters"):
            called(fn_index=3, data=[text])


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"\xff", b"{", b"[" * 100_000, b'{"fn_index": 0'],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    for check in (CONTRACT.lookup, CONTRACT.cancel, lambda b: CONTRACT.call(b, queued=False)):
        with pytest.raises(ContractError):
            check(body)


def test_half_a_surrogate_pair_becomes_text_that_can_be_sent_back() -> None:
    picked = called(data=[{"domain": "movies", "picks": ["\ud800"]}, "auto", None])["data"][0]
    assert picked["picks"] == ["?"]


@pytest.mark.parametrize(
    "change",
    [
        {"component_id": 1},
        {"component_id": 9.0},
        {"component_id": [9]},
        {"fn_name": "__class__"},
        {"data": []},
    ],
)
def test_lookups_reach_two_functions_of_one_component(change: dict[str, Any]) -> None:
    assert json.loads(CONTRACT.lookup(json.dumps(LOOKUP).encode()))["fn_name"] == "search"
    with pytest.raises(ContractError):
        CONTRACT.lookup(json.dumps({**LOOKUP, **change}).encode())


@given(json_values, json_values, json_values)
def test_any_json_is_taken_or_refused(session: Any, number: Any, data: Any) -> None:
    body = json.dumps({"session_hash": session, "fn_index": number, "data": data}).encode()
    for check in (
        lambda: CONTRACT.call(body, queued=False),
        lambda: CONTRACT.call(body, queued=True),
        lambda: CONTRACT.lookup(body),
        lambda: CONTRACT.cancel(body),
    ):
        try:
            passed = json.loads(check())
        except ContractError:
            continue
        assert set(passed) <= {*CALL, *LOOKUP, "trigger_id", "event_data", "event_id"}


def test_nobody_can_search_in_the_name_of_another_session() -> None:
    forged = {**LOOKUP, "data": {**LOOKUP["data"], "session": "somebody-else"}}
    passed = json.loads(CONTRACT.lookup(json.dumps(forged).encode()))
    assert passed["data"]["session"] == LOOKUP["session_hash"]


def test_a_few_words_pass_and_nothing_else() -> None:
    assert called(fn_index=4, data=[["crime", "film noir"]])["data"] == [["crime", "film noir"]]
    assert called(fn_index=4, data=[[]])["data"] == [[]]
    for wrong in ("crime", None, {"0": "crime"}, [1], [["crime"]], ["x" * 65], ["x"] * 65):
        with pytest.raises(ContractError):
            called(fn_index=4, data=[wrong])
