"""The parts of a request, and the readers of its values, that the wire formats share. No I/O."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.finite import is_finite
from localai.patterns import lazy_pattern
from localai.types import (
    ChatRequest,
    Message,
    NamedTool,
    Options,
    Picture,
    ResolvedModel,
    Think,
    Tool,
    ToolChoice,
)
from localai.wires.pictures import kind_of, require_bounded

_MARKS_BEGIN_WITH = "<[◁"
_MEDIA_TYPE = lazy_pattern(r"image/[a-z0-9.+-]{1,40}")


def may_have_special_tokens(texts: Iterable[Any]) -> bool:
    """Whether a model's own mark could stand in one of the texts. Most questions need no more, and
    the module that knows special tokens takes a millisecond to import."""
    return any(
        isinstance(text, str) and begin in text for text in texts for begin in _MARKS_BEGIN_WITH
    )


@dataclass(frozen=True, slots=True)
class RequestParts:
    """A client's request to a server: a `ChatRequest` whose model is still only a name.

    `stream` says that the client wants the answer piece by piece, `include_usage` that the stream
    is to end with its token counts.
    """

    model: str
    messages: tuple[Message, ...]
    options: Options = field(default_factory=Options)
    schema: Mapping[str, Any] | None = None
    think: Think | None = None
    context_tokens: int | None = None
    keep_alive_s: float | None = None
    logprobs: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    stream: bool = False
    include_usage: bool = True

    @property
    def offered_tools(self) -> tuple[Tool, ...]:
        """The tools that the model may call; empty if the client chose `none`."""
        return () if self.tool_choice == "none" else self.tools

    def request(self, model: ResolvedModel) -> ChatRequest:
        """The request to `model`, the model that the client's name was resolved to."""
        return ChatRequest(
            model,
            self.messages,
            self.options,
            schema=self.schema,
            think=self.think,
            context_tokens=self.context_tokens,
            keep_alive_s=self.keep_alive_s,
            logprobs=self.logprobs,
            tools=self.tools,
            tool_choice=self.tool_choice,
        )


# Writing


def base64_of(picture: Picture) -> str:
    """The picture's bytes as text."""
    return base64.b64encode(picture.data).decode()


def data_url(picture: Picture) -> str:
    """The picture as a `data:` URL."""
    return f"data:{picture.media_type};base64,{base64_of(picture)}"


def arguments_of(text: str) -> Any:
    """The arguments of a tool call, parsed from their JSON; the text itself if it is no JSON."""
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text


def split_system(messages: Sequence[Message]) -> tuple[str, tuple[Message, ...]]:
    """The text of the system messages at the beginning, and the other messages."""
    count = next((i for i, each in enumerate(messages) if each.role != "system"), 0)
    return "\n\n".join(each.text for each in messages[:count]), tuple(messages[count:])


# Reading


def picture_of_base64(text: str, media_type: str | None = None) -> Picture:
    """The picture in base64 text. Without a media type, the picture's first bytes tell the type.

    Raises InvalidInput.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidInput(f"a picture is not base64: {error}") from error
    require_bounded(data, "a picture")
    return Picture(data, media_type or _media_type(data))


def picture_of_url(url: str) -> Picture:
    """The picture of a `data:` URL. Raises InvalidInput for any other URL: nothing is fetched."""
    head, comma, content = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise InvalidInput("pictures must come as data: URLs in base64; nothing is fetched")
    media_type = head.removeprefix("data:").removesuffix(";base64")
    return picture_of_base64(content, media_type if _MEDIA_TYPE.fullmatch(media_type) else None)


def _media_type(data: bytes) -> str:
    kind = kind_of(data)
    return "image/png" if kind is None else kind.media_type


def function_tools(listed: Any) -> tuple[Tool, ...]:
    """The function tools of a request's body. Chat Completions and Ollama describe a function in an
    object of its own, the Responses format in the tool itself; both are read. Raises InvalidInput
    for other tools."""
    tools = []
    for entry in objects(listed, "tools"):
        if entry.get("type", "function") != "function":
            raise InvalidInput(f"there is no tool of the type {entry.get('type')!r} here")
        function = entry.get("function", entry)
        tools.append(
            Tool(
                text_field(function, "name"),
                str(function.get("description") or ""),
                function.get("parameters") or {"type": "object"},
            )
        )
    return tuple(tools)


def objects(value: Any, what: str) -> list[Mapping[str, Any]]:
    """`value` as a list of JSON objects; None is an empty list. Raises InvalidInput."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise InvalidInput(f"{what} must be a list of objects")
    return value


def text_field(entry: Mapping[str, Any], name: str) -> str:
    """The text called `name`, which must exist. Raises InvalidInput."""
    value = entry.get(name) if isinstance(entry, Mapping) else None
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text")
    return value


def number(body: Mapping[str, Any], name: str) -> float | None:
    """The number called `name`; None if it is missing. Raises InvalidInput."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value):
        raise InvalidInput(f"{name} must be a number")
    return value


def whole_number(body: Mapping[str, Any], name: str) -> int | None:
    """The whole number called `name`; None if it is missing. Raises InvalidInput."""
    value = number(body, name)
    if value is not None and value != int(value):
        raise InvalidInput(f"{name} must be a whole number")
    return None if value is None else int(value)


def choice_of(value: Any) -> ToolChoice | None:
    """OpenAI's `tool_choice` in either of its formats. Raises InvalidInput."""
    if value is None:
        return None
    words: tuple[ToolChoice, ...] = ("auto", "none", "required")
    if value in words:
        return words[words.index(value)]
    if isinstance(value, dict) and value.get("type") == "function":
        return NamedTool(text_field(value.get("function", value), "name"))
    raise InvalidInput("tool_choice must be auto, none, required or a function")


def think_of_effort(effort: Any) -> Think | None:
    """OpenAI's levels of effort as ours. Raises InvalidInput."""
    levels: Mapping[Any, Think | None] = {
        None: None,
        "none": "off",
        "minimal": "low",
        "low": "low",
        "medium": "medium",
        "high": "high",
        "xhigh": "high",
        "max": "high",
    }
    if not isinstance(effort, str | None) or effort not in levels:
        raise InvalidInput(f"there is no level of effort called {effort!r}")
    return levels[effort]
