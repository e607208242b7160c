"""The document of `localai chat`, and the parts that it shares with a batch's records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from localai.errors import Interrupted
from localai.events import FinishReason, Locality, Timings, Usage
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
from localai.types import Role, ZoneName

if TYPE_CHECKING:
    from localai.answers import Answer, PartialAnswer
    from localai.chat.dry_run import DryRun
    from localai.cost.prices import Cost
    from localai.errors import LocalaiError
    from localai.events import TokenLogprobs


class AlternativeDocument(TypedDict):
    """A token that could have stood at a place."""

    token: Annotated[str, "the token's text"]
    logprob: Annotated[float, "the natural logarithm of its probability"]


class TokenDocument(AlternativeDocument):
    """A token of the answer."""

    alternatives: Annotated[
        list[AlternativeDocument], "the likeliest tokens at its place, the likeliest first"
    ]


class Chat(TypedDict):
    """`localai chat --json`"""

    schema: Annotated[Literal["localai.chat/1"], "the name and version of the document"]
    model: Annotated[str, "the model that answered, as `-m` takes it"]
    provider: Annotated[str, "the provider that was asked"]
    zone: Annotated[ZoneName | None, "where it was computed; null is unproven"]
    text: Annotated[str, "the answer"]
    reasoning: Annotated[str | None, "the model's reasoning"]
    finish_reason: Annotated[
        FinishReason | Literal["cancelled"],
        "why it ended: by itself, at the token limit, in a loop, by Ctrl-C (cancelled), …",
    ]
    usage: Annotated[UsageDocument, "token counts"]
    timings: Annotated[TimingsDocument, "times and rates"]
    locality: Annotated[LocalityDocument, "where the answer was computed, and the evidence"]
    cost: Annotated[CostDocument, "what the call cost"]
    context_tokens: Annotated[int | None, "the context that was really allocated, in tokens"]
    conversation_id: Annotated[str | None, "the id of the conversation; null with --no-log"]
    extracted: Annotated[str | None, "the first code block, with --extract"]
    logprobs: Annotated[list[TokenDocument] | None, "every token's probability, with --logprobs"]
    warnings: Annotated[
        list[str],
        "what was said before the answer, a sentence each: what of the request may have no effect",
    ]
    error: Annotated[
        ErrorDocument | None,
        "the error if the answer misses its schema, has no code or was cancelled, else null",
    ]


class RequestMessageDocument(TypedDict):
    """A message that would be sent."""

    role: Annotated[Role, "the author of the message"]
    text: Annotated[str, "the text of the message"]
    picture_count: Annotated[int, "the number of pictures in the message"]


class OptionDocument(TypedDict):
    """An option in force."""

    option: Annotated[str, "the option's name"]
    set_to: Annotated[Any, "the option's value"]
    set_by: Annotated[str, "the source of the value, in words"]


class ChatDryRun(TypedDict):
    """`localai chat --dry-run --json`"""

    schema: Annotated[Literal["localai.chat/1"], "the name and version of the document"]
    model: Annotated[str, "the model that would answer, as `-m` takes it"]
    provider: Annotated[str, "the provider that was asked"]
    zone: Annotated[ZoneName | None, "where it would be computed; null is unproven"]
    destination_host: Annotated[
        str | None, "the host that the prompt would go to; null if it stays on this machine"
    ]
    request_messages: Annotated[list[RequestMessageDocument], "the messages that would be sent"]
    rendered_prompt: Annotated[
        str | None, "the prompt as the model would read it; null if the provider does not say"
    ]
    counted_tokens: Annotated[
        int | None, "the prompt's exact number of tokens; null if the provider does not say"
    ]
    estimated_tokens: Annotated[
        int, "the estimated number of tokens of the texts, at four bytes a token"
    ]
    request_options: Annotated[list[OptionDocument], "the options in force"]


def dry_run_document(found: DryRun) -> ChatDryRun:
    """The document of `localai chat --dry-run`."""
    model = found.request.model
    return {
        "schema": "localai.chat/1",
        "model": full_name(model.provider, model.id),
        "provider": model.provider,
        "zone": zone_name(model.zone),
        "destination_host": found.destination,
        "request_messages": [
            {"role": each.role, "text": each.text, "picture_count": len(each.pictures)}
            for each in found.request.messages
        ],
        "rendered_prompt": None if found.rendered is None else found.rendered.text,
        "counted_tokens": None if found.rendered is None else found.rendered.tokens,
        "estimated_tokens": found.about_tokens,
        "request_options": [
            {"option": each.name, "set_to": each.value, "set_by": each.origin}
            for each in found.options
        ],
    }


def chat_document(
    answer: Answer,
    cost: Cost,
    *,
    conversation_id: str | None,
    extracted: str | None,
    warnings: list[str],
    with_logprobs: bool,
    error: LocalaiError | None,
) -> Chat:
    """The document of `localai chat` for a whole answer. `with_logprobs` says that log
    probabilities were asked for; `error` says what is wrong with the answer."""
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
        "warnings": warnings,
        "error": None if error is None else error_document(error),
    }


def cancelled_document(
    partial: PartialAnswer, conversation_id: str | None, warnings: list[str]
) -> Chat:
    """The document of an answer that Ctrl-C has ended: what was said so far. What only the answer's
    end would have told is unknown. `partial` has a model."""
    model = partial.model
    assert model is not None
    return {
        "schema": "localai.chat/1",
        "model": full_name(model.provider, model.id),
        "provider": model.provider,
        "zone": zone_name(model.zone),
        "text": partial.text,
        "reasoning": partial.reasoning or None,
        "finish_reason": "cancelled",
        "usage": usage_document(Usage()),
        "timings": timings_document(Timings()),
        "locality": locality_document(Locality(model.zone, model.evidence)),
        "cost": {"amount": None, "currency": "USD", "basis": "the answer was cancelled"},
        "context_tokens": None,
        "conversation_id": conversation_id,
        "extracted": None,
        "logprobs": None,
        "warnings": warnings,
        "error": error_document(Interrupted("interrupted")),
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
