"""Every failure a user can meet, each with the exit code and the JSON `kind` it promises.

    LocalaiError                    1   unexpected: a bug
    ├── InvalidInput                2   the command line, the config or a file's content is wrong
    │   ├── ForeignStore            2   Ollama's store belongs to another user
    │   ├── SchemaRefused           2   the engine cannot hold an answer to this one schema
    │   └── TemplateFault           2   a chat template makes no prompt of what is asked
    ├── NotFound                    3   no such model, file, conversation
    ├── PolicyRefused               4   the privacy policy says no
    │   └── ProgramRefused          4   … to starting a program
    ├── Unreachable                 5   an engine or a provider does not answer, or died
    │   └── ConnectionLost          5   … for now: the same may succeed later
    ├── ProviderRefused             6   a provider says no: key, quota, content
    │   └── AnswerRefused           6   … to this one question
    ├── InsufficientResources       7   not enough memory, disk or context
    │   ├── ContextOverflow         7   the prompt is larger than the context
    │   └── DatabaseFull            7   the disk of the database is full
    ├── FinishedWithFailures        8   the work was done, and something in it failed
    ├── OwnStateUnavailable         9   localai's own files cannot be used
    │   ├── DatabaseUnavailable     9   the database is unreadable, locked or damaged
    │   └── NotRemoved              9   a file of localai's resists its removal
    └── Interrupted               130   Ctrl-C

Three texts make an error: `message` says what happened and to which thing, `hint` what to do
about it, and `command` is one line that does it, complete and quoted, to be run as it stands.
`check` is what to call `localai doctor` with to find out why it is so: a group or code.
A signal between two modules that never reaches a user (an HTTP status on its way to its
translation, a request to wait) is no error of this tree.

This module prints nothing: `localai.cli.main` is the one place where an error becomes text and
an exit code.
"""

from __future__ import annotations

import errno
from typing import ClassVar, TypedDict

_NOT_ENOUGH = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
)
_RAISE_LIMITS = "make room, or raise the limit: ulimit -a"

Command = str | tuple[object, ...]
"""A line for a shell (or `/…` for the terminal session), or its words, which are then quoted."""


class Remedy(TypedDict, total=False):
    """The hint, the command and the check of an error, chosen before the error is made: `raise
    Unreachable(text, **remedy)`."""

    hint: str
    command: Command
    check: str


class LocalaiError(Exception):
    """The base of all errors. Raised itself, it is an unexpected failure: a bug in localai."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "unexpected"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        command: Command | None = None,
        check: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.check = check
        self.command = _quoted(command) if isinstance(command, tuple) else command


class InvalidInput(LocalaiError):
    """The command line, the configuration or a given file says something impossible."""

    exit_code = 2
    kind = "invalid_input"


class SchemaRefused(InvalidInput):
    """The engine cannot hold an answer to the schema of this one request."""


class TemplateFault(InvalidInput):
    """The chat template, the model's or the one given, makes no prompt of what is asked, or one
    without it. `why` is what is wrong with it, in the engine's words."""

    def __init__(self, message: str, *, why: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, check="model-template-broken")
        self.why = why


class ForeignStore(InvalidInput):
    """Only the user that Ollama runs as may write to Ollama's store."""


class NotFound(LocalaiError):
    """A model, file or conversation that was named does not exist."""

    exit_code = 3
    kind = "not_found"


class PolicyRefused(LocalaiError):
    """The privacy policy forbids what was tried."""

    exit_code = 4
    kind = "policy_refused"


class ProgramRefused(PolicyRefused, PermissionError):
    """A program was about to be started, and the policy allows none.

    It is a PermissionError too: libraries that only wanted to know something (`uname -p`,
    `lsb_release`) are prepared for a program that cannot be run and continue without it.
    """


class Unreachable(LocalaiError):
    """An engine or provider does not answer, broke off, or crashed."""

    exit_code = 5
    kind = "unreachable"


class ConnectionLost(Unreachable):
    """The network or the server failed for now.

    `retry_after_s` is how long the server asks to wait; None if it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        command: Command | None = None,
        check: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, command=command, check=check)
        self.retry_after_s = retry_after_s


class ProviderRefused(LocalaiError):
    """A provider answered with a refusal: key, quota, content, an option it does not take."""

    exit_code = 6
    kind = "provider_refused"


class AnswerRefused(ProviderRefused):
    """A provider took the question and refused to answer it, or filtered its answer."""

    kind = "answer_refused"


class InsufficientResources(LocalaiError):
    """Not enough memory, disk space or context for what was asked."""

    exit_code = 7
    kind = "insufficient_resources"


class ContextOverflow(InsufficientResources):
    """A prompt does not fit the context. Both sizes are in tokens, None if unknown."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        command: Command | None = None,
        prompt_tokens: int | None = None,
        context_tokens: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, command=command)
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens


class FinishedWithFailures(LocalaiError):
    """The command ran to its end, and a part of its work failed."""

    exit_code = 8
    kind = "finished_with_failures"


class OwnStateUnavailable(LocalaiError):
    """localai's own files cannot be used."""

    exit_code = 9
    kind = "own_state_unavailable"


class DatabaseUnavailable(OwnStateUnavailable):
    """The database cannot be opened or written: unreadable, locked, damaged, of a newer localai."""

    kind = "database_unavailable"


class DatabaseFull(InsufficientResources, DatabaseUnavailable):
    """The database cannot grow: its disk is full."""


class NotRemoved(OwnStateUnavailable):
    """A file or folder of localai's own cannot be removed: another user's, a read-only disk."""

    kind = "not_removed"


class Interrupted(LocalaiError):
    """The user pressed Ctrl-C."""

    exit_code = 130
    kind = "interrupted"


def find_localai_error(exception: BaseException) -> LocalaiError | None:
    """Our own error within `exception` or its causes, the outermost first; None if there is none.

    Libraries wrap whatever their transport raises (an SDK turns the guard's PolicyRefused into its
    own connection error). The chain of causes still has our error.
    """
    seen: set[int] = set()
    current: BaseException | None = exception
    while current is not None and id(current) not in seen:
        if isinstance(current, LocalaiError):
            return current
        seen.add(id(current))
        current = current.__cause__ or current.__context__
    return None


def as_error(exception: BaseException) -> LocalaiError:
    """Our own error within `exception`; what the system refused as such; else one that calls it a
    bug in localai."""
    if found := find_localai_error(exception):
        return found
    if refused := system_error(exception):
        return refused
    return LocalaiError(f"this is a bug in localai: {type(exception).__name__}: {exception}")


def class_of_kind(kind: str | None) -> type[LocalaiError]:
    """The error class that promises `kind`; LocalaiError if none does."""
    found = [LocalaiError]
    for each in found:
        if each.kind == kind:
            return each
        found += each.__subclasses__()
    return LocalaiError


def system_error(error: BaseException) -> LocalaiError | None:
    """The error for what the operating system refuses and no closer code had words for; None if
    `error` is nothing of the system's."""
    if isinstance(error, MemoryError):
        return InsufficientResources("there is not enough memory", command="localai ps")
    if isinstance(error, RuntimeError) and str(error) == "can't start new thread":
        return InsufficientResources(
            "the system gives this command no further thread", hint=_RAISE_LIMITS
        )
    if not isinstance(error, OSError):
        return None
    if error.filename is None and error.errno in (errno.ENOMEM, errno.EAGAIN):
        return InsufficientResources(
            f"the system gives this command no more: {error.strerror}", hint=_RAISE_LIMITS
        )
    what = "the output" if error.filename is None else str(error.filename)
    message = f"cannot use {what}: {error.strerror or error}"
    if error.errno == errno.ENAMETOOLONG:
        return InvalidInput(f"the name of a file is too long: {what[:80]}…", hint="a shorter one")
    if error.errno in _NOT_ENOUGH:
        return InsufficientResources(message, hint=_RAISE_LIMITS)
    if error.filename is None and error.errno in (errno.EBADF, errno.EIO):
        return InvalidInput(message, hint="give it a stdout that can be written")
    return OwnStateUnavailable(message, hint="set LOCALAI_HOME to a folder that can be written")


def _quoted(words: tuple[object, ...]) -> str:
    """The words as a line for a shell. The first word may be one that the shell expands, such as
    `${EDITOR:-vi}`."""
    import shlex

    first, *others = (str(word) for word in words)
    return " ".join(
        [first if first.startswith("$") else shlex.quote(first), *map(shlex.quote, others)]
    )
