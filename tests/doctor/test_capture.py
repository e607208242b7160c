"""What the probes read of systems that are not this one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from localai.config import load
from localai.doctor.capture import Probe, take
from localai.doctor.capture.context import Context
from localai.doctor.capture.engine import packages
from localai.doctor.capture.environment import environment, variables_of, without_password
from localai.doctor.capture.graphics import graphics
from localai.doctor.capture.ollama import read_log
from localai.doctor.capture.processes import llama_servers
from localai.doctor.capture.servers import lmstudio, own_servers, read_link_status
from localai.doctor.capture.service import read_properties
from localai.doctor.facts.servers import LmStudioFacts, OwnServerFacts
from localai.doctor.versions import number, vulnerabilities
from localai.net.listener import parse_lsof
from localai.paths import locate
from localai.wires.chat_templates import template_problems, template_suspicions
from tests.support.clock import within
from tests.support.processes import free_port
from tests.support.scripted_server import Reply, ScriptedServer, json_reply


def test_a_service_by_systemctl_s_words() -> None:
    found = read_properties(
        "LoadState=loaded\nActiveState=failed\nResult=oom-kill\nUser=ollama\n"
        'Environment=PATH=/usr/bin OLLAMA_HOST=0.0.0.0 "OLLAMA_MODELS=/my models"\nDropInPaths=\n'
    )
    assert (found.exists, found.active, found.result, found.user) == (
        True,
        "failed",
        "oom-kill",
        "ollama",
    )
    assert found.environment == {"OLLAMA_HOST": "0.0.0.0", "OLLAMA_MODELS": "/my models"}
    assert found.drop_ins == ()
    assert read_properties("LoadState=not-found\n").exists is False


def test_the_log_of_ollama() -> None:
    found = read_log(
        'msg="inference compute" id=0 library=cpu name=cpu\n'
        'msg="dropping integrated GPU" library=Vulkan\n'
    )
    assert found.gpu_found is False
    assert found.dropped_integrated == 'msg="dropping integrated GPU" library=Vulkan'
    assert found.driver_too_old == ""
    assert read_log('msg="inference compute" library=CUDA').gpu_found is True
    assert read_log("").gpu_found is None


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        # As `lms link status --json` of August 2026 writes it (its source).
        ('{"issues": [], "status": "online", "deviceName": "desk", "peers": []}', True),
        ('{"issues": [], "status": "offline", "deviceName": "desk", "peers": []}', True),
        ('{"issues": ["deviceDisabled"], "status": "offline", "peers": []}', False),
        ('{"issues": ["notLoggedIn"], "status": "offline", "peers": []}', False),
        ('{"issues": ["noAccess"], "status": "offline", "peers": []}', False),
        ("error: unknown command 'link'", False),
        ("error: unknown option '--json'", None),
        ('{"peers": []}', None),
        ("[" * 100_000, None),
        ("something new", None),
    ],
)
def test_the_state_of_lm_link(text: str, linked: bool | None) -> None:
    assert read_link_status(text) is linked


def look_with(settings: str, **environ: str) -> Context:
    paths = locate()
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(settings)
    return Context(paths, load(paths, {}), "", environ, home=paths.data_dir / "nobody")


def test_servers_of_the_configuration_are_asked_only_if_they_are_here(localai_home: object) -> None:
    nobody = free_port()
    with ScriptedServer({"GET /v1/models": json_reply({"data": []})}) as server:
        context = look_with(
            f'[endpoint.farm]\nurl = "{server.url}/v1"\nkey_env = "FARM_KEY"\n'
            f'[endpoint.gone]\nurl = "http://127.0.0.1:{nobody}/v1"\n'
            '[endpoint.box]\nurl = "http://192.168.77.2:8000/v1"\nkey_env = "BOX_KEY"\n',
            FARM_KEY="k",
        )
        found = {each.name: each for each in own_servers(context)}
        assert server.paths() == ["GET /v1/models"]
    assert found == {
        "farm": OwnServerFacts(
            "farm", "127.0.0.1", server.port, "device", "answers", "", "FARM_KEY", True
        ),
        "gone": OwnServerFacts("gone", "127.0.0.1", nobody, "device", "refused", "", "", None),
        "box": OwnServerFacts(
            "box", "192.168.77.2", 8000, "lan", "elsewhere", "", "BOX_KEY", False
        ),
    }


@pytest.mark.parametrize(
    ("reply", "state", "error", "models"),
    [
        (json_reply({"data": [{"id": "a"}, {"id": "b"}]}), "answers", "", 2),
        (json_reply({"error": "no runtime"}), "answers", "no runtime", None),
        (json_reply(["a list"]), "answers", "", None),
        (Reply([b"<html>"]), "something_else", "", None),
    ],
)
def test_what_lm_studio_says(
    localai_home: object, reply: Reply, state: str, error: str, models: int | None
) -> None:
    with ScriptedServer({"GET /api/v0/models": reply}) as server:
        found = lmstudio(look_with(f'lmstudio.host = "{server.address}"\n'))
    assert found == LmStudioFacts(
        installed=False,
        address=server.address,
        state=state,  # type: ignore[arg-type]
        token_wanted=False if state == "answers" else None,
        error_in_answer=error,
        runtimes=None,
        linked=False if state == "answers" else None,
        models=models,
    )


def test_listeners_by_lsof() -> None:
    found = parse_lsof("p501\nu0\nf3\nn*:11434\nf4\nn[::1]:1234\nn127.0.0.1:8080\n")
    assert [(each.address, each.port, each.is_open) for each in found] == [
        ("0.0.0.0", 11434, True),
        ("::1", 1234, False),
        ("127.0.0.1", 8080, False),
    ]
    assert {each.user for each in found} == {"root"}


@pytest.mark.parametrize(
    ("template", "problems"),
    [
        ("{% for m in messages %}{{ m }}{% endfor %}", ()),
        ("{%- if a -%}x{%- elif b -%}y{%- else -%}z{%- endif -%}", ()),
        ("{# {% if #}{% raw %}{% if %}{% endraw %}", ()),
        ("{{ '{% if %}' }}", ()),
        ("{% for m in messages %}{{ m }}", ("1 × for, 0 × endfor",)),
        ("{% if a %}{% if b %}{% endif %}", ("2 × if, 1 × endif",)),
        ("{% if a", ("{% is there 1 time, %} 0 times",)),
    ],
)
def test_a_template_that_is_not_whole(template: str, problems: tuple[str, ...]) -> None:
    assert template_problems(template) == problems


def test_a_template_that_has_what_none_needs() -> None:
    assert (
        template_suspicions("{{ bos }}{% for m in messages %}{{ m['content'] }}{% endfor %}") == ()
    )
    assert template_suspicions("{{ x.__class__.__mro__ }}") == (
        "it has __class__",
        "it has __mro__",
    )
    assert template_suspicions("say\u202e hello") == ("it has invisible characters: U+202E",)
    assert template_suspicions("an emoji 👩\u200d💻") == ()


def test_variables_are_taken_by_name_and_never_a_secret() -> None:
    taken = variables_of(
        {
            "OLLAMA_HOST": "127.0.0.1",
            "OLLAMA_API_KEY": "secret",
            "HF_TOKEN": "secret",
            "HTTPS_PROXY": "http://me:secret@proxy:3128",
            "EDITOR": "vi",
        }
    )
    assert taken == {"HTTPS_PROXY": "http://proxy:3128", "OLLAMA_HOST": "127.0.0.1"}
    assert without_password("http://[::1") == "http://[::1"


@pytest.mark.parametrize(
    ("version", "cves"),
    [
        ("0.0.0", 0),
        ("unknown", 0),
        ("0.17.1", 0),
        ("0.17.0", 1),
        ("v0.17.0-rc2", 1),
        ("0.1.28", 7),
    ],
)
def test_vulnerabilities_by_version(version: str, cves: int) -> None:
    assert len(vulnerabilities("ollama", version)) == cves
    assert number("0.17.4-rc1") == (0, 17, 4)


@pytest.mark.clock
def test_a_probe_that_hangs_or_fails_costs_only_its_own_subject(
    localai_home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: Mapping[str, object] = {
        "kernel": lambda: time.sleep(30),
        "packages": lambda: 1 / 0,
        "places": lambda: (),
    }
    monkeypatch.setattr(Probe, "look", lambda probe, _: looks[probe.field]())  # type: ignore[operator]
    probes = tuple(Probe(field, "", "", 0.2) for field in looks)
    paths = locate()
    with within(1):
        found = take(Context(paths, load(paths, {}), "", {}), probes)
    assert found.places == ()
    assert [(each.subject, each.reason) for each in found.missing] == [
        ("kernel", "it did not answer within 0.2 s"),
        ("packages", "ZeroDivisionError: division by zero"),
    ]


def _context(root: Path) -> Context:
    paths = locate()
    return Context(paths, load(paths, {}), "", {}, home=root / "home", root=root)


def test_amd_s_targets_are_called_as_compilers_call_them(
    localai_home: object, tmp_path: Path
) -> None:
    for node_number, version in enumerate((0, 90010, 110000, 90006)):
        node = tmp_path / "sys/class/kfd/kfd/topology/nodes" / str(node_number)
        node.mkdir(parents=True)
        (node / "properties").write_text(f"simd_count 4\ngfx_target_version {version}\n")
    assert graphics(_context(tmp_path)).targets == ("gfx90a", "gfx1100", "gfx906")


def test_a_llama_server_is_asked_how_it_was_started(localai_home: object, tmp_path: Path) -> None:
    words = {"7": "llama-server\0-m\0x", "8": "llama-server\0--cache-ram\0512", "9": "", "10": "vi"}
    for pid, line in words.items():
        process = tmp_path / "proc" / pid
        process.mkdir(parents=True)
        (process / "comm").write_text("vi\n" if line == "vi" else "llama-server\n")
        (process / "cmdline").write_text(line)
    found = {each.pid: each.is_bounded for each in llama_servers(_context(tmp_path))}
    assert found == {7: False, 8: True, 9: None}


@pytest.mark.parametrize(
    ("says", "build"),
    [
        ("version: 6096 (abcdef)", "6096"),
        ("version: 0.5.0 (build 11549, commit abcdef)", "11549"),
        # Built from an archive, which has no history to count builds in.
        ("version: 0.5.0-dev (build 1, commit 0c1e570)", None),
        ("something else", None),
    ],
)
def test_a_llama_server_s_build_is_read_from_each_form_of_its_version(
    says: str,
    build: str | None,
    localai_home: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "bin/llama-server"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert packages(_context(tmp_path)).get("llama-server") == build


def test_what_everybody_may_read_of_other_tools(localai_home: object, tmp_path: Path) -> None:
    home = tmp_path / "home"
    history = home / ".ollama" / "history"
    history.parent.mkdir(parents=True)
    history.write_text("my prompt\n")
    history.chmod(0o644)
    for folder in (tmp_path, home, history.parent):
        folder.chmod(0o755)
    # What is above belongs to the tests' own user and may be closed.
    open_above = all(each.stat().st_mode & 0o001 for each in tmp_path.parents)
    expected = (str(history),) if open_above else ()
    assert environment(_context(tmp_path)).open_histories == expected
    home.chmod(0o750)
    assert environment(_context(tmp_path)).open_histories == ()
