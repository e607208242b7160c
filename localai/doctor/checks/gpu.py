"""Graphics processors whose driver is missing, or is another one than they need."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import (
    container_of,
    gpus_of,
    graphics_of,
    is_wsl,
    machine_of,
    nvidia_gpus,
)
from localai.doctor.facts.snapshot import Snapshot
from localai.hardware.facts import Gpu
from localai.units import whole_number

_OLDEST_DRIVER = 550
# Compute capability 5.0 to 6.2: these cards need a newer one.
_OLDEST_DRIVER_OLD_CARDS = 570


@check(
    code="nvidia-driver-missing",
    group="gpu",
    severity="warn",
    title="an NVIDIA GPU is there and its driver is not",
    when="the PCI bus shows an NVIDIA GPU, and no `nvidia` kernel module is loaded",
    cause="the kernel runs the card with nouveau or with nothing; neither can compute",
    fix=Fix(
        ("sudo ubuntu-drivers install",),
        "root",
        undo="sudo apt remove 'nvidia-driver-*'",
        hint="on other systems than Ubuntu, install the distribution's own package; then reboot",
    ),
    source="ollama #7669",
)
def nvidia_driver_missing(facts: Snapshot) -> Iterator[Hit]:
    """A card has no driver. Containers are left out, because they see the host's driver."""
    graphics = graphics_of(facts)
    if "NVIDIA" not in known(graphics.pci_vendors, "graphics: the PCI bus"):
        return
    module = known(graphics.nvidia_module, "graphics: the module")
    drivers = known(graphics.kernel_drivers, "graphics: the kernel's drivers")
    if module or container_of(facts) or "nvidia" in drivers or "vfio-pci" in drivers:
        return
    yield Hit(
        "gpu:NVIDIA",
        (
            Evidence("PCI", "an NVIDIA display device", "/sys/bus/pci/devices"),
            Evidence("kernel driver", ", ".join(drivers) or "none", "/sys/bus/pci/devices"),
        ),
    )


@check(
    code="nvidia-driver-mismatch",
    group="gpu",
    severity="fail",
    title="NVIDIA's driver was updated and the old one is still loaded",
    when="the loaded kernel module has another version than the installed library",
    cause=(
        "the library works only with a module of its own version, which is loaded when the "
        "machine starts"
    ),
    fix=Fix(("sudo reboot",), "root"),
    source="ollama #15918",
)
def nvidia_driver_mismatch(facts: Snapshot) -> Iterator[Hit]:
    """The kernel module and the library have different versions."""
    graphics = graphics_of(facts)
    module = known(graphics.nvidia_module, "graphics: the module")
    library = known(graphics.nvidia_library, "graphics: the library")
    if not module or not library or module == library:
        return
    # The host puts the library into a container, and WSL's stub has no version.
    yield Hit(
        "gpu:NVIDIA",
        (
            Evidence("kernel module", module, "/proc/driver/nvidia/version"),
            Evidence("library", library, f"libnvidia-ml.so.{library}"),
        ),
    )


@check(
    code="nvidia-smi-hangs",
    group="gpu",
    severity="fail",
    title="NVIDIA's driver does not answer",
    when="`nvidia-smi` does not end within seconds",
    cause="the driver or the card hangs, often after a fault that the kernel's log calls Xid",
    fix=Fix(
        ("sudo dmesg | grep -i -E 'nvrm|xid'", "sudo reboot"),
        "root",
        hint="every program that uses this card hangs until then",
    ),
    source="ollama #5464",
)
def nvidia_smi_hangs(facts: Snapshot) -> Iterator[Hit]:
    """nvidia-smi does not end."""
    if known(graphics_of(facts).smi, "graphics: nvidia-smi") == "hangs":
        yield Hit("gpu:NVIDIA", (Evidence("nvidia-smi -L", "no answer", "nvidia-smi"),))


@check(
    code="nvidia-driver-fails",
    group="gpu",
    severity="fail",
    title="NVIDIA's driver refuses",
    when="`nvidia-smi` ends with an error",
    cause="the tool is installed, and the driver behind it does not work",
    fix=Fix(("nvidia-smi", "sudo dmesg | grep -i nvidia"), "root"),
    source="ollama #10053",
    after=("nvidia-driver-mismatch", "nvidia-driver-missing", "nvidia-lost-in-container"),
)
def nvidia_driver_fails(facts: Snapshot) -> Iterator[Hit]:
    """nvidia-smi ends with an error."""
    graphics = graphics_of(facts)
    if known(graphics.smi, "graphics: nvidia-smi") == "fails":
        words = graphics.smi_words or "it says nothing"
        if "no devices were found" not in words.lower():
            yield Hit("gpu:NVIDIA", (Evidence("nvidia-smi -L", words, "nvidia-smi"),))


@check(
    code="nvidia-driver-old",
    group="gpu",
    severity="warn",
    title="NVIDIA's driver is older than engines need",
    when="the driver is below 550, or below 570 for a card of compute capability 5.0 to 6.2",
    cause="the libraries that Ollama and llama.cpp are built with need a newer one, and fall back "
    "to the CPU without a word",
    fix=Fix(
        ("sudo ubuntu-drivers install",),
        "root",
        hint="on other systems than Ubuntu, install the distribution's own package; then reboot",
    ),
    source="llama-cpp-python #1436; Ollama's docs, gpu.md",
)
@for_each(nvidia_gpus)
def nvidia_driver_old(facts: Snapshot, gpu: Gpu) -> Iterator[Hit]:
    """The driver is older than the oldest one that works for its card."""
    driver = known(gpu.driver.value, "machine: the driver's version")
    major = whole_number(driver.partition(".")[0])
    capability = gpu.compute_capability.value
    floor = _OLDEST_DRIVER
    if capability is not None and "5.0" <= capability <= "6.2" and len(capability) == 3:
        floor = _OLDEST_DRIVER_OLD_CARDS
    if major is not None and major < floor:
        name = gpu.name.value or "NVIDIA GPU"
        yield Hit(
            f"gpu:{name}",
            (
                Evidence("driver", driver, gpu.driver.source),
                Evidence("needed", f"{floor} or newer", "Ollama's docs, gpu.md"),
            ),
            within=("gpu:NVIDIA",),
        )


@check(
    code="rocm-old",
    group="gpu",
    severity="warn",
    title="ROCm is older than the engines' libraries",
    when="/opt/rocm is of a version below 7, and there is an AMD GPU",
    cause="Ollama and the builds of llama.cpp bring ROCm 7, which a driver of ROCm 6 may refuse",
    fix=Fix(
        (),
        "root",
        hint="install ROCm 7 as AMD's documentation says, or run the engine with Vulkan: "
        "OLLAMA_VULKAN=1",
    ),
    source="Ollama's docs, gpu.md",
)
def rocm_old(facts: Snapshot) -> Iterator[Hit]:
    """ROCm is version 6 or older."""
    if not gpus_of(facts, "AMD"):
        return
    version = known(graphics_of(facts).rocm, "graphics: ROCm's version")
    major = whole_number(version.partition(".")[0])
    if major is not None and major < 7:
        yield Hit("gpu:AMD", (Evidence("ROCm", version, "/opt/rocm/.info/version"),))


@check(
    code="vm-hides-avx2",
    group="gpu",
    severity="warn",
    title="the virtual machine hides AVX2 from its processor",
    when="a virtual machine on x86-64 whose processor has no AVX2",
    cause=(
        "its processor type is a generic one; engines compute several times slower, or end "
        "with an illegal instruction"
    ),
    fix=Fix((), "manual", hint="give the machine the host's own processor type (`-cpu host`)"),
    source="ollama #2000; lmstudio #221",
)
def vm_hides_avx2(facts: Snapshot) -> Iterator[Hit]:
    """A virtual x86 machine has no AVX2."""
    machine = machine_of(facts)
    virtual = known(machine.host.virtual_machine.value, "machine: whether it is virtual")
    if not virtual:
        return
    sets = known(machine.cpu.instruction_sets.value, "machine: instruction sets")
    architecture = known(machine.host.architecture.value, "machine: its architecture")
    if architecture in ("x86_64", "amd64") and "AVX2" not in sets:
        yield Hit(
            "cpu",
            (
                Evidence("virtual machine", virtual, machine.host.virtual_machine.source),
                Evidence("instruction sets", " ".join(sets), machine.cpu.instruction_sets.source),
            ),
        )


@check(
    code="wsl-native-driver",
    group="gpu",
    severity="fail",
    title="a Linux driver hides WSL's own",
    when=("in WSL, a Linux driver's libcuda lies in the system's folders beside Windows' stub"),
    cause=("in WSL the driver belongs to Windows; a Linux package of it takes the stub's place"),
    fix=Fix(
        ("sudo apt purge 'nvidia-driver-*' 'libnvidia-compute-*'", "wsl.exe --shutdown"),
        "root",
    ),
    source="NVIDIA's guide to CUDA on WSL",
)
def wsl_native_driver(facts: Snapshot) -> Iterator[Hit]:
    """WSL has two libcuda."""
    if not is_wsl(facts):
        return
    graphics = graphics_of(facts)
    if known(graphics.native_library_in_wsl, "graphics: libcuda") and known(
        graphics.wsl_library, "graphics: WSL's own libcuda"
    ):
        yield Hit(
            "gpu:NVIDIA",
            (Evidence("libcuda", "a Linux driver's", "/usr/lib/*-linux-gnu/libcuda.so.*"),),
        )
