"""What a field means that several documents have: the same in all of them.

`docs/reference/json.md` prints this table. A test holds that a field has one type everywhere, and
that one whose description is not the same everywhere stands here. Read by nothing at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FIELDS: Final[Mapping[str, str]] = {
    "answer": "what a model said when it was tried",
    "basis": "what the figures beside it rest on",
    "capabilities": "what a model can do: completion, tools, vision, thinking, embedding",
    "confidence": "how sure that is, from measured to assumed",
    "context_tokens": "the size of a context that is allocated, or for which figures hold",
    "conversation_id": "how a conversation is named",
    "conversations": "conversations, the newest first or as they were named",
    "cost": "what calls cost",
    "created_at": "when it began, in seconds since the epoch",
    "default": "the value that holds where none is given",
    "digest": "sha256:… of a model's file",
    "download_bytes": "what is still to be fetched",
    "dry_run": "whether nothing was done: the rest says what would be",
    "error": "what went wrong; null if nothing did",
    "evidence": "what the `zone` beside it rests on, in a sentence",
    "file": "the path of a file that localai itself reads or writes",
    "finish_reason": "why an answer ended",
    "folder": "the path of a folder",
    "freed_bytes": "what it frees of the disk",
    "host": "what runs localai, or what was connected to",
    "license": "a model's licence, as its files or its publisher say",
    "machine": "the computer",
    "memory": "what it takes or has of memory",
    "memory_table": "what a model takes of memory at several contexts",
    "model": "a model as `-m` takes it, and `localai pull` if it is not here",
    "name": "what it is called",
    "network_denied": "whether the kernel keeps a process off the network",
    "path": "where a model, or a file of one, lies",
    "paths": "the files and folders that went, or would",
    "pid": "the number of a process",
    "places": "where a model lies on this machine",
    "problems": "what speaks against it or does not work, a sentence each",
    "provider": "who computes, or did",
    "quantization": "how a model's weights are stored",
    "size_bytes": "what it takes of the disk",
    "source": "where it comes from",
    "source_model": "the model that another is made from",
    "speed": "how fast decoding is predicted to be",
    "store": "the program in whose store a model lies",
    "text": "what was said",
    "timings": "where the time of an answer went",
    "title": "what its author calls it",
    "total_s": "seconds from its beginning to its end",
    "usage": "how many tokens",
    "value": "what holds",
    "what": "what it is about",
    "why": "the reason, in a sentence",
    "zone": "where it is computed, or was; null is unproven",
}
