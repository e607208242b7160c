"""Parsers of what a machine's kernel, drivers and tools say of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from localai.doctor.capture.servers import read_link_status
from localai.doctor.capture.service import read_properties
from localai.hardware.allowed_cores import allowed_cores
from localai.hardware.apple import apple_cpu, apple_gpus, parse_sysctl
from localai.hardware.cgroup import memory_limit
from localai.hardware.cpu import linux_cpu
from localai.hardware.drm import drm_gpus
from localai.hardware.energy import energy_between, energy_meter
from localai.hardware.facts import Disk, Fact, Machine, Memory, Power, all_unknown
from localai.hardware.host import linux_host, mac_host
from localai.hardware.memory import within_limit
from localai.hardware.nvidia import parse_nvidia_smi
from localai.hardware.power import linux_power, parse_low_power_mode
from localai.net.listener import parse_lsof
from localai.output.documents.hardware import hardware_document
from localai.output.hardware import machine_facts
from tests.campaigns.parser import Parser
from tests.hardware.captures import FOLDER

_LATER_S = 60.0
_COUNTERS = b"""==> /sys/class/powercap/intel-rapl:0/name <==
package-0

==> /sys/class/powercap/intel-rapl:0/energy_uj <==
31000000

==> /sys/class/powercap/intel-rapl:0/max_energy_range_uj <==
262143328850

==> /sys/class/powercap/intel-rapl:0:1/name <==
dram

==> /sys/class/powercap/intel-rapl:0:1/energy_uj <==
5500000

==> /sys/class/power_supply/BAT0/type <==
Battery

==> /sys/class/power_supply/BAT0/status <==
Discharging

==> /sys/class/power_supply/BAT0/current_now <==
1500000

==> /sys/class/power_supply/BAT0/voltage_now <==
11400000
"""


def _tree(content: bytes, folder: Path) -> Path:
    """The files that a capture lays out; names that lead out of the folder are left out."""
    pieces = re.split(rb"^==> (/[\w./:-]+) <==\n", content, flags=re.MULTILINE)
    for path, inner in zip(pieces[1::2], pieces[2::2], strict=True):
        file = folder / path.decode().lstrip("/")[:200]
        if ".." in file.parts or file.is_dir() or any(each.is_file() for each in file.parents):
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(inner.removesuffix(b"\n"))
    return folder


def _linux(content: bytes, folder: Path) -> Any:
    """A machine that runs Linux, as a person and a program see it."""
    root = _tree(content, folder / "root")
    graphics = drm_gpus(root)
    memory = within_limit(all_unknown(Memory, "not there"), memory_limit(root), wsl=False)
    allowed_cores(root, {0, 1}, 4)
    _shown(
        Machine(
            host=linux_host(root, live=False),
            cpu=linux_cpu(root, live=False),
            memory=memory,
            gpus=graphics.gpus,
            power=linux_power(root),
            disk=all_unknown(Disk, "not there"),
            memory_bandwidth=Fact.unknown("not measured"),
            problems=graphics.problems,
        )
    )
    _energy(root)


def _energy(root: Path) -> None:
    with energy_meter(root) as meter:
        before = meter.read()
        after = tuple(replace(each, at=each.at + _LATER_S) for each in meter.read())
        taken = energy_between(before, after)
    if taken is not None:
        json.dumps([taken.joules, taken.watts], allow_nan=False)


def _mac(content: bytes, folder: Path) -> Any:
    """A Mac: what sysctl prints, and after a line of its own what system_profiler does."""
    text, _, displays = content.decode(errors="replace").partition("\n---\n")
    values = parse_sysctl(text)
    _shown(
        Machine(
            host=mac_host(values),
            cpu=apple_cpu(values),
            memory=all_unknown(Memory, "not there"),
            gpus=apple_gpus(displays, values),
            power=all_unknown(Power, "not there"),
            disk=all_unknown(Disk, "not there"),
            memory_bandwidth=Fact.unknown("not measured"),
            problems=(),
        )
    )


def _shown(machine: Machine) -> None:
    document = json.dumps(hardware_document(machine, None), allow_nan=False)
    assert json.loads(document)["schema"]
    assert all(len(line) == 3 for line in machine_facts(machine))


def _tools(content: bytes, _: Path) -> Any:
    """What the system's tools print, whichever it is."""
    text = content.decode(errors="replace")
    parse_nvidia_smi(text, 1 << 34)
    parse_low_power_mode(text)
    parse_lsof(text)
    read_properties(text)
    read_link_status(text)


def _captured(*names: str) -> tuple[bytes, ...]:
    return tuple((FOLDER / name).read_bytes() for name in names)


PARSERS = (
    Parser(
        "machine's files",
        (
            *_captured("epyc-vm.txt", "laptop-hybrid.txt", "raspberry-pi-5.txt", "big-little.txt"),
            *_captured("strix-halo.txt", "radeon-rx570.txt", "container-cgroup2.txt"),
            *_captured("container-cgroup1.txt", "nouveau.txt"),
            _COUNTERS,
        ),
        _linux,
        refuses=(),
        weight=2,
    ),
    Parser(
        "Mac's words",
        tuple(
            b"\n---\n".join(_captured(*names))
            for names in (
                ("sysctl-m2-max.txt", "displays-m2-max.json"),
                ("sysctl-intel-mac.txt", "displays-intel-mac.json"),
            )
        ),
        _mac,
        refuses=(),
        weight=1,
    ),
    Parser(
        "tools' words",
        (
            *_captured("nvidia-smi-h100.csv", "nvidia-smi-gb10.csv", "pmset-g.txt"),
            b"p12\nu0\nn*:11434\nn[::1]:80\n",
            b'LoadState=loaded\nActiveState=active\nUser=ollama\nEnvironment=A=b "C=d e"\n',
            b'{"status": "online", "issues": ["notLoggedIn"], "peers": []}',
        ),
        _tools,
        refuses=(),
        weight=1,
    ),
)
