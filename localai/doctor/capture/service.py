"""Ollama as a systemd service: its state, its user, its environment."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

from localai.doctor.capture.context import Context
from localai.doctor.capture.environment import variables_of
from localai.doctor.facts.servers import DropIn, OllamaService
from localai.hardware.readers import ask_program, read_text

_PROPERTIES: Final = "LoadState,ActiveState,Result,User,Environment,DropInPaths"


def service(context: Context) -> OllamaService:
    """The service; it `exists` only if systemd has such a unit."""
    if not (context.root / "run/systemd/system").is_dir():
        return OllamaService(exists=False)
    answer = ask_program("systemctl", "show", "ollama", "-p", _PROPERTIES, limit_s=2.0)
    if answer.status != 0:
        return OllamaService()
    return read_properties(answer.output)


def read_properties(text: str) -> OllamaService:
    """The service that `systemctl show` describes, with a property on each line."""
    values = {name: value for name, _, value in (line.partition("=") for line in text.splitlines())}
    if values.get("LoadState") in (None, "not-found"):
        return OllamaService(exists=False)
    return OllamaService(
        exists=True,
        active=values.get("ActiveState"),
        result=values.get("Result"),
        user=values.get("User", ""),
        environment=_environment(values.get("Environment", "")),
        drop_ins=tuple(map(_drop_in, values.get("DropInPaths", "").split())),
    )


def _environment(text: str) -> dict[str, str] | None:
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    return variables_of(dict(word.split("=", 1) for word in words if "=" in word))


def _drop_in(path: str) -> DropIn:
    content = read_text(Path(path))
    section = None if content is None else bool(re.search(r"^[ \t]*\[Service\]", content, re.M))
    return DropIn(path, section)
