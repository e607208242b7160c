"""Where a failure is caused that the real command meets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Scene:
    """Where a failure is caused: the homes, and the environment that the command will have."""

    home: Path
    user: Path
    environment: dict[str, str | None] = field(default_factory=dict)

    @property
    def models(self) -> Path:
        """Localai's own folder of models, made."""
        folder = self.home / "data" / "models"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def configure(self, text: str) -> None:
        """Write the settings."""
        (self.home / "config.toml").write_text(text)

    def program(self, name: str, script: str) -> None:
        """Put a program first on the search path."""
        folder = self.user / "bin"
        folder.mkdir(exist_ok=True)
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        self.environment["PATH"] = f"{folder}:{os.environ['PATH']}"

    def module(self, name: str, code: str) -> None:
        """Put a Python module first on Python's path."""
        folder = self.user / "modules"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(code)
        package = Path(__file__).parents[2]
        self.environment["PYTHONPATH"] = f"{folder}:{package}"
