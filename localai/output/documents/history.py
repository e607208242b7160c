"""The documents of `localai history`, and the files that it exports."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypedDict

from localai.providers.registry import full_name
from localai.types import Role, Zone, ZoneName
from localai.untrusted import escaped

if TYPE_CHECKING:
    from localai.database import ConversationSummary, Hit, StoredMessage, StoredPicture

SCHEMA: Final = "localai.history/1"
ExportFormat = Literal["markdown", "json", "jsonl"]


class ConversationDocument(TypedDict):
    """A conversation. Times are seconds since the epoch."""

    conversation_id: Annotated[str, "the id of the conversation"]
    title: Annotated[str | None, "the conversation's title"]
    created_at: Annotated[float, "the beginning of the conversation, in seconds since the epoch"]
    updated_at: Annotated[float, "the time of the last change, in seconds since the epoch"]
    message_count: Annotated[int, "questions and answers, in all branches"]
    provider: Annotated[str | None, "the provider of the newest answer"]
    model: Annotated[str | None, "the model of the newest answer"]
    zone: Annotated[
        ZoneName | None, "the farthest zone of its answers; null if unproven or without an answer"
    ]


class ToolCallDocument(TypedDict):
    """A call of a tool."""

    call_id: Annotated[str, "the id that the call's result names"]
    name: Annotated[str, "the tool's name"]
    arguments: Annotated[str, "JSON, as the model wrote it"]


class PictureDocument(TypedDict):
    """A picture that a question was about."""

    digest: Annotated[str, "sha256:… of the picture"]
    media_type: Annotated[str, "the media type, such as image/png"]
    size_bytes: Annotated[int, "the size in bytes"]
    data_base64: Annotated[str | None, "the picture itself; null if it is no longer kept"]


class MessageDocument(TypedDict):
    """A message in its place in the tree."""

    message_id: Annotated[int, "the message's number"]
    parent_id: Annotated[int | None, "the number of the message before it; null for the first"]
    role: Annotated[Role, "the author of the message"]
    text: Annotated[str, "the text of the message"]
    pictures: Annotated[list[PictureDocument], "of a question: its pictures"]
    reasoning: Annotated[str | None, "the model's reasoning"]
    created_at: Annotated[float, "the time of the message, in seconds since the epoch"]
    provider: Annotated[str | None, "of an answer: the provider that was asked"]
    model: Annotated[str | None, "of an answer: the model that gave it"]
    zone: Annotated[ZoneName | None, "of an answer: where it was computed; null is unproven"]
    finish_reason: Annotated[str | None, "why the answer ended; null if it was broken off"]
    tool_calls: Annotated[list[ToolCallDocument], "of an answer: its tool calls"]
    tool_call_id: Annotated[str | None, "of a tool's result: the id of the call"]


class WholeConversationDocument(ConversationDocument):
    """A conversation with its messages."""

    leaf_id: Annotated[int | None, "the message that the next question follows; null for none"]
    messages: Annotated[list[MessageDocument], "the messages, each after its parent"]


class HitDocument(TypedDict):
    """A message that was found."""

    conversation_id: Annotated[str, "the id of the conversation"]
    title: Annotated[str | None, "the conversation's title"]
    message_id: Annotated[int, "the message's number"]
    role: Annotated[Role, "the author of the message"]
    created_at: Annotated[float, "the time of the message, in seconds since the epoch"]
    provider: Annotated[str | None, "of an answer: the provider that was asked"]
    model: Annotated[str | None, "of an answer: the model that gave it"]
    zone: Annotated[ZoneName | None, "of an answer: where it was computed; null is unproven"]
    text: Annotated[str, "the part of the message around the matches"]
    highlights: Annotated[
        list[list[int]], "the begin and end of each match in `text`, in characters"
    ]


class HistoryList(TypedDict):
    """`localai history list --json`"""

    schema: Annotated[Literal["localai.history/1"], "the name and version of the document"]
    conversations: Annotated[list[ConversationDocument], "the conversations, the newest first"]
    more: Annotated[bool, "whether --limit left older ones out"]


class HistorySearch(TypedDict):
    """`localai history search WORDS --json`"""

    schema: Annotated[Literal["localai.history/1"], "the name and version of the document"]
    query: Annotated[str, "the words that were searched for"]
    hits: Annotated[list[HitDocument], "the messages that were found, the newest first"]
    more: Annotated[bool, "whether --limit left older ones out"]


class HistoryShow(WholeConversationDocument):
    """`localai history show ID --json`, and a line of `localai history export --format jsonl`"""

    schema: Annotated[Literal["localai.history/1"], "the name and version of the document"]


class HistoryConversations(TypedDict):
    """`localai history export --json`, and what `--format json` writes"""

    schema: Annotated[Literal["localai.history/1"], "the name and version of the document"]
    conversations: Annotated[
        list[WholeConversationDocument], "the conversations, each with all branches"
    ]


class HistoryExport(TypedDict):
    """`localai history export --output FILE --json`"""

    schema: Annotated[Literal["localai.history/1"], "the name and version of the document"]
    file: Annotated[str, "the file that was made"]
    format: Annotated[ExportFormat, "the format of the file"]
    exported: Annotated[list[str], "the ids of the exported conversations"]


class HistoryDelete(TypedDict):
    """`localai history rm --json`, `localai history prune --json`"""

    schema: Annotated[Literal["localai.history/1"], "the name and version of the document"]
    deleted: Annotated[
        list[str], "the ids of the deleted conversations; with --dry-run of those that would be"
    ]
    dry_run: Annotated[bool, "whether nothing was deleted"]
    kv_state_bytes: Annotated[int, "the size of their KV states on the disk, in bytes"]


class HistoryRename(TypedDict):
    """`localai history rename ID TITLE --json`"""

    schema: Annotated[Literal["localai.history/1"], "the name and version of the document"]
    conversation_id: Annotated[str, "the id of the conversation"]
    title: Annotated[str, "the conversation's new title"]


def rename_document(conversation_id: str, title: str) -> HistoryRename:
    """The document of `localai history rename`."""
    return {"schema": SCHEMA, "conversation_id": conversation_id, "title": title}


def list_document(rows: Iterable[ConversationSummary], *, more: bool) -> HistoryList:
    """The document of `localai history list`."""
    return {"schema": SCHEMA, "conversations": [_summary(row) for row in rows], "more": more}


def search_document(query: str, hits: Iterable[Hit], *, more: bool) -> HistorySearch:
    """The document of `localai history search`."""
    return {"schema": SCHEMA, "query": query, "hits": [_hit(hit) for hit in hits], "more": more}


def show_document(conversation: WholeConversationDocument) -> HistoryShow:
    """The document of `localai history show`."""
    return {"schema": SCHEMA, **conversation}


def export_document(file: str, format_: ExportFormat, ids: Sequence[str]) -> HistoryExport:
    """The document of `localai history export --output FILE` about the file that it made."""
    return {"schema": SCHEMA, "file": file, "format": format_, "exported": list(ids)}


def delete_document(
    rows: Iterable[ConversationSummary], *, state_bytes: int, dry_run: bool
) -> HistoryDelete:
    """The document of `localai history rm` and `prune`. `state_bytes` is the size of the KV states
    that were removed."""
    return {
        "schema": SCHEMA,
        "deleted": [row.id for row in rows],
        "dry_run": dry_run,
        "kv_state_bytes": state_bytes,
    }


def conversation_document(
    row: ConversationSummary,
    leaf_id: int | None,
    messages: Iterable[StoredMessage],
    pictures: Mapping[int, Sequence[StoredPicture]],
) -> WholeConversationDocument:
    """A conversation with its messages. `leaf_id` is the message that the next question follows."""
    return {
        **_summary(row),
        "leaf_id": leaf_id,
        "messages": [_message(each, pictures.get(each.id, ())) for each in messages],
    }


def json_lines(documents: Iterable[WholeConversationDocument]) -> Iterator[bytes]:
    """The conversations as JSON Lines. Each line is made when it is asked for."""
    for document in documents:
        line = escaped(json.dumps(show_document(document), ensure_ascii=False))
        yield line.encode("utf-8", "replace") + b"\n"


def json_document(documents: Iterable[WholeConversationDocument]) -> Iterator[bytes]:
    """A `HistoryConversations` in pieces, so that a long history need not be in memory."""
    yield f'{{\n"schema": "{SCHEMA}",\n"conversations": ['.encode()
    between = b"\n"
    for document in documents:
        text = escaped(json.dumps(document, ensure_ascii=False, indent=2))
        yield between + text.encode("utf-8", "replace")
        between = b",\n"
    yield b"\n]\n}\n"


def _summary(row: ConversationSummary) -> ConversationDocument:
    return {
        "conversation_id": row.id,
        "title": row.title,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "message_count": row.messages,
        "provider": row.provider,
        "model": _model(row.provider, row.model),
        "zone": _proven(row.widest_zone),
    }


def _picture(picture: StoredPicture) -> PictureDocument:
    data = picture.data
    return {
        "digest": f"sha256:{picture.digest}",
        "media_type": picture.media_type,
        "size_bytes": picture.size_bytes,
        "data_base64": None if data is None else b64encode(data).decode(),
    }


def _message(message: StoredMessage, pictures: Sequence[StoredPicture]) -> MessageDocument:
    return {
        "message_id": message.id,
        "parent_id": message.parent_id,
        "role": message.role,
        "text": message.text,
        "pictures": [_picture(each) for each in pictures],
        "reasoning": message.reasoning,
        "created_at": message.created_at,
        "provider": message.provider,
        "model": _model(message.provider, message.model),
        "zone": _proven(message.zone),
        "finish_reason": message.finish_reason,
        "tool_calls": [
            {"call_id": call.id, "name": call.name, "arguments": call.arguments}
            for call in message.tool_calls
        ],
        "tool_call_id": message.tool_call_id,
    }


def _hit(hit: Hit) -> HitDocument:
    return {
        "conversation_id": hit.conversation_id,
        "title": hit.title,
        "message_id": hit.message_id,
        "role": hit.role,
        "created_at": hit.created_at,
        "provider": hit.provider,
        "model": _model(hit.provider, hit.model),
        "zone": _proven(hit.zone),
        "text": hit.excerpt,
        "highlights": [list(mark) for mark in hit.marks],
    }


def _model(provider: str | None, model: str | None) -> str | None:
    return None if provider is None or model is None else full_name(provider, model)


def _proven(zone: str | None) -> ZoneName | None:
    """The zone that the database names; None for one that is unproven."""
    return None if zone in (None, "unproven") else Zone[zone.upper()].label
