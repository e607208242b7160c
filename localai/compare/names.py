"""The names of models in sentences: a file's name without its folders. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def short_name(model: str) -> str:
    """A model's short name: a file's without its folders."""
    return model.rsplit("/", 1)[-1] if model.startswith("/") else model


def short_names(models: Sequence[str]) -> dict[str, str]:
    """Each model's short name. Folders are left out, because they are private, unless only they
    tell two models apart."""
    short = [short_name(model) for model in models]
    distinct = len(set(short)) == len(short)
    return dict(zip(models, short if distinct else models, strict=True))
