"""What checks ask of a machine."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import known
from localai.hardware.facts import Gpu, Machine

PYTHON = '"$(dirname "$(readlink -f "$(command -v localai)")")/python"'
"""The interpreter of localai's environment, for a line to paste."""


def gpus_of(machine: Machine, vendor: str | None = None) -> Iterator[Gpu]:
    """Its graphics processors, all or one maker's."""
    for gpu in machine.gpus:
        if vendor is None or gpu.vendor.value == vendor:
            yield gpu


def is_linux(machine: Machine) -> bool:
    """Whether it runs Linux. Raises Unknown."""
    system = known(machine.host.operating_system.value, "machine: the system")
    return not system.startswith(("macOS", "Windows"))


def is_apple_silicon(machine: Machine) -> bool:
    """Whether it is a Mac with Apple's own graphics. Raises Unknown."""
    system = known(machine.host.operating_system.value, "machine: the system")
    vendors = {gpu.vendor.value for gpu in machine.gpus}
    return system.startswith("macOS") and "Apple" in vendors
