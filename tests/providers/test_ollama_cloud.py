"""No prompt reaches Ollama's cloud unasked, whatever a model is called.

A listener on loopback plays the remote host of real cloud aliases in a real Ollama.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from localai.errors import LocalaiError, PolicyRefused
from localai.events import Event, TextDelta
from localai.providers.ollama import Ollama
from localai.types import ChatRequest, Message, Options, ResolvedModel, Zone
from tests.support.answers import end_of, open_ollama, text_of
from tests.support.clock import becomes
from tests.support.command import RunLocalai
from tests.support.ollama import ONE_THREAD, OllamaServer
from tests.support.processes import free_port, running_server
from tests.support.scripted_server import Reply, ScriptedServer, UntilClosed, json_reply
from tests.support.weights import require
from tests.support.wires import OllamaWire

SECRET = "the prompt that must not leave"
QUESTION = (Message("user", SECRET),)


@dataclass(frozen=True, slots=True)
class Scene:
    """An Ollama that would send prompts to `cloud`, and what arrived there."""

    ollama: OllamaServer
    cloud: ScriptedServer

    def make_alias(self, name: str) -> None:
        self.ollama.create_cloud_alias(name, self.cloud.url)


@pytest.fixture(scope="module")
def scene(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home = tmp_path_factory.mktemp("cloud")
    wire = OllamaWire()
    cloud = ScriptedServer(wire.routes(wire.stream(wire.answer(["from ", "afar"]))))
    stopped = OllamaServer(
        require("ollama"), free_port(), 0, home, home / "models", home / "ollama.log"
    )
    environment = {**stopped.environment, "OLLAMA_REMOTES": "127.0.0.1"}
    command: list[str | Path] = [stopped.binary, "serve"]
    with cloud, running_server(command, environment, stopped.port, stopped.log) as process:
        server = replace(stopped, pid=process.pid)
        modelfile = home / "Modelfile"
        modelfile.write_text(f"FROM {smollm2_path}\n{ONE_THREAD}\n")
        server.run("create", "smollm2:135m", "--file", modelfile)
        yield Scene(server, cloud)


@pytest.fixture(autouse=True)
def nothing_yet(request: pytest.FixtureRequest) -> None:
    if "scene" in request.fixturenames:
        request.getfixturevalue("scene").cloud.asked.clear()


def ask(provider: Ollama, model: ResolvedModel) -> list[Event]:
    return list(provider.stream(ChatRequest(model, QUESTION, Options(max_tokens=8))))


@pytest.mark.parametrize("name", ["innocent", "qwen3:8b", "my-own-model:latest", "gpt-oss:120b"])
def test_a_cloud_model_under_any_name_is_refused_before_a_byte_is_sent(
    scene: Scene, tmp_path: Path, name: str
) -> None:
    scene.make_alias(name)
    provider = open_ollama(tmp_path, scene.ollama.host)
    model = provider.resolve(name)
    assert model.zone is Zone.CLOUD
    with pytest.raises(PolicyRefused) as caught:
        ask(provider, model)
    assert caught.value.exit_code == 4
    assert scene.cloud.url in caught.value.message
    assert caught.value.command == "localai config set cloud.allow ollama"
    assert scene.cloud.asked == []


def test_the_command_refuses_it_with_exit_code_4(scene: Scene, run_localai: RunLocalai) -> None:
    scene.make_alias("innocent")
    environment = {"OLLAMA_HOST": scene.ollama.host}
    result = run_localai("chat", "-m", "ollama/innocent", SECRET, env=environment)
    assert (result.returncode, result.stdout) == (4, b"")
    assert b"localai config set cloud.allow ollama" in result.stderr
    assert scene.cloud.asked == []


def test_the_same_listener_does_see_the_prompt_once_it_is_allowed(
    scene: Scene, tmp_path: Path
) -> None:
    """Without this the tests around it would prove nothing."""
    scene.make_alias("innocent")
    provider = open_ollama(tmp_path, scene.ollama.host, cloud_allow="ollama")
    model = provider.resolve("innocent")
    assert provider.destination(model) == scene.cloud.url
    events = ask(provider, model)
    assert text_of(events) == "from afar"
    locality = end_of(events).locality
    assert locality.zone is Zone.CLOUD
    assert scene.cloud.url in locality.evidence
    assert any(SECRET.encode() in asked.content for asked in scene.cloud.asked)


def test_an_allowed_prompt_to_the_cloud_is_in_the_ledger(
    scene: Scene, run_localai: RunLocalai
) -> None:
    scene.make_alias("innocent")
    environment = {"OLLAMA_HOST": scene.ollama.host, "LOCALAI_CLOUD_ALLOW": "ollama"}
    result = run_localai("chat", "-m", "ollama/innocent", SECRET, env=environment)
    assert result.returncode == 0, result.stderr
    report = json.loads(run_localai("privacy", "--json", env=environment).stdout)
    [entry] = report["egress"]
    port = int(scene.ollama.host.rpartition(":")[2])
    assert (entry["host"], entry["port"]) == ("127.0.0.1", port)
    assert entry["purpose"] == "inference"


def test_a_model_that_becomes_a_cloud_alias_between_two_questions_is_caught(
    scene: Scene, tmp_path: Path
) -> None:
    scene.ollama.copy("smollm2:135m", "chameleon")
    provider = open_ollama(tmp_path, scene.ollama.host)
    model = provider.resolve("chameleon")
    assert model.zone is Zone.DEVICE
    assert end_of(ask(provider, model)).locality.zone is Zone.DEVICE
    scene.ollama.delete("chameleon")
    scene.make_alias("chameleon")
    with pytest.raises(PolicyRefused):
        ask(provider, model)
    assert scene.cloud.asked == []
    scene.ollama.delete("chameleon")
    scene.ollama.copy("smollm2:135m", "chameleon")
    assert end_of(ask(provider, model)).locality.zone is Zone.DEVICE


def test_a_daemon_with_its_cloud_switched_off_refuses_by_itself(
    scene: Scene, tmp_path: Path
) -> None:
    scene.make_alias("innocent")
    switched_off = replace(scene.ollama, port=free_port(), log=tmp_path / "log")
    environment = {**switched_off.environment, "OLLAMA_NO_CLOUD": "1"}
    command: list[str | Path] = [switched_off.binary, "serve"]
    with running_server(command, environment, switched_off.port, switched_off.log):
        provider = open_ollama(tmp_path, switched_off.host, cloud_allow="ollama")
        with pytest.raises(PolicyRefused) as caught:
            ask(provider, provider.resolve("innocent"))
    assert "disabled" in caught.value.message
    assert scene.cloud.asked == []


def scripted(tmp_path: Path, server: ScriptedServer, **settings: str) -> Ollama:
    return open_ollama(tmp_path, server.address, **settings)


def test_a_name_that_newer_versions_pass_through_is_refused_without_asking_for_it(
    tmp_path: Path,
) -> None:
    """They answer for `x:cloud` from afar, and neither tags nor chunks say so."""
    wire = OllamaWire()
    routes = wire.routes(wire.stream(wire.answer(["hi"])))
    routes["GET /api/tags"] = json_reply({"models": [{"name": "kimi:cloud", "digest": "1"}]})
    with ScriptedServer(routes) as server:
        provider = scripted(tmp_path, server)
        model = provider.resolve("kimi:cloud")
        assert model.zone is Zone.CLOUD
        with pytest.raises(PolicyRefused):
            ask(provider, model)
        assert not [path for path in server.paths() if path.startswith("POST")]


@pytest.mark.parametrize("sign", ["remote_host", "remote_model"])
def test_a_line_of_an_answer_from_afar_ends_it(tmp_path: Path, sign: str) -> None:
    wire = OllamaWire()
    begun = wire.begun(["from here "])
    afar = wire.begun(["from afar"])[0].replace(b"{", b'{"%s": "gpt-oss",' % sign.encode(), 1)
    chat = wire.stream([*begun, afar, UntilClosed(afar)])
    with ScriptedServer(wire.routes(chat)) as server:
        provider = scripted(tmp_path, server)
        seen: list[Event] = []
        with pytest.raises(LocalaiError) as caught:
            request = ChatRequest(provider.resolve("scripted"), QUESTION)
            for event in provider.stream(request):
                seen.append(event)
        assert isinstance(caught.value, PolicyRefused)
        assert [event.text for event in seen if isinstance(event, TextDelta)] == ["from here "]
        assert becomes(server.client_closed.is_set, within_s=3)


def test_a_line_from_afar_makes_an_allowed_answer_a_cloud_answer(tmp_path: Path) -> None:
    wire = OllamaWire()
    [piece, end] = wire.answer(["hi"])
    afar = piece.replace(b"{", b'{"remote_host": "https://x",', 1)
    with ScriptedServer(wire.routes(wire.stream([afar, end]))) as server:
        provider = scripted(tmp_path, server, cloud_allow="ollama")
        done = end_of(ask(provider, provider.resolve("scripted")))
    assert done.locality.zone is Zone.CLOUD


@pytest.mark.parametrize(
    ("status", "asks"),
    [
        (json_reply({"cloud": {"disabled": False, "source": "none"}}), True),
        (json_reply({"cloud": {"disabled": True, "source": "env"}}), False),
        (json_reply({"error": "404 page not found"}, 404), None),
    ],
    ids=["with its cloud", "without its cloud", "an older one"],
)
def test_whether_the_daemon_itself_asks_its_makers_is_said(
    tmp_path: Path, run_localai: RunLocalai, status: Reply, asks: bool | None
) -> None:
    wire = OllamaWire()
    routes = wire.routes(wire.stream(wire.answer(["hi"])))
    routes["GET /api/status"] = status
    with ScriptedServer(routes) as server:
        assert open_ollama(tmp_path, server.address).asks_its_makers() is asks
        shown = run_localai("privacy", "--json", env={"OLLAMA_HOST": server.address})
    found = {each["what"]: each for each in json.loads(shown.stdout)["findings"]}
    if asks is False:
        assert "ollama itself" not in found
    else:
        assert found["ollama itself"]["state"] == ("open" if asks else "unknown")
        assert "OLLAMA_NO_CLOUD=1" in found["ollama itself"]["detail"]
