"""Every model that could answer, each once: the files of this machine, and what servers offer.

The stores are read whether their programs run or not; a program that runs says what it has in
memory and what it has beyond its files. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.chat.available import Offer, offers
from localai.engine.lifecycle import workers
from localai.errors import Unreachable
from localai.providers.mlx import mlx_interpreter, mlx_may_run
from localai.stores.inventory import Holding, Place, holdings
from localai.types import ResolvedModel

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

# These two open files of the stores, which are read here.
_READ_HERE: Final = frozenset({"llamacpp", "mlx"})


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that could answer. `places` are where it lies on this machine, none for what only a
    server has; `engines` are the providers that run it as it is, `loaded_by` those that have it
    in memory now."""

    model: ResolvedModel
    places: tuple[Place, ...]
    engines: tuple[str, ...]
    loaded_by: tuple[str, ...] = ()
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """All of them, and the providers that do not answer with the reason of each."""

    models: tuple[Listed, ...]
    silent: tuple[tuple[str, str], ...]


def shelf(config: Config, paths: Paths, provider: str | None = None) -> Shelf:
    """What there is; with `provider` only what that one runs."""
    offered = offers(config, paths, without=_READ_HERE)
    silent = [(offer.provider, offer.problem) for offer in offered if offer.problem]
    local = [_listed(holding) for holding in holdings(paths)]
    if mlx_may_run():
        try:
            mlx_interpreter()
        except Unreachable as error:
            silent.append(("mlx", error.message))
    models = _with_workers(_with_offers(local, offered), paths)
    return Shelf(
        tuple(each for each in models if provider is None or provider in each.engines),
        tuple(pair for pair in silent if provider is None or pair[0] == provider),
    )


def _listed(holding: Holding) -> Listed:
    opened_by = "llamacpp" if holding.format == "gguf" else "mlx"
    engines = [opened_by] if opened_by != "mlx" or mlx_may_run() else []
    engines += [name for name in ("ollama", "lmstudio") if _has(holding.places, name)]
    return Listed(holding.model, holding.places, tuple(engines), digest=holding.digest)


def _has(places: Iterable[Place], store: str) -> bool:
    return any(place.store == store for place in places)


def _with_offers(local: list[Listed], offered: Sequence[Offer]) -> list[Listed]:
    """`local` with what running servers say of the same models, then what only they have."""
    listed = list(local)
    beyond: list[Listed] = []
    for offer in offered:
        for model in offer.models:
            at = _place_of(model, local)
            if at is None:
                loaded = (model.provider,) if model.loaded else ()
                beyond.append(Listed(model, (), (model.provider,), loaded, model.digest))
            elif model.loaded and model.provider not in listed[at].loaded_by:
                loaded_by = (*listed[at].loaded_by, model.provider)
                listed[at] = replace(listed[at], loaded_by=loaded_by)
    return listed + beyond


def _place_of(model: ResolvedModel, local: Sequence[Listed]) -> int | None:
    """Which of the local models a server's is; None if none, or if that cannot be told."""
    if model.provider == "ollama":
        same = [
            at
            for at, each in enumerate(local)
            if any(place.store == "ollama" and place.name == model.id for place in each.places)
        ]
    elif model.provider == "lmstudio" and model.size_bytes is not None:
        # Its names are not those of its files, and it does not say where those are.
        same = [
            at
            for at, each in enumerate(local)
            if _has(each.places, "lmstudio") and each.model.size_bytes == model.size_bytes
        ]
    else:
        return None
    return same[0] if len(same) == 1 else None


def _with_workers(listed: list[Listed], paths: Paths) -> list[Listed]:
    """`listed` with what the embedded engines have in memory."""
    running = [(Path(info.spec.model_path), info.spec.kind) for _, info in workers(paths)]
    if not running:
        return listed
    return [
        replace(
            each, loaded_by=(*(kind for path, kind in running if _is(path, each)), *each.loaded_by)
        )
        for each in listed
    ]


def _is(path: Path, listed: Listed) -> bool:
    try:
        return any(path.samefile(place.path) for place in listed.places)
    except OSError:
        return False
