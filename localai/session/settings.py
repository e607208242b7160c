"""`/set`: the options of the model and the few settings of a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from localai.config import parse_duration
from localai.errors import InvalidInput
from localai.options import parse_options
from localai.output.output import Output
from localai.output.streams import note
from localai.session.state import Session
from localai.types import Options

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class InForce:
    """A setting, its value, and whose it is: the user's, the model's, or localai's."""

    name: str
    value: str
    whose: str

    @property
    def text(self) -> str:
        """For a line of `/show`."""
        return f"{self.value} ({self.whose})" if self.whose else self.value


def set_(session: Session, argument: str) -> None:
    """Show the options in force, or set one; the value `default` unsets it.

    The model's: temperature, top_p, top_k, min_p, repeat_penalty, presence_penalty,
    frequency_penalty, seed, max_tokens, stop, and provider.KEY for a provider's own.
    Ours: ctx (tokens), keep_alive (5m), usage (on: tokens, speed, where), stream (off: the
    answer when it is whole).
    """
    key, _, value = argument.partition(" ")
    value = value.strip()
    if not key:
        Output("chat").facts(
            [(setting.name, setting.text) for setting in settings_in_force(session)]
        )
        return
    own = _OWN.get(key.replace("-", "_"))
    if own is not None:
        own(session, value)
    else:
        session.asker.change(options=_changed(session.asker.settings.options, key, value))
    note(f"{key}: {value}")


def settings_in_force(session: Session) -> list[InForce]:
    """Every option that has a value, and the session's own settings."""
    given, effective = session.asker.settings.options, session.asker.options
    advised = session.asker.chosen.model.recommended
    found = []
    for field in fields(Options):
        value = getattr(effective, field.name)
        if value in (None, (), {}):
            continue
        if getattr(given, field.name) == value:
            whose = "yours"
        else:
            whose = "the model's" if getattr(advised, field.name) == value else "default"
        found.append(InForce(field.name, _text(value), whose))
    if session.asker.settings.context_tokens is not None:
        found.append(InForce("ctx", f"{session.asker.settings.context_tokens:,}", "yours"))
    if session.asker.settings.keep_alive_s is not None:
        found.append(InForce("keep_alive", f"{session.asker.settings.keep_alive_s:g} s", "yours"))
    return found


def setting_names() -> list[str]:
    """What can be set, for completion."""
    return [*(field.name for field in fields(Options) if field.name != "extra"), *_OWN]


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
    elif value.isdigit() and int(value) >= 64:
        session.asker.change(context_tokens=int(value))
    else:
        raise InvalidInput(f"ctx must be a number of tokens, 64 or more, not {value!r}")


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
