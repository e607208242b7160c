"""What is wrong with a model's chat template: by its text, and by what an engine made of it.

An engine finds out when a model is asked for the first time; it is remembered, so that `show` and
`doctor` say the same without loading anything.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from localai.dataclass import dataclass
from localai.engine.worker_files import WorkerSpec, model_identity
from localai.files import content_key
from localai.remembered import Remembered
from localai.wires.chat_templates import template_problems

_VERSION: Final = 1
_MOST: Final = 500


@dataclass(frozen=True, slots=True)
class TemplateFindings:
    """What `engine`, its name with its version, found wrong with a template, a sentence's end each:
    "it leaves out the question"."""

    engine: str
    problems: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The problems, each with who found it."""
        return tuple(f"{each} ({self.engine})" for each in self.problems)


class RememberedFindings:
    """The findings of earlier questions, in the folder of caches."""

    def __init__(self, cache_folder: Path) -> None:
        self._remembered = Remembered(
            cache_folder / "chat-templates.json", version=_VERSION, most=_MOST
        )

    def of(self, model: Path, given: str | None = None) -> TemplateFindings | None:
        """What was found of the template of `model`, or of the one that was `given` for it; None if
        it was never used."""
        try:
            engine, *problems = self._remembered.get(_key(model, given))
        except (OSError, TypeError, ValueError):
            return None
        return TemplateFindings(str(engine), tuple(map(str, problems)))

    def put(self, model: Path, given: str | None, found: TemplateFindings) -> None:
        """Remember what was found."""
        try:
            self._remembered.put(_key(model, given), [found.engine, *found.problems])
        except OSError:
            return
        self._remembered.save()


def known_problems(template: str, model: Path, found: RememberedFindings) -> tuple[str, ...]:
    """Why the `template` of `model` serves no chat, or not all of it: what an engine said of it,
    else what its text shows."""
    by_engine = found.of(model)
    if by_engine is not None and by_engine.problems:
        return by_engine.sentences
    return template_problems(template)


def _key(model: Path, given: str | None) -> str:
    """A text that changes with the model's files, and with the template that was given."""
    if model.is_dir():
        files = model_identity(WorkerSpec("mlx", str(model), 0))
    else:
        files = content_key(model)
    if given is None:
        return files
    return f"{files} {hashlib.sha256(given.encode(errors='replace')).hexdigest()[:16]}"
