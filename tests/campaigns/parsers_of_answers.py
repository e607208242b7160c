"""Parsers of what servers and models say, and of what a client asks of our own server's side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from localai.chat.answer_checks import first_code_block
from localai.chat.schema import from_data
from localai.compare.judge_prompts import verdict_of
from localai.engine.llamacpp.log import (
    context_memory,
    crash_reason,
    failure_reason,
    first_table,
    host_memory,
)
from localai.errors import LocalaiError
from localai.events import Done, Event, Locality, ReasoningDelta, TextDelta
from localai.net.framing import ServerRefused, json_of, payloads_of, words_of
from localai.types import Zone
from localai.wires import lmstudio
from localai.wires.anthropic import server as anthropic_server
from localai.wires.chat_completions import server as chat_server
from localai.wires.chat_completions.client import read_stream
from localai.wires.clock import AnswerClock
from localai.wires.ollama import answer as ollama_answer
from localai.wires.ollama import model as ollama_model
from localai.wires.ollama import refusals as ollama_refusals
from localai.wires.ollama import server as ollama_server
from localai.wires.parts import arguments_of
from localai.wires.reasoning.splitter import ReasoningSplitter
from localai.wires.refusals import failure
from localai.wires.responses import server as responses_server
from tests.campaigns.parser import Parser
from tests.support.whole_texts import split_reasoning
from tests.support.wires import ChatCompletionsWire, OllamaWire

_HERE = Locality(Zone.DEVICE, "the campaign")
_THOUGHTS = (
    b"<think>a</think>b <think>not</think> `</think>`",
    b"<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b",
)
_ERROR = {"error": {"message": "prompt is too long: 5 tokens > 4 maximum", "type": "x", "code": 4}}
_LISTS = (
    b'{"models": [{"key": "a", "type": "llm", "loaded_instances": [{"id": "x", "config": {}}]}]}',
    b'{"data": [{"id": "a", "type": "llm", "state": "loaded", "max_context_length": 5}]}',
    b'{"details": {"quantization_level": "Q4"}, "model_info": {"a.context_length": 5}}',
    b'{"capabilities": ["tools"], "modelfile": "FROM /x", "parameters": "num_ctx 5"}',
)
_LOG = (
    b"0.00.100 I llama_params_fit_impl: projected to use 5 MiB\n"
    b"| memory breakdown [MiB] | total free self model context compute |\n"
    b"|   - Host               |       1500 = 1000 + 300 + 200 |\n"
    b"srv  load_model: initializing\nE error: out of memory\n"
)


def _shown(events: Iterable[Event]) -> None:
    """Every event can be written, and the last of an answer that ends is its end."""
    for event in events:
        if isinstance(event, (TextDelta, ReasoningDelta)):
            event.text.encode()
        elif isinstance(event, Done):
            _ = event.usage, event.timings.decode_tokens_per_s


def _stream(content: bytes, _: Path) -> Any:
    _shown(read_stream(payloads_of(content.split(b"\n")), _HERE, AnswerClock(), context_tokens=9))


def _ollama_lines(content: bytes, _: Path) -> Any:
    reader = ollama_answer.ChunkReader()
    for line in content.split(b"\n"):
        if not line.strip():
            continue
        document = json_of(line.decode(errors="replace"))
        if not isinstance(document, dict):
            raise ValueError("no object")
        _shown(reader.events(document))
        ollama_answer.usage_of(document)
        ollama_answer.finish_of(document, 5, False)
        ollama_answer.server_times(document, True)
    _shown(reader.held_back())


def _lists(content: bytes, _: Path) -> Any:
    document = json_of(content)
    if isinstance(document, dict):
        lmstudio.models_v1(document)
        lmstudio.models_v0(document)
        for read in (
            ollama_model.capabilities_of,
            ollama_model.context_limit_of,
            ollama_model.makers_limit_of,
            ollama_model.makers_context_of,
            ollama_model.remote_of,
        ):
            read(document)


def _refusal(content: bytes, _: Path) -> Any:
    document = json_of(content)
    lmstudio.refusal(400, document, "m")
    ollama_refusals.refusal(400, document, "m", 5)
    error = document.get("error", document) if isinstance(document, dict) else {}
    return failure("it", 400, error if isinstance(error, dict) else {}, {})


def _thoughts(content: bytes, _: Path) -> Any:
    """However it is cut into pieces, the same comes out."""
    text = content.decode(errors="replace")
    assert _split(text, 3) == _split(text, len(text) or 1), "the pieces make a difference"
    split_reasoning(text)


def _split(text: str, length: int) -> tuple[str, str]:
    splitter, said = ReasoningSplitter(), []
    for at in range(0, len(text), length):
        said += splitter.feed(text[at : at + length])
    said += splitter.close()
    thought = "".join(each.text for each in said if isinstance(each, ReasoningDelta))
    answer = "".join(each.text for each in said if isinstance(each, TextDelta))
    return thought, answer


def _model_says(content: bytes, _: Path) -> Any:
    """What a model wrote where a call, JSON, a code block or a verdict was asked for."""
    text = content.decode(errors="replace")
    arguments_of(text)
    first_code_block(text)
    from_data("a:int, b?:str", "it").violation(text)
    verdict, reason = verdict_of(text, ("A", "B", "tie"))
    assert verdict is None or verdict in ("A", "B", "tie")
    assert isinstance(reason, str)


def _engine_log(content: bytes, _: Path) -> Any:
    text = content.decode(errors="replace")
    for read in (first_table, host_memory, context_memory, crash_reason, failure_reason):
        read(text)


def _asked(parse: Callable[[Mapping[str, Any]], Any]) -> Callable[[bytes, Path], Any]:
    def read(content: bytes, _: Path) -> Any:
        document = json_of(content)
        return parse(document) if isinstance(document, dict) else None

    return read


_BROKEN = (LocalaiError, ValueError, ServerRefused)
_MESSAGES = b'"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]'
_TOOLS = b'"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]'
_REQUESTS: tuple[tuple[str, Callable[[Mapping[str, Any]], Any], bytes], ...] = (
    ("chat completions", chat_server.parse, b'{"model": "m", %b, %b}' % (_MESSAGES, _TOOLS)),
    ("messages", anthropic_server.parse, b'{"model": "m", "max_tokens": 5, %b}' % _MESSAGES),
    ("responses", responses_server.parse, b'{"model": "m", "input": [{"role": "user"}]}'),
    (
        "Ollama's chat",
        ollama_server.parse,
        b'{"model": "m", "messages": [{"role": "user", "content": "a"}], "keep_alive": "5m"}',
    ),
)

PARSERS = (
    Parser(
        "event stream",
        tuple(
            b"".join(packets)
            for packets in (
                ChatCompletionsWire().answer(["Par", "is"], ["Let me"]),
                ChatCompletionsWire().calls("c", "f", {"a": 1}),
            )
        ),
        _stream,
        (*_BROKEN, OSError, HTTPException),
        weight=6,
    ),
    Parser(
        "Ollama's lines",
        tuple(
            b"".join(packets)
            for packets in (
                OllamaWire().answer(["Par", "is"], ["Let me"]),
                OllamaWire().calls("c", "f", {"a": 1}),
            )
        ),
        _ollama_lines,
        _BROKEN,
        weight=6,
    ),
    Parser("lists of models", _LISTS, _lists, (*_BROKEN, AttributeError, TypeError, KeyError)),
    Parser("refusal", (json.dumps(_ERROR).encode(),), _refusal, _BROKEN),
    Parser("page", (b"<html><script>x</script><p>Hello</p>",), lambda c, at: words_of(c)),
    Parser("thoughts", _THOUGHTS, _thoughts),
    Parser(
        "model's words",
        (b'```json\n{"a": 1}\n```', b'{"verdict": "A", "reason": "x"}', b'{"a": 1, "b": "c"}'),
        _model_says,
    ),
    Parser("engine's log", (_LOG,), _engine_log),
    *(
        Parser(f"request of {name}", (specimen,), _asked(parse), _BROKEN)
        for name, parse, specimen in _REQUESTS
    ),
)
