"""A question to Ollama on its way: it is sent, and its answer is read line by line.

An answer on loopback need not be local: Ollama sends some models' prompts to its cloud. So every
line of an answer is checked again.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from localai.dataclass import dataclass
from localai.errors import InvalidInput, LocalaiError, PolicyRefused, Unreachable
from localai.events import Done, Event, Events, Loading, Locality, Process, TextDelta
from localai.loops import Looping
from localai.net.framing import ServerRefused
from localai.net.http import SentRequest
from localai.net.listener import listening_pid
from localai.net.target import client_target
from localai.privacy import guard
from localai.providers.ollama_daemon import Daemon
from localai.sizing.context import finish_for_user, may_overflow, with_what_is_left
from localai.types import ChatRequest, Message, ToolCall, Zone
from localai.wires.clock import AnswerClock
from localai.wires.limits import limits_of
from localai.wires.ollama.answer import ChunkReader, finish_of, seconds, server_times, usage_of
from localai.wires.ollama.model import remote_of
from localai.wires.ollama.refusals import refusal, refuses_level
from localai.wires.ollama.request import chat_body
from localai.wires.reasoning.splitter import ReasoningSplitter

if TYPE_CHECKING:
    from localai.config import Config

# Its cloud, where it says no more than that it asks that.
_CLOUD_HOST = "ollama.com"
_PROGRESS_EVERY_S = 1.0


class OwnContextTooSmall(Exception):
    """Ollama used a smaller context than was relied on: it must be told the larger one."""


class TakesNoLevel(Exception):
    """This Ollama takes no level of thinking for the model, as before 0.33: it can only think."""


@dataclass(slots=True)
class Question:
    """A request on its way: what was found out about its model, and what was decided.

    `doubt` is to be said before the answer. `context_tokens` is the context that it relies on;
    Ollama is told it only if `tells_context`, else it uses its own, with which other programs have
    it load the model. `remote` is the other machine that computes the answer, if one does.
    """

    request: ChatRequest
    config: Config
    daemon: Daemon
    clock: AnswerClock
    remote: str | None
    limit: int | None
    makers_system: str | None
    think: bool | str | None
    doubt: str | None
    context_tokens: int
    tells_context: bool
    loaded_context: int | None
    pid: int | None = None

    @property
    def asked(self) -> ChatRequest:
        """The request, whose answer ends before the context is full; else Ollama would have to be
        told not to shift, or would cut the beginning."""
        if self.remote is not None:
            return self.request
        return with_what_is_left(self.request, self.context_tokens)

    @property
    def may_shift(self) -> bool:
        """Whether Ollama's cutting at a full context may stay on, because the context cannot become
        full."""
        return not may_overflow(self.asked, self.context_tokens)

    @property
    def keep_alive_s(self) -> float | None:
        """How long Ollama is told to keep the model; None if its own setting holds."""
        if self.request.keep_alive_s is not None:
            return self.request.keep_alive_s
        configured = self.config.values["engine.keep_alive"]
        # The daemon has a setting of its own, which only the user's own choice overrides.
        return None if configured.origin == "default" else configured.value

    def ask(self) -> Events:
        """Send it and yield the answer. Raises OwnContextTooSmall or TakesNoLevel before the first
        piece, and what `Provider.stream` raises."""
        limits = self.clock.limits = limits_of(self.request, self.context_tokens)
        body = chat_body(
            _without_makers_system(self.asked, self.makers_system),
            context_tokens=self.context_tokens if self.tells_context else None,
            may_shift=self.may_shift,
            think=self.think,
            keep_alive=self.keep_alive_s,
        )
        try:
            with ExitStack() as connection:
                with _passed_on(self.remote):
                    sent = connection.enter_context(self.daemon.chat(body, limits.heard))
                # The daemon is computing now, so this look-up delays nothing.
                self.pid = self._listening()
                yield from self._waiting(sent)
                self._check_context()
                end = yield from self._answer(sent)
        except ServerRefused as error:
            if refuses_level(error.status, error.document, self.think):
                raise TakesNoLevel from error
            raise self._refusal(error.status, error.document) from error
        yield self._done(end)

    def _waiting(self, sent: SentRequest) -> Events:
        """Say what Ollama is doing until its answer begins."""
        if self.remote is not None or self.loaded_context == self.context_tokens:
            return
        model, context = self.request.model.id, self.context_tokens
        with_context = f" with a context of {context:,} tokens" if self.tells_context else ""
        loading = Loading(f"Ollama is loading {model}{with_context}")
        shown = loading
        yield loading
        while not sent.answers_within(_PROGRESS_EVERY_S):
            entry = self.daemon.loaded(model)
            is_there = entry is not None and (
                not self.tells_context or entry.get("context_length") == context
            )
            now = Loading("reading the prompt") if is_there else loading
            if now != shown:
                yield now
            shown = now

    def _check_context(self) -> None:
        """Raise OwnContextTooSmall if the answer could be cut in Ollama's own context
        (OLLAMA_CONTEXT_LENGTH may be below its default). No part of the answer was passed on
        yet."""
        if self.tells_context or self.remote is not None or not self.may_shift:
            return
        entry = self.daemon.loaded(self.request.model.id) or {}
        allocated = entry.get("context_length") or self.context_tokens
        if may_overflow(self.asked, allocated):
            raise OwnContextTooSmall

    def _answer(self, sent: SentRequest) -> Generator[Event, None, dict[str, Any]]:
        """Yields the events of the answer; returns its last line."""
        tools_called = False
        # A model that was made from a bare file has no template that tells Ollama how it reasons.
        splitter, reader = ReasoningSplitter(), ChunkReader()
        try:
            for chunk in sent.json_lines():
                self._check(chunk)
                for event in reader.events(chunk):
                    self.clock.event(event)
                    tools_called = tools_called or isinstance(event, ToolCall)
                    if isinstance(event, TextDelta):
                        yield from splitter.feed(event.text)
                    else:
                        yield event
                if chunk.get("done"):
                    yield from _held_back(reader, splitter)
                    return {**chunk, "tools_called": tools_called}
        except Looping:
            return {"looping": True, "tools_called": False}
        except Exception:
            yield from _held_back(reader, splitter)
            raise
        yield from _held_back(reader, splitter)
        raise Unreachable(
            "the answer broke off: Ollama ended it without a reason",
            hint="it does that when a model repeats itself; try -o repeat_penalty 1.2",
        )

    def _check(self, chunk: Mapping[str, Any]) -> None:
        """Raise for a line that is an error, or that another machine computed without
        permission."""
        if "error" in chunk:
            raise self._refusal(chunk.get("status", 500), chunk)
        remote = remote_of(chunk)
        if remote is not None:
            refuse_cloud(self.config, self.request.model.id, remote)
            if self.remote is None:
                target = self.daemon.target
                guard.record_departure(_host_of(remote), target.host, target.port)
            self.remote = remote

    def _done(self, end: Mapping[str, Any]) -> Done:
        fresh = self.loaded_context != self.context_tokens
        usage = usage_of(end)
        load_s = seconds(end.get("load_duration"))
        timings = self.clock.timings(usage, server_times(end, fresh), load_s)
        entry = None
        if self.remote is None:
            # The answer is complete, even if its server is gone by now.
            with suppress(Unreachable):
                entry = self.daemon.loaded(self.request.model.id)
        context = (entry or {}).get("context_length") or self.context_tokens
        finish = "loop" if end.get("looping") else finish_of(end, context, end["tools_called"])
        if self.remote is None:
            finish = finish_for_user(finish, self.request)
        return Done(
            finish_reason=finish,
            usage=usage,
            timings=timings,
            locality=self._locality(entry),
            context_tokens=None if self.remote else context,
            server_reason=end.get("done_reason"),
        )

    def _locality(self, entry: Mapping[str, Any] | None) -> Locality:
        reach, target = self.daemon.reach(), self.daemon.target
        where = f"{self.daemon.version()} on {target.address}{reach.run_by()}"
        if self.remote is not None:
            return Locality(Zone.CLOUD, f"{where}, which sent the prompt to {self.remote}")
        return Locality(
            zone=reach.zone,
            evidence=f"{where}; it names no remote host for this model{_gpu_share(entry)}",
            process=Process(self.pid, "ollama"),
            machine=os.uname().nodename if reach.zone is Zone.DEVICE else target.host,
            # A process that answers us over TCP has a network.
            network_denied=False,
        )

    def _listening(self) -> int | None:
        """The daemon's process, if it runs here and computes the answer."""
        if self.remote is not None or self.daemon.reach().zone is not Zone.DEVICE:
            return None
        return listening_pid(self.daemon.target.port, "ollama")

    def _refusal(self, status: int, document: Any) -> LocalaiError:
        return refusal(status, document, self.request.model.id, self.context_tokens)


def refuse_cloud(config: Config, model: str, remote: str | None) -> None:
    """Raise PolicyRefused if Ollama would send a prompt for `model` to `remote`, and the user has
    not allowed its cloud."""
    if remote is None or "ollama" in config["cloud.allow"]:
        return
    raise PolicyRefused(
        f"refused by the privacy policy: Ollama would send the prompt for {model!r} to {remote}",
        command="localai config set cloud.allow " + ",".join([*config["cloud.allow"], "ollama"]),
    )


def _passed_on(remote: str | None) -> AbstractContextManager[None]:
    """Held while connected to the daemon. What it passes on to `remote` is entered in the
    ledger."""
    return nullcontext() if remote is None else guard.passed_on_to(_host_of(remote))


def _held_back(reader: ChunkReader, splitter: ReasoningSplitter) -> Iterator[Event]:
    """The text that was held back as a possible part of a character or a tag, and was none."""
    for event in reader.held_back():
        yield from splitter.feed(event.text) if isinstance(event, TextDelta) else (event,)
    yield from splitter.close()


def _without_makers_system(request: ChatRequest, own: str | None) -> ChatRequest:
    """The request without the model's own system prompt. Ollama puts that in front by itself,
    before the model's own messages; one that is sent would come after them."""
    others = request.messages[1:]
    if own is None or not others or request.messages[0] != Message("system", own):
        return request
    return replace(request, messages=others)


def _host_of(remote: str) -> str:
    """The host, for the ledger, to which Ollama sends a prompt; `remote` is Ollama's word for
    it."""
    try:
        return client_target(remote, 443).host
    except InvalidInput:
        return _CLOUD_HOST


def _gpu_share(entry: Mapping[str, Any] | None) -> str:
    size, on_gpu = (entry or {}).get("size"), (entry or {}).get("size_vram")
    if not size or on_gpu is None:
        return ""
    return f"; {on_gpu / size:.0%} of it is in GPU memory"
