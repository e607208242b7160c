"""The chat templates of this year's families in MLX's worker: what a model reads, and what is read
of it. mlx-lm infers both from the template, and not all of them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localai.answers import Answer, PartialAnswer, gather
from localai.events import Locality
from localai.types import ChatRequest, Message, Options, ResolvedModel, Think, Zone
from localai.wires.chat_completions.client import read_stream, request_body
from localai.wires.clock import AnswerClock
from tests.support.families import ANSWER, FAMILIES, THOUGHT, Family
from tests.support.tool_template import CONVERSATION, WEATHER

ROOT = Path(__file__).parents[3]
SYSTEM = Message("system", "Be brief, Zora.")
MODEL = ResolvedModel("mlx", "m", Zone.DEVICE, "a test")
# mlx-lm takes the calls of MiniMax M3, a model for servers, for another form, and they stay text.
EVERY_FAMILY = pytest.mark.parametrize("name", sorted(FAMILIES.keys() - {"MiniMax M3"}))
Said = dict[tuple[str, str], dict[str, Any]]


def case(family: Family, says: str, messages: tuple[Message, ...], think: Think | None) -> Any:
    calls = says.endswith(family.call)
    request = ChatRequest(MODEL, messages, Options(), tools=(WEATHER,) if calls else ())
    options = {} if think is None else {"enable_thinking": think == "on"}
    # A model that thinks has the tags as tokens, though its template may not open the thoughts.
    tags = ["<think>", "</think>"] if "</think>" in family.thought else []
    return {
        "template": family.chat_template(),
        "marks": sorted({*family.marks, *tags}),
        "body": request_body(request),
        "options": options,
        "says": says,
    }


@pytest.fixture(scope="module")
def said(mlx_python: Path) -> Said:
    """What came of all families, asked for in one process: by the family's name and the kind."""
    cases = {}
    for name, family in FAMILIES.items():
        asked = CONVERSATION[-1:]
        whole = (SYSTEM, *CONVERSATION)
        cases[name, "call"] = case(family, family.thought + family.call, whole, None)
        cases[name, "answer"] = case(family, family.thought + family.answer, asked, "on")
        cases[name, "off"] = case(family, family.answer, asked, "off")
    done = subprocess.run(
        [mlx_python, "-m", "tests.support.mlx_families"],
        input=json.dumps(list(cases.values())),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(cases, json.loads(done.stdout), strict=True))


def answer_of(chunks: list[Any]) -> Answer:
    here = Locality(Zone.DEVICE, "a test")
    events = (event for event in read_stream(chunks, here, AnswerClock()))
    return gather(events, PartialAnswer(MODEL))


@EVERY_FAMILY
def test_a_call_is_told_from_the_thoughts_before_it(said: Said, name: str) -> None:
    family, whole = FAMILIES[name], said[name, "call"]
    if family.mlx_refuses is not None:
        assert family.mlx_refuses in whole["error"]
        return
    prompt = whole["prompt"]
    for text in (SYSTEM.text, WEATHER.name, WEATHER.description, "Rome", "sunny"):
        assert text in prompt
    assert prompt.endswith(family.thinks)
    answer = answer_of(whole["chunks"])
    [call] = answer.tool_calls
    assert (call.name, json.loads(call.arguments)) == (WEATHER.name, {"city": "Paris"})
    assert (answer.text, answer.done.finish_reason) == ("", "tool_calls")
    assert answer.reasoning == (THOUGHT if family.thought else "")


@EVERY_FAMILY
def test_an_answer_is_told_from_the_thoughts_before_it(said: Said, name: str) -> None:
    family, thought, plain = FAMILIES[name], said[name, "answer"], said[name, "off"]
    answer = answer_of(thought["chunks"])
    assert (answer.text, answer.tool_calls) == (ANSWER, ())
    assert answer.reasoning == (THOUGHT if family.thought else "")
    assert thought["prompt"].endswith(family.thinks)
    assert plain["prompt"].endswith(family.answers or family.thinks)
    if family.answers is not None:
        assert answer_of(plain["chunks"]).text == ANSWER
