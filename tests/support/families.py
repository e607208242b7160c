"""What the models of a family write: the format of their thoughts and of their calls of tools.

The chat templates themselves are the makers' own (`tests.servers.chat_templates`). What a model
writes follows its template, and llama.cpp's tests of the same templates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.weights import require

THOUGHT: Final = "I ask first."
ANSWER: Final = "It rains in Paris."

_NO_CALLS: Final = "mlx-lm cannot read how this model calls tools: llama.cpp can"
_XML: Final = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n"
    "</tool_call>"
)
_JSON: Final = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
_MISTRAL: Final = '[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}'
_LFM: Final = '<|tool_call_start|>[get_weather(city="Paris")]<|tool_call_end|>'
_KIMI: Final = (
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
    '<|tool_call_argument_begin|>{"city": "Paris"}<|tool_call_end|><|tool_calls_section_end|>'
)


@dataclass(frozen=True, slots=True)
class Family:
    """Models with one chat template.

    `thought` is what comes before an answer or a call of a model that thinks, `call` a call of
    `get_weather`, `answer` an answer. `marks` are the special tokens in them. `thinks` ends the
    prompt of a model that is to think, and `answers` that of one that is not to; None if the
    template cannot say so. `mlx_refuses` is what MLX's worker says of a conversation with tools, if
    it cannot have one.
    """

    template: str
    call: str
    thought: str = ""
    answer: str = ANSWER
    marks: tuple[str, ...] = ()
    thinks: str = ""
    answers: str | None = None
    mlx_refuses: str | None = None

    def chat_template(self) -> str:
        """The makers' own template."""
        return Path(require("chat-templates"), f"{self.template}.jinja").read_text()


FAMILIES: Final = {
    "Nemotron 3 Nano": Family(
        "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
        call=_XML,
        thought=f"{THOUGHT}\n</think>\n",
        marks=("<|im_start|>", "<|im_end|>", "</think>"),
        thinks="<|im_start|>assistant\n<think>\n",
        answers="<|im_start|>assistant\n<think></think>",
    ),
    "Ministral 3": Family(
        "mistralai-Ministral-3-14B-Reasoning-2512",
        call=_MISTRAL,
        thought=f"[THINK]{THOUGHT}[/THINK]",
        marks=("[INST]", "[/INST]", "[THINK]", "[/THINK]", "[TOOL_CALLS]", "[ARGS]"),
        thinks="[/INST]",
    ),
    "Devstral": Family(
        "unsloth-mistral-Devstral-Small-2507",
        call=_MISTRAL,
        marks=("[INST]", "[/INST]", "[TOOL_CALLS]", "[ARGS]"),
        thinks="[/INST]",
    ),
    "Granite 4": Family(
        "ibm-granite-granite-4.0",
        call=_JSON,
        marks=("<|start_of_role|>", "<|end_of_role|>", "<tool_call>", "</tool_call>"),
        thinks="<|start_of_role|>assistant<|end_of_role|>",
    ),
    "LFM 2.5, thinking": Family(
        "LFM2.5-8B-A1B",
        call=_LFM,
        thought=f"<think>{THOUGHT}</think>",
        marks=("<think>", "</think>", "<|tool_call_start|>", "<|tool_call_end|>"),
        thinks="<|im_start|>assistant\n",
    ),
    "LFM 2.5": Family(
        "LFM2.5-Instruct",
        call=_LFM,
        marks=("<|tool_call_start|>", "<|tool_call_end|>"),
        thinks="<|im_start|>assistant\n",
    ),
    "MiniMax M2": Family(
        "MiniMax-M2",
        call='<minimax:tool_call>\n<invoke name="get_weather">\n'
        '<parameter name="city">Paris</parameter>\n</invoke>\n</minimax:tool_call>',
        thought=f"{THOUGHT}\n</think>\n\n",
        marks=("]~b]", "[e~[", "</think>", "<minimax:tool_call>", "</minimax:tool_call>"),
        thinks="]~b]ai\n<think>\n",
    ),
    "MiniMax M3": Family(
        "MiniMax-M3",
        call=']<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="get_weather">]<]minimax[>['
        "<city>Paris]<]minimax[>[</city>]<]minimax[>[</invoke>\n]<]minimax[>[</tool_call>",
        thought=f"<mm:think>{THOUGHT}</mm:think>",
        marks=("]~b]", "[e~["),
        thinks="]~b]ai\n",
    ),
    "Kimi K2, thinking": Family(
        "Kimi-K2-Thinking",
        call=_KIMI,
        thought=f"<think>{THOUGHT}</think>",
        marks=(
            *("<think>", "</think>", "<|tool_calls_section_begin|>", "<|tool_call_begin|>"),
            *("<|tool_call_argument_begin|>", "<|tool_call_end|>", "<|tool_calls_section_end|>"),
        ),
        thinks="<|im_assistant|>assistant<|im_middle|>",
        # Of a call that was made it keeps the number in a list, which jinja2's sandbox forbids.
        mlx_refuses="access to attribute 'append' of 'list' object is unsafe",
    ),
    "Qwen 3": Family(
        "Qwen-Qwen3-0.6B",
        call=_JSON,
        thought=f"<think>\n{THOUGHT}\n</think>\n\n",
        marks=("<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"),
        thinks="<|im_start|>assistant\n",
        answers="<|im_start|>assistant\n<think>\n\n</think>\n\n",
    ),
    "Qwen 3.5": Family(
        "Qwen3.5-4B",
        call=_XML,
        thought=f"{THOUGHT}\n</think>\n\n",
        marks=("<|im_start|>", "<|im_end|>", "</think>", "<tool_call>", "</tool_call>"),
        thinks="<|im_start|>assistant\n<think>\n",
        answers="<|im_start|>assistant\n<think>\n\n</think>\n\n",
    ),
    "Qwen 3 Coder": Family(
        "Qwen3-Coder",
        call=_XML,
        marks=("<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"),
        thinks="<|im_start|>assistant\n",
    ),
    "Gemma 4": Family(
        "google-gemma-4-31B-it",
        call='<|tool_call>call:get_weather{city:<|"|>Paris<|"|>}<tool_call|>',
        thought=f"<|channel>thought\n{THOUGHT}<channel|>",
        marks=("<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>"),
        thinks="<|turn>model\n",
        answers="<|turn>model\n<|channel>thought\n<channel|>",
    ),
    "gpt-oss": Family(
        "openai-gpt-oss-120b",
        call="<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json"
        '<|message|>{"city": "Paris"}',
        thought=f"<|channel|>analysis<|message|>{THOUGHT}<|end|>",
        answer=f"<|start|>assistant<|channel|>final<|message|>{ANSWER}",
        marks=("<|constrain|>",),
        thinks="<|start|>assistant",
        mlx_refuses=_NO_CALLS,
    ),
    "GLM 4.7": Family(
        "GLM-4.7-Flash",
        call="<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value>"
        "</tool_call>",
        thought=f"{THOUGHT}</think>",
        marks=("</think>", "<tool_call>", "</tool_call>"),
        thinks="<|assistant|><think>",
        answers="<|assistant|></think>",
    ),
    "DeepSeek 4": Family(
        "deepseek-ai-DeepSeek-V4",
        call='<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_weather">\n'
        '<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
        thought=f"{THOUGHT}</think>",
        thinks="<｜Assistant｜><think>",
        answers="<｜Assistant｜></think>",
        mlx_refuses=_NO_CALLS,
    ),
}
