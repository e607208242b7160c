"""What the servers' side of each format reads of a request, and what it refuses by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from localai.errors import InvalidInput
from localai.types import Message, NamedTool, Options, Think, Tool, ToolCall, ToolChoice
from localai.wires.anthropic import server as anthropic
from localai.wires.chat_completions import server as chat_completions
from localai.wires.ollama import server as ollama
from localai.wires.parts import RequestParts
from localai.wires.responses import server as responses

ASKED = [{"role": "user", "content": "hi"}]
LEAST: Mapping[str, Mapping[str, Any]] = {
    "anthropic": {"model": "m", "max_tokens": 9, "messages": ASKED},
    "chat_completions": {"model": "m", "messages": ASKED},
    "ollama": {"model": "m", "messages": ASKED},
    "responses": {"model": "m", "input": "hi"},
}
PARSE: Mapping[str, Callable[[Mapping[str, Any]], RequestParts]] = {
    "anthropic": anthropic.parse,
    "chat_completions": chat_completions.parse,
    "ollama": ollama.parse,
    "responses": responses.parse,
}


def parsed(name: str, **more: Any) -> RequestParts:
    return PARSE[name]({**LEAST[name], **more})


@pytest.mark.parametrize("name", LEAST)
def test_what_is_not_asked_for_is_unset(name: str) -> None:
    parts = parsed(name)
    assert parts.model == "m"
    assert parts.messages == (Message("user", "hi"),)
    assert parts.options == Options(max_tokens=9 if name == "anthropic" else None)
    assert (parts.schema, parts.think, parts.logprobs, parts.context_tokens) == (None,) * 4
    assert (parts.tools, parts.tool_choice, parts.keep_alive_s) == ((), None, None)
    # Ollama's streams where nothing is said.
    assert parts.stream is (name == "ollama")


@pytest.mark.parametrize(
    ("name", "more", "think"),
    [
        ("anthropic", {"thinking": {"type": "disabled"}}, "off"),
        ("anthropic", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, "on"),
        ("anthropic", {"output_config": {"effort": "high"}}, None),
        (
            "anthropic",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            "low",
        ),
        ("chat_completions", {"reasoning_effort": "none"}, "off"),
        ("chat_completions", {"reasoning_effort": "xhigh"}, "high"),
        ("chat_completions", {"chat_template_kwargs": {"enable_thinking": True}}, "on"),
        ("chat_completions", {"chat_template_kwargs": {"enable_thinking": False}}, "off"),
        ("chat_completions", {"chat_template_kwargs": {"reasoning_effort": "low"}}, "low"),
        ("ollama", {"think": True}, "on"),
        ("ollama", {"think": False}, "off"),
        ("ollama", {"think": "high"}, "high"),
        ("responses", {"reasoning": {"effort": "medium"}}, "medium"),
    ],
)
def test_thinking_is_read(name: str, more: dict[str, Any], think: Think | None) -> None:
    assert parsed(name, **more).think == think


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
ANY_OBJECT = {"type": "object"}


@pytest.mark.parametrize(
    ("name", "more", "schema"),
    [
        ("anthropic", {"output_config": {"format": {"schema": SCHEMA}}}, SCHEMA),
        ("anthropic", {"output_config": {"effort": "low"}}, None),
        ("chat_completions", {"response_format": {"type": "text"}}, None),
        ("chat_completions", {"response_format": {"type": "json_object"}}, ANY_OBJECT),
        (
            "chat_completions",
            {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
            SCHEMA,
        ),
        ("chat_completions", {"response_format": {"type": "json_schema"}}, {}),
        ("ollama", {"format": "json"}, ANY_OBJECT),
        ("ollama", {"format": ""}, None),
        ("ollama", {"format": SCHEMA}, SCHEMA),
        ("responses", {"text": {"format": {"type": "text"}}}, None),
        ("responses", {"text": {"format": {"type": "json_object"}}}, ANY_OBJECT),
        ("responses", {"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}, SCHEMA),
        ("responses", {"text": {"format": {"type": "json_schema"}}}, {}),
    ],
)
def test_a_schema_is_read(name: str, more: dict[str, Any], schema: object) -> None:
    assert parsed(name, **more).schema == schema


@pytest.mark.parametrize(
    ("name", "more", "logprobs"),
    [
        ("chat_completions", {"logprobs": True}, 0),
        ("chat_completions", {"logprobs": True, "top_logprobs": 3}, 3),
        ("chat_completions", {"top_logprobs": 3}, None),
        ("ollama", {"logprobs": True}, 0),
        ("ollama", {"logprobs": True, "top_logprobs": 3}, 3),
        ("ollama", {"logprobs": False, "top_logprobs": 3}, None),
        ("responses", {"include": ["message.output_text.logprobs"]}, 0),
        ("responses", {"include": ["message.output_text.logprobs"], "top_logprobs": 3}, 3),
        ("responses", {"top_logprobs": 3}, None),
    ],
)
def test_log_probabilities_are_given_where_they_are_wanted(
    name: str, more: dict[str, Any], logprobs: int | None
) -> None:
    assert parsed(name, **more).logprobs == logprobs


FUNCTION = {"type": "function", "function": {"name": "f"}}
CHOSEN = NamedTool("f")


@pytest.mark.parametrize(
    ("name", "given", "choice"),
    [
        ("anthropic", {"type": "any"}, "required"),
        ("anthropic", {"type": "auto"}, "auto"),
        ("anthropic", {"type": "none"}, "none"),
        ("anthropic", {"type": "tool", "name": "f"}, CHOSEN),
        ("chat_completions", "required", "required"),
        ("chat_completions", FUNCTION, CHOSEN),
        ("responses", {"type": "function", "name": "f"}, CHOSEN),
    ],
)
def test_the_choice_of_a_tool_is_read(name: str, given: object, choice: ToolChoice) -> None:
    assert parsed(name, tool_choice=given).tool_choice == choice


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("anthropic", {"name": "f"}),
        ("chat_completions", FUNCTION),
        ("ollama", FUNCTION),
        ("responses", {"type": "function", "name": "f"}),
    ],
)
def test_a_tool_may_say_no_more_than_its_name(name: str, tool: dict[str, Any]) -> None:
    assert parsed(name, tools=[tool]).tools == (Tool("f", "", ANY_OBJECT),)


def test_a_turn_with_results_of_tools_alone_is_those_results() -> None:
    call = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "4"}]}
    thought = {"type": "thinking", "thinking": "Hm."}
    turns = [
        {"role": "assistant", "content": [thought, call]},
        {"role": "user", "content": [result]},
        {"role": "user", "content": [result, {"type": "text", "text": "And?"}]},
        {"role": "user", "content": []},
    ]
    answer = Message("tool", "4", tool_call_id="c")
    assert parsed("anthropic", messages=turns).messages == (
        Message("assistant", "", reasoning="Hm.", tool_calls=(ToolCall("c", "f", "{}"),)),
        answer,
        answer,
        Message("user", "And?"),
        Message("user", ""),
    )


def test_a_call_belongs_to_the_assistants_turn_before_it() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    said = {"role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]}
    calls = (ToolCall("c", "f", "{}"),)
    assert parsed("responses", input=[said, call]).messages == (
        Message("assistant", "Let me see.", tool_calls=calls),
    )
    assert parsed("responses", input=[call]).messages == (
        Message("assistant", "", tool_calls=calls),
    )


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(None, None), (5, 5.0), (0, 0.0), (-1, float("inf")), ("5m", 300.0), ("1h30m", 5400.0)],
)
def test_how_long_a_model_stays_is_read(given: object, seconds: float | None) -> None:
    assert parsed("ollama", keep_alive=given).keep_alive_s == seconds


@pytest.mark.parametrize(("given", "most"), [(7, 7), (-1, None), (None, None)])
def test_a_length_below_zero_is_none(given: int | None, most: int | None) -> None:
    assert parsed("ollama", options={"num_predict": given}).options == Options(max_tokens=most)


@pytest.mark.parametrize(
    ("name", "more", "complaint"),
    [
        ("anthropic", {"max_tokens": None}, "max_tokens must be given"),
        ("anthropic", {"max_tokens": 1.5}, "max_tokens must be a whole number"),
        ("anthropic", {"max_tokens": True}, "max_tokens must be a number"),
        ("anthropic", {"model": None}, "model must be a text"),
        ("anthropic", {"messages": "hi"}, "messages must be a list of objects"),
        ("anthropic", {"messages": [{"role": "system", "content": "x"}]}, "no role 'system'"),
        ("anthropic", {"tools": [{"type": "bash"}]}, "the tool 'bash' does not run here"),
        ("anthropic", {"tool_choice": {"type": "some"}}, "there is no tool_choice 'some'"),
        (
            "anthropic",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "huge"}},
            "no level of effort called 'huge'",
        ),
        ("chat_completions", {"n": 2}, "only one answer"),
        ("chat_completions", {"messages": [{"role": "bard"}]}, "there is no role 'bard'"),
        ("chat_completions", {"response_format": {"type": "xml"}}, "no response_format 'xml'"),
        ("chat_completions", {"logprobs": True, "top_logprobs": "3"}, "must be a number"),
        ("chat_completions", {"tool_choice": "perhaps"}, "tool_choice must be"),
        ("chat_completions", {"tool_choice": {"type": "any", "name": "f"}}, "tool_choice must be"),
        ("chat_completions", {"tools": [{"type": "web"}]}, "no tool of the type 'web'"),
        ("ollama", {"format": "xml"}, "format must be json or a JSON schema"),
        ("ollama", {"options": ["x"]}, "options must be an object"),
        ("ollama", {"options": {"num_ctx": 1.5}}, "num_ctx must be a whole number"),
        ("ollama", {"options": {"num_ctx": float("inf")}}, "num_ctx must be a number"),
        ("ollama", {"keep_alive": "soon"}, "that is no duration"),
        ("ollama", {"keep_alive": True}, "keep_alive must be a number or a duration"),
        ("responses", {"previous_response_id": "r"}, "needs stored answers"),
        ("responses", {"text": {"format": {"type": "xml"}}}, "there is no text format 'xml'"),
        ("responses", {"input": [{"role": "bard"}]}, "there is no role 'bard'"),
        ("responses", {"input": [{"type": "computer_call"}]}, "'computer_call' is not understood"),
    ],
)
def test_what_is_malformed_is_refused_by_name(
    name: str, more: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parsed(name, **more)
    assert complaint in refused.value.message
