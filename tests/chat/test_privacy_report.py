"""The rules in force, in words."""

from __future__ import annotations

from pathlib import Path

from localai.chat.privacy_report import policy
from localai.config import load
from localai.paths import locate


def rules(settings: str = "") -> dict[str, str]:
    paths = locate()
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(settings)
    return policy(load(paths, {}), 1_500_000)


def test_where_nothing_is_set_nothing_leaves(localai_home: Path) -> None:
    found = rules()
    assert found["prompts to clouds"] == "never"
    assert found["when the local model fails"] == "an error; no cloud steps in"
    assert found["local network"] == "not used"
    assert found["servers of other users here"] == "not used"
    assert found["proxy"] == "none; those in the environment are not used"
    assert found["conversations"] == "kept on this machine only"
    assert found["their pictures"] == (
        "1.5 MB are kept with them, of at most 1.0 GB (history.pictures)"
    )


def test_what_is_allowed_is_named_with_its_setting(localai_home: Path) -> None:
    found = rules(
        'cloud.allow = ["openai", "anthropic"]\n'
        'cloud.fallback = "openai/gpt-5"\n'
        'network.lan = ["192.168.7.2"]\n'
        'network.users = ["mary", "ollama"]\n'
        'network.proxy = "http://127.0.0.1:3128"\n'
        "history.record = false\n"
    )
    assert found["prompts to clouds"] == "only to openai, anthropic (cloud.allow)"
    assert found["when the local model fails"] == (
        "openai/gpt-5 answers, announced (cloud.fallback)"
    )
    assert found["local network"] == "192.168.7.2"
    assert found["servers of other users here"] == "mary, ollama"
    assert found["proxy"] == "http://127.0.0.1:3128"
    assert found["conversations"] == "not kept"
