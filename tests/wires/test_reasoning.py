"""Thinking and answer are told apart, as models in the wild write them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from localai.answers import PartialAnswer
from localai.events import ReasoningDelta, ThinkingEnded
from localai.wires.reasoning.splitter import ReasoningSplitter
from tests.support.whole_texts import split_reasoning

THOUGHT = "<|channel|>analysis<|message|>Okay.<|end|>"
JSON_ANSWER = "<|channel|>final <|constrain|>JSON<|message|>{}"
CASES = [
    # An answer without any thinking.
    ("", "", ""),
    ("Hello.", "", "Hello."),
    ("  indented\n\n  stays\n", "", "  indented\n\n  stays\n"),
    ("a < b, and <b>bold</b>", "", "a < b, and <b>bold</b>"),
    # Qwen3, DeepSeek-R1 distills.
    ("<think>\nOkay.\n\nSo.\n</think>\n\nHello.", "Okay.\n\nSo.", "Hello."),
    ("\n\n<think>Okay.</think>Hello.", "Okay.", "Hello."),
    # Qwen3 with thinking off: the empty block is the template's.
    ("<think>\n\n</think>\n\nHello.", "", "Hello."),
    ("<Think>Okay.</Think> Hello.", "Okay.", "Hello."),
    ("<thinking>Okay.</thinking>\nHello.", "Okay.", "Hello."),
    # EXAONE Deep, Seed-OSS, Magistral, Kimi-VL, Command A, Sky-T1, Apertus, Gemma 4.
    ("<thought>\nOkay.\n</thought>\n\nHello.", "Okay.", "Hello."),
    ("<seed:think>Okay.</seed:think>Hello.", "Okay.", "Hello."),
    ("<mm:think>Okay.</mm:think>Hello.", "Okay.", "Hello."),
    ("</mm:think>Hello.", "", "Hello."),
    ("<longcat_think>\nOkay.</longcat_think>\nHello.", "Okay.", "Hello."),
    ("[THINK]Okay.[/THINK]Hello.", "Okay.", "Hello."),
    ("◁think▷Okay.◁/think▷Hello.", "Okay.", "Hello."),
    ("<|START_THINKING|>Okay.<|END_THINKING|>Hello.", "Okay.", "Hello."),
    ("<|begin_of_thought|>\n\nOkay.\n\n<|end_of_thought|>\n\nHello.", "Okay.", "Hello."),
    ("<|inner_prefix|>Okay.<|inner_suffix|>Hello.", "Okay.", "Hello."),
    ("<|channel>thought\nOkay.<channel|>Hello.", "Okay.", "Hello."),
    # The end that belongs to another spelling is part of the thinking.
    ("<think>A [/THINK] in it.</think>Hello.", "A [/THINK] in it.", "Hello."),
    # Thinking again between two parts of the answer (MiniMax-M2, GLM).
    ("<think>A.</think>One.\n\n<think>B.</think>\nTwo.", "A.B.", "One.\n\nTwo."),
    # Answers about the tags, not thinking.
    ("Models use `<think>` and `</think>` tags.", "", "Models use `<think>` and `</think>` tags."),
    ("Use <think> so.", "", "Use <think> so."),
    (
        "Like this:\n```xml\n<think>\nhm\n</think>\n```\nDone.",
        "",
        "Like this:\n```xml\n<think>\nhm\n</think>\n```\nDone.",
    ),
    ("- ~~~~\n  ~~~\n  <think>\n  ~~~~\nx", "", "- ~~~~\n  ~~~\n  <think>\n  ~~~~\nx"),
    ("<think>A.</think>Say `<think>`,\nor </think>.", "A.", "Say `<think>`,\nor </think>."),
    # A fence that was still open in the thinking does not swallow the answer.
    ("<think>\n```py\nx = 1\n</think>\nHello.", "```py\nx = 1", "Hello."),
    # gpt-oss.
    (
        THOUGHT + "<|start|>assistant<|channel|>final<|message|>Hello.<|return|>",
        "Okay.",
        "Hello.",
    ),
    (
        f"<|start|>assistant{THOUGHT}<|channel|>commentary<|message|>B.<|end|>{JSON_ANSWER}",
        "Okay.\n\nB.",
        "{}",
    ),
    (THOUGHT + "Hello.", "Okay.", "Hello."),
    ("<|channel|>assistant<|message|>Hello.<|return|>", "", "Hello."),
    # gpt-oss through a tokenizer that dropped the control tokens.
    ("analysisWe need to greet.assistantfinalHello.", "We need to greet.", "Hello."),
    ("analysis of the text", "", "analysis of the text"),
]


def split_in_pieces(
    text: str, sizes: list[int], *, starts_in_reasoning: bool = False
) -> tuple[ReasoningSplitter, str, str]:
    splitter = ReasoningSplitter(starts_in_reasoning=starts_in_reasoning)
    thoughts, answer, position, deltas = "", "", 0, []
    for size in sizes:
        deltas += splitter.feed(text[position : position + size])
        position += size
    deltas += splitter.feed(text[position:])
    deltas += splitter.close()
    for delta in deltas:
        if isinstance(delta, ThinkingEnded):
            continue
        assert delta.text
        if isinstance(delta, ReasoningDelta):
            thoughts += delta.text
        else:
            answer += delta.text
    return splitter, thoughts, answer


@pytest.mark.parametrize(("text", "thoughts", "answer"), CASES)
def test_thinking_and_answer_are_parted(text: str, thoughts: str, answer: str) -> None:
    assert split_reasoning(text) == (thoughts, answer)
    assert split_in_pieces(text, [1] * len(text))[1:] == (thoughts, answer)


@pytest.mark.parametrize(
    ("text", "thoughts", "answer"),
    [
        # Qwen3-Thinking-2507, DeepSeek-R1: the prompt ends with the opening tag.
        ("Okay.\n</think>\n\nHello.", "Okay.", "Hello."),
        ("Okay.</think>391", "Okay.", "391"),
        # Models that write it again all the same.
        ("\n<think>\nOkay.\n</think>\n\nHello.", "Okay.", "Hello."),
        ("Okay.</seed:think>Hello.", "Okay.", "Hello."),
    ],
)
def test_a_prompt_that_ends_in_the_opening_tag(text: str, thoughts: str, answer: str) -> None:
    assert split_reasoning(text, starts_in_reasoning=True) == (thoughts, answer)
    pieces = split_in_pieces(text, [1] * len(text), starts_in_reasoning=True)
    assert pieces[1:] == (thoughts, answer)


@pytest.mark.parametrize(
    "text", ["A greeting.\n</think>\n\nHi! How are you?", "A greeting.</think>Hi! How are you?"]
)
def test_an_answer_that_was_gathered_knows_that_what_came_first_was_thinking(text: str) -> None:
    partial = PartialAnswer()
    splitter = ReasoningSplitter()
    for event in [*(each for letter in text for each in splitter.feed(letter)), *splitter.close()]:
        partial.add(event)
    assert (partial.reasoning, partial.text) == ("A greeting.", "Hi! How are you?")


@pytest.mark.parametrize(
    "text",
    [
        'The end is "</think>" in quotes.',
        "The end is `</think>` in code.",
        "```\n</think>\n```\nstands in a fence.",
        "Say “</think>” and “</thinking>”.",
        "'</think>' is the end of '<think>'.",
    ],
)
def test_an_end_that_the_answer_speaks_of_is_part_of_it(text: str) -> None:
    for sizes in ([], [1] * len(text)):
        splitter, thoughts, answer = split_in_pieces(text, sizes)
        assert (thoughts, answer, splitter.late_close) == ("", text, False)


@pytest.mark.parametrize(
    "text", ["A greeting.\n</think>\n\nHi! How are you?", "A greeting.</think>Hi! How are you?"]
)
def test_an_end_without_a_start_is_reported_and_understood_in_the_whole(text: str) -> None:
    splitter, thoughts, answer = split_in_pieces(text, [1] * len(text))
    assert splitter.late_close
    assert "</think>" not in thoughts + answer
    assert split_reasoning(text) == ("A greeting.", "Hi! How are you?")


@pytest.mark.parametrize(
    ("text", "starts_in_reasoning", "unclosed"),
    [
        ("<think>\nOn and on", False, True),
        ("On and on", True, True),
        ("<think>A.</think>", False, False),
        ("Hello.", False, False),
        ("<|channel|>analysis<|message|>On and on", False, True),
        ("<|channel|>final<|message|>Hello.", False, False),
    ],
)
def test_thinking_that_never_ends_is_reported(
    text: str, starts_in_reasoning: bool, unclosed: bool
) -> None:
    splitter, _, answer = split_in_pieces(text, [3] * 20, starts_in_reasoning=starts_in_reasoning)
    assert splitter.unclosed is unclosed
    assert not (unclosed and answer)


def test_text_is_not_held_back_without_need() -> None:
    splitter = ReasoningSplitter()
    shown = ""
    for character in "Hello, world.\nNext line":
        shown += "".join(getattr(delta, "text", "") for delta in splitter.feed(character))
        assert len(shown) > 0
    assert shown == "Hello, world.\nNext line"


TAGS = ["<think>", "</think>", "<thinking>", "[THINK]", "[/THINK]", "<", "<|", "</th"]
HARMONY = ["<|channel|>", "<|message|>", "<|end|>", "<|start|>assistant", "analysis", "final"]
FRAGMENTS = [*TAGS, *HARMONY, "assistantfinal", *"` \n", "```", "~~~\n", "\n\n", "Word.", "- "]


@given(
    st.lists(st.sampled_from(FRAGMENTS), max_size=15).map("".join),
    st.lists(st.integers(0, 6), max_size=40),
    st.booleans(),
)
@settings(max_examples=300)
@example("<|channel|>analysis<|message|>A.<|end|>", [11, 20], False)
def test_how_the_text_is_cut_makes_no_difference(
    text: str, sizes: list[int], starts_in_reasoning: bool
) -> None:
    whole = split_in_pieces(text, [], starts_in_reasoning=starts_in_reasoning)
    parts = split_in_pieces(text, sizes, starts_in_reasoning=starts_in_reasoning)
    assert parts[1:] == whole[1:]
    assert parts[0].late_close == whole[0].late_close
    assert parts[0].unclosed == whole[0].unclosed


@pytest.mark.parametrize(
    ("text", "thoughts", "answer"),
    [
        # A block within a block, as brackets.
        ("<think>a <think>b</think> c</think>d", "a <think>b\nc", "d"),
        ("<think>a\n<think>\nb\n</think>\nc\n</think>\nd", "a\n<think>\nb\nc", "d"),
        ("<think><think>a</think></think>b", "a", "b"),
        ("<think>a <think>b</think>d", "a <think>b", "d"),
        # An end that the thinking speaks of is not the last.
        ("<think>I write `</think>` there.</think>Hi", "I write `\n` there.", "Hi"),
        ('<think>the tag "</think>" ends it</think>Hi', 'the tag "\n" ends it', "Hi"),
        ("<think>\n```\n</think>\n```\nx\n</think>\nHi", "```\n```\nx", "Hi"),
        # Tags without quotes, within a sentence or as a pair.
        ("Say </think> to end. More.", "", "Say </think> to end. More."),
        ("To close it use the </think>.", "", "To close it use the </think>."),
        ("It emits <think>hm</think> first.", "", "It emits <think>hm</think> first."),
        ("<think>A.</think>One </think> two.", "A.", "One </think> two."),
        # What was an answer stays one.
        (
            "<think>A.</think>One.\n<think>B <think> C.</think>\nTwo </think> three",
            "A.B <think> C.",
            "One.\nTwo </think> three",
        ),
    ],
)
def test_tags_match_as_brackets_in_the_whole(text: str, thoughts: str, answer: str) -> None:
    assert split_reasoning(text) == (thoughts, answer)
    assert _gathered(text, [1] * len(text)) == (thoughts, answer)


def _gathered(text: str, sizes: list[int]) -> tuple[str, str]:
    partial, splitter, position = PartialAnswer(), ReasoningSplitter(), 0
    for size in [*sizes, len(text)]:
        for event in splitter.feed(text[position : position + size]):
            partial.add(event)
        position += size
    for event in splitter.close():
        partial.add(event)
    return partial.reasoning, partial.text


@given(
    st.lists(st.sampled_from([*TAGS, *"` \n", "```", "\n\n", "Word.", "- "]), max_size=15),
    st.lists(st.integers(0, 6), max_size=40),
)
@settings(max_examples=300)
def test_whatever_the_tags_no_word_is_lost(fragments: list[str], sizes: list[int]) -> None:
    text = "".join(fragments)
    thoughts, answer = split_reasoning(text)
    assert (thoughts + answer).count("Word.") == text.count("Word.")
    assert _gathered(text, sizes) == (thoughts, answer)
    _, seen, shown = split_in_pieces(text, sizes)
    assert (seen + shown).count("Word.") == text.count("Word.")
