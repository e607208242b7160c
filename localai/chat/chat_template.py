"""A chat template of the user's, in place of a model's own: from a file to the request.

`--chat-template FILE` gives one for a run, a preset or `models.NAME.chat_template` for good. A
provider whose server has the templates (Ollama, a server of one's own, a cloud) takes none; the
refusal says where its template is changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.errors import InvalidInput, NotFound
from localai.files import content_of
from localai.wires.chat_templates import template_problems

if TYPE_CHECKING:
    from localai.config import Config
    from localai.types import ResolvedModel

_LARGEST_BYTES: Final = 1 << 20


def read_chat_template(file: Path) -> str:
    """The template in `file`. Raises NotFound, InvalidInput if it is none."""
    from localai.chat.encodings import decode

    missing = NotFound(
        f"there is no file {str(file)!r}",
        hint="`localai show MODEL --template` prints one to begin with",
    )
    text = decode(content_of(file, _LARGEST_BYTES, missing=missing), str(file))
    if "{%" not in text and "{{" not in text:
        raise InvalidInput(
            f"{file} is no chat template: no message has a place in it",
            hint="a chat template is Jinja: see one with localai show MODEL --template",
        )
    if problems := template_problems(text):
        raise InvalidInput(f"the chat template {file} is broken: {'; '.join(problems)}")
    return text


def chat_template_for(model: ResolvedModel, given: str | None, config: Config) -> str | None:
    """The template that `model` is asked with in place of its own: the one `given`, else that of
    its preset or of `models.NAME`; None for its own.

    Raises InvalidInput where the model's provider takes none, and for a file that is none; NotFound
    for one that is missing.
    """
    file = model.template_file
    if given is None and file is None:
        return None
    from localai.providers.registry import facts_of, providers_with

    facts = facts_of(model.provider, config)
    if not facts.takes_chat_template:
        whose = f"{model.provider} takes no chat template for {model.id}"
        takers = providers_with(lambda facts: facts.takes_chat_template, config)
        raise InvalidInput(
            f"{whose}: {facts.template_is_elsewhere}",
            hint=f"{' and '.join(takers)} take one: -m {takers[0]}/MODEL",
        )
    if given is not None:
        return given
    assert file is not None
    return read_chat_template(file)
