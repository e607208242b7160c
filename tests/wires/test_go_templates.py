"""Templates in Go's language: what they write, and what is refused."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.wires.go_templates import TemplateError, execute, parse
from localai.wires.ollama.prompts import render_prompt

VALUES = {
    "System": "Be brief.",
    "Empty": "",
    "Messages": [{"Role": "user", "Content": "Héy"}, {"Role": "assistant", "Content": "<Yo>"}],
}

WRITTEN = {
    "plain": "plain",
    "{{ .System }}": "Be brief.",
    "a  {{- .System -}}  \n b": "aBe brief.b",
    "{{- /* a comment with }} in it */ -}} x": "x",
    '{{ "}}" }}{{ `{{` }}': "}}{{",
    "{{ if .Empty }}a{{ else if .System }}b{{ else }}c{{ end }}": "b",
    "{{ with .System }}{{ . }}{{ end }}{{ with .Empty }}x{{ else }}y{{ end }}": "Be brief.y",
    "{{ range .Messages }}{{ .Role }};{{ end }}": "user;assistant;",
    "{{ range $i, $m := .Messages }}{{ $i }}{{ $m.Content }}{{ $.System }}{{ end }}": (
        "0HéyBe brief.1<Yo>Be brief."
    ),
    "{{ range .Empty2 }}x{{ else }}none{{ end }}": "none",
    "{{ $x := 1 }}{{ range .Messages }}{{ $x = .Role }}{{ end }}{{ $x }}": "assistant",
    "{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}": "1",
    "{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}"
    "{{ $last }} {{ end }}": "false true ",
    "{{ range .Messages }}{{ if eq .Role `user` }}{{ continue }}{{ end }}{{ .Role }}{{ end }}": (
        "assistant"
    ),
    "{{ range .Messages }}{{ .Role }}{{ break }}{{ end }}": "user",
    "{{ len (index .Messages 0).Content }}": "4",
    "{{ (index .Messages 1).Content | json }}": '"\\u003cYo\\u003e"',
    '{{ and .Empty (index .Messages 9) }}|{{ or "a" .Nope.Deeper }}': "|a",
    '{{ eq .System "x" "Be brief." }} {{ ne 1 2 }} {{ not .Empty }} {{ lt 1 2 }}': (
        "true true true true"
    ),
    '{{ printf "%s-%d%%" .System 3 }}': "Be brief.-3%",
    "{{ .Missing }}": "<no value>",
    '{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" .System }}': "[Be brief.]",
    "{{ slice .System 3 5 }}": "br",
    "{{ range 3 }}{{ . }}{{ end }}": "012",
}


@pytest.mark.parametrize("template", WRITTEN)
def test_a_template_writes_what_go_writes(template: str) -> None:
    assert execute(parse(template), VALUES) == WRITTEN[template]


REFUSED = (
    "{{ .System",
    "{{ end }}",
    "{{ if .System }}",
    "{{ call .System }}",
    "{{ $x }}",
    "{{ break }}",
    "{{ .System.Deeper }}",
    "{{ slice .System 3 99 }}",
    "{{ template `t` }}",
    "{{ define `t` }}{{ template `t` }}{{ end }}{{ template `t` }}",
    "{{ range 1000000 }}{{ range 1000000 }}{{ end }}{{ end }}",
    "{{ if true }}" * 5000,
    "{{ " + "(" * 5000,
    "{{ \x00 }}",
)


@pytest.mark.parametrize("template", REFUSED, ids=lambda each: each[:30])
def test_what_go_refuses_or_never_ends_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        execute(parse(template), VALUES)


@pytest.mark.clock
@pytest.mark.parametrize("template", ["{{" * 100_000, '{{ "" ' * 50_000, "{{ `" * 50_000])
def test_a_hostile_template_costs_no_time(template: str) -> None:
    begun = time.monotonic()
    with pytest.raises(TemplateError):
        parse(template)
    assert time.monotonic() - begun < 5


_PIECES = st.sampled_from(
    [
        *("{{", "}}", "{{-", "-}}", "(", ")", "|", ":=", "/*", "*/", '"', "`", ".", "$x", "1"),
        *("if", "end", "range", "else", "define", "with", "len", "slice", ".Messages", ".Role"),
    ]
)


@given(st.lists(_PIECES, max_size=30))
def test_whatever_the_template_it_writes_a_text_or_is_refused(pieces: list[str]) -> None:
    with contextlib.suppress(TemplateError):
        assert isinstance(render_prompt(" ".join(pieces), [{"role": "user", "content": "a"}]), str)


def conversation(*texts: str, system: str | None = None) -> list[dict[str, Any]]:
    """Questions and answers by turns, after a system prompt."""
    before = [] if system is None else [{"role": "system", "content": system}]
    roles = ("user", "assistant")
    return before + [
        {"role": roles[number % 2], "content": text} for number, text in enumerate(texts)
    ]


def test_a_template_of_one_turn_is_written_for_each() -> None:
    template = "{{ if .System }}S:{{ .System }} {{ end }}U:{{ .Prompt }} A:{{ .Response }}<end>\n"
    said = conversation("Hi", "Yo", "And?", system="Brief")
    assert render_prompt(template, said) == "S:Brief U:Hi A:Yo<end>\nU:And? A:"
    assert render_prompt("Q {{ .Prompt }}", conversation("Hi", "Yo", "And?")) == "Q HiYoQ And?"


def test_consecutive_messages_of_a_role_are_one() -> None:
    said = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert render_prompt("{{ range .Messages }}[{{ .Content }}]{{ end }}", said) == "[a\n\nb]"


def test_a_template_of_a_thinking_model_says_whether_it_shall_think() -> None:
    template = "{{ .IsThinkSet }} {{ .Think }} {{ .ThinkLevel }}{{ range .Messages }}"
    thinking = template + "{{ .Thinking }}{{ end }}"
    said = conversation("Hi")
    assert render_prompt(template + "{{ end }}", said) == "false false "
    assert render_prompt(thinking, said) == "true true medium"
    assert render_prompt(thinking, said, "off") == "true false "
    assert render_prompt(thinking, said, "high") == "true true high"
