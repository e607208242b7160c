"""One model in other quantizations: which are on this machine, and the line that gets another."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.formats.gguf_names import without_type
from localai.library.quantization.conversion import LOSSLESS
from localai.stores.references import hub_reference

if TYPE_CHECKING:
    from localai.paths import Paths
    from localai.stores.inventory import ModelOnDisk
    from localai.types import ResolvedModel


def variants_of(
    model: ResolvedModel, paths: Paths, environ: Mapping[str, str] | None = None
) -> Iterator[ModelOnDisk]:
    """`model` itself and its other quantizations in the stores of this machine.

    The same model has as many parameters, and the same name but for a type at its end: its own in a
    store, or the one that its makers wrote into the file.
    """
    from localai.stores.inventory import models_on_disk

    title = _title(model)
    for each in models_on_disk(paths, os.environ if environ is None else environ):
        names = {_base(place.name) for place in each.places}
        alike = _base(_own_name(model)) in names or (title and title == _title(each.model))
        same_file = model.path is not None and any(p.path == model.path for p in each.places)
        if same_file or (alike and each.model.parameters == model.parameters):
            yield each


def variant(
    model: ResolvedModel, quantization: str, provider: str | None, paths: Paths
) -> ModelOnDisk:
    """The variant of `model` that is quantized like that, in a store that `provider` names first.

    Raises NotFound with the line that gets it, where there is one.
    """
    found = list(variants_of(model, paths))
    fitting = [e for e in found if (e.model.quantization or "").lower() == quantization.lower()]
    if fitting:
        return min(fitting, key=lambda each: all(p.store != provider for p in each.places))
    here = ", ".join(sorted({e.model.quantization or "of an unknown type" for e in found}))
    raise NotFound(
        f"{model.id} is not on this machine as {quantization}"
        + (f", but as {here}" if here else ""),
        command=_line(model, quantization, found),
    )


def _line(
    model: ResolvedModel, quantization: str, found: list[ModelOnDisk]
) -> tuple[str, ...] | None:
    """What makes or gets the variant; None where nothing is known that does."""
    whole = next((each for each in found if each.model.quantization in LOSSLESS), None)
    if whole is not None:
        return ("localai", "quantize", whole.places[0].name, "--to", quantization.lower())
    names = [place.name for each in found for place in each.places] or [model.id]
    for name in names:
        try:
            reference = hub_reference(name)
        except InvalidInput:
            continue
        if reference is not None:
            return ("localai", "pull", f"{reference.name}:{quantization}")
    for each in found:
        for place in each.places:
            repository, colon, tag = place.name.partition(":")
            if place.store == "ollama" and colon and tag != "latest":
                tag = f"{without_type(tag)}-{quantization}"
                return ("localai", "pull", f"{repository}:{tag}")
    return None


def _own_name(model: ResolvedModel) -> str:
    return model.path.name if model.path is not None and model.id == "starter" else model.id


def _base(name: str) -> str:
    stem = PurePath(name).name
    if stem.lower().endswith(".gguf"):
        stem = stem[: -len(".gguf")]
    return without_type(stem).casefold()


def _title(model: ResolvedModel) -> str | None:
    """What its makers called the model, by the file's header."""
    from localai.formats.gguf import read_header

    if model.path is None or not model.path.is_file():
        return None
    try:
        name = read_header(model.path).name
    except LocalaiError:
        return None
    return None if name is None else without_type(name).casefold()
