"""The question that `localai chat --dry-run` shows instead of asking it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from localai.chat.model_settings import options_in
from localai.dataclass import dataclass
from localai.sampling_options import options_set
from localai.stores.presets import chain_of, find_preset
from localai.types import ChatRequest, Options, ResolvedModel

if TYPE_CHECKING:
    from localai.chat.select import SelectedModel
    from localai.config import Config
    from localai.paths import Paths
    from localai.providers.provider import RenderedPrompt


@dataclass(frozen=True, slots=True)
class OptionInForce:
    """An option of the request, and in words who has set it."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """A question that is not asked. `destination` is the host that it would go to, None if it stays
    on this machine. `rendered` is the text that the model would read, None if its provider does not
    say."""

    request: ChatRequest
    destination: str | None
    rendered: RenderedPrompt | None
    options: tuple[OptionInForce, ...]

    @property
    def about_tokens(self) -> int:
        """An estimate, if the tokens were not counted: four bytes of text a token."""
        size = sum(len(message.text.encode()) for message in self.request.messages)
        return -(-size // 4)


def dry_run(
    chosen: SelectedModel,
    request: ChatRequest,
    given: Mapping[str, Options],
    config: Config,
) -> DryRun:
    """What asking `request` would be. `given` are the options by who gave them; the first has
    precedence.

    Nothing is computed; a model of this machine may be loaded to render its template. Raises
    InsufficientResources, Unreachable.
    """
    return DryRun(
        request,
        chosen.provider.destination(chosen.model),
        chosen.provider.rendered(request),
        tuple(_options(request, given, config)),
    )


def lasting_options(model: ResolvedModel, config: Config, paths: Paths) -> dict[str, Options]:
    """The options that the presets of `model` set, and those that are set for it, by who set
    them."""
    preset = None if model.preset is None else find_preset(model.preset, paths)
    chain = () if preset is None else chain_of(preset, paths)
    found = {f"the preset {each.name}": each.options for each in chain}
    for name, settings in config.of_model(model.provider, model.id, model.path).items():
        found[f"models.{name}"] = options_in(settings)
    return found


def _options(
    request: ChatRequest, given: Mapping[str, Options], config: Config
) -> Iterator[OptionInForce]:
    for name, value in options_set(request.options).items():
        origins = [who for who, options in given.items() if options_set(options).get(name) == value]
        if not origins and options_set(request.model.recommended).get(name) == value:
            origins = ["the model's publisher"]
        setting = config.values["chat.max_tokens"]
        unset = "no chat template: the model may never stop by itself"
        limit = unset if setting.value is None else f"chat.max_tokens, {setting.origin}"
        yield OptionInForce(name, value, origins[0] if origins else limit)
