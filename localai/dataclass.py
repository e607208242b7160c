"""The standard library's `dataclass`, made without compiling anything.

`dataclasses.dataclass` writes six functions a class as source and compiles them. That takes half a
millisecond, and a one-shot has seventy such classes. Here they are closures over the fields, and a
class takes a tenth of that (docs/adr/0003-dataclasses.md).

The result is a dataclass: `field`, `fields`, `replace`, `asdict`, `match` and `pickle` work on it,
and type checkers see the standard library's. It takes `frozen`, `slots` and `eq`; a field takes a
default, a factory, `init` and `repr`. For the other options use the standard library's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

_C = TypeVar("_C", bound=type)
_Fields = Mapping[str, Field[Any]]


def _dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True) -> Callable[[_C], _C]:
    """A decorator that gives a class a constructor, a representation, equality and a hash."""
    return lambda cls: _make(cls, frozen, slots, eq)


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    dataclass = _dataclass


def _make(cls: _C, frozen: bool, slots: bool, eq: bool) -> _C:
    own = {
        name: _field(cls, name, annotation)
        for name, annotation in vars(cls).get("__annotations__", {}).items()
        if not annotation.startswith("ClassVar")
    }
    fields: _Fields = {**getattr(cls, "_fields_by_name", {}), **own}
    body: dict[str, Any] = {
        "__init__": _init(fields, hasattr(cls, "__post_init__")),
        "__repr__": _repr([name for name, each in fields.items() if each.repr]),
        "__match_args__": tuple(name for name, each in fields.items() if each.init),
        "__dataclass_fields__": _StandardFields(),
        "_fields_by_name": fields,
    }
    if eq:
        body |= _comparisons(tuple(fields), frozen)
    if frozen:
        body |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    if slots:
        body |= {"__slots__": tuple(own), "__getstate__": _state, "__setstate__": _set_state}
    # The class's own attributes stay, except defaults: only the constructor needs those.
    left_out = {*own, "__dict__", "__weakref__"}
    body |= {name: value for name, value in vars(cls).items() if name not in left_out}
    made = type(cls)(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return made


def _field(cls: type, name: str, annotation: Any) -> Field[Any]:
    default = vars(cls).get(name, MISSING)
    if type(default).__hash__ is None:
        raise ValueError(f"{cls.__name__}.{name}: a default that can change needs a factory")
    made = default if isinstance(default, Field) else dataclasses.field(default=default)
    made.type = annotation
    return made


def _init(fields: _Fields, has_post_init: bool) -> Callable[..., None]:
    names = [name for name, each in fields.items() if each.init]
    known = frozenset(names)
    later = [name for name in fields if name not in known]
    put = object.__setattr__

    def put_default(self: Any, name: str) -> None:
        each = fields[name]
        if each.default is not MISSING:
            put(self, name, each.default)
        elif each.default_factory is not MISSING:
            put(self, name, each.default_factory())
        elif name in known:
            raise TypeError(f"{type(self).__qualname__}() needs the argument {name!r}")

    def __init__(self: Any, *given: Any, **named: Any) -> None:
        if len(given) > len(names):
            raise TypeError(f"{type(self).__qualname__}() takes {len(names)} arguments")
        for name, value in zip(names, given, strict=False):
            put(self, name, value)
        for name in names[len(given) :]:
            if name in named:
                put(self, name, named.pop(name))
            else:
                put_default(self, name)
        if named:
            wrong = next(iter(named))
            what = "two values of" if wrong in known else "no argument"
            raise TypeError(f"{type(self).__qualname__}() takes {what} {wrong!r}")
        for name in later:
            put_default(self, name)
        if has_post_init:
            self.__post_init__()

    return __init__


def _repr(names: Iterable[str]) -> Callable[[Any], str]:
    def __repr__(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({values})"

    return __repr__


def _comparisons(names: tuple[str, ...], frozen: bool) -> dict[str, Any]:
    values: Callable[[Any], Any] = attrgetter(*names) if names else lambda _: ()

    def __eq__(self: Any, other: object) -> bool:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: Any) -> int:
        return hash((type(self).__qualname__, values(self)))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


def _refuse_to_set(self: Any, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self._fields_by_name]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self._fields_by_name, state, strict=True):
        object.__setattr__(self, name, value)


class _StandardFields:
    """`__dataclass_fields__`, by which the standard library recognises a dataclass.

    The standard library makes them itself, from a class with the same fields, when it first asks.
    """

    def __get__(self, instance: object, cls: Any) -> _Fields:
        body: dict[str, Any] = {
            name: dataclasses.field(
                default=each.default,
                default_factory=each.default_factory,
                init=each.init,
                repr=each.repr,
                kw_only=True,
            )
            for name, each in cls._fields_by_name.items()
        }
        body["__doc__"] = (
            "Has the fields."  # else it becomes the signature, which takes a millisecond
        )
        body["__annotations__"] = {name: each.type for name, each in cls._fields_by_name.items()}
        bare = dataclasses.dataclass(init=False, repr=False, eq=False)  # compiles nothing
        twin: Any = bare(type(cls.__name__, (), body))
        cls.__dataclass_fields__ = twin.__dataclass_fields__
        return cls.__dataclass_fields__  # type: ignore[no-any-return]
