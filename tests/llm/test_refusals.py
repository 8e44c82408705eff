"""What servers refuse of a request, in the words in which they do."""

import json
import logging
from http.server import BaseHTTPRequestHandler

import pytest

from palr.errors import LLMError
from palr.llm.refusals import words
from tests.llm.faulty import DONE, Answer, ask, connect, event, replies, server

WHOLE = b'{"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]}'


def openai(param: str, message: str, code: str = "unsupported_parameter") -> str:
    kind = "invalid_request_error"
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


OPENAI_TOKENS = openai(
    "max_tokens",
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead.",
)
OPENAI_TEMPERATURE = openai(
    "temperature",
    "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) "
    "value is supported.",
    "unsupported_value",
)
OPENAI_STREAM = openai(
    "stream", "Your organization must be verified to stream this model.", "unsupported_value"
)
MISTRAL = (
    '{"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", '
    '"temperature"], "msg": "Extra inputs are not permitted", "input": 0.0}]}, "type": '
    '"invalid_request_error", "param": null, "code": null}'
)
VLLM = (
    "{\"object\":\"error\",\"message\":\"[{'type': 'extra_forbidden', 'loc': ('body', "
    "'max_tokens'), 'msg': 'Extra inputs are not permitted', 'input': 800}]\","
    '"type":"BadRequestError","param":null,"code":400}'
)
AZURE = '{"error": {"message": "Unrecognized request argument supplied: temperature"}}'
TGI = '{"error": "Input validation error: `temperature` must be strictly positive"}'
KIMI = '{"error": {"message": "invalid temperature: only 1 is allowed for this model"}}'
LITELLM = '{"detail": "UnsupportedParamsError: does not support parameters: [\'temperature\']"}'


def strict(asked: list, *refusals: tuple[str, str, int]) -> Answer:
    """A server that refuses each field in its words, and answers a request without them."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.asked)
        for field, said, status in refusals:
            if handler.asked.get(field, False) is not False:
                replies(said.encode(), status)(handler)
                return
        streamed = handler.asked.get("stream")
        replies(event("Paris") + DONE if streamed else WHOLE)(handler)

    return answer


@pytest.mark.parametrize(
    ("field", "said", "status"),
    [
        ("max_tokens", OPENAI_TOKENS, 400),
        ("max_tokens", VLLM, 400),
        ("temperature", OPENAI_TEMPERATURE, 400),
        ("temperature", MISTRAL, 422),
        ("temperature", AZURE, 400),
        ("temperature", TGI, 422),
        ("temperature", KIMI, 400),
        ("temperature", LITELLM, 400),
        ("stream", OPENAI_STREAM, 400),
    ],
)
def test_a_refused_field_is_left_out_from_then_on(field, said, status, caplog):
    asked: list = []
    with server(strict(asked, (field, said, status))) as up:
        llm = connect(up)
        with caplog.at_level(logging.WARNING):
            assert [ask(llm), ask(llm)] == ["Paris", "Paris"]
    assert [field in request for request in asked] == [True, False, False]
    limit = "max_completion_tokens" if field == "max_tokens" else "max_tokens"
    assert asked[-1][limit] == 5
    assert len(caplog.records) == 1
    assert field in caplog.text


def test_several_refused_fields_are_learnt_one_after_the_other():
    asked: list = []
    refusals = [
        ("max_tokens", OPENAI_TOKENS, 400),
        ("temperature", OPENAI_TEMPERATURE, 400),
        ("stream", OPENAI_STREAM, 400),
    ]
    with server(strict(asked, *refusals)) as up:
        llm = connect(up)
        assert [ask(llm), ask(llm)] == ["Paris", "Paris"]
    assert len(asked) == 5
    assert set(asked[-1]) == {"model", "messages", "max_completion_tokens"}


def test_a_server_that_takes_neither_name_of_the_limit_is_asked_without_it():
    asked: list = []
    other = VLLM.replace("max_tokens", "max_completion_tokens")
    refusals = [("max_tokens", VLLM, 400), ("max_completion_tokens", other, 400)]
    with server(strict(asked, *refusals)) as up:
        assert ask(connect(up)) == "Paris"
    assert set(asked[-1]) == {"model", "messages", "temperature", "stream"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            openai("max_tokens", "max_tokens is too large: 32000.", code="invalid_value"),
            "answered 400: max_tokens is too large: 32000",
        ),
        (
            '{"object": "error", "message": "This model\'s maximum context length is 4096 tokens. '
            'However, your request has 5000 input tokens.", "param": null, "code": 400}',
            "answered 400: This model's maximum context length is 4096 tokens",
        ),
        (
            openai("model", "The model `gpt-9` does not exist or you do not have access to it."),
            "answered 400: The model `gpt-9` does not exist",
        ),
        ('{"error": {"message": "\\"m\\" does not support chat"}}', '"m" does not support chat'),
        ("no such field: messages", "answered 400: no such field: messages"),
        ("", "answered 400: "),
    ],
)
def test_any_other_refusal_is_shown_in_the_servers_words_and_not_repeated(said, shown):
    with server(replies(said.encode(), 400)) as up:
        with pytest.raises(LLMError) as caught:
            ask(connect(up))
        assert up.posts == 1
    assert shown in str(caught.value)


def test_a_field_that_is_refused_again_and_again_ends_in_the_servers_words():
    with server(replies(OPENAI_TEMPERATURE.encode(), 400)) as up:
        with pytest.raises(LLMError, match="Only the default"):
            ask(connect(up))
        assert up.posts == 2


@pytest.mark.parametrize(
    "said",
    [
        openai("logprobs", "This model does not support the 'logprobs' parameter."),
        '{"error": {"message": "`logprobs` is not supported with this model"}}',
        "Unrecognized request argument supplied: logprobs",
    ],
)
def test_a_server_without_log_probabilities_says_what_to_choose(said):
    with server(replies(said.encode(), 400)) as up:
        with pytest.raises(LLMError, match="choose the ranking 'titles'"):
            list(connect(up).label_logprobs("x", ["A", "B"]))
        assert up.posts == 1


def test_labels_are_asked_for_without_what_was_refused():
    asked: list = []
    top = [{"token": "A", "logprob": -0.1, "top_logprobs": []}]
    told = json.dumps({"choices": [{"message": {}, "logprobs": {"content": top}}]}).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.asked)
        refused = "max_tokens" in handler.asked
        replies(OPENAI_TOKENS.encode() if refused else told, 400 if refused else 200)(handler)

    with server(answer) as up:
        *_, logprobs = connect(up).label_logprobs("x", ["A", "B"])
    assert logprobs == {"A": -0.1}
    assert "structured_outputs" in asked[-1]  # it was not the reason
    assert len(asked) == 2


def test_words_are_found_in_any_wrapping():
    assert words('{"detail": "Not Found"}') == "Not Found"
    assert words('{"error": "busy"}') == "busy"
    for said in ("[]", '{"error": {}}', "plain", '{"detail": [1]}', "[" * 100_000):
        assert words(said) == said
