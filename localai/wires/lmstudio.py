"""The documents of LM Studio's own API: REST v1, and v0 before 0.4.0. Pure translation, no I/O.

Sources: lmstudio.ai/docs/developer/rest, and where that is silent, reports about real servers in LM
Studio's bug tracker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localai.dataclass import dataclass
from localai.errors import InsufficientResources, LocalaiError, NotFound, ProviderRefused
from localai.events import Done
from localai.types import Capability
from localai.wires.refusals import Meaning, ServerWords, failure, final_error, overflow


@dataclass(frozen=True, slots=True)
class Instance:
    """A copy of a model in memory. A chat request names it by its `id`. The context is None if the
    server does not state it."""

    id: str
    context_tokens: int | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that LM Studio lists, from either version of its API."""

    id: str
    context_limit: int | None
    capabilities: frozenset[Capability] | None
    size_bytes: int | None = None
    parameters: str | None = None
    quantization: str | None = None
    instances: tuple[Instance, ...] = ()


def models_v1(document: Any) -> list[Listed] | None:
    """The chat models of `GET /api/v1/models`; None if something else answered.

    A server without this API answers 200, with an `error` and no `models`.
    """
    if not isinstance(document, dict) or not isinstance(document.get("models"), list):
        return None
    return [_listed_v1(model) for model in document["models"] if model.get("type") == "llm"]


def models_v0(document: Any) -> list[Listed] | None:
    """The chat models of `GET /api/v0/models`; None if something else answered."""
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        return None
    return [_listed_v0(model) for model in document["data"] if model.get("type") in ("llm", "vlm")]


def _listed_v1(model: Mapping[str, Any]) -> Listed:
    offered = model.get("capabilities") or {}
    instances = (
        Instance(each["id"], (each.get("config") or {}).get("context_length"))
        for each in model.get("loaded_instances") or ()
    )
    return Listed(
        id=model["key"],
        context_limit=model.get("max_context_length"),
        capabilities=_capabilities(
            vision=offered.get("vision"),
            tools=offered.get("trained_for_tool_use"),
            thinking=offered.get("reasoning"),
        ),
        size_bytes=model.get("size_bytes"),
        parameters=model.get("params_string"),
        quantization=(model.get("quantization") or {}).get("name"),
        instances=tuple(instances),
    )


def _listed_v0(model: Mapping[str, Any]) -> Listed:
    offered = model.get("capabilities")
    is_loaded = model.get("state") == "loaded"
    return Listed(
        id=model["id"],
        context_limit=model.get("max_context_length"),
        capabilities=None
        if offered is None
        else _capabilities(vision=model.get("type") == "vlm", tools="tool_use" in offered),
        quantization=model.get("quantization"),
        instances=(Instance(model["id"], model.get("loaded_context_length")),) if is_loaded else (),
    )


def _capabilities(*, vision: Any, tools: Any, thinking: Any = None) -> frozenset[Capability] | None:
    found: set[Capability] = {"completion", "schema"}
    offered: tuple[tuple[Capability, Any], ...] = (
        ("vision", vision),
        ("tools", tools),
        ("thinking", thinking),
    )
    return frozenset(found | {name for name, there in offered if there})


def loaded_instance(document: Mapping[str, Any]) -> Instance:
    """The instance that `POST /api/v1/models/load` loaded. Its context is that of the answer's
    `load_config`, which may differ from the requested one."""
    config = document.get("load_config") or {}
    return Instance(str(document["instance_id"]), config.get("context_length"))


_WORDS = ServerWords(
    (
        Meaning(
            lambda _: ProviderRefused(
                "LM Studio wants an API token, and there is none or another in LM_API_TOKEN",
                hint="make one in LM Studio under Developer > Server Settings, then:"
                " export LM_API_TOKEN=…",
            ),
            statuses=frozenset({401, 403}),
            kinds=frozenset({"invalid_api_key"}),
        ),
        Meaning(
            lambda refusal: NotFound(f"LM Studio: {refusal.message}", command="localai list"),
            kinds=frozenset({"model_not_found"}),
        ),
        Meaning(
            lambda refusal: InsufficientResources(
                f"LM Studio has not enough memory for {refusal.model}: {refusal.message}",
                hint="a smaller model, or a smaller --ctx",
            ),
            text="insufficient system resources|[Oo]ut of memory",
        ),
    ),
    when_failed={"command": "lms log stream"},
    context_grows=True,
)


def refuse_silence(done: Done, context_tokens: int | None) -> None:
    """Raise ContextOverflow for an empty answer to a prompt that fills the context: some engines of
    LM Studio end a stream like that instead of refusing it."""
    prompt = done.usage.input_tokens
    if context_tokens is not None and prompt is not None and prompt >= context_tokens:
        raise overflow("LM Studio", prompt, context_tokens)


def refusal(
    status: int, document: Any, model: str, context_tokens: int | None = None
) -> LocalaiError:
    """Our error for a refusal of LM Studio's; `context_tokens` is the context that the model was
    loaded with."""
    error = document.get("error", document) if isinstance(document, dict) else document
    fields = error if isinstance(error, dict) else {"message": str(error)}
    return final_error(
        failure(
            "LM Studio",
            status,
            fields,
            {},
            words=_WORDS,
            model=model,
            context_tokens=context_tokens,
        )
    )
