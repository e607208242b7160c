"""The document of `localai hardware`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from localai.hardware.facts import Confidence

if TYPE_CHECKING:
    from localai.hardware.facts import Cpu, Disk, Fact, Gpu, Host, Machine, Memory, Power


class FactDocument(TypedDict):
    """A fact about a machine."""

    value: Annotated[Any, "null is unknown; sizes in bytes, bandwidth in bytes per second"]
    source: Annotated[str, "where it comes from; of an unknown one, why"]
    confidence: Annotated[
        Confidence | None,
        "measured by us, reported by the system or the maker, inferred by a rule, assumed as usual",
    ]


class MachineDocument(TypedDict):
    """A machine; `--profile` reads it back."""

    host: Annotated[dict[str, FactDocument], "operating system, container, virtual machine, …"]
    cpu: Annotated[dict[str, FactDocument], "model, cores by kind, instruction sets"]
    memory: Annotated[dict[str, FactDocument], "total, available, and what limits it"]
    gpus: Annotated[list[dict[str, FactDocument]], "graphics processors, and what can use them"]
    power: Annotated[dict[str, FactDocument], "battery, low power mode, governor"]
    disk: Annotated[dict[str, FactDocument], "at the models folder"]
    memory_bandwidth: Annotated[FactDocument, "of main memory, read by the CPU"]
    problems: Annotated[list[str], "what should work and does not"]


class Hardware(TypedDict):
    """`localai hardware --json`"""

    schema: Annotated[Literal["localai.hardware/1"], "the promise that the rest keeps"]
    profile: Annotated[str | None, "the `--profile` that stands in; null is this machine"]
    machine: Annotated[MachineDocument, "all that is known of it"]


def hardware_document(machine: Machine, profile: str | None) -> Hardware:
    """What `localai hardware` prints; `profile` is the name of a machine that stands in."""
    return {
        "schema": "localai.hardware/1",
        "profile": profile,
        "machine": machine_document(machine),
    }


def machine_document(machine: Machine) -> MachineDocument:
    """The machine in the form that `localai.hardware.facts.from_json` reads."""
    return {
        "host": section_document(machine.host),
        "cpu": section_document(machine.cpu),
        "memory": section_document(machine.memory),
        "gpus": [section_document(gpu) for gpu in machine.gpus],
        "power": section_document(machine.power),
        "disk": section_document(machine.disk),
        "memory_bandwidth": _fact(machine.memory_bandwidth),
        "problems": list(machine.problems),
    }


def section_document(section: Host | Cpu | Memory | Gpu | Power | Disk) -> dict[str, FactDocument]:
    """The facts of a section by their names."""
    return {field.name: _fact(getattr(section, field.name)) for field in fields(section)}


def _fact(fact: Fact[Any]) -> FactDocument:
    value = list(fact.value) if isinstance(fact.value, tuple) else fact.value
    return {"value": value, "source": fact.source, "confidence": fact.confidence}
