"""Parsers of what somebody passes on to be used with a model: Modelfiles, presets, chat templates,
pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localai.chat.chat_template import read_chat_template
from localai.chat.inputs import read_picture
from localai.errors import InvalidInput
from localai.stores.modelfile import modelfile_text, read_modelfile
from localai.stores.presets import Preset, preset_text, read_preset
from localai.wires.chat_templates import template_problems, template_suspicions, words_of_engine
from tests.campaigns.parser import Parser, file_of

_MODELFILE = b'''# x
FROM qwen3:8b
PARAMETER temperature 0.5
PARAMETER stop "a"
PARAMETER num_ctx 4096
SYSTEM """Be
brief."""
MESSAGE user Is it "fine"?
MESSAGE assistant """Yes."""
ADAPTER /models/a.gguf
TEMPLATE """{{ .Prompt }}"""
'''
_PRESET = b"""from = "qwen3:8b"
system = "You review code."
context = 16384
kv = "q8_0"
think = "off"
adapter = "/models/tuned-lora.gguf"
[options]
temperature = 0
stop = ["a", "b"]
[[messages]]
role = "user"
text = "x"
"""
_TEMPLATE = b"""{%- for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m.content }}
{%- if m.tool_calls is defined %}{% raw %}{{ x }}{% endraw %}{# note #}{% endif -%}
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""
_ENGINE_SAYS = b"""Unable to generate parser for this template. Automatic parser generation failed:
------------
While executing CallExpression at line 3, column 12 in source:
...
Error: Jinja Exception: Conversation roles must alternate
"""
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde"


def _same(preset: Preset, folder: Path) -> None:
    """It reads as it was written, in either form, unless a Modelfile cannot hold it."""
    again = read_preset(file_of(f"{preset.name}.toml", preset_text(preset).encode(), folder))
    assert again == preset, "it is not written as it was"
    try:
        text = modelfile_text(preset)
    except InvalidInput:
        return
    held = read_modelfile(preset.name, text)
    assert held.preset.base == preset.base, "another model"
    assert held.preset.adapter == preset.adapter, "another adapter"
    assert len(held.preset.messages) == len(preset.messages), "other messages"


def _modelfile(content: bytes, folder: Path) -> Any:
    _same(read_modelfile("p", content.decode(errors="replace")).preset, folder)


def _preset(content: bytes, folder: Path) -> Any:
    _same(read_preset(file_of("p.toml", content, folder)), folder)


def _chat_template(content: bytes, folder: Path) -> Any:
    text = content.decode(errors="replace")
    template_problems(text)
    template_suspicions(text)
    words_of_engine(text)
    return read_chat_template(file_of("t.jinja", content, folder))


PARSERS = (
    Parser("Modelfile", (_MODELFILE,), _modelfile),
    Parser("preset", (_PRESET,), _preset),
    Parser("chat template", (_TEMPLATE, _ENGINE_SAYS), _chat_template, weight=6),
    Parser("picture", (_PNG,), lambda c, at: read_picture(str(file_of("a.png", c, at)))),
)
