"""Which models see the pictures of a conversation, and what is said of those that do not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from localai.chat.pictures import as_seen, loss_doubt, require_vision, unseen_doubt
from localai.errors import InvalidInput
from localai.paths import locate
from localai.types import ChatRequest, Message, Picture, ResolvedModel, Zone
from tests.formats.synthetic import MODELS, write
from tests.support.projector import write_projector

PICTURE = Picture(b"\x89PNG\r\n\x1a\nred", "image/png")
UNKNOWN = ResolvedModel("p", "m", Zone.DEVICE, "")
WITHOUT_VISION = dataclasses.replace(UNKNOWN, capabilities=frozenset({"completion"}))
SEEING = dataclasses.replace(UNKNOWN, capabilities=frozenset({"completion", "vision"}))
SAID = (
    Message("user", "What is it?", (PICTURE, PICTURE)),
    Message("assistant", "A square."),
    Message("user", "Which colour?"),
)


def test_a_model_without_vision_is_named_and_an_unknown_one_is_asked() -> None:
    with pytest.raises(InvalidInput, match="p/m cannot see pictures") as refused:
        require_vision(WITHOUT_VISION, locate())
    assert refused.value.command == "localai recommend --task vision"
    require_vision(SEEING, locate())
    require_vision(UNKNOWN, locate())


def test_a_model_that_is_here_and_sees_is_in_the_line_to_type(localai_home: Path) -> None:
    models = locate().models_dir
    (models / "eyes").mkdir(parents=True)
    write(models / "small.gguf", MODELS["llama, tied"])
    [seeing] = write(models / "eyes" / "eyes.gguf", MODELS["llama, tied"])
    write_projector(seeing.with_name("mmproj-eyes.gguf"))
    with pytest.raises(InvalidInput) as refused:
        require_vision(WITHOUT_VISION, locate(), "-a", "my cat.png", "what?")
    assert refused.value.hint == "eyes/eyes is here and sees them"
    line = "localai chat -m eyes/eyes -a 'my cat.png' 'what?'"
    assert refused.value.command == line


@pytest.mark.parametrize("model", [SEEING, UNKNOWN])
def test_who_may_see_gets_every_picture(model: ResolvedModel) -> None:
    request = ChatRequest(model, SAID)
    assert as_seen(request, locate()) is request
    assert unseen_doubt(request) is None


def test_a_model_without_vision_gets_the_words_and_that_is_said() -> None:
    request = ChatRequest(WITHOUT_VISION, SAID)
    seen = as_seen(request, locate())
    assert [each.pictures for each in seen.messages] == [(), (), ()]
    assert [each.text for each in seen.messages] == [each.text for each in SAID]
    assert unseen_doubt(request) == "p/m cannot see the 2 pictures of this conversation"
    assert unseen_doubt(ChatRequest(WITHOUT_VISION, SAID[1:])) is None


def test_a_model_without_vision_is_not_asked_about_a_picture() -> None:
    with pytest.raises(InvalidInput, match="p/m cannot see pictures"):
        as_seen(ChatRequest(WITHOUT_VISION, SAID[:1]), locate())


def test_pictures_that_were_given_up_are_counted() -> None:
    assert loss_doubt(0) is None
    assert (loss_doubt(1) or "").startswith("1 picture of this conversation is no longer kept")
    assert (loss_doubt(3) or "").startswith("3 pictures of this conversation are no longer kept")
