"""Graphics processors that programs may not use: device files, containers, variables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from localai.doctor.check import Evidence, Fix, Hit, check, known
from localai.doctor.checks.subjects import (
    container_of,
    gpus_of,
    graphics_of,
    is_linux,
    machine_of,
    served_variables,
    variables_of,
)
from localai.doctor.facts.snapshot import Snapshot

_HIDES = re.compile(r"^(-1|none|void|)$", re.IGNORECASE)
_INDEXES = re.compile(r"^\d{1,9}(,\d{1,9})*$")
_UNIQUE = re.compile(r"^(GPU|MIG)-[0-9a-fA-F-]{6,}", re.IGNORECASE)
_VARIABLES: Mapping[str, str] = {
    "CUDA_VISIBLE_DEVICES": "NVIDIA",
    "NVIDIA_VISIBLE_DEVICES": "NVIDIA",
    "HIP_VISIBLE_DEVICES": "AMD",
    "ROCR_VISIBLE_DEVICES": "AMD",
}


@check(
    code="amd-device-refused",
    group="gpu",
    severity="warn",
    title="this user may not open the AMD GPU",
    when="/dev/kfd or /dev/dri/renderD… exists, and this user may not open it",
    cause="the device files belong to the group render or video, and this user is no member",
    fix=Fix(
        ("sudo usermod -aG render,video $USER",),
        "root",
        undo="sudo gpasswd -d $USER render",
        hint="then log in again",
    ),
    source="ollama #6736, #7723",
)
def amd_device_refused(facts: Snapshot) -> Iterator[Hit]:
    """This user may not open AMD's device files."""
    graphics = graphics_of(facts)
    nodes = known(graphics.nodes, "graphics: device files")
    shut = [node for node in nodes if node.usable is False and _is_amds(node.path)]
    if not shut or "AMD" not in known(graphics.pci_vendors, "graphics: the PCI bus"):
        return
    named = all(not (node.group or "").isdecimal() for node in shut)
    fix = None
    if not named:
        # In a container the host's group has a number and no name.
        numbers = sorted({str(node.group_id) for node in shut})
        fix = Fix(
            (),
            "manual",
            hint="the host's group has no name here: start the container with "
            + " ".join(f"--group-add {number}" for number in numbers),
        )
    yield Hit(
        "gpu:AMD",
        (
            *(
                Evidence(str(node.path), f"belongs to the group {node.group}", "its permissions")
                for node in shut
            ),
            Evidence("this user's groups", ", ".join(graphics.groups or ()), "id"),
        ),
        fix=fix,
    )


@check(
    code="gpu-not-in-container",
    group="gpu",
    severity="warn",
    title="the container was started without the GPU",
    when="a container, a GPU on the PCI bus or a driver of the host, and no device file for it",
    cause="a container sees only the devices that it was given",
    fix=Fix(
        (),
        "manual",
        hint="start it with --gpus all (NVIDIA, with nvidia-container-toolkit), or with "
        "--device /dev/kfd --device /dev/dri (AMD)",
    ),
    source="nvidia-container-toolkit's guide",
)
def gpu_not_in_container(facts: Snapshot) -> Iterator[Hit]:
    """The host has a GPU and did not give it to the container."""
    container, graphics = container_of(facts), graphics_of(facts)
    if not container:
        return
    nodes = known(graphics.nodes, "graphics: device files")
    paths = {known(node.path, "graphics: a device file's path") for node in nodes}
    if known(graphics.nvidia_module, "graphics: the module") and "/dev/nvidiactl" not in paths:
        yield Hit(
            "gpu:NVIDIA",
            (
                Evidence("the host's driver", str(graphics.nvidia_module), "/proc/driver/nvidia"),
                Evidence("/dev/nvidia*", "none", f"this container ({container})"),
            ),
        )
    drivers = known(graphics.kernel_drivers, "graphics: the kernel's drivers")
    if "amdgpu" in drivers and not any(path.startswith("/dev/dri/") for path in paths):
        yield Hit(
            "gpu:AMD",
            (
                Evidence("the host's driver", "amdgpu", "/sys/bus/pci/devices"),
                Evidence("/dev/dri", "none", f"this container ({container})"),
            ),
        )


@check(
    code="nvidia-lost-in-container",
    group="gpu",
    severity="fail",
    title="the container has lost its GPU",
    when="NVML says `Unknown Error` in a container, while the device files are there",
    cause="`systemctl daemon-reload` on the host took the devices from the container's group",
    fix=Fix(
        (),
        "manual",
        hint="start the container anew on the host; to keep it, give it the devices by name "
        "(--device) or let docker use cgroupfs",
    ),
    source="nvidia-container-toolkit #48",
)
def nvidia_lost_in_container(facts: Snapshot) -> Iterator[Hit]:
    """NVML reports `Unknown Error` in a container."""
    if not container_of(facts):
        return
    words = known(graphics_of(facts).smi_words, "graphics: what nvidia-smi says")
    if "unknown error" in words.lower():
        yield Hit("gpu:NVIDIA", (Evidence("nvidia-smi -L", words, "nvidia-smi"),))


@check(
    code="docker-on-mac",
    group="gpu",
    severity="info",
    title="a container on a Mac has no GPU",
    when="a container on arm64 whose kernel is Docker Desktop's (linuxkit)",
    cause="Docker on macOS runs Linux in a virtual machine, which Metal does not reach",
    fix=Fix((), "manual", hint="run localai or Ollama on the Mac itself"),
    source="ollama's docs, docker.md",
)
def docker_on_mac(facts: Snapshot) -> Iterator[Hit]:
    """The kernel is linuxkit on arm64."""
    host = machine_of(facts).host
    kernel = known(host.kernel.value, "machine: the kernel")
    if not container_of(facts) or "linuxkit" not in kernel:
        return
    if known(host.architecture.value, "machine: its architecture") in ("aarch64", "arm64"):
        yield Hit("container", (Evidence("kernel", kernel, host.kernel.source),))


@check(
    code="gpu-hidden-by-variable",
    group="gpu",
    severity="warn",
    title="a variable hides the GPU",
    when="a …_VISIBLE_DEVICES is empty, -1, none, or names a device that is not there",
    cause="engines use only the devices that it names, and do not say if there are none",
    fix=Fix(("unset CUDA_VISIBLE_DEVICES",), "user"),
    source="ollama's docs, gpu.md",
)
def gpu_hidden_by_variable(facts: Snapshot) -> Iterator[Hit]:
    """The variables of the shell count, and those of the server if they may be seen."""
    yield from _hidden(facts, variables_of(facts), in_shell=True)
    if is_linux(facts):
        yield from _hidden(facts, served_variables(facts), in_shell=False)


def _is_amds(path: str | None) -> bool:
    return path is not None and (path == "/dev/kfd" or path.startswith("/dev/dri/"))


def _hidden(facts: Snapshot, variables: Mapping[str, str], *, in_shell: bool) -> Iterator[Hit]:
    for name, vendor in _VARIABLES.items():
        value = variables.get(name)
        if value is None or not gpus_of(facts, vendor):
            continue
        if _names_a_device(value, len(gpus_of(facts))):
            continue
        yield Hit(
            f"variable:{name}" if in_shell else "ollama",
            (Evidence(name, value or "(empty)", "the shell" if in_shell else "Ollama's server"),),
            title=f"{name} hides the GPU from {'programs' if in_shell else 'Ollama'}",
            fix=Fix((f"unset {name}",), "user")
            if in_shell
            else Fix(
                ("sudo systemctl edit ollama", "sudo systemctl restart ollama"),
                "root",
                undo="sudo systemctl revert ollama",
                hint=f"take {name} out in the editor",
            ),
        )


def _names_a_device(value: str, count: int) -> bool:
    value = value.strip()
    if value.lower() == "all" or _UNIQUE.match(value):
        return True
    if _INDEXES.match(value):
        return any(int(index) < count for index in value.split(","))
    return not _HIDES.match(value)
