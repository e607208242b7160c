"""Conversations as documents that a program reads; `localai.output.promise` has their shapes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from localai.database import ConversationSummary, Hit, StoredMessage
from localai.output.conversation_lists import widest_zone

SCHEMA = "localai.history/1"


def summary_document(row: ConversationSummary) -> dict[str, Any]:
    """A conversation in a list."""
    return {
        "id": row.id,
        "title": row.title,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "message_count": row.messages,
        "provider": row.provider,
        "model": row.model,
        "zone": _proven(widest_zone(row.zones)),
    }


def conversation_document(
    row: ConversationSummary, leaf: int | None, messages: Iterable[StoredMessage]
) -> dict[str, Any]:
    """A conversation with its messages; `leaf` is the message under which it goes on."""
    documents = [message_document(message) for message in messages]
    return {**summary_document(row), "leaf": leaf, "messages": documents}


def message_document(message: StoredMessage) -> dict[str, Any]:
    """A message in its place in the tree."""
    return {
        "id": message.id,
        "parent": message.parent_id,
        "role": message.role,
        "text": message.text,
        "reasoning": message.reasoning,
        "created_at": message.created_at,
        "provider": message.provider,
        "model": message.model,
        "zone": _proven(message.zone),
        "finish_reason": message.finish_reason,
    }


def hit_document(hit: Hit) -> dict[str, Any]:
    """A message that was found."""
    return {
        "conversation": hit.conversation_id,
        "title": hit.title,
        "message": hit.message_id,
        "role": hit.role,
        "created_at": hit.created_at,
        "provider": hit.provider,
        "model": hit.model,
        "zone": _proven(hit.zone),
        "text": hit.excerpt,
        "highlights": [list(mark) for mark in hit.marks],
    }


def json_lines(documents: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """A line each, as it is asked for."""
    for document in documents:
        line = json.dumps({"schema": SCHEMA, **document}, ensure_ascii=False)
        yield line.encode("utf-8", "replace") + b"\n"


def json_document(documents: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """One document with all `conversations`, in pieces: a long history need not be in memory."""
    yield f'{{\n"schema": "{SCHEMA}",\n"conversations": ['.encode()
    between = b"\n"
    for document in documents:
        text = json.dumps(document, ensure_ascii=False, indent=2)
        yield between + text.encode("utf-8", "replace")
        between = b",\n"
    yield b"\n]\n}\n"


def _proven(zone: str | None) -> str | None:
    return None if zone == "unproven" else zone
