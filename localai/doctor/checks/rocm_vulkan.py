"""AMD's ROCm and Vulkan: the processors that they support, and the variables that override them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from localai.doctor.check import Evidence, Fix, Hit, check, known
from localai.doctor.checks.subjects import (
    gpus_of,
    graphics_of,
    is_linux,
    served_variables,
    variables_of,
)
from localai.doctor.facts.snapshot import Snapshot

# Ollama's docs, gpu.mdx, of 2026: the targets for which it brings ROCm 7.
_TARGETS: Final = (
    *("gfx908", "gfx90a", "gfx942", "gfx950", "gfx1010", "gfx1012", "gfx1030", "gfx1100"),
    *("gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1200", "gfx1201"),
)
_OVERRIDE: Final = "HSA_OVERRIDE_GFX_VERSION"
_OFF: Final = ("", "0", "f", "F", "false", "False", "FALSE")
_SOFTWARE: Final = re.compile(r"llvmpipe|lavapipe|swiftshader|^lvp_", re.IGNORECASE)


@check(
    code="rocm-override-wrong",
    group="gpu",
    severity="warn",
    title="ROCm is told that the GPU is of another kind",
    when="HSA_OVERRIDE_GFX_VERSION is not of the form 11.0.0, names a target that ROCm 7 has not, "
    "names one of another family, or is set although ROCm has the processor's own",
    cause="programs built for another processor crash or compute nonsense; one that ROCm knows "
    "needs no override",
    fix=Fix(("unset HSA_OVERRIDE_GFX_VERSION",), "user"),
    source="Ollama's docs, gpu.md; ollama #8851",
)
def rocm_override_wrong(facts: Snapshot) -> Iterator[Hit]:
    """The variables of the shell and of the server's environment."""
    if not is_linux(facts) or not gpus_of(facts, "AMD"):
        return
    yield from _override(facts, variables_of(facts), "the shell")
    yield from _override(facts, served_variables(facts), "Ollama's server")


def _override(facts: Snapshot, variables: Mapping[str, str], where: str) -> Iterator[Hit]:
    value = variables.get(_OVERRIDE)
    if value is None:
        return
    targets = known(graphics_of(facts).targets, "graphics: AMD's targets")
    wrong = _wrong(value, targets)
    if wrong is None:
        return
    in_shell = where == "the shell"
    yield Hit(
        f"variable:{_OVERRIDE}" if in_shell else "ollama",
        (
            Evidence(_OVERRIDE, value, where),
            Evidence("the GPU is", ", ".join(targets) or "unknown", "/sys/class/kfd"),
        ),
        title=f"{_OVERRIDE}={value} {wrong}",
        fix=Fix((f"unset {_OVERRIDE}",), "user")
        if in_shell
        else Fix(
            ("sudo systemctl edit ollama", "sudo systemctl restart ollama"),
            "root",
            hint=f"take {_OVERRIDE} out in the editor",
        ),
    )


def _wrong(value: str, targets: tuple[str, ...]) -> str | None:
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", value.strip())
    if match is None:
        return "is no version such as 11.0.0"
    major, minor, step = map(int, match.groups())
    named = f"gfx{major}{minor:x}{step:x}"
    if named not in _TARGETS:
        return f"names {named}, which ROCm 7 does not have"
    if targets and all(target in _TARGETS for target in targets):
        return "is not needed: ROCm 7 has this GPU's own"
    if targets and not any(target.startswith(f"gfx{major}") for target in targets):
        return "names a processor of another family"
    return None


@check(
    code="rocm-without-target",
    group="gpu",
    severity="info",
    title="ROCm 7 does not compute with this AMD GPU",
    when="its target, such as gfx906, is not among those that Ollama's ROCm 7 supports",
    cause=(
        "AMD has ended the support of older processors and never supported some others; "
        "Vulkan computes with them"
    ),
    fix=Fix(
        ("sudo apt install mesa-vulkan-drivers", "vulkaninfo --summary"),
        "root",
        hint="then OLLAMA_VULKAN=1 for the server, or a llama-server that was built for Vulkan: "
        "localai config set engine.binary",
    ),
    source="Ollama's docs, gpu.md",
    after=("rocm-override-wrong",),
)
def rocm_without_target(facts: Snapshot) -> Iterator[Hit]:
    """It fires only if no override is set."""
    if not is_linux(facts) or not gpus_of(facts, "AMD"):
        return
    targets = known(graphics_of(facts).targets, "graphics: AMD's targets")
    without = [target for target in targets if target not in _TARGETS]
    if not without or len(without) < len(targets):
        return
    if _OVERRIDE in variables_of(facts) or _OVERRIDE in served_variables(facts):
        return
    yield Hit("gpu:AMD", (Evidence("target", ", ".join(without), "/sys/class/kfd"),))


@check(
    code="vulkan-without-driver",
    group="gpu",
    severity="warn",
    title="Vulkan is asked for, and no Vulkan driver is installed",
    when="OLLAMA_VULKAN is on, and /usr/share/vulkan/icd.d and /etc/vulkan/icd.d have no file",
    cause="without a driver's file (ICD) the loader finds no device: Ollama computes on the CPU",
    fix=Fix(("sudo apt install mesa-vulkan-drivers", "vulkaninfo --summary"), "root"),
    source="the Vulkan loader's docs, LoaderDriverInterface",
)
def vulkan_without_driver(facts: Snapshot) -> Iterator[Hit]:
    """It fires only if somebody wants Vulkan."""
    if not is_linux(facts) or not _wants_vulkan(facts):
        return
    if not known(graphics_of(facts).vulkan_drivers, "graphics: Vulkan's drivers"):
        yield Hit(
            "gpu:Vulkan",
            (
                Evidence("OLLAMA_VULKAN", "on", "the shell, or Ollama's server"),
                Evidence("drivers", "none", "/usr/share/vulkan/icd.d"),
            ),
        )


def _wants_vulkan(facts: Snapshot) -> bool:
    wanted = [variables_of(facts).get("OLLAMA_VULKAN", "")]
    wanted.append(served_variables(facts).get("OLLAMA_VULKAN", ""))
    return any(value not in _OFF for value in wanted)


@check(
    code="vulkan-in-software",
    group="gpu",
    severity="warn",
    title="Vulkan's only device is the processor itself",
    when="the engine lists llvmpipe, or Mesa's software driver is the only one while the PCI bus "
    "shows a GPU",
    cause=(
        "llvmpipe computes on the CPU, slower than an engine that does so directly; the "
        "GPU's own driver is missing"
    ),
    fix=Fix(("sudo apt install mesa-vulkan-drivers", "vulkaninfo --summary"), "root"),
    source="Mesa's docs, llvmpipe; llama.cpp #5410",
)
def vulkan_in_software(facts: Snapshot) -> Iterator[Hit]:
    """The engine's devices decide, or else the files of the drivers."""
    if not is_linux(facts):
        return
    engine, graphics = known(facts.engine, "engine"), graphics_of(facts)
    devices = () if engine.ended == "missing" else engine.devices
    for device in known(devices, "engine: its devices"):
        if _SOFTWARE.search(device):
            yield Hit("gpu:Vulkan", (Evidence("engine's device", device, "a child"),))
            return
    drivers = known(graphics.vulkan_drivers, "graphics: Vulkan's drivers")
    if not drivers or not all(_SOFTWARE.search(driver) for driver in drivers):
        return
    vendors = known(graphics.pci_vendors, "graphics: the PCI bus")
    if {"AMD", "Intel"} & set(vendors):
        yield Hit(
            "gpu:Vulkan",
            (
                Evidence("drivers", ", ".join(drivers), "/usr/share/vulkan/icd.d"),
                Evidence("PCI", ", ".join(vendors), "/sys/bus/pci/devices"),
            ),
        )
