"""Answers of a server in another form than its API's: an error about that server, never one that
calls itself a bug of ours.

A number may stand where the API has a text, or a list where it has an object, in any of a hundred
places. Each reader would meet it with its own TypeError or AttributeError.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

from localai.errors import Unreachable

_Kind = TypeVar("_Kind", bound=type)

_ASK_THE_SERVER: Final = ("models", "resolve", "stream", "prepare", "loaded", "warm", "unload")
_WRONG_FORM: Final = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


def reads_a_server(provider: _Kind) -> _Kind:
    """Decorates the class of a provider: each of its methods that ask the server raises Unreachable
    if the answer cannot be read."""
    for name in _ASK_THE_SERVER:
        method = vars(provider).get(name)
        if method is not None:
            asks = _generator if inspect.isgeneratorfunction(method) else _function
            setattr(provider, name, asks(method))
    return provider


def _function(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def asks(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return method(self, *arguments, **options)
        except _WRONG_FORM as error:
            raise _other_form(self.name, error) from error

    return asks


def _generator(
    method: Callable[..., Generator[Any, Any, Any]],
) -> Callable[..., Generator[Any, Any, Any]]:
    @functools.wraps(method)
    def asks(self: Any, *arguments: Any, **options: Any) -> Generator[Any, Any, Any]:
        try:
            return (yield from method(self, *arguments, **options))
        except _WRONG_FORM as error:
            raise _other_form(self.name, error) from error

    return asks


def _other_form(name: str, error: Exception) -> Unreachable:
    return Unreachable(
        f"{name} does not answer in the form of its API: {type(error).__name__}: {error}",
        hint="is it that server, and a version that this localai knows? --debug shows where",
    )
