"""The documents of `localai preset`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from localai.sampling_options import options_set

if TYPE_CHECKING:
    from localai.stores.presets import Preset


class PresetDocument(TypedDict):
    """A model with lasting settings; null is not set."""

    name: Annotated[str, "as `-m` takes it"]
    of_model: Annotated[str, "the model, or the preset, that it is made of"]
    note: Annotated[str, "its description, one line"]
    system_prompt: Annotated[str | None, "its system prompt; null is the model's own"]
    options: Annotated[dict[str, Any], "sampling options by name"]
    context_tokens: Annotated[int | None, "its context"]
    kv_type: Annotated[str | None, "type of keys and values on the embedded engine"]
    think: Annotated[str | None, "off, on, low, medium or high"]
    adapter: Annotated[str | None, "the LoRA that is applied to it"]
    template_file: Annotated[str | None, "the chat template's file in place of the model's own"]
    go_template: Annotated[str | None, "a chat template in Go's language, as a Modelfile has it"]
    first_message_count: Annotated[int, "messages that come before every conversation"]


class PresetList(TypedDict):
    """`localai preset list --json`"""

    schema: Annotated[Literal["localai.preset/1"], "the name and version of the document"]
    presets: Annotated[list[PresetDocument], "models with lasting settings, as `-m` takes them"]


class PresetShow(PresetDocument):
    """`localai preset show NAME --json`"""

    schema: Annotated[Literal["localai.preset/1"], "the name and version of the document"]
    content: Annotated[str, "the text of the template's file"]


def preset_list_document(presets: Iterable[Preset]) -> PresetList:
    """What `localai preset list` prints."""
    return {"schema": "localai.preset/1", "presets": [preset_document(each) for each in presets]}


def preset_show_document(preset: Preset, content: str) -> PresetShow:
    """What `localai preset show` prints of a preset whose file is `content`."""
    return {"schema": "localai.preset/1", **preset_document(preset), "content": content}


def preset_document(preset: Preset) -> PresetDocument:
    """What a preset sets."""
    return {
        "name": preset.name,
        "of_model": preset.base,
        "note": preset.description,
        "system_prompt": preset.system,
        "options": options_set(preset.options),
        "context_tokens": preset.context_tokens,
        "kv_type": preset.kv_type,
        "think": preset.think,
        "adapter": None if preset.adapter is None else str(preset.adapter),
        "template_file": None if preset.template_file is None else str(preset.template_file),
        "go_template": preset.go_template,
        "first_message_count": len(preset.messages),
    }
