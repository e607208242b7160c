"""Which environment variables we change, keep from children, and give back."""

from __future__ import annotations

import ast
import os
import urllib.request

import pytest

from localai.privacy.environment import ChildPurpose, child_environment, is_proxy, is_secret
from tests.privacy.child import REPOSITORY, in_child

PROXIES = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "no_proxy": "intranet",
}
KEYS = {"OPENAI_API_KEY": "k", "HF_TOKEN": "t", "AWS_SECRET_ACCESS_KEY": "s", "MY_PASSWORD": "p"}


@pytest.mark.parametrize("name", [*KEYS, "GITHUB_TOKEN", "apikey", "X_CLIENT_SECRET"])
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["PATH", "TOKENIZERS_PARALLELISM", "KEYBOARD", "SSH_AUTH_SOCK"])
def test_other_variables_are_no_secrets(name: str) -> None:
    assert not is_secret(name)


def test_our_own_proxy_setting_is_not_taken_away() -> None:
    assert is_proxy("HTTPS_PROXY")
    assert not is_proxy("LOCALAI_NETWORK_PROXY")


@in_child(environ=PROXIES | {"HF_HUB_OFFLINE": "0", "DO_NOT_TRACK": "0"})
def test_installing_the_guard_quietens_this_process() -> None:
    from localai.privacy import guard

    guard.install()
    assert urllib.request.getproxies() == {"no": "*"}
    assert urllib.request.proxy_bypass("example.com")
    opted_out = ("DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE")
    assert [os.environ[name] for name in opted_out] == ["1", "1", "1"]


@in_child(environ={"HF_HUB_DISABLE_XET": "0"})
def test_the_hubs_native_downloader_whose_connections_nobody_sees_is_off() -> None:
    from localai.privacy import guard

    guard.install()
    from huggingface_hub import constants

    assert constants.HF_HUB_DISABLE_XET
    for purpose in PURPOSES:
        assert child_environment(purpose)["HF_HUB_DISABLE_XET"] == "1"


@in_child(environ=PROXIES)
def test_a_proxy_that_the_user_configured_is_kept() -> None:
    from localai.privacy import guard

    guard.install(keep_proxy=True)
    assert urllib.request.getproxies()["http"] == "http://127.0.0.1:9"


# What a shell of a developer has, and no program that localai starts needs.
ELSE = {
    "SSH_AUTH_SOCK": "/run/user/1000/ssh-agent",
    "GPG_AGENT_INFO": "/run/user/1000/gpg-agent",
    "DATABASE_URL": "postgres://me:hunter2@db.example/x",
    "DOCKER_HOST": "tcp://127.0.0.1:2375",
    "KUBECONFIG": "/home/me/.kube/config",
    "LD_PRELOAD": "",
    "PYTHONSTARTUP": "/home/me/.pythonrc",
    "OLDPWD": "/home/me/secret-project",
    "LOCALAI_NETWORK_PROXY": "http://me:hunter2@proxy.example:3128",
}
NEEDED = {"LC_ALL": "C.UTF-8", "XDG_CACHE_HOME": "/c", "LD_LIBRARY_PATH": "/usr/lib/cuda"}
ENGINES = {"CUDA_VISIBLE_DEVICES": "1", "OMP_NUM_THREADS": "3", "GGML_VK_VISIBLE_DEVICES": "0"}
PURPOSES: list[ChildPurpose] = ["system", "engine", "tmux", "pip", "editor"]


@in_child(environ=PROXIES | KEYS | ELSE | NEEDED | ENGINES)
def test_a_child_gets_what_is_on_the_list_and_nothing_else() -> None:
    from localai.privacy import guard

    guard.install()
    for purpose in ("system", "engine", "tmux", "pip"):
        environment = child_environment(purpose)
        assert not (KEYS | ELSE).keys() & environment.keys(), purpose
        assert NEEDED.items() <= environment.items(), purpose
        assert environment["PATH"] == os.environ["PATH"]
        assert environment["DO_NOT_TRACK"] == "1"
    assert ENGINES.items() <= child_environment("engine").items()
    assert "OMP_NUM_THREADS" not in child_environment("system")


@in_child(environ=PROXIES | KEYS)
def test_a_child_without_the_network_gets_no_proxies() -> None:
    from localai.privacy import guard

    guard.install()
    for purpose in ("system", "engine", "tmux", "editor"):
        environment = child_environment(purpose)
        assert {name: value for name, value in environment.items() if is_proxy(name)} == {
            "no_proxy": "*",
            "NO_PROXY": "*",
        }
        assert environment["HF_HUB_OFFLINE"] == "1"


PIP = {"PIP_INDEX_URL": "https://me:pw@index.example/simple", "SSL_CERT_FILE": "/ca.pem"}


@in_child(environ=PROXIES | KEYS | PIP)
def test_pip_gets_the_users_index_and_proxies() -> None:
    from localai.privacy import guard

    guard.install()
    environment = child_environment("pip")
    assert (PROXIES | PIP).items() <= environment.items()
    assert "NO_PROXY" not in environment
    assert not KEYS.keys() & environment.keys()
    assert not PIP.keys() & child_environment("engine").keys()


@in_child(environ=KEYS | {"VIM_COLOURS": "dark", "DATABASE_URL": "postgres://me:hunter2@db/x"})
def test_the_users_editor_gets_his_environment_but_no_secret() -> None:
    environment = child_environment("editor")
    assert environment["VIM_COLOURS"] == "dark"
    assert not {*KEYS, "DATABASE_URL"} & environment.keys()


@in_child(environ={"TMPDIR": "sftp://me:hunter2@host/", "CUDA_CACHE_PATH": "/a@b://c"})
def test_a_password_in_an_address_stays_here_under_any_name() -> None:
    environment = child_environment("engine")
    assert "TMPDIR" not in environment
    assert environment["CUDA_CACHE_PATH"] == "/a@b://c"


def test_every_place_that_starts_a_program_says_which_environment_it_gets() -> None:
    starts = [
        (file.name, call)
        for file in (REPOSITORY / "localai").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("subprocess.")
    ]
    assert len(starts) >= 7
    for name, call in starts:
        assert "env" in {keyword.arg for keyword in call.keywords}, f"{name}:{call.lineno}"


@in_child(environ={"HF_HUB_OFFLINE": "0"})
def test_offline_modes_are_lifted_while_a_download_is_granted() -> None:
    from localai.privacy import guard
    from localai.types import Purpose, Zone

    guard.install()
    with guard.grant(Purpose.INFERENCE, "api.example", zone=Zone.CLOUD):
        assert os.environ["HF_HUB_OFFLINE"] == "1"
    with (
        guard.grant(Purpose.DOWNLOAD, "hub.example", zone=Zone.CLOUD),
        guard.grant(Purpose.DOWNLOAD, "cdn.example", zone=Zone.CLOUD),
    ):
        assert os.environ["HF_HUB_OFFLINE"] == "0"
        assert "TRANSFORMERS_OFFLINE" not in os.environ
    assert os.environ["HF_HUB_OFFLINE"] == os.environ["TRANSFORMERS_OFFLINE"] == "1"
