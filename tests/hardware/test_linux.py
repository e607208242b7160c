"""Linux machines: captured trees of /proc and /sys stand in for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.hardware import cgroup, cpu, drm, host, power
from tests.hardware.captured_memory import captured_memory
from tests.hardware.captures import tree

GIB = 1 << 30


def test_a_virtual_machine_on_epyc(tmp_path: Path) -> None:
    root = tree("epyc-vm", tmp_path)
    found = cpu.linux_cpu(root, live=False)
    assert found.model.value == "AMD EPYC"
    assert (found.physical_cores.value, found.logical_cores.value) == (2, 2)
    assert found.performance_cores.value is None
    assert found.last_level_cache_bytes.value == 32 << 20
    assert found.instruction_sets.value is not None
    assert {"AVX2", "AVX-512", "AVX-512-VNNI"} <= set(found.instruction_sets.value)
    system = host.linux_host(root, live=False)
    assert system.virtual_machine.value == "unnamed"
    assert system.operating_system.value == "Debian GNU/Linux 12 (bookworm)"
    assert system.wsl.value is False


def test_a_hybrid_laptop_counts_its_two_kinds_of_cores(tmp_path: Path) -> None:
    found = cpu.linux_cpu(tree("laptop-hybrid", tmp_path), live=False)
    assert found.model.value == "12th Gen Intel(R) Core(TM) i5-1240P"
    assert (found.physical_cores.value, found.logical_cores.value) == (4, 6)
    assert (found.performance_cores.value, found.efficiency_cores.value) == (2, 2)
    assert found.instruction_sets.value is not None
    assert "AVX-VNNI" in found.instruction_sets.value
    assert "AVX-512" not in found.instruction_sets.value
    assert found.last_level_cache_bytes.value == 12 << 20


def test_a_laptop_on_battery_in_a_saving_profile(tmp_path: Path) -> None:
    found = power.linux_power(tree("laptop-hybrid", tmp_path))
    assert found.on_battery.value is True
    assert found.battery_percent.value == 63.0
    assert found.low_power_mode.value is True
    assert found.governor.value == "powersave"


def test_a_mouse_with_a_battery_is_no_laptop(tmp_path: Path) -> None:
    folder = tree("laptop-hybrid", tmp_path) / "sys/class/power_supply/BAT0"
    for file in folder.iterdir():
        file.unlink()
    found = power.linux_power(tmp_path)
    assert found.on_battery.value is False
    assert found.battery_percent.value is None


def test_a_plugged_in_laptop_is_not_on_battery(tmp_path: Path) -> None:
    supplies = tree("laptop-hybrid", tmp_path) / "sys/class/power_supply"
    (supplies / "AC/online").write_text("1\n")
    (supplies / "BAT0/status").write_text("Not charging\n")
    assert power.linux_power(tmp_path).on_battery.value is False


def test_an_arm_board_is_named_by_its_parts(tmp_path: Path) -> None:
    found = cpu.linux_cpu(tree("raspberry-pi-5", tmp_path), live=False)
    assert found.model.value == "Raspberry Pi 5 Model B Rev 1.0 · 4 × Cortex-A76"
    assert found.instruction_sets.value == ("NEON", "FP16", "DOTPROD")
    assert found.logical_cores.value == 4


def test_big_and_little_arm_cores_are_told_apart_by_capacity(tmp_path: Path) -> None:
    found = cpu.linux_cpu(tree("big-little", tmp_path), live=False)
    assert found.model.value == "2 × Cortex-A55, 1 × Cortex-A76"
    assert (found.performance_cores.value, found.efficiency_cores.value) == (1, 2)
    assert found.performance_cores.confidence == "inferred"


def test_wsl_is_named_as_what_caps_the_memory(tmp_path: Path) -> None:
    root = tree("wsl2", tmp_path)
    system = host.linux_host(root, live=False)
    assert system.wsl.value is True
    assert system.kernel.value == "5.15.133.1-microsoft-standard-WSL2"
    found = captured_memory(root, wsl=True)
    assert found.limited_by.value == "WSL"
    assert found.total_bytes.value == 8024556 << 10
    assert found.swap_used_bytes.value == 48572 << 10


def test_a_containers_limit_counts_less_what_it_uses(tmp_path: Path) -> None:
    root = tree("container-cgroup2", tmp_path)
    found = captured_memory(root)
    assert found.total_bytes.value == 32768000 << 10
    assert found.limit_bytes.value == 4 * GIB
    assert found.limited_by.value == "cgroup"
    # 1.5 GiB in use, of which 0.75 GiB is page cache that can go.
    assert found.available_bytes.value == 4 * GIB - (1610612736 - 805306368)
    assert host.linux_host(root, live=False).container.value == "podman"
    usable = cpu.linux_cpu(root, live=False).usable_cores
    assert (usable.value, usable.source) == (1.5, "cgroup CPU quota")


def test_a_limit_further_up_the_tree_binds_too(tmp_path: Path) -> None:
    found = captured_memory(tree("slice-cgroup2", tmp_path))
    assert found.limit_bytes.value == 8 * GIB
    assert found.available_bytes.value == 7 * GIB
    assert cgroup.cpu_quota(tmp_path) is None


def test_version_1_inside_a_container_shows_its_own_group_at_the_mount(tmp_path: Path) -> None:
    root = tree("container-cgroup1", tmp_path)
    limit = cgroup.memory_limit(root)
    assert limit == cgroup.MemoryLimit(2 * GIB, GIB // 2)
    assert cgroup.cpu_quota(root) is None
    assert host.linux_host(root, live=False).container.value == "docker"


def test_the_largest_number_of_version_1_is_no_limit(tmp_path: Path) -> None:
    root = tree("cgroup1-unlimited", tmp_path)
    assert cgroup.memory_limit(root) is None
    assert captured_memory(root).limited_by.value == ""


def test_an_apus_two_kinds_of_memory_stay_apart(tmp_path: Path) -> None:
    [gpu] = drm.drm_gpus(tree("strix-halo", tmp_path)).gpus
    assert gpu.memory_total_bytes.value == 512 << 20
    assert gpu.memory_free_bytes.value == 536870912 - 477102080
    assert gpu.shared_memory_bytes.value == 133143986176
    assert gpu.unified.value is True
    assert gpu.name.value == "AMD GPU 1002:1586"


def test_a_card_with_chips_of_its_own_is_not_unified(tmp_path: Path) -> None:
    [gpu] = drm.drm_gpus(tree("radeon-rx570", tmp_path)).gpus
    assert gpu.memory_total_bytes.value == gpu.shared_memory_bytes.value == 4 * GIB
    assert gpu.unified.value is False


def test_intels_graphics_are_named_from_pci_ids(tmp_path: Path) -> None:
    [gpu] = drm.drm_gpus(tree("laptop-hybrid", tmp_path)).gpus
    assert gpu.name.value == "Intel Alder Lake-P GT2 [Iris Xe Graphics]"
    assert gpu.driver.value == "i915"
    assert gpu.unified.value is True
    assert gpu.memory_total_bytes.value is None


def test_an_nvidia_card_without_its_driver_is_a_problem(tmp_path: Path) -> None:
    root = tree("nouveau", tmp_path)
    found = drm.drm_gpus(root)
    assert found.gpus == ()
    assert found.problems == ("An NVIDIA GPU is there, but its driver is not (in use: nouveau)",)
    assert drm.drm_gpus(root, nvidia_known=True).problems == ()


def test_a_device_that_may_not_be_opened_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree("strix-halo", tmp_path)
    (root / "dev/dri").mkdir(parents=True)
    for node, mode in (("dev/kfd", 0o660), ("dev/dri/renderD128", 0o666)):
        (root / node).touch()
        (root / node).chmod(mode)
    # Root may open everything: say what the kernel would say to another user.
    monkeypatch.setattr("os.access", lambda path, _: Path(path).stat().st_mode & 0o6 == 0o6)
    found = drm.drm_gpus(root)
    assert found.gpus[0].usable_by.value == ("Vulkan",)
    assert found.problems == (
        "/dev/kfd may not be opened by this user: add it to the group render",
    )


def test_an_empty_tree_is_a_machine_of_which_nothing_is_known(tmp_path: Path) -> None:
    found = cpu.linux_cpu(tmp_path, live=False)
    assert found.model.value is None
    assert found.model.confidence is None
    assert drm.drm_gpus(tmp_path).gpus == ()
    assert power.linux_power(tmp_path).on_battery.value is False
    assert captured_memory(tmp_path).total_bytes.value is None


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0-3,8", (0, 1, 2, 3, 8)), ("5\n", (5,)), ("", ()), ("0,2-3", (0, 2, 3))],
)
def test_the_kernels_lists_of_cpus(text: str, numbers: tuple[int, ...]) -> None:
    assert cpu.parse_cpu_list(text) == numbers
