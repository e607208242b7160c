"""What a server's refusal means: from status, error object and headers to our own errors.

Pure. For the clouds, the servers of the user's own and the workers of our engines: kinds and texts
are those of OpenAI, Anthropic, llama.cpp, vLLM and SGLang. Ollama and LM Studio have words of their
own, which stand in their wires. Also the way back: what a server of ours says of an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from localai.errors import (
    ContextOverflow,
    InvalidInput,
    LocalaiError,
    NotFound,
    PolicyRefused,
    ProviderRefused,
    Remedy,
    Unreachable,
)
from localai.net.retry import Busy, retry_after_s

# The status that an error in mid-stream would have had: the stream itself began with 200.
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
_BUSY = {429: "rate limited", 503: "not ready", 529: "overloaded"}
# These say 429 too, and no waiting helps.
_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_OVERFLOW_KINDS = {"exceed_context_size_error", "context_length_exceeded"}
_OVERFLOW_TEXT = re.compile(
    r"prompt is too long|exceeds? (the )?(available )?context|context (length|window) (is|of)"
    r"|maximum context length|model's context length|context limit",
    re.IGNORECASE,
)
# "prompt is too long: 200251 tokens > 200000 maximum" (Anthropic)
# "input length and `max_tokens` exceed context limit: 143653 + 64000 > 200000" (Anthropic)
_NUMBERS = re.compile(r"(\d+)(?: tokens| \+ \d+) > (\d+)")


def failure(
    who: str,
    status: int,
    error: Mapping[str, Any],
    headers: Mapping[str, str],
    *,
    key_remedy: Remedy | None = None,
) -> LocalaiError | Busy:
    """The error to raise for an answer of `status`; `Busy` if it is worth waiting.

    `who` is how the message calls the server. A status below 400 means that the error came in
    mid-stream: then its kind decides.
    """
    message = str(error.get("message") or json.dumps(dict(error)))
    kinds = {str(error.get("type")), str(error.get("code"))}
    if status < 400:
        status = next((s for kind, s in _STATUS_OF_KIND.items() if kind in kinds), 500)
    if kinds & _OVERFLOW_KINDS or (status in (400, 413, 500) and _OVERFLOW_TEXT.search(message)):
        return _overflow(who, message, error)
    if status in (401, 403):
        return ProviderRefused(f"{who} does not accept the key: {message}", **(key_remedy or {}))
    if status == 404:
        return NotFound(f"{who}: {message}", command="localai list")
    if kinds & _QUOTA:
        return ProviderRefused(f"{who} refused: {message}", hint="look at the account's billing")
    if status in _BUSY:
        said = f"{who} is {_BUSY[status]}: {message}"
        final = ProviderRefused(said) if status == 429 else Unreachable(said)
        return Busy(f"{who} is {_BUSY[status]}", final, retry_after_s(headers))
    if status >= 500:
        return Unreachable(f"{who} failed (HTTP {status}): {message}")
    return ProviderRefused(f"{who} refused (HTTP {status}): {message}")


def worker_failure(who: str, status: int, error: Mapping[str, Any]) -> LocalaiError:
    """The error for a refusal of the worker of our engine `who`.

    A worker refuses only what was asked of it, so the request is wrong; and its context can grow.
    """
    found = final_error(failure(who, status, error, {}))
    if isinstance(found, ContextOverflow):
        found.hint = "shorten the prompt, or give a larger --ctx"
    elif status in (400, 422):
        message = str(error.get("message") or json.dumps(dict(error)))
        return InvalidInput(f"{who} refused the request: {message}")
    return found


def final_error(found: LocalaiError | Busy) -> LocalaiError:
    """The error where no waiting is possible any more: an answer had begun, or none will come."""
    return found.final if isinstance(found, Busy) else found


# The other way: what a server of ours says


def status_and_kind(error: LocalaiError) -> tuple[int, str]:
    """The HTTP status of an error of ours, and its kind in OpenAI's words."""
    return next(found for kind, found in _STATUS_OF_ERROR if isinstance(error, kind))


def error_object(error: LocalaiError) -> dict[str, Any]:
    """An error of ours as llama.cpp's `error` object, which adds the numbers of an overflow."""
    status, kind = status_and_kind(error)
    said: dict[str, Any] = {"code": status, "message": error.message, "type": kind}
    if isinstance(error, ContextOverflow):
        said |= {"n_prompt_tokens": error.prompt_tokens, "n_ctx": error.context_tokens}
    return said


_STATUS_OF_ERROR: tuple[tuple[type[LocalaiError], tuple[int, str]], ...] = (
    (ContextOverflow, (400, "exceed_context_size_error")),
    (InvalidInput, (400, "invalid_request_error")),
    (NotFound, (404, "not_found_error")),
    (PolicyRefused, (403, "permission_error")),
    (ProviderRefused, (422, "invalid_request_error")),
    (LocalaiError, (500, "server_error")),
)


def _overflow(who: str, message: str, error: Mapping[str, Any]) -> ContextOverflow:
    prompt, context = error.get("n_prompt_tokens"), error.get("n_ctx")
    found = _NUMBERS.search(message)
    if found and prompt is None:
        prompt, context = int(found[1]), int(found[2])
    numbers = f"{prompt:,} tokens against {context:,}" if prompt and context else message
    return ContextOverflow(
        f"the prompt does not fit the context of {who}: {numbers}",
        hint="shorten the prompt, or take a model with a larger context",
        prompt_tokens=prompt,
        context_tokens=context,
    )
