"""Every failure a user can meet, each with the exit code and the JSON `kind` it promises.

    LocalaiError                1   unexpected: a bug
    ├── InvalidInput            2   the command line, the config or a file's content is wrong
    ├── NotFound                3   no such model, file, conversation
    ├── PolicyRefused           4   the privacy policy says no
    ├── Unreachable             5   an engine or a provider does not answer, or died
    ├── ProviderRefused         6   a provider says no: key, quota, content
    ├── InsufficientResources   7   not enough memory, disk or context
    ├── FinishedWithFailures    8   the work was done, and something in it failed
    └── Interrupted           130   Ctrl-C

`message` says what happened and to which thing; `hint` is a line the user can paste or a
sentence that says what to do. This module prints nothing: `localai.cli.main` is the one
place where an error becomes text and an exit code.
"""

from __future__ import annotations

from typing import ClassVar


class LocalaiError(Exception):
    """The base of all: what happened (`message`) and what to do about it (`hint`)."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "unexpected"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(LocalaiError):
    """The command line, the configuration or a given file says something impossible."""

    exit_code = 2
    kind = "invalid_input"


class NotFound(LocalaiError):
    """A model, file or conversation that was named does not exist."""

    exit_code = 3
    kind = "not_found"


class PolicyRefused(LocalaiError):
    """The privacy policy forbids what was tried."""

    exit_code = 4
    kind = "policy_refused"


class Unreachable(LocalaiError):
    """An engine or provider does not answer, broke off, or crashed."""

    exit_code = 5
    kind = "unreachable"


class ProviderRefused(LocalaiError):
    """A provider answered with a refusal: key, quota, content, an option it does not take."""

    exit_code = 6
    kind = "provider_refused"


class InsufficientResources(LocalaiError):
    """Not enough memory, disk space or context for what was asked."""

    exit_code = 7
    kind = "insufficient_resources"


class ContextOverflow(InsufficientResources):
    """A prompt does not fit the context: both sizes in tokens, None where unknown."""

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        prompt_tokens: int | None = None,
        context_tokens: int | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens


class FinishedWithFailures(LocalaiError):
    """The command ran to its end, and a part of its work failed."""

    exit_code = 8
    kind = "finished_with_failures"


class Interrupted(LocalaiError):
    """The user pressed Ctrl-C."""

    exit_code = 130
    kind = "interrupted"


def find_localai_error(exception: BaseException) -> LocalaiError | None:
    """Our own error within `exception` or what caused it, outermost first; None if there is none.

    Libraries wrap whatever their transport raises (an SDK turns the guard's PolicyRefused into
    its own connection error): the chain still holds the truth.
    """
    seen: set[int] = set()
    current: BaseException | None = exception
    while current is not None and id(current) not in seen:
        if isinstance(current, LocalaiError):
            return current
        seen.add(id(current))
        current = current.__cause__ or current.__context__
    return None
