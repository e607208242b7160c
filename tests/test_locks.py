"""The pinned packages: in step with pyproject.toml, hashed, and from nowhere in particular."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PIN = re.compile(r"^([a-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)
LOCKS = ("requirements.lock", "requirements-cloud.lock", "requirements-dev.lock")


def pins(lock: str) -> dict[str, set[str]]:
    """Versions by package; more than one where platforms differ."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall((REPOSITORY / lock).read_text()):
        found.setdefault(name, set()).add(version)
    return found


def wanted(*groups: str) -> list[Requirement]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    optional = project["project"]["optional-dependencies"] | project["dependency-groups"]
    lines = project["project"]["dependencies"] + project["build-system"]["requires"]
    lines += [line for group in groups for line in optional[group]]
    requirements = [Requirement(line) for line in lines]
    return [requirement for requirement in requirements if requirement.name != "localai"]


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        ("requirements.lock", ("nvidia",)),
        ("requirements-cloud.lock", ("nvidia", "cloud")),
        ("requirements-dev.lock", ("nvidia", "cloud", "dev")),
    ],
)
def test_every_requirement_is_pinned_to_a_version_it_allows(
    lock: str, groups: tuple[str, ...]
) -> None:
    pinned = pins(lock)
    for requirement in wanted(*groups):
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not in {lock}: run .ci/lock"
        for version in versions:
            assert version in requirement.specifier, f"{requirement} is {version}: run .ci/lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes_and_no_address(lock: str) -> None:
    text = (REPOSITORY / lock).read_text()
    assert "://" not in text
    for entry in re.split(r"\n(?=\S)", text):
        assert entry.startswith("#") or "--hash=sha256:" in entry, entry


def test_users_get_the_versions_that_were_tested() -> None:
    tested = pins("requirements-dev.lock")
    for lock in LOCKS:
        assert {name: tested[name] for name in pins(lock)} == pins(lock)
