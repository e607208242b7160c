"""The settings of a question, and the request that they make of it. Pure, but for the files of a
model's chat template and adapter.

Settings come in layers; each layer has only those that it sets. From the top: a line of a batch,
the flags of the command, its template (`overlaid`), then the model's publisher's recommendation and
the configuration (`build_request`). A setting that no layer has is the engine's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from localai.answers import name_in_a_line
from localai.chat.chat_template import chat_template_for
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.files import content_key
from localai.options import options_set, overlaid_options
from localai.sizing.context import ANSWER_TOKENS
from localai.types import ChatRequest, Message, Options, ResolvedModel, Think
from localai.units import counted
from localai.wires.parts import may_have_special_tokens

if TYPE_CHECKING:
    from pathlib import Path

    from localai.chat.schema import Schema
    from localai.config import Config


@dataclass(frozen=True, slots=True)
class AskSettings:
    """How to ask, for any question; None leaves the choice to the layer below.

    An empty `system` is the choice of no system prompt. `chat_template` is a template's text, in
    place of the model's own, `adapter` a LoRA for the model. `think_tokens`, `context_tokens`,
    `keep_alive_s`, `logprobs` and `force` are those of `ChatRequest`.
    """

    system: str | None = None
    options: Options = Options()
    schema: Schema | None = None
    chat_template: str | None = None
    adapter: Path | None = None
    think: Think | None = None
    think_tokens: int | None = None
    context_tokens: int | None = None
    keep_alive_s: float | None = None
    logprobs: int | None = None
    force: bool = False


# The least context that can be asked for, in tokens.
LEAST_CONTEXT: Final = 64
_NAMED: Final = 3
_UNSET: Final = AskSettings()
# These settings decide how an answer is computed, but not which answer, so a batch's fingerprints
# leave them out.
_NOT_OF_THE_ANSWER: Final = ("context_tokens", "keep_alive_s", "force")


def overlaid(below: AskSettings, above: AskSettings) -> AskSettings:
    """The settings of `above`, and those of `below` that it lacks."""
    options = overlaid_options(below.options, above.options)
    return AskSettings(**{**_set(below), **_set(above), "options": options})


def build_request(
    settings: AskSettings,
    model: ResolvedModel,
    messages: Sequence[Message],
    config: Config,
    conversation: str | None = None,
) -> ChatRequest:
    """The request that asks `model` for the next message after `messages`.

    The system prompt goes in front of them, unless they begin with one, and the model's own
    examples after it. Context and thinking are the model's own where the settings have none.
    `conversation` is the id under which a provider may keep state. Raises InvalidInput for a model
    that does not chat, or whose provider takes no budget of thinking, and what `chat_template_for`
    raises.
    """
    if model.purpose is not None:
        raise InvalidInput(
            f"{name_in_a_line(model)} {model.purpose}: it does not chat",
            hint="name a model that does",
            command="localai list",
        )
    if settings.think_tokens is not None:
        require_budget(model, config)
    if settings.adapter is not None:
        model = _adapted(model, settings.adapter, config)
    if not messages or messages[0].role != "system":
        prompt = system_prompt(settings, model, config)
        messages = (Message("system", prompt), *messages) if prompt else messages
    begins = 1 if messages and messages[0].role == "system" else 0
    messages = (*messages[:begins], *model.examples, *messages[begins:])
    return ChatRequest(
        model=model,
        messages=tuple(messages),
        options=effective_options(settings, model, config),
        schema=None if settings.schema is None else settings.schema.document,
        think=settings.think or model.think,
        think_tokens=settings.think_tokens,
        context_tokens=settings.context_tokens or model.context_tokens,
        keep_alive_s=settings.keep_alive_s,
        logprobs=settings.logprobs,
        force=settings.force,
        stop_loops=config["chat.stop_loops"],
        conversation=conversation,
        chat_template=chat_template_for(model, settings.chat_template, config),
    )


def settings_doubts(settings: AskSettings, model: ResolvedModel, config: Config) -> list[str]:
    """What is to be said before `model` is asked in this way, a sentence each. Raises what
    `schema_doubt` raises."""
    found = (
        context_doubt(settings, model),
        think_doubt(settings, model, config),
        schema_doubt(settings, model, config),
        preset_doubt(model, config),
    )
    return [doubt for doubt in found if doubt is not None]


def require_budget(model: ResolvedModel, config: Config) -> None:
    """Raise InvalidInput if the provider of `model` takes no number of tokens to think in."""
    from localai.providers.registry import facts_of, providers_with

    if not facts_of(model.provider, config).budgets_thinking:
        others = " and ".join(providers_with(lambda facts: facts.budgets_thinking, config))
        raise InvalidInput(
            f"{model.provider} takes no number of tokens to think in",
            hint=f"--think low thinks less; {others} take a number",
        )


def _adapted(model: ResolvedModel, adapter: Path, config: Config) -> ResolvedModel:
    """`model` with `adapter`. Raises InvalidInput if its provider applies none."""
    from localai.providers.registry import facts_of, provider_that_opens

    if facts_of(model.provider, config).opens != "gguf":
        raise InvalidInput(
            f"{model.provider} applies no adapter (LoRA): the embedded engine does",
            hint=f"name a GGUF file of this machine (-m {provider_that_opens('gguf')}/NAME);"
            " Ollama takes a Modelfile with ADAPTER",
        )
    return replace(model, adapter=adapter)


def think_doubt(settings: AskSettings, model: ResolvedModel, config: Config) -> str | None:
    """What is to be said before the answer where the wish to think, or not to, cannot have an
    effect, as far as the model's facts tell; None where it may have one."""
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
    """What is to be said before the answer where the model's provider does not do all that its
    preset or its settings say; None if it does."""
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
    """What is to be said before sending where a model's special tokens stand in the text, and its
    provider may read them as such: they would speak with the model's voice."""
    from localai.providers.registry import facts_of

    facts = facts_of(request.model.provider, config)
    # The embedded engine takes pictures and tools only where it reads special tokens as such.
    has_more = any(each.images for each in request.messages) or bool(request.tools)
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
    """What is to be said before the answer where the model's provider cannot hold it to all of the
    schema; the check afterwards knows all of it. Raises InvalidInput where it takes no such
    schema at all."""
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


def system_prompt(settings: AskSettings, model: ResolvedModel, config: Config) -> str | None:
    """The system prompt: the one set, else that of the model's preset or settings, else the
    configured one, else the one that its publisher recommends; None if there is none."""
    if settings.system is not None:
        return settings.system or None
    if model.system_is_set:
        return model.system_prompt or None
    return config["chat.system"] or model.system_prompt or None


def effective_options(settings: AskSettings, model: ResolvedModel, config: Config) -> Options:
    """The options set, above those that the model's publisher recommends, above the limit of tokens
    that is configured, or that a model needs which does not stop by itself."""
    tokens = config["chat.max_tokens"]
    if tokens is None and not _stops_by_itself(settings, model):
        tokens = ANSWER_TOKENS
    limit = Options(max_tokens=tokens)
    return overlaid_options(overlaid_options(limit, model.recommended), settings.options)


def _stops_by_itself(settings: AskSettings, model: ResolvedModel) -> bool:
    """Whether a model ends its turns: one without a chat template, as far as is known, continues a
    text for ever."""
    given = (settings.chat_template, model.template_file, model.go_template)
    return model.has_chat_template is not False or any(each is not None for each in given)


def shaping(settings: AskSettings) -> dict[str, Any]:
    """The settings that decide which answer comes, as JSON values by name.

    Settings without a value are left out, so that a setting which localai gets later changes
    nothing for users who do not use it.
    """
    found = {name: each for name, each in _set(settings).items() if name not in _NOT_OF_THE_ANSWER}
    if options := options_set(settings.options):
        found["options"] = options
    if settings.schema is not None:
        found["schema"] = settings.schema.document
    if settings.adapter is not None:
        found["adapter"] = f"{settings.adapter} {content_key(settings.adapter)}"
    return found


def _set(settings: AskSettings) -> dict[str, Any]:
    """The settings that have a value, by name."""
    values = {field.name: getattr(settings, field.name) for field in fields(AskSettings)}
    return {name: value for name, value in values.items() if value != getattr(_UNSET, name)}
