"""The chat template of a worker's model: rendering it, ending one that does not end, and finding
out what it leaves out.

A template is a program that came with the model. What it makes of a conversation is tried once for
each model, with words that nothing else has; where a word does not come out, each later request is
rendered and looked through before it is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localai.dataclass import dataclass
from localai.engine.lifecycle import stop
from localai.engine.starting import limits_hint
from localai.engine.template_findings import RememberedFindings, TemplateFindings
from localai.engine.template_limit import LONGEST_TEMPLATE_S, TEMPLATE_SUBJECT
from localai.errors import LocalaiError, TemplateFault, Unreachable
from localai.net.framing import ServerRefused
from localai.net.http import call
from localai.types import ChatRequest, Role
from localai.wires.chat_templates import words_of_engine
from localai.wires.refusals import worker_failure

if TYPE_CHECKING:
    from localai.engine.lifecycle import Lease
    from localai.engine.worker_files import EngineKind, WorkerSpec

_SUSPICIOUS_AFTER_S = 10.0
_HEALTHY_WITHIN_S = 5.0


def render(lease: Lease, body: Mapping[str, Any]) -> str:
    """The prompt that the model's template makes. Raises ServerRefused, Unreachable."""
    asked = ("messages", "tools", "tool_choice", "chat_template_kwargs")
    template = {name: body[name] for name in asked if name in body}
    rendered = call(
        lease.files.socket, "POST", "/apply-template", template, timeout_s=LONGEST_TEMPLATE_S
    )
    return str(rendered["prompt"])


def rendered_in_time(lease: Lease, body: Mapping[str, Any]) -> str:
    """What `render` returns; a worker whose template does not end is ended. Raises ServerRefused,
    Unreachable."""
    try:
        return render(lease, body)
    except Unreachable as error:
        if not renders_for_ever(lease):
            raise
        stop(lease.files, lease.info)
        raise endless(lease) from error


class TemplateWatch:
    """Ends a worker whose chat template does not end for this request.

    The engine renders the template before it answers, without a limit. So if no event has come for
    a while, the engine is asked to render the template once more, beside what it computes, and must
    finish in time.
    """

    def __init__(self, lease: Lease, body: Mapping[str, Any]) -> None:
        self._lease = lease
        self._body = body
        self._timer = threading.Timer(_SUSPICIOUS_AFTER_S, self._check)
        self._timer.daemon = True
        self.is_endless = False

    def __enter__(self) -> None:
        # MLX renders in its computing thread, and limits that itself (engine/mlx/prompts.py).
        if self._lease.info.spec.kind == "llamacpp":
            self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def rendered(self) -> None:
        """Stop watching: the answer has begun."""
        self._timer.cancel()

    def _check(self) -> None:
        try:
            render(self._lease, self._body)
        except Unreachable:
            self.is_endless = renders_for_ever(self._lease)
            if self.is_endless:
                stop(self._lease.files, self._lease.info)
        except (LocalaiError, ServerRefused):
            return


def renders_for_ever(lease: Lease) -> bool:
    """Whether a worker that has not rendered a template in time still serves others: then the
    template is the cause, and not a queue of requests."""
    if lease.info.spec.kind != "llamacpp":
        return False
    try:
        call(lease.files.socket, "GET", "/health", timeout_s=_HEALTHY_WITHIN_S)
    except (Unreachable, ServerRefused):
        return False
    return True


def endless(lease: Lease) -> Unreachable:
    """The error of a template that has not come to its end."""
    return Unreachable(
        f"the chat template of {lease.info.spec.model_path} has not come to an end in"
        f" {LONGEST_TEMPLATE_S:.0f} s, and its worker was ended",
        hint=limits_hint(lease.info.spec),
    )


# What a template leaves out


_SYSTEM: Final = ("system", "qzsystemzq")
_FIRST: Final = ("user", "qzfirstzq")
_ANSWER: Final = ("assistant", "qzanswerzq")
_SECOND: Final = ("user", "qzsecondzq")


@dataclass(frozen=True, slots=True)
class _Trial:
    """A conversation, and the findings about a template that refuses it (`refused`) or leaves out
    one of its texts (`left_out`, by text)."""

    messages: tuple[tuple[Role, str], ...]
    refused: str
    left_out: Mapping[str, str]


_NAMES: Final[Mapping[Role, str]] = {
    "system": "the system prompt",
    "user": "earlier questions",
    "assistant": "earlier answers",
    "tool": "what tools gave",
}
_TRIALS: Final = (
    _Trial((_FIRST,), "it refuses a question", {_FIRST[1]: "it leaves out the question"}),
    _Trial(
        (_SYSTEM, _FIRST),
        "it refuses a system prompt",
        {
            _SYSTEM[1]: "it leaves out the system prompt",
            _FIRST[1]: "it leaves out the question after a system prompt",
        },
    ),
    _Trial(
        (_FIRST, _ANSWER, _SECOND),
        "it refuses a conversation of several questions",
        {
            _FIRST[1]: "it leaves out earlier questions",
            _ANSWER[1]: "it leaves out earlier answers",
            _SECOND[1]: "it leaves out the question of a longer conversation",
        },
    ),
)


def check_template(
    lease: Lease, request: ChatRequest, body: Mapping[str, Any], who: str, cache_folder: Path
) -> str | None:
    """What is to be said before `request`, whose `body` goes to the worker, is answered: its
    template leaves out a part of the conversation; None if it does not.

    Raises TemplateFault if it leaves out the question, or refuses the conversation.
    """
    spec = lease.info.spec
    has_none = spec.chat_template is None and request.model.has_chat_template is False
    if has_none and spec.kind == "mlx":
        raise TemplateFault(
            f"{request.model.id} has no chat template: it continues texts, it does not chat",
            why="it has none",
            hint=_remedy(request),
        )
    remembered = RememberedFindings(cache_folder)
    found = remembered.of(Path(spec.model_path), spec.chat_template)
    if found is None or found.engine != lease.info.engine:
        found = TemplateFindings(lease.info.engine, tuple(_problems(lease)))
        remembered.put(Path(spec.model_path), spec.chat_template, found)
    if found.problems:
        try:
            return _left_out(request, lease, body)
        except ServerRefused as error:
            refused = refused_by_template(request, spec.kind, error)
            raise refused or worker_failure(who, error.status, error.error) from error
    if has_none:
        return (
            f"{request.model.id} has no chat template, and the engine takes ChatML by guess"
            " (--chat-template FILE gives it one)"
        )
    return None


def refused_by_template(
    request: ChatRequest, kind: EngineKind, refusal: ServerRefused
) -> TemplateFault | None:
    """The error for what was refused while `request` was rendered, and nothing else was done; None
    if it was MLX's worker that refused and not the template."""
    why = words_of_engine(str(refusal.error.get("message") or refusal.document))
    if kind == "llamacpp":
        return _fault(request, f"refuses this: {why}")
    if why.startswith(TEMPLATE_SUBJECT):
        return _fault(request, why.removeprefix(TEMPLATE_SUBJECT).strip())
    return None


def remember_broken(
    spec: WorkerSpec, broken: TemplateFault, engine: str | None, cache_folder: Path
) -> None:
    """Remember that `engine` could not load the model of `spec` for its template."""
    found = TemplateFindings(engine or spec.kind, (broken.why,))
    RememberedFindings(cache_folder).put(Path(spec.model_path), spec.chat_template, found)


def named_fault(request: ChatRequest, broken: TemplateFault) -> TemplateFault:
    """The fault that ended the load of the model of `request`, in the user's own words."""
    return _fault(request, f"is broken: {broken.why}")


def _fault(request: ChatRequest, does: str) -> TemplateFault:
    return TemplateFault(f"{_whose(request)} {does}", why=does, hint=_remedy(request))


def _whose(request: ChatRequest) -> str:
    if request.chat_template is not None:
        return f"the chat template that was given for {request.model.id}"
    return f"the chat template of {request.model.id}"


def _remedy(request: ChatRequest) -> str:
    if request.chat_template is not None:
        return "mend the file, or ask without it"
    return (
        "give the model another: --chat-template FILE, or for good: localai config set"
        f" models.{request.model.id}.chat_template FILE"
    )


def _problems(lease: Lease) -> Iterator[str]:
    for trial in _TRIALS:
        messages = [{"role": role, "content": text} for role, text in trial.messages]
        try:
            rendered = rendered_in_time(lease, {"messages": messages}).lower()
        except ServerRefused as error:
            yield f"{trial.refused}: {words_of_engine(str(error.error.get('message')))}"
            continue
        yield from (name for text, name in trial.left_out.items() if text not in rendered)


def _left_out(request: ChatRequest, lease: Lease, body: Mapping[str, Any]) -> str | None:
    """What of the conversation the template leaves out: it is asked for the same one with a word of
    its own in the place of each text. Raises TemplateFault if that is the question, ServerRefused.
    """
    words = [f"qz{number}zq" for number, _ in enumerate(request.messages)]
    pairs = zip(body["messages"], words, strict=True)
    rendered = rendered_in_time(
        lease, {**body, "messages": [{**message, "content": word} for message, word in pairs]}
    ).lower()
    roles = [each.role for each in request.messages]
    missing = [number for number, word in enumerate(words) if word not in rendered]
    question = max((number for number, role in enumerate(roles) if role == "user"), default=None)
    if question in missing:
        raise _fault(request, "leaves out the question, so the model would not read it")
    if not missing:
        return None
    names = dict.fromkeys(_NAMES[roles[number]] for number in missing)
    return f"{_whose(request)} leaves out {' and '.join(names)}"
