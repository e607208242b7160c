"""The documents of `localai template`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

if TYPE_CHECKING:
    from localai.chat.templates import Template


class VariableDocument(TypedDict):
    """A variable of a template."""

    name: Annotated[str, "the variable, as `-p` takes it"]
    default: Annotated[str | None, "the value if none is given; null if one must be given"]


class TemplateDocument(TypedDict):
    """A template."""

    name: Annotated[str, "the template, as `-t` takes it"]
    description: Annotated[str, "the purpose of the template"]
    file: Annotated[str, "the template's file"]
    bundled: Annotated[bool, "whether the template came with localai"]
    model: Annotated[str | None, "the model that the template names"]
    wants_input: Annotated[bool, "whether the template needs a text to work on"]
    variables: Annotated[list[VariableDocument], "the variables of the template"]


class TemplateList(TypedDict):
    """`localai template list --json`"""

    schema: Annotated[Literal["localai.template/1"], "the name and version of the document"]
    templates: Annotated[list[TemplateDocument], "the templates, by name"]


class TemplateShow(TemplateDocument):
    """`localai template show NAME --json`"""

    schema: Annotated[Literal["localai.template/1"], "the name and version of the document"]
    content: Annotated[str, "the text of the template's file"]


class TemplateRemoval(TypedDict):
    """`localai template rm NAME --json`"""

    schema: Annotated[Literal["localai.template/1"], "the name and version of the document"]
    name: Annotated[str, "the template that was removed"]
    file: Annotated[str, "the template's file, which was removed"]


def list_document(templates: Iterable[Template]) -> TemplateList:
    """The document of `localai template list`."""
    return {"schema": "localai.template/1", "templates": [_template(each) for each in templates]}


def show_document(template: Template, content: str) -> TemplateShow:
    """The document of `localai template show`. `content` is the text of the template's file."""
    return {"schema": "localai.template/1", **_template(template), "content": content}


def rm_document(template: Template) -> TemplateRemoval:
    """The document of `localai template rm`."""
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
