"""Sampling options: as they are typed, as they lie over each other, and as they are sent."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

import localai
from localai.config import load
from localai.errors import InvalidInput, ProviderRefused
from localai.paths import locate
from localai.providers.mlx import Mlx
from localai.sampling_options import (
    SAMPLING_OPTIONS,
    SamplingOption,
    Wire,
    overlaid_options,
    parse_options,
)
from localai.types import ChatRequest, Message, Options, ResolvedModel, Zone
from localai.wires.anthropic import client as anthropic
from localai.wires.chat_completions import client as chat_completions
from localai.wires.ollama import request as ollama_request
from localai.wires.responses import client as responses


def test_pairs_become_typed_options() -> None:
    pairs = [("temperature", "0"), ("top_k", "40"), ("stop", "a"), ("stop", "b")]
    assert parse_options(pairs) == Options(temperature=0.0, top_k=40, stop=("a", "b"))


def test_a_flag_wins_over_a_pair() -> None:
    assert parse_options([("seed", "1")], seed=2, max_tokens=None) == Options(seed=2)


def test_a_providers_own_option_is_passed_through_as_json() -> None:
    options = parse_options([("provider.mirostat", "2"), ("provider.name", "x")])
    assert options.extra == {"mirostat": 2, "name": "x"}


@pytest.mark.parametrize(
    ("pair", "message", "hint"),
    [
        (("temprature", "1"), "no option 'temprature'", "did you mean temperature?"),
        (("qqq", "1"), "no option 'qqq'", "known are"),
        (("temperature", "warm"), "a number from 0 to 5, not 'warm'", None),
        (("temperature", "nan"), "a number from 0 to 5", None),
        (("top_p", "2"), "a number from 0 to 1", None),
        (("seed", "1.5"), "a whole number", None),
    ],
)
def test_a_bad_option_is_named(pair: tuple[str, str], message: str, hint: str | None) -> None:
    with pytest.raises(InvalidInput, match=message) as error:
        parse_options([pair])
    if hint:
        assert hint in (error.value.hint or "")


def test_every_option_is_a_field_of_the_request_and_a_row_of_the_table() -> None:
    names = [field.name for field in dataclasses.fields(Options)]
    assert [option.name for option in SAMPLING_OPTIONS] == [
        name for name in names if name != "extra"
    ]


_SAMPLES: dict[type, Any] = {float: 0.5, int: 7, str: ("END",)}


@pytest.mark.parametrize("option", SAMPLING_OPTIONS, ids=lambda option: option.name)
@pytest.mark.parametrize("wire", get_args(Wire))
def test_every_option_reaches_every_wire_or_is_refused_by_name(
    wire: Wire, option: SamplingOption
) -> None:
    value = _SAMPLES[option.kind]
    request = ChatRequest(_MODEL, (Message("user", "hi"),), Options(**{option.name: value}))
    if wire not in option.wires:
        with pytest.raises(ProviderRefused, match=option.name):
            _BODIES[wire](request)
        return
    sent = _BODIES[wire](request)[option.wires[wire]]
    assert sent == (list(value) if option.repeatable else value)


def test_the_mlx_worker_reads_every_option_that_it_is_sent() -> None:
    folder = Path(localai.__file__).parent / "engine" / "mlx"
    source = "".join(file.read_text() for file in folder.glob("*.py"))
    read = set(re.findall(r"options\.(\w+)", source))
    sent = {option.name for option in SAMPLING_OPTIONS if "mlx" in option.wires}
    assert sent <= read


def test_an_option_of_another_engine_is_refused_by_mlx() -> None:
    options = Options(extra={"dry_multiplier": 1})
    request = ChatRequest(_MODEL, (Message("user", "hi"),), options)
    with pytest.raises(InvalidInput, match="'dry_multiplier'"):
        next(iter(Mlx(load(locate()), locate()).stream(request)))


def test_what_lies_below_fills_only_what_is_not_set() -> None:
    below = Options(temperature=0.3, seed=1, stop=("a",), extra={"x": 1, "y": 1})
    above = Options(temperature=0.0, stop=("b",), extra={"y": 2})
    both = Options(temperature=0.0, seed=1, stop=("b",), extra={"x": 1, "y": 2})
    assert overlaid_options(below, above) == both


_MODEL = ResolvedModel("some", "model", Zone.DEVICE, "a test", path=Path("model"))
_BODIES: dict[Wire, Callable[[ChatRequest], dict[str, Any]]] = {
    "chat_completions": chat_completions.request_body,
    "mlx": chat_completions.request_body,
    "ollama": lambda request: ollama_request.chat_body(
        request, context_tokens=64, think=None, keep_alive=None, may_shift=False
    )["options"],
    "responses": lambda request: responses.request_body(request, "openai"),
    "anthropic": lambda request: anthropic.request_body(
        request, request.options.max_tokens or 5, None
    ),
}


def test_what_goes_to_ollama_is_an_option_of_ollamas() -> None:
    """As in its api/types.go: it ignores any other, with a word in its log alone."""
    known = {
        "seed", "num_predict", "top_k", "top_p", "min_p", "typical_p", "repeat_last_n",
        "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty", "stop",
    }  # fmt: skip
    sent = {option.wires["ollama"] for option in SAMPLING_OPTIONS if "ollama" in option.wires}
    assert sent <= known


@pytest.mark.parametrize("name", ["mirostat", "mirostat_tau", "penalize_newline", "dry_multiplier"])
def test_an_option_that_ollama_has_no_more_is_refused(name: str) -> None:
    request = ChatRequest(
        model=_MODEL,
        messages=(Message("user", "hi"),),
        options=Options(extra={name: 1}),
    )
    with pytest.raises(InvalidInput, match=name):
        ollama_request.chat_body(
            request, context_tokens=64, think=None, keep_alive=None, may_shift=False
        )
