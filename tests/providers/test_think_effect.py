"""Where `--think` has no effect, that is said before the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from localai.chat.doubts import think_doubt
from localai.chat.request import AskSettings
from localai.config import load
from localai.engine.lifecycle import stop, workers
from localai.events import Doubt
from localai.paths import Paths, locate
from localai.providers.llamacpp import LlamaCpp
from localai.types import ChatRequest, Message, Options, ResolvedModel, Think
from localai.wires.anthropic.thinking import level_doubt
from tests.support.cloud_wires import model_info
from tests.support.thinking_template import THINKING_TEMPLATE

LEVELS_ONLY = (
    "{{ 'Reasoning: ' + (reasoning_effort or 'medium') }}"
    "{% for message in messages %}{{ message.content }}{% endfor %}<think>\n"
)
NEITHER = "{% for message in messages %}{{ message.content }}{% endfor %}<think>\n"
CANNOT_STOP = "starter cannot be told not to think: --think off has no effect"
NO_LEVELS = "starter knows no levels of thinking: --think high is --think on"


@pytest.fixture
def engine(home_with_starter: Paths) -> Iterator[LlamaCpp]:
    yield LlamaCpp(load(locate()), home_with_starter)
    for files, info in workers(home_with_starter):
        stop(files, info)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (THINKING_TEMPLATE, {"off": [], "on": [], "high": [NO_LEVELS]}),
        (LEVELS_ONLY, {"off": [CANNOT_STOP], "on": [], "high": []}),
        (NEITHER, {"off": [CANNOT_STOP], "on": [], "high": [NO_LEVELS]}),
    ],
    ids=["on and off", "levels only", "neither"],
)
def test_a_template_tells_whether_the_wish_has_an_effect(
    engine: LlamaCpp, template: str, said: dict[Think, list[str]]
) -> None:
    model = replace(engine.resolve("starter"), capabilities=frozenset({"completion", "thinking"}))
    asked = ChatRequest(
        model, (Message("user", "hi"),), Options(max_tokens=1), chat_template=template
    )
    for think, wanted in said.items():
        events = engine.stream(replace(asked, think=think))
        assert [each.message for each in events if isinstance(each, Doubt)] == wanted, think
    # An answer that goes on is asked for without thinking, and nobody wished for that.
    begun = replace(asked, messages=(*asked.messages, Message("assistant", "I")), think="off")
    assert not [each for each in engine.stream(begun) if isinstance(each, Doubt)]


@pytest.mark.parametrize(
    ("provider", "capabilities", "think", "said"),
    [
        ("ollama", {"completion"}, "on", "m is not known to think"),
        ("ollama", {"completion"}, "low", "m is not known to think"),
        ("ollama", {"completion"}, "off", None),
        ("ollama", {"completion"}, None, None),
        ("ollama", {"completion", "thinking"}, "on", None),
        ("openai", None, "on", None),
        ("lmstudio", {"thinking"}, "off", "lmstudio is not told whether to think: its own setting"),
        ("lmstudio", {"thinking"}, None, None),
    ],
)
def test_what_the_facts_tell_is_said_of_every_provider(
    localai_home: object, provider: str, capabilities: set[str] | None, think: Think, said: str
) -> None:
    known = None if capabilities is None else frozenset(capabilities)
    model = ResolvedModel(provider, "m", None, "", capabilities=known)  # type: ignore[arg-type]
    doubt = think_doubt(AskSettings(think=think), model, load(locate()))
    assert (doubt or "").startswith(said or "") and (doubt is None) is (said is None)
    assert think_doubt(AskSettings(), replace(model, think=think), load(locate())) == doubt


@pytest.mark.parametrize(
    ("kinds", "think", "says"),
    [(("adaptive",), "high", False), (("enabled", "disabled"), "high", False)],
)
def test_a_level_that_anthropic_takes_is_not_doubted(
    kinds: tuple[str, ...], think: Think, says: bool
) -> None:
    from anthropic.types import ModelInfo

    model = ResolvedModel("anthropic", "m", None, "")
    request = ChatRequest(model, (Message("user", "hi"),), think=think)
    document = model_info("m", thinking=kinds)
    assert (level_doubt(request, ModelInfo.construct(**document)) is not None) is says
