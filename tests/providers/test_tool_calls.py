"""A model that knows tools calls one, and its result goes back: real engines, real calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from localai.answers import Answer, PartialAnswer, gather
from localai.chat.recorder import DatabaseRecorder
from localai.chat.resume import resume
from localai.chat.turn_tree import messages_of
from localai.engine.lifecycle import stop, workers
from localai.errors import InvalidInput
from localai.paths import Paths
from localai.providers.llamacpp import LlamaCpp
from localai.providers.mlx import INTERPRETER_VARIABLE, Mlx
from localai.providers.provider import Provider
from localai.types import ChatRequest, Message, NamedTool, Options, ResolvedModel, ToolChoice
from tests.contract.rows import identity
from tests.support.tool_template import (
    CONVERSATION,
    TOOL_TEMPLATE,
    WEATHER,
    gguf_with_template,
    mlx_with_template,
)


@dataclass(frozen=True)
class Subject:
    """A provider, a model of it that knows tools, and the home in which it is kept."""

    provider: Provider
    model: ResolvedModel
    paths: Paths

    def answer(
        self, messages: tuple[Message, ...], choice: ToolChoice | None = None, max_tokens: int = 48
    ) -> Answer:
        options = Options(temperature=0.0, seed=1, max_tokens=max_tokens)
        request = ChatRequest(
            self.model,
            messages,
            options,
            tools=(WEATHER,),
            tool_choice=choice,
            context_tokens=1024,
        )
        return gather(self.provider.stream(request), PartialAnswer(self.model))


@pytest.fixture(scope="module", params=["llamacpp", "mlx"])
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subject]:
    config, paths = identity(tmp_path_factory.mktemp("tools"))
    model = tmp_path_factory.mktemp("models") / "with-tools"
    provider: Provider
    with pytest.MonkeyPatch.context() as environment:
        if request.param == "mlx":
            interpreter = request.getfixturevalue("mlx_python")
            environment.setenv(INTERPRETER_VARIABLE, str(interpreter))
            mlx_with_template(model, request.getfixturevalue("mlx_model_path"), TOOL_TEMPLATE)
            provider = Mlx(config, paths)
        else:
            model = model.with_suffix(".gguf")
            gguf_with_template(model, request.getfixturevalue("smollm2_path"), TOOL_TEMPLATE)
            provider = LlamaCpp(config, paths)
        try:
            yield Subject(provider, provider.resolve(str(model)), paths)
        finally:
            for files, info in workers(paths):
                stop(files, info)
            if model.is_file():
                model.unlink()


def test_a_call_comes_back_is_kept_and_its_result_is_answered(subject: Subject) -> None:
    called = subject.answer(CONVERSATION)
    [call] = called.tool_calls
    assert (call.name, json.loads(call.arguments)) == (WEATHER.name, {"city": "Paris"})
    assert (called.text, called.done.finish_reason) == ("", "tool_calls")

    recorder = DatabaseRecorder(subject.paths.database, command="test", problem=pytest.fail)
    recorder.question(CONVERSATION[-1])
    recorder.answer_begins(subject.model)
    for event in (call, called.done):
        recorder.event(event)
    recorder.question(Message("tool", "It rains.", tool_call_id=call.id))
    kept = messages_of(resume(subject.paths.database, recorder.conversation_id).tree.branch())
    assert [each.role for each in kept] == ["user", "assistant", "tool"]
    assert (kept[1].tool_calls, kept[2].tool_call_id) == ((call,), call.id)

    answered = subject.answer((*CONVERSATION[:-1], *kept), max_tokens=16)
    assert "rain" in answered.text and "Paris" in answered.text
    assert answered.tool_calls == ()


@pytest.mark.parametrize("choice", ["required", NamedTool(WEATHER.name)])
def test_a_demanded_call_is_made_or_the_demand_refused(
    subject: Subject, choice: ToolChoice
) -> None:
    if subject.provider.name == "mlx":
        with pytest.raises(InvalidInput, match="its models choose"):
            subject.answer(CONVERSATION, choice)
        return
    called = subject.answer(CONVERSATION, choice)
    assert [each.name for each in called.tool_calls] == [WEATHER.name]
    assert called.done.finish_reason == "tool_calls"


def test_where_no_call_is_wanted_none_is_made(subject: Subject) -> None:
    answered = subject.answer(CONVERSATION, "none", max_tokens=24)
    assert answered.tool_calls == ()
    assert answered.done.finish_reason in ("stop", "length")
