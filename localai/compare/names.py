"""What a model is called in a sentence: a file without its folders. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def short_name(model: str) -> str:
    """A model's own short name."""
    return model.rsplit("/", 1)[-1] if model.startswith("/") else model


def short_names(models: Sequence[str]) -> dict[str, str]:
    """Each model's short name: a file's without its folders, which are nobody else's business,
    where that is enough to tell it from the others."""
    short = [short_name(model) for model in models]
    distinct = len(set(short)) == len(short)
    return dict(zip(models, short if distinct else models, strict=True))
