"""One pull, from the typed name to whole files that their store knows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.fetch.download import PATIENCE_S, fetch_file
from localai.fetch.gguf_url import is_gguf_url, plan_url
from localai.fetch.local_file import plan_adoption
from localai.fetch.oci import plan_registry, registry_model, registry_variants
from localai.fetch.partial import RemoteFile
from localai.fetch.plan import Pulled, PullEvent
from localai.files import as_path, lies_here
from localai.formats.gguf_kinds import no_model
from localai.progress import WorkProgress
from localai.stores.references import (
    file_of_url,
    hub_reference,
    ollama_reference,
    tag_alone,
)

if TYPE_CHECKING:
    from localai.config import Config
    from localai.fetch.allowed_hosts import AllowedHosts
    from localai.fetch.oci import RegistryModel
    from localai.fetch.plan import PullPlan, Variant
    from localai.paths import Paths

# Smaller layers, such as a template, arrive before anybody could read a progress line about them.
_SMALL_BYTES: Final = 16 << 20
_MOST_NAMED: Final = 12


def find_model(
    text: str,
    hosts: AllowedHosts,
    config: Config,
    paths: Paths,
    *,
    quant: str | None = None,
    environ: Mapping[str, str] | None = None,
    by_daemon: bool = False,
) -> PullPlan:
    """The model that `text` means: a file of this machine, an address, a model of the hub or of a
    registry like Ollama's. Raises the errors of those, and InvalidInput if the file is no model,
    such as an adapter.

    `by_daemon`: Ollama itself is to fetch a registry's model; its store may then be another user's.
    """
    if (path := file_of_url(text) or as_path(text)) is not None:
        _no_quant(quant)
        plan = plan_adoption(path, paths)
    elif (reference := hub_reference(text, quant)) is not None:
        from localai.fetch.hub import Hub

        plan = Hub(config["registry.hub"], hosts, environ).plan(reference)
    elif is_gguf_url(text):
        _no_quant(quant)
        plan = plan_url(text, hosts, paths)
    else:
        if (what := lies_here(text)) is not None:
            raise InvalidInput(
                f"a {what} called {text} lies here, and a registry may have a model of that name",
                hint=f"./{text} is the {what}",
                command=("localai", "pull", f"{text}:latest"),
            )
        if (alone := tag_alone(text)) is not None:
            raise InvalidInput(**alone)
        model = registry_model(ollama_reference(text) or text, config["registry.ollama"], quant)
        try:
            plan = plan_registry(model, hosts, environ, by_daemon=by_daemon)
        except NotFound as missing:
            raise _with_tags(missing, model, hosts) from missing
    if plan.header is not None and (what := no_model(plan.header)) is not None:
        raise InvalidInput(f"{plan.name} is {what}", hint="name the model that it belongs to")
    return plan


def _with_tags(missing: NotFound, model: RegistryModel, hosts: AllowedHosts) -> NotFound:
    """The error for a tag that a registry does not have, with those that it has."""
    try:
        others = [each.quantization for each in registry_variants(model, hosts)]
    except LocalaiError as error:
        return NotFound(missing.message, hint=error.hint if isinstance(error, NotFound) else None)
    # Of this size first.
    size = model.name.tag.partition("-")[0]
    others.sort(key=lambda tag: tag.partition("-")[0] != size)
    shown = ", ".join(others[:_MOST_NAMED]) + (", …" if len(others) > _MOST_NAMED else "")
    return NotFound(missing.message, hint=f"it has: {shown}" if others else missing.hint)


def find_variants(text: str, hosts: AllowedHosts, config: Config) -> list[Variant]:
    """The quantizations of the model that `text` means. Raises InvalidInput if it means a single
    file."""
    if (reference := hub_reference(text)) is not None:
        from localai.fetch.hub import Hub

        return Hub(config["registry.hub"], hosts).variants(reference)
    if (file_of_url(text) or as_path(text)) is not None or is_gguf_url(text):
        raise InvalidInput(f"{text} is one file: there are no other quantizations of it")
    model = registry_model(ollama_reference(text) or text, config["registry.ollama"])
    return registry_variants(model, hosts)


def fetch_model(
    plan: PullPlan, hosts: AllowedHosts, *, patience_s: float = PATIENCE_S
) -> Iterator[PullEvent]:
    """Fetch every file of `plan` and make the model known to its store; the last event is `Pulled`,
    with the model's own path and SHA-256. Progress counts all files together.

    The small files come first, so that the largest is verified at the end.
    """
    done_bytes = 0
    fetched = False
    digest = plan.digest or ""
    for file in sorted(plan.files, key=lambda each: each.size_bytes):
        pulled = yield from _fetch_one(file, hosts, patience_s, done_bytes, plan.size_bytes)
        done_bytes += file.size_bytes
        fetched = fetched or pulled.fetched
        if file.target == plan.path:
            digest = pulled.sha256
    plan.install()
    yield Pulled(plan.path, plan.size_bytes, digest, fetched)


def _fetch_one(
    file: RemoteFile, hosts: AllowedHosts, patience_s: float, before: int, total: int
) -> Generator[PullEvent, None, Pulled]:
    for event in fetch_file(file, hosts, patience_s=patience_s):
        if isinstance(event, Pulled):
            return event
        if not isinstance(event, WorkProgress):
            yield event
        elif event.stage == "waiting" or file.size_bytes > _SMALL_BYTES:
            yield replace(event, done_bytes=before + event.done_bytes, total_bytes=total)
        else:
            yield WorkProgress("downloading", before + event.done_bytes, total)
    raise AssertionError("a file ends with Pulled or an exception")


def _no_quant(quant: str | None) -> None:
    if quant is not None:
        raise InvalidInput("a file has the quantization it has: --quant is for names")
