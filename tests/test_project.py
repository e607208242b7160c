"""What the project says of itself: one version, a dated changelog, pages that name real files."""

from __future__ import annotations

import re
import subprocess
import tomllib
from datetime import date
from pathlib import Path

import pytest

from localai import __version__
from tests.campaigns import mutations

REPOSITORY = Path(__file__).parents[1]
PAGES = (
    "README.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    ".github/PULL_REQUEST_TEMPLATE.md",
    "docs/releasing.md",
    "docs/guides/write-a-provider.md",
    "docs/concepts/architecture.md",
)
# `tests/chat/`, `.ci/run`, `localai/errors.py`: what looks like a path of this tree.
PATH = re.compile(r"`((?:\.?/)?(?:localai|tests|docs|benchmarks|\.ci|\.github)/[\w./-]*)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
HEADING = re.compile(r"^## (?:Unreleased: (?P<next>\S+)|(?P<version>\S+), (?P<date>\S+))$")


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "localai/__init__.py"
    plan = [str(REPOSITORY / "install.sh"), "--dry-run"]
    shown = subprocess.run(plan, capture_output=True, text=True, check=True).stdout
    assert shown.startswith(f"localai {__version__}, ")


def test_the_changelog_begins_with_this_version_and_dates_the_others() -> None:
    lines = (REPOSITORY / "CHANGELOG.md").read_text().splitlines()
    headings = [HEADING.match(line) for line in lines if line.startswith("## ")]
    assert all(headings), "a heading is `## Unreleased: VERSION` or `## VERSION, YYYY-MM-DD`"
    first, *others = [heading for heading in headings if heading is not None]
    assert __version__ in (first["next"], first["version"])
    assert not any(heading["next"] for heading in others)
    dates = [date.fromisoformat(each["date"]) for each in (first, *others) if each["date"]]
    assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    text = (REPOSITORY / page).read_text()
    named = [REPOSITORY / path.removeprefix("./") for path in PATH.findall(text)]
    named += [(REPOSITORY / page).parent / path for path in LINK.findall(text)]
    missing = [path for path in named if not path.exists() and "NAME" not in path.name]
    assert missing == []


def test_the_picture_of_the_layers_has_what_the_contract_has() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    page = (REPOSITORY / "docs/concepts/architecture.md").read_text()
    picture = page.partition("Imports point downwards")[0]
    drawn = re.findall(r"\w+", picture)
    assert [each for layer in layers for each in layer.split(" | ") if each not in drawn] == []


# `engine/lifecycle.acquire`, `batch/input.py`, `Batch.run`, `make_ready`: code of the package.
CODE = re.compile(r"`((?!localai/|tests/)[a-z_]+/[\w/]*(?:\.\w+)?|\w*[_A-Z]\w*(?:\.\w+)?)`")


def test_the_walks_name_what_is_in_the_code() -> None:
    package = REPOSITORY / "localai"
    text = re.sub(r"```.*?```", "", (REPOSITORY / "docs/concepts/architecture.md").read_text())
    sources = {path.with_suffix(""): path.read_text() for path in package.rglob("*.py")}

    def is_there(span: str) -> bool:
        if "/" not in span and not span.endswith(".py"):
            name = span.rpartition(".")[2]
            return any(_defines(source, name) for source in sources.values())
        where, _, name = span.partition(".")
        source = sources.get(package / where)
        return (package / span).exists() or (
            source is not None and (not name or _defines(source, name))
        )

    spans = CODE.findall(text)
    assert len(spans) > 100
    assert [span for span in spans if not is_there(span)] == []


def _defines(source: str, name: str) -> bool:
    return re.search(rf"^\s*(?:def|class) {name}\b|^\s*{name}\b.*=", source, re.M) is not None


def test_every_harmful_change_still_fits_the_code() -> None:
    changes = mutations.by_hand()
    assert len({change.name for change in changes}) == len(changes) > 40
    named = {test.partition("::")[0] for change in changes for test in change.tests}
    assert [test for test in sorted(named) if not (REPOSITORY / test).exists()] == []
