"""What is doubtful about a question before it is asked: a wish that has no effect, a text that may
be misread. A doubt is a warning in a sentence; it stops nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from localai.answers import name_in_a_line
from localai.chat.request import AskSettings
from localai.types import ChatRequest, ResolvedModel
from localai.units import counted
from localai.wires.parts import may_have_special_tokens

if TYPE_CHECKING:
    from localai.config import Config

_NAMED: Final = 3


class Doubts:
    """Passes each doubt to `warn` once; any thread may have one."""

    def __init__(self, warn: Callable[[str], None], config: Config) -> None:
        self._warn = warn
        self._config = config
        self._given: set[str] = set()
        self._lock = threading.Lock()

    def before(self, settings: AskSettings, request: ChatRequest) -> None:
        """Warn of what is doubtful before a question is asked. Raises InvalidInput for a schema
        that its provider does not take."""
        for doubt in (
            *settings_doubts(settings, request.model, self._config),
            special_tokens_doubt(request, self._config),
        ):
            if doubt is not None:
                self.warn(doubt)

    def warn(self, doubt: str) -> None:
        """Warn of `doubt`, unless that was done."""
        with self._lock:
            if doubt in self._given:
                return
            self._given.add(doubt)
        self._warn(doubt)


def settings_doubts(settings: AskSettings, model: ResolvedModel, config: Config) -> list[str]:
    """The warnings before `model` is asked with these settings, a sentence each. Raises what
    `schema_doubt` raises."""
    found = (
        context_doubt(settings, model),
        think_doubt(settings, model, config),
        schema_doubt(settings, model, config),
        preset_doubt(model, config),
    )
    return [doubt for doubt in found if doubt is not None]


def think_doubt(settings: AskSettings, model: ResolvedModel, config: Config) -> str | None:
    """A warning if the wish to think, or not to think, has no effect on the model, as far as its
    facts tell; None if it may have one."""
    from localai.providers.registry import facts_of

    known, wanted = model.capabilities, settings.think or model.think
    if wanted is None:
        return None
    if not facts_of(model.provider, config).takes_think:
        return (
            f"{model.provider} is not told whether to think: its own setting for {model.id} holds"
        )
    if wanted == "off" or not known or "thinking" in known:
        return None
    return f"{model.id} is not known to think"


def preset_doubt(model: ResolvedModel, config: Config) -> str | None:
    """A warning if the model's provider does not do all that its preset or its settings say; None
    if it does."""
    from localai.providers.registry import facts_of

    if not (model.preset or model.is_set) or facts_of(model.provider, config).opens == "gguf":
        return None
    wanted = [] if model.kv_type is None else [f"keeps keys and values as {model.kv_type}"]
    layers = model.gpu_layers
    wanted += [] if layers is None else [f"puts {counted(layers, 'layer')} on the GPU"]
    wanted += [] if model.adapter is None else [f"applies {model.adapter.name}"]
    wanted += ["renders a TEMPLATE of its own"] if model.go_template is not None else []
    if not wanted:
        return None
    return (
        f"{model.preset or f'models.{model.id}'} {' and '.join(wanted)}, which only the embedded"
        f" engine does, and {model.provider} answers"
    )


def context_doubt(settings: AskSettings, model: ResolvedModel) -> str | None:
    """A warning if more context is asked for, by the settings or by its preset, than the model was
    made for; None if not."""
    wanted, limit = settings.context_tokens or model.context_tokens, model.context_limit
    if wanted is None or limit is None or wanted <= limit:
        return None
    of_preset = settings.context_tokens is None and model.preset is not None
    whose = f", as the preset {model.preset} wants" if of_preset else ""
    made_for = f"{name_in_a_line(model)} was made for {limit:,} tokens of context"
    return f"{made_for}, not {wanted:,}{whose}"


def special_tokens_doubt(request: ChatRequest, config: Config) -> str | None:
    """A warning if the messages contain special tokens and the provider may read them as such: the
    text would speak with the model's voice. None if not."""
    from localai.providers.registry import facts_of

    facts = facts_of(request.model.provider, config)
    # The embedded engine takes pictures and tools only where it reads special tokens as such.
    has_more = any(each.pictures for each in request.messages) or bool(request.tools)
    if facts.keeps_special_tokens_as_text and not (facts.opens == "gguf" and has_more):
        return None
    texts = [message.text for message in request.messages]
    if not may_have_special_tokens(texts):
        return None
    from localai.wires.special_tokens import well_known

    found = well_known(texts)
    if not found:
        return None
    return (
        f"{request.model.provider} may read {_first(found, ', ')} in what is asked as"
        " special tokens, and not as text"
    )


def schema_doubt(settings: AskSettings, model: ResolvedModel, config: Config) -> str | None:
    """A warning if the model's provider cannot hold an answer to all of the schema, which is then
    only checked afterwards; None if it can. Raises InvalidInput if it takes no such schema."""
    if settings.schema is None:
        return None
    from localai.providers.registry import facts_of
    from localai.wires.schemas.clouds import for_anthropic, for_openai
    from localai.wires.schemas.grammar import held_by_grammar

    document = settings.schema.document
    unheld: tuple[str, ...] = ()
    match facts_of(model.provider, config).holds_schemas:
        case "grammar":
            unheld = held_by_grammar(document).unheld
        case "openai":
            unheld = for_openai(document).unheld
        case "anthropic":
            unheld = for_anthropic(document).unheld
        case "unknown":
            return None
    if not unheld:
        return None
    return (
        f"{model.provider} cannot hold the answer to all of the schema, which is checked"
        f" afterwards only: {_first(unheld, '; ')}"
    )


def _first(texts: Sequence[str], separator: str) -> str:
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return separator.join(texts[:_NAMED]) + more
