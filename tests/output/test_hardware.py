"""What a person is told of a machine: limits, doubts and what slows it down are not left out."""

from __future__ import annotations

from dataclasses import replace

from localai.hardware.facts import Fact, Machine
from localai.hardware.profiles import load_profile
from localai.output.hardware import machine_facts


def shown(machine: Machine) -> dict[str, str]:
    return {name: f"{value} ({basis})" for name, value, basis in machine_facts(machine)}


def laptop() -> Machine:
    return load_profile("laptop-16gb")


def test_a_containers_limit_stands_beside_the_machines_memory() -> None:
    machine = laptop()
    limited = replace(
        machine.memory,
        limit_bytes=Fact(4 << 30, "the control group's memory limit"),
        limited_by=Fact("cgroup", "the control group's memory limit"),
    )
    host = replace(machine.host, container=Fact("docker", "/.dockerenv"))
    lines = shown(replace(machine, memory=limited, host=host))
    assert "limited to 4.3 GB by a control group" in lines["memory"]
    assert "in a container (docker)" in lines["system"]


def test_what_makes_answers_slower_is_said() -> None:
    machine = laptop()
    power = replace(
        machine.power,
        on_battery=Fact(True, "test"),
        battery_percent=Fact(41.0, "test"),
        low_power_mode=Fact(True, "test"),
    )
    host = replace(machine.host, rosetta=Fact(True, "test"), wsl=Fact(True, "test"))
    lines = shown(
        replace(machine, power=power, host=host, problems=("the driver does not answer",))
    )
    assert lines["power"].startswith("battery, battery at 41%, low power mode")
    assert "in WSL" in lines["system"] and "under Rosetta" in lines["system"]
    assert "the driver does not answer" in lines["problem"]


def test_an_assumption_is_shown_as_one_and_the_unknown_as_a_dash() -> None:
    machine = laptop()
    assert "assumed: " in shown(machine)["bandwidth"]
    unknown = replace(machine, memory_bandwidth=Fact.unknown("not measured yet"))
    assert shown(unknown)["bandwidth"] == "– (not measured yet)"


def test_a_gpu_that_nothing_can_use_is_not_passed_over() -> None:
    machine = load_profile("rtx-4090")
    gpu = replace(machine.gpus[0], usable_by=Fact((), "test"))
    assert "nothing here can use it" in shown(replace(machine, gpus=(gpu,)))["GPU"]
    assert shown(replace(machine, gpus=()))["GPU"] == "none ()"
