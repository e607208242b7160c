"""The document of `localai chat`, and what it shares with a batch's records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.output.documents.answer import (
    CostDocument,
    LocalityDocument,
    TimingsDocument,
    UsageDocument,
    cost_document,
    locality_document,
    timings_document,
    usage_document,
    zone_name,
)
from localai.output.documents.failure import ErrorDocument, error_document
from localai.providers.registry import full_name
from localai.types import FinishReason, ZoneName

if TYPE_CHECKING:
    from localai.answers import Answer
    from localai.cost.prices import Cost
    from localai.errors import LocalaiError
    from localai.types import TokenLogprobs


class AlternativeDocument(TypedDict):
    """What a token might have been."""

    token: Annotated[str, "its text"]
    logprob: Annotated[float, "the natural logarithm of its probability"]


class TokenDocument(AlternativeDocument):
    """A token of the answer."""

    alternatives: Annotated[list[AlternativeDocument], "the likeliest, likeliest first"]


class Chat(TypedDict):
    """`localai chat --json`"""

    schema: Annotated[Literal["localai.chat/1"], "the promise that the rest keeps"]
    model: Annotated[str, "who answered, as `-m` takes it"]
    provider: Annotated[str, "through which provider"]
    zone: Annotated[ZoneName | None, "where it was computed; null is unproven"]
    text: Annotated[str, "the answer"]
    reasoning: Annotated[str | None, "the thinking, kept apart"]
    finish_reason: Annotated[
        FinishReason, "why it ended: by itself, at the token limit, at a full context, …"
    ]
    usage: Annotated[UsageDocument, "token counts"]
    timings: Annotated[TimingsDocument, "speed"]
    locality: Annotated[LocalityDocument, "where, and the evidence"]
    cost: Annotated[CostDocument, "what it cost"]
    context_tokens: Annotated[int | None, "the context that was really allocated"]
    conversation_id: Annotated[str | None, "under which id it is kept; null with --no-log"]
    extracted: Annotated[str | None, "the first code block, with --extract"]
    logprobs: Annotated[list[TokenDocument] | None, "every token's odds, with --logprobs"]
    error: Annotated[ErrorDocument | None, "what is wrong with the answer: its schema, no code"]


def chat_document(
    answer: Answer,
    cost: Cost,
    *,
    conversation_id: str | None,
    extracted: str | None,
    with_logprobs: bool,
    error: LocalaiError | None,
) -> Chat:
    """What `localai chat` prints of a whole answer. `with_logprobs` says that they were asked for;
    `error` is what is wrong with the answer."""
    done = answer.done
    return {
        "schema": "localai.chat/1",
        "model": full_name(answer.model.provider, answer.model.id),
        "provider": answer.model.provider,
        "zone": zone_name(done.locality.zone),
        "text": answer.text,
        "reasoning": answer.reasoning or None,
        "finish_reason": done.finish_reason,
        "usage": usage_document(done.usage),
        "timings": timings_document(done.timings),
        "locality": locality_document(done.locality),
        "cost": cost_document(cost),
        "context_tokens": done.context_tokens,
        "conversation_id": conversation_id,
        "extracted": extracted,
        "logprobs": _tokens(answer.logprobs) if with_logprobs else None,
        "error": None if error is None else error_document(error),
    }


def _tokens(tokens: Iterable[TokenLogprobs]) -> list[TokenDocument]:
    return [
        {
            "token": token.token,
            "logprob": token.logprob,
            "alternatives": [
                {"token": text, "logprob": logprob} for text, logprob in token.alternatives
            ],
        }
        for token in tokens
    ]
