"""`localai compare` in a folder with a suite, asked of the cast."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from localai.output.documents.compare import Comparison
from tests.support.command import COMMAND, RunLocalai, merged
from tests.support.promise import checked

TWO = ("-m", "cast/good", "-m", "cast/bad")


class Suites:
    """The command in a folder of its own, with the cast installed and what it was asked kept."""

    def __init__(
        self, run: RunLocalai, folder: Path, environment: Mapping[str, str], cast: Mapping[str, str]
    ) -> None:
        self._run = run
        self.folder = folder
        self.log = folder / "log"
        self._env = {**cast, "CAST_LOG": str(self.log)}
        self.environment = merged(environment, self._env)

    def write(self, *cases: dict[str, Any], head: str = "", name: str = "suite.toml") -> None:
        """A suite with these cases."""
        lines = "".join(json.dumps(each) + "\n" for each in cases)
        (self.folder / "cases.jsonl").write_text(lines)
        (self.folder / name).write_text(f'cases = "cases.jsonl"\n{head}')

    def numbers(self, count: int, head: str = "") -> None:
        """A suite of sums."""
        self.write(
            *(
                {"id": f"sum-{n}", "prompt": f"1 + {n}? [{1 + n}]", "expect": {"number": 1 + n}}
                for n in range(count)
            ),
            head=head,
        )

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """`localai compare --suite suite.toml ARGUMENTS`."""
        return self.compare("--suite", "suite.toml", *arguments, **options)

    def compare(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """`localai compare ARGUMENTS`."""
        return self._run("compare", *arguments, env=self._env, cwd=self.folder, **options)

    def document(self, *arguments: str, code: int = 0) -> Comparison:
        """What `--json` prints, which keeps the promise."""
        result = self.run(*arguments, "--json")
        assert result.returncode == code, result.stderr
        return checked(Comparison, result.stdout)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run, and do not wait."""
        return subprocess.Popen(
            [*COMMAND, "compare", "--suite", "suite.toml", *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def asked(self) -> list[str]:
        """Model and first line of each question, and forget it."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines

    def read(self, name: str) -> str:
        """A file that the command wrote."""
        return (self.folder / name).read_text()


@pytest.fixture
def suites(
    run_localai: RunLocalai,
    tmp_path: Path,
    command_environment: dict[str, str],
    cast_environment: dict[str, str],
) -> Suites:
    folder = tmp_path / "suites"
    folder.mkdir()
    return Suites(run_localai, folder, command_environment, cast_environment)
