"""A key that a server repeats is said nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai import redaction
from tests.support.command import RunLocalai
from tests.support.scripted_server import Reply, ScriptedServer, json_reply

KEY = "sk-Xanadu/1234567890"


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", {})


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"no such key: {KEY}.", "no such key: ***."),
        ("GET /?key=sk-Xanadu%2F1234567890&x=1", "GET /?key=***&x=1"),
        ("Basic c2stWGFuYWR1LzEyMzQ1Njc4OTA=", "Basic ***"),
        ("sk-Xanadu is another", "sk-Xanadu is another"),
    ],
)
def test_a_secret_is_masked_in_every_form(said: str, shown: str) -> None:
    redaction.remember(KEY)
    assert redaction.redacted(said) == shown


@pytest.mark.usefixtures("forgetful")
def test_what_is_too_short_for_a_secret_stays() -> None:
    redaction.remember("on")
    assert redaction.redacted("go on") == "go on"


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_a_key_that_a_server_echoes_is_not_said(
    run_localai: RunLocalai, localai_home: Path, tmp_path: Path, status: int
) -> None:
    echo = {"error": {"message": f"the key {KEY} is not known", "type": "x"}}
    models = {"object": "list", "data": [{"id": "m", "object": "model"}]}
    with ScriptedServer() as server:
        server.routes = {
            "GET /v1/models": json_reply(models),
            # Whoever is told to come again comes at once.
            "POST /v1/chat/completions": Reply(
                [json.dumps(echo).encode()], status, headers={"Retry-After": "0"}
            ),
        }
        (localai_home / "config.toml").write_text(
            f'[endpoint.farm]\nurl = "{server.url}/v1"\nkey_env = "FARM_KEY"\n'
        )
        env = {"FARM_KEY": KEY}
        chat = run_localai("chat", "-n", "-m", "farm/m", "hi", env=env)
        with_json = run_localai("chat", "-n", "--json", "-m", "farm/m", "hi", env=env)
        output = tmp_path / "out.jsonl"
        (tmp_path / "in.jsonl").write_text('{"prompt": "hi"}\n')
        batch = run_localai(
            "batch", str(tmp_path / "in.jsonl"), "-O", str(output), "-m", "farm/m", env=env
        )
        assert server.asked[-1].headers["authorization"] == f"Bearer {KEY}"
    assert output.exists(), batch.stderr
    assert b"the key *** is not known" in chat.stderr
    assert "the key *** is not known" in json.loads(with_json.stdout)["error"]["message"]
    assert "the key *** is not known" in output.read_text()
    everything = chat.stderr + with_json.stdout + with_json.stderr + batch.stdout + batch.stderr
    assert KEY.encode() not in everything + output.read_bytes()
