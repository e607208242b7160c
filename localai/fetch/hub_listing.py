"""What the hub lists of a publisher: repositories, with what is known of each before it is opened.

`GET /api/models` as https://huggingface.co/docs/hub/api and `huggingface_hub` describe it. The
answer is a stranger's: what is not of the form that belongs there is left out or unknown. Asked by
our own connection and not by the library, whose list waits without a limit.
"""

from __future__ import annotations

import json
import math
import re
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.fetch.connection import HttpConnection
from localai.stores.references import hub_reference

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_TAG: Final = re.compile(r"[\x21-\x7e]{1,200}")
_MOST_TAGS: Final = 500
# What the answer is to say of each repository.
_ASKED: Final = (
    "createdAt",
    "downloads",
    "gated",
    "gguf",
    "pipeline_tag",
    "safetensors",
    "sha",
    "tags",
    "trendingScore",
)
_LICENSE: Final = "license:"
_BASE: Final = "base_model:"
_QUANTIZED: Final = "base_model:quantized:"
_CHANGED: Final = ("base_model:adapter:", "base_model:finetune:", "base_model:merge:")


@dataclass(frozen=True, slots=True)
class Listed:
    """A repository as the hub lists it; what it does not say is None.

    `downloads` are those of the last 30 days, `trending` is the hub's own score for what is new
    and liked. `parameters` and `commit` are the hub's word, nothing of which was checked.
    """

    repo: str
    created: date | None
    downloads: int | None
    trending: float | None
    gated: bool
    commit: str | None
    parameters: int | None
    pipeline: str | None
    tags: tuple[str, ...]

    @property
    def publisher(self) -> str:
        """The account that it belongs to."""
        return self.repo.partition("/")[0]

    @property
    def license(self) -> str | None:
        """The licence by its tag, such as apache-2.0."""
        named = (tag.removeprefix(_LICENSE) for tag in self.tags if tag.startswith(_LICENSE))
        return next(named, None)

    @property
    def base(self) -> str | None:
        """The repository of the model that this one has in another format, by its tags
        (`base_model:quantized:Qwen/Qwen3-8B`); None if it is a model of its own, or untagged."""
        prefix = _QUANTIZED
        if not any(tag.startswith(prefix) for tag in self.tags):
            if any(tag.startswith(_CHANGED) for tag in self.tags):
                return None
            prefix = _BASE
        named = (tag.removeprefix(prefix) for tag in self.tags if tag.startswith(prefix))
        return next((name for name in named if is_repository(name)), None)


def is_repository(name: str) -> bool:
    """Whether `name` has the form ORG/REPO."""
    try:
        reference = hub_reference(f"hf.co/{name}")
    except InvalidInput:
        return False
    return reference is not None and reference.repo == name


def list_repositories(
    connection: HttpConnection, endpoint: str, publisher: str, tag: str, most: int
) -> list[Listed]:
    """At most `most` repositories of `publisher` with the tag `tag`, what is new and popular first.

    Raises what `HttpConnection.document` raises, and InvalidInput for an answer that is no list.
    """
    query = urlencode(
        [
            ("author", publisher),
            ("filter", tag),
            ("sort", "trendingScore"),
            ("direction", "-1"),
            ("limit", str(most)),
            *(("expand", name) for name in _ASKED),
        ]
    )
    what = f"the list of {publisher}'s repositories"
    content = connection.document(f"{endpoint.rstrip('/')}/api/models?{query}", what)
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{endpoint} sends something else than {what}: {error}") from error
    if not isinstance(entries, list):
        raise InvalidInput(f"{endpoint} sends something else than {what}")
    found = (_listed(entry, publisher) for entry in entries[:most])
    return list({each.repo: each for each in found if each is not None}.values())


def _listed(entry: Any, publisher: str) -> Listed | None:
    """None for what is no repository of `publisher`'s."""
    if not isinstance(entry, dict):
        return None
    repo = entry.get("id", entry.get("modelId"))
    if not isinstance(repo, str) or repo.partition("/")[0].lower() != publisher.lower():
        return None
    if not is_repository(repo):
        return None
    if entry.get("private") is True or entry.get("disabled") is True:
        return None
    commit, pipeline, tags = entry.get("sha"), entry.get("pipeline_tag"), entry.get("tags")
    return Listed(
        repo=repo,
        created=_day(entry.get("createdAt")),
        downloads=_count(entry.get("downloads")),
        trending=_score(entry.get("trendingScore")),
        gated=entry.get("gated", False) not in (False, None),
        commit=commit if isinstance(commit, str) and _COMMIT.fullmatch(commit) else None,
        parameters=_total(entry.get("gguf")) or _total(entry.get("safetensors")),
        pipeline=pipeline if isinstance(pipeline, str) and _TAG.fullmatch(pipeline) else None,
        tags=_tags(tags),
    )


def _tags(tags: Any) -> tuple[str, ...]:
    if not isinstance(tags, list):
        return ()
    return tuple(tag for tag in tags[:_MOST_TAGS] if isinstance(tag, str) and _TAG.fullmatch(tag))


def _day(moment: Any) -> date | None:
    """The day of a moment such as `2026-10-03T08:15:00.000Z`."""
    try:
        return date.fromisoformat(moment[:10])
    except (TypeError, ValueError):
        return None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 53 else None


def _score(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1 << 53 and math.isfinite(value) else None


def _total(table: Any) -> int | None:
    return _count(table.get("total")) if isinstance(table, dict) else None
