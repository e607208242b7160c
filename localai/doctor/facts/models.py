"""The facts of the models on the disk."""

from __future__ import annotations

from collections.abc import Mapping

from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file. `problem` is the reason why its header cannot be read; "" if it can.

    `template_problems` and `template_suspicions` are sentences. `answers` says that the model is
    made for chat, so that it needs a template. `supported` says whether the embedded engine has its
    architecture. `same_file_as` is another model here whose file this is too; "" if there is none.
    """

    name: str | None = None
    store: str | None = None
    path: str | None = None
    size_bytes: int | None = None
    same_file_as: str | None = None
    problem: str | None = None
    architecture: str | None = None
    supported: bool | None = None
    answers: bool | None = None
    has_template: bool | None = None
    template_problems: tuple[str, ...] | None = None
    template_suspicions: tuple[str, ...] | None = None
    missing_parts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model that is a folder of MLX's."""

    name: str | None = None
    store: str | None = None
    path: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer that a manifest of Ollama's names: its size in the manifest, and on the disk (None if
    the file is gone)."""

    model: str | None = None
    path: str | None = None
    expected_bytes: int | None = None
    size_bytes: int | None = None
    exists: bool | None = None


@dataclass(frozen=True, slots=True)
class OllamaStore:
    """Ollama's store as this user's programs see it."""

    path: str | None = None
    readable: bool | None = None
    models: int | None = None
    broken_manifests: tuple[str, ...] | None = None
    bad_blobs: tuple[Blob, ...] | None = None
    needs: Mapping[str, str] | None = None
    partial_files: int | None = None
    partial_bytes: int | None = None
