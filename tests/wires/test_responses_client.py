"""What the Responses API is sent and what its errors mean."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from localai.errors import LocalaiError, ProviderRefused, Unreachable
from localai.events import Locality
from localai.types import ChatRequest, Message, NamedTool, Options, ResolvedModel, Think, Tool
from localai.wires.clock import AnswerClock
from localai.wires.responses.client import read_events, request_body

MODEL = ResolvedModel("openai", "m", None, "")
ASKED = (Message("system", "Be brief."), Message("user", "hi"))


def test_an_answer_is_not_to_be_stored_nor_the_question_cut() -> None:
    assert request_body(ChatRequest(MODEL, ASKED), "OpenAI") == {
        "model": "m",
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "store": False,
        "truncation": "disabled",
        "stream": True,
    }


# What that API can hold an answer to strictly.
CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def test_what_is_set_is_sent() -> None:
    request = ChatRequest(
        MODEL,
        ASKED,
        Options(extra={"service_tier": "flex"}),
        schema=CLOSED,
        logprobs=2,
        tools=(Tool("f", "", {"type": "object"}),),
        tool_choice=NamedTool("f"),
    )
    body = request_body(request, "OpenAI")
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "answer",
        "schema": CLOSED,
        "strict": True,
    }
    assert (body["include"], body["top_logprobs"]) == (["message.output_text.logprobs"], 2)
    assert body["tools"] == [
        {
            "type": "function",
            "name": "f",
            "description": "",
            "parameters": {"type": "object"},
            "strict": False,
        }
    ]
    assert body["tool_choice"] == {"type": "function", "name": "f"}
    assert body["extra_body"] == {"service_tier": "flex"}


@pytest.mark.parametrize(
    ("think", "reasoning"),
    [
        ("off", {"effort": "none"}),
        ("on", {"effort": "medium", "summary": "auto"}),
        ("high", {"effort": "high", "summary": "auto"}),
    ],
)
def test_how_much_to_think_is_said_in_its_words(think: Think, reasoning: dict[str, str]) -> None:
    assert request_body(ChatRequest(MODEL, ASKED, think=think), "x")["reasoning"] == reasoning


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (None, Unreachable),
        ("server_error", Unreachable),
        ("vector_store_timeout", Unreachable),
        ("rate_limit_exceeded", ProviderRefused),
        ("invalid_image", ProviderRefused),
        ("image_content_policy_violation", ProviderRefused),
    ],
)
def test_a_failure_in_mid_stream_is_the_servers_or_the_requests(
    code: str | None, kind: type[LocalaiError]
) -> None:
    error = SimpleNamespace(code=code, message="it went wrong")
    failed: Any = SimpleNamespace(
        type="response.failed", response=SimpleNamespace(error=error, status="failed")
    )
    here = Locality(None, "a test")
    with pytest.raises(kind, match="it went wrong"):
        list(read_events([failed], here, AnswerClock(streams_reasoning=False), "OpenAI"))
