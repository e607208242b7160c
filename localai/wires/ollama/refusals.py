"""The meaning of Ollama's refusals. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localai.errors import (
    InsufficientResources,
    InvalidInput,
    LocalaiError,
    NotFound,
    PolicyRefused,
    ProviderRefused,
)
from localai.wires.refusals import (
    Meaning,
    Refusal,
    ServerWords,
    failure,
    final_error,
    refused_schema,
)


def _sign_in(refusal: Refusal) -> LocalaiError:
    address = refusal.error.get("signin_url")
    return ProviderRefused(
        f"Ollama's cloud wants you to sign in for {refusal.model}",
        hint=f"it opens {address}" if address else None,
        command="ollama signin",
    )


_WORDS = ServerWords(
    (
        Meaning(_sign_in, statuses=frozenset({401})),
        Meaning(
            lambda refusal: PolicyRefused(
                f"Ollama itself refuses {refusal.model}: {refusal.message}"
            ),
            statuses=frozenset({403}),
        ),
        Meaning(
            lambda refusal: NotFound(
                f"Ollama has no model {refusal.model!r}", command=("localai", "pull", refusal.model)
            ),
            statuses=frozenset({404}),
        ),
        Meaning(
            lambda refusal: InsufficientResources(
                f"Ollama has not enough memory for {refusal.model}: {refusal.message}",
                hint="a smaller model, or a smaller --ctx",
            ),
            text="system memory|out of memory",
        ),
        refused_schema("Ollama"),
        Meaning(
            lambda refusal: InvalidInput(
                f"Ollama: {refusal.message}", command=("localai", "show", refusal.model)
            ),
            text="does not support",
        ),
    ),
    when_failed={"command": "ollama ps"},
    context_grows=True,
)


def refuses_level(status: int, document: Any, think: bool | str | None) -> bool:
    """Whether the server refuses `think` because it is a level. 0.17 says `think value "low" is not
    supported for this model`, and before 0.11 only true and false were read."""
    refusal = document.get("error") if isinstance(document, dict) else None
    return status == 400 and isinstance(think, str) and "think" in str(refusal)


def refusal(status: int, document: Any, model: str, context_tokens: int | None) -> LocalaiError:
    """Our error for a refusal of Ollama's; `context_tokens` is the context that was allocated for
    the request."""
    fields = document if isinstance(document, dict) else {"error": document}
    inner = _innermost(fields)
    message = str(inner.get("message") or inner.get("error") or fields)
    return final_error(
        failure(
            "Ollama",
            status,
            {**fields, **inner, "message": message},
            {},
            words=_WORDS,
            model=model,
            context_tokens=context_tokens,
        )
    )


def _innermost(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The innermost error object. The runner's error comes as JSON in a string in Ollama's
    error."""
    error = document.get("error")
    if isinstance(error, str) and error.lstrip().startswith("{"):
        try:
            error = json.loads(error)
        except (ValueError, RecursionError):
            return document
    return _innermost(error) if isinstance(error, dict) else document
