"""The context of the probes: folders, settings, the user's own environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from localai.dataclass import dataclass

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class Context:
    """The folders, the settings and the user's environment.

    `config_error` says why the settings are the defaults; it is "" if they are those in force.
    `environ` is the user's own environment, before localai changed its copy. `root` is `/`, except
    in tests.
    """

    paths: Paths
    config: Config
    config_error: str
    environ: Mapping[str, str]
    home: Path = field(default_factory=Path.home)
    root: Path = Path("/")
