"""Which environment variables we change, keep from children, and give back."""

from __future__ import annotations

import os
import urllib.request

import pytest

from localai.privacy.environment import is_proxy, is_secret
from tests.privacy.child import in_child

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
    for network in (False, True):
        assert guard.child_environment(network=network)["HF_HUB_DISABLE_XET"] == "1"


@in_child(environ=PROXIES)
def test_a_proxy_that_the_user_configured_is_kept() -> None:
    from localai.privacy import guard

    guard.install(keep_proxy=True)
    assert urllib.request.getproxies()["http"] == "http://127.0.0.1:9"


@in_child(environ=PROXIES | KEYS)
def test_a_child_gets_no_keys_and_no_proxies() -> None:
    from localai.privacy import guard

    guard.install()
    environment = guard.child_environment()
    assert not KEYS.keys() & environment.keys()
    assert {name: value for name, value in environment.items() if is_proxy(name)} == {
        "no_proxy": "*",
        "NO_PROXY": "*",
    }
    assert environment["HF_HUB_OFFLINE"] == environment["DO_NOT_TRACK"] == "1"
    assert environment["PATH"] == os.environ["PATH"]


@in_child(environ=PROXIES | KEYS)
def test_a_child_that_may_use_the_network_gets_the_users_proxies_back() -> None:
    from localai.privacy import guard

    guard.install()
    environment = guard.child_environment(network=True)
    assert PROXIES.items() <= environment.items()
    assert "NO_PROXY" not in environment
    assert "HF_HUB_OFFLINE" not in environment
    assert environment["DO_NOT_TRACK"] == "1"
    assert not KEYS.keys() & environment.keys()


@in_child(environ=KEYS)
def test_a_child_gets_keys_only_when_asked() -> None:
    from localai.privacy import guard

    assert KEYS.items() <= guard.child_environment(secrets=True).items()


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
