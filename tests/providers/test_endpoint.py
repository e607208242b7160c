"""Servers of the user's own: what goes to them, who may be reached, what their errors mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localai.config import Endpoint
from localai.errors import (
    ContextOverflow,
    InvalidInput,
    NotFound,
    PolicyRefused,
    ProviderRefused,
    Unreachable,
)
from localai.events import Loading, Usage
from localai.providers.endpoint import open_endpoint
from localai.types import Options, Zone
from tests.providers.scripted import Scene, config_of, end_of, question, text_of
from tests.support.clock import within
from tests.support.cloud_wires import ResponsesWire
from tests.support.command import REPOSITORY, RunLocalai
from tests.support.own_server import MODEL, LlamaServer
from tests.support.processes import free_port
from tests.support.scripted_server import Pause, Reply, ScriptedServer, json_reply
from tests.support.wires import ChatCompletionsWire


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ScriptedServer() as server:
        yield scene_of(server, tmp_path)


def scene_of(server: ScriptedServer, home: Path, **fields: Any) -> Scene:
    endpoint = Endpoint("work", f"{server.url}/v1", **fields)
    wire = ResponsesWire() if endpoint.api == "responses" else ChatCompletionsWire()
    scene = Scene(open_endpoint(endpoint, config_of(home)), server, wire)
    scene.answers(wire.stream(wire.answer(["Par", "is"])))
    return scene


def test_a_plain_question(scene: Scene) -> None:
    events = scene.ask(question(options=Options(temperature=0.0, stop=("x",))))
    assert text_of(events) == "Paris"
    sent = scene.sent
    assert (sent["temperature"], sent["stop"]) == (0.0, ["x"])
    assert not {"top_p", "seed", "max_tokens", "reasoning_effort"} & set(sent)
    assert "authorization" not in scene.server.asked[-1].headers


def test_key_and_headers_come_from_where_the_config_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORK_KEY", "sk-work")
    with ScriptedServer() as server:
        scene = scene_of(server, tmp_path, key_env="WORK_KEY", headers={"X-Team": "a"})
        scene.ask()
        headers = server.asked[-1].headers
    assert (headers["authorization"], headers["x-team"]) == ("Bearer sk-work", "a")


def test_thinking_reaches_the_chat_template(scene: Scene) -> None:
    scene.ask(question(think="off"))
    assert scene.sent["chat_template_kwargs"] == {"enable_thinking": False}
    scene.ask(question(think="high"))
    assert scene.sent["reasoning_effort"] == "high"


def test_an_answer_says_that_a_server_here_is_the_users_own(scene: Scene) -> None:
    locality = end_of(scene.ask()).locality
    assert locality.zone is Zone.DEVICE
    assert "what it does with a prompt is its own" in locality.evidence
    assert locality.network_denied is None
    assert scene.provider.destination(question().model) is None


def test_the_context_is_the_servers_or_the_configs(scene: Scene, tmp_path: Path) -> None:
    listed = {"data": [{"id": "vllm", "max_model_len": 4096}, {"id": "x", "meta": {"n_ctx": 512}}]}
    scene.server.routes["GET /v1/models"] = json_reply(listed)
    assert [model.context_limit for model in scene.provider.models()] == [4096, 512]
    own = Endpoint("work", f"{scene.server.url}/v1", context=256)
    assert open_endpoint(own, config_of(tmp_path)).models()[0].context_limit == 256


@pytest.mark.clock
def test_a_server_that_has_finished_and_does_not_close_is_not_waited_for(scene: Scene) -> None:
    end = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
    scene.answers(scene.wire.stream([*scene.wire.begun(["Par", "is"]), end, Pause(60)]))
    with within(8):
        events = scene.ask()
    assert (text_of(events), end_of(events).finish_reason) == ("Paris", "stop")


def test_a_server_that_does_not_stream_is_read_all_the_same(scene: Scene) -> None:
    message = {"role": "assistant", "content": "Paris"}
    counts = {"prompt_tokens": 9, "completion_tokens": 1}
    answer = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": counts}
    scene.answers(json_reply(answer))
    events = scene.ask()
    assert (text_of(events), end_of(events).usage) == ("Paris", Usage(9, 1))


def test_a_server_that_knows_no_counts_of_streams_is_asked_without(scene: Scene) -> None:
    unknown = {"error": {"message": "Unrecognized request argument supplied: stream_options"}}
    scene.answers(json_reply(unknown, 400), scene.wire.stream(scene.wire.answer(["Paris"])))
    assert text_of(scene.ask()) == "Paris"
    assert "stream_options" not in scene.sent


def test_a_rate_limit_is_waited_for_in_sight(scene: Scene) -> None:
    busy = Reply([b"{}"], 429, headers={"Retry-After": "1"})
    scene.answers(busy, scene.wire.stream(scene.wire.answer(["Paris"])))
    events = scene.ask()
    assert isinstance(events[0], Loading)
    assert events[0].message == "the endpoint work is rate limited: retrying in 1 s"
    assert text_of(events) == "Paris"


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5064 tokens",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    ],
)
def test_an_overflow_of_vllm_and_sglang_is_recognised(scene: Scene, message: str) -> None:
    scene.answers(json_reply({"object": "error", "message": message, "code": 400}, 400))
    with pytest.raises(ContextOverflow) as caught:
        scene.ask()
    assert message in caught.value.message


def test_a_refused_key_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORK_KEY", "sk-work")
    with ScriptedServer() as server:
        scene = scene_of(server, tmp_path, key_env="WORK_KEY")
        scene.answers(json_reply({"error": "Unauthorized"}, 401))
        with pytest.raises(ProviderRefused) as caught:
            scene.ask()
    assert caught.value.hint == "export WORK_KEY=…"
    assert "sk-work" not in caught.value.message


def test_a_redirect_is_not_followed(scene: Scene) -> None:
    with ScriptedServer() as elsewhere:
        scene.answers(Reply(status=307, headers={"Location": f"{elsewhere.url}/v1"}))
        with pytest.raises(Unreachable, match="redirects to"):
            scene.ask()
        assert elsewhere.asked == []


def test_a_list_that_is_none_hints_at_the_path(scene: Scene) -> None:
    scene.server.routes["GET /v1/models"] = json_reply({"hello": 1})
    with pytest.raises(Unreachable) as caught:
        scene.provider.models()
    assert "/v1" in (caught.value.hint or "")


def test_an_unknown_model_is_told_with_those_there_are(scene: Scene) -> None:
    with pytest.raises(NotFound) as caught:
        scene.provider.resolve("nope")
    assert caught.value.hint == "it has: scripted"


def test_nobody_listens(tmp_path: Path) -> None:
    endpoint = Endpoint("work", f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(Unreachable) as caught:
        open_endpoint(endpoint, config_of(tmp_path)).models()
    assert "[endpoint.work]" in (caught.value.hint or "")


def test_a_null_error_in_a_chunk_is_no_error(scene: Scene) -> None:
    chunk = b'data: {"error": null, "choices": [{"delta": {"content": "ok"}}]}\n\n'
    scene.answers(scene.wire.stream([chunk, *scene.wire.answer([])]))
    assert text_of(scene.ask()) == "ok"


@pytest.mark.parametrize(
    ("url", "settings", "command"),
    [
        ("http://192.168.7.7:8000/v1", {}, "localai config set network.lan 192.168.7.7"),
        ("http://8.8.8.8/v1", {}, "localai config set cloud.allow endpoint:work"),
        ("https://llm.example.org/v1", {}, "localai config set cloud.allow endpoint:work"),
        (
            "https://llm.example.org/v1",
            {"cloud_allow": "openai"},
            "localai config set cloud.allow openai,endpoint:work",
        ),
        # A name of the local network does not open the internet.
        (
            "http://8.8.8.8/v1",
            {"network_lan": "8.8.8.8"},
            "localai config set cloud.allow endpoint:work",
        ),
    ],
)
def test_what_is_farther_away_needs_the_users_word(
    tmp_path: Path, url: str, settings: dict[str, str], command: str
) -> None:
    provider = open_endpoint(Endpoint("work", url), config_of(tmp_path, **settings))
    for attempt in (provider.models, lambda: list(provider.stream(question()))):
        with pytest.raises(PolicyRefused) as caught:
            attempt()
        assert caught.value.command == command


def test_a_proxy_is_used_for_what_is_far_and_said(tmp_path: Path) -> None:
    with ScriptedServer() as proxy:
        settings = {"network_proxy": proxy.url, "cloud_allow": "endpoint:work"}
        far = Endpoint("work", "http://llm.example.org/v1")
        provider: Any = open_endpoint(far, config_of(tmp_path, **settings))
        said = provider.destination(question().model)
        assert said == f"llm.example.org through the proxy {proxy.address}"
        with pytest.raises(Unreachable):
            provider.models()
        assert proxy.paths() == ["CONNECT llm.example.org:80"]


def test_loopback_never_goes_through_a_proxy(tmp_path: Path) -> None:
    with ScriptedServer() as proxy, ScriptedServer() as server:
        config = config_of(tmp_path, network_proxy=proxy.url)
        wire = ChatCompletionsWire()
        server.routes = wire.routes(wire.stream(wire.answer(["Paris"])))
        provider = open_endpoint(Endpoint("work", f"{server.url}/v1"), config)
        assert [model.id for model in provider.models()] == ["scripted"]
        assert proxy.asked == []


def test_the_local_network_is_not_reached_through_a_proxy(tmp_path: Path) -> None:
    config = config_of(
        tmp_path, network_proxy="http://proxy.example.org:3128", network_lan="192.168.0.9"
    )
    provider = open_endpoint(Endpoint("work", "http://192.168.0.9/v1"), config)
    assert provider.destination(question().model) == "192.168.0.9"


@pytest.mark.parametrize("url", ["ftp://x/v1", "http://user:pw@host/v1", "http://host:x/v1"])
def test_an_address_that_is_none_is_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidInput, match=r"endpoint\.work"):
        open_endpoint(Endpoint("work", url), config_of(tmp_path))


def test_a_server_may_speak_the_responses_api(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        scene = scene_of(server, tmp_path, api="responses", headers={"X-Team": "a"})
        events = scene.ask()
        assert server.paths() == ["POST /v1/responses"]
        assert server.asked[0].headers["x-team"] == "a"
    assert text_of(events) == "Paris"
    assert end_of(events).locality.zone is Zone.DEVICE


def test_the_real_server_answers_and_tells_its_own_timings(
    llama_server: LlamaServer, tmp_path: Path
) -> None:
    provider = open_endpoint(Endpoint("work", f"{llama_server.url}/v1"), config_of(tmp_path))
    model = provider.resolve(MODEL)
    request = question(options=Options(max_tokens=8))
    events = list(provider.stream(request))
    assert text_of(events)
    assert end_of(events).timings.clock == "server"
    assert model.context_limit == 512


def test_every_config_of_the_guide_is_one(tmp_path: Path) -> None:
    guide = (REPOSITORY / "docs" / "guides" / "own-servers.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    (tmp_path / "config.toml").write_text("\n".join(blocks))
    endpoints = config_of(tmp_path).endpoints
    assert set(endpoints) == {"work", "llama", "vllm", "sglang", "ray"}
    for endpoint in endpoints.values():
        assert open_endpoint(endpoint, config_of(tmp_path)).name == endpoint.name


def test_the_command_asks_a_server_of_the_config(
    llama_server: LlamaServer, localai_home: Path, run_localai: RunLocalai
) -> None:
    config = f'[endpoint.work]\nurl = "{llama_server.url}/v1"\n'
    (localai_home / "config.toml").write_text(config)
    ran = run_localai("chat", "-m", f"work/{MODEL}", "--json", "--max-tokens", "8", "Hello")
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert (document["provider"], document["zone"]) == ("work", "device")
    assert document["timings"]["clock"] == "server"


def test_the_name_of_a_server_alone_is_its_model_or_lists_them(
    llama_server: LlamaServer, localai_home: Path, run_localai: RunLocalai
) -> None:
    (localai_home / "config.toml").write_text(f'[endpoint.work]\nurl = "{llama_server.url}/v1"\n')
    (listed,) = json.loads(run_localai("list", "--json").stdout)["models"]
    assert listed["model"] == f"work/{MODEL}"
    for name in ("work", listed["model"]):
        ran = run_localai("chat", "-m", name, "--json", "--max-tokens", "4", "Hello")
        assert json.loads(ran.stdout)["model"] == listed["model"]


def test_the_command_refuses_a_far_server_with_exit_code_4(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    config = '[endpoint.work]\nurl = "https://llm.example.org/v1"\n'
    (localai_home / "config.toml").write_text(config)
    ran = run_localai("chat", "-m", "work/x", "Hello")
    assert ran.returncode == 4
    assert b"localai config set cloud.allow endpoint:work" in ran.stderr
