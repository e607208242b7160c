"""Which model answers: from the typed name to a provider and a model; never a cloud without being
asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.chat.model_settings import as_set
from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound, PolicyRefused, Unreachable
from localai.files import as_path
from localai.providers.provider import Provider
from localai.providers.registry import (
    facts_of,
    full_name,
    is_provider,
    lookup_order,
    provider_that_opens,
)
from localai.stores.presets import Preset, applied, chain_of, find_preset
from localai.stores.references import plain_name
from localai.types import ModelRef, ResolvedModel
from localai.units import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from localai.config import Config
    from localai.providers.pool import ProviderPool

STARTER = "starter"
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class SelectedModel:
    """A model and the open provider that serves it, which the pool closes."""

    provider: Provider
    model: ResolvedModel


def parse_ref(text: str, config: Config) -> ModelRef:
    """What a model name means: `provider/name` if the provider is known, else a bare name.

    A path (`./x.gguf`, `/models/x.gguf`) and `hf.co/org/repo` are bare names, and an address is the
    name that it means. Raises InvalidInput for an address that means none.
    """
    first, slash, rest = text.partition("/")
    if slash and rest and is_provider(first, config):
        return ModelRef(text, first, plain_name(rest))
    return ModelRef(text, None, plain_name(text))


def select_model(text: str | None, config: Config, providers: ProviderPool) -> SelectedModel:
    """The model that `text` names; without a name the configured one, else the starter.

    It has what the user has set for it for good. Raises NotFound with a hint, and whatever the
    named provider raises.
    """
    if text is None:
        return _default(config, providers)
    if (preset := find_preset(text, providers.paths)) is not None:
        return _of_preset(preset, config, providers)
    found = _found(text, config, providers)
    return SelectedModel(found.provider, as_set(found.model, config))


def _found(text: str, config: Config, providers: ProviderPool) -> SelectedModel:
    if is_provider(text, config):
        return _only_model(text, config, providers)
    ref = parse_ref(text, config)
    if ref.provider is not None:
        provider = providers.provider(ref.provider, config)
        return SelectedModel(provider, provider.resolve(ref.name))
    return _search(ref, config, providers)


def _default(config: Config, providers: ProviderPool) -> SelectedModel:
    if config["model"] is None:
        return _starter(config, providers)
    try:
        return select_model(config["model"], config, providers)
    except NotFound as error:
        value = config.values["model"]
        raise NotFound(
            f"{error.message}; it is the default, by {value.where or value.origin}",
            hint=error.hint,
            command=error.command,
        ) from error


def _of_preset(preset: Preset, config: Config, providers: ProviderPool) -> SelectedModel:
    """The model of `preset`, with what it sets. A preset may be of another one."""
    chain = chain_of(preset, providers.paths)
    selected = select_model(chain[-1].base, config, providers)
    return SelectedModel(selected.provider, applied(chain, selected.model))


def _only_model(name: str, config: Config, providers: ProviderPool) -> SelectedModel:
    """The model of the provider `name`, if it has exactly one. Raises InvalidInput that lists
    them."""
    provider = providers.provider(name, config)
    models = provider.models()
    if len(models) == 1:
        return SelectedModel(provider, provider.resolve(models[0].id))
    names = [full_name(name, model.id) for model in models]
    title = facts_of(name, config).title or name
    if not names:
        raise NotFound(f"{title} has no model", command="localai list")
    shown = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
    raise InvalidInput(
        f"{title} has {counted(len(names), 'model')}: name one of them",
        hint=shown,
        command=("localai", "list", "--provider", name),
    )


def _starter(config: Config, providers: ProviderPool) -> SelectedModel:
    provider = providers.provider(provider_that_opens("gguf"), config)
    try:
        return SelectedModel(provider, as_set(provider.resolve(STARTER), config))
    except NotFound as error:
        raise NotFound(
            "no model is chosen, and the starter is not here yet", command="localai pull starter"
        ) from error


def _search(ref: ModelRef, config: Config, providers: ProviderPool) -> SelectedModel:
    if as_path(ref.name) is not None or ref.name.lower().endswith(".gguf"):
        provider = providers.provider(provider_that_opens("gguf"), config)
        return SelectedModel(provider, provider.resolve(ref.name))
    missing: NotFound | None = None
    # Each is imported only where those before it have no such model.
    order: Iterable[str] = lookup_order(config)
    if ref.name == STARTER:
        # Our own model, even if a server has one of that name: set-up verified ours.
        order = dict.fromkeys((provider_that_opens("gguf"), *order))
    for name in order:
        provider = providers.provider(name, config)
        try:
            return SelectedModel(provider, provider.resolve(ref.name))
        except NotFound as error:
            missing = error
        except (Unreachable, PolicyRefused):
            if name == config["provider"]:
                raise
    raise missing or NotFound(f"there is no model {ref.text!r}", command="localai list")
