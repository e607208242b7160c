"""Providers that speak to a scripted server, with settings given as they stand in a config."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.config import load
from localai.events import Done, Event, TextDelta
from localai.net.target import client_target
from localai.paths import locate
from localai.providers.anthropic import Anthropic
from localai.providers.destination import Destination
from localai.providers.openai import OpenAI
from localai.types import ChatRequest, Message, ResolvedModel, Zone
from tests.support.cloud_wires import MessagesWire, ResponsesWire
from tests.support.scripted_server import Reply, ScriptedServer

MODEL = ResolvedModel("scripted", "scripted", Zone.DEVICE, "a scripted server")
QUESTION = (Message("user", "What is the capital of France?"),)


def config_of(home: Path, **settings: str) -> Any:
    """A config with these settings, `cloud_allow="openai"` for `cloud.allow`."""
    environ = {"LOCALAI_" + name.upper(): value for name, value in settings.items()}
    return load(locate({"LOCALAI_HOME": str(home)}), environ)


def question(*messages: Message, **changes: Any) -> ChatRequest:
    """A request with `messages`, by default one question."""
    return ChatRequest(MODEL, messages or QUESTION, **changes)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def end_of(events: list[Event]) -> Done:
    assert isinstance(events[-1], Done)
    return events[-1]


@dataclass(frozen=True, slots=True)
class Scene:
    """A provider, the server behind it, and that server's dialect."""

    provider: Any
    server: ScriptedServer
    wire: Any

    def answers(self, *replies: Reply) -> None:
        """The server answers one question after the other with these; the last one stays."""
        routes = self.wire.routes(Reply())
        chat = next(route for route in routes if route.startswith("POST"))
        self.server.routes = {**routes, chat: list(replies)}

    def ask(self, request: ChatRequest | None = None) -> list[Event]:
        """The events of an answer."""
        return list(self.provider.stream(request or question()))

    @property
    def sent(self) -> dict[str, Any]:
        """The body of the last question that arrived."""
        body: dict[str, Any] = self.server.asked[-1].json
        return body


@contextmanager
def openai_scene(home: Path) -> Iterator[Scene]:
    with ScriptedServer() as server:
        to = Destination("openai", client_target(f"{server.url}/v1", 80), "openai")
        provider = OpenAI(
            config_of(home), to, key=lambda: "sk-test", key_remedy={"hint": "export KEY=…"}
        )
        scene = Scene(provider, server, ResponsesWire())
        scene.answers(scene.wire.stream(scene.wire.answer(["Par", "is"])))
        yield scene
        provider.close()


@contextmanager
def anthropic_scene(home: Path) -> Iterator[Scene]:
    with ScriptedServer() as server:
        to = Destination("anthropic", client_target(server.url, 80), "anthropic")
        provider = Anthropic(config_of(home), to, key=lambda: "sk-test")
        scene = Scene(provider, server, MessagesWire())
        scene.answers(scene.wire.stream(scene.wire.answer(["Par", "is"])))
        yield scene
        provider.close()
