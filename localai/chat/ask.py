"""Which model to ask and how, and asking it: the one way from a request to the events of its
answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from localai.chat.doubts import special_tokens_doubt
from localai.chat.off_device import fallback_for, prompt_destination
from localai.chat.pictures import (
    as_seen,
    count_pictures,
    refusal_doubt,
    refuses_pictures,
    unseen_doubt,
    without_earlier,
)
from localai.chat.recorder import Recorder
from localai.chat.request import AskSettings, build_request, effective_options, system_prompt
from localai.chat.select import SelectedModel
from localai.dataclass import dataclass
from localai.errors import LocalaiError, Unreachable
from localai.events import Answering, Doubt, Events, Loading
from localai.loops import without_loops
from localai.types import ChatRequest, Message, Options
from localai.units import counted

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool


@dataclass(slots=True)
class Asker:
    """The model to ask and the settings, for any conversation; both may change while it goes on.

    `announce` is called before a byte of a prompt leaves this machine, and when the configured
    cloud fallback steps in for a local provider that cannot be reached. `announced` has what is
    announced only once, in order.
    """

    chosen: SelectedModel
    config: Config
    paths: Paths
    providers: ProviderPool
    announce: Callable[[str], None]
    settings: AskSettings = AskSettings()
    announced: dict[str, None] = field(default_factory=dict)

    def announce_once(self, text: str) -> None:
        """Announce what would otherwise be said with every question."""
        if text not in self.announced:
            self.announced[text] = None
            self.announce(text)

    def change(self, **settings: Any) -> None:
        """Ask with other `settings` (of AskSettings) from here on."""
        self.settings = replace(self.settings, **settings)

    @property
    def system_prompt(self) -> str | None:
        """The system prompt of a conversation that has none of its own yet."""
        return system_prompt(self.settings, self.chosen.model, self.config)

    @property
    def options(self) -> Options:
        """The options in force: those set, above the recommended and the configured ones."""
        return effective_options(self.settings, self.chosen.model, self.config)

    def request(self, messages: Sequence[Message], conversation: str | None = None) -> ChatRequest:
        """The request for the next message, as `build_request` makes it."""
        return build_request(self.settings, self.chosen.model, messages, self.config, conversation)


def ask(asker: Asker, request: ChatRequest, recorder: Recorder) -> Events:
    """The events of the answer, `Answering` first. If it ends early, for whatever reason, the part
    that came is stored and marked as cut."""
    try:
        for event in _with_fallback(asker, request):
            if isinstance(event, Answering):
                recorder.answer_begins(event.model)
            recorder.event(event)
            yield event
    except (GeneratorExit, KeyboardInterrupt, SystemExit):
        recorder.answer_cut("cancelled")
        raise
    except BaseException:
        recorder.answer_cut("failed")
        raise


def _with_fallback(asker: Asker, request: ChatRequest) -> Events:
    chosen, config, announce = asker.chosen, asker.config, asker.announce
    answered = False
    try:
        for event in _from(asker, chosen, request, config):
            answered = answered or not isinstance(event, Answering | Loading)
            yield event
    except Unreachable as error:
        if answered:
            raise
        fallback = fallback_for(chosen.provider.name, error, config, asker.providers, announce)
        if fallback is None:
            raise
        other = replace(request, model=fallback.selected.model)
        yield from _from(asker, fallback.selected, other, fallback.config)


def _from(asker: Asker, chosen: SelectedModel, request: ChatRequest, config: Config) -> Events:
    yield Answering(chosen.model)
    seen = as_seen(request, asker.paths)
    if (unseen := unseen_doubt(request)) is not None:
        asker.announce_once(unseen)
    if (destination := prompt_destination(chosen, config)) is not None:
        pictures = count_pictures(seen.messages)
        asker.announce(destination + (f", with {counted(pictures, 'picture')}" if pictures else ""))
    if (doubt := special_tokens_doubt(seen, config)) is not None:
        asker.announce_once(doubt)
    yield from _streamed(asker, chosen, seen)


def _streamed(asker: Asker, chosen: SelectedModel, request: ChatRequest) -> Events:
    """The events of the answer; a server that refuses the pictures of earlier questions is asked
    once more without them."""
    begun = False
    try:
        with closing(_events(asker, chosen, request)) as events:
            for event in events:
                begun = begun or not isinstance(event, Loading)
                yield event
        return
    except LocalaiError as error:
        without = without_earlier(request)
        if begun or without is None or not refuses_pictures(error):
            raise
    asker.announce_once(refusal_doubt(request))
    yield from _events(asker, chosen, without)


def _events(asker: Asker, chosen: SelectedModel, request: ChatRequest) -> Events:
    with closing(without_loops(chosen.provider.stream(request), request)) as events:
        for event in events:
            if isinstance(event, Doubt):
                asker.announce_once(event.message)
            else:
                yield event
