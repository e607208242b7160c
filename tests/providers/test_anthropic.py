"""What goes to Anthropic's Messages API, and what its answers mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localai.errors import (
    ContextOverflow,
    InvalidInput,
    LocalaiError,
    PolicyRefused,
    ProviderRefused,
    Unreachable,
)
from localai.events import Loading, Usage
from localai.paths import locate
from localai.providers import anthropic as provider_module
from localai.types import Message, Options, Picture
from tests.providers.scripted import (
    Scene,
    anthropic_scene,
    config_of,
    end_of,
    question,
    text_of,
)
from tests.support.cloud_wires import model_info, sse
from tests.support.scripted_server import json_reply

LONG = "All work and no play makes Jack a dull boy. " * 100


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with anthropic_scene(tmp_path) as opened:
        yield opened


def test_what_is_unset_is_not_sent_but_the_limit_that_the_api_wants(scene: Scene) -> None:
    scene.ask()
    assert scene.sent == {
        "model": "scripted",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "stream": True,
    }


def test_an_answer_may_be_as_long_as_the_api_allows_the_model(scene: Scene) -> None:
    scene.server.routes["GET /v1/models/scripted"] = json_reply(model_info("scripted"))
    scene.provider.resolve("scripted")
    scene.ask()
    assert scene.sent["max_tokens"] == 64_000


def test_a_budget_of_thinking_is_no_share_of_the_longest_answer_that_there_is(
    scene: Scene,
) -> None:
    info = json_reply(model_info("scripted", thinking=("enabled", "disabled")))
    scene.server.routes["GET /v1/models/scripted"] = info
    scene.provider.resolve("scripted")
    scene.ask(question(think="on"))
    assert scene.sent["thinking"]["budget_tokens"] == 8192
    assert scene.sent["max_tokens"] == 64_000


def test_system_options_history_and_pictures(scene: Scene) -> None:
    scene.ask(
        question(
            Message("system", "Be brief."),
            Message("user", "What is this?", pictures=(Picture(b"\x89PNG", "image/png"),)),
            Message("assistant", ""),
            Message("assistant", "A picture.", reasoning="hm"),
            Message("user", "Bye"),
            options=Options(max_tokens=9, stop=("END",), extra={"service_tier": "auto"}),
            schema={"type": "object"},
        )
    )
    sent = scene.sent
    assert sent["system"] == [{"type": "text", "text": "Be brief."}]
    # The API takes no empty message, such as an answer that was cut before its first word.
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user"]
    picture, text = sent["messages"][0]["content"]
    assert picture["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}
    assert text["text"] == "What is this?"
    assert (sent["max_tokens"], sent["stop_sequences"]) == (9, ["END"])
    schema = {"type": "json_schema", "schema": {"type": "object"}}
    assert sent["output_config"] == {"format": schema}
    assert sent["service_tier"] == "auto"


def test_a_temperature_is_refused_before_anything_is_sent(scene: Scene) -> None:
    with pytest.raises(ProviderRefused, match="temperature"):
        scene.ask(question(options=Options(temperature=0.0)))
    assert scene.server.asked == []


def test_a_long_conversation_is_cached_and_a_single_question_is_not(scene: Scene) -> None:
    scene.ask(question(Message("user", LONG)))
    assert "cache_control" not in scene.sent
    conversation = (Message("user", LONG), Message("assistant", "Yes."), Message("user", "Why?"))
    scene.ask(question(*conversation))
    assert scene.sent["cache_control"] == {"type": "ephemeral"}


def test_a_long_system_prompt_is_cached(scene: Scene) -> None:
    scene.ask(question(Message("system", LONG), Message("user", "Hi")))
    assert scene.sent["system"][0]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("kinds", "think", "thinking", "effort"),
    [
        (("adaptive", "disabled"), "off", {"type": "disabled"}, None),
        (("adaptive", "disabled"), "on", {"type": "adaptive", "display": "summarized"}, None),
        (("adaptive",), "high", {"type": "adaptive", "display": "summarized"}, "high"),
        (
            ("enabled", "disabled"),
            "high",
            {"type": "enabled", "budget_tokens": 3000, "display": "summarized"},
            None,
        ),
        (
            ("enabled", "disabled"),
            "low",
            {"type": "enabled", "budget_tokens": 1024, "display": "summarized"},
            None,
        ),
    ],
)
def test_thinking_is_asked_for_as_the_model_takes_it(
    scene: Scene, kinds: tuple[str, ...], think: Any, thinking: dict[str, Any], effort: str | None
) -> None:
    info = json_reply(model_info("scripted", thinking=kinds))
    scene.server.routes["GET /v1/models/scripted"] = info
    scene.provider.resolve("scripted")
    scene.ask(question(think=think, options=Options(max_tokens=4000)))
    assert scene.sent["thinking"] == thinking
    assert scene.sent.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("kinds", "think", "error"),
    [
        (("adaptive",), "off", ProviderRefused),
        (("disabled",), "on", ProviderRefused),
        (("enabled", "disabled"), "on", InvalidInput),
    ],
)
def test_thinking_that_cannot_be_is_refused_before_anything_is_sent(
    scene: Scene, kinds: tuple[str, ...], think: Any, error: type[LocalaiError]
) -> None:
    info = json_reply(model_info("scripted", thinking=kinds))
    scene.server.routes["GET /v1/models/scripted"] = info
    scene.provider.resolve("scripted")
    with pytest.raises(error) as caught:
        scene.ask(question(think=think, options=Options(max_tokens=1000)))
    assert caught.value.hint
    assert "POST /v1/messages" not in scene.server.paths()


def test_a_budget_of_thinking_is_sent_to_a_model_that_takes_one(scene: Scene) -> None:
    def asked(kinds: tuple[str, ...], tokens: int) -> None:
        info = json_reply(model_info("scripted", thinking=kinds))
        scene.server.routes["GET /v1/models/scripted"] = info
        scene.provider.resolve("scripted")
        options = Options(max_tokens=4000)
        scene.ask(question(think="on", think_tokens=tokens, options=options))

    asked(("enabled", "disabled"), 1500)
    wanted = {"type": "enabled", "budget_tokens": 1500, "display": "summarized"}
    assert scene.sent["thinking"] == wanted
    before = len(scene.server.paths())
    for too_few_or_many in (800, 4000):
        with pytest.raises(InvalidInput, match="1,024 tokens at least"):
            asked(("enabled", "disabled"), too_few_or_many)
    with pytest.raises(ProviderRefused, match="takes no budget of thinking"):
        asked(("adaptive",), 1500)
    assert "POST /v1/messages" not in scene.server.paths()[before:]


def test_resolving_tells_context_and_capabilities(scene: Scene) -> None:
    model = scene.provider.resolve("scripted")
    assert model.context_limit == 4096
    assert model.capabilities == {"completion", "tools", "vision", "thinking", "schema"}


def test_usage_is_cumulative_and_input_is_the_sum_of_its_parts(scene: Scene) -> None:
    details = {"output_tokens_details": {"thinking_tokens": 6}}
    steps = [*scene.wire.begun(["Paris"]), *scene.wire.end(**details)]
    scene.answers(scene.wire.stream(steps))
    usage = end_of(scene.ask()).usage
    assert usage == Usage(20, 10, cached_tokens=11, reasoning_tokens=6, cache_write_tokens=4)


def test_counts_that_did_not_come_are_unknown(scene: Scene) -> None:
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "x"}
    start = sse({"type": "message_start", "message": {**message, "usage": {"output_tokens": 1}}})
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    end = [sse({**delta, "usage": {"output_tokens": 3}}), sse({"type": "message_stop"})]
    scene.answers(scene.wire.stream([start, *end]))
    assert end_of(scene.ask()).usage == Usage(None, 3)


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context"),
        ("tool_use", "tool_calls"),
    ],
)
def test_stop_reasons(scene: Scene, stop_reason: str, finish: str) -> None:
    scene.answers(scene.wire.stream([*scene.wire.begun(["x"]), *scene.wire.end(stop_reason)]))
    assert end_of(scene.ask()).finish_reason == finish


@pytest.mark.parametrize("status", [429, 529])
def test_rate_limit_and_overload_are_waited_for_in_sight(scene: Scene, status: int) -> None:
    kind = {429: "rate_limit_error", 529: "overloaded_error"}[status]
    busy = scene.wire.refusal(status, kind, "later", {"retry-after": "1"})
    scene.answers(busy, scene.wire.stream(scene.wire.answer(["Paris"])))
    events = scene.ask()
    assert isinstance(events[0], Loading)
    assert "retrying in 1 s" in events[0].message
    assert text_of(events) == "Paris"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("overloaded_error", Unreachable),
        ("api_error", Unreachable),
        ("rate_limit_error", ProviderRefused),
    ],
)
def test_an_error_event_in_mid_stream_is_the_right_error(
    scene: Scene, kind: str, error: type[LocalaiError]
) -> None:
    broken = sse({"type": "error", "error": {"type": kind, "message": "no luck"}})
    scene.answers(scene.wire.stream([*scene.wire.begun(["It "]), broken]))
    seen = []
    with pytest.raises(error, match="no luck"):
        for event in scene.provider.stream(question()):
            seen.append(event)
    assert text_of(seen) == "It "


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 5000 tokens > 4096 maximum",
        "input length and `max_tokens` exceed context limit: 5000 + 64 > 4096, decrease it",
    ],
)
def test_an_overflow_has_the_numbers_that_stand_in_its_text(scene: Scene, message: str) -> None:
    scene.answers(scene.wire.refusal(400, "invalid_request_error", message))
    with pytest.raises(ContextOverflow) as caught:
        scene.ask()
    assert (caught.value.prompt_tokens, caught.value.context_tokens) == (5000, 4096)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "authentication_error"), (403, "permission_error")]
)
def test_a_wrong_key_is_told_with_the_line_that_sets_it(
    scene: Scene, status: int, kind: str
) -> None:
    scene.answers(scene.wire.refusal(status, kind, "invalid key"))
    with pytest.raises(ProviderRefused) as caught:
        scene.ask()
    assert caught.value.hint == "export ANTHROPIC_API_KEY=…"


def test_a_key_is_not_an_opt_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    provider = provider_module.create(config_of(tmp_path), locate({"LOCALAI_HOME": str(tmp_path)}))
    for attempt in (
        lambda: list(provider.stream(question())),
        provider.models,
        lambda: provider.resolve("claude-haiku-4-5"),
    ):
        with pytest.raises(PolicyRefused) as caught:
            attempt()
        assert caught.value.command == "localai config set cloud.allow anthropic"
    assert provider.destination(question().model) == "api.anthropic.com"


def test_an_inherited_variable_does_not_redirect_a_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = locate({"LOCALAI_HOME": str(tmp_path)})
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gateway.example")
    with pytest.raises(PolicyRefused, match="ANTHROPIC_BASE_URL"):
        provider_module.create(config_of(tmp_path), paths)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://api.anthropic.com")
    provider_module.create(config_of(tmp_path), paths)
