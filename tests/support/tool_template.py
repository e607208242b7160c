"""A chat template that knows tools, in the form that Qwen and Hermes use, for SmolLM2.

After two conversations in which a tool was called, the 135M model calls it for a third.
"""

from __future__ import annotations

import json
from pathlib import Path

from localai.types import Message, Tool, ToolCall
from tests.support.rewriting import rewrite

TOOL_TEMPLATE = r"""
{%- if tools %}
    {{- '<|im_start|>system\nYou may call functions:' }}
    {%- for tool in tools %}
        {{- '\n' }}{{- tool | tojson }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role }}
    {%- if message.content or not message.tool_calls %}
        {{- '\n' + message.content }}
    {%- endif %}
    {%- for tool_call in message.tool_calls or [] %}
        {%- set tool_call = tool_call.function %}
        {{- '\n<tool_call>\n{"name": "' }}{{- tool_call.name }}
        {{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""
WEATHER = Tool(
    "get_weather",
    "Tells the weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


def _asked_before(number: int, city: str, weather: str) -> tuple[Message, ...]:
    call = ToolCall(f"c{number}", WEATHER.name, json.dumps({"city": city}))
    return (
        Message("user", f"How is the weather in {city}?"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", weather, tool_call_id=call.id),
        Message("assistant", f"It is {weather} in {city}."),
    )


CONVERSATION = (
    *_asked_before(1, "Rome", "sunny"),
    *_asked_before(2, "Berlin", "cloudy"),
    Message("user", "How is the weather in Paris?"),
)


def gguf_with_template(target: Path, source: Path, template: str) -> Path:
    """A copy of the GGUF file `source` at `target` whose chat template is `template`."""
    rewrite(source, target, {"tokenizer.chat_template": template})
    return target


def mlx_with_template(target: Path, source: Path, template: str) -> Path:
    """The MLX folder `source` at `target`, of links, with another chat template."""
    target.mkdir()
    for file in source.iterdir():
        if file.name != "tokenizer_config.json":
            (target / file.name).symlink_to(file)
    config = json.loads((source / "tokenizer_config.json").read_text())
    config["chat_template"] = template
    (target / "tokenizer_config.json").write_text(json.dumps(config))
    return target
