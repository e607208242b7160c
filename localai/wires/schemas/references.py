"""What a `$ref` of a schema names, and by which draft a schema is to be read. Pure.

References stay within the document: nothing is fetched.
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
# What is data in a schema, however much it looks like one.
_DATA: Final = frozenset({"const", "enum", "default", "examples", "example"})


def draft_of(document: Mapping[str, Any]) -> Draft:
    """The draft that `$schema` names; the latest where it names none that is known."""
    said = document.get("$schema")
    found = _DRAFT.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        return LATEST
    return _DRAFTS[found["old"] or found["new"]]


def siblings_count(draft: Draft) -> bool:
    """Whether what stands beside a `$ref` holds as well; up to draft 7 it was ignored."""
    return draft not in _OLD


class References:
    """The parts of `document` by what a `$ref` calls them."""

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
        """What the `$ref` of `holder` names. Raises InvalidInput where that is not in it."""
        reference = str(holder["$ref"])
        url, fragment = urldefrag(urljoin(self._bases.get(id(holder), ""), reference))
        # `urljoin` leaves a fragment alone without its base where the base is empty.
        if fragment and not fragment.startswith("/"):
            found = self._named.get(f"{url}#{fragment}")
        else:
            found = _at(self._named.get(url), fragment)
        if found is None:
            raise InvalidInput(f"the schema refers to what is not in it: {reference}")
        return found


def _at(part: Any, pointer: str) -> Any:
    """What a JSON pointer, as it stands in a URL, names in `part`; None: nothing."""
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
