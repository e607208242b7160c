"""Who will answer on this machine: the provider that set-up chooses, and why."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from shutil import which
from typing import TYPE_CHECKING, Final, Literal

from localai.errors import InvalidInput, NotFound, PolicyRefused, Unreachable
from localai.providers.mlx import mlx_may_run
from localai.providers.ollama_daemon import Daemon, target_of

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

EngineName = Literal["ollama", "llamacpp", "mlx"]
ENGINES: Final[tuple[EngineName, ...]] = ("ollama", "llamacpp", "mlx")

OLLAMA_INSTALL_LINE: Final = "curl -fsSL https://ollama.com/install.sh | sh"
"""Ollama's own, for a person to run: it wants root, and localai does without it."""

EMBEDDED: Final = "the embedded engine (llama.cpp)"


@dataclass(frozen=True, slots=True)
class Engine:
    """The provider `name`, in words (`what`), and `why` it is this one. `offer` is a remark on
    what else could be had."""

    name: EngineName
    what: str
    why: str
    offer: str | None = None


def choose_engine(
    wanted: str | None,
    config: Config,
    paths: Paths,
    *,
    find_program: Callable[[str], str | None] = which,
) -> Engine:
    """The engine called `wanted`; without a name Ollama if it runs, MLX on Apple Silicon, else the
    embedded one.

    Raises InvalidInput for what is no engine of this machine, Unreachable or NotFound where
    Ollama was asked for and does not run.
    """
    if wanted is not None and wanted not in ENGINES:
        raise InvalidInput(
            f"set-up is for what runs on this machine ({', '.join(ENGINES)}), not {wanted!r}",
            command="localai setup --provider llamacpp",
        )
    if wanted == "mlx":
        if not mlx_may_run():
            raise InvalidInput(
                "MLX needs a Mac with Apple Silicon and the mlx-lm package",
                command="localai setup --provider llamacpp",
            )
        return Engine("mlx", "MLX, Apple's own engine", "you named it")
    if wanted == "llamacpp":
        return Engine("llamacpp", EMBEDDED, "you named it")
    running = _running_ollama(config, paths)
    if wanted == "ollama":
        if isinstance(running, str):
            return Engine("ollama", running, "you named it")
        if find_program("ollama") is None:
            raise NotFound("Ollama is not on this machine", command=OLLAMA_INSTALL_LINE)
        raise running
    if isinstance(running, str):
        return Engine("ollama", running, "it runs here already")
    if mlx_may_run():
        return Engine("mlx", "MLX, Apple's own engine", "the fastest on Apple Silicon")
    if find_program("ollama") is not None:
        return Engine(
            "llamacpp",
            EMBEDDED,
            "Ollama is here, but does not run; its models are used in place",
            "to let Ollama answer: ollama serve",
        )
    return Engine(
        "llamacpp",
        EMBEDDED,
        "it needs nothing else",
        f"Ollama can be had beside it: {OLLAMA_INSTALL_LINE}",
    )


def _running_ollama(config: Config, paths: Paths) -> str | Unreachable:
    """`Ollama 0.17.4` if one answers, else why not."""
    target = target_of(config, os.environ)
    try:
        version = Daemon(config, target, paths.cache_dir).version()
    except Unreachable as error:
        return error
    except PolicyRefused as error:
        return Unreachable(error.message, hint=error.hint, command=error.command)
    return f"{version} at {target.address}"
