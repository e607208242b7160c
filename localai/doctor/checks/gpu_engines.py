"""A graphics processor works, and an engine does not use it."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, known
from localai.doctor.checks.machines import PYTHON, gpus_of, is_apple_silicon, is_linux
from localai.doctor.facts import Snapshot
from localai.hardware.facts import Gpu
from localai.units import bytes_text

_LARGEST_NOISE_BYTES = 1 << 20
_REINSTALL = f"{PYTHON} -m pip install --force-reinstall --no-deps"


@check(
    code="ollama-gpu-libraries-missing",
    group="gpu",
    severity="warn",
    title="this Ollama came without its libraries for GPUs",
    told="a GPU is there, and beside the program no folder cuda_v…, rocm or vulkan",
    cause="some distributions split them off, and a copy of the program alone has none: it "
    "computes on the CPU",
    fix=Fix(
        ("ls -l $(dirname $(readlink -f $(command -v ollama)))/../lib/ollama",),
        "user",
        advice="install the distribution's package for the GPU (ollama-cuda, ollama-rocm), or "
        "Ollama's own archive",
    ),
    source="ollama #9885",
)
def ollama_gpu_libraries_missing(facts: Snapshot) -> Iterator[Hit]:
    """An Ollama for the CPU alone."""
    machine = known(facts.machine, "machine")
    ollama = known(facts.ollama, "ollama")
    if not ollama.programs or not is_linux(machine) or not list(gpus_of(machine)):
        return
    libraries = known(ollama.gpu_libraries, "ollama: its libraries")
    if not libraries:
        yield Hit(
            "ollama",
            (
                Evidence("program", str(ollama.programs[0].path), "the search path"),
                Evidence("libraries for GPUs", "none", "lib/ollama beside it"),
            ),
        )


@check(
    code="ollama-drops-integrated-gpu",
    group="gpu",
    severity="info",
    title="Ollama leaves the integrated GPU alone",
    told="its log says `dropping integrated GPU`",
    cause="it uses integrated GPUs only where it knows that they help",
    fix=Fix(
        ("sudo systemctl edit ollama",),
        "root",
        undo="sudo systemctl revert ollama",
        advice='there: [Service] and Environment="OLLAMA_IGPU_ENABLE=1"; it may be slower',
    ),
    source="ollama #16690",
)
def ollama_drops_integrated_gpu(facts: Snapshot) -> Iterator[Hit]:
    """Said by the log itself."""
    log = known(facts.ollama, "ollama").log
    if log is not None and known(log.dropped_integrated, "ollama: its log"):
        yield Hit("ollama", (Evidence("log", str(log.dropped_integrated), "Ollama's log"),))


@check(
    code="gpu-lost-after-suspend",
    group="gpu",
    severity="warn",
    title="the GPU was lost when the machine slept",
    told="the machine has slept since its start, and Ollama holds a model with nothing on an "
    "NVIDIA GPU",
    cause="after a suspend NVIDIA's uvm module may refuse, and Ollama then computes on the CPU",
    fix=Fix(
        ("sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm", "sudo systemctl restart ollama"),
        "root",
    ),
    source="ollama #5464, #10053",
)
def gpu_lost_after_suspend(facts: Snapshot) -> Iterator[Hit]:
    """Slept, and nothing in the memory of the card."""
    machine, kernel = known(facts.machine, "machine"), known(facts.kernel, "kernel")
    if not list(gpus_of(machine, "NVIDIA")):
        return
    running = known(facts.ollama, "ollama").running
    if not running or not known(kernel.suspended_s, "kernel: how long it slept"):
        return
    for model in running:
        if model.gpu_bytes == 0 and (model.size_bytes or 0) > _LARGEST_NOISE_BYTES:
            yield Hit(
                "ollama",
                (
                    Evidence("slept", f"{kernel.suspended_s:.0f} s", "the kernel's clocks"),
                    Evidence(str(model.name), "0 bytes on the GPU", "/api/ps"),
                ),
            )
            return


@check(
    code="ollama-model-on-cpu",
    group="gpu",
    severity="warn",
    title="Ollama computes on the CPU although there is a GPU",
    told="a model in its memory has nothing on the GPU (`size_vram` is 0)",
    cause="Ollama did not find the GPU when it started: a boot race, a driver, a library",
    fix=Fix(("sudo systemctl restart ollama", "ollama ps"), "root"),
    source="ollama #5464, #10053, #7669, #8426",
    after=(
        "nvidia-driver-missing",
        "nvidia-driver-mismatch",
        "nvidia-smi-hangs",
        "nvidia-driver-fails",
        "nvidia-driver-old",
        "rocm-old",
        "ollama-gpu-libraries-missing",
        "ollama-drops-integrated-gpu",
        "gpu-lost-after-suspend",
        "gpu-hidden-by-variable",
        "amd-device-refused",
        "gpu-not-in-container",
        "nvidia-lost-in-container",
    ),
)
def ollama_model_on_cpu(facts: Snapshot) -> Iterator[Hit]:
    """A model wholly in main memory beside a graphics processor that some interface opens."""
    machine, ollama = known(facts.machine, "machine"), known(facts.ollama, "ollama")
    if ollama.state != "answers":
        return
    usable = [gpu for gpu in gpus_of(machine) if gpu.vendor.value in ("NVIDIA", "AMD")]
    if not usable:
        return
    within = tuple(f"gpu:{gpu.vendor.value}" for gpu in usable) + tuple(
        f"gpu:{gpu.name.value}" for gpu in usable
    )
    for model in known(ollama.running, "ollama: what is in memory"):
        size = known(model.size_bytes, "ollama: a model's size")
        if known(model.gpu_bytes, "ollama: a model's share of the GPU") == 0 and size:
            yield Hit(
                "ollama",
                (
                    Evidence("GPU", str(usable[0].name.value), usable[0].name.source),
                    Evidence(str(model.name), f"{bytes_text(size)}, none on the GPU", "/api/ps"),
                ),
                within=within,
            )
            return


@check(
    code="engine-for-cpu",
    group="gpu",
    severity="warn",
    title="the embedded engine is built for the CPU, and there is a GPU",
    told="the engine, loaded in a child, lists no GPU while the machine has one",
    cause="the package index has the engine for the CPU alone; its makers keep builds for GPUs on "
    "an index of their own",
    fix=Fix(
        (f"{_REINSTALL} xllamacpp --index-url https://xorbitsai.github.io/xllamacpp/whl/cu128",),
        "user",
        undo=f"{_REINSTALL} xllamacpp",
        advice="for CUDA 12.8; doctor names the folder for the GPU that is there (cu132, "
        "rocm-7.2.4, vulkan) and the version that is installed",
    ),
    source="xllamacpp's README",
    after=("nvidia-driver-missing", "nvidia-driver-mismatch", "nvidia-smi-hangs"),
)
def engine_for_cpu(facts: Snapshot) -> Iterator[Hit]:
    """An engine without devices on a machine with a GPU on Linux."""
    machine, engine = known(facts.machine, "machine"), known(facts.engine, "engine")
    if not is_linux(machine) or engine.ended in ("missing", None):
        return
    usable = [gpu for gpu in gpus_of(machine) if gpu.usable_by.value]
    if not usable or known(engine.ended, "engine") != "ok":
        return
    if known(engine.devices, "engine: its devices"):
        return
    gpu = usable[0]
    interfaces = ", ".join(gpu.usable_by.value or ())
    package = f"xllamacpp=={engine.version}"
    index = f"https://xorbitsai.github.io/xllamacpp/whl/{_build_for(gpu)}"
    yield Hit(
        "engine",
        (
            Evidence("GPU", f"{gpu.name.value}, usable by {interfaces}", gpu.name.source),
            Evidence("engine's devices", "none", f"xllamacpp {engine.version} in a child"),
        ),
        fix=Fix(
            (f"{_REINSTALL} {package} --index-url {index}",),
            "user",
            undo=f"{_REINSTALL} {package}",
            advice="or let Ollama compute, which finds the GPU by itself: localai chat -m ollama/…",
        ),
        within=(f"gpu:{gpu.vendor.value}",),
    )


@check(
    code="metal-unused",
    group="gpu",
    severity="warn",
    title="the embedded engine does not use the Mac's GPU",
    told="on Apple Silicon the engine, loaded in a child, lists no Metal device",
    cause="the engine was built without Metal, or a sandbox keeps it from the GPU",
    fix=Fix(
        (f"{PYTHON} -m pip install --force-reinstall --no-deps xllamacpp",),
        "user",
        advice="the wheel for arm64 has Metal in it",
    ),
    source="mlx #3148",
    after=("python-under-rosetta",),
)
def metal_unused(facts: Snapshot) -> Iterator[Hit]:
    """Apple Silicon without Metal."""
    machine, engine = known(facts.machine, "machine"), known(facts.engine, "engine")
    if not is_apple_silicon(machine) or engine.ended != "ok":
        return
    if not known(engine.devices, "engine: its devices"):
        yield Hit(
            "engine",
            (Evidence("engine's devices", "none", f"xllamacpp {engine.version} in a child"),),
            within=("python",),
        )


@check(
    code="gpu-layers-zero",
    group="gpu",
    severity="warn",
    title="a setting keeps the embedded engine off the GPU",
    told="`engine.gpu_layers` is 0 while there is a GPU that the engine sees",
    cause="0 means that no layer is put on the GPU",
    fix=Fix(("localai config unset engine.gpu_layers",), "ours"),
    source="localai",
)
def gpu_layers_zero(facts: Snapshot) -> Iterator[Hit]:
    """The engine could and may not."""
    own, engine = known(facts.own, "own"), known(facts.engine, "engine")
    for setting in known(own.settings, "own: settings"):
        is_off = setting.key == "engine.gpu_layers" and setting.value == "0"
        if is_off and known(engine.devices, "engine: its devices"):
            yield Hit(
                "setting:engine.gpu_layers",
                (Evidence("engine.gpu_layers", "0", str(setting.where)),),
            )


@check(
    code="mlx-missing",
    group="gpu",
    severity="warn",
    title="MLX is not installed on this Apple Silicon machine",
    told="the package mlx is not there",
    cause="MLX is Apple's own engine, and opens models that llama.cpp cannot",
    fix=Fix(
        (f"{PYTHON} -m pip install mlx mlx-lm",),
        "user",
        undo=f"{PYTHON} -m pip uninstall mlx mlx-lm",
        advice="it needs macOS 14 or newer",
    ),
    source="localai",
    after=("python-under-rosetta",),
)
def mlx_missing(facts: Snapshot) -> Iterator[Hit]:
    """No mlx package."""
    machine, engine = known(facts.machine, "machine"), known(facts.engine, "engine")
    if is_apple_silicon(machine) and known(engine.mlx, "engine: MLX") == "missing":
        yield Hit("mlx", (Evidence("package mlx", "not installed", "Python"),), within=("python",))


@check(
    code="mlx-crashes",
    group="gpu",
    severity="warn",
    title="MLX ends the process that loads it",
    told="`import mlx.core` in a child does not end well",
    cause="without a Metal device (over ssh, in a sandbox, in a virtual machine) it aborts",
    fix=Fix(
        ('python3 -c "import mlx.core as mx; print(mx.device_info())"',),
        "user",
        advice="run it in the Mac's own terminal; localai answers with llama.cpp meanwhile",
    ),
    source="mlx #3148, #3397",
    after=("python-under-rosetta",),
)
def mlx_crashes(facts: Snapshot) -> Iterator[Hit]:
    """The child of MLX died."""
    engine = known(facts.engine, "engine")
    ended = known(engine.mlx, "engine: MLX")
    if ended not in ("", "ok", "missing"):
        words = engine.mlx_words or "it said nothing"
        yield Hit(
            "mlx",
            (Evidence("import mlx.core", f"{ended}: {words}", "a child"),),
            within=("python",),
        )


@check(
    code="python-under-rosetta",
    group="gpu",
    severity="warn",
    title="this Python runs under Rosetta",
    told="the processor is Apple's and the process is translated from x86",
    cause="an x86 Python sees no Metal and no MLX, and everything is slower",
    fix=Fix(
        ("PYTHON=/opt/homebrew/bin/python3 ./install.sh",),
        "user",
        advice="install localai with a Python for arm64",
    ),
    source="mlx #200, #1055",
)
def python_under_rosetta(facts: Snapshot) -> Iterator[Hit]:
    """Translated."""
    host = known(facts.machine, "machine").host
    if known(host.rosetta.value, "machine: Rosetta"):
        yield Hit("python", (Evidence("translated", "yes", host.rosetta.source),))


def _build_for(gpu: Gpu) -> str:
    """The folder of the makers' index that has the engine for a graphics processor."""
    interfaces = gpu.usable_by.value or ()
    if gpu.vendor.value == "NVIDIA":
        return "cu132" if _cuda(interfaces) >= (13, 2) else "cu128"
    if gpu.vendor.value == "AMD" and "ROCm" in interfaces:
        return "rocm-7.2.4"
    return "vulkan"


def _cuda(interfaces: tuple[str, ...]) -> tuple[int, ...]:
    """The version in "CUDA 13.0"; (0,) where none is said."""
    for each in interfaces:
        name, _, version = each.partition(" ")
        if name == "CUDA" and all(part.isdecimal() for part in version.split(".")):
            return tuple(int(part) for part in version.split("."))
    return (0,)
