"""`localai doctor --fix`: what is localai's own is mended, shown before, looked at after."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.doctor.check import Fix
from localai.doctor.checks import all_checks
from localai.doctor.diagnose import diagnose
from localai.doctor.mending import mendings_of
from localai.paths import locate
from tests.doctor.exhibits import CASES, case_of, snapshot
from tests.support.command import RunLocalai
from tests.support.terminal import Terminal


def test_a_setting_is_shown_as_a_difference_taken_back_and_looked_at_again(
    run_localai: RunLocalai, localai_home: Path
) -> None:
    file = localai_home / "config.toml"
    file.write_text("# mine\n[engine]\nthreads = 1024\nslots = 2\n")
    result = run_localai("doctor", "too-many-threads", "--fix", "--yes")
    text = result.stdout.decode()
    assert result.returncode == 0, text
    assert "  localai config unset engine.threads\n" in text
    assert "    -threads = 1024\n" in text
    assert text.endswith("too-many-threads: gone\n")
    assert file.read_text() == "# mine\n[engine]\nslots = 2\n"


def test_a_damaged_database_is_put_aside_and_not_removed(
    run_localai: RunLocalai, localai_home: Path
) -> None:
    database = localai_home / "data" / "localai.db"
    database.parent.mkdir(mode=0o700)
    database.write_bytes(b"no database at all " * 100)
    database.chmod(0o600)
    assert run_localai("doctor", "localai").returncode == 8
    result = run_localai("doctor", "localai", "--fix", "--yes")
    assert result.returncode == 0, result.stdout
    assert b"database-damaged: gone" in result.stdout
    assert not database.exists()
    assert database.with_name("localai.db.damaged").read_bytes().startswith(b"no database")


def test_files_that_others_may_read_are_closed(run_localai: RunLocalai, localai_home: Path) -> None:
    database = localai_home / "data" / "localai.db"
    database.parent.mkdir(mode=0o700)
    with sqlite3.connect(database) as opened:
        opened.execute("PRAGMA user_version = 0")
    database.chmod(0o664)
    result = run_localai("doctor", "privacy", "--fix", "--yes")
    assert f"{database}: 0664 → 0600" in result.stdout.decode()
    assert database.stat().st_mode & 0o777 == 0o600


def test_nobody_to_ask_is_an_error_and_changes_nothing(
    run_localai: RunLocalai, localai_home: Path
) -> None:
    file = localai_home / "config.toml"
    file.write_text("[engine]\nthreads = 1024\n")
    result = run_localai("doctor", "too-many-threads", "--fix")
    assert result.returncode == 2
    assert b"localai doctor --fix --yes" in result.stderr
    assert file.read_text() == "[engine]\nthreads = 1024\n"


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".local/share/bash-completion/completions/localai"),
        ("zsh", ".zfunc/_localai"),
        ("fish", ".config/fish/completions/localai.fish"),
    ],
)
def test_a_completion_script_is_stale_only_where_this_version_prints_another(
    shell: str, place: str, run_localai: RunLocalai, localai_home: Path, tmp_path: Path
) -> None:
    script, env = run_localai("completion", shell).stdout, {"HOME": str(tmp_path)}
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_bytes(script)
    assert run_localai("doctor", "completion-stale", env=env).returncode == 0
    file.write_bytes(b"# another version\n" + script)
    stale = run_localai("doctor", "completion-stale", "--fix", "--yes", env=env)
    assert b"completion script is another version's" in stale.stdout, stale
    assert file.read_bytes() == script


def test_where_nothing_is_localai_s_own_nothing_is_changed(run_localai: RunLocalai) -> None:
    result = run_localai("doctor", "localai", "--fix", "--yes", env={"LOCALAI_MODLE": "x"})
    assert b"nothing was changed" in result.stderr


@pytest.mark.parametrize("words", [["--fix", "--json"], ["--yes"], ["--fix", "--facts", "x"]])
def test_what_does_not_go_together_is_refused(words: list[str], run_localai: RunLocalai) -> None:
    assert run_localai("doctor", *words).returncode == 2


def test_only_files_of_localai_s_own_are_touched(localai_home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("not ours")
    for line in (f"chmod go-rwx {other}", f"mv {other} {other}.damaged", f"rm {other}"):
        assert mendings_of(Fix((line,), "ours"), locate()) == []
    inside = localai_home / "data"
    inside.mkdir()
    (inside / "link").symlink_to(other)
    assert mendings_of(Fix((f"chmod go-rwx {inside / 'link'}",), "ours"), locate()) == []


def test_no_file_takes_the_place_of_another(localai_home: Path) -> None:
    folder = localai_home / "data"
    folder.mkdir()
    database, aside = folder / "localai.db", folder / "localai.db.damaged"
    database.write_text("damaged now")
    fix = Fix((f"mv {database} {aside}",), "ours")
    assert len(mendings_of(fix, locate())) == 1
    aside.write_text("damaged before")
    assert mendings_of(fix, locate()) == []


def test_what_is_the_user_s_or_root_s_is_never_run(localai_home: Path) -> None:
    for safety in ("user", "root", "manual"):
        fix = Fix(("localai config unset model",), safety)
        assert mendings_of(fix, locate()) == []


def test_every_fix_that_is_ours_has_lines_that_are_known(localai_home: Path) -> None:
    known = ("localai config unset ", "localai config set ", "localai stop --all")
    shapes = (*known, "localai completion ", "chmod go-rwx ", "mv ")
    count = 0
    for code in CASES:
        for finding in diagnose(snapshot(case_of(code).facts), all_checks()).findings:
            if finding.fix.safety == "ours":
                count += 1
                assert all(line.startswith(shapes) for line in finding.fix.lines), finding.fix
    assert count >= 6


def test_a_person_is_asked_and_no_leaves_it(
    localai_home: Path, pty: Callable[..., Terminal]
) -> None:
    file = localai_home / "config.toml"
    file.write_text("[engine]\nthreads = 1024\n")
    terminal = pty("doctor", "too-many-threads", "--fix")
    terminal.wait_for("Do it? [y/N]")
    terminal.send("n\r")
    terminal.wait_for("nothing was changed")
    assert terminal.wait_exit() == 0
    assert file.read_text() == "[engine]\nthreads = 1024\n"
