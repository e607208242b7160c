"""`localai template`: see, make and change templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.chat.templates import BUNDLED, read_template
from tests.support.command import RunLocalai


def test_the_list_has_the_bundled_ones_and_ones_own(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    (localai_home / "templates").mkdir()
    (localai_home / "templates" / "mine.md").write_text("$what $input")
    found = json.loads(run_localai("template", "list", "--json").stdout)["templates"]
    assert [each["name"] for each in found if each["bundled"]] == sorted(
        file.stem for file in BUNDLED.iterdir()
    )
    mine = next(each for each in found if each["name"] == "mine")
    assert (mine["bundled"], mine["variables"]) == (False, [{"name": "what", "default": None}])
    assert b"mine\t" in run_localai("template", "list").stdout


def test_show_prints_the_file(run_localai: RunLocalai) -> None:
    shown = run_localai("template", "show", "review").stdout
    assert shown == (BUNDLED / "review.md").read_bytes()


def test_a_new_one_works_at_once(localai_home: Path, run_localai: RunLocalai) -> None:
    made = run_localai("template", "new", "mine")
    assert made.returncode == 0, made.stderr
    file = Path(made.stdout.decode().strip())
    assert file == localai_home / "templates" / "mine.md"
    assert file.stat().st_mode & 0o777 == 0o600
    assert run_localai("template", "show", "mine").stdout == file.read_bytes()
    again = run_localai("template", "new", "mine")
    assert again.returncode == 2
    assert b"localai template edit mine" in again.stderr


def test_a_new_one_can_begin_as_a_copy(run_localai: RunLocalai) -> None:
    made = run_localai("template", "new", "mine", "--from", "commit")
    assert Path(made.stdout.decode().strip()).read_text() == (BUNDLED / "commit.md").read_text()


def test_to_change_a_bundled_one_makes_a_copy(localai_home: Path, run_localai: RunLocalai) -> None:
    before = (BUNDLED / "translate.md").read_bytes()
    editor = {"EDITOR": "sed -i s/English/German/", "VISUAL": None}
    result = run_localai("template", "edit", "translate", env=editor)
    assert result.returncode == 0, result.stderr
    assert b"the copy" in result.stderr
    assert "German" in (localai_home / "templates" / "translate.md").read_text()
    assert (BUNDLED / "translate.md").read_bytes() == before


def test_ones_own_is_removed_and_the_bundled_one_holds_again(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    own = localai_home / "templates" / "review.md"
    own.parent.mkdir()
    own.write_text("mine: $input")
    unasked = run_localai("template", "rm", "review")
    assert (unasked.returncode, own.exists()) == (2, True)
    assert b"localai template rm --yes review" in unasked.stderr
    removed = run_localai("template", "rm", "review", "--yes", "--json")
    assert json.loads(removed.stdout)["file"] == str(own)
    assert not own.exists()
    assert run_localai("template", "show", "review").returncode == 0
    assert run_localai("template", "rm", "review", "--yes").returncode == 2
    assert (BUNDLED / "review.md").exists()


def test_a_command_line_is_saved_as_a_template(localai_home: Path, run_localai: RunLocalai) -> None:
    line = ("-s", "Be brief.", "--temperature", "0", "--schema", "a:str", "Say in $to: $input")
    saved = run_localai("chat", "--save", "short", *line)
    assert saved.stdout.decode().strip() == str(localai_home / "templates" / "short.md")
    template = read_template(localai_home / "templates" / "short.md")
    assert (template.system, template.schema, template.names) == ("Be brief.", "a:str", ["to"])
    assert (template.options.temperature, template.wants_input) == (0.0, True)
    assert b"template edit short" in run_localai("chat", "--save", "short", "x").stderr
    refused = run_localai("chat", "--save", "other", "--think", "high", "x")
    assert refused.returncode == 2
    assert [file.name for file in (localai_home / "templates").iterdir()] == ["short.md"]


def test_to_change_nothing_makes_no_copy(localai_home: Path, run_localai: RunLocalai) -> None:
    result = run_localai("template", "edit", "translate", env={"EDITOR": "true", "VISUAL": None})
    assert result.returncode == 0
    assert not (localai_home / "templates").exists()


def test_what_was_written_is_kept_though_it_is_wrong(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    editor = {"EDITOR": "sed -i s/description/descripton/", "VISUAL": None}
    result = run_localai("template", "edit", "review", env=editor)
    assert result.returncode == 2
    assert b"no key 'descripton'" in result.stderr
    assert "descripton" in (localai_home / "templates" / "review.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("show", "none"), 3), (("edit", "none"), 3), (("new", "A/B"), 2), (("list", "x"), 2)],
)
def test_bad_input_has_its_exit_code(
    run_localai: RunLocalai, arguments: tuple[str, ...], code: int
) -> None:
    assert run_localai("template", *arguments).returncode == code
