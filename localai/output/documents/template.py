"""The documents of `localai template`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

if TYPE_CHECKING:
    from localai.chat.templates import Template


class VariableDocument(TypedDict):
    """A variable of a template."""

    name: Annotated[str, "as `-p` takes it"]
    default: Annotated[str | None, "its value where none is given; null: it must be given"]


class TemplateDocument(TypedDict):
    """A template."""

    name: Annotated[str, "as `-t` takes it"]
    description: Annotated[str, "what it is for"]
    file: Annotated[str, "where it is"]
    bundled: Annotated[bool, "whether it came with localai"]
    model: Annotated[str | None, "the model that it names"]
    wants_input: Annotated[bool, "whether it needs a text to work on"]
    variables: Annotated[list[VariableDocument], "what can be changed in it"]


class TemplateList(TypedDict):
    """`localai template list --json`"""

    schema: Annotated[Literal["localai.template/1"], "the promise that the rest keeps"]
    templates: Annotated[list[TemplateDocument], "every template, by name"]


class TemplateShow(TemplateDocument):
    """`localai template show NAME --json`"""

    schema: Annotated[Literal["localai.template/1"], "the promise that the rest keeps"]
    content: Annotated[str, "its file's text"]


class TemplateRemoval(TypedDict):
    """`localai template rm NAME --json`"""

    schema: Annotated[Literal["localai.template/1"], "the promise that the rest keeps"]
    name: Annotated[str, "of the template that was removed"]
    file: Annotated[str, "where it was"]


def list_document(templates: Iterable[Template]) -> TemplateList:
    """What `localai template list` prints."""
    return {"schema": "localai.template/1", "templates": [_template(each) for each in templates]}


def show_document(template: Template, content: str) -> TemplateShow:
    """What `localai template show` prints; `content` is the text of the template's file."""
    return {"schema": "localai.template/1", **_template(template), "content": content}


def rm_document(template: Template) -> TemplateRemoval:
    """What `localai template rm` prints."""
    return {
        "schema": "localai.template/1",
        "name": template.name,
        "file": str(template.file),
    }


def _template(template: Template) -> TemplateDocument:
    return {
        "name": template.name,
        "description": template.description,
        "file": str(template.file),
        "bundled": template.bundled,
        "model": template.model,
        "wants_input": template.wants_input,
        "variables": [
            {"name": name, "default": template.variables.get(name)} for name in template.names
        ],
    }
