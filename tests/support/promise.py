"""Holding what a command printed against the documents that it promises."""

from __future__ import annotations

import json
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import (
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import typing_extensions
from pydantic import ConfigDict, TypeAdapter, with_config

T = TypeVar("T")
_typed_dict: Any = typing_extensions.TypedDict


def checked(document: type[T], output: bytes) -> T:
    """What was printed, which is exactly a `document`. Raises pydantic's ValidationError for a
    field too many, too few, or of another type."""
    content: T = json.loads(output)
    assert next(iter(json.loads(output))) == "schema", "a document begins with its schema"
    _adapter(cast("Any", document)).validate_python(content)
    return content


@cache
def _adapter(document: type) -> TypeAdapter[Any]:
    return TypeAdapter(_copied(document))


@cache
def _copied(kind: Any) -> Any:
    """`kind` with every TypedDict in it as one of typing_extensions, which is what pydantic takes
    before Python 3.12, and forbidden to have more fields."""
    if is_typeddict(kind):
        fields = {name: _copied(hint) for name, hint in get_type_hints(kind).items()}
        copy = _typed_dict(kind.__name__, fields)
        return with_config(ConfigDict(extra="forbid", strict=True))(copy)
    origin = get_origin(kind)
    if origin is None or origin is Literal:
        return kind
    arguments = [_copied(argument) for argument in get_args(kind)]
    if origin in (Union, UnionType):
        return reduce(or_, arguments)
    return origin[tuple(arguments)]
