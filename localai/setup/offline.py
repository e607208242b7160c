"""A set-up from a bundle: with its model, checked by its SHA-256, and nothing from elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from localai.dataclass import dataclass
from localai.errors import InsufficientResources, InvalidInput, NotFound
from localai.fetch.plan import Pulled, PullEvent
from localai.files import copy_and_hash, written_whole
from localai.paths import private_dir
from localai.progress import WorkProgress
from localai.setup.bundle import MODELS, SUMS
from localai.stores.starter import STARTER
from localai.units import bytes_text

if TYPE_CHECKING:
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class BundledModel:
    """The model of a bundle: its file there, its SHA-256, its size in bytes, the target of its
    copy, and its `name` for `localai chat -m`."""

    file: Path
    sha256: str
    size_bytes: int
    target: Path
    name: str

    @property
    def here(self) -> bool:
        """Whether a file of that size is at `target`; only a whole one is ever put there."""
        try:
            return self.target.stat().st_size == self.size_bytes
        except OSError:
            return False


def bundled_model(bundle: Path, paths: Paths) -> BundledModel:
    """The model in the folder `bundle`. Raises NotFound and InvalidInput if that is no bundle."""
    try:
        lines = (bundle / SUMS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(
            f"{bundle} is no bundle: it has no readable {SUMS}",
            hint="one is made on a machine with a network: localai setup --bundle DIR",
        ) from error
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    names = [name for name in sums if name.startswith(f"{MODELS}/") and name.endswith(".gguf")]
    if len(names) != 1 or Path(names[0]).parent != Path(MODELS):
        raise InvalidInput(f"{bundle} is damaged: its {SUMS} names no model")
    file = bundle / names[0]
    try:
        size = file.stat().st_size
    except OSError as error:
        raise InvalidInput(f"{bundle} is damaged: {names[0]} is missing") from error
    name = STARTER.name if file.name == STARTER.file_name else file.stem
    return BundledModel(file, sums[names[0]], size, paths.models_dir / file.name, name)


def place_model(model: BundledModel) -> Iterator[PullEvent]:
    """Copy the model to `target`: whole and of the right SHA-256, or not at all.

    The last event is `Pulled`. Raises InvalidInput, InsufficientResources.
    """
    folder = private_dir(model.target.parent)
    if shutil.disk_usage(folder).free < model.size_bytes:
        raise InsufficientResources(
            f"{folder} has no room for {bytes_text(model.size_bytes)}", check="disk-full"
        )
    try:
        with model.file.open("rb") as source, written_whole(model.target) as output:
            size_bytes = model.size_bytes
            found = yield from copy_and_hash(
                source, output, size_bytes, lambda done: WorkProgress("verifying", done, size_bytes)
            )
            if found != model.sha256:
                raise InvalidInput(
                    f"{model.file} is damaged: its SHA-256 is not that of {SUMS}",
                    hint="copy the bundle anew",
                )
    except OSError as error:
        raise InvalidInput(f"{model.file} cannot be copied: {error.strerror or error}") from error
    yield Pulled(model.target, model.size_bytes, model.sha256, fetched=True)
