"""The document of `localai hardware`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from localai.hardware.facts import Confidence

if TYPE_CHECKING:
    from localai.hardware.facts import Cpu, Disk, Fact, Gpu, Host, Machine, Memory, Power


class FactDocument(TypedDict):
    """A fact about a machine."""

    value: Annotated[Any, "the value; sizes are in bytes, bandwidths in bytes per second"]
    source: Annotated[str, "the source of the value; the reason if the value is unknown"]
    confidence: Annotated[
        Confidence | None,
        "measured by localai, reported by the system or the maker, inferred by a rule, or assumed",
    ]


class MachineDocument(TypedDict):
    """A machine; `--profile` reads it back."""

    host: Annotated[dict[str, FactDocument], "operating system, container, virtual machine, …"]
    cpu: Annotated[dict[str, FactDocument], "model, cores by kind, instruction sets"]
    memory: Annotated[dict[str, FactDocument], "total and available memory, and what limits it"]
    gpus: Annotated[
        list[dict[str, FactDocument]], "the graphics processors, and the programs that can use them"
    ]
    power: Annotated[dict[str, FactDocument], "battery, low power mode, governor"]
    disk: Annotated[dict[str, FactDocument], "the disk of the models folder"]
    memory_bandwidth: Annotated[FactDocument, "the bandwidth of main memory when the CPU reads it"]
    problems: Annotated[list[str], "what should work and does not, a sentence each"]


class Hardware(TypedDict):
    """`localai hardware --json`"""

    schema: Annotated[Literal["localai.hardware/1"], "the name and version of the document"]
    profile: Annotated[str | None, "the machine of `--profile`; null is this machine"]
    machine: Annotated[MachineDocument, "the facts of the machine"]


def hardware_document(machine: Machine, profile: str | None) -> Hardware:
    """The document of `localai hardware`. `profile` is the name of a machine that stands in for
    this one."""
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
