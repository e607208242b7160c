"""From a template's text to its parts. Pure.

Source of the language: pkg.go.dev/text/template, and Go's `text/template/parse`.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from localai.patterns import lazy_pattern
from localai.wires.go_templates.actions import action_end
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

_WORD: Final = lazy_pattern(
    r"\s*(?:(?P<string>\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`)|(?P<sign>:=|[=|(),])"
    r"|(?P<number>[+-]?\d[\w.]*)|(?P<path>\$?\w*(?:\.\w+)+|\.|\$\w*)|(?P<name>[A-Za-z_]\w*))"
)
_SPACE: Final = " \t\r\n"
_CONSTANTS: Final = {"true": True, "false": False, "nil": None}
_BRANCHES: Final = ("if", "with", "range")
_DEEPEST: Final = 100


def parse(text: str) -> GoTemplate:
    """The template in `text`. Raises TemplateError."""
    parser = _Parser(text)
    try:
        body = parser.list_until(())
    except RecursionError as error:
        raise TemplateError("it is nested too deeply") from error
    return GoTemplate(body, parser.defined, frozenset(parser.identifiers))


def _pieces(text: str) -> list[tuple[str, bool]]:
    """The texts and the insides of the actions (True), trimmed as `{{-` and `-}}` say."""
    pieces: list[tuple[str, bool]] = []
    end, trims = 0, False
    while (start := text.find("{{", end)) >= 0:
        close = action_end(text, start + 2)
        if close is None:
            raise TemplateError("an action is not closed")
        between = text[end:start]
        between = between.lstrip(_SPACE) if trims else between
        inner = text[start + 2 : close]
        is_trimmed = inner[:1] == "-" and inner[1:2].isspace()
        pieces.append((between.rstrip(_SPACE) if is_trimmed else between, False))
        inner = inner[1:] if is_trimmed else inner
        trims = inner[-1:] == "-" and inner[-2:-1].isspace()
        inner = inner.removesuffix("-").strip() if trims else inner.strip()
        if not (inner.startswith("/*") and inner.endswith("*/")):
            pieces.append((inner, True))
        end = close + 2
    last = text[end:]
    pieces.append((last.lstrip(_SPACE) if trims else last, False))
    return [(piece, is_action) for piece, is_action in pieces if piece or is_action]


class _Parser:
    def __init__(self, text: str) -> None:
        self._pieces = _pieces(text)
        self._at = 0
        self._depth = 0
        self.defined: dict[str, tuple[Node, ...]] = {}
        self.identifiers: set[str] = set()
        self._end = ""

    def list_until(self, ends: tuple[str, ...]) -> tuple[Node, ...]:
        """The nodes up to an action that begins with one of `ends`, which is taken, or the end."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise TemplateError("it is nested too deeply")
        nodes: list[Node] = []
        while self._at < len(self._pieces):
            piece, is_action = self._pieces[self._at]
            self._at += 1
            if not is_action:
                nodes.append(Text(piece))
                continue
            word = re.match(r"\w*", piece)
            first = word[0] if word is not None else ""
            if first in ends:
                self._end = piece
                self._depth -= 1
                return tuple(nodes)
            node = self._node(first, piece)
            if node is not None:
                nodes.append(node)
        if ends:
            raise TemplateError(f"{' or '.join(ends)} is missing")
        self._depth -= 1
        return tuple(nodes)

    def _node(self, first: str, piece: str) -> Node | None:
        rest = piece[len(first) :]
        if first in _BRANCHES:
            return self._branch(first, rest)
        if first in ("break", "continue"):
            return Jump(first)
        if first in ("define", "block"):
            words = _Words(rest, self.identifiers)
            name = words.text()
            pipe = words.pipe() if first == "block" else None
            self.defined[name] = self.list_until(("end",))
            return Call(name, pipe) if first == "block" else None
        if first == "template":
            words = _Words(rest, self.identifiers)
            name = words.text()
            return Call(name, None if words.is_done else words.pipe())
        if first in ("end", "else"):
            raise TemplateError(f"{first} closes nothing")
        return Action(_Words(piece, self.identifiers).pipe())

    def _branch(self, kind: str, rest: str) -> Branch:
        pipe = _Words(rest, self.identifiers).pipe()
        body = self.list_until(("else", "end"))
        otherwise: tuple[Node, ...] = ()
        if self._end.startswith("else"):
            more = self._end.removeprefix("else").strip()
            if more:
                first, _, condition = more.partition(" ")
                if first not in ("if", "with"):
                    raise TemplateError(f"else {first} is not known")
                return Branch(kind, pipe, body, (self._branch(first, condition),))
            otherwise = self.list_until(("end",))
        return Branch(kind, pipe, body, otherwise)


class _Words:
    """The words of one action."""

    def __init__(self, text: str, identifiers: set[str]) -> None:
        self._words: list[tuple[str, str, bool]] = []
        self._at = 0
        self._identifiers = identifiers
        end, whole = 0, len(text.rstrip())
        while end < whole:
            match = _WORD.match(text, end)
            if match is None:
                raise TemplateError(f"{text[end:].strip()[:30]!r} is not understood")
            kind = str(match.lastgroup)
            spaced = match[0][:1].isspace() or end == 0
            self._words.append((kind, match[kind], spaced))
            end = match.end()

    @property
    def is_done(self) -> bool:
        return self._at >= len(self._words)

    def _peek(self) -> tuple[str, str, bool]:
        return ("", "", True) if self.is_done else self._words[self._at]

    def _take(self) -> tuple[str, str, bool]:
        word = self._peek()
        self._at += 1
        return word

    def text(self) -> str:
        kind, word, _ = self._take()
        if kind != "string":
            raise TemplateError("a name in quotes is missing")
        return _string(word)

    def pipe(self) -> Pipe:
        """The rest of the words as a pipeline."""
        found = self._pipe()
        if not self.is_done:
            raise TemplateError(f"{self._peek()[1]!r} is unexpected")
        return found

    def _pipe(self) -> Pipe:
        variables, assigns = self._variables()
        commands = [self._command()]
        while self._peek()[1] == "|":
            self._take()
            commands.append(self._command())
        return Pipe(tuple(commands), variables, assigns)

    def _variables(self) -> tuple[tuple[str, ...], bool]:
        names: list[str] = []
        start = self._at
        while self._peek()[0] == "path" and re.fullmatch(r"\$\w+", self._peek()[1]):
            names.append(self._take()[1])
            sign = self._take()[1]
            if sign in (":=", "="):
                return tuple(names), sign == "="
            if sign != ",":
                break
        self._at = start
        return (), False

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while not self.is_done and self._peek()[1] not in ("|", ")"):
            operands.append(self._operand())
        if not operands:
            raise TemplateError("a command is empty")
        return tuple(operands)

    def _operand(self) -> Operand:
        kind, word, _ = self._take()
        if kind == "string":
            return Literal(_string(word))
        if kind == "number":
            return Literal(_number(word))
        if kind == "path":
            return self._path(word)
        if kind == "name":
            return Literal(_CONSTANTS[word]) if word in _CONSTANTS else Function(word)
        if word == "(":
            inner = self._pipe()
            if self._take()[1] != ")":
                raise TemplateError(") is missing")
            kind, word, spaced = self._peek()
            if kind == "path" and word.startswith(".") and word != "." and not spaced:
                self._take()
                return Path(inner, self._names(word))
            return Path(inner, ())
        raise TemplateError(f"{word!r} is unexpected")

    def _path(self, word: str) -> Path:
        if word == ".":
            return Path(None, ())
        if word.startswith("."):
            return Path(None, self._names(word))
        start, _, rest = word.partition(".")
        self._identifiers.add(start.lower())
        return Path(start, self._names(rest) if rest else ())

    def _names(self, word: str) -> tuple[str, ...]:
        names = tuple(word.strip(".").split("."))
        self._identifiers.update(name.lower() for name in names)
        return names


def _string(word: str) -> str:
    if word.startswith("`"):
        return word[1:-1]
    try:
        # Go's escapes are JSON's, but for \a, \v, \x and octal ones, which no model's has.
        return str(json.loads(word, strict=False))
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"the text {word} is not understood") from error


def _number(word: str) -> Any:
    try:
        return int(word, 0)
    except ValueError:
        pass
    try:
        return float(word)
    except ValueError as error:
        raise TemplateError(f"the number {word} is not understood") from error
