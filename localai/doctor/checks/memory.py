"""Memory: too little, capped, swapped, or on the wrong side of a bus; and what slows the rest."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, known
from localai.doctor.checks.machines import gpus_of, is_apple_silicon
from localai.doctor.facts import Snapshot
from localai.units import bytes_text

_PRESSED_PERCENT = 10.0
_BUSY_PERCENT = 50.0
_SMALL_SWAP = 256 << 20
_WSL_DEFAULT_SHARE = 0.5
_SMALL_CONTEXT = 4096
_ROOM_FOR_CONTEXT = 1.1
_LEAST_DRAM = 1 << 30
_PAGE_BYTES = 4096


@check(
    code="memory-pressure",
    group="memory",
    severity="warn",
    title="the machine is out of memory and waits for its disk",
    told="over the last minute some process waited for memory more than 10% of the time",
    cause="what runs needs more than there is; a model that is read from the disk again for each "
    "token is a hundred times slower",
    fix=Fix(("localai stop --all", "ollama stop MODEL"), "user", advice="or a smaller model"),
    source="the kernel's PSI",
)
def memory_pressure(facts: Snapshot) -> Iterator[Hit]:
    """PSI's average of a minute."""
    kernel = known(facts.kernel, "kernel")
    if kernel.mac_version:
        return
    pressure = known(kernel.memory_pressure_60s, "kernel: memory pressure")
    if pressure > _PRESSED_PERCENT:
        yield Hit(
            "memory",
            (Evidence("some, 60 s", f"{pressure:.0f}% of the time", "/proc/pressure/memory"),),
            fix=Fix(("localai ps", "localai stop --all"), "user", advice="or a smaller model"),
        )


@check(
    code="swap-in-use",
    group="memory",
    severity="info",
    title="a part of the memory is swapped out",
    told="more than 1 GB and a quarter of the swap is in use, and little memory is free",
    cause="programs were pushed out to make room; what comes back first is slow",
    fix=Fix(("localai ps",), "user", advice="a smaller model, or fewer programs beside it"),
    source="many threads",
    after=("memory-pressure",),
)
def swap_in_use(facts: Snapshot) -> Iterator[Hit]:
    """Swap that is used while memory is short."""
    memory = known(facts.machine, "machine").memory
    used = known(memory.swap_used_bytes.value, "machine: swap in use")
    total = known(memory.swap_total_bytes.value, "machine: swap")
    free = known(memory.available_bytes.value, "machine: free memory")
    whole = known(memory.total_bytes.value, "machine: memory")
    if used > (1 << 30) and used * 4 > total and free * 5 < whole:
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
    title="the kernel has killed a process for want of memory",
    told="our control group counts oom kills, or Ollama's service ended as `oom-kill`",
    cause="a model, its context and the rest did not fit",
    fix=Fix(("localai recommend",), "user", advice="a smaller model, or a smaller context"),
    source="doctor.md 71",
    after=("memory-pressure",),
)
def killed_for_memory(facts: Snapshot) -> Iterator[Hit]:
    """The service's result first: it names the victim."""
    service = facts.service
    if service is not None and service.result == "oom-kill":
        yield Hit("memory", (Evidence("Ollama's service", "oom-kill", "systemctl show ollama"),))
        return
    kernel = known(facts.kernel, "kernel")
    if kernel.mac_version:
        return
    kills = known(kernel.oom_kills, "kernel: oom kills")
    if kills:
        yield Hit(
            "memory",
            (Evidence("oom_kill", str(kills), "memory.events of our control group"),),
        )


@check(
    code="model-too-large",
    group="memory",
    severity="fail",
    title="the chosen model does not fit into this machine's memory",
    told="the file of the model in `model` is larger than the memory that may be used",
    cause="its weights alone need more than there is",
    fix=Fix(("localai recommend", "localai config unset model"), "user"),
    source="ollama #10920",
)
def model_too_large(facts: Snapshot) -> Iterator[Hit]:
    """Weights against memory and graphics memory together."""
    own, machine = known(facts.own, "own"), known(facts.machine, "machine")
    if not own.model or not own.model_bytes:
        return
    limit = known(machine.memory.limit_bytes.value, "machine: memory")
    room = limit
    for gpu in gpus_of(machine):
        if gpu.unified.value is False:
            room += gpu.memory_total_bytes.value or 0
        elif gpu.unified.value is None:
            known(gpu.unified.value, "machine: whether a GPU shares memory")
    if own.model_bytes > room:
        yield Hit(
            "memory",
            (
                Evidence(own.model, bytes_text(own.model_bytes), "its file"),
                Evidence("memory", bytes_text(room), machine.memory.limit_bytes.source),
            ),
            title=f"the chosen model {own.model} does not fit into this machine's memory",
        )


@check(
    code="wsl-memory-cap",
    group="memory",
    severity="info",
    title="WSL gives Linux only a part of Windows' memory",
    told="WSL, and less than 8 GB in it",
    cause="without a setting WSL takes half of what Windows has",
    fix=Fix(
        ("powershell.exe -c 'notepad \"$env:USERPROFILE\\.wslconfig\"'", "wsl.exe --shutdown"),
        "user",
        advice="there: [wsl2] and memory=24GB",
    ),
    source="text-generation-webui #536",
)
def wsl_memory_cap(facts: Snapshot) -> Iterator[Hit]:
    """A small total in WSL."""
    machine = known(facts.machine, "machine")
    if not known(machine.host.wsl.value, "machine: WSL"):
        return
    total = known(machine.memory.total_bytes.value, "machine: memory")
    if total < 8_000_000_000:
        yield Hit("memory", (Evidence("memory in WSL", bytes_text(total), "/proc/meminfo"),))


@check(
    code="vram-spills-in-windows",
    group="memory",
    severity="warn",
    title="the GPU's memory is full, and Windows spills the rest",
    told="WSL, an NVIDIA GPU with less than 5% of its memory free, and a model in memory",
    cause="Windows' driver moves what does not fit into main memory without a word: ten times "
    "slower",
    fix=Fix(
        ("localai stop --all",),
        "user",
        advice="or in NVIDIA's control panel: CUDA, Sysmem Fallback Policy, Prefer No Sysmem "
        "Fallback",
    ),
    source="lmstudio #1923",
)
def vram_spills_in_windows(facts: Snapshot) -> Iterator[Hit]:
    """A full card in WSL."""
    machine, ollama = known(facts.machine, "machine"), known(facts.ollama, "ollama")
    if not known(machine.host.wsl.value, "machine: WSL") or not ollama.running:
        return
    for gpu in gpus_of(machine, "NVIDIA"):
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
    told="an AMD GPU that shares main memory, and its GTT is under half of that",
    cause="the kernel lets it have a fixed share; VRAM and GTT are two parts, of which only the "
    "larger holds models",
    fix=Fix(
        ("sudo grubby --update-kernel=ALL --args='ttm.pages_limit=…'",),
        "root",
        undo="sudo grubby --update-kernel=ALL --remove-args=ttm.pages_limit",
        advice="elsewhere in GRUB_CMDLINE_LINUX; a page is 4 KiB",
    ),
    source="ollama #12062, #5471; llama.cpp #26089",
)
def apu_memory_small(facts: Snapshot) -> Iterator[Hit]:
    """GTT below 45% of main memory, on an APU that would be worth it."""
    machine = known(facts.machine, "machine")
    total = known(machine.memory.total_bytes.value, "machine: memory")
    for gpu in gpus_of(machine, "AMD"):
        if not gpu.unified.value or total < 16 * _LEAST_DRAM:
            continue
        shared = known(gpu.shared_memory_bytes.value, "machine: a GPU's share of memory")
        if shared * 100 < total * 45:
            argument = f"ttm.pages_limit={total * 3 // 4 // _PAGE_BYTES}"
            yield Hit(
                f"gpu:{gpu.name.value}",
                (
                    Evidence("GTT", bytes_text(shared), gpu.shared_memory_bytes.source),
                    Evidence("main memory", bytes_text(total), machine.memory.total_bytes.source),
                ),
                fix=Fix(
                    (f"sudo grubby --update-kernel=ALL --args={argument}", "sudo reboot"),
                    "root",
                    undo="sudo grubby --update-kernel=ALL --remove-args=ttm.pages_limit",
                    advice="that is three quarters of the memory; where there is no grubby: in "
                    "GRUB_CMDLINE_LINUX of /etc/default/grub",
                ),
            )


@check(
    code="metal-working-set",
    group="memory",
    severity="warn",
    title="the chosen model is larger than what Metal lets a program use",
    told="the file of `model` exceeds the GPU's recommended working set",
    cause="macOS keeps a part of the memory from the GPU; beyond it loading fails or crawls",
    fix=Fix(
        ("sudo sysctl iogpu.wired_limit_mb=…",),
        "root",
        undo="sudo sysctl iogpu.wired_limit_mb=0",
        advice="leave 4 to 8 GB to macOS; it holds until the next start",
    ),
    source="llama.cpp #9701",
    after=("model-too-large",),
)
def metal_working_set(facts: Snapshot) -> Iterator[Hit]:
    """Model against Metal's limit."""
    own, machine = known(facts.own, "own"), known(facts.machine, "machine")
    if not is_apple_silicon(machine) or not own.model_bytes:
        return
    measured = facts.engine.working_set_bytes if facts.engine is not None else None
    for gpu in gpus_of(machine, "Apple"):
        limit = measured or known(gpu.memory_total_bytes.value, "machine: Metal's working set")
        if own.model_bytes > limit:
            megabytes = -(-int(own.model_bytes * _ROOM_FOR_CONTEXT) // (1 << 20))
            yield Hit(
                "memory",
                (
                    Evidence(str(own.model), bytes_text(own.model_bytes), "its file"),
                    Evidence("working set", bytes_text(limit), "Metal"),
                ),
                fix=Fix(
                    (f"sudo sysctl iogpu.wired_limit_mb={megabytes}",),
                    "root",
                    undo="sudo sysctl iogpu.wired_limit_mb=0",
                    advice="leave 4 to 8 GB to macOS; it holds until the next start",
                ),
            )


@check(
    code="ollama-layers-on-cpu",
    group="memory",
    severity="warn",
    title="a part of a model has left the GPU",
    told="of a model in Ollama's memory the GPU holds some and not all (`size_vram` < `size`)",
    cause="weights and context together are larger than the GPU's memory; each layer on the CPU "
    "slows every token",
    fix=Fix(
        (), "user", advice="a smaller context (`num_ctx`), a smaller quantization, or fewer models"
    ),
    source="doctor.md 68",
)
def ollama_layers_on_cpu(facts: Snapshot) -> Iterator[Hit]:
    """Partly on the GPU."""
    ollama = known(facts.ollama, "ollama")
    if ollama.state != "answers":
        return
    for model in known(ollama.running, "ollama: what is in memory"):
        size = known(model.size_bytes, "ollama: a model's size")
        on_gpu = known(model.gpu_bytes, "ollama: a model's share of the GPU")
        if 0 < on_gpu < size:
            percent = 100 * on_gpu // size
            share = f"{bytes_text(on_gpu)} of {bytes_text(size)} on the GPU ({percent}%)"
            if model.context_tokens:
                share += f", {model.context_tokens:,} tokens of context"
            yield Hit(
                f"model:{model.name}",
                (Evidence(str(model.name), share, "/api/ps"),),
                title=f"{100 - percent}% of {model.name} is not on the GPU",
                fix=Fix(
                    (f"ollama stop {model.name}",),
                    "user",
                    advice="then a smaller context (`num_ctx`) or a smaller quantization",
                ),
            )


@check(
    code="ollama-small-context",
    group="memory",
    severity="info",
    title="a model in Ollama has a context of 4,096 tokens",
    told="`/api/ps` says so, and neither the shell nor the service has set it",
    cause="that is Ollama's default below 24 GB of graphics memory; through /v1 a longer prompt is "
    "cut without a word, so an agent forgets its task. localai asks for the context that it needs",
    fix=Fix(
        ("export OLLAMA_CONTEXT_LENGTH=32768",),
        "user",
        undo="unset OLLAMA_CONTEXT_LENGTH",
        advice="before `ollama serve`, or in its service: sudo systemctl edit ollama",
    ),
    source="ollama #3839, #14259, #17889",
    after=("ollama-value-misread", "ollama-variable-not-in-service"),
)
def ollama_small_context(facts: Snapshot) -> Iterator[Hit]:
    """The default, under something that may need more."""
    ollama = known(facts.ollama, "ollama")
    if ollama.state != "answers":
        return
    for model in known(ollama.running, "ollama: what is in memory"):
        if model.context_tokens is not None and model.context_tokens <= _SMALL_CONTEXT:
            yield Hit(
                "ollama",
                (Evidence(str(model.name), f"{model.context_tokens:,} tokens", "/api/ps"),),
                within=("variable:OLLAMA_CONTEXT_LENGTH",),
            )
            return


@check(
    code="context-below-asked",
    group="memory",
    severity="warn",
    title="Ollama has allocated less context than was asked for",
    told="OLLAMA_CONTEXT_LENGTH of its environment is more than `/api/ps` says",
    cause="the model was made for less, or it did not fit; longer prompts are cut without a word",
    fix=Fix(("ollama ps",), "user", advice="a model with a longer context, or a smaller one"),
    source="ollama #17889",
)
def context_below_asked(facts: Snapshot) -> Iterator[Hit]:
    """Allocated against asked."""
    ollama = known(facts.ollama, "ollama")
    if ollama.state != "answers":
        return
    if not known(ollama.running, "ollama: what is in memory"):
        return
    environment = ollama.environment
    if environment is None and facts.service is not None:
        environment = facts.service.environment
    asked = known(environment, "ollama: its environment").get("OLLAMA_CONTEXT_LENGTH", "")
    if not asked.isdecimal():
        return
    for model in known(ollama.running, "ollama: what is in memory"):
        if model.context_tokens is not None and model.context_tokens < int(asked):
            yield Hit(
                f"model:{model.name}",
                (
                    Evidence("asked", f"{int(asked):,} tokens", "OLLAMA_CONTEXT_LENGTH"),
                    Evidence("allocated", f"{model.context_tokens:,} tokens", "/api/ps"),
                ),
            )


@check(
    code="on-battery",
    group="memory",
    severity="info",
    title="the machine runs on battery",
    told="the system says so, and the battery is below 30% or a saving mode is on",
    cause="processors are slowed down to save power: half the speed is usual",
    fix=Fix((), "manual", advice="plug it in"),
    source="many threads",
)
def on_battery(facts: Snapshot) -> Iterator[Hit]:
    """On battery and low; a full battery alone is a healthy laptop."""
    power = known(facts.machine, "machine").power
    if not known(power.on_battery.value, "machine: power"):
        return
    percent = known(power.battery_percent.value, "machine: the battery")
    if percent < 30:
        yield Hit("power", (Evidence("battery", f"{percent:.0f}%", power.battery_percent.source),))


@check(
    code="power-saving",
    group="memory",
    severity="info",
    title="the system saves power",
    told="a low power mode, a saving profile, or the governor powersave without a driver that "
    "makes its own choice",
    cause="processors are kept slow",
    fix=Fix(
        ("powerprofilesctl set performance",),
        "user",
        undo="powerprofilesctl set balanced",
        advice="on a Mac: sudo pmset -a lowpowermode 0",
    ),
    source="many threads",
)
def power_saving(facts: Snapshot) -> Iterator[Hit]:
    """A mode that somebody has chosen. intel_pstate calls its own choice powersave, too."""
    power = known(facts.machine, "machine").power
    on_mains = power.on_battery.value is False and power.battery_percent.value is None
    if on_mains and power.low_power_mode.value is None:
        # A machine without a battery that has no such mode.
        return
    if known(power.low_power_mode.value, "machine: the power mode"):
        yield Hit("power", (Evidence("low power mode", "on", power.low_power_mode.source),))


@check(
    code="machine-busy",
    group="memory",
    severity="info",
    title="other programs keep the processor busy",
    told="over the last ten seconds some process waited for a processor more than half of the time",
    cause="an engine shares the cores with them, and what is measured now says little",
    fix=Fix(("top",), "user"),
    source="the kernel's PSI",
)
def machine_busy(facts: Snapshot) -> Iterator[Hit]:
    """PSI's average of ten seconds."""
    kernel = known(facts.kernel, "kernel")
    if kernel.mac_version:
        return
    pressure = known(kernel.cpu_pressure_10s, "kernel: cpu pressure")
    if pressure > _BUSY_PERCENT:
        yield Hit(
            "cpu", (Evidence("some, 10 s", f"{pressure:.0f}% of the time", "/proc/pressure/cpu"),)
        )


@check(
    code="too-many-threads",
    group="memory",
    severity="warn",
    title="the embedded engine is told to use more threads than there are cores",
    told="`engine.threads` is more than the usable cores",
    cause="threads that wait for one another take turns: a token a second instead of many",
    fix=Fix(("localai config unset engine.threads",), "ours"),
    source="doctor.md 79",
)
def too_many_threads(facts: Snapshot) -> Iterator[Hit]:
    """Setting against cores."""
    own, machine = known(facts.own, "own"), known(facts.machine, "machine")
    for setting in known(own.settings, "own: settings"):
        if setting.key == "engine.threads" and (setting.value or "").isdecimal():
            cores = known(machine.cpu.usable_cores.value, "machine: cores")
            if int(setting.value or 0) > cores:
                yield Hit(
                    "setting:engine.threads",
                    (
                        Evidence("engine.threads", str(setting.value), str(setting.where)),
                        Evidence("usable cores", f"{cores:g}", machine.cpu.usable_cores.source),
                    ),
                )
