"""What is known of a machine, as values: each fact with its source and its confidence.

Owns the types, and reads them from the JSON that `localai hardware --json` prints. Detects nothing:
`localai.hardware.detect` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, Generic, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.finite import is_finite

T = TypeVar("T")

Confidence = Literal["measured", "reported", "inferred", "assumed"]
"""measured: by us, now. reported: the system says so, or the maker of a part. inferred: follows
from that by a rule that can fail. assumed: what is usual."""


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A value, its source, and how far to trust it.

    The fact is unknown if the value is None. Then `source` says what was tried, and `confidence` is
    None.
    """

    value: T | None
    source: str
    confidence: Confidence | None = "reported"

    @classmethod
    def unknown(cls, source: str) -> Fact[T]:
        """An unknown fact; `source` says why."""
        return cls(None, source, None)

    @classmethod
    def of(cls, value: T | None, source: str, confidence: Confidence = "reported") -> Fact[T]:
        """`value` from `source`; an unknown fact if the value is None."""
        return cls(value, source, confidence) if value is not None else cls(None, source, None)


_WHILE: Final = ", while other programs took"


def disturbed(source: str, percent: float) -> str:
    """The source of a measurement during which others had so many percent of the CPU's time."""
    return f"{source}{_WHILE} {percent:.0f}% of the CPU"


def disturbance(source: str) -> str:
    """What disturbed the measurement, as `while other programs …`; empty if nothing did."""
    _, found, rest = source.partition(_WHILE)
    return f"{found}{rest}".removeprefix(", ")


@dataclass(frozen=True, slots=True)
class Host:
    """The operating system, and what it runs in.

    `container` and `virtual_machine` name their kind ("docker", "kvm"); "" means that there is
    certainly none. `libc` is e.g. "glibc 2.36".
    """

    operating_system: Fact[str]
    kernel: Fact[str]
    architecture: Fact[str]
    libc: Fact[str]
    container: Fact[str]
    virtual_machine: Fact[str]
    wsl: Fact[bool]
    rosetta: Fact[bool]


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor. `usable_cores` are the cores that a container's quota or an affinity mask
    leaves.

    `instruction_sets` holds only those that matter to inference (AVX2, AVX-512, NEON, …).
    `last_level_cache_bytes` is the sum over the machine.
    """

    model: Fact[str]
    physical_cores: Fact[int]
    logical_cores: Fact[int]
    performance_cores: Fact[int]
    efficiency_cores: Fact[int]
    usable_cores: Fact[float]
    instruction_sets: Fact[tuple[str, ...]]
    last_level_cache_bytes: Fact[int]


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory in bytes. `limit_bytes` is the limit of a control group, or else the total.
    `limited_by` names the limit: "cgroup", "WSL", "" for none."""

    total_bytes: Fact[int]
    available_bytes: Fact[int]
    limit_bytes: Fact[int]
    limited_by: Fact[str]
    swap_total_bytes: Fact[int]
    swap_used_bytes: Fact[int]


@dataclass(frozen=True, slots=True)
class Gpu:
    """A graphics processor.

    `memory_total_bytes` is its own memory. A `unified` one (Apple, an APU, GB10) has no own memory:
    there it is the main memory that the system allows it, or its small carve-out.
    `shared_memory_bytes` is main memory that it can address besides (AMD's GTT); never add the two
    up. `memory_bandwidth` is in bytes per second. `usable_by` names the interfaces that this user
    can open ("CUDA 13.0", "ROCm", "Vulkan", "Metal").
    """

    name: Fact[str]
    vendor: Fact[str]
    memory_total_bytes: Fact[int]
    memory_free_bytes: Fact[int]
    shared_memory_bytes: Fact[int]
    memory_bandwidth: Fact[float]
    unified: Fact[bool]
    cores: Fact[int]
    driver: Fact[str]
    compute_capability: Fact[str]
    usable_by: Fact[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Power:
    """Whether the machine runs on a battery, and whether the system saves power."""

    on_battery: Fact[bool]
    battery_percent: Fact[float]
    low_power_mode: Fact[bool]
    governor: Fact[str]


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system that holds `folder`, in bytes. `free_bytes` is what this user may still
    use."""

    folder: Fact[str]
    total_bytes: Fact[int]
    free_bytes: Fact[int]


@dataclass(frozen=True, slots=True)
class Machine:
    """All that is known of a machine. `memory_bandwidth` is main memory's, in bytes per second,
    read by the CPU.

    `problems` are sentences about what should work and does not: a driver that does not answer, a
    device that this user may not open, a detection that failed.
    """

    host: Host
    cpu: Cpu
    memory: Memory
    gpus: tuple[Gpu, ...]
    power: Power
    disk: Disk
    memory_bandwidth: Fact[float]
    problems: tuple[str, ...] = ()


Section = TypeVar("Section", Host, Cpu, Memory, Gpu, Power, Disk)


def all_unknown(kind: type[Section], source: str) -> Section:
    """A section whose facts are all unknown, for the reason `source`."""
    empty: Fact[Any] = Fact.unknown(source)
    return kind(**dict.fromkeys(_names(kind), empty))


def from_json(document: Mapping[str, Any], name: str) -> Machine:
    """The machine of a `MachineDocument`; a fact that is missing is unknown.

    `name` is used in messages. Raises InvalidInput if the document is something else.
    """
    gpus = document.get("gpus", [])
    problems = document.get("problems", [])
    if not isinstance(gpus, list) or not isinstance(problems, list):
        raise InvalidInput(f"{name}: gpus and problems must be lists")
    return Machine(
        host=_section_from_json(Host, document.get("host"), f"{name}: host"),
        cpu=_section_from_json(Cpu, document.get("cpu"), f"{name}: cpu"),
        memory=_section_from_json(Memory, document.get("memory"), f"{name}: memory"),
        power=_section_from_json(Power, document.get("power"), f"{name}: power"),
        disk=_section_from_json(Disk, document.get("disk"), f"{name}: disk"),
        gpus=tuple(_section_from_json(Gpu, gpu, f"{name}: gpus") for gpu in gpus),
        memory_bandwidth=_fact_from_json(
            document.get("memory_bandwidth"), float, f"{name}: memory_bandwidth"
        ),
        problems=tuple(str(problem) for problem in problems),
    )


def _names(kind: type[Host | Cpu | Memory | Gpu | Power | Disk]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _section_from_json(kind: type[Section], document: object, where: str) -> Section:
    if document is None:
        return all_unknown(kind, "not in the profile")
    if not isinstance(document, Mapping):
        raise InvalidInput(f"{where} must be an object")
    names = _names(kind)
    if unknown := sorted(set(document) - set(names)):
        raise InvalidInput(f"{where} has the unknown entry {unknown[0]!r}")
    hints = get_type_hints(kind)
    return kind(
        **{
            name: _fact_from_json(document.get(name), get_args(hints[name])[0], f"{where}.{name}")
            for name in names
        }
    )


def _fact_from_json(document: object, kind: type, where: str) -> Fact[Any]:
    if document is None:
        return Fact.unknown("not in the profile")
    if not isinstance(document, Mapping) or "value" not in document:
        raise InvalidInput(f"{where} must be an object with value, source and confidence")
    value, source = document["value"], document.get("source", "the profile")
    confidence = document.get("confidence", "assumed")
    if not isinstance(source, str) or confidence not in (*get_args(Confidence), None):
        raise InvalidInput(f"{where} has an impossible source or confidence")
    if value is None:
        return Fact.unknown(source)
    return Fact(_checked(value, kind, where), source, confidence)


def _checked(value: object, kind: type, where: str) -> object:
    """`value` if it is of the `kind` that the field's annotation names."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in (int, float) and is_number:
        number = cast(float, value)
        if is_finite(number) and number >= 0 and (kind is float or number == int(number)):
            return int(number) if kind is int else float(number)
    elif kind in (str, bool) and isinstance(value, kind):
        return value
    elif get_origin(kind) is tuple and isinstance(value, list):
        return tuple(str(item) for item in value)
    raise InvalidInput(f"{where} cannot be {value!r:.60}")
