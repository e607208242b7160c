"""What a report says, and what it never does."""

from __future__ import annotations

import getpass
import json
import platform
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.doctor.checks import all_checks
from localai.doctor.diagnose import diagnose
from localai.doctor.facts_json import snapshot_from_json, snapshot_to_json
from localai.doctor.redaction import Private, private_names, redact, redact_text
from localai.doctor.report import write_report
from localai.errors import InvalidInput
from localai.output.documents.doctor import Doctor
from tests.doctor.exhibits import CASES, MACHINES, case_of, machine_facts, snapshot
from tests.support.command import RunLocalai
from tests.support.processes import free_port
from tests.support.promise import checked
from tests.support.terminal import Terminal

_SECRET = "hunter2-planted-correct-horse"
_KEYS = (
    "sk-planted0123456789abcdef0123",
    "hf_plantedABCDEFGHIJKLMNOPQRST",
    "ghp_plantedABCDEFGHIJKLMNOPQRS",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJl",
)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("/home/jane/models/x.gguf", "/home/USER/models/x.gguf"),
        ("/Users/jane/x", "/Users/USER/x"),
        ("http://jane:pass@proxy:3128/", "http://proxy:3128/"),
        ("listens at 192.168.1.20:11434", "listens at ADDRESS:11434"),
        ("listens at 127.0.0.1:11434", "listens at 127.0.0.1:11434"),
        ("0.0.0.0 and ::1", "0.0.0.0 and ::1"),
        ("fe80::1cd2:33ff:fe44:5566 port 1", "ADDRESS port 1"),
        ("GPU-3f2b8c1a-1111-2222-3333-444455556666 is hidden", "SERIAL is hidden"),
        ("ask jane.doe@example.org", "ask MAIL"),
        ("00:1a:2b:3c:4d:5e", "MAC"),
        ("kernel 6.8.0-45-generic", "kernel 6.8.0-45-generic"),
        ("driver 580.105.08", "driver 580.105.08"),
        *((f"key {key}.", "key KEY.") for key in _KEYS[:3]),
        (f"key {_KEYS[3]} end", "key KEY end"),
    ],
)
def test_texts_are_redacted_by_pattern(text: str, redacted: str) -> None:
    assert redact_text(text, Private()) == redacted


def test_what_the_facts_name_is_redacted_by_name() -> None:
    facts = snapshot(machine_facts("linux"))
    private = private_names(
        facts, user="jane", host="janes-desk.corp.example", home="/srv/jane", full_name="Jane Doe"
    )
    said = "jane (Jane Doe) at janes-desk: /srv/jane/x, not janet; root stays"
    assert redact_text(said, private) == "USER (NAME) at HOST: HOME/x, not janet; root stays"


def test_hidden_models_have_the_same_name_everywhere() -> None:
    facts = snapshot(case_of("ollama-layers-on-cpu").facts)
    private = private_names(facts, user="", host="", home="", full_name="", hide_models=True)
    text = json.dumps(redact(snapshot_to_json(facts), private))
    assert "qwen3" not in text
    assert "model-" in text


def test_a_report_whose_facts_lack_a_field_names_it() -> None:
    document = {"schema": "localai.doctor.facts/1", "missing": [{"reason": "no rights"}]}
    with pytest.raises(InvalidInput, match=r"facts\.json: missing has no 'subject'"):
        snapshot_from_json(document, "facts.json")


@pytest.mark.parametrize("code", [*CASES])
def test_a_replayed_report_finds_what_the_machine_showed(code: str) -> None:
    case = case_of(code)
    facts = snapshot(case.facts)
    private = private_names(facts, user="jane", host="desk", home="/home/jane", full_name="")
    document = json.loads(json.dumps(redact(snapshot_to_json(facts), private)))
    found = diagnose(snapshot_from_json(document, "x"), all_checks())
    assert {each.code for each in found.findings} == case.fires
    assert {each.code for each in found.explained} == case.explains


@pytest.mark.parametrize("name", MACHINES)
def test_facts_come_back_as_they_were(name: str) -> None:
    facts = snapshot(machine_facts(name))
    assert snapshot_from_json(json.loads(json.dumps(snapshot_to_json(facts))), "x") == facts


def test_nothing_planted_reaches_a_report(
    run_localai: RunLocalai, localai_home: Path, tmp_path: Path
) -> None:
    user_home = tmp_path / "user"
    (localai_home / "config.toml").write_text(
        f'[endpoint.farm]\nurl = "http://planted-host.corp.example:{free_port()}/v1"\n'
        f'key_env = "FARM_KEY"\n[endpoint.farm.headers]\nAuthorization = "Bearer {_SECRET}"\n'
        '[network]\nlan = ["planted-host.corp.example"]\nusers = ["planted-colleague"]\n'
    )
    (user_home / ".bash_history").write_text(
        f"export OPENAI_API_KEY={_KEYS[0]}\ncurl -u me:{_SECRET} https://x\n"
    )
    models = localai_home / "data" / "models" / "planted-person"
    models.mkdir(parents=True)
    (models / "planted-model.gguf").write_bytes(f"GGUF {_SECRET}".encode())
    log = user_home / ".ollama" / "logs" / "server.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"dropping integrated GPU token={_KEYS[1]} path=/home/planted-person/x\n")
    environment = {
        "OPENAI_API_KEY": _KEYS[0],
        "OLLAMA_API_KEY": _SECRET,
        "OLLAMA_MODELS": "/home/planted-person/models",
        "OLLAMA_ORIGINS": f"http://x?token={_SECRET}",
        "OLLAMA_SOMETHING": _KEYS[2],
        "LOCALAI_SOMETHING": _SECRET,
        "HF_SOMETHING": _SECRET,
        "HF_TOKEN": _KEYS[1],
        "GGML_NOTE": _KEYS[3],
        "HTTP_PROXY": f"http://planted-person:{_SECRET}@planted-proxy.corp.example:3128",
        "USER": "planted-person",
        "LOGNAME": "planted-person",
    }
    folder = tmp_path / "report"
    result = run_localai("doctor", "--report", folder, "--hide-models", env=environment)
    assert result.returncode in (0, 8), result.stderr
    written = {file.name: file.read_text() for file in folder.iterdir()}
    assert set(written) == {"report.md", "facts.json"}
    for name, text in written.items():
        assert "planted" not in text, (name, text[text.index("planted") - 200 :][:400])
        assert _SECRET not in text
        for key in _KEYS:
            assert key not in text
        for private in (str(user_home), platform.node()):
            assert len(private) < 4 or private not in text, (name, private)
    headings = re.findall(r"^## (\S+)", written["report.md"], re.MULTILINE)
    assert {each for each in headings if each[0].islower()} == {"localai"}
    facts = json.loads(written["facts.json"])
    assert facts["environment"]["variables"]["OLLAMA_SOMETHING"] == "(set)"
    assert facts["environment"]["keys"] == ["HF_TOKEN", "OLLAMA_API_KEY", "OPENAI_API_KEY"]
    assert facts["environment"]["shell_keys"] == ["OPENAI_API_KEY"]
    assert facts["own"]["secret_in_config"] == ["endpoint.farm.headers.Authorization"]
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o077 == 0
    assert getpass.getuser() in ("root",) or getpass.getuser() not in written["facts.json"]


def test_a_maintainer_replays_a_report(run_localai: RunLocalai, tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(case_of("ollama-not-running").facts))
    result = run_localai("doctor", "--facts", facts, "--json")
    assert result.returncode == 8
    found = checked(Doctor, result.stdout)["findings"]
    assert [each["code"] for each in found] == ["ollama-not-running"]


def test_a_user_without_a_name_gets_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr(getpass, "getuser", nobody)
    report = write_report(tmp_path, snapshot(machine_facts("linux")))
    assert report.text.read_text().startswith("# localai doctor")


def test_a_hostile_name_is_shown_as_it_is_and_does_nothing(
    tmp_path: Path, run_localai: RunLocalai, localai_home: Path
) -> None:
    """A report is read on terminals and on pages that render Markdown."""
    name = "a\x1b[2J\x9b1m\u202e\n# b ![x](http:..192.0.2.1) <img src=x> @you `c`.gguf"
    folder = localai_home / "data" / "models"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"GGUF\3\0\0\0 and not a model")
    done = run_localai("doctor", "models", "--report", tmp_path / "report")
    assert done.returncode == 8, done.stderr
    text = (tmp_path / "report" / "report.md").read_text()
    facts = (tmp_path / "report" / "facts.json").read_text()
    for written in (text, facts):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", written)
    assert json.dumps(name)[1:-1] in json.dumps(json.loads(facts)["models"])
    assert "\\!\\[x\\](http:..192.0.2.1)" in text
    prose = re.sub(r"(?ms)^```sh\n.*?^```$", "", text)
    assert not re.search(r"(?m)^# b|(?<!\\)<img|@you", prose)


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "localai.doctor/1"}', '{"schema":'])
def test_what_is_no_report_is_refused(
    content: str, run_localai: RunLocalai, tmp_path: Path
) -> None:
    file = tmp_path / "facts.json"
    file.write_text(content)
    result = run_localai("doctor", "--facts", file)
    assert result.returncode == 2
    assert str(file).encode() in result.stderr


def test_hiding_models_without_a_report_is_refused(run_localai: RunLocalai) -> None:
    assert run_localai("doctor", "--hide-models").returncode == 2


def test_on_a_terminal_a_report_is_opened_for_reading(
    localai_home: Path, pty: Callable[..., Terminal], tmp_path: Path
) -> None:
    terminal = pty("doctor", "--report", str(tmp_path / "report"), rows=200, env={"PAGER": "cat"})
    terminal.wait_for("# localai doctor, version")
    terminal.wait_for("written, and sent nowhere")
    assert terminal.wait_exit() in (0, 8)
