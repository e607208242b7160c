"""Settings: their origins, and errors that name the place."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localai import config
from localai.errors import InvalidInput
from localai.paths import Paths, locate
from tests.support.command import RunLocalai


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


def _write(paths: Paths, text: str) -> None:
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(text)


def test_every_default_is_valid_for_its_own_setting() -> None:
    for setting in config.SETTINGS:
        if setting.default is not None:
            assert setting.parse(setting.default) == setting.default, setting.key


def test_every_setting_is_read_by_something() -> None:
    package = Path(config.__file__).parents[1]
    sources = [
        path.read_text() for path in package.rglob("*.py") if path.parent != package / "config"
    ]
    unread = [
        setting.key
        for setting in config.SETTINGS
        if not any(f'"{setting.key}"' in source for source in sources)
    ]
    assert unread == []


def test_a_later_origin_wins_over_an_earlier_one(paths: Paths) -> None:
    assert config.load(paths, {}).values["engine.context"].origin == "default"
    _write(paths, "[engine]\ncontext = 8192\n")
    from_file = config.load(paths, {})
    assert (from_file["engine.context"], from_file.values["engine.context"].origin) == (
        8192,
        "file",
    )
    assert from_file.values["engine.context"].where == f"{paths.config_file}:2"
    environ = {"LOCALAI_ENGINE_CONTEXT": "16384"}
    from_environment = config.load(paths, environ)
    assert from_environment["engine.context"] == 16384
    assert from_environment.values["engine.context"].origin == "environment"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[engine]\n# a comment\ncontext = 1.5\n", ":3: engine.context must be a whole number"),
        ("[engine]\nkontext = 4096\n", ":2: there is no setting called 'engine.kontext'"),
        ("model = \n", "not valid TOML"),
        ("[endpoint.x]\nkey_env = 'K'\n", ":1: [endpoint.x] needs a url"),
        ("[endpoint.x]\nurl = 'http://h'\nkey = 's'\n", ":3: an endpoint has no 'key'"),
        ("history.record = 'perhaps'\n", ":1: history.record must be true or false"),
    ],
)
def test_an_error_in_the_file_names_line_and_key(paths: Paths, text: str, expected: str) -> None:
    _write(paths, text)
    with pytest.raises(InvalidInput) as error:
        config.load(paths, {})
    assert str(paths.config_file) in error.value.message
    assert expected in error.value.message


@pytest.mark.parametrize("command", [("chat", "hello"), ("config", "list")])
def test_a_cloud_that_is_no_provider_is_an_error_with_its_line(
    run_localai: RunLocalai, paths: Paths, command: tuple[str, ...]
) -> None:
    _write(paths, "[cloud]\nallow = ['opanai']\n")
    ran = run_localai(*command)
    assert ran.returncode == 2
    place = f"{paths.config_file}:2: cloud.allow must be a list of "
    assert place in ran.stderr.decode()
    assert "openai, anthropic or endpoint:NAME, and 'opanai' is neither" in ran.stderr.decode()


@pytest.mark.parametrize("name", ["opanai", "llamacpp"])
def test_what_is_no_cloud_does_not_get_into_the_file(
    run_localai: RunLocalai, paths: Paths, name: str
) -> None:
    ran = run_localai("config", "set", "cloud.allow", name)
    assert ran.returncode == 2
    assert f"{name!r} is neither" in ran.stderr.decode()
    assert not paths.config_file.exists()


def test_a_misspelt_key_gets_the_near_one_as_hint(paths: Paths) -> None:
    with pytest.raises(InvalidInput) as error:
        config.set_value(paths, "engine.kontext", "1")
    assert error.value.hint == "did you mean engine.context?"


def test_a_bad_value_in_the_environment_names_the_variable(paths: Paths) -> None:
    with pytest.raises(InvalidInput, match="LOCALAI_ENGINE_SLOTS: engine"):
        config.load(paths, {"LOCALAI_ENGINE_SLOTS": "many"})


def test_setting_a_value_keeps_comments_and_the_rest(paths: Paths) -> None:
    _write(paths, '# mine\nmodel = "a"  # the small one\n')
    config.set_value(paths, "engine.keep_alive", "10m")
    config.set_value(paths, "cloud.allow", "openai,anthropic")
    text = paths.config_file.read_text()
    assert "# mine" in text
    assert "# the small one" in text
    loaded = config.load(paths, {})
    assert loaded["engine.keep_alive"] == 600
    assert loaded["cloud.allow"] == ("openai", "anthropic")
    assert paths.config_file.stat().st_mode & 0o777 == 0o600


def test_edits_at_once_are_all_kept(paths: Paths, command_environment: dict[str, str]) -> None:
    """Each reads what the one before has written, and none writes over it."""
    edit = (
        "import sys; from localai.paths import locate; from localai.config import set_value;"
        "sys.stdin.read(); set_value(locate(), *sys.argv[1:])"
    )
    known = [each for each in config.SETTINGS if isinstance(each.default, int)]
    edits = [
        subprocess.Popen(
            [sys.executable, "-c", edit, each.key, str(each.default).lower()],
            env=command_environment,
            stdin=subprocess.PIPE,
        )
        for each in known
    ]
    time.sleep(0.5)  # all have imported, and wait for the start
    for process in edits:
        assert process.stdin
        process.stdin.close()
    assert {process.wait(60) for process in edits} == {0}
    values = config.load(paths, {}).values
    assert [values[each.key].origin for each in known] == ["file"] * len(known)


def test_unsetting_where_nothing_is_set_leaves_no_trace(paths: Paths, localai_home: Path) -> None:
    config.unset_value(paths, "model")
    assert list(localai_home.iterdir()) == []


def test_a_value_in_the_place_of_a_table_is_said(paths: Paths) -> None:
    _write(paths, "engine = 1\n")
    with pytest.raises(InvalidInput, match=r"where engine\.context needs a table"):
        config.set_value(paths, "engine.context", "8192")


def test_a_server_of_ones_own_is_set_field_by_field_and_removed_whole(
    paths: Paths, run_localai: RunLocalai
) -> None:
    early = run_localai("config", "set", "endpoint.work.context", "8k")
    assert (early.returncode, b"config set endpoint.work.url" in early.stderr) == (2, True)
    for key, value in (("url", "http://127.0.0.1:1/v1"), ("context", "8k"), ("headers.X-T", "a")):
        assert run_localai("config", "set", f"endpoint.work.{key}", value).returncode == 0
    text = paths.config_file.read_text()
    assert "[endpoint]\n" not in text
    assert config.load(paths, {}).endpoints["work"].context == 8192
    assert run_localai("config", "get", "endpoint.work.context").stdout == b"8192\n"
    whole = run_localai("config", "get", "endpoint.work").stdout.decode().splitlines()
    assert "endpoint.work.headers.X-T = a" in whole
    assert run_localai("config", "get", "endpoint.home.url").returncode == 3
    assert (
        b"an endpoint has no 'key'" in run_localai("config", "set", "endpoint.work.key", "x").stderr
    )
    kept = run_localai("config", "unset", "endpoint.work.url")
    assert (kept.returncode, b"config unset endpoint.work" in kept.stderr) == (2, True)
    assert run_localai("config", "unset", "endpoint.work").returncode == 0
    assert paths.config_file.read_text().strip() == ""


def test_privacy_says_which_servers_of_ones_own_may_be_asked(
    paths: Paths, run_localai: RunLocalai
) -> None:
    _write(
        paths,
        '[endpoint.near]\nurl = "http://127.0.0.1:9/v1"\n'
        '[endpoint.far]\nurl = "https://llm.example.org/v1"\n',
    )
    findings = json.loads(run_localai("privacy", "--json").stdout)["findings"]
    states = {each["what"]: each["state"] for each in findings if "endpoint" in each["what"]}
    assert states == {"endpoint near": "open", "endpoint far": "held"}


def test_a_table_goes_with_its_last_key(paths: Paths) -> None:
    _write(paths, "[engine]\nslots = 2\n\n[history]\nrecord = true\n")
    config.unset_value(paths, "engine.slots")
    assert paths.config_file.read_text() == "[history]\nrecord = true\n"


def test_what_a_setting_names_and_is_not_there_is_a_warning(
    paths: Paths, run_localai: RunLocalai
) -> None:
    for key, value in (("model", "nosuch:8b"), ("provider", "olama")):
        result = run_localai("config", "set", key, value)
        assert result.returncode == 0
        assert result.stderr.startswith(b"warning: there is no ")
    assert config.load(paths, {})["model"] == "nosuch:8b"


def test_the_file_is_edited_and_what_is_wrong_then_is_said(
    paths: Paths, run_localai: RunLocalai
) -> None:
    editor = {"EDITOR": "sed -i $a\\slots=1", "VISUAL": None}
    wrong = run_localai("config", "edit", env=editor)
    assert wrong.returncode == 2
    assert f"{paths.config_file}:" in wrong.stderr.decode()
    assert run_localai("config", "edit", env={"EDITOR": "true", "VISUAL": None}).returncode == 0


def test_unsetting_brings_the_default_back(paths: Paths) -> None:
    config.set_value(paths, "engine.context", "8192")
    config.unset_value(paths, "engine.context")
    assert config.load(paths, {}).values["engine.context"].origin == "default"


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ("5m", 300),
        ("90", 90),
        (90, 90),
        ("1h", 3600),
        ("0", 0),
        ("250ms", 0.25),
        ("-1", float("inf")),
    ],
)
def test_durations(raw: object, seconds: float) -> None:
    assert config.parse_duration(raw) == seconds


@pytest.mark.parametrize("raw", ["", "5 minutes", "m", "1d2h", True, "9" * 400 + "s", float("nan")])
def test_what_is_no_duration_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="a duration"):
        config.parse_duration(raw)


def test_an_endpoint_of_the_file_is_known(paths: Paths) -> None:
    _write(paths, '[endpoint.farm]\nurl = "http://10.0.0.5:8000/v1"\nheaders = {X-Team = "a"}\n')
    endpoint = config.load(paths, {}).endpoints["farm"]
    assert endpoint.url == "http://10.0.0.5:8000/v1"
    assert endpoint.headers == {"X-Team": "a"}


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000], ids=["deep", "long"])
def test_toml_that_python_refuses_to_read_is_the_files_error(
    run_localai: RunLocalai, paths: Paths, value: str
) -> None:
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(f"model = {value}")
    done = run_localai("config", "list")
    assert done.returncode == 2
    assert b"is not valid TOML" in done.stderr
    template = paths.config_file.parent / "templates" / "t.toml"
    template.parent.mkdir()
    template.write_text(f"prompt = {value}")
    paths.config_file.unlink()
    assert run_localai("template", "show", "t").returncode == 2


@pytest.mark.parametrize(
    ("key", "typed", "shown", "value"),
    [
        ("history.pictures", "1g", "1GB", 1_000_000_000),
        ("history.pictures", "1500MB", "1500MB", 1_500_000_000),
        ("engine.kv_limit", "123456789", "123456789", 123_456_789),
        ("engine.kv_limit", "0", "0", 0),
        ("engine.context", "128k", "128k", 131_072),
        ("engine.context", "8k", "8192", 8192),
        ("engine.keep_alive", "90s", "90s", 90.0),
        ("engine.keep_alive", "3600", "1h", 3600.0),
        ("engine.keep_alive", "500ms", "0.5s", 0.5),
        ("engine.keep_alive", "2000001", "2000001s", 2_000_001.0),
        ("engine.keep_alive", "-1", "-1", "-1"),
        ("history.record", "off", "false", False),
    ],
)
def test_a_value_is_printed_as_it_is_typed_again(
    run_localai: RunLocalai, key: str, typed: str, shown: str, value: object
) -> None:
    for text in (typed, shown):
        assert run_localai("config", "set", "--", key, text).returncode == 0
        assert run_localai("config", "get", key).stdout.decode() == f"{shown}\n"
        assert json.loads(run_localai("config", "get", key, "--json").stdout)["value"] == value
    assert f"{key}\t{shown}\t" in run_localai("config", "list").stdout.decode()


def test_a_size_and_a_count_stay_in_the_file_as_they_were_typed(
    run_localai: RunLocalai, paths: Paths
) -> None:
    run_localai("config", "set", "engine.kv_limit", "4GB")
    run_localai("config", "set", "engine.context", "16k")
    assert paths.config_file.read_text() == '[engine]\nkv_limit = "4GB"\ncontext = "16k"\n'
