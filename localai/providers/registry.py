"""Every provider by name: our own, the servers of the config, and those of third parties.

A provider is a module with `create(config, paths) -> Provider` and, beside it, its `FACTS`. It is
imported when it is asked for. A third party's is found by an entry point in the group
`localai.providers`, which names its `create`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from localai.errors import InvalidInput, LocalaiError, Unreachable
from localai.formats import FileFormat
from localai.near_names import did_you_mean
from localai.providers.facts import ProviderFacts

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

    from localai.config import Config
    from localai.paths import Paths
    from localai.providers.provider import Provider

_OURS: dict[str, str] = {
    "llamacpp": "localai.providers.llamacpp",
    "ollama": "localai.providers.ollama",
    "lmstudio": "localai.providers.lmstudio",
    "mlx": "localai.providers.mlx",
    "openai": "localai.providers.openai",
    "anthropic": "localai.providers.anthropic",
}
# Where a bare model name is looked up. Never at a cloud, which would learn the name.
_LOOKUP_ORDER = ("ollama", "mlx", "llamacpp")
_GROUP = "localai.providers"


def provider_names(config: Config) -> tuple[str, ...]:
    """Every provider's name: ours, the config's endpoints, third parties'."""
    return tuple(dict.fromkeys((*_OURS, *config.endpoints, *_entry_points().names)))


def is_provider(name: str, config: Config) -> bool:
    """Whether `name/model` names a provider here, without importing it."""
    return name in config.endpoints or is_registered(name)


def is_registered(name: str) -> bool:
    """Whether the name is one of ours or a third party's, whatever the config says.

    A name with a slash or a colon is a model's, and no package's metadata is opened for it: 13 ms
    of processor time before a question leaves (115 packages).
    """
    may_be = not {"/", ":"}.intersection(name)
    return name in _OURS or (may_be and name in _entry_points().names)


def is_third_party(name: str) -> bool:
    """Whether a package that the user installed beside localai declares it."""
    return name not in _OURS and name in _entry_points().names


def open_provider(name: str, config: Config, paths: Paths) -> Provider:
    """The provider called `name`. Raises InvalidInput if there is none, Unreachable if a third
    party's cannot be imported, and what its `create` raises."""
    create: Callable[[Config, Paths], Provider]
    if name in _OURS:
        create = import_module(_OURS[name]).create
        return create(config, paths)
    if name in config.endpoints:
        from localai.providers.endpoint import open_endpoint

        return open_endpoint(config.endpoints[name], config)
    point = _entry_point(name)
    if point is None:
        raise no_such_provider(name, config)
    try:
        create = point.load()
    except LocalaiError:
        raise
    except Exception as error:
        raise Unreachable(
            f"the provider {name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return create(config, paths)


def no_such_provider(name: str, config: Config) -> InvalidInput:
    """The error for a name that no provider has, with the names that there are."""
    names = provider_names(config)
    near, known = did_you_mean(name, names), "known are " + ", ".join(names)
    return InvalidInput(
        f"there is no provider called {name!r}", hint=f"{near} {known}" if near else known
    )


def facts_of(name: str, config: Config) -> ProviderFacts:
    """The facts of the provider called `name`; the defaults if it declares none, or is not
    installed any more."""
    if name not in _OURS and name in config.endpoints:
        from localai.providers.endpoint import endpoint_facts

        return endpoint_facts(config.endpoints[name])
    return declared_facts(name)


def declared_facts(name: str) -> ProviderFacts:
    """The facts of a provider that is no endpoint of the config."""
    if name in _OURS:
        return _facts_of_ours(name)
    point = _entry_point(name)
    if point is None:
        return ProviderFacts()
    try:
        declared = getattr(import_module(point.module), "FACTS", None)
    except Exception:  # noqa: BLE001  why it cannot be imported is said when it is opened
        declared = None
    return declared if isinstance(declared, ProviderFacts) else ProviderFacts()


def name_in_cloud_allow(name: str, config: Config) -> str:
    """The name of the provider `name` in `cloud.allow`: an endpoint needs its own entry."""
    return f"endpoint:{name}" if name not in _OURS and name in config.endpoints else name


def check_provider_names(config: Config) -> None:
    """Raise InvalidInput, with its place, for a name in `cloud.allow` that no provider has, and for
    an endpoint with the name of one of our providers, which would never be asked.

    Imports no provider as long as all names are right, because every command begins with this.
    """
    for name in config.endpoints:
        if name in _OURS:
            raise InvalidInput(
                f"{config.file}: [endpoint.{name}] has the name of a provider of localai's own",
                hint="give the table another name",
            )
    value = config.values["cloud.allow"]
    if not all(name.startswith("endpoint:") or is_registered(name) for name in value.value):
        require_clouds(value.value, value.where or value.origin)


def require_clouds(names: Sequence[str], where: str | None) -> None:
    """Raise InvalidInput unless each of `names`, which stand at `where` (None: typed), may be in
    `cloud.allow`: a provider that may compute elsewhere, or `endpoint:NAME`."""
    place = "" if where is None else f"{where}: "
    registered = dict.fromkeys((*_OURS, *_entry_points().names))
    clouds = [name for name in registered if declared_facts(name).computes != "here"]
    for name in names:
        if name not in clouds and not name.startswith("endpoint:"):
            raise InvalidInput(
                f"{place}cloud.allow must be a list of {', '.join(clouds)} or endpoint:NAME,"
                f" and {name!r} is neither",
                command=None if where is None else "localai config unset cloud.allow",
            )


def provider_that_opens(file_format: FileFormat) -> str:
    """The name of our provider that opens model files of `file_format`."""
    return next(name for name in _OURS if _facts_of_ours(name).opens == file_format)


def providers_with(has: Callable[[ProviderFacts], bool], config: Config) -> tuple[str, ...]:
    """The names of the providers whose facts are such that `has` says yes."""
    return tuple(name for name in provider_names(config) if has(facts_of(name, config)))


def providers_on_device(config: Config) -> tuple[str, ...]:
    """The providers whose answers of the zone `device` were certainly computed on this machine."""
    return providers_with(lambda facts: facts.proves_device, config)


def lookup_order(config: Config) -> Iterator[str]:
    """The providers in which a bare model name is looked up, the configured one first."""
    preferred = config["provider"]
    if preferred:
        yield preferred
    for name in _LOOKUP_ORDER:
        if name != preferred and _facts_of_ours(name).runs_here():
            yield name


def full_name(provider: str, model: str) -> str:
    """What `-m` takes for the model that `provider` calls `model`: the bare name if `provider` is
    one in which bare names are looked up, else `provider/model`."""
    is_bare = provider in _LOOKUP_ORDER
    first, slash, _ = model.partition("/")
    if is_bare and slash and is_registered(first):
        # Ollama has models called openai/…: as a bare name that would mean another provider.
        is_bare = False
    return model if is_bare else f"{provider}/{model}"


def _facts_of_ours(name: str) -> ProviderFacts:
    facts: ProviderFacts = import_module(_OURS[name]).FACTS
    return facts


@cache
def _entry_points() -> EntryPoints:
    """Read once: it opens every installed package's metadata, and a price asks for each answer."""
    from importlib.metadata import entry_points

    return entry_points(group=_GROUP)


def _entry_point(name: str) -> EntryPoint | None:
    return next(iter(_entry_points().select(name=name)), None)
