"""The provider that answers on this machine: set-up's choice, and the reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from shutil import which
from typing import TYPE_CHECKING, Final, Literal, get_args

from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound, PolicyRefused, Unreachable
from localai.providers.gpu_use import IdleGpu, idle_gpu
from localai.providers.ollama_daemon import Daemon, target_of
from localai.providers.registry import declared_facts

if TYPE_CHECKING:
    from localai.config import Config
    from localai.hardware.facts import Machine
    from localai.paths import Paths

EngineName = Literal["ollama", "llamacpp", "mlx"]

OLLAMA_INSTALL_LINE: Final = "curl -fsSL https://ollama.com/install.sh | sh"
"""Ollama's own, for a person to run: it wants root, and localai does without it."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The provider `name`, its title (`what`), and `why` it was chosen.

    `alternative` is a remark about another one that could be used.
    """

    name: EngineName
    what: str
    why: str
    alternative: str | None = None


def embedded_engine(why: str, alternative: str | None = None) -> Engine:
    """The engine that every machine has."""
    return _engine("llamacpp", why, alternative)


def choose_engine(
    wanted: str | None,
    config: Config,
    paths: Paths,
    *,
    find_program: Callable[[str], str | None] = which,
) -> Engine:
    """The engine called `wanted`; without a name Ollama if it runs, MLX on Apple Silicon, else the
    embedded one.

    Raises InvalidInput if this machine has no such engine, Unreachable or NotFound if Ollama was
    asked for and does not run.
    """
    if wanted is None:
        return _best_engine(config, paths, find_program)
    if wanted == "llamacpp":
        return embedded_engine("you named it")
    if wanted == "mlx":
        if not declared_facts("mlx").runs_here():
            raise InvalidInput(
                "MLX needs a Mac with Apple Silicon and the mlx-lm package",
                command="localai setup --provider llamacpp",
            )
        return _engine("mlx", "you named it")
    if wanted == "ollama":
        running = _running_ollama(config, paths)
        if isinstance(running, str):
            return Engine("ollama", running, "you named it")
        if find_program("ollama") is None:
            raise NotFound("Ollama is not on this machine", command=OLLAMA_INSTALL_LINE)
        raise running
    engines = ", ".join(get_args(EngineName))
    raise InvalidInput(
        f"set-up is for what runs on this machine ({engines}), not {wanted!r}",
        command="localai setup --provider llamacpp",
    )


def _best_engine(config: Config, paths: Paths, find_program: Callable[[str], str | None]) -> Engine:
    running = _running_ollama(config, paths)
    if isinstance(running, str):
        return Engine("ollama", running, "it runs here already")
    if declared_facts("mlx").runs_here():
        return _engine("mlx", "the fastest on Apple Silicon")
    if find_program("ollama") is not None:
        return embedded_engine(
            "Ollama is here, but does not run; its models are used in place",
            "to let Ollama answer: ollama serve",
        )
    return embedded_engine(
        "it needs nothing else", f"Ollama can be had beside it: {OLLAMA_INSTALL_LINE}"
    )


def idle_gpu_here(machine: Machine, config: Config, paths: Paths) -> IdleGpu | None:
    """The GPU of `machine`, which is this machine, that the answering engine leaves idle; None if
    there is none."""
    if all(gpu.vendor.value == "Apple" for gpu in machine.gpus):
        return None
    engine = choose_engine(None, config, paths)
    return idle_gpu(machine, config, paths) if declared_facts(engine.name).opens == "gguf" else None


def _engine(name: EngineName, why: str, alternative: str | None = None) -> Engine:
    return Engine(name, declared_facts(name).title or name, why, alternative)


def _running_ollama(config: Config, paths: Paths) -> str | Unreachable:
    """The name and version of the Ollama that answers, `Ollama 0.17.4`; else the error."""
    target = target_of(config, os.environ)
    try:
        version = Daemon(config, target, paths.cache_dir).version()
    except Unreachable as error:
        return error
    except PolicyRefused as error:
        return Unreachable(error.message, hint=error.hint, command=error.command)
    return f"{version} at {target.address}"
