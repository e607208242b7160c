"""Causes of a slow processor: saving power, heat, other programs, too many threads."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, known
from localai.doctor.checks.subjects import BUSY_PERCENT, is_mac, machine_of, setting, settings_of
from localai.doctor.facts.snapshot import Snapshot
from localai.units import whole_number


@check(
    code="on-battery",
    group="memory",
    severity="info",
    title="the machine runs on battery",
    when="the system runs on battery, and the battery is below 30%",
    cause="processors are slowed down to save power: half the speed is usual",
    fix=Fix((), "manual", hint="plug it in"),
    source="many threads",
)
def on_battery(facts: Snapshot) -> Iterator[Hit]:
    """A battery below 30%. Running on a fuller battery is no finding."""
    power = machine_of(facts).power
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
    when="a low power mode, a saving profile, or the governor powersave without a driver that "
    "makes its own choice",
    cause="processors are kept slow",
    fix=Fix(
        ("powerprofilesctl set performance",),
        "user",
        undo="powerprofilesctl set balanced",
        hint="on a Mac: sudo pmset -a lowpowermode 0",
    ),
    source="many threads",
)
def power_saving(facts: Snapshot) -> Iterator[Hit]:
    """A mode that the user has chosen. intel_pstate calls its own choice powersave, too."""
    power = machine_of(facts).power
    on_mains = power.on_battery.value is False and power.battery_percent.value is None
    if on_mains and power.low_power_mode.value is None:
        # A machine without a battery and without such a mode.
        return
    if known(power.low_power_mode.value, "machine: the power mode"):
        yield Hit("power", (Evidence("low power mode", "on", power.low_power_mode.source),))


@check(
    code="machine-busy",
    group="memory",
    severity="info",
    title="other programs keep the processor busy",
    when="over the last ten seconds some process waited for a processor more than half of the time",
    cause="an engine shares the cores with them; it is slow now, and nothing is wrong with it",
    fix=Fix(("top",), "user"),
    source="the kernel's PSI",
)
def machine_busy(facts: Snapshot) -> Iterator[Hit]:
    """The kernel's processor pressure (PSI) over ten seconds."""
    if is_mac(facts):
        return
    pressure = known(known(facts.kernel, "kernel").cpu_pressure_10s, "kernel: cpu pressure")
    if pressure > BUSY_PERCENT:
        waited = f"{pressure:.0f}% of the time"
        yield Hit("cpu", (Evidence("processes waited", waited, "/proc/pressure/cpu"),))


@check(
    code="too-many-threads",
    group="memory",
    severity="warn",
    title="the embedded engine is told to use more threads than there are cores",
    when="`engine.threads` is more than the usable cores",
    cause="threads that wait for one another take turns: a token a second instead of many",
    fix=Fix(("localai config unset engine.threads",), "ours"),
    source="llama.cpp's token generation performance tips",
)
def too_many_threads(facts: Snapshot) -> Iterator[Hit]:
    """The setting against the usable cores."""
    threads, machine = setting(facts, "engine.threads"), machine_of(facts)
    wanted = whole_number(threads)
    if wanted is None:
        return
    cores = known(machine.cpu.usable_cores.value, "machine: cores")
    if wanted > cores:
        where = str(settings_of(facts)["engine.threads"].where)
        yield Hit(
            "setting:engine.threads",
            (
                Evidence("engine.threads", threads, where),
                Evidence("usable cores", f"{cores:g}", machine.cpu.usable_cores.source),
            ),
        )


@check(
    code="throttled-now",
    group="memory",
    severity="info",
    title="the processor slows itself for its heat",
    when="its throttling counter rises while it is watched; on a Mac its speed is limited",
    cause="it is too hot (dust, a closed lid, a hot room), or its power is limited",
    fix=Fix((), "manual", hint="let it cool: on a stand, unblocked, with less beside the engine"),
    source="the kernel's docs, intel_thermal_throttle",
)
def throttled_now(facts: Snapshot) -> Iterator[Hit]:
    """The processor is watched for a moment."""
    if known(known(facts.kernel, "kernel").throttled, "kernel: throttling"):
        source = "pmset -g therm" if is_mac(facts) else "/sys/devices/system/cpu"
        yield Hit("power", (Evidence("throttled", "now", source),))
