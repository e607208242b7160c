"""Slash commands about who answers and how: model, system prompt, thinking, `/set`, `/show`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast, get_args

from localai.answers import name_in_a_line
from localai.chat.doubts import context_doubt, think_doubt
from localai.chat.off_device import prompt_destination
from localai.chat.request import LEAST_CONTEXT, require_budget
from localai.chat.select import select_model
from localai.config import parse_duration
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.library.available import is_named, models_by_provider
from localai.output.cells import one_line
from localai.sampling_options import SAMPLING_OPTIONS, options_set, parse_options
from localai.session.state import Session
from localai.session.tree_commands import show_messages
from localai.types import Options, ResolvedModel, Think
from localai.units import bytes_text, counted, parse_count, whole_number
from localai.untrusted import sanitize

DEFAULT = "default"
KINDS_OF_SHOW = ("messages", "thinking")


def model(session: Session, argument: str) -> None:
    """Switch to another model, of any provider; without a name list what there is."""
    asker = session.asker
    if not argument:
        _list_models(session)
        return
    chosen = select_model(argument, asker.config, asker.providers)
    session.conversation.switch(chosen)
    session.decode_tokens_per_s = None
    found = chosen.model
    session.output.note(f"now {name_in_a_line(found)} · {zone_label(found)} · {found.evidence}")
    destination = prompt_destination(chosen, asker.config)
    messages = len(session.conversation.turns)
    if destination is not None and messages:
        session.output.note(
            f"with the next question {counted(messages, 'message')} so far go, too: {destination}"
        )


def system(session: Session, argument: str) -> None:
    """Show the system prompt, or use another one from here on; `none` is none."""
    if not argument:
        print(sanitize(session.conversation.system or "") or "(there is no system prompt)")
        return
    text = None if argument == "none" else argument
    session.system_before = None
    session.asker.change(system=text)
    session.conversation.set_system(text)
    session.output.note("from the next question on")


def think(session: Session, argument: str) -> None:
    """How much the model reasons: off, on, low, medium, high, a number of tokens, or default.
    `hide` and `show` fold what it thinks away and back; /show thinking shows the last."""
    asker, display = session.asker, session.display
    if argument in ("hide", "show"):
        display.hide_thinking = argument == "hide"
    elif argument == "default":
        asker.change(think=None, think_tokens=None)
    elif argument in get_args(Think):
        asker.change(think=cast("Think", argument), think_tokens=None)
    elif tokens := whole_number(argument):
        require_budget(asker.chosen.model, asker.config)
        asker.change(think="on", think_tokens=tokens)
    elif argument:
        takes = ", ".join((*get_args(Think), "a number of tokens", "default", "hide", "show"))
        raise InvalidInput(f"/think takes {takes}, not {argument!r}")
    shown = "hidden" if display.hide_thinking else "shown"
    how, most = asker.settings.think or "as the model does by itself", asker.settings.think_tokens
    limit = "" if most is None else f", in at most {counted(most, 'token')}"
    session.output.note(f"thinking: {how}{limit}, {shown}")
    if (doubt := think_doubt(asker.settings, asker.chosen.model, asker.config)) is not None:
        session.output.note(doubt)


def show(session: Session, argument: str) -> None:
    """What is in force: model, options, conversation. `messages`: what was said, numbered.
    `thinking`: what went before the last answer."""
    if argument == "messages":
        show_messages(session)
    elif argument == "thinking":
        last = session.conversation.last_answer
        thinking = last.message.reasoning if last else None
        print(sanitize(thinking) if thinking else "(the last answer came without any)")
    elif argument:
        raise InvalidInput(
            f"/show takes {' or '.join(KINDS_OF_SHOW)}, not {argument!r}",
            hint="see what is in force",
            command="/show",
        )
    else:
        session.output.facts([(name, one_line(value, 240)) for name, value in _facts(session)])


def _facts(session: Session) -> list[tuple[str, str]]:
    found, conversation = session.asker.chosen.model, session.conversation
    facts = [
        ("model", f"{found.provider}/{found.id}"),
        ("zone", f"{zone_label(found)}: {found.evidence}"),
        ("file", "" if found.path is None else str(found.path)),
        ("size", "" if found.size_bytes is None else bytes_text(found.size_bytes)),
        ("quantization", found.quantization or ""),
        (
            "context",
            "" if found.context_limit is None else f"up to {counted(found.context_limit, 'token')}",
        ),
        ("capabilities", ", ".join(sorted(found.capabilities or ()))),
        ("system prompt", conversation.system or ""),
        ("conversation", _conversation(session)),
    ]
    known = [(name, value) for name, value in facts if value]
    return known + [(setting.name, setting.text) for setting in settings_in_force(session)]


def _conversation(session: Session) -> str:
    messages = len(session.conversation.turns)
    identifier = session.conversation.recorder.conversation_id
    if not messages:
        return "nothing was said yet"
    return f"{counted(messages, 'message')}, " + (
        "not kept" if identifier is None else f"kept as {identifier}"
    )


def _list_models(session: Session) -> None:
    asker = session.asker
    current = asker.chosen.model
    session.output.wait_for("asking every provider")
    try:
        answered = list(models_by_provider(asker.config, asker.providers))
    finally:
        session.output.end_progress()
    rows = []
    silent = []
    for each in answered:
        if each.problem and is_named(each.provider, asker.config):
            silent.append(f"{each.provider}: {each.problem}")
        for found in each.models:
            here = "*" if (found.provider, found.id) == (current.provider, current.id) else ""
            rows.append([here, f"{found.provider}/{found.id}", zone_label(found)])
    session.output.table(["", "model", "zone"], rows)
    for problem in silent:
        session.output.note(problem)


def zone_label(model: ResolvedModel) -> str:
    """The zone of a model, in a word."""
    return "unproven" if model.zone is None else model.zone.label


@dataclass(frozen=True, slots=True)
class InForce:
    """A setting, its value, and its origin: the user, the model, or localai."""

    name: str
    value: str
    whose: str

    @property
    def text(self) -> str:
        """The setting in a line of `/show`."""
        return f"{self.value} ({self.whose})" if self.whose else self.value


def set_(session: Session, argument: str) -> None:  # noqa: D103  its text follows the table
    key, _, value = argument.partition(" ")
    value = value.strip()
    if not key:
        session.output.facts(
            [(setting.name, setting.text) for setting in settings_in_force(session)]
        )
        return
    own = _OWN.get(key.replace("-", "_"))
    if own is not None:
        own(session, value)
    else:
        session.asker.change(options=_changed(session.asker.settings.options, key, value))
    session.output.note(f"{key}: {value}")


set_.__doc__ = f"""Show the options in force, or set one; the value `{DEFAULT}` unsets it.

The model's: {", ".join(option.name for option in SAMPLING_OPTIONS)}, and provider.KEY for a
provider's own.
Ours: ctx (tokens), keep_alive (5m), usage (on: tokens, speed, where), stream (off: the
answer when it is whole).
"""


def settings_in_force(session: Session) -> list[InForce]:
    """Every option that has a value, and the session's own settings."""
    given = options_set(session.asker.settings.options)
    recommended = options_set(session.asker.chosen.model.recommended)
    found = []
    for name, value in options_set(session.asker.options).items():
        if given.get(name) == value:
            whose = "yours"
        else:
            whose = "the model's" if recommended.get(name) == value else "default"
        found.append(InForce(name, _text(value), whose))
    if session.asker.settings.context_tokens is not None:
        found.append(InForce("ctx", f"{session.asker.settings.context_tokens:,}", "yours"))
    if session.asker.settings.keep_alive_s is not None:
        found.append(InForce("keep_alive", f"{session.asker.settings.keep_alive_s:g} s", "yours"))
    return found


def setting_names() -> list[str]:
    """The names of everything that can be set, for completion."""
    return [*(option.name for option in SAMPLING_OPTIONS), *_OWN]


def _changed(options: Options, key: str, value: str) -> Options:
    """The options with one of them set to `value`, or unset. Raises InvalidInput."""
    if not value:
        raise InvalidInput(f"/set {key} needs a value", command=f"/set {key} {DEFAULT}")
    if key.startswith("provider."):
        name = key.removeprefix("provider.")
        extra = {other: given for other, given in options.extra.items() if other != name}
        if value != DEFAULT:
            extra |= parse_options([(key, value)]).extra
        return replace(options, extra=extra)
    if value == DEFAULT and key in setting_names():
        return replace(options, **{key: getattr(Options(), key)})
    parsed: Any = getattr(parse_options([(key, value)]), key)
    return replace(options, **{key: parsed})


def _set_context(session: Session, value: str) -> None:
    if value == DEFAULT:
        session.asker.change(context_tokens=None)
        return
    wanted = f"a number of tokens, {LEAST_CONTEXT} or more, such as 8k"
    try:
        tokens = parse_count(value)
    except ValueError as error:
        raise InvalidInput(f"ctx must be {wanted}, not {value!r}") from error
    if tokens < LEAST_CONTEXT:
        raise InvalidInput(f"ctx must be {wanted}, not {value!r}")
    session.asker.change(context_tokens=tokens)
    doubt = context_doubt(session.asker.settings, session.asker.chosen.model)
    if doubt is not None:
        session.output.warn(doubt)


def _set_keep_alive(session: Session, value: str) -> None:
    try:
        session.asker.change(keep_alive_s=None if value == DEFAULT else parse_duration(value))
    except ValueError as error:
        raise InvalidInput(f"keep_alive must be {error}, not {value!r}") from error


def _set_usage(session: Session, value: str) -> None:
    session.display.usage = _on_or_off("usage", value)


def _set_stream(session: Session, value: str) -> None:
    session.display.stream = _on_or_off("stream", value)


def _on_or_off(key: str, value: str) -> bool:
    if value not in ("on", "off", DEFAULT):
        raise InvalidInput(f"{key} is on or off, not {value!r}", command=f"/set {key} on")
    return value == "on" or (value == DEFAULT and key == "stream")


_OWN: dict[str, Callable[[Session, str], None]] = {
    "ctx": _set_context,
    "keep_alive": _set_keep_alive,
    "usage": _set_usage,
    "stream": _set_stream,
}


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(repr, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={item!r}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)
