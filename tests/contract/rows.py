"""What a provider brings to the contract suite. A row is one file, `row_NAME.py`, with a `ROW`.

`real` opens the provider against a real server with SmolLM2-135M-Instruct behind it;
`scripted` opens it against the scripted server, which then speaks the row's `wire`.
A row file imports only what is light: it is read when tests are collected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest

from localai.config import Config, load
from localai.paths import Paths, locate
from localai.providers.provider import Provider
from localai.types import ResolvedModel
from tests.support.scripted_server import ScriptedServer
from tests.support.wires import Wire


@dataclass(frozen=True, slots=True)
class Subject:
    """A provider and a model of it, ready to be asked.

    `is_computing` asks the *server* (or the kernel) whether it is generating right now. `kill`
    ends whatever computes, as a crash would.
    """

    provider: Provider
    model: ResolvedModel
    is_computing: Callable[[], bool] | None = None
    kill: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A provider in the suite.

    `kill` says that its subjects have one. `cannot` maps the name of a case that does not apply
    to the reason why.
    """

    real: Callable[[pytest.FixtureRequest], AbstractContextManager[Subject]] | None = None
    scripted: Callable[[ScriptedServer, Path], Subject] | None = None
    wire: Wire | None = None
    kill: bool = False
    cannot: Mapping[str, str] = field(default_factory=dict)


def identity(home: Path, environ: Mapping[str, str] | None = None) -> tuple[Config, Paths]:
    """The settings and folders of a user whose LOCALAI_HOME is `home` and who has nothing else."""
    paths = locate({"LOCALAI_HOME": str(home)})
    return load(paths, environ or {}), paths


def rows() -> dict[str, Row]:
    """Every row of the suite by the name of its file."""
    files = sorted(Path(__file__).parent.glob("row_*.py"))
    return {
        file.stem.removeprefix("row_"): import_module(f"tests.contract.{file.stem}").ROW
        for file in files
    }
