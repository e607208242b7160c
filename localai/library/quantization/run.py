"""Making a smaller model by a plan: verified before it is kept.

The result lies in a hidden folder of our own store until it has loaded and answered; then it is
renamed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from localai.answers import PartialAnswer, gather
from localai.dataclass import dataclass
from localai.errors import InsufficientResources, Unreachable
from localai.fetch.backups import models_folder
from localai.files import sync_folder
from localai.formats.gguf import read_header
from localai.formats.gguf_quantization import unshrunk_share
from localai.library.quantization.plan import (
    QuantizationPlan,
    memory_at_trial,
    require_shrinking,
)
from localai.paths import private_dir
from localai.progress import WorkProgress
from localai.sizing.memory import MemoryNeed
from localai.stores.lookup import resolve_file, resolve_mlx
from localai.stores.model_defaults import defaults_file, keep_defaults
from localai.types import ChatRequest, Message

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool


@dataclass(frozen=True, slots=True)
class Quantized:
    """What was made: its file or folder, its size, its memory, and its answer to the trial
    question.

    `answer` is None for a model that does not chat.
    """

    path: Path
    size_bytes: int
    need: MemoryNeed | None
    answer: str | None


def quantize(
    plan: QuantizationPlan, config: Config, paths: Paths, providers: ProviderPool
) -> Generator[WorkProgress, None, Quantized]:
    """Make the model of `plan`. The result gets its name only after it has loaded and answered.

    Raises what the program that makes it raises, Unreachable if the result does not load or says
    nothing, InsufficientResources if it cannot be written.
    """
    staging = private_dir(models_folder(paths) / ".quantizing")
    _sweep(staging)
    made = staging / f"{os.getpid()}-{plan.target.name}"
    try:
        try:
            yield from plan.conversion.make(made)
        except OSError as error:
            raise InsufficientResources(
                f"{made.parent} cannot be written: {error.strerror or error}"
            ) from error
        yield WorkProgress("verifying")
        if made.is_file():
            require_shrinking(plan.source.id, plan.conversion.to, unshrunk_share(read_header(made)))
        answer = _verified(plan, made, config, paths, providers)
        private_dir(plan.target.parent)
        if made.is_file():
            keep_defaults(plan.source, plan.target)
        made.rename(plan.target)
        sync_folder(plan.target.parent)
    finally:
        _remove(made)
        with contextlib.suppress(OSError):
            staging.rmdir()
    return Quantized(
        plan.target,
        _size(plan.target),
        memory_at_trial(plan.target, plan.source.context_limit, paths),
        answer,
    )


def _verified(
    plan: QuantizationPlan, made: Path, config: Config, paths: Paths, providers: ProviderPool
) -> str | None:
    """Load the result, ask it, and return its answer. Raises Unreachable if it does not load or
    says nothing."""
    if plan.source.provider == "mlx":
        model = resolve_mlx(str(made), paths)
    else:
        model = resolve_file(made, paths)
    if "completion" not in (model.capabilities or ()):
        return None
    system = plan.source.system_prompt
    messages = [Message("system", system)] if system else []
    request = ChatRequest(
        model=replace(model, projector=None),
        messages=(*messages, Message("user", "What is the capital of France?")),
        options=replace(plan.source.recommended, temperature=0.0, max_tokens=16),
        keep_alive_s=0,
        think="off" if "thinking" in (model.capabilities or ()) else None,
    )
    events = providers.provider(model.provider, config).stream(request)
    text = gather(events, PartialAnswer(request.model)).text
    if not text.strip():
        raise Unreachable(
            f"the quantized {plan.name} loads, but says nothing: it was not kept",
            hint="see whether the source answers",
            command=("localai", "chat", "-m", plan.source.id, "hello"),
        )
    return text.strip()


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir())
    return path.stat().st_size


def _sweep(staging: Path) -> None:
    """Remove what killed runs left. The name of such a file begins with the pid of the run."""
    import psutil

    for path in list(staging.iterdir()):
        number = path.name.partition("-")[0]
        if not number.isdecimal() or not psutil.pid_exists(int(number)):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        for file in (path, defaults_file(path)):
            file.unlink(missing_ok=True)
