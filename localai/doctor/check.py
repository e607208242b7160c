"""Checks: their type, their findings, and their registration.

    @check(
        code="disk-full", group="disk", severity="fail", title="…", when="…", cause="…",
        fix=Fix(…), source="ollama #1311",
    )
    def disk_full(facts: Snapshot) -> Iterator[Hit]: …

A check is a pure function of a snapshot. If a fact that it rests on is unknown, it raises
`Unknown`, mostly through `known`; it never takes unknown for "no". A check of several things of a
kind is a function of one of them under `@for_each(kind)`, so that an unknown fact of one does not
hide the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from localai.dataclass import dataclass
from localai.doctor.facts.snapshot import AskedRegistry, Deep, Snapshot

if TYPE_CHECKING:
    import datetime

T = TypeVar("T")

Group = Literal[
    "gpu", "server", "models", "memory", "disk", "network", "privacy", "security", "localai"
]
Severity = Literal["fail", "warn", "info"]
Safety = Literal["ours", "user", "root", "manual"]
"""ours: localai's own, done by `--fix` and undone again. user: the user's own lines. root: lines
that need an administrator. manual: no line can do it."""

SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact that a finding rests on, and its source."""

    what: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Fix:
    """The way to mend a finding: `lines` to paste, or a `hint` in words. `undo` is the line that
    takes it back."""

    lines: tuple[str, ...] = ()
    safety: Safety = "user"
    undo: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A check that fires. A field that is None has the check's own value.

    `subject` is the thing that is wrong ("ollama", "disk:/data"). `within` are the subjects that
    contain it; a finding about one of them explains this one.
    """

    subject: str
    evidence: tuple[Evidence, ...]
    title: str | None = None
    cause: str | None = None
    fix: Fix | None = None
    severity: Severity | None = None
    within: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unseen:
    """One of several things whose facts are not enough for a check, and the reason."""

    reason: str


Look = Callable[[Snapshot], Iterator[Hit] | Iterator[Hit | Unseen]]


@dataclass(frozen=True, slots=True)
class Check:
    """A check and the texts of its page. `after` are the codes of the checks that would explain
    it."""

    code: str
    group: Group
    severity: Severity
    title: str
    when: str
    cause: str
    fix: Fix
    source: str
    after: tuple[str, ...]
    look: Look


class Unknown(Exception):
    """A check cannot be made, because a fact that it rests on is unknown."""


class NotAsked(Unknown):
    """A check is made only with an option of the command that was not given."""

    def __init__(self, option: str) -> None:
        super().__init__(f"it is made with {option}")
        self.option = option


CHECKS: dict[str, Check] = {}
"""Every check by its code, in the order of the groups' modules (`doctor.checks` imports them)."""


def check(
    *,
    code: str,
    group: Group,
    severity: Severity,
    title: str,
    when: str,
    cause: str,
    fix: Fix,
    source: str,
    after: tuple[str, ...] = (),
) -> Callable[[Look], Look]:
    """Register a check. Raises ValueError for a code that is taken."""

    def register(look: Look) -> Look:
        if code in CHECKS:
            raise ValueError(f"two checks are called {code}")
        CHECKS[code] = Check(code, group, severity, title, when, cause, fix, source, after, look)
        return look

    return register


def for_each(
    kind: Callable[[Snapshot], Iterable[T]],
) -> Callable[[Callable[[Snapshot, T], Iterator[Hit]]], Look]:
    """Turn a function of one thing into a check of all things that `kind` returns."""

    def widened(look: Callable[[Snapshot, T], Iterator[Hit]]) -> Look:
        def look_at_all(facts: Snapshot) -> Iterator[Hit | Unseen]:
            for each in kind(facts):
                try:
                    yield from look(facts, each)
                except Unknown as error:
                    yield Unseen(str(error))

        return look_at_all

    return widened


def known(value: T | None, what: str) -> T:
    """`value`, if it is known. Raises Unknown, which says what was missing."""
    if value is None:
        raise Unknown(f"{what} is not known")
    return value


def known_day(value: str | float | None, what: str) -> datetime.date:
    """The day, in UTC, of a date or of seconds since the epoch. Raises Unknown if it is neither,
    because facts may come from a file."""
    import datetime

    if value is None:
        raise Unknown(f"{what} is not known")
    try:
        if isinstance(value, str):
            return datetime.date.fromisoformat(value)
        return datetime.datetime.fromtimestamp(value, datetime.UTC).date()
    except (ValueError, OverflowError, OSError) as error:
        raise Unknown(f"{what} is no day: {value!r:.40}") from error


def tried(facts: Snapshot) -> Deep:
    """The results of `--deep`. Raises NotAsked."""
    if facts.deep is None:
        raise NotAsked("--deep")
    return facts.deep


def asked(facts: Snapshot) -> tuple[AskedRegistry, ...]:
    """The results of `--online`. Raises NotAsked."""
    if facts.asked is None:
        raise NotAsked("--online")
    return facts.asked


def sentence(title: str) -> str:
    """`title` as it begins a line: settings, hosts and names such as localai, vLLM and macOS stay
    as they are written."""
    first = title.partition(" ")[0]
    letters = first.removesuffix("'s").replace("-", "")
    is_word = letters.isalpha() and letters.islower() and letters != "localai"
    return title[:1].upper() + title[1:] if is_word else title
