"""Ollama: its programs, its address, its server's answers, and the libraries beside it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from localai.doctor.capture.context import Context
from localai.doctor.capture.environment import variables_of
from localai.doctor.capture.http import Reply, ask
from localai.doctor.facts.servers import (
    InstalledProgram,
    OllamaFacts,
    RunningModel,
    ServedModel,
    ServerLog,
)
from localai.errors import InvalidInput
from localai.hardware.readers import ask_program, read_text
from localai.net.listener import listening_pid, listening_users
from localai.net.target import Target
from localai.providers.ollama_daemon import SERVICE_USERS, target_of
from localai.wires.ollama.model import remote_by_name, remote_of

# The places outside of the search path where its installers, snap, Homebrew and its app put it.
_PLACES: Final = {
    "usr/local/bin/ollama": "Ollama's installer",
    "usr/bin/ollama": "the system's packages",
    "snap/bin/ollama": "snap",
    "opt/homebrew/bin/ollama": "Homebrew",
    "Applications/Ollama.app/Contents/Resources/ollama": "Ollama's app",
}
_ORIGINS: Final = {"/snap/": "snap", "/Cellar/": "Homebrew", "Ollama.app": "Ollama's app"}
_GPU_LIBRARIES: Final = re.compile(r"^(cuda|rocm|vulkan|mlx)")
_LIBRARY: Final = re.compile(r"inference compute.*\blibrary=\"?([A-Za-z]+)")
_LOG_LINES: Final = 2000


def ollama(context: Context) -> OllamaFacts:
    """All facts about Ollama here. A server elsewhere is not asked."""
    programs = tuple(_programs(context))
    written, written_in = _written_address(context)
    found = OllamaFacts(
        programs=programs,
        client_version=_client_version(programs),
        written_address=written,
        written_in=written_in,
        gpu_libraries=_gpu_libraries(programs),
        log=_log(context),
    )
    try:
        target = target_of(context.config, context.environ)
    except InvalidInput as error:
        return replace(found, address_error=error.message, state="no_address")
    trusted = (*SERVICE_USERS, *context.config["network.users"])
    version = ask(target.host, target.port, "/api/version", trusted=trusted)
    state = version.state
    if state == "answers" and "version" not in _mapping(version):
        state = "something_else"
    found = replace(
        found,
        address=target.address,
        address_error="",
        state=state,
        answer=version.words if state != "stranger" else None,
        run_by=version.words if state == "stranger" else _run_by(target, state),
    )
    return _with_answers(found, target, trusted, version) if state == "answers" else found


def _with_answers(
    found: OllamaFacts, target: Target, trusted: tuple[str, ...], version: Reply
) -> OllamaFacts:
    running = ask(target.host, target.port, "/api/ps", trusted=trusted)
    listed = ask(target.host, target.port, "/api/tags", trusted=trusted)
    status = ask(target.host, target.port, "/api/status", trusted=trusted)
    pid = listening_pid(target.port, "ollama")
    cloud = _mapping(status).get("cloud")
    disabled = cloud.get("disabled") if isinstance(cloud, Mapping) else None
    return replace(
        found,
        server_version=str(_mapping(version)["version"]),
        running=tuple(map(_running, _models(running))) if running.state == "answers" else None,
        models=tuple(map(_served, _models(listed))) if listed.state == "answers" else None,
        cloud_enabled=None if disabled is None else not disabled,
        environment=None if pid is None else _environment_of(pid, Path("/proc")),
    )


def _programs(context: Context) -> Iterator[InstalledProgram]:
    seen: set[Path] = set()
    on_path = shutil.which("ollama", path=context.environ.get("PATH"))
    for place in (on_path, *(str(context.root / each) for each in _PLACES)):
        if place is None or not Path(place).exists():
            continue
        real = Path(place).resolve()
        if real not in seen:
            seen.add(real)
            yield InstalledProgram(place, _origin(place, real))


def _origin(place: str, real: Path) -> str:
    for part, origin in (
        ("/snap/", "snap"),
        ("/Cellar/", "Homebrew"),
        ("Ollama.app", "Ollama's app"),
    ):
        if part in str(real):
            return origin
    return next((name for end, name in _PLACES.items() if place.endswith(end)), "the search path")


def _client_version(programs: tuple[InstalledProgram, ...]) -> str | None:
    if not programs or programs[0].path is None:
        return ""
    answer = ask_program(programs[0].path, "--version", limit_s=2.0)
    match = re.search(r"client version is (\S+)", answer.output) or re.search(
        r"ollama version is (\S+)", answer.output
    )
    return match[1] if match else None


def _written_address(context: Context) -> tuple[str, str]:
    configured = context.config["ollama.host"]
    if configured is not None:
        return configured, "ollama.host"
    return context.environ.get("OLLAMA_HOST", ""), "OLLAMA_HOST"


def _run_by(target: Target, state: str) -> str | None:
    if state in ("elsewhere", "refused"):
        return ""
    return ", ".join(sorted(listening_users(target.host, target.port))) or None


def _mapping(reply: Reply) -> Mapping[str, Any]:
    return reply.document if isinstance(reply.document, Mapping) else {}


def _models(reply: Reply) -> list[Mapping[str, Any]]:
    models = _mapping(reply).get("models") or []
    return [each for each in models if isinstance(each, Mapping)]


def _running(entry: Mapping[str, Any]) -> RunningModel:
    return RunningModel(
        str(entry.get("name", "")),
        _integer(entry.get("size")),
        # The server leaves a zero out.
        _integer(entry.get("size_vram", 0)),
        _integer(entry.get("context_length")),
    )


def _served(entry: Mapping[str, Any]) -> ServedModel:
    name = str(entry.get("name", ""))
    return ServedModel(name, remote_of(entry) or remote_by_name(name) or "")


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _environment_of(pid: int, proc: Path) -> dict[str, str] | None:
    """The variables of a process that matter; None if this user may not see them."""
    text = read_text(proc / str(pid) / "environ")
    if text is None:
        return None
    pairs = (entry.partition("=") for entry in text.split("\0") if "=" in entry)
    return variables_of({name: value for name, _, value in pairs})


def _gpu_libraries(programs: tuple[InstalledProgram, ...]) -> tuple[str, ...] | None:
    """The folders of libraries for graphics processors beside the first program."""
    if not programs or programs[0].path is None:
        return None
    folder = Path(programs[0].path).resolve().parent
    for place in (folder.parent / "lib" / "ollama", folder / "lib" / "ollama", folder):
        try:
            names = [each.name for each in place.iterdir()]
        except OSError:
            continue
        if place.name == "ollama":
            return tuple(sorted(name for name in names if _GPU_LIBRARIES.match(name)))
    return ()


def _log(context: Context) -> ServerLog | None:
    """The log of the latest start: the service's journal, or the app's file."""
    text = read_text(context.home / ".ollama/logs/server.log")
    if text is None and (context.root / "run/systemd/system").is_dir():
        answer = ask_program(
            "journalctl", "-u", "ollama", "-b", "-n", str(_LOG_LINES), "-o", "cat", limit_s=2.0
        )
        text = answer.output if answer.status == 0 else None
    return None if text is None else read_log(text)


def read_log(text: str) -> ServerLog:
    """The facts that matter in the log of Ollama's server."""
    libraries = _LIBRARY.findall(text)
    return ServerLog(
        gpu_found=any(name != "cpu" for name in libraries) if libraries else None,
        dropped_integrated=_line_with(text, "dropping integrated GPU"),
        driver_too_old=_line_with(text, "driver too old"),
    )


def _line_with(text: str, words: str) -> str:
    return next((line[:200] for line in text.splitlines() if words in line), "")
