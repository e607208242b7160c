"""Executing a parsed template, as Go's `text/template` does with `missingkey=zero`. Pure."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from localai.wires.go_templates.nodes import (
    Action,
    Branch,
    Call,
    Function,
    GoTemplate,
    Jump,
    Literal,
    Node,
    Operand,
    Path,
    Pipe,
    TemplateError,
    Text,
)

_MOST_STEPS: Final = 1_000_000
_DEEPEST: Final = 100


def execute(template: GoTemplate, values: Mapping[str, Any]) -> str:
    """What `template` writes of `values`. Raises TemplateError, also for one that goes on for
    ever."""
    run = _Run(template)
    try:
        run.list(template.body, values)
    except _Left as left:
        raise TemplateError(f"{left.kind} is in no loop") from left
    return "".join(run.written)


class _Left(Exception):
    """A `break` or `continue` on its way to its loop."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class _Run:
    def __init__(self, template: GoTemplate) -> None:
        self._template = template
        self._variables: list[tuple[str, Any]] = []
        self._steps = 0
        self._depth = 0
        self.written: list[str] = []

    def list(self, nodes: Sequence[Node], values: Any) -> None:
        """Execute the whole template `nodes` with its own `$`."""
        outside, self._variables = self._variables, [("$", values)]
        self._depth += 1
        if self._depth > _DEEPEST:
            raise TemplateError("templates call each other without end")
        self._nodes(nodes, values)
        self._depth -= 1
        self._variables = outside

    def _nodes(self, nodes: Sequence[Node], dot: Any) -> None:
        for node in nodes:
            self._step()
            match node:
                case Text(text):
                    self.written.append(text)
                case Action(pipe):
                    value = self._pipe(pipe, dot)
                    if not pipe.variables:
                        self.written.append(_printed(value))
                case Branch(kind="range"):
                    self._range(node, dot)
                case Branch(kind, pipe, body, otherwise):
                    self._if(kind, pipe, body, otherwise, dot)
                case Jump(kind):
                    raise _Left(kind)
                case Call(name, argument):
                    if name not in self._template.defined:
                        raise TemplateError(f"the template {name!r} is not defined")
                    given = None if argument is None else self._pipe(argument, dot)
                    self.list(self._template.defined[name], given)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise TemplateError("it goes on without end")

    def _if(
        self, kind: str, pipe: Pipe, body: Sequence[Node], otherwise: Sequence[Node], dot: Any
    ) -> None:
        mark = len(self._variables)
        value = self._pipe(pipe, dot)
        if value:
            self._nodes(body, value if kind == "with" else dot)
        else:
            self._nodes(otherwise, dot)
        del self._variables[mark:]

    def _range(self, node: Branch, dot: Any) -> None:
        mark = len(self._variables)
        pairs = _pairs(self._pipe(node.pipe, dot, declares=False))
        names = node.pipe.variables
        for key, value in pairs:
            self._step()
            each = (value,) if len(names) == 1 else (key, value)
            for name, given in zip(names, each, strict=False):
                self._set(name, given, assigns=node.pipe.assigns)
            try:
                self._nodes(node.body, value)
            except _Left as left:
                if left.kind == "break":
                    break
            finally:
                del self._variables[mark:]
        if not pairs:
            self._nodes(node.otherwise, dot)

    def _pipe(self, pipe: Pipe, dot: Any, *, declares: bool = True) -> Any:
        fed: tuple[Any, ...] = ()
        for command in pipe.commands:
            fed = (self._command(command, dot, fed),)
        if declares:
            for name in pipe.variables:
                self._set(name, fed[0], assigns=pipe.assigns)
        return fed[0]

    def _set(self, name: str, value: Any, *, assigns: bool) -> None:
        if not assigns:
            self._variables.append((name, value))
            return
        for at in reversed(range(len(self._variables))):
            if self._variables[at][0] == name:
                self._variables[at] = (name, value)
                return
        raise TemplateError(f"the variable {name} is not declared")

    def _command(self, command: Sequence[Operand], dot: Any, fed: tuple[Any, ...]) -> Any:
        first, *rest = command
        if not isinstance(first, Function):
            if rest or fed:
                raise TemplateError("a value is called like a function")
            return self._value(first, dot)
        if first.name in ("and", "or"):
            return self._short(first.name == "or", rest, dot, fed)
        function = _FUNCTIONS.get(first.name)
        if function is None:
            raise TemplateError(f"it has the function {first.name}")
        try:
            return function(*(self._value(each, dot) for each in rest), *fed)
        except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
            raise TemplateError(f"{first.name} cannot take its arguments: {error}") from error

    def _short(
        self, until: bool, operands: Sequence[Operand], dot: Any, fed: tuple[Any, ...]
    ) -> Any:
        """`and` and `or`, which stop at the first value that decides."""
        value: Any = None
        for each in operands:
            value = self._value(each, dot)
            if bool(value) is until:
                return value
        return fed[0] if fed else value

    def _value(self, operand: Operand, dot: Any) -> Any:
        match operand:
            case Literal(value):
                return value
            case Function():
                return self._command((operand,), dot, ())
            case Path(start, names):
                if start is None:
                    value = dot
                elif isinstance(start, str):
                    value = self._variable(start)
                else:
                    value = self._pipe(start, dot)
                for name in names:
                    value = _field(value, name)
                return value

    def _variable(self, name: str) -> Any:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise TemplateError(f"the variable {name} is not declared")


def _field(value: Any, name: str) -> Any:
    if value is None:
        raise TemplateError(f"nil has no field {name}")
    if not isinstance(value, Mapping):
        raise TemplateError(f"a {type(value).__name__} has no field {name}")
    return value.get(name)


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    """What `range` goes through."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        if value > _MOST_STEPS:
            raise TemplateError("it goes on without end")
        return [(number, number) for number in range(value)]
    raise TemplateError(f"range cannot go through a {type(value).__name__}")


def _printed(value: Any) -> str:
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:g}"
    return _json(value)


def _json(value: Any) -> str:
    """As Go's `encoding/json` writes it, which escapes for HTML."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def _length(value: Any) -> int:
    return len(value.encode()) if isinstance(value, str) else len(value)


def _slice(value: Any, *ends: int) -> Any:
    size = _length(value)
    low, high = (*ends, *(0, size)[len(ends) :])[:2]
    if not 0 <= low <= high <= size:
        raise IndexError(f"{low} to {high} of {size}")
    if isinstance(value, str):
        return value.encode()[low:high].decode(errors="replace")
    return value[low:high]


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(key, int) and 0 <= key < len(value):
            value = value.encode()[key] if isinstance(value, str) else value[key]
        else:
            raise IndexError(f"there is no {key}")
    return value


def _equal(first: Any, *others: Any) -> bool:
    return any(first == other and _is_bool(first) is _is_bool(other) for other in others)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _format(pattern: str, *values: Any) -> str:
    written, given = "", iter(values)
    parts = pattern.split("%")
    written += parts[0]
    rest = iter(parts[1:])
    for part in rest:
        if not part:
            written += "%" + next(rest, "")
        elif part[0] in "svd":
            written += _printed(next(given, None)) + part[1:]
        elif part[0] == "q":
            written += json.dumps(next(given, ""), ensure_ascii=False) + part[1:]
        else:
            raise TemplateError(f"printf of %{part[0]} is not supported")
    return written


def _day(before: int) -> Callable[..., str]:
    def day(*_: Any) -> str:
        return (datetime.datetime.now() - datetime.timedelta(days=before)).strftime("%Y-%m-%d")

    return day


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "not": lambda value: not value,
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "len": _length,
    "slice": _slice,
    "index": _index,
    "json": _json,
    "print": lambda *values: "".join(map(_printed, values)),
    "println": lambda *values: " ".join(map(_printed, values)) + "\n",
    "printf": cast("Callable[..., Any]", _format),
    "currentDate": _day(0),
    "yesterdayDate": _day(1),
}
