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
from localai.sampling_options import options_set, overlaid_options
from localai.sizing.context import ANSWER_TOKENS
from localai.types import ChatRequest, Message, Options, ResolvedModel, Think

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
