"""`localai doctor` as its user types it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

import localai
from localai.doctor.checks import all_checks
from localai.output.documents.doctor import Doctor, DoctorChecks
from tests.support.clock import within
from tests.support.command import RunLocalai
from tests.support.mlx import write_safetensors
from tests.support.processes import free_port
from tests.support.promise import checked


def test_it_shows_a_state_for_each_group_and_counts(run_localai: RunLocalai) -> None:
    result = run_localai("doctor")
    # What is really wrong with the machine that runs the tests is no fault of theirs.
    assert result.returncode in (0, 8), result.stdout + result.stderr
    lines = result.stdout.decode().splitlines()
    groups = [line.split()[1] for line in lines[:9]]
    assert groups == [
        *("gpu", "server", "models", "memory", "disk", "network", "privacy", "security"),
        "localai",
    ]
    assert re.match(r"\d+ checks: ", lines[-1])
    assert result.stderr == b""


def test_folders_of_mlx_count_among_the_models(run_localai: RunLocalai, localai_home: Path) -> None:
    folder = localai_home / "data" / "models" / "of-mlx"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer.json").write_text("{}")
    write_safetensors(folder / "model.safetensors", {"model.norm.weight": ([512], b"\0" * 1024)})
    line = run_localai("doctor", "models").stdout.decode().splitlines()[0]
    assert re.search(r"models +1 model, 1\.\d kB", line), line


def test_a_group_and_a_code_narrow_it(run_localai: RunLocalai) -> None:
    disk = checked(Doctor, run_localai("doctor", "disk", "--json").stdout)
    assert disk["checks_run"] == sum(each.group == "disk" for each in all_checks())
    one = checked(Doctor, run_localai("doctor", "disk-full", "inodes-out", "--json").stdout)
    assert one["checks_run"] == 2
    text = run_localai("doctor", "disk").stdout.decode()
    assert text.partition("] ")[2].startswith("disk ")
    assert "gpu" not in text


@pytest.mark.parametrize(
    "words", [["disk-ful"], ["explain", "disk-ful"], ["explain"], ["disk", "x"]]
)
def test_a_name_that_is_no_check_is_refused(words: list[str], run_localai: RunLocalai) -> None:
    result = run_localai("doctor", *words)
    assert result.returncode == 2
    assert result.stdout == b""
    assert b"localai doctor --list" in result.stderr
    if "disk-ful" in words:
        assert b"disk-full" in result.stderr


def test_an_impossible_severity_is_refused(run_localai: RunLocalai) -> None:
    assert run_localai("doctor", "--fail-on", "never").returncode == 2


def test_explain_says_what_a_check_is_about(run_localai: RunLocalai) -> None:
    text = run_localai("doctor", "explain", "ollama-not-running").stdout.decode()
    assert text.startswith("ollama-not-running  server, failure\n")
    assert "      ollama serve\n" in text
    assert "reported when: its program is here" in text
    document = run_localai("doctor", "explain", "ollama-not-running", "--json").stdout
    only = checked(DoctorChecks, document)["known_checks"]
    assert [each["code"] for each in only] == ["ollama-not-running"]


def test_the_list_has_every_check(run_localai: RunLocalai) -> None:
    lines = run_localai("doctor", "--list").stdout.decode().splitlines()
    assert lines[0].split("\t") == ["code", "severity", "group", "what"]
    assert [line.split("\t")[0] for line in lines[1:]] == [each.code for each in all_checks()]


def test_a_configuration_that_stops_every_other_command_is_a_finding_here(
    run_localai: RunLocalai, localai_home: Path
) -> None:
    (localai_home / "config.toml").write_text("[engine]\nthreads = 'many'\n")
    assert run_localai("list").returncode == 2
    result = run_localai("doctor", "localai")
    assert result.returncode == 8
    text = result.stdout.decode()
    assert "[✗] The configuration cannot be read" in text
    assert "      localai config unset engine.threads\n" in text


def test_a_warning_ends_with_8_only_where_that_is_asked(run_localai: RunLocalai) -> None:
    environment = {"LOCALAI_MODLE": "qwen3"}
    assert run_localai("doctor", "localai", env=environment).returncode == 0
    result = run_localai("doctor", "localai", "--fail-on", "warn", env=environment)
    assert result.returncode == 8
    assert "LOCALAI_MODEL?" in result.stdout.decode()


def test_every_line_of_localai_s_in_a_fix_can_be_run_as_it_stands() -> None:
    from localai.commands.table import COMMANDS
    from localai.doctor.diagnose import diagnose
    from tests.doctor.exhibits import CASES, case_of, snapshot

    names = {row.name for row in COMMANDS}
    count = 0
    for code in CASES:
        found = diagnose(snapshot(case_of(code).facts), all_checks())
        for finding in (*found.findings, *found.explained):
            for line in (*finding.fix.lines, finding.fix.undo or ""):
                if line.startswith("localai "):
                    count += 1
                    assert shlex.split(line)[1] in names, line
                assert not re.search(r"…|\b(FILE|DIR|NAME|MODEL|FOLDER)\b", line), line
    assert count > 20


@pytest.mark.real_process
@pytest.mark.clock
def test_it_takes_less_than_two_seconds(run_localai: RunLocalai) -> None:
    run_localai("doctor")
    with within(2):
        result = run_localai("doctor", "--json")
    assert json.loads(result.stdout)["schema"] == "localai.doctor/1"


def test_a_command_that_fails_names_the_check_that_finds_out_why(
    run_localai: RunLocalai,
) -> None:
    from localai.doctor.selection import codes_of

    host = {"OLLAMA_HOST": f"127.0.0.1:{free_port()}"}
    result = run_localai("chat", "-m", "ollama/qwen3", "hello", env=host)
    assert result.returncode == 5
    assert b"why: localai doctor server\n" in result.stderr
    failed = json.loads(run_localai("chat", "-m", "ollama/qwen3", "x", "--json", env=host).stdout)
    assert failed["error"]["check"] == "server"
    named = re.findall(r'(?:check=|"check": )"([a-z-]+)( --online)?"', _sources())
    assert len(named) > 20
    assert codes_of([code for code, _ in named])


def _sources() -> str:
    package = Path(localai.__file__).parent
    return "".join(file.read_text() for file in package.rglob("*.py"))
