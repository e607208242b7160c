"""Parsers of programs that come with a model or an answer's form: templates in Go's language, and
schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from localai.chat.schema import from_document
from localai.errors import InvalidInput
from localai.net.framing import json_of
from localai.wires.go_templates import TemplateError
from localai.wires.ollama.prompts import render_prompt
from localai.wires.schemas.clouds import for_anthropic, for_openai
from localai.wires.schemas.grammar import held_by_grammar
from tests.campaigns.parser import Parser

_MESSAGES = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "A <b> question?"},
    {"role": "assistant", "content": "An answer.", "reasoning_content": "Hm."},
    {"role": "user", "content": "{{ .System }}"},
)
_GO = (
    b"{{ if .System }}<|system|>{{ .System }}{{ end }}{{ .Prompt }}<|a|>{{ .Response }}",
    b"""{{- range $i, $_ := .Messages }}{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if or (eq .Role "user") (and (eq .Role "system") $last) }}<|im_start|>{{ .Role }}
{{ .Content | printf "%s %q" }}<|im_end|>{{ else if .Thinking -}}<think>{{ .Thinking }}</think>
{{- end }}{{ if not $last }}{{ continue }}{{ else }}{{ break }}{{ end }}{{ end }}""",
    b'{{ define "t" }}{{ with index .Messages 0 }}{{ .Role }}{{ end }}{{ end }}{{ template "t" }}',
    b'{{/* c */}}{{ $x := `a` }}{{ $x = "b\\n" }}{{ json .Messages }}{{ currentDate }}{{ 1.5 }}',
)
_SCHEMAS = (
    b"""{"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]{2,5}$"},
 "b": {"type": ["integer", "null"], "minimum": 1}, "c": {"$ref": "#/$defs/x"}},
 "required": ["a"], "additionalProperties": false, "$defs": {"x": {"enum": ["p", 1, null]}}}""",
    b'{"anyOf": [{"type": "array", "items": {"$ref": "#"}, "maxItems": 3}, {"const": "x"}]}',
    b'{"allOf": [{"type": "object", "minProperties": 1}, {"properties": {"k": {"type": "null"}}}]}',
    b'{"oneOf": [{"required": ["a"]}, {"type": "string", "minLength": 2}], "not": {"const": 3}}',
)


def _go_template(content: bytes, _: Path) -> Any:
    text = render_prompt(content.decode(errors="replace"), _MESSAGES)
    assert isinstance(text, str)


def _grammar(content: bytes, _: Path) -> Any:
    """What of a schema an engine's grammar and the clouds hold, and an answer held against it."""
    schema = from_document(json_of(content), "it")
    json.dumps(held_by_grammar(schema.document).document)
    schema.violation('{"a": "bc", "b": [1, {"k": null}]}')
    for_openai(schema.document)
    for_anthropic(schema.document)


PARSERS = (
    Parser("Go template", _GO, _go_template, (TemplateError,), weight=6),
    Parser("schema as grammar", _SCHEMAS, _grammar, (InvalidInput, ValueError)),
)
