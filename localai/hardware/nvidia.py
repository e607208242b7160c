"""NVIDIA's graphics processors: through NVML if `nvidia-ml-py` is installed, else through
`nvidia-smi`. A driver that is installed and does not answer is a problem, described in its own
words."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from localai.dataclass import dataclass
from localai.hardware.facts import Fact, Gpu
from localai.hardware.readers import ask_program
from localai.hardware.specified_bandwidth import bandwidth_of_card
from localai.units import whole_number

_FIELDS: Final = ("name", "memory.total", "memory.free", "driver_version", "compute_cap")
_LIMIT_S: Final = 5.0
# Inside WSL the tool lies here, and is not always on the search path.
_WSL_TOOL: Final = Path("/usr/lib/wsl/lib/nvidia-smi")
# csv raises for a field of 131,072 characters.
_LONGEST_LINE: Final = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """Graphics processors, and a sentence for each thing that does not work."""

    gpus: tuple[Gpu, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Device:
    name: str
    total_bytes: int | None
    free_bytes: int | None
    driver: str | None
    capability: str | None
    cuda: str | None = None
    bytes_per_s: float | None = None
    source: str = "NVML"


def nvidia_gpus(memory_bytes: int | None) -> Found:
    """The GPUs that NVIDIA's driver reports.

    `memory_bytes` is main memory. A unified GPU (GB10, Jetson) has no other, and its driver reports
    no size.
    """
    devices = _ask_nvml()
    if devices is None:
        return _ask_tool(memory_bytes)
    if isinstance(devices, str):
        return Found(problems=(devices,))
    return Found(tuple(_gpu(device, memory_bytes) for device in devices))


def parse_nvidia_smi(
    output: str, memory_bytes: int | None, fields: Sequence[str] = _FIELDS
) -> tuple[Gpu, ...]:
    """The devices in the output of `nvidia-smi --query-gpu=FIELDS --format=csv,noheader,nounits`.

    Memory is in MiB there; `[N/A]` and `[Not Supported]` become None.
    """
    gpus: list[Gpu] = []
    lines = (line[:_LONGEST_LINE] for line in output.splitlines())
    for row in csv.reader(lines, skipinitialspace=True):
        if len(row) != len(fields):
            continue
        values = {
            name: text.strip() if not text.strip().startswith("[") else None
            for name, text in zip(fields, row, strict=True)
        }
        if not values["name"]:
            continue
        device = _Device(
            name=values["name"],
            total_bytes=_mebibytes(values.get("memory.total")),
            free_bytes=_mebibytes(values.get("memory.free")),
            driver=values.get("driver_version"),
            capability=values.get("compute_cap"),
            source="nvidia-smi",
        )
        gpus.append(_gpu(device, memory_bytes))
    return tuple(gpus)


def memory_by_process() -> dict[int, int]:
    """The bytes that each process has on NVIDIA's cards, by its id as the driver knows it. Empty
    without NVML."""
    try:
        import pynvml
    except ImportError:
        return {}
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}
    found: dict[int, int] = {}
    try:
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
                if process.usedGpuMemory:
                    found[process.pid] = found.get(process.pid, 0) + int(process.usedGpuMemory)
    except pynvml.NVMLError:
        return {}
    finally:
        pynvml.nvmlShutdown()
    return found


def _ask_tool(memory_bytes: int | None) -> Found:
    tool = str(_WSL_TOOL) if _WSL_TOOL.exists() else "nvidia-smi"
    # Drivers before 470 know no compute_cap and refuse the whole query.
    for fields in (_FIELDS, _FIELDS[:-1]):
        query = (f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")
        answer = ask_program(tool, *query, limit_s=_LIMIT_S)
        if answer.ended == "hangs":
            return Found(problems=(f"nvidia-smi does not answer within {_LIMIT_S:.0f} s",))
        if answer.ended == "absent":
            return Found()
        status, output = answer.status, answer.output
        if status == 0:
            return Found(parse_nvidia_smi(output, memory_bytes, fields))
        if "is not a valid field" not in output:
            break
    first = next((line.strip() for line in output.splitlines() if line.strip()), "no answer")
    if first == "No devices were found":
        return Found()
    return Found(problems=(f"nvidia-smi says: {first}",))


def _ask_nvml() -> list[_Device] | str | None:
    """Returns the devices, or a sentence about the driver's fault, or None without NVML."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return None
    except pynvml.NVMLError as error:
        return f"NVIDIA's driver does not answer: {error}"
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        version = pynvml.nvmlSystemGetCudaDriverVersion_v2()
        cuda = f"{version // 1000}.{version % 1000 // 10}"
        return [
            _nvml_device(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index), driver, cuda)
            for index in range(pynvml.nvmlDeviceGetCount())
        ]
    except pynvml.NVMLError as error:
        return f"NVIDIA's driver does not answer: {error}"
    finally:
        pynvml.nvmlShutdown()


def _nvml_device(pynvml: Any, handle: Any, driver: str, cuda: str) -> _Device:
    total = free = capability = bandwidth = None
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        total, free = int(memory.total) or None, int(memory.free)
    except pynvml.NVMLError_NotSupported:
        pass
    try:
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        capability = f"{major}.{minor}"
    except pynvml.NVMLError_NotSupported:
        pass
    try:
        clock = pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_MEM)
        # NVML's clock has two transfers: 10,501 MHz and 384 bits are 1,008 GB/s.
        bandwidth = clock * 1e6 * 2 * pynvml.nvmlDeviceGetMemoryBusWidth(handle) / 8
    except pynvml.NVMLError_NotSupported:
        pass
    name = _text(pynvml.nvmlDeviceGetName(handle))
    return _Device(name, total, free, driver, capability, cuda, bandwidth)


def _gpu(device: _Device, memory_bytes: int | None) -> Gpu:
    unified = device.total_bytes is None
    total = Fact.of(device.total_bytes, device.source)
    free = Fact[int].of(device.free_bytes, device.source, "measured")
    if unified:
        shared = "main memory: the driver has no separate figure for this GPU"
        total = Fact.of(memory_bytes, shared, "inferred")
        free = Fact.unknown(shared)
    cuda = f"CUDA {device.cuda}" if device.cuda else "CUDA"
    return Gpu(
        name=Fact(device.name, device.source),
        vendor=Fact("NVIDIA", device.source),
        memory_total_bytes=total,
        memory_free_bytes=free,
        shared_memory_bytes=Fact.unknown("not a notion of NVIDIA's driver"),
        memory_bandwidth=_bandwidth(device),
        unified=Fact(unified, device.source, "inferred"),
        cores=Fact.unknown("not asked for"),
        driver=Fact.of(device.driver, device.source),
        compute_capability=Fact.of(device.capability, device.source),
        usable_by=Fact((cuda,), device.source),
    )


def _bandwidth(device: _Device) -> Fact[float]:
    if device.bytes_per_s is not None:
        return Fact(device.bytes_per_s, f"{device.source}: memory clock and bus width", "inferred")
    return bandwidth_of_card(device.name, f"{device.source} does not say: install nvidia-ml-py")


def _mebibytes(text: str | None) -> int | None:
    mebibytes = whole_number(text or "")
    return None if mebibytes is None else mebibytes << 20


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
