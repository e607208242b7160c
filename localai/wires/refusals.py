"""The meaning of a server's refusal: from status, error object and headers to our own errors. Pure.

The kinds and texts are those of OpenAI, Anthropic, llama.cpp, vLLM, SGLang, Ollama and LM Studio.
The texts of a single server, with the user's remedy, are the `ServerWords` of its wire. The module
also has the other direction: the document in which our own server reports an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from localai.dataclass import dataclass
from localai.errors import (
    ContextOverflow,
    InvalidInput,
    LocalaiError,
    NotFound,
    PolicyRefused,
    ProviderRefused,
    Remedy,
    SchemaRefused,
    Unreachable,
)
from localai.net.retry import BUSY_STATUSES, Busy, retry_after_s
from localai.patterns import lazy_pattern
from localai.redaction import redacted
from localai.units import counted

# The status that an error in mid-stream stands for; the stream itself began with status 200.
_STATUS_OF_KIND = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "overloaded_error": 529,
    "server_error": 500,
    "api_error": 500,
    "timeout_error": 504,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
}
# The words in which llama.cpp, and servers built on it, say that the grammar cannot hold a schema.
_SCHEMA_TEXT: Final = r"(?i)json.?schema|\bgrammar\b|Unrecognized schema"

# These kinds come with 429 too, but waiting does not help.
_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_OVERFLOW_KINDS = {"exceed_context_size_error", "context_length_exceeded"}
# The texts of an overflow, the most specific first: some contain the tokens of prompt and context.
_OVERFLOW_TEXTS = tuple(
    lazy_pattern(text, re.IGNORECASE)
    for text in (
        # "prompt is too long: 200251 tokens > 200000 maximum" (Anthropic)
        r"prompt is too long: (?P<prompt>\d+) tokens > (?P<context>\d+)",
        # "input length and `max_tokens` exceed context limit: 143653 + 64000 > 200000" (Anthropic)
        r"context limit: (?P<prompt>\d+) \+ \d+ > (?P<context>\d+)",
        # LM Studio, with HTTP status 200 or 400
        r"keep the first (?P<prompt>\d+) tokens.*context length of only (?P<context>\d+)",
        r"reached context length of (?P<context>\d+) tokens",
        r"context size has been exceeded",
        # `context deadline exceeded` must not match: it means a time-out.
        r"exceeds? (the )?(available )?context",
        r"prompt is too long",
        r"context (length|window) (is|of)",
        r"maximum context length|model's context length|context limit",
    )
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A server's refusal: its HTTP status and its error object. `model` is the model that was
    asked; it is empty if none was."""

    status: int
    error: Mapping[str, Any]
    model: str

    @property
    def message(self) -> str:
        """The server's text. An API key that the text repeats is redacted."""
        return redacted(str(self.error.get("message") or json.dumps(dict(self.error))))

    @property
    def kinds(self) -> frozenset[str]:
        """The server's names for the error."""
        return frozenset({str(self.error.get("type")), str(self.error.get("code"))})


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a kind of refusal. A refusal fits by one of the `statuses`, by one of the
    `kinds`, or by a message that matches the regular expression `text`. `becomes` makes the
    error."""

    becomes: Callable[[Refusal], LocalaiError]
    statuses: frozenset[int] = frozenset()
    kinds: frozenset[str] = frozenset()
    text: str | None = None

    def fits(self, refusal: Refusal) -> bool:
        """Whether `refusal` has this meaning."""
        return (
            refusal.status in self.statuses
            or bool(refusal.kinds & self.kinds)
            or (self.text is not None and re.search(self.text, refusal.message) is not None)
        )


@dataclass(frozen=True, slots=True)
class ServerWords:
    """The peculiarities of one server.

    The first of its `meanings` that fits counts, before those of all servers. `when_failed` is the
    remedy if the server fails. `context_grows` says that `--ctx` makes its context larger.
    """

    meanings: tuple[Meaning, ...] = ()
    when_failed: Remedy = field(default_factory=Remedy)
    context_grows: bool = False


_NO_PECULIARITIES = ServerWords()


def failure(
    who: str,
    status: int,
    error: Mapping[str, Any],
    headers: Mapping[str, str],
    *,
    words: ServerWords = _NO_PECULIARITIES,
    model: str = "",
    context_tokens: int | None = None,
    key_remedy: Remedy | None = None,
) -> LocalaiError | Busy:
    """The error to raise for an answer of `status`; `Busy` if waiting may help.

    The message calls the server `who`. A status below 400 means that the error came in mid-stream;
    then the error's kind decides. `context_tokens` is the context that the request had, if known.
    `key_remedy` is the remedy for a key that the server does not accept.
    """
    with_status = f" (HTTP {status})" if status >= 400 else ""
    refusal = Refusal(status, error, model)
    message, kinds = refusal.message, refusal.kinds
    if status < 400:
        status = next((s for kind, s in _STATUS_OF_KIND.items() if kind in kinds), 500)
        refusal = Refusal(status, error, model)
    if found := _overflow_in(who, refusal, words, context_tokens):
        return found
    for meaning in words.meanings:
        if meaning.fits(refusal):
            return meaning.becomes(refusal)
    if status in (401, 403):
        return ProviderRefused(f"{who} does not accept the key: {message}", **(key_remedy or {}))
    if status == 404:
        return NotFound(f"{who}: {message}", command="localai list")
    if kinds & _QUOTA:
        return ProviderRefused(f"{who} refused: {message}", hint="look at the account's billing")
    if status in BUSY_STATUSES:
        whole = f"{who} is {BUSY_STATUSES[status]}: {message}"
        final = ProviderRefused(whole) if status == 429 else Unreachable(whole, **words.when_failed)
        return Busy(f"{who} is {BUSY_STATUSES[status]}", final, retry_after_s(headers))
    if status >= 500:
        return Unreachable(f"{who} failed{with_status}: {message}", **words.when_failed)
    return ProviderRefused(f"{who} refused{with_status}: {message}")


def overflow(
    who: str,
    prompt_tokens: int | None,
    context_tokens: int | None,
    *,
    server_text: str = "",
    context_grows: bool = True,
) -> ContextOverflow:
    """The error for a prompt that does not fit the context of `who`. Unknown numbers are None; then
    `server_text`, its own message, stands in their place."""
    if prompt_tokens and context_tokens:
        numbers = f"{counted(prompt_tokens, 'token')} against {context_tokens:,}"
    elif context_tokens:
        numbers = f"more than {counted(context_tokens, 'token')}"
    else:
        numbers = server_text
    larger = "give a larger --ctx" if context_grows else "take a model with a larger context"
    return ContextOverflow(
        f"the prompt does not fit the context of {who}" + (f": {numbers}" if numbers else ""),
        hint=f"shorten the prompt, or {larger}",
        prompt_tokens=prompt_tokens,
        context_tokens=context_tokens,
    )


def _overflow_in(
    who: str, refusal: Refusal, words: ServerWords, context_tokens: int | None
) -> ContextOverflow | None:
    named = bool(refusal.kinds & _OVERFLOW_KINDS)
    matches = (text.search(refusal.message) for text in _OVERFLOW_TEXTS)
    found = next((match for match in matches if match), None)
    if not named and (found is None or refusal.status not in (400, 413, 500)):
        return None
    groups = {} if found is None else found.groupdict()
    numbers = {name: int(value) for name, value in groups.items() if value}
    error = refusal.error
    return overflow(
        who,
        error.get("n_prompt_tokens") or numbers.get("prompt"),
        error.get("n_ctx") or numbers.get("context") or context_tokens,
        server_text=refusal.message,
        context_grows=words.context_grows,
    )


def refused_schema(who: str) -> Meaning:
    """The meaning of a refusal in which `who`, llama.cpp or a server built on it, says that it
    cannot hold the schema: only this request is refused."""
    return Meaning(
        lambda refusal: SchemaRefused(f"{who} does not take the schema: {refusal.message}"),
        text=_SCHEMA_TEXT,
    )


def worker_failure(who: str, status: int, error: Mapping[str, Any]) -> LocalaiError:
    """The error for a refusal of the worker of our engine `who`.

    A worker refuses only wrong requests, so statuses 400 and 422 become InvalidInput. Its context
    can be made larger.
    """
    wrong = Meaning(
        lambda refusal: InvalidInput(f"{who} refused the request: {refusal.message}"),
        statuses=frozenset({400, 422}),
    )
    words = ServerWords((refused_schema(who), wrong), context_grows=True)
    return final_error(failure(who, status, error, {}, words=words))


def final_error(found: LocalaiError | Busy) -> LocalaiError:
    """The error for `found` if waiting is impossible: an answer had begun, or none will come."""
    return found.final if isinstance(found, Busy) else found


# The other direction: our own server's errors


def status_and_kind(error: LocalaiError) -> tuple[int, str]:
    """The HTTP status of one of our errors, and its kind in OpenAI's words."""
    return next(found for kind, found in _STATUS_OF_ERROR if isinstance(error, kind))


def error_object(error: LocalaiError) -> dict[str, Any]:
    """One of our errors as llama.cpp's `error` object, which adds the numbers of an overflow."""
    status, kind = status_and_kind(error)
    document: dict[str, Any] = {"code": status, "message": error.message, "type": kind}
    if isinstance(error, ContextOverflow):
        document |= {"n_prompt_tokens": error.prompt_tokens, "n_ctx": error.context_tokens}
    return document


_STATUS_OF_ERROR: tuple[tuple[type[LocalaiError], tuple[int, str]], ...] = (
    (ContextOverflow, (400, "exceed_context_size_error")),
    (InvalidInput, (400, "invalid_request_error")),
    (NotFound, (404, "not_found_error")),
    (PolicyRefused, (403, "permission_error")),
    (ProviderRefused, (422, "invalid_request_error")),
    (LocalaiError, (500, "server_error")),
)
