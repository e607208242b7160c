"""The parts of a parsed template, named as in Go's `text/template/parse`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localai.dataclass import dataclass


class TemplateError(ValueError):
    """A template that Go would refuse, or that uses what is not supported; the text says what."""


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text."""

    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: a text, a number, true, false, nil."""

    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """`.A.B`, `$x.A` or `(…).A`: the `names` below a start, which is the dot (None), a variable's
    name or a pipeline."""

    start: str | Pipe | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function, as the first word of a command."""

    name: str


Operand = Literal | Path | Function


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each fed the result of the one before. `variables` take the last result; they are
    declared (`:=`) or, if `assigns`, already there (`=`)."""

    commands: tuple[tuple[Operand, ...], ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """`{{ pipe }}`."""

    pipe: Pipe


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`, `with` or `range` with its two lists."""

    kind: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """`break` or `continue`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Call:
    """`{{ template "name" pipe }}`."""

    name: str
    pipe: Pipe | None


Node = Text | Action | Branch | Jump | Call


@dataclass(frozen=True, slots=True)
class GoTemplate:
    """A template: its own list, and those that it defines. `identifiers` are the names of all
    fields and variables in it, in small letters."""

    body: tuple[Node, ...]
    defined: Mapping[str, tuple[Node, ...]]
    identifiers: frozenset[str]
