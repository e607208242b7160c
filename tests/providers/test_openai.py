"""What goes to OpenAI's Responses API, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localai.errors import (
    ContextOverflow,
    LocalaiError,
    NotFound,
    PolicyRefused,
    ProviderRefused,
    Unreachable,
)
from localai.events import Loading, ReasoningDelta, Usage
from localai.paths import locate
from localai.providers import openai as provider_module
from localai.types import Message, Options, Picture
from tests.providers.scripted import Scene, config_of, end_of, openai_scene, question, text_of
from tests.support.command import RunLocalai


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with openai_scene(tmp_path) as opened:
        yield opened


def test_nothing_is_stored_or_cut_and_what_is_unset_is_not_sent(scene: Scene) -> None:
    scene.ask()
    item = {"type": "message", "role": "user", "content": "What is the capital of France?"}
    assert scene.sent == {
        "model": "scripted",
        "input": [item],
        "store": False,
        "truncation": "disabled",
        "stream": True,
    }
    assert scene.server.asked[-1].headers["authorization"] == "Bearer sk-test"


def test_system_prompt_options_and_history(scene: Scene) -> None:
    scene.ask(
        question(
            Message("system", "Be brief."),
            Message("user", "Hi"),
            Message("assistant", "Hello", reasoning="greet"),
            Message("user", "Bye"),
            options=Options(
                temperature=0.0, top_p=0.5, max_tokens=9, extra={"metadata": {"a": "b"}}
            ),
        )
    )
    sent = scene.sent
    assert sent["instructions"] == "Be brief."
    assert [(item["role"], item["content"]) for item in sent["input"]] == [
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Bye"),
    ]
    assert (sent["temperature"], sent["top_p"], sent["max_output_tokens"]) == (0.0, 0.5, 9)
    assert sent["metadata"] == {"a": "b"}


@pytest.mark.parametrize(
    ("think", "reasoning"),
    [
        ("off", {"effort": "none"}),
        ("on", {"effort": "medium", "summary": "auto"}),
        ("high", {"effort": "high", "summary": "auto"}),
    ],
)
def test_thinking_becomes_effort(scene: Scene, think: Any, reasoning: dict[str, str]) -> None:
    scene.ask(question(think=think))
    assert scene.sent["reasoning"] == reasoning


def test_schema_pictures_and_logprobs(scene: Scene) -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    picture = Message("user", "What is this?", pictures=(Picture(b"\x89PNG", "image/png"),))
    scene.ask(question(picture, schema=schema, logprobs=2))
    sent = scene.sent
    expected = {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
    assert sent["text"] == {"format": expected}
    picture, text = sent["input"][0]["content"]
    assert picture["image_url"] == "data:image/png;base64,iVBORw=="
    assert text == {"type": "input_text", "text": "What is this?"}
    assert sent["include"] == ["message.output_text.logprobs"]
    assert sent["top_logprobs"] == 2


@pytest.mark.parametrize("options", [Options(seed=1), Options(stop=("x",)), Options(top_k=3)])
def test_an_option_that_the_api_lacks_is_refused_before_anything_is_sent(
    scene: Scene, options: Options
) -> None:
    with pytest.raises(ProviderRefused, match="does not take the option"):
        scene.ask(question(options=options))
    assert scene.server.asked == []


def test_usage_counts_cached_written_and_reasoning_tokens(scene: Scene) -> None:
    assert end_of(scene.ask()).usage == Usage(20, 10, 8, 6, 4)


def test_decode_speed_does_not_count_hidden_reasoning(scene: Scene) -> None:
    timings = end_of(scene.ask()).timings
    assert timings.clock == "client"
    assert timings.decode_tokens_per_s is not None
    assert timings.prefill_tokens_per_s is None and timings.load_s is None


def test_a_refusal_is_text_and_says_that_it_is_one(scene: Scene) -> None:
    created, *_ = scene.wire.begun([])
    sorry = scene.wire.delta("I cannot", kind="refusal")
    scene.answers(scene.wire.stream([created, sorry, scene.wire.end()]))
    events = scene.ask()
    assert text_of(events) == "I cannot"
    assert end_of(events).finish_reason == "refusal"


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "refusal")]
)
def test_an_incomplete_answer_says_why(scene: Scene, reason: str, finish: str) -> None:
    scene.answers(scene.wire.stream([*scene.wire.begun(["cut"]), scene.wire.end(reason)]))
    assert end_of(scene.ask()).finish_reason == finish


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("server_error", Unreachable),
        ("rate_limit_exceeded", ProviderRefused),
        ("invalid_prompt", ProviderRefused),
        ("context_length_exceeded", ContextOverflow),
    ],
)
def test_a_failed_response_is_the_right_error(
    scene: Scene, code: str, error: type[LocalaiError]
) -> None:
    begun = scene.wire.begun(["It "])
    scene.answers(scene.wire.stream([*begun, scene.wire.failed(code, "no luck")]))
    with pytest.raises(error, match=r"no luck|does not fit"):
        scene.ask()


def test_an_error_object_in_mid_stream(scene: Scene) -> None:
    error = {"error": {"message": "boom", "type": "server_error", "code": None}}
    broken = b"data: " + json.dumps(error).encode() + b"\n\n"
    scene.answers(scene.wire.stream([*scene.wire.begun(["It "]), broken]))
    with pytest.raises(Unreachable, match="boom"):
        scene.ask()


def test_a_rate_limit_is_waited_for_in_sight(scene: Scene) -> None:
    busy = scene.wire.refusal(429, "requests", "rate_limit_exceeded", "slow", {"retry-after": "1"})
    scene.answers(busy, scene.wire.stream(scene.wire.answer(["Paris"])))
    events = scene.ask()
    assert isinstance(events[0], Loading)
    assert events[0].message.endswith("is rate limited: retrying in 1 s")
    assert text_of(events) == "Paris"


def test_a_long_rate_limit_is_an_error_at_once(scene: Scene) -> None:
    scene.answers(
        scene.wire.refusal(429, "requests", "rate_limit_exceeded", "slow", {"retry-after": "3600"})
    )
    with pytest.raises(ProviderRefused) as caught:
        scene.ask()
    assert caught.value.exit_code == 6
    assert caught.value.hint == "try again in 3,600 s"


def test_an_empty_account_is_not_waited_for(scene: Scene) -> None:
    scene.answers(scene.wire.refusal(429, "insufficient_quota", "insufficient_quota", "no money"))
    with pytest.raises(ProviderRefused, match="no money"):
        scene.ask()
    assert len(scene.server.asked) == 1


def test_a_wrong_key_is_told_with_the_line_that_sets_it(scene: Scene) -> None:
    scene.answers(scene.wire.refusal(401, "invalid_request_error", "invalid_api_key", "bad key"))
    with pytest.raises(ProviderRefused) as caught:
        scene.ask()
    assert caught.value.hint == "export KEY=…"
    assert "sk-test" not in caught.value.message


def test_near_names_are_offered(scene: Scene) -> None:
    with pytest.raises(NotFound) as caught:
        scene.provider.resolve("scriptd")
    assert caught.value.hint == "did you mean scripted?"


def test_a_redirect_is_not_followed(scene: Scene) -> None:
    from tests.support.scripted_server import Reply, ScriptedServer

    with ScriptedServer() as elsewhere:
        headers = {"Location": f"{elsewhere.url}/v1/responses"}
        scene.answers(Reply(status=307, headers=headers))
        with pytest.raises(LocalaiError):
            scene.ask()
        assert elsewhere.asked == []


def test_without_a_key_the_error_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_keyring: None
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    config = config_of(tmp_path, cloud_allow="openai")
    provider = provider_module.create(config, locate({"LOCALAI_HOME": str(tmp_path)}))
    with pytest.raises(ProviderRefused) as caught:
        provider.models()
    assert caught.value.hint == "export OPENAI_API_KEY=…"


def test_a_key_is_not_an_opt_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    config = config_of(tmp_path, cloud_allow="anthropic")
    provider = provider_module.create(config, locate({"LOCALAI_HOME": str(tmp_path)}))
    for attempt in (lambda: list(provider.stream(question())), provider.models):
        with pytest.raises(PolicyRefused) as caught:
            attempt()
        assert caught.value.exit_code == 4
        assert caught.value.command == "localai config set cloud.allow anthropic,openai"
    assert provider.destination(question().model) == "api.openai.com"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://eu.api.openai.com/v1/", "eu.api.openai.com"),
        ("", "api.openai.com"),
        ("http://127.0.0.1:8080/v1", None),
        ("https://api.openai.com.evil.example/v1", None),
        ("http://api.openai.com/v1", None),
    ],
)
def test_an_inherited_variable_does_not_redirect_a_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, host: str | None
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    paths = locate({"LOCALAI_HOME": str(tmp_path)})
    if host is None:
        with pytest.raises(PolicyRefused, match="OPENAI_BASE_URL"):
            provider_module.create(config_of(tmp_path), paths)
    else:
        provider = provider_module.create(config_of(tmp_path), paths)
        assert provider.destination(question().model) == host


def test_a_missing_sdk_is_told_with_the_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with openai_scene(tmp_path) as scene, pytest.raises(LocalaiError) as caught:
        scene.ask()
    assert caught.value.command == "./install.sh --with-cloud"


def test_summaries_of_reasoning_are_kept_apart(scene: Scene) -> None:
    scene.answers(scene.wire.stream(scene.wire.answer(["Paris"], ["Let me", " think"])))
    events = scene.ask()
    assert [e.text for e in events if isinstance(e, ReasoningDelta)] == ["Let me", " think"]
    assert text_of(events) == "Paris"


def test_the_command_ends_with_4_though_there_is_a_key(run_localai: RunLocalai) -> None:
    ran = run_localai("chat", "-m", "openai/gpt-5.5", "Hi", env={"OPENAI_API_KEY": "sk-test"})
    assert ran.returncode == 4
    assert b"localai config set cloud.allow openai" in ran.stderr
    assert b"sk-test" not in ran.stderr


def test_the_command_ends_with_6_without_a_key(run_localai: RunLocalai) -> None:
    environment = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    ran = run_localai("chat", "--allow-cloud", "-m", "openai/gpt-5.5", "Hi", env=environment)
    assert ran.returncode == 6
    assert b"export OPENAI_API_KEY" in ran.stderr


def test_what_is_no_event_between_events_is_nothing(tmp_path: Path) -> None:
    """The SDK reads an empty line after an `id` as an event, whose data are no JSON."""
    with openai_scene(tmp_path) as scene:
        created, *rest = scene.wire.answer(["Par", "is"])
        body = created + b"id: 7\n" + b"\n: a comment\n\nretry: 1\n\r\n".join(rest)
        scene.answers(scene.wire.stream([body]))
        assert text_of(scene.ask()) == "Paris"
