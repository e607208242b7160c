"""Where keys come from, and that they are never shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors
import pytest

from localai.errors import InvalidInput, ProviderRefused
from localai.providers import keys


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A real keyring backend that forgets everything at the end."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


@pytest.fixture
def memory_keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryKeyring]:
    monkeypatch.delenv("SOME_KEY", raising=False)
    before = keyring.get_keyring()
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


def test_the_environment_comes_first(
    memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory_keyring.held["localai", "openai"] = "sk-keyring"
    found = keys.get_key("openai", "SOME_KEY")
    assert found is not None
    assert (found.secret, found.source) == ("sk-keyring", "the system keyring")
    monkeypatch.setenv("SOME_KEY", " sk-environment\n")
    found = keys.get_key("openai", "SOME_KEY")
    assert found is not None
    assert (found.secret, found.source) == ("sk-environment", "the environment variable SOME_KEY")


def test_no_key_is_an_error_with_the_line_that_sets_it(memory_keyring: MemoryKeyring) -> None:
    with pytest.raises(ProviderRefused) as caught:
        keys.require_key("openai", "SOME_KEY")
    assert caught.value.exit_code == 6
    assert caught.value.hint == "export SOME_KEY=…"


def test_the_line_for_a_keyring_runs_where_its_program_is_not_on_path(
    memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program = _line_for("endpoint:farm").removesuffix(" set localai endpoint:farm")
    assert os.access(program, os.X_OK)
    (tmp_path / "keyring").touch(0o755)
    assert _line_for("endpoint:farm") == "keyring set localai endpoint:farm"


def _line_for(provider: str) -> str:
    return ProviderRefused("no key", **keys.remedy(provider, None)).command or ""


def test_a_key_is_not_in_its_repr(memory_keyring: MemoryKeyring) -> None:
    memory_keyring.held["localai", "openai"] = "sk-1"
    found = keys.get_key("openai", None)
    assert "sk-1" not in repr(found)


@pytest.mark.parametrize("bad", ["sk-1\nX-Other: header", "sk-ключ", "sk-\x00"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(
    memory_keyring: MemoryKeyring, bad: str
) -> None:
    memory_keyring.held["localai", "openai"] = bad
    with pytest.raises(InvalidInput) as found:
        keys.get_key("openai", None)
    assert "sk-" not in found.value.message


def test_a_machine_without_a_keyring_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from keyring.backends.fail import Keyring

    nothing = Keyring()
    monkeypatch.delenv("SOME_KEY", raising=False)
    before = keyring.get_keyring()
    keyring.set_keyring(nothing)
    try:
        assert keys.get_key("openai", "SOME_KEY") is None
    finally:
        keyring.set_keyring(before)
