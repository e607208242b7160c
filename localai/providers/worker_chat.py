"""What the providers with workers share: an answer over the wire to the worker's socket, and
whether a model is in memory.

Errors call the engine `who`. Starting workers is the subject of `engine.lifecycle`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from localai.engine.lifecycle import acquire, stop, workers
from localai.engine.worker_files import EngineKind, WorkerFiles, WorkerInfo, WorkerSpec
from localai.errors import InvalidInput, LocalaiError, TemplateFault, Unreachable
from localai.events import Doubt, Event, Events, Loading, Locality, Process
from localai.locks import is_locked
from localai.net.framing import ServerRefused, server_sent_events
from localai.net.http import JsonServer, call
from localai.providers.prompts_rendered_here import prompt_rendered_here
from localai.providers.provider import Provider, RenderedPrompt
from localai.providers.worker_templates import (
    TemplateWatch,
    check_template,
    endless,
    named_fault,
    refused_by_template,
    remember_broken,
    render,
    rendered_in_time,
)
from localai.types import ChatRequest, ResolvedModel, Zone
from localai.wires.chat_completions.client import (
    read_stream,
    request_body,
    with_held_schema,
)
from localai.wires.clock import AnswerClock
from localai.wires.refusals import worker_failure

if TYPE_CHECKING:
    from localai.config import Config
    from localai.engine.lifecycle import Lease
    from localai.paths import Paths
    from localai.providers.go_prompts import GoPrompt

_LONGEST_DYING_S = 0.5


class WorkerProvider(Provider):
    """A provider whose engine runs in workers of ours, one for each model. Later commands share
    them, so there is nothing to close."""

    engine_kind: EngineKind

    def __init__(self, config: Config, paths: Paths) -> None:
        self._config = config
        self._paths = paths
        self._stopped_pid: int | None = None

    def loaded(self, model: ResolvedModel) -> bool:
        """Whether a worker has `model` in memory."""
        return any(not info.is_loading for _, info in self._workers_of(model))

    def unload(self, model: ResolvedModel) -> None:
        """End the worker that has `model` in memory, whatever it is doing."""
        for files, info in self._workers_of(model):
            stop(files, info)

    def _workers_of(self, model: ResolvedModel) -> list[tuple[WorkerFiles, WorkerInfo]]:
        wanted = (self.engine_kind, str(model.path))
        return [
            (files, info)
            for files, info in workers(self._paths)
            if (info.spec.kind, info.spec.model_path) == wanted
        ]

    @contextmanager
    def _acquired(
        self,
        request: ChatRequest,
        spec: WorkerSpec,
        available_bytes: Callable[[], int | None],
        *,
        force: bool = False,
        interpreter: str | None = None,
    ) -> Iterator[Lease]:
        """The worker of `spec`, as `acquire` gives it. Raises TemplateFault, which is remembered,
        if the model's template keeps it from loading."""
        with ExitStack() as stack:
            try:
                lease = stack.enter_context(
                    acquire(
                        self._paths,
                        spec,
                        keep_alive_s=self._keep_alive_s(request),
                        available_bytes=available_bytes,
                        force=force,
                        interpreter=interpreter,
                    )
                )
            except TemplateFault as broken:
                remember_broken(spec, broken, self.engine(), self._paths.cache_dir)
                raise named_fault(request, broken) from broken
            yield lease

    def _template_doubts(
        self, request: ChatRequest, lease: Lease
    ) -> Generator[Event, None, GoPrompt | None]:
        """The doubts about the model's template. Returns the prompt by its maker's template, if it
        has one in Go's language. Raises TemplateFault if the question does not reach the model."""
        body, made = worker_body(request), None
        doubts: list[str | None] = []
        if request.model.go_template is not None:
            from localai.providers.go_prompts import go_prompt, unused_doubt

            made = go_prompt(lease, request, body)
            doubts += [unused_doubt(request, made)] if made is not None and made.unused else []
        if made is None or made.text is None:
            cache = self._paths.cache_dir
            doubts.append(check_template(lease, request, body, self.name, cache))
        if request.think not in (None, "on"):
            from localai.providers.think_effect import worker_think_doubt

            doubts.append(worker_think_doubt(lease, request, worker_body))
        yield from (Doubt(each) for each in doubts if each is not None)
        return made

    def _after_what_was_stopped(self, events: Events, lease: Lease) -> Events:
        """`events`; before them the note that they wait, if the last answer of this worker was
        stopped: an engine finishes its step before it notices."""
        if lease.info.pid == self._stopped_pid:
            yield Loading("what was stopped still computes")
        self._stopped_pid = None
        try:
            yield from events
        except (GeneratorExit, KeyboardInterrupt):
            self._stopped_pid = lease.info.pid
            raise

    def _keep_alive_s(self, request: ChatRequest) -> float:
        configured: float = self._config["engine.keep_alive"]
        return configured if request.keep_alive_s is None else request.keep_alive_s


def announce_stopped_owner(lease: Lease) -> Events:
    """Say which stopped command blocks the model's first worker, if another worker was needed."""
    if lease.stopped_owner is not None:
        yield Loading(
            f"a second worker: the command with process {lease.stopped_owner}, which is stopped,"
            " holds the first"
        )


def worker_body(request: ChatRequest) -> dict[str, Any]:
    """The body of the request, with the fields that our workers add to the wire."""
    body = request_body(with_held_schema(request))
    body["return_progress"] = True
    if request.think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": request.think != "off"}
        if request.think in ("low", "medium", "high"):
            body["chat_template_kwargs"]["reasoning_effort"] = request.think
    if request.think_tokens is not None:
        body["thinking_budget_tokens"] = request.think_tokens
    return body


def answer_of_worker(
    lease: Lease,
    request: ChatRequest,
    body: Mapping[str, Any],
    clock: AnswerClock,
    *,
    who: str,
    load_s: float | None,
    context_tokens: int,
    made: GoPrompt | None = None,
) -> Events:
    """The events of the answer to `request`, whose `body` is sent, and whose prompt was `made`
    before if it is by its maker's template. Closing the iterator makes the worker stop computing.

    Raises what the worker refuses, and Unreachable with its last words if it breaks off.
    """
    server = JsonServer(who, lease.files.socket, {})
    template = TemplateWatch(lease, body)
    try:
        with template:
            prompt = prompt_rendered_here(lease, request, body, render, made)
            path, sent_body = "/v1/chat/completions", body
            if prompt is not None:
                _refuse_budget(body)
                from localai.providers.worker_special_tokens import (
                    COMPLETIONS,
                    as_chat,
                    completion_body,
                    prompt_in_pieces,
                )

                path = COMPLETIONS
                sent_body = completion_body(body, prompt_in_pieces(lease, prompt.pieces))
            # Leaving closes the connection, which is what makes the server stop computing.
            with server.send("POST", path, sent_body, heard=clock.limits.heard) as sent:
                response = sent.response()
                template.rendered()
                chunks = server_sent_events(response)
                yield from read_stream(
                    chunks if prompt is None else as_chat(chunks, prompt.rendered),
                    locality_of_worker(lease),
                    clock,
                    load_s=load_s,
                    context_tokens=context_tokens,
                )
    except ServerRefused as error:
        raise _refusal(lease, request, body, who, error) from error
    except (Unreachable, ValueError) as error:
        if clock.limits.were_reached:
            raise
        if template.is_endless:
            raise endless(lease) from error
        _let_it_die(lease)
        raise Unreachable(
            f"{who} broke off: {lease.last_words()}", hint=f"its whole log: {lease.files.log}"
        ) from error


def _refuse_budget(body: Mapping[str, Any]) -> None:
    """Raise InvalidInput for a budget of thinking: the engine keeps it in its chat endpoint only,
    and the messages have special tokens of the model in them, which go another way."""
    if "thinking_budget_tokens" in body:
        raise InvalidInput(
            "--think N does not go with special tokens in what is asked",
            hint="--think on thinks as long as the model likes",
        )


def _refusal(
    lease: Lease, request: ChatRequest, body: Mapping[str, Any], who: str, refused: ServerRefused
) -> LocalaiError:
    """The error for what the worker refused: its template's, if that alone refuses it as well."""
    try:
        render(lease, body)
    except ServerRefused as by_template:
        found = refused_by_template(request, lease.info.spec.kind, by_template)
        if found is not None:
            return found
    except Unreachable:
        pass
    return worker_failure(who, refused.status, refused.error)


def _let_it_die(lease: Lease) -> None:
    """Wait until a worker that broke off is gone, if it is ending.

    A killed process closes its sockets a moment before it loses its locks, and the next command
    must not take it for alive.
    """
    deadline = time.monotonic() + _LONGEST_DYING_S
    while is_locked(lease.files.alive) and time.monotonic() < deadline:
        time.sleep(0.001)


def count_tokens(request: ChatRequest, lease: Lease, who: str) -> int:
    """The tokens of the prompt, by the model's own template and tokenizer. Raises the worker's
    refusal."""
    return rendered_prompt(request, lease, who).tokens


def rendered_prompt(request: ChatRequest, lease: Lease, who: str) -> RenderedPrompt:
    """What the model would read, by its own template and tokenizer. Raises its refusal."""
    from localai.providers.worker_special_tokens import prompt_in_pieces

    body = worker_body(request)
    try:
        made = prompt_rendered_here(lease, request, body, rendered_in_time)
        pieces = [(rendered_in_time(lease, body), False)] if made is None else made.pieces
        tokens = sum(
            1 if isinstance(part, int) else _count(lease, part, is_first=number == 0)
            for number, part in enumerate(prompt_in_pieces(lease, pieces))
        )
    except ServerRefused as error:
        raise _refusal(lease, request, body, who, error) from error
    return RenderedPrompt("".join(text for text, _ in pieces), tokens)


def _count(lease: Lease, text: str, *, is_first: bool) -> int:
    body = {"content": text, "add_special": is_first, "parse_special": True}
    return len(call(lease.files.socket, "POST", "/tokenize", body)["tokens"])


def locality_of_worker(lease: Lease) -> Locality:
    """Where the worker's answers are computed: in its process on this machine."""
    info = lease.info
    return Locality(
        zone=Zone.DEVICE,
        evidence=f"a worker of this command on a Unix socket; {info.denial}",
        process=Process(info.pid, info.engine),
        machine=os.uname().nodename,
        network_denied=info.network_denied,
    )
