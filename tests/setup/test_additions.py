"""What was added to an environment by hand, when a bundle makes the next one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import REPOSITORY

SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
NEW_SITE = """
import sys, sysconfig
from pathlib import Path
from localai.setup import additions
sysconfig.get_path = lambda _: sys.argv[2]
additions.main()
"""


def package(site: Path, name: str, *, record: bool = True) -> None:
    about = site / f"{name}-1.5.dist-info"
    about.mkdir(parents=True)
    (site / f"{name}.py").write_text(f"# {name}\n")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    if record:
        files = (
            f"{name}.py",
            f"{about.name}/METADATA",
            f"{about.name}/RECORD",
            f"../../../bin/{name}",
        )
        (about / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def carried(old: Path, new: Path) -> list[str]:
    """What is said of additions that go from the environment `old` to `new`."""
    ran = subprocess.run(
        [sys.executable, "-c", NEW_SITE, old, new / SITE],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An environment that was made with `pinned`, to which `My_Added` came later."""
    folder = tmp_path / "old"
    for name in ("localai", "pip", "pinned", "My_Added"):
        package(folder / SITE, name)
    (folder / ".localai-packages").write_text("pinned==1.5\n")
    (folder / ".localai-installed").write_text("requirements.lock\n")
    return folder


def test_what_was_added_is_in_the_next_environment(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    package(new / SITE, "pinned")
    assert carried(old, new) == ["Kept as well: my-added, which was added here."]
    assert (new / SITE / "My_Added.py").read_text() == "# My_Added\n"
    assert (new / SITE / "My_Added-1.5.dist-info" / "RECORD").exists()
    assert not (new / SITE / "localai.py").exists()
    assert not (new / "bin").exists(), "only what lies among the packages"
    assert carried(old, new) == []


def test_the_clients_of_clouds_are_kept_as_an_upgrade_keeps_them(old: Path, tmp_path: Path) -> None:
    package(old / SITE, "openai")
    (old / ".localai-packages").write_text("pinned==1.5\nopenai==1.5\n")
    (old / ".localai-installed").write_text("requirements-cloud.lock\n")
    new = tmp_path / "new"
    package(new / SITE, "pinned")
    assert carried(old, new) == ["Kept as well: my-added, openai, which was added here."]


def test_what_cannot_be_copied_is_named(old: Path, tmp_path: Path) -> None:
    package(old / SITE, "without_files", record=False)
    package(old / "lib" / "python3.9" / "site-packages", "another_python")
    (tmp_path / "new" / SITE).mkdir(parents=True)
    kept, left = carried(old, tmp_path / "new")
    assert kept == "Kept as well: my-added, which was added here."
    assert left == ("Added here, and not kept without a network: another-python, without-files")
