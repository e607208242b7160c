"""The guide's provider, installed as a third party's and found by its entry point."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.support.command import REPOSITORY, RunLocalai

GUIDE = REPOSITORY / "docs" / "guides" / "write-a-provider.md"


def block(language: str) -> str:
    """The guide's first block of code in `language`."""
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder in which the guide's package is installed, as pip would leave it."""
    project = tomllib.loads(block("toml"))["project"]
    points = project["entry-points"]["localai.providers"]
    module = next(iter(points.values())).split(":")[0]
    folder = tmp_path / "site"
    metadata = folder / f"{module}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (folder / f"{module}.py").write_text(block("python"))
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [f"{name} = {target}" for name, target in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[localai.providers]", *lines, ""]))
    return folder


@pytest.fixture
def environment(site: Path) -> dict[str, str]:
    return {"PYTHONPATH": f"{site}:{REPOSITORY}"}


def test_it_answers(run_localai: RunLocalai, environment: dict[str, str]) -> None:
    command, shown = re.findall(r"\$ localai (chat .*)\n(.*)\n", block("console"))[0]
    asked = re.fullmatch(r'chat -m (\S+) "(.*)"', command)
    assert asked is not None
    ran = run_localai("chat", "-m", asked[1], asked[2], env=environment)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.decode().strip() == shown


def test_its_document_keeps_the_promise(
    run_localai: RunLocalai, environment: dict[str, str]
) -> None:
    ran = run_localai("chat", "-m", "parrot/grey", "--json", "one two", env=environment)
    document = json.loads(ran.stdout)
    assert (document["provider"], document["model"], document["zone"]) == (
        "parrot",
        "grey",
        "device",
    )
    assert document["usage"]["input_tokens"] == 2


def test_its_own_errors_reach_the_user(
    run_localai: RunLocalai, environment: dict[str, str]
) -> None:
    ran = run_localai("chat", "-m", "parrot/ara", "hello", env=environment)
    assert ran.returncode == 3
    assert b"there is no parrot 'ara'" in ran.stderr


def test_without_the_package_the_name_is_no_provider(run_localai: RunLocalai) -> None:
    ran = run_localai("chat", "-m", "parrot/grey", "hello")
    assert ran.returncode == 3
