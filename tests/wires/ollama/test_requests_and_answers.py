from __future__ import annotations

import json
from typing import Any

import pytest

from localai.errors import (
    ContextOverflow,
    InsufficientResources,
    InvalidInput,
    LocalaiError,
    NotFound,
    PolicyRefused,
    ProviderRefused,
    Unreachable,
)
from localai.events import ReasoningDelta, TextDelta, Timings, TokenLogprobs, Usage
from localai.types import (
    Capability,
    ChatRequest,
    Message,
    Options,
    Picture,
    ResolvedModel,
    Think,
    ToolCall,
)
from localai.wires.ollama import answer as ollama_answer
from localai.wires.ollama import model as ollama_model
from localai.wires.ollama import refusals as ollama_refusals
from localai.wires.ollama import request as ollama_request

MODEL = ResolvedModel("ollama", "m:latest", None, "")


def body(request: ChatRequest, **changes: Any) -> dict[str, Any]:
    decided = {
        "context_tokens": 4096,
        "may_shift": False,
        "think": None,
        "keep_alive": None,
        **changes,
    }
    return ollama_request.chat_body(request, **decided)


def test_a_body_never_lets_ollama_cut_or_shift() -> None:
    sent = body(ChatRequest(MODEL, (Message("user", "hi"),)))
    assert sent == {
        "model": "m:latest",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "truncate": False,
        "shift": False,
        "options": {"num_ctx": 4096},
    }


def test_what_cannot_be_cut_is_left_to_ollama_so_that_it_need_not_load_again() -> None:
    sent = body(ChatRequest(MODEL, (Message("user", "hi"),)), context_tokens=None, may_shift=True)
    assert (sent["truncate"], sent["options"]) == (False, {})
    assert "shift" not in sent


def test_a_body_with_everything() -> None:
    schema = {"type": "object"}
    options = Options(
        temperature=0.0,
        top_p=0.9,
        top_k=40,
        min_p=0.1,
        repeat_penalty=1.1,
        presence_penalty=0.2,
        frequency_penalty=0.3,
        seed=0,
        max_tokens=7,
        stop=("\n",),
        extra={"num_gpu": 0, "num_ctx": 1},
    )
    message = Message("user", "what is it?", (Picture(b"png", "image/png"),), reasoning="hm")
    request = ChatRequest(MODEL, (message,), options, schema=schema, logprobs=3)
    sent = body(request, context_tokens=512, think=True, keep_alive=60.0)
    assert sent["options"] == {
        "temperature": 0.0,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.1,
        "repeat_penalty": 1.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "seed": 0,
        "num_predict": 7,
        "stop": ["\n"],
        "num_gpu": 0,
        "num_ctx": 512,
    }
    assert sent["messages"] == [{"role": "user", "content": "what is it?", "images": ["cG5n"]}]
    assert (sent["format"], sent["think"], sent["keep_alive"]) == (schema, True, 60)
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 3)


def test_an_option_that_ollama_would_ignore_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        ollama_request.all_options(Options(extra={"tempereture": 1}))
    assert "'tempereture'" in caught.value.message
    assert caught.value.hint is not None and "num_gpu" in caught.value.hint


@pytest.mark.parametrize(
    ("seconds", "sent"),
    [(0.0, 0), (300.0, 300), (0.5, 0.5), (float("inf"), -1)],
)
def test_keep_alive(seconds: float, sent: float) -> None:
    assert ollama_request.wire_keep_alive(seconds) == sent


CAN_THINK = frozenset({"completion", "thinking"})
CANNOT = frozenset({"completion"})


@pytest.mark.parametrize(
    ("think", "capabilities", "family", "sent"),
    [
        (None, CAN_THINK, "qwen3", True),
        ("on", CAN_THINK, "qwen3", True),
        ("off", CAN_THINK, "qwen3", False),
        ("low", CAN_THINK, "qwen3", "low"),
        ("high", CAN_THINK, "qwen3", "high"),
        (None, CAN_THINK, "gptoss", "medium"),
        ("on", CAN_THINK, "gptoss", "medium"),
        ("high", CAN_THINK, "gptoss", "high"),
        ("off", CAN_THINK, "gptoss", "low"),
        # Asked of a model that cannot, Ollama answers 400.
        (None, CANNOT, "llama", None),
        ("on", CANNOT, "llama", None),
        ("high", CANNOT, "llama", None),
        # An old server does not say what a model can.
        (None, None, "", None),
        ("on", None, "", True),
        ("off", None, "", False),
    ],
)
def test_think(think: str | None, capabilities: Any, family: str, sent: bool | str | None) -> None:
    assert ollama_request.wire_think(think, capabilities, family) == sent


THINKS: frozenset[Capability] = frozenset({"completion", "thinking"})
OFF_ONLY = "{{ if and .IsThinkSet .Think }}<think>{{ end }}{{ .Thinking }}"


@pytest.mark.parametrize(
    ("show", "switches"),
    [
        ({"template": OFF_ONLY}, (True, False)),
        ({"template": "{{ $.Think }} {{ .ThinkLevel }}"}, (True, True)),
        ({"template": "{{ .ThinkLevel }}"}, (False, True)),
        ({"template": "<think>{{ .Thinking }}"}, (False, False)),
        ({"template": OFF_ONLY, "renderer": "qwen3.5"}, (None, None)),
        ({"template": OFF_ONLY, "modelfile": "FROM x\nRENDERER gemma4\n"}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_what_a_models_template_knows_of_thinking(
    show: dict[str, str], switches: tuple[bool | None, bool | None]
) -> None:
    assert ollama_model.think_switches_of(show) == switches


@pytest.mark.parametrize(
    ("think", "family", "switches", "said"),
    [
        ("off", "gptoss", (False, True), "m cannot be told not to think: with --think off it"),
        ("high", "gptoss", (False, True), None),
        ("off", "llama", (False, False), "m cannot be told not to think: --think off has no"),
        ("off", "llama", (True, False), None),
        ("low", "llama", (True, False), "m knows no levels of thinking: --think low is --think on"),
        ("low", "llama", (True, True), None),
        ("low", "llama", (None, None), None),
        ("on", "llama", (False, False), None),
    ],
)
def test_a_wish_to_think_without_an_effect_is_said(
    think: Think, family: str, switches: tuple[bool | None, bool | None], said: str | None
) -> None:
    doubt = ollama_request.think_doubt("m", think, THINKS, family, *switches)
    assert (doubt is None) is (said is None) and (doubt or "").startswith(said or "")
    assert ollama_request.think_doubt("m", think, frozenset(), family, *switches) is None


@pytest.mark.parametrize(
    ("document", "remote"),
    [
        ({}, None),
        ({"remote_host": "", "remote_model": ""}, None),
        ({"remote_host": "https://ollama.com:443"}, "https://ollama.com:443"),
        ({"remote_host": "https://x", "remote_model": "gpt-oss:120b"}, "https://x"),
        ({"remote_model": "gpt-oss:120b"}, "its cloud, as gpt-oss:120b"),
    ],
)
def test_where_another_machine_computes(document: dict[str, str], remote: str | None) -> None:
    assert ollama_model.remote_of(document) == remote


@pytest.mark.parametrize(
    ("name", "is_cloud"),
    [
        ("kimi-k2.6:cloud", True),
        ("gpt-oss:120b-cloud", True),
        ("me/gpt-oss:120b-CLOUD", True),
        ("GPT-OSS:Cloud", True),
        ("cloud", False),
        ("cloud:latest", False),
        ("nimbus-cloud", False),
        ("nimbus-cloud:latest", False),
        ("x:cloudy", False),
        ("registry:5000/cloud", False),
        ("registry:5000/x:8b-cloud", True),
    ],
)
def test_names_that_ollama_sends_to_its_cloud(name: str, is_cloud: bool) -> None:
    assert (ollama_model.remote_by_name(name) is not None) is is_cloud


@pytest.mark.parametrize(
    ("listed", "capabilities"),
    [
        (None, None),
        ([], None),
        (["completion", "insert", "audio"], {"completion", "schema"}),
        (["completion", "vision", "tools"], {"completion", "vision", "tools", "schema"}),
        (["embedding"], {"embedding"}),
    ],
)
def test_capabilities(listed: list[str] | None, capabilities: set[str] | None) -> None:
    assert ollama_model.capabilities_of({"capabilities": listed}) == capabilities


def test_contexts_of_a_model() -> None:
    show = {
        "parameters": 'stop    "<|im_end|>"\nnum_ctx                        16384\n',
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
    }
    assert ollama_model.context_limit_of(show) == 40960
    assert ollama_model.makers_context_of(show) == 16384
    assert ollama_model.context_limit_of({}) is None
    assert ollama_model.context_limit_of({"details": {"context_length": 8192}}) == 8192
    assert ollama_model.makers_context_of({"parameters": "numa_num_ctx 5"}) is None


def test_the_events_of_a_chunk() -> None:
    other = {"token": "a", "logprob": -2.0}
    chunk = {
        "message": {
            "thinking": "hm",
            "content": "Par",
            "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": {"x": "ü"}}},
                {"function": {"name": "g"}},
            ],
        },
        "logprobs": [{"token": "Par", "logprob": -0.5, "top_logprobs": [other]}],
    }
    assert list(ollama_answer.ChunkReader().events(chunk)) == [
        ReasoningDelta("hm"),
        TextDelta("Par"),
        ToolCall("c1", "f", '{"x": "ü"}'),
        ToolCall("call_1", "g", "{}"),
        TokenLogprobs("Par", -0.5, (("a", -2.0),)),
    ]
    assert (
        list(ollama_answer.ChunkReader().events({"message": {"role": "assistant", "content": ""}}))
        == []
    )


@pytest.mark.parametrize(
    ("end", "finish"),
    [
        ({"done_reason": "stop"}, "stop"),
        ({}, "stop"),
        ({"done_reason": "length", "prompt_eval_count": 100, "eval_count": 50}, "length"),
        ({"done_reason": "length", "prompt_eval_count": 500, "eval_count": 12}, "context"),
        ({"done_reason": "length", "prompt_eval_count": 500, "eval_count": 11}, "context"),
    ],
)
def test_why_an_answer_ended(end: dict[str, Any], finish: str) -> None:
    assert ollama_answer.finish_of(end, 512, tools_called=False) == finish
    assert ollama_answer.finish_of(end, 512, tools_called=True) == "tool_calls"


def test_usage_is_unknown_where_nothing_is_said() -> None:
    assert ollama_answer.usage_of({}) == Usage()
    counted = {"prompt_eval_count": 5, "eval_count": 3, "prompt_eval_cached_count": 0}
    assert ollama_answer.usage_of(counted) == Usage(5, 3, 0)


@pytest.mark.parametrize(
    ("end", "fresh", "rate"),
    [
        # 100 tokens in a second; how many of them were cached is not told.
        ({"prompt_eval_count": 100, "prompt_eval_duration": 10**9}, False, None),
        # A model that was just loaded has nothing in its cache.
        ({"prompt_eval_count": 100, "prompt_eval_duration": 10**9}, True, 100.0),
        (
            {
                "prompt_eval_count": 100,
                "prompt_eval_cached_count": 90,
                "prompt_eval_duration": 10**9,
            },
            False,
            10.0,
        ),
        ({"prompt_eval_count": 9, "prompt_eval_cached_count": 9, "x": 1}, False, None),
        ({}, True, None),
    ],
)
def test_prefill_speed_never_counts_cached_tokens(
    end: dict[str, Any], fresh: bool, rate: float | None
) -> None:
    times = ollama_answer.server_times(end, fresh)
    timings = Timings(prefill_tokens=times.prefill_tokens, prefill_s=times.prefill_s)
    assert timings.prefill_tokens_per_s == rate


def nested(document: dict[str, Any]) -> dict[str, str]:
    return {"error": json.dumps(document)}


OVERFLOW = {
    "code": 400,
    "message": "request (5000 tokens) exceeds the available context size (4096 tokens)",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 5000,
    "n_ctx": 4096,
}


@pytest.mark.parametrize(
    ("status", "document", "kind", "says"),
    [
        (400, nested({"error": OVERFLOW}), ContextOverflow, "5,000"),
        (400, {"error": OVERFLOW}, ContextOverflow, "4,096"),
        (
            400,
            {"error": "the input length exceeds the context length"},
            ContextOverflow,
            "2,048",
        ),
        (401, {"error": "unauthorized", "signin_url": "https://x/y"}, ProviderRefused, "sign in"),
        (403, {"error": "ollama cloud is disabled: x"}, PolicyRefused, "cloud is disabled"),
        (404, {"error": "model 'm' not found"}, NotFound, "'m'"),
        (
            500,
            {"error": "model requires more system memory (9 GiB) than is available (2 GiB)"},
            InsufficientResources,
            "9 GiB",
        ),
        (400, {"error": '"m" does not support chat'}, InvalidInput, "does not support chat"),
        (500, {"error": "llama runner process has terminated"}, Unreachable, "terminated"),
        (503, {"error": "server busy, please try again"}, Unreachable, "busy"),
        (500, "<html>", Unreachable, "<html>"),
        (400, {"error": "invalid option"}, ProviderRefused, "invalid option"),
        (400, {"error": "{not json"}, ProviderRefused, "{not json"),
    ],
)
def test_refusals(status: int, document: Any, kind: type[LocalaiError], says: str) -> None:
    error = ollama_refusals.refusal(status, document, "m", 2048)
    assert type(error) is kind
    assert says in error.message


def test_an_overflow_carries_both_numbers() -> None:
    error = ollama_refusals.refusal(400, nested({"error": OVERFLOW}), "m", None)
    assert isinstance(error, ContextOverflow)
    assert (error.prompt_tokens, error.context_tokens) == (5000, 4096)


def test_the_address_to_sign_in_at_is_shown() -> None:
    error = ollama_refusals.refusal(
        401, {"error": "unauthorized", "signin_url": "https://x/y"}, "m", None
    )
    assert error.hint is not None and "https://x/y" in error.hint
