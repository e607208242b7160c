"""The taking of a snapshot: each subject has its own probe and time limit, and all probes run at
once.

A probe that fails or takes too long costs only its own subject, which `Snapshot.missing` then has
with the reason. Only the probes of `--online` connect to other machines.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from localai.dataclass import dataclass
from localai.doctor.capture.context import Context
from localai.doctor.facts.snapshot import Missing, Snapshot


@dataclass(frozen=True, slots=True)
class Probe:
    """The probe of one field of a snapshot, and its time limit in seconds."""

    field: str
    module: str
    function: str
    limit_s: float

    def look(self, context: Context) -> Any:
        """The field's value. Raises whatever the probe raises."""
        from importlib import import_module

        module = import_module(f"localai.doctor.capture.{self.module}")
        return getattr(module, self.function)(context)


# The limits are for probes that hang. A busy machine must stay well below: late facts are lost.
PROBES: Final = (
    Probe("machine", "system", "machine", 15.0),
    Probe("graphics", "graphics", "graphics", 12.0),
    Probe("kernel", "system", "kernel", 8.0),
    Probe("environment", "environment", "environment", 8.0),
    Probe("ollama", "ollama", "ollama", 15.0),
    Probe("service", "service", "service", 8.0),
    Probe("lmstudio", "servers", "lmstudio", 8.0),
    Probe("own_servers", "servers", "own_servers", 8.0),
    Probe("listeners", "servers", "listeners", 10.0),
    Probe("llama_servers", "processes", "llama_servers", 8.0),
    Probe("vllm", "processes", "vllm", 8.0),
    Probe("places", "disk", "places", 8.0),
    Probe("models", "models", "models", 20.0),
    Probe("model_folders", "models", "model_folders", 8.0),
    Probe("ollama_store", "models", "ollama_store", 8.0),
    Probe("engine", "engine", "engine", 20.0),
    Probe("own", "own", "own", 12.0),
    Probe("trust", "trust", "trust", 8.0),
    Probe("packages", "engine", "packages", 8.0),
)


def take(
    context: Context,
    probes: tuple[Probe, ...] = PROBES,
    more: Mapping[str, tuple[Callable[[], Any], float]] | None = None,
) -> Snapshot:
    """A snapshot of this machine. `more` are the probes of further fields.

    The call returns after the longest limit at the latest. A probe that is still running is left
    behind.
    """
    from localai import __version__

    found: dict[str, Any] = {}
    failed: dict[str, str] = {}
    lookers: list[tuple[str, threading.Thread, float]] = []
    started = time.monotonic()
    wanted: dict[str, tuple[Callable[[], Any], float]] = {
        probe.field: (_look(probe, context), probe.limit_s) for probe in probes
    }
    for field, (look, limit_s) in (wanted | dict(more or {})).items():
        thread = threading.Thread(
            target=_run, args=(field, look, found, failed), daemon=True, name=f"probe {field}"
        )
        try:
            thread.start()
        except RuntimeError as error:
            failed[field] = str(error)
            continue
        lookers.append((field, thread, limit_s))
    for field, thread, limit_s in lookers:
        thread.join(max(0.0, started + limit_s - time.monotonic()))
        if thread.is_alive():
            failed[field] = f"it did not answer within {limit_s:g} s"
    # A copy, because a probe that was left behind may still add to the original.
    values = {field: found[field] for field in list(found) if field not in failed}
    missing = tuple(Missing(field, reason) for field, reason in sorted(failed.items()))
    return Snapshot(version=__version__, taken_at=time.time(), missing=missing, **values)


def _look(probe: Probe, context: Context) -> Callable[[], Any]:
    return lambda: probe.look(context)


def _run(
    field: str, look: Callable[[], Any], found: dict[str, Any], failed: dict[str, str]
) -> None:
    try:
        found[field] = look()
    except Exception as error:  # noqa: BLE001  one that fails must not cost the others
        failed[field] = f"{type(error).__name__}: {error}"
