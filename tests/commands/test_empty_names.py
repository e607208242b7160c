"""Whoever names nothing deletes nothing: `localai history rm "$id"` where the variable is empty.

Of each kind there is one thing only, so whatever matched all of them would be sure which is meant.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.database import Database
from localai.paths import Paths, locate
from localai.types import Message
from tests.campaigns.parsers_of_texts import BENCH
from tests.support.command import RunLocalai

Run = Callable[..., subprocess.CompletedProcess[bytes]]

_NAMES = {"empty": "", "blank": " \t\n", "no-break": "\u00a0\u200b", "wild": "%", "star": "*"}
_COMMANDS = (
    ("history", "rm", "--yes"),
    ("history", "rename", None, "another"),
    ("bench", "rm", "--yes"),
    ("template", "rm", "--yes"),
    ("rm", "--yes"),
    ("config", "unset"),
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Paths:
    """One conversation, one benchmark, one template, one model, one setting."""
    home = tmp_path_factory.mktemp("home")
    made = locate({"LOCALAI_HOME": str(home)})
    made.config_file.write_text('model = "starter"\n')
    (home / "templates").mkdir()
    (home / "templates" / "mine.toml").write_text('prompt = "Say $input"\n')
    models = made.data_dir / "models"
    models.mkdir(parents=True)
    (models / "mine.gguf").symlink_to(smollm2_path)
    database = Database(made.database)
    conversation = database.create_conversation()
    database.add_message(conversation, None, Message("user", "Hi."), finish_reason="stop")
    database.set_title(conversation, "kept")
    database.close()
    return made


@pytest.fixture
def run(run_localai: RunLocalai, paths: Paths, tmp_path: Path) -> Run:
    home = {"LOCALAI_HOME": str(paths.data_dir.parent)}

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        return run_localai(*arguments, env=home, cwd=tmp_path)

    measured = tmp_path / "measured.json"
    measured.write_text(json.dumps([BENCH]))
    if not Database(paths.database).bench_runs():
        run("bench", "import", measured)
    return run


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("command", _COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_a_name_that_says_nothing_names_nothing(
    run: Run, paths: Paths, command: tuple[str | None, ...], name: str
) -> None:
    words = [_NAMES[name] if word is None else word for word in command]
    result = run(*words, *([] if None in command else ["--", _NAMES[name]]))
    assert result.returncode in (2, 3), result.stdout
    assert result.stderr
    _check_all_there(paths)


def _check_all_there(paths: Paths) -> None:
    database = Database(paths.database)
    [conversation] = database.conversation_ids()
    assert database.title(conversation) == "kept"
    assert len(database.bench_runs()) == 1
    database.close()
    assert paths.config_file.read_text() == 'model = "starter"\n'
    home = paths.data_dir.parent
    assert (home / "templates" / "mine.toml").exists()
    assert (home / "data" / "models" / "mine.gguf").exists()
