"""The same cases over every provider, against real servers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localai.errors import ContextOverflow, InvalidInput, NotFound, Unreachable
from localai.events import Done, Event, Events, Loading, ReasoningDelta, TextDelta
from localai.providers.registry import provider_names
from localai.types import ChatRequest, Message, Options, Tool, ToolCall
from tests.contract.conftest import ROWS
from tests.contract.rows import Subject, identity
from tests.support.answers import end_of, text_of
from tests.support.clock import becomes

HELPFUL = Message("system", "You are a helpful assistant.")
CAPITAL = Message("user", "What is the capital of France?")
GREEDY = Options(temperature=0.0, seed=1, max_tokens=24)


def ask(subject: Subject, *messages: Message, **changes: Any) -> Events:
    """The events of the answer to `messages`."""
    changes.setdefault("options", GREEDY)
    return subject.provider.stream(ChatRequest(subject.model, messages, **changes))


def answer(events: Events) -> tuple[str, Done]:
    """The text and the end of an answer; fails if the end is not the end."""
    gathered = list(events)
    return text_of(gathered), end_of(gathered)


@pytest.fixture(scope="module")
def told(real: Subject) -> list[Event]:
    """An answer, event by event, for the cases that look at the same one."""
    return list(ask(real, HELPFUL, CAPITAL))


def test_plain(real: Subject) -> None:
    text, done = answer(ask(real, CAPITAL))
    assert text.strip()
    assert done.finish_reason in ("stop", "length")


def test_usage_and_timings_are_the_servers_or_unknown(told: list[Event]) -> None:
    done = end_of(told)
    for count in (done.usage.input_tokens, done.usage.output_tokens):
        assert count is None or count > 0
    assert done.timings.total_s is not None and done.timings.total_s > 0
    assert done.timings.time_to_first_token_s is not None
    assert done.timings.time_to_first_token_s <= done.timings.total_s
    for rate in (done.timings.prefill_tokens_per_s, done.timings.decode_tokens_per_s):
        assert rate is None or 0 < rate < 1_000_000


def test_the_first_token_comes_out_of_the_prefill_and_is_not_decoded(real: Subject) -> None:
    _, done = answer(ask(real, HELPFUL, CAPITAL, options=replace(GREEDY, max_tokens=5)))
    count, timings = done.usage.output_tokens, done.timings
    assert count is not None and timings.decode_tokens == count - 1 > 0
    assert timings.decode_s is not None and timings.total_s is not None
    assert 0 < timings.decode_s < timings.total_s
    assert timings.decode_tokens_per_s == timings.decode_tokens / timings.decode_s


def test_an_answer_of_one_token_has_no_decode_speed(real: Subject) -> None:
    _, done = answer(ask(real, HELPFUL, CAPITAL, options=replace(GREEDY, max_tokens=1)))
    assert done.usage.output_tokens == 1
    assert done.timings.decode_tokens_per_s is None


def test_locality_says_what_it_rests_on(real: Subject, told: list[Event]) -> None:
    done = end_of(told)
    assert done.locality.evidence
    if real.model.zone is not None and done.locality.zone is not None:
        assert done.locality.zone >= real.model.zone


def test_what_was_warmed_does_not_load_and_leaves_memory_on_request(real: Subject) -> None:
    provider, model = real.provider, real.model
    provider.warm(ChatRequest(model, (HELPFUL, CAPITAL), options=GREEDY))
    assert provider.loaded(model) in (True, None)
    events = list(ask(real, HELPFUL, CAPITAL))
    assert not any(isinstance(each, Loading) and "loading" in each.message for each in events)
    if provider.loaded(model) is not None:
        provider.unload(model)
        assert becomes(lambda: provider.loaded(model) is False, within_s=10)
        provider.unload(model)
    assert "Paris" in answer(ask(real, HELPFUL, CAPITAL))[0]


def test_system_prompt(told: list[Event]) -> None:
    assert "Paris" in text_of(told)


def test_multi_turn(real: Subject) -> None:
    turns = (
        HELPFUL,
        CAPITAL,
        Message("assistant", "Paris."),
        Message("user", "And of Germany?"),
    )
    text, _ = answer(ask(real, *turns))
    assert "Berlin" in text


def test_unicode_arrives_whole(real: Subject) -> None:
    text, _ = answer(ask(real, HELPFUL, Message("user", "Repeat: Zoë 東京 🦙 naïve café")))
    assert not text.isascii()
    assert "\N{REPLACEMENT CHARACTER}" not in text


def test_stop(real: Subject) -> None:
    options = Options(temperature=0.0, seed=1, max_tokens=48, stop=("Paris",))
    text, done = answer(ask(real, HELPFUL, CAPITAL, options=options))
    assert "Paris" not in text
    assert done.finish_reason == "stop"


def test_max_tokens(real: Subject) -> None:
    options = Options(temperature=0.0, seed=1, max_tokens=3)
    text, done = answer(ask(real, HELPFUL, CAPITAL, options=options))
    assert text
    assert done.finish_reason == "length"
    assert done.usage.output_tokens in (3, None)


def test_greedy_answers_repeat(real: Subject, told: list[Event]) -> None:
    assert answer(ask(real, HELPFUL, CAPITAL))[0] == text_of(told)


def test_schema(real: Subject) -> None:
    cities = {"type": "string", "enum": ["Paris", "London", "Rome"]}
    schema = {"type": "object", "properties": {"capital": cities}, "required": ["capital"]}
    options = replace(GREEDY, max_tokens=48)
    text, _ = answer(ask(real, HELPFUL, CAPITAL, schema=schema, options=options))
    assert json.loads(text)["capital"] in cities["enum"]


def test_tools_are_refused_where_the_template_knows_none(real: Subject) -> None:
    tool = Tool("get_weather", "Tells the weather in a city.")
    with pytest.raises(InvalidInput, match="tools"):
        answer(ask(real, CAPITAL, tools=(tool,)))


def test_a_call_and_its_result_are_part_of_the_conversation(real: Subject) -> None:
    call = ToolCall("call_1", "get_weather", '{"city": "Paris"}')
    text, done = answer(
        ask(
            real,
            Message("user", "How is the weather in Paris?"),
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", "It rains.", tool_call_id="call_1"),
        )
    )
    assert text
    assert done.usage.input_tokens is None or done.usage.input_tokens > 10


def test_an_unknown_model_is_not_found(real: Subject) -> None:
    with pytest.raises(NotFound) as caught:
        real.provider.resolve("no-such-model-at-all")
    assert caught.value.hint or caught.value.command


def test_the_list_has_the_model(real: Subject) -> None:
    assert real.model.id in [model.id for model in real.provider.models()]


def test_overflowing_context_is_an_error_with_the_numbers(real: Subject) -> None:
    limit = real.model.context_limit or 8192
    long = Message("user", "one two three four five six seven eight nine ten " * (limit // 9))
    with pytest.raises(ContextOverflow) as caught:
        answer(ask(real, HELPFUL, long))
    assert caught.value.prompt_tokens is None or caught.value.prompt_tokens > limit
    assert caught.value.context_tokens in (limit, None)


def test_two_at_once(real: Subject) -> None:
    def one(_: int) -> str:
        return answer(ask(real, HELPFUL, CAPITAL))[0]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(one, range(2))
    assert "Paris" in first
    assert "Paris" in second


def test_cancel_stops_the_server(real: Subject) -> None:
    assert real.is_computing is not None
    story = Message("user", "Write a very long story about a lighthouse keeper.")
    endless = Options(temperature=0.8, seed=1, max_tokens=3000)
    events = ask(real, HELPFUL, story, options=endless)
    seen = 0
    for event in events:
        seen += isinstance(event, TextDelta | ReasoningDelta)
        if seen == 5:
            break
    assert real.is_computing()
    events.close()
    assert becomes(lambda: real.is_computing is not None and not real.is_computing(), within_s=15)
    # And it is free for the next question.
    assert "Paris" in answer(ask(real, HELPFUL, CAPITAL))[0]


def test_a_crash_in_mid_stream_is_an_error_and_the_next_question_is_answered(
    mortal: Subject,
) -> None:
    assert mortal.kill is not None
    story = Message("user", "Write a very long story about a lighthouse keeper.")
    seen = []
    with pytest.raises(Unreachable):
        for event in ask(mortal, HELPFUL, story, options=Options(seed=1, max_tokens=3000)):
            seen.append(event)
            if len([each for each in seen if isinstance(each, TextDelta)]) == 5:
                mortal.kill()
    assert any(isinstance(each, TextDelta) for each in seen)
    assert "Paris" in answer(ask(mortal, HELPFUL, CAPITAL))[0]


def test_every_provider_of_ours_has_a_row(tmp_path: Path) -> None:
    config, _ = identity(tmp_path)
    # Endpoints are the config's, so the registry has no name for their kind; two rows ask another
    # build of a provider the same.
    other_builds = {"binary", "newer_ollama"}
    assert set(ROWS) - other_builds == {*provider_names(config), "endpoint"}
    for name, row in ROWS.items():
        assert row.scripted is None or row.wire is not None, name
        assert row.real or row.scripted, name


def test_what_a_row_cannot_do_is_a_case_of_this_suite() -> None:
    from tests.contract import test_faults

    cases = {*globals(), *vars(test_faults)}
    for name, row in ROWS.items():
        assert set(row.cannot) <= cases, name
