"""The targets of a schema's `$ref`s, and the draft of JSON Schema that it is written in. Pure.

A reference must stay within the document: nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal
from urllib.parse import unquote, urldefrag, urljoin

from localai.errors import InvalidInput

Draft = Literal["3", "4", "6", "7", "2019-09", "2020-12"]
LATEST: Final[Draft] = "2020-12"
_DRAFTS: Final[Mapping[str, Draft]] = {
    "3": "3",
    "4": "4",
    "6": "6",
    "7": "7",
    "2019-09": "2019-09",
    "2020-12": "2020-12",
}
_OLD: Final = ("3", "4", "6", "7")
_DRAFT: Final = re.compile(
    r"https?://json-schema\.org/(?:draft-0(?P<old>[3467])|draft/(?P<new>2019-09|2020-12))/schema#?"
)
# Keywords whose values are data, even if they look like schemas.
_DATA: Final = frozenset({"const", "enum", "default", "examples", "example"})


def draft_of(document: Mapping[str, Any]) -> Draft:
    """The draft that `$schema` names; the latest draft if it names no known one."""
    named = document.get("$schema")
    match = _DRAFT.fullmatch(named) if isinstance(named, str) else None
    if match is None:
        return LATEST
    return _DRAFTS[match["old"] or match["new"]]


def siblings_count(draft: Draft) -> bool:
    """Whether keywords beside a `$ref` count; up to draft 7 they are ignored."""
    return draft not in _OLD


class References:
    """Finds the part of `document` that a `$ref` names, by pointer, anchor or `$id`."""

    def __init__(self, document: Mapping[str, Any], draft: Draft) -> None:
        self._id = "id" if draft in ("3", "4") else "$id"
        self._named: dict[str, Any] = {"": document}
        self._bases: dict[int, str] = {}
        self._collect(document)

    def _collect(self, document: Mapping[str, Any]) -> None:
        waiting: list[tuple[Any, str]] = [(document, "")]
        while waiting:
            part, base = waiting.pop()
            if isinstance(part, list):
                waiting += [(each, base) for each in part]
            if not isinstance(part, dict):
                continue
            own = part.get(self._id)
            if isinstance(own, str) and "$ref" not in part:
                if own.startswith("#"):
                    self._named.setdefault(base + own, part)
                else:
                    base = urldefrag(urljoin(base, own)).url
                    self._named.setdefault(base, part)
            for name in ("$anchor", "$dynamicAnchor"):
                if isinstance(anchor := part.get(name), str):
                    self._named.setdefault(f"{base}#{anchor}", part)
            self._bases[id(part)] = base
            waiting += [(each, base) for name, each in part.items() if name not in _DATA]

    def target(self, holder: Mapping[str, Any]) -> Any:
        """The target of the `$ref` of `holder`. Raises InvalidInput if the document lacks it."""
        reference = str(holder["$ref"])
        url, fragment = urldefrag(urljoin(self._bases.get(id(holder), ""), reference))
        if fragment and not fragment.startswith("/"):
            target = self._named.get(f"{url}#{fragment}")
        else:
            target = _at(self._named.get(url), fragment)
        if target is None:
            raise InvalidInput(
                f"a $ref of the schema names a part that it does not have: {reference}"
            )
        return target


def _at(part: Any, pointer: str) -> Any:
    """The value in `part` at a JSON pointer (RFC 6901), which is percent-encoded as in a URL; None
    if there is none."""
    for step in _steps(pointer):
        if isinstance(part, dict):
            part = part.get(step)
        elif isinstance(part, list) and step.isascii() and step.isdigit() and len(step) < 9:
            part = part[int(step)] if int(step) < len(part) else None
        else:
            return None
    return part


def _steps(pointer: str) -> Iterator[str]:
    for step in pointer.split("/")[1:]:
        yield unquote(step).replace("~1", "/").replace("~0", "~")
