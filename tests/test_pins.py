"""The packages: each that is imported declared, each that is declared pinned, each pin hashed."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
PIN = re.compile(r"^([a-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)
# What is installed on Apple Silicon only, so that no metadata here says whose it is.
NOT_INSTALLED = {"jinja2": ["jinja2"], "mlx": ["mlx"], "mlx_lm": ["mlx-lm"]}
OURS = {"localai", "tests", "benchmarks", "docs", "manual"}
"""Folders of this project, and the module beside `docs/generate.py`."""
# They run in an environment of their own: tests/servers/requirements/mlx.txt.
ELSEWHERE = {
    REPOSITORY / "tests/servers/convert_mlx.py",
    REPOSITORY / "tests/support/mlx_families.py",
}
LOCKS = ("requirements.lock", "requirements-cloud.lock", "requirements-dev.lock")


def project() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def pins(lock: str) -> dict[str, set[str]]:
    """Versions by package; more than one where platforms differ."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall((REPOSITORY / lock).read_text()):
        found.setdefault(name, set()).add(version)
    return found


def wanted(*groups: str) -> list[Requirement]:
    table = project()
    optional = table["project"]["optional-dependencies"] | table["dependency-groups"]
    lines = table["project"]["dependencies"] + table["build-system"]["requires"]
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


def declared(lines: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


@cache
def _distributions() -> dict[str, list[str]]:
    """The distributions that a package comes from."""
    return {**NOT_INSTALLED, **packages_distributions()}


def imported(file: Path) -> Iterator[tuple[str, bool]]:
    """Distributions that `file` imports, each with whether that is when it is imported itself."""
    tree = ast.parse(file.read_text())
    at_once = {id(node) for node in tree.body}
    distributions = _distributions()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            package = name.partition(".")[0]
            if package not in sys.stdlib_module_names | OURS:
                [distribution] = set(distributions[package])
                yield canonicalize_name(distribution), id(node) in at_once


def test_what_the_program_imports_is_declared_and_what_is_declared_is_imported() -> None:
    table = project()["project"]
    always = declared(table["dependencies"])
    extras = declared(line for lines in table["optional-dependencies"].values() for line in lines)
    found: set[str] = set()
    for file in (REPOSITORY / "localai").rglob("*.py"):
        for distribution, at_once in imported(file):
            allowed = always if at_once else always | extras
            assert distribution in allowed, f"{file} imports {distribution}: declare it"
            found.add(distribution)
    assert always | extras == found, "declared, and imported nowhere"


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "docs"])
def test_what_tests_import_is_declared(folder: str) -> None:
    table = project()
    lists = [table["project"]["dependencies"], table["dependency-groups"]["dev"]]
    lists += table["project"]["optional-dependencies"].values()
    allowed = declared(line for lines in lists for line in lines)
    for file in (REPOSITORY / folder).rglob("*.py"):
        if file not in ELSEWHERE:
            for distribution, _ in imported(file):
                assert distribution in allowed, f"{file} imports {distribution}: declare it"
