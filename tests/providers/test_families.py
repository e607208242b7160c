"""The chat templates of this year's families on the real engine: what a model reads, and what is
read of it. A model of a few tokens says what theirs say (`tests.support.scripted_model`)."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from localai.answers import Answer, PartialAnswer, gather
from localai.config.reading import load
from localai.paths import Paths, locate
from localai.providers.llamacpp import LlamaCpp
from localai.types import ChatRequest, Message, Options, Think
from tests.support.command import stop_processes_of
from tests.support.families import ANSWER, FAMILIES, THOUGHT, Family
from tests.support.scripted_model import write_scripted
from tests.support.tool_template import CONVERSATION, WEATHER

SYSTEM = Message("system", "Be brief, Zora.")
EVERY_FAMILY = pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))


@dataclass(frozen=True, slots=True)
class Engine:
    """The embedded engine in a home that all families share, one after the other."""

    paths: Paths
    provider: LlamaCpp

    def request(self, family: Family, text: str, messages: tuple[Message, ...]) -> ChatRequest:
        """A request to a model of the family that says `text`."""
        file = self.paths.data_dir / f"{family.template}.gguf"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_scripted(
            file,
            text,
            template=family.chat_template(),
            marks=[each for each in family.marks if text.count(each) < 2],
            seed=len(text),
        )
        options = Options(temperature=0.0, max_tokens=200)
        model = self.provider.resolve(str(file))
        return ChatRequest(model, messages, options, tools=(WEATHER,), context_tokens=8192)

    def answer(self, request: ChatRequest) -> Answer:
        return gather(self.provider.stream(request), PartialAnswer(request.model))

    def prompt(self, request: ChatRequest, think: Think | None = None) -> str:
        rendered = self.provider.rendered(replace(request, think=think))
        assert rendered is not None
        return rendered.text


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    home = Path(tempfile.mkdtemp(prefix="localai-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALAI_HOME", str(home))
        yield Engine(locate(), LlamaCpp(load(locate()), locate()))
    stop_processes_of(home)
    shutil.rmtree(home, ignore_errors=True)


@EVERY_FAMILY
def test_a_call_is_told_from_the_thoughts_before_it(engine: Engine, family: Family) -> None:
    request = engine.request(family, family.thought + family.call, (SYSTEM, *CONVERSATION))
    prompt = engine.prompt(request)
    for text in (SYSTEM.text, WEATHER.name, WEATHER.description, "Rome", "sunny"):
        assert text in prompt
    assert prompt.index("Be brief") < prompt.index("Rome") < prompt.index("weather in Paris")
    assert prompt.endswith(family.thinks)

    answer = engine.answer(request)
    [call] = answer.tool_calls
    assert (call.name, json.loads(call.arguments)) == (WEATHER.name, {"city": "Paris"})
    assert (answer.text, answer.done.finish_reason) == ("", "tool_calls")
    assert answer.reasoning.strip() == (THOUGHT if family.thought else "")


def test_a_level_of_thinking_is_what_the_model_reads(engine: Engine) -> None:
    family = FAMILIES["gpt-oss"]
    request = engine.request(family, family.thought + family.answer, CONVERSATION[-1:])
    for level in ("low", "high"):
        assert f"Reasoning: {level}" in engine.prompt(request, level)
    assert "Reasoning: medium" in engine.prompt(request)


@EVERY_FAMILY
def test_an_answer_is_told_from_the_thoughts_before_it(engine: Engine, family: Family) -> None:
    request = engine.request(family, family.thought + family.answer, CONVERSATION[-1:])
    request = replace(request, tools=())
    answer = engine.answer(request)
    assert (answer.text, answer.tool_calls) == (ANSWER, ())
    assert answer.reasoning.strip() == (THOUGHT if family.thought else "")
    assert engine.prompt(request, "on").endswith(family.thinks)
    assert engine.prompt(request, "off").endswith(family.answers or family.thinks)
