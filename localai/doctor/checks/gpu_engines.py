"""Graphics processors that work and that an engine does not use."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import (
    PYTHON,
    gpus_of,
    is_first_on_cpu,
    is_linux,
    is_on_cpu,
    nvidia_gpus,
    ollama_of,
    our_python,
    running_in_ollama,
    setting,
    settings_of,
)
from localai.doctor.facts.servers import RunningModel
from localai.doctor.facts.snapshot import Snapshot
from localai.hardware.facts import Gpu
from localai.units import bytes_text

_REINSTALL = "-m pip install --force-reinstall --no-deps"
_BUILDS = "https://xorbitsai.github.io/xllamacpp/whl"


@check(
    code="ollama-gpu-libraries-missing",
    group="gpu",
    severity="warn",
    title="this Ollama came without its libraries for GPUs",
    when="a GPU is there, and beside the program no folder cuda_v…, rocm or vulkan",
    cause=(
        "some distributions package them apart, and a copy of the program alone lacks "
        "them; then Ollama computes on the CPU"
    ),
    fix=Fix(
        ("ls -l $(dirname $(readlink -f $(command -v ollama)))/../lib/ollama",),
        "user",
        hint="install the distribution's package for the GPU (ollama-cuda, ollama-rocm), or "
        "Ollama's own archive",
    ),
    source="ollama #9885",
)
def ollama_gpu_libraries_missing(facts: Snapshot) -> Iterator[Hit]:
    """Ollama's program has no libraries for GPUs."""
    ollama = ollama_of(facts)
    programs = known(ollama.programs, "ollama: its programs")
    if not programs or not is_linux(facts) or not gpus_of(facts):
        return
    if not known(ollama.gpu_libraries, "ollama: its libraries"):
        yield Hit(
            "ollama",
            (
                Evidence("program", str(programs[0].path), "the search path"),
                Evidence("libraries for GPUs", "none", "lib/ollama beside it"),
            ),
        )


@check(
    code="ollama-drops-integrated-gpu",
    group="gpu",
    severity="info",
    title="Ollama leaves the integrated GPU alone",
    when="its log says `dropping integrated GPU`",
    cause="it uses only those integrated GPUs that it knows to help",
    fix=Fix(
        ("sudo systemctl edit ollama",),
        "root",
        undo="sudo systemctl revert ollama",
        hint='there: [Service] and Environment="OLLAMA_IGPU_ENABLE=1"; it may be slower',
    ),
    source="ollama #16690",
)
def ollama_drops_integrated_gpu(facts: Snapshot) -> Iterator[Hit]:
    """The server's log says so."""
    ollama = ollama_of(facts)
    if not known(ollama.programs, "ollama: its programs"):
        return
    line = known(known(ollama.log, "ollama: its log").dropped_integrated, "ollama: its log")
    if line:
        yield Hit("ollama", (Evidence("log", line, "Ollama's log"),))


@check(
    code="gpu-lost-after-suspend",
    group="gpu",
    severity="warn",
    title="the GPU was lost when the machine slept",
    when="the machine has slept since its start, and Ollama holds a model with nothing on an "
    "NVIDIA GPU",
    cause="after a suspend NVIDIA's uvm module may refuse, and Ollama then computes on the CPU",
    fix=Fix(
        ("sudo rmmod nvidia_uvm && sudo modprobe nvidia_uvm", "sudo systemctl restart ollama"),
        "root",
    ),
    source="ollama #5464, #10053",
)
@for_each(running_in_ollama)
def gpu_lost_after_suspend(facts: Snapshot, model: RunningModel) -> Iterator[Hit]:
    """The machine has slept, and no model of Ollama's is in the card's memory."""
    if not nvidia_gpus(facts):
        return
    slept_s = known(known(facts.kernel, "kernel").suspended_s, "kernel: how long it slept")
    if slept_s and is_on_cpu(model) and is_first_on_cpu(facts, model):
        yield Hit(
            "ollama",
            (
                Evidence("slept", f"{slept_s:.0f} s", "the kernel's clocks"),
                Evidence(str(model.name), "0 bytes on the GPU", "/api/ps"),
            ),
        )


@check(
    code="ollama-model-on-cpu",
    group="gpu",
    severity="warn",
    title="Ollama computes on the CPU although there is a GPU",
    when="a model in Ollama's memory has no part on the GPU (`size_vram` is 0)",
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
@for_each(running_in_ollama)
def ollama_model_on_cpu(facts: Snapshot, model: RunningModel) -> Iterator[Hit]:
    """A model is wholly in main memory, although there is a GPU that a program interface can
    use."""
    gpus = [*gpus_of(facts, "NVIDIA"), *gpus_of(facts, "AMD")]
    if not gpus or not is_on_cpu(model) or not is_first_on_cpu(facts, model):
        return
    within = tuple(f"gpu:{gpu.vendor.value}" for gpu in gpus) + tuple(
        f"gpu:{gpu.name.value}" for gpu in gpus
    )
    share = f"{bytes_text(model.size_bytes or 0)}, none on the GPU"
    yield Hit(
        "ollama",
        (
            Evidence("GPU", str(gpus[0].name.value), gpus[0].name.source),
            Evidence(str(model.name), share, "/api/ps"),
        ),
        within=within,
    )


@check(
    code="engine-for-cpu",
    group="gpu",
    severity="warn",
    title="the embedded engine is built for the CPU, and there is a GPU",
    when="the engine, loaded in a child, lists no GPU while the machine has one",
    cause=(
        "the package index has only the engine's build for the CPU; its makers keep builds "
        "for GPUs on another index"
    ),
    fix=Fix(
        (f"{PYTHON} {_REINSTALL} xllamacpp --index-url {_BUILDS}/cu128",),
        "user",
        undo=f"{PYTHON} {_REINSTALL} xllamacpp",
        hint="for CUDA 12.8; doctor names the folder for the GPU that is there (cu132, "
        "rocm-7.2.4, vulkan) and the version that is installed",
    ),
    source="xllamacpp's README",
    after=("nvidia-driver-missing", "nvidia-driver-mismatch", "nvidia-smi-hangs"),
)
def engine_for_cpu(facts: Snapshot) -> Iterator[Hit]:
    """The engine lists no devices on a Linux machine with a GPU."""
    engine = known(facts.engine, "engine")
    if not is_linux(facts) or known(engine.ended, "engine: how loading it ended") != "ok":
        return
    usable = [gpu for gpu in gpus_of(facts) if known(gpu.usable_by.value, "machine: a GPU's use")]
    if not usable or known(engine.devices, "engine: its devices"):
        return
    gpu = usable[0]
    interfaces = ", ".join(gpu.usable_by.value or ())
    binary = setting(facts, "engine.binary")
    if binary:
        yield Hit(
            "engine",
            (
                Evidence("GPU", f"{gpu.name.value}, usable by {interfaces}", gpu.name.source),
                Evidence("engine.binary's devices", "none", f"{binary} --list-devices"),
            ),
            title="the llama-server of engine.binary is built for the CPU, and there is a GPU",
            fix=Fix(
                (f"{shlex.quote(binary)} --list-devices",),
                "user",
                hint="name one that is built for the card: localai config set engine.binary",
            ),
            within=(f"gpu:{gpu.vendor.value}",),
        )
        return
    install = f"{our_python(facts)} {_REINSTALL} xllamacpp=={engine.version}"
    yield Hit(
        "engine",
        (
            Evidence("GPU", f"{gpu.name.value}, usable by {interfaces}", gpu.name.source),
            Evidence("engine's devices", "none", f"xllamacpp {engine.version} in a child"),
        ),
        fix=Fix(
            (f"{install} --index-url {_BUILDS}/{_build_for(gpu)}",),
            "user",
            undo=install,
            hint="or a llama-server that is built for the card: localai config set engine.binary"
            " llama-server; or let Ollama compute, which finds the GPU by itself",
        ),
        within=(f"gpu:{gpu.vendor.value}",),
    )


@check(
    code="gpu-layers-zero",
    group="gpu",
    severity="warn",
    title="a setting keeps the embedded engine off the GPU",
    when="`engine.gpu_layers` is 0 while there is a GPU that the engine sees",
    cause="0 means that no layer is put on the GPU",
    fix=Fix(("localai config unset engine.gpu_layers",), "ours"),
    source="localai",
)
def gpu_layers_zero(facts: Snapshot) -> Iterator[Hit]:
    """The engine could use the GPU and the setting forbids it."""
    if setting(facts, "engine.gpu_layers") != "0":
        return
    if known(known(facts.engine, "engine").devices, "engine: its devices"):
        where = str(settings_of(facts)["engine.gpu_layers"].where)
        yield Hit("setting:engine.gpu_layers", (Evidence("engine.gpu_layers", "0", where),))


def _build_for(gpu: Gpu) -> str:
    """The folder of the makers' package index that has the engine for a graphics processor."""
    interfaces = gpu.usable_by.value or ()
    if gpu.vendor.value == "NVIDIA":
        return "cu132" if _cuda(interfaces) >= (13, 2) else "cu128"
    if gpu.vendor.value == "AMD" and "ROCm" in interfaces:
        return "rocm-7.2.4"
    return "vulkan"


def _cuda(interfaces: tuple[str, ...]) -> tuple[int, ...]:
    """The version in "CUDA 13.0"; (0,) if there is none."""
    for each in interfaces:
        name, _, version = each.partition(" ")
        if name == "CUDA" and all(part.isdecimal() for part in version.split(".")):
            return tuple(int(part) for part in version.split("."))
    return (0,)


@check(
    code="vllm-without-cuda",
    group="gpu",
    severity="warn",
    title="vLLM lacks the CUDA runtime that it was built for",
    when=(
        "vLLM's compiled part needs libcudart.so.N, which is neither in its environment "
        "nor in the system's folders"
    ),
    cause="vLLM and its CUDA packages are of different versions: it ends with `libcudart.so.N: "
    "cannot open shared object file`",
    fix=Fix(
        ("pip install --force-reinstall vllm",), "user", hint="in the environment that vLLM is in"
    ),
    source="vLLM #1718, #44335",
)
def vllm_without_cuda(facts: Snapshot) -> Iterator[Hit]:
    """The library names in vLLM's compiled part decide."""
    vllm = known(facts.vllm, "vllm")
    if not known(vllm.program, "vllm: its program"):
        return
    needs = known(vllm.needs, "vllm: what its library needs")
    if needs and not known(vllm.is_there, f"vllm: whether {needs} is there"):
        python = shlex.quote(f"{str(vllm.program).rpartition('/')[0]}/python")
        yield Hit(
            "program:vllm",
            (
                Evidence("needs", needs, "vllm/_C.abi3.so"),
                Evidence("found", "nowhere", "its environment, the system's folders"),
            ),
            title=f"vLLM lacks {needs}",
            fix=Fix((f"{python} -m pip install --force-reinstall vllm",), "user"),
        )
