"""LM Studio as a provider, against the double and the scripted server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localai.errors import (
    ContextOverflow,
    InsufficientResources,
    LocalaiError,
    NotFound,
    ProviderRefused,
    Unreachable,
)
from localai.events import Event, Loading
from localai.net.target import client_target
from localai.providers.lmstudio import LmStudio
from localai.types import ChatRequest, Message, Options
from localai.wires import lmstudio as wire
from tests.contract.rows import identity
from tests.servers.lmstudio_documented import LIST_V0, LIST_V1, LOAD_V1, NO_TOKEN, TOO_LONG
from tests.servers.lmstudio_double import Connect, DoubleModel, LmStudioDouble
from tests.support.answers import end_of, text_of
from tests.support.processes import free_port
from tests.support.scripted_server import Reply, ScriptedServer, json_reply
from tests.support.wires import ChatCompletionsWire

NAME = "smollm2-135m-instruct"
WIRE = ChatCompletionsWire()


def open_lmstudio(home: Path, address: str, token: str | None = None) -> LmStudio:
    return LmStudio(identity(home)[0], client_target(address, 1234), token)


def ask(provider: LmStudio, text: str = "hi", **more: Any) -> list[Event]:
    more.setdefault("options", Options(max_tokens=16))
    request = ChatRequest(provider.resolve(NAME), (Message("user", text),), **more)
    return list(provider.stream(request))


def said(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Loading)]


def to(server: ScriptedServer) -> Connect:
    """How the double connects to what answers behind it."""
    import http.client

    return lambda context: http.client.HTTPConnection("127.0.0.1", server.port)


@pytest.fixture
def engine() -> Any:
    """What answers behind the double: a server that says the same to everything."""
    with ScriptedServer(WIRE.routes(WIRE.stream(WIRE.answer(["hel", "lo"], ["hm"])))) as server:
        yield to(server)


# What the documentation shows


def test_the_documented_list_of_v1() -> None:
    assert wire.models_v1(LIST_V1.answer) == [
        wire.Listed(
            id="gemma-3-270m-it-qat",
            context_limit=32768,
            capabilities=frozenset({"completion", "schema"}),
            size_bytes=241410208,
            parameters="270M",
            quantization="Q4_0",
            instances=(wire.Instance("gemma-3-270m-it-qat", 4096),),
        )
    ]


def test_the_documented_list_of_v0() -> None:
    assert wire.models_v0(LIST_V0.answer) == [
        wire.Listed("qwen2-vl-7b-instruct", 32768, None, quantization="4bit")
    ]


def test_the_documented_load() -> None:
    assert wire.loaded_instance(LOAD_V1.answer) == wire.Instance("openai/gpt-oss-20b", 16384)


@pytest.mark.parametrize(
    ("offered", "capabilities"),
    [
        ({"vision": True, "trained_for_tool_use": True}, {"vision", "tools"}),
        ({"reasoning": {"allowed_options": ["off", "on"], "default": "on"}}, {"thinking"}),
        ({}, set()),
    ],
)
def test_capabilities(offered: dict[str, Any], capabilities: set[str]) -> None:
    model = {"type": "llm", "key": "m", "capabilities": offered}
    [listed] = wire.models_v1({"models": [model]}) or []
    assert set(listed.capabilities or ()) == capabilities | {"completion", "schema"}


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (401, NO_TOKEN.answer, ProviderRefused),
        (200, {"error": {"message": TOO_LONG.format(prompt=5000, context=4096)}}, ContextOverflow),
        (400, {"error": TOO_LONG.format(prompt=5000, context=4096)}, ContextOverflow),
        (200, {"error": "Context size has been exceeded."}, ContextOverflow),
        (200, {"error": "Reached context length of 4096 tokens with model"}, ContextOverflow),
        (404, {"error": {"code": "model_not_found", "message": "x"}}, NotFound),
        (
            500,
            {"error": {"message": "Model loading was stopped: insufficient system resources"}},
            InsufficientResources,
        ),
        (200, {"error": {"message": "The model has crashed"}}, Unreachable),
        (500, "<html>", Unreachable),
        (400, {"error": {"message": "'messages' is required"}}, ProviderRefused),
    ],
)
def test_refusals(status: int, document: Any, kind: type[LocalaiError]) -> None:
    assert type(wire.refusal(status, document, "m", 4096)) is kind


def test_an_overflow_carries_both_numbers() -> None:
    message = TOO_LONG.format(prompt=5000, context=4096)
    error = wire.refusal(200, {"error": {"message": message}}, "m")
    assert isinstance(error, ContextOverflow)
    assert (error.prompt_tokens, error.context_tokens) == (5000, 4096)


# Models and where they are


@pytest.mark.parametrize("v1", [True, False], ids=["v1", "v0"])
def test_models_are_listed_by_either_version(tmp_path: Path, v1: bool) -> None:
    models = [DoubleModel(NAME, instances={NAME: 4096}), DoubleModel("e", kind="embedding")]
    with LmStudioDouble(models, v1=v1) as double:
        [model] = open_lmstudio(tmp_path, double.address).models()
    assert (model.provider, model.id, model.loaded) == ("lmstudio", NAME, True)
    assert (model.context_limit, model.quantization) == (8192, "Q4_1")


def test_where_it_computes_is_unproven_and_the_reason_is_given(
    tmp_path: Path, engine: Connect
) -> None:
    with LmStudioDouble([DoubleModel(NAME)], engine) as double:
        provider = open_lmstudio(tmp_path, double.address)
        model, locality = provider.resolve(NAME), end_of(ask(provider)).locality
    assert model.zone is None and "LM Link" in model.evidence
    assert locality.zone is None and "LM Link" in locality.evidence
    assert locality.network_denied is None


def test_an_unknown_model_has_near_names(tmp_path: Path) -> None:
    with LmStudioDouble([DoubleModel(NAME)]) as double, pytest.raises(NotFound) as caught:
        open_lmstudio(tmp_path, double.address).resolve("smollm2-instruct")
    assert caught.value.hint is not None and NAME in caught.value.hint


# Off, locked, or somebody else


def test_off_is_not_the_same_as_locked(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as off:
        open_lmstudio(tmp_path, f"127.0.0.1:{free_port()}").models()
    assert off.value.command == "lms server start"
    with LmStudioDouble([], token="secret") as double:
        with pytest.raises(ProviderRefused) as locked:
            open_lmstudio(tmp_path, double.address).models()
        with pytest.raises(ProviderRefused):
            open_lmstudio(tmp_path, double.address, "wrong").models()
        assert open_lmstudio(tmp_path, double.address, "secret").models() == []
    assert locked.value.hint is not None and "LM_API_TOKEN" in locked.value.hint


@pytest.mark.parametrize(
    "reply", [json_reply({"error": "no"}, 404), json_reply({"ok": 1}), json_reply([])]
)
def test_another_server_on_the_port_is_not_taken_for_lm_studio(
    tmp_path: Path, reply: Reply
) -> None:
    with ScriptedServer({"GET /api/*": reply}) as server, pytest.raises(Unreachable) as caught:
        open_lmstudio(tmp_path, server.address).models()
    assert "not LM Studio" in caught.value.message


# Loading


def test_a_loaded_model_is_used_as_it_is(tmp_path: Path, engine: Connect) -> None:
    model = DoubleModel(NAME, instances={f"{NAME}:2": 6000})
    with LmStudioDouble([model], engine) as double:
        events = ask(open_lmstudio(tmp_path, double.address))
        asked = [body for method, path, body in double.asked if path == "/v1/chat/completions"]
    assert (text_of(events), said(events)) == ("hello", [])
    assert asked[0]["model"] == f"{NAME}:2"
    assert end_of(events).context_tokens == 6000


@pytest.mark.parametrize(
    ("options", "limit", "reason"),
    [(Options(), 4030, "context"), (Options(max_tokens=9), 9, "length")],
)
def test_an_answer_without_a_limit_gets_what_is_left_of_the_context(
    tmp_path: Path, options: Options, limit: int, reason: str
) -> None:
    """At a full context LM Studio may go on without the beginning of the conversation."""
    cut = WIRE.routes(WIRE.stream(WIRE.answer(["x"], finish="length")))
    with ScriptedServer(cut) as server, LmStudioDouble([DoubleModel(NAME)], to(server)) as double:
        done = end_of(ask(open_lmstudio(tmp_path, double.address), options=options))
        [asked] = [body for _, path, body in double.asked if path == "/v1/chat/completions"]
    assert (asked["max_tokens"], done.finish_reason) == (limit, reason)


def test_loading_is_announced_and_read_back(tmp_path: Path, engine: Connect) -> None:
    with LmStudioDouble([DoubleModel(NAME)], engine) as double:
        events = ask(open_lmstudio(tmp_path, double.address))
        [load] = [body for _, path, body in double.asked if path.endswith("/load")]
    assert load == {"model": NAME, "context_length": 4096, "echo_load_config": True}
    assert said(events) == [f"LM Studio is loading {NAME} with a context of 4,096 tokens"]
    done = end_of(events)
    assert done.context_tokens == 4096
    assert done.timings.load_s == 0.25


def test_a_lowered_context_is_announced(tmp_path: Path, engine: Connect) -> None:
    with LmStudioDouble([DoubleModel(NAME, most_context=2048)], engine) as double:
        events = ask(open_lmstudio(tmp_path, double.address))
    assert said(events)[-1] == f"LM Studio gave {NAME} a context of 2,048 tokens instead of 4,096"
    assert end_of(events).context_tokens == 2048


def test_a_model_that_is_loaded_too_small_is_loaded_again(tmp_path: Path, engine: Connect) -> None:
    model = DoubleModel(NAME, instances={NAME: 1024})
    with LmStudioDouble([model], engine) as double:
        done = end_of(ask(open_lmstudio(tmp_path, double.address), "x" * 9000))
    assert done.context_tokens == 4096
    assert model.instances == {NAME: 4096}


def test_v0_loads_by_being_asked(tmp_path: Path, engine: Connect) -> None:
    with LmStudioDouble([DoubleModel(NAME)], engine, v1=False) as double:
        events = ask(open_lmstudio(tmp_path, double.address), keep_alive_s=60.0)
        asked = [body for _, path, body in double.asked if path == "/v1/chat/completions"]
    assert text_of(events) == "hello"
    assert asked[0]["ttl"] == 60
    assert end_of(events).context_tokens is None


def test_keep_alive_of_zero_unloads_what_was_loaded(tmp_path: Path, engine: Connect) -> None:
    model = DoubleModel(NAME)
    with LmStudioDouble([model], engine) as double:
        ask(open_lmstudio(tmp_path, double.address), keep_alive_s=0.0)
    assert model.instances == {}


# Contexts that do not suffice


def overflowing(prompt: int) -> Any:
    """An engine that refuses a prompt of so many tokens as llama.cpp does, below that answers."""
    import http.client

    refused = {"type": "exceed_context_size_error", "n_prompt_tokens": prompt, "n_ctx": 0}
    too_small = ScriptedServer(WIRE.routes(json_reply({"error": refused}, 400)))
    enough = ScriptedServer(WIRE.routes(WIRE.stream(WIRE.answer(["hello"]))))

    def connect(context: int) -> http.client.HTTPConnection:
        server = enough if context > prompt else too_small
        return http.client.HTTPConnection("127.0.0.1", server.port)

    return connect


def test_a_context_grows_when_lm_studio_says_how_long_the_prompt_is(tmp_path: Path) -> None:
    with LmStudioDouble([DoubleModel(NAME)], overflowing(5000)) as double:
        events = ask(open_lmstudio(tmp_path, double.address))
    assert text_of(events) == "hello"
    assert end_of(events).context_tokens == 8192


@pytest.mark.parametrize(
    ("prompt", "model", "asked", "context"),
    [
        (9000, DoubleModel(NAME), None, 8192),
        (5000, DoubleModel(NAME, most_context=4096), None, 4096),
        (5000, DoubleModel(NAME), 4000, 4000),
    ],
    ids=["the model's limit", "lowered", "as asked for"],
)
def test_a_prompt_that_cannot_fit_is_an_error_with_the_numbers(
    tmp_path: Path, prompt: int, model: DoubleModel, asked: int | None, context: int
) -> None:
    double = LmStudioDouble([model], overflowing(prompt))
    with double, pytest.raises(ContextOverflow) as caught:
        ask(open_lmstudio(tmp_path, double.address), context_tokens=asked)
    assert (caught.value.prompt_tokens, caught.value.context_tokens) == (prompt, context)


def test_a_silent_answer_to_a_prompt_that_fills_the_context_is_an_overflow(
    tmp_path: Path,
) -> None:
    """LM Studio's bug tracker #2339: HTTP 200, no text, and usage that tells the truth."""
    instance = {"id": NAME, "config": {"context_length": 16}}
    model = {"type": "llm", "key": NAME, "max_context_length": 16, "loaded_instances": [instance]}
    routes = WIRE.routes(WIRE.stream(WIRE.answer([])))
    routes["GET /api/v1/models"] = json_reply({"models": [model]})
    with ScriptedServer(routes) as server, pytest.raises(ContextOverflow) as caught:
        ask(open_lmstudio(tmp_path, server.address))
    assert (caught.value.prompt_tokens, caught.value.context_tokens) == (20, 16)
