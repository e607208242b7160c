"""Memory: too little, capped, swapped, or on the wrong side of a bus."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import (
    amd_gpus,
    chosen_bytes,
    gpus_of,
    is_apple_silicon,
    is_mac,
    is_wsl,
    machine_of,
    nvidia_gpus,
    own_of,
    running_in_ollama,
)
from localai.doctor.facts.snapshot import Snapshot
from localai.hardware.facts import Gpu
from localai.units import bytes_text

_PRESSED_PERCENT = 10.0
_ROOM_FOR_CONTEXT = 1.1
_WORTH_IT_BYTES = 16 << 30
_PAGE_BYTES = 4096


def _is_little(free_bytes: float, facts: Snapshot) -> bool:
    return free_bytes * 5 < known(machine_of(facts).memory.total_bytes.value, "machine: memory")


@check(
    code="memory-pressure",
    group="memory",
    severity="warn",
    title="the machine is out of memory and waits for its disk",
    when=(
        "over the last minute some process waited for memory more than 10% of the time, and little"
        " memory is free"
    ),
    cause=(
        "the running programs need more memory than there is; a model that is read from "
        "the disk for each token is a hundred times slower"
    ),
    fix=Fix(("localai stop --all", "ollama stop MODEL"), "user", hint="or a smaller model"),
    source="the kernel's PSI",
)
def memory_pressure(facts: Snapshot) -> Iterator[Hit]:
    """The kernel's memory pressure (PSI) over a minute."""
    if is_mac(facts):
        return
    pressure = known(known(facts.kernel, "kernel").memory_pressure_60s, "kernel: memory pressure")
    memory = machine_of(facts).memory
    free = known(memory.available_bytes.value, "machine: free memory")
    # Who reads much from the disk waits for pages with memory to spare, too.
    if pressure > _PRESSED_PERCENT and _is_little(free, facts):
        waited = f"{pressure:.0f}% of the last minute"
        yield Hit(
            "memory",
            (
                Evidence("processes waited", waited, "/proc/pressure/memory"),
                Evidence("memory free", bytes_text(free), memory.available_bytes.source),
            ),
            fix=Fix(("localai ps", "localai stop --all"), "user", hint="or a smaller model"),
        )


@check(
    code="swap-in-use",
    group="memory",
    severity="info",
    title="a part of the memory is swapped out",
    when="more than 1 GB and a quarter of the swap is in use, and little memory is free",
    cause=("programs were swapped out to make room; they are slow until they are back in memory"),
    fix=Fix(("localai ps",), "user", hint="a smaller model, or fewer programs beside it"),
    source="many threads",
    after=("memory-pressure",),
)
def swap_in_use(facts: Snapshot) -> Iterator[Hit]:
    """Swap is used while memory is short."""
    memory = machine_of(facts).memory
    used = known(memory.swap_used_bytes.value, "machine: swap in use")
    total = known(memory.swap_total_bytes.value, "machine: swap")
    free = known(memory.available_bytes.value, "machine: free memory")
    if used > (1 << 30) and used * 4 > total and _is_little(free, facts):
        yield Hit(
            "memory",
            (
                Evidence("swap in use", bytes_text(used), memory.swap_used_bytes.source),
                Evidence("memory free", bytes_text(free), memory.available_bytes.source),
            ),
        )


@check(
    code="killed-for-memory",
    group="memory",
    severity="warn",
    title="the kernel has killed a process for lack of memory",
    when="localai's control group counts oom kills, or Ollama's service ended as `oom-kill`",
    cause="a model, its context and the other programs did not fit",
    fix=Fix(("localai recommend",), "user", hint="a smaller model, or a smaller context"),
    source="ollama #11231; the kernel's docs, cgroup-v2",
    after=("memory-pressure",),
)
def killed_for_memory(facts: Snapshot) -> Iterator[Hit]:
    """The result of Ollama's service comes first, because it names the victim."""
    if is_mac(facts):
        return
    service = facts.service
    if service is not None and service.result == "oom-kill":
        yield Hit("memory", (Evidence("Ollama's service", "oom-kill", "systemctl show ollama"),))
        return
    kills = known(known(facts.kernel, "kernel").oom_kills, "kernel: oom kills")
    if kills:
        yield Hit(
            "memory",
            (Evidence("oom_kill", str(kills), "memory.events of our control group"),),
        )
        return
    if known(known(service, "service").exists, "service"):
        known(known(service, "service").result, "service: how it ended")


@check(
    code="model-too-large",
    group="memory",
    severity="fail",
    title="the chosen model does not fit into this machine's memory",
    when="the file of the model in `model` is larger than the memory that may be used",
    cause="its weights alone need more than there is",
    fix=Fix(("localai recommend", "localai config unset model"), "user"),
    source="ollama #10920",
)
def model_too_large(facts: Snapshot) -> Iterator[Hit]:
    """The model's weights against main memory and graphics memory together."""
    size, machine = chosen_bytes(facts), machine_of(facts)
    if not size:
        return
    room = known(machine.memory.limit_bytes.value, "machine: memory")
    for gpu in gpus_of(facts):
        if not known(gpu.unified.value, "machine: whether a GPU shares memory"):
            room += gpu.memory_total_bytes.value or 0
    if size > room:
        model = str(own_of(facts).model)
        yield Hit(
            "memory",
            (
                Evidence(model, bytes_text(size), "its file"),
                Evidence("memory", bytes_text(room), machine.memory.limit_bytes.source),
            ),
            title=f"the chosen model {model} does not fit into this machine's memory",
        )


@check(
    code="wsl-memory-cap",
    group="memory",
    severity="info",
    title="WSL gives Linux only a part of Windows' memory",
    when="WSL, and less than 8 GB in it",
    cause="without a setting WSL takes half of what Windows has",
    fix=Fix(
        ("powershell.exe -c 'notepad \"$env:USERPROFILE\\.wslconfig\"'", "wsl.exe --shutdown"),
        "user",
        hint="there: [wsl2] and memory=24GB",
    ),
    source="text-generation-webui #536",
)
def wsl_memory_cap(facts: Snapshot) -> Iterator[Hit]:
    """WSL has little memory."""
    if not is_wsl(facts):
        return
    total = known(machine_of(facts).memory.total_bytes.value, "machine: memory")
    if total < 8_000_000_000:
        yield Hit("memory", (Evidence("memory in WSL", bytes_text(total), "/proc/meminfo"),))


@check(
    code="vram-spills-in-windows",
    group="memory",
    severity="warn",
    title="the GPU's memory is full, and Windows spills the rest",
    when="WSL, an NVIDIA GPU with less than 5% of its memory free, and a model in memory",
    cause=(
        "Windows' driver moves the rest into main memory without a word, which is ten times slower"
    ),
    fix=Fix(
        ("localai stop --all",),
        "user",
        hint="or in NVIDIA's control panel: CUDA, Sysmem Fallback Policy, Prefer No Sysmem "
        "Fallback",
    ),
    source="lmstudio #1923",
)
@for_each(nvidia_gpus)
def vram_spills_in_windows(facts: Snapshot, gpu: Gpu) -> Iterator[Hit]:
    """A card's memory is full in WSL."""
    if not is_wsl(facts) or not running_in_ollama(facts):
        return
    total = known(gpu.memory_total_bytes.value, "machine: a GPU's memory")
    free = known(gpu.memory_free_bytes.value, "machine: a GPU's free memory")
    if free * 20 < total:
        yield Hit(
            f"gpu:{gpu.name.value}",
            (Evidence("free", f"{bytes_text(free)} of {bytes_text(total)}", "NVML"),),
        )


@check(
    code="apu-memory-small",
    group="memory",
    severity="info",
    title="the integrated GPU may use only a small part of main memory",
    when="an AMD GPU shares main memory, and its GTT is under half of that memory",
    cause=(
        "the kernel gives it a fixed share in two parts, VRAM and GTT, and only the larger "
        "part holds models"
    ),
    fix=Fix(
        ("sudo grubby --update-kernel=ALL --args='ttm.pages_limit=…'",),
        "root",
        undo="sudo grubby --update-kernel=ALL --remove-args=ttm.pages_limit",
        hint="elsewhere in GRUB_CMDLINE_LINUX; a page is 4 KiB",
    ),
    source="ollama #12062, #5471; llama.cpp #26089",
)
@for_each(amd_gpus)
def apu_memory_small(facts: Snapshot, gpu: Gpu) -> Iterator[Hit]:
    """GTT is below 45% of main memory, on an APU that could use more."""
    memory = machine_of(facts).memory
    total = known(memory.total_bytes.value, "machine: memory")
    is_apu = known(gpu.unified.value, "machine: whether a GPU shares memory")
    if not is_apu or total < _WORTH_IT_BYTES:
        return
    shared = known(gpu.shared_memory_bytes.value, "machine: a GPU's share of memory")
    if shared * 100 >= total * 45:
        return
    argument = f"ttm.pages_limit={total * 3 // 4 // _PAGE_BYTES}"
    yield Hit(
        f"gpu:{gpu.name.value}",
        (
            Evidence("GTT", bytes_text(shared), gpu.shared_memory_bytes.source),
            Evidence("main memory", bytes_text(total), memory.total_bytes.source),
        ),
        fix=Fix(
            (f"sudo grubby --update-kernel=ALL --args={argument}", "sudo reboot"),
            "root",
            undo="sudo grubby --update-kernel=ALL --remove-args=ttm.pages_limit",
            hint="that is three quarters of the memory; where there is no grubby: in "
            "GRUB_CMDLINE_LINUX of /etc/default/grub, then sudo update-grub",
        ),
    )


@check(
    code="metal-working-set",
    group="memory",
    severity="warn",
    title="the chosen model is larger than the memory that Metal lets a program use",
    when="the file of `model` exceeds the GPU's recommended working set",
    cause="macOS keeps a part of the memory from the GPU; beyond it loading fails or crawls",
    fix=Fix(
        ("sudo sysctl iogpu.wired_limit_mb=…",),
        "root",
        undo="sudo sysctl iogpu.wired_limit_mb=0",
        hint="leave 4 to 8 GB to macOS; it holds until the next start",
    ),
    source="llama.cpp #9701",
    after=("model-too-large",),
)
def metal_working_set(facts: Snapshot) -> Iterator[Hit]:
    """The model against Metal's limit."""
    if not is_apple_silicon(facts) or not (size := chosen_bytes(facts)):
        return
    limit = None if facts.engine is None else facts.engine.working_set_bytes
    if limit is None:
        (gpu, *_) = gpus_of(facts, "Apple")
        limit = known(gpu.memory_total_bytes.value, "machine: Metal's working set")
    if size > limit:
        megabytes = -(-int(size * _ROOM_FOR_CONTEXT) // (1 << 20))
        yield Hit(
            "memory",
            (
                Evidence(str(own_of(facts).model), bytes_text(size), "its file"),
                Evidence("working set", bytes_text(limit), "Metal"),
            ),
            fix=Fix(
                (f"sudo sysctl iogpu.wired_limit_mb={megabytes}",),
                "root",
                undo="sudo sysctl iogpu.wired_limit_mb=0",
                hint="leave 4 to 8 GB to macOS; it holds until the next start",
            ),
        )
