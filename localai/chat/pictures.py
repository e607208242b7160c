"""Whether a model sees the pictures of a conversation, and what is said if it does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localai.answers import name_in_a_line
from localai.errors import LocalaiError
from localai.patterns import lazy_pattern
from localai.types import ChatRequest, Message, ResolvedModel
from localai.units import counted

if TYPE_CHECKING:
    from localai.paths import Paths

_OF_PICTURES: Final = lazy_pattern(r"image|picture|vision|multi-?modal|mmproj", re.IGNORECASE)


def count_pictures(messages: Iterable[Message]) -> int:
    """How many pictures the messages have."""
    return sum(len(message.pictures) for message in messages)


def takes_no_pictures(model: ResolvedModel) -> bool:
    """Whether the model is known to take no pictures. If that is unknown, its provider decides."""
    return model.capabilities is not None and "vision" not in model.capabilities


def require_vision(model: ResolvedModel, paths: Paths, *asked: object) -> None:
    """Raise InvalidInput if the model is known to take no pictures. It names a model that does, in
    a line that ends with the words `asked`."""
    if takes_no_pictures(model):
        from localai.providers.able_models import cannot_see

        raise cannot_see(model, paths, *asked)


def as_seen(request: ChatRequest, paths: Paths) -> ChatRequest:
    """The request without the pictures that its model cannot see. Raises InvalidInput if the
    question itself has some, which the answer would be about."""
    if not takes_no_pictures(request.model) or not count_pictures(request.messages):
        return request
    if (without := without_earlier(request)) is None:
        require_vision(request.model, paths)
    return without or request


def without_earlier(request: ChatRequest) -> ChatRequest | None:
    """The request without the pictures of earlier questions; None if there are none, or the
    question itself has some, which the answer would be about."""
    asked = [message for message in request.messages if message.role == "user"]
    if (asked and asked[-1].pictures) or not count_pictures(request.messages):
        return None
    return replace(
        request, messages=tuple(replace(message, pictures=()) for message in request.messages)
    )


def refuses_pictures(error: LocalaiError) -> bool:
    """Whether a server's refusal is about pictures, by its words: there is no code for it, and
    llama.cpp's server answers with status 500."""
    return _OF_PICTURES.search(error.message) is not None


def refusal_doubt(request: ChatRequest) -> str:
    """What is to be said where a model that might have seen the pictures has refused them."""
    model = name_in_a_line(request.model)
    count = counted(count_pictures(request.messages), "picture")
    return f"{model} takes no pictures: it is asked without the {count} of this conversation"


def unseen_doubt(request: ChatRequest) -> str | None:
    """What is to be said of the pictures that `as_seen` takes out; None if there are none."""
    count = count_pictures(request.messages)
    if not takes_no_pictures(request.model) or not count:
        return None
    model = name_in_a_line(request.model)
    return f"{model} cannot see the {counted(count, 'picture')} of this conversation"


def loss_doubt(lost: int) -> str | None:
    """What is to be said of pictures that were given up; None if none were."""
    if not lost:
        return None
    are = "is" if lost == 1 else "are"
    return (
        f"{counted(lost, 'picture')} of this conversation {are} no longer kept (history.pictures),"
        " so the model does not see them"
    )
