"""Every check, in modules by subject; the group is a field of the check. Importing this package
registers them all.
"""

from __future__ import annotations

from localai.doctor.check import CHECKS, Check, Group
from localai.doctor.checks import (
    apple,
    confinement,
    context,
    deeper,
    disk,
    gpu,
    gpu_access,
    gpu_engines,
    memory,
    models,
    network,
    ollama_cloud,
    ollama_service,
    ollama_settings,
    other_servers,
    own_installation,
    own_state,
    power,
    privacy,
    rocm_vulkan,
    security,
    server,
)

GROUPS: tuple[Group, ...] = (
    "gpu",
    "server",
    "models",
    "memory",
    "disk",
    "network",
    "privacy",
    "security",
    "localai",
)

__all__ = [
    "CHECKS",
    "GROUPS",
    "Check",
    "all_checks",
    "apple",
    "confinement",
    "context",
    "deeper",
    "disk",
    "gpu",
    "gpu_access",
    "gpu_engines",
    "memory",
    "models",
    "network",
    "ollama_cloud",
    "ollama_service",
    "ollama_settings",
    "other_servers",
    "own_installation",
    "own_state",
    "power",
    "privacy",
    "rocm_vulkan",
    "security",
    "server",
]


def all_checks() -> tuple[Check, ...]:
    """Every check, by group."""
    return tuple(sorted(CHECKS.values(), key=lambda check: GROUPS.index(check.group)))
