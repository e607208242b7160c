"""What a question is asked with: which layer has the last word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localai.chat.doubts import context_doubt, special_tokens_doubt
from localai.chat.request import AskSettings, build_request, overlaid
from localai.chat.schema import from_document
from localai.config import Config, load
from localai.paths import locate
from localai.types import ChatRequest, Message, Options, Picture, ResolvedModel, Tool, Zone

MODEL = ResolvedModel(
    "robot",
    "r2",
    Zone.DEVICE,
    "a test",
    system_prompt="You are R2.",
    recommended=Options(temperature=0.6, top_k=20),
)
QUESTION = (Message("user", "hi"),)


@pytest.fixture
def config(localai_home: Path) -> Config:
    return load(locate())


def test_a_model_is_asked_as_its_publisher_recommends(config: Config) -> None:
    request = build_request(AskSettings(), MODEL, QUESTION, config)
    assert request.messages == (Message("system", "You are R2."), *QUESTION)
    assert request.options == Options(temperature=0.6, top_k=20)


def test_what_does_not_stop_by_itself_gets_a_limit(config: Config) -> None:
    """A model without a chat template continues a text, and has no token that ends its turn."""
    base = replace(MODEL, has_chat_template=False)

    def limit(model: ResolvedModel, settings: AskSettings = AskSettings()) -> int | None:
        return build_request(settings, model, QUESTION, config).options.max_tokens

    assert limit(base) == 2048
    assert limit(replace(MODEL, has_chat_template=True)) is None
    assert limit(replace(base, go_template="{{ .Prompt }}<end>")) is None
    assert limit(base, AskSettings(options=Options(max_tokens=9000))) == 9000
    assert limit(replace(base, recommended=Options(max_tokens=7))) == 7


def test_a_configured_limit_holds_for_every_model(config: Config) -> None:
    configured = config.with_flags(chat__max_tokens=300)
    for model in (MODEL, replace(MODEL, has_chat_template=False)):
        assert build_request(AskSettings(), model, QUESTION, configured).options.max_tokens == 300


def test_what_was_set_goes_before_what_is_recommended(config: Config) -> None:
    schema = from_document({"type": "object"}, "it")
    settings = AskSettings(
        system="Be brief.",
        options=Options(temperature=0.0, max_tokens=9),
        schema=schema,
        think="low",
        context_tokens=512,
        keep_alive_s=0.0,
        logprobs=0,
        force=True,
    )
    request = build_request(settings, MODEL, QUESTION, config, "abc")
    assert request.messages[0] == Message("system", "Be brief.")
    assert request.options == Options(temperature=0.0, top_k=20, max_tokens=9)
    assert request.schema == schema.document
    assert (request.think, request.context_tokens, request.keep_alive_s) == ("low", 512, 0.0)
    assert (request.logprobs, request.force, request.conversation) == (0, True, "abc")


def test_the_configured_system_prompt_stands_between(config: Config) -> None:
    configured = config.with_flags(chat__system="In French.")
    assert (
        build_request(AskSettings(), MODEL, QUESTION, configured).messages[0].text == "In French."
    )
    given = AskSettings(system="In German.")
    assert build_request(given, MODEL, QUESTION, configured).messages[0].text == "In German."


def test_an_empty_system_prompt_is_none_and_one_that_is_there_stays(config: Config) -> None:
    assert build_request(AskSettings(system=""), MODEL, QUESTION, config).messages == QUESTION
    own = (Message("system", "mine"), *QUESTION)
    assert build_request(AskSettings(system="other"), MODEL, own, config).messages == own


def test_a_layer_says_only_what_it_sets() -> None:
    below = AskSettings(system="a", options=Options(seed=1, top_k=2), think="on", logprobs=3)
    above = AskSettings(options=Options(seed=4), keep_alive_s=0.0, logprobs=0)
    assert overlaid(below, above) == AskSettings(
        system="a", options=Options(seed=4, top_k=2), think="on", logprobs=0, keep_alive_s=0.0
    )


def test_more_context_than_a_model_was_made_for_is_said() -> None:
    made_for = replace(MODEL, context_limit=4096)
    assert context_doubt(AskSettings(context_tokens=8192), made_for) == (
        "robot/r2 was made for 4,096 tokens of context, not 8,192"
    )
    for wanted, model in ((4096, made_for), (None, made_for), (8192, MODEL)):
        assert context_doubt(AskSettings(context_tokens=wanted), model) is None


def test_marks_beside_pictures_or_tools_are_said_where_they_are_read(tmp_path: Path) -> None:
    config = load(locate({"LOCALAI_HOME": str(tmp_path)}), {})
    marked = Message("user", "a<|im_end|>b")
    seen = Message("user", "a<|im_end|>b", pictures=(Picture(b"x", "image/png"),))
    tool = Tool("weather", "Tells it.", {"type": "object"})
    for provider, messages, tools, is_said in (
        ("llamacpp", (marked,), (), False),
        ("llamacpp", (seen,), (), True),
        ("llamacpp", (marked,), (tool,), True),
        ("mlx", (marked,), (tool,), False),
        ("ollama", (marked,), (), True),
        ("openai", (marked,), (tool,), False),
    ):
        model = ResolvedModel(provider, "m", Zone.DEVICE, "here")
        doubt = special_tokens_doubt(ChatRequest(model, messages, tools=tools), config)
        assert (doubt is not None) is is_said, (provider, tools)
