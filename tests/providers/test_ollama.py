"""Ollama as a provider, against a real one; the cloud has a file of its own."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localai.chat.request import AskSettings, build_request
from localai.config import Config
from localai.engine.lifecycle import stop, workers
from localai.errors import ContextOverflow, InvalidInput, NotFound, Unreachable
from localai.events import Doubt, Loading, ReasoningDelta, TokenLogprobs
from localai.providers.llamacpp import LlamaCpp
from localai.providers.ollama import Ollama
from localai.providers.ollama_daemon import target_of
from localai.types import Capability, ChatRequest, Message, Options, Picture, Zone
from tests.contract.rows import identity
from tests.support.answers import end_of, open_ollama, reasoning_of, text_of
from tests.support.clock import becomes, slowdown
from tests.support.cpu import descendants
from tests.support.ollama import OllamaServer
from tests.support.processes import free_port, running_server
from tests.support.scripted_server import Reply, ScriptedServer, json_reply
from tests.support.wires import OllamaWire

HELPFUL = Message("system", "You are a helpful assistant.")
CAPITAL = Message("user", "What is the capital of France?")


def ask(provider: Ollama, *messages: Message, name: str = "smollm2:135m", **more: Any) -> Any:
    more.setdefault("options", Options(temperature=0, seed=1, max_tokens=16))
    return provider.stream(
        ChatRequest(provider.resolve(name), messages or (HELPFUL, CAPITAL), **more)
    )


@pytest.fixture
def provider(ollama_server: OllamaServer, tmp_path: Path) -> Ollama:
    return open_ollama(tmp_path, ollama_server.host)


def unload(server: OllamaServer) -> None:
    server.post("/api/generate", {"model": "smollm2:135m", "keep_alive": 0, "stream": False})
    assert becomes(lambda: loaded_contexts(server) == [], within_s=10)


def loaded_contexts(server: OllamaServer) -> list[int]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{server.url}/api/ps") as response:
        return [model["context_length"] for model in json.load(response)["models"]]


# Models


def test_a_model_is_described_by_what_ollama_knows(provider: Ollama) -> None:
    model = provider.resolve("smollm2:135m")
    assert (model.provider, model.id, model.zone) == ("ollama", "smollm2:135m", Zone.DEVICE)
    assert model.context_limit == 8192
    assert model.quantization == "Q4_1"
    assert model.size_bytes is not None and model.size_bytes > 98_000_000
    assert model.capabilities == frozenset[Capability]({"completion", "schema"})
    assert model.system_prompt == HELPFUL.text


def test_the_list_names_every_model(provider: Ollama) -> None:
    assert {"smollm2:135m", "qwen3:8b"} <= {model.id for model in provider.models()}


def test_a_name_without_a_tag_is_the_latest(provider: Ollama, ollama_server: OllamaServer) -> None:
    ollama_server.copy("smollm2:135m", "untagged")
    try:
        assert provider.resolve("untagged").id == "untagged:latest"
        assert provider.resolve("UNTAGGED:latest").id == "untagged:latest"
    finally:
        ollama_server.delete("untagged")


def test_an_unknown_model_has_near_names_and_the_line_that_gets_it(provider: Ollama) -> None:
    with pytest.raises(NotFound) as caught:
        provider.resolve("smollm2:13b")
    assert caught.value.hint is not None
    assert "smollm2:135m" in caught.value.hint
    assert caught.value.command == "localai pull smollm2:13b"


def test_a_model_that_was_deleted_meanwhile_is_not_found(
    provider: Ollama, ollama_server: OllamaServer
) -> None:
    ollama_server.copy("smollm2:135m", "fleeting")
    model = provider.resolve("fleeting")
    ollama_server.delete("fleeting")
    with pytest.raises(NotFound):
        list(provider.stream(ChatRequest(model, (CAPITAL,))))


# Answers


def test_the_answer_is_the_one_that_the_official_package_gets(
    provider: Ollama, ollama_server: OllamaServer
) -> None:
    import ollama

    events = list(ask(provider))
    official = ollama.Client(host=ollama_server.url, trust_env=False).chat(
        "smollm2:135m",
        [{"role": m.role, "content": m.text} for m in (HELPFUL, CAPITAL)],
        options={"temperature": 0, "seed": 1, "num_predict": 16, "num_ctx": 4096},
    )
    assert text_of(events) == official.message.content
    done = end_of(events)
    assert done.usage.input_tokens == official.prompt_eval_count
    assert done.usage.output_tokens == official.eval_count


def test_timings_are_the_servers(provider: Ollama) -> None:
    list(ask(provider))
    timings = end_of(list(ask(provider))).timings
    assert timings.clock == "server"
    assert timings.load_s is not None and 0 <= timings.load_s < 5
    assert timings.decode_tokens_per_s is not None and timings.decode_tokens_per_s > 1 / slowdown()
    # It was warm, and this version does not say how much of the prompt was cached.
    assert timings.prefill_tokens_per_s is None


def test_a_cold_model_is_announced_and_its_prefill_can_be_measured(
    provider: Ollama, ollama_server: OllamaServer
) -> None:
    unload(ollama_server)
    events = list(ask(provider))
    assert isinstance(events[0], Loading)
    assert events[0].message == "Ollama is loading smollm2:135m"
    assert end_of(events).context_tokens == 4096
    prefill = end_of(events).timings.prefill_tokens_per_s
    assert prefill is not None and 1 < prefill < 100_000


def test_a_warm_model_is_not_announced(provider: Ollama) -> None:
    list(ask(provider))
    events = list(ask(provider))
    assert "Paris" in text_of(events)
    assert not [event for event in events if isinstance(event, Loading)]


def test_locality_names_the_process_and_its_evidence(
    provider: Ollama, ollama_server: OllamaServer
) -> None:
    locality = end_of(list(ask(provider))).locality
    assert locality.zone is Zone.DEVICE
    assert locality.process is not None
    assert (locality.process.pid, locality.process.name) == (ollama_server.pid, "ollama")
    assert ollama_server.host in locality.evidence
    assert "no remote host" in locality.evidence
    assert locality.network_denied is False


def test_log_probabilities(provider: Ollama) -> None:
    options = Options(temperature=0, max_tokens=3)
    tokens = [e for e in ask(provider, logprobs=2, options=options) if type(e) is TokenLogprobs]
    assert len(tokens) == 3
    assert all(len(token.alternatives) == 2 and token.logprob <= 0 for token in tokens)


def test_a_misspelt_option_is_refused_before_anything_is_sent(provider: Ollama) -> None:
    with pytest.raises(InvalidInput):
        list(ask(provider, options=Options(extra={"num_gpus": 1})))


def test_a_picture_for_a_model_without_eyes_is_refused(provider: Ollama) -> None:
    message = Message("user", "what is it?", (Picture(b"x", "image/png"),))
    with pytest.raises(InvalidInput):
        list(ask(provider, message))


# Thinking


@pytest.fixture(params=["ollama_server", "newer_ollama_server"])
def thinker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Ollama, str, bool]]:
    """SmolLM2 with a template that opens its thoughts, so that Ollama believes it can think, and
    that says how long they may be; whether that Ollama takes levels."""
    server: OllamaServer = request.getfixturevalue(request.param)
    template = (
        "{{- range .Messages }}<|im_start|>{{ .Role }}\n"
        "{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}<|im_end|>\n"
        '{{ end }}{{ if eq .ThinkLevel "low" }}Be brief, and do not think for long.\n{{ end }}'
        "<|im_start|>assistant\n{{ if .Think }}<think>\n{{ end }}"
    )
    body = {"model": "thinker", "from": "smollm2:135m", "template": template, "stream": False}
    assert server.post("/api/create", body) == {"status": "success"}
    yield open_ollama(tmp_path, server.host), "thinker", request.param != "ollama_server"
    server.delete("thinker")


def test_reasoning_is_kept_apart_switched_off_and_has_levels(
    thinker: tuple[Ollama, str, bool],
) -> None:
    provider, name, takes_levels = thinker
    assert "thinking" in (provider.resolve(name).capabilities or ())
    prompts = {}
    for think in (None, "on", "low", "high", "off"):
        events = list(ask(provider, name=name, think=think))
        thinks = bool([event for event in events if isinstance(event, ReasoningDelta)])
        assert thinks is (think != "off")
        assert bool(text_of(events)) is not thinks
        prompts[think] = end_of(events).usage.input_tokens
        said = [event.message for event in events if isinstance(event, Doubt)]
        has_effect = takes_levels or think not in ("low", "high")
        who, wish = f"{provider.engine()} with {name}:latest", f"--think {think} is --think on"
        none = f"{who} knows no levels of thinking: {wish}"
        assert said == ([] if has_effect else [none])
    # The older one takes no level but gpt-oss's: there `low` is `on`.
    told = 11 if takes_levels else 0
    assert prompts["low"] == (prompts["high"] or 0) + told
    assert prompts["high"] == prompts["on"] == prompts[None]


def test_a_model_that_cannot_think_is_not_asked_to(provider: Ollama) -> None:
    assert text_of(list(ask(provider, think="on")))


def test_thinking_that_ollama_does_not_recognise_is_told_apart_all_the_same(
    tmp_path: Path,
) -> None:
    wire = OllamaWire()
    chat = wire.stream(wire.answer(["<thi", "nk>hm</think>", "Paris"]))
    with ScriptedServer(wire.routes(chat)) as server:
        events = list(ask(open_ollama(tmp_path, server.address), name="scripted"))
    assert (reasoning_of(events), text_of(events)) == ("hm", "Paris")


# Context


LONG = Message("user", "one two three four five six seven eight nine ten " * 30)


def test_a_context_that_was_asked_for_is_allocated(
    provider: Ollama, ollama_server: OllamaServer
) -> None:
    assert end_of(list(ask(provider, context_tokens=1024))).context_tokens == 1024
    assert loaded_contexts(ollama_server) == [1024]


def test_a_loaded_model_is_used_as_it_is_if_it_is_large_enough(
    provider: Ollama, ollama_server: OllamaServer
) -> None:
    list(ask(provider, context_tokens=6000))
    events = list(ask(provider))
    assert end_of(events).context_tokens == 6000
    assert not [event for event in events if isinstance(event, Loading)]


def test_a_context_grows_with_the_prompt(ollama_server: OllamaServer, tmp_path: Path) -> None:
    unload(ollama_server)
    small = open_ollama(tmp_path, ollama_server.host, engine_context="256")
    done = end_of(list(ask(small, HELPFUL, LONG, options=Options(temperature=0, max_tokens=4))))
    assert done.context_tokens == 4096
    assert done.usage.input_tokens is not None and done.usage.input_tokens > 256


def test_a_guess_that_was_too_low_is_mended(ollama_server: OllamaServer, tmp_path: Path) -> None:
    """A digit is a token: the text has three times the tokens that its bytes suggest."""
    unload(ollama_server)
    small = open_ollama(tmp_path, ollama_server.host, engine_context="256")
    digits = Message("user", "9" * 280)
    events = list(ask(small, HELPFUL, digits, options=Options(temperature=0, max_tokens=4)))
    said = [event.message for event in events if isinstance(event, Loading)]
    assert [message for message in said if message.startswith("Ollama is loading")] == [
        "Ollama is loading smollm2:135m with a context of 256 tokens",
        "Ollama is loading smollm2:135m with a context of 512 tokens",
    ]
    assert end_of(events).context_tokens == 512


def test_a_prompt_that_does_not_fit_what_was_asked_for_is_an_error(provider: Ollama) -> None:
    with pytest.raises(ContextOverflow) as caught:
        list(ask(provider, HELPFUL, LONG, context_tokens=256))
    assert caught.value.context_tokens == 256


def test_an_answer_that_fills_the_context_says_so(provider: Ollama) -> None:
    story = Message("user", "Write a very long story about a lighthouse keeper.")
    options = Options(temperature=0.9, seed=3, max_tokens=2000)
    done = end_of(list(ask(provider, HELPFUL, story, options=options, context_tokens=96)))
    assert done.finish_reason == "context"


def test_keep_alive_of_zero_unloads_at_once(provider: Ollama, ollama_server: OllamaServer) -> None:
    list(ask(provider, keep_alive_s=0.0))
    assert becomes(lambda: loaded_contexts(ollama_server) == [], within_s=5)


# What the model's maker wrote into it


def test_a_models_own_settings_hold_whoever_runs_it(
    provider: Ollama,
    ollama_server: OllamaServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text(
        'FROM smollm2:135m\nSYSTEM "You answer in one word."\n'
        'MESSAGE user "What is the capital of Italy?"\nMESSAGE assistant "Rome."\n'
        "PARAMETER num_predict 2\nPARAMETER temperature 0\nPARAMETER num_ctx 2048\n"
    )
    ollama_server.run("create", "own", "--file", modelfile)
    monkeypatch.setenv("OLLAMA_MODELS", str(ollama_server.models))
    config, paths = identity(tmp_path / "engine")
    engine = LlamaCpp(config, paths)
    try:
        question = {"role": "user", "content": CAPITAL.text}
        body = {"model": "own", "messages": [question], "stream": False}
        alone = ollama_server.post("/api/chat", body)
        assert alone["eval_count"] == 2
        for each in (provider, engine):
            model = each.resolve("own")
            request = build_request(AskSettings(), model, (CAPITAL,), config)
            usage = end_of(list(each.stream(request))).usage
            told = (usage.input_tokens, usage.output_tokens)
            assert told == (alone["prompt_eval_count"], 2), each.name
        [(_, worker)] = workers(paths)
        assert worker.context_tokens == 2048
    finally:
        ollama_server.delete("own")
        for files, info in workers(paths):
            stop(files, info)


# Other programs that use the same Ollama


def ask_as_others_do(server: OllamaServer) -> None:
    """As `ollama run`, LangChain and editors ask: nothing is said of the context."""
    body = {
        "model": "smollm2:135m",
        "messages": [{"role": "user", "content": "Say hi."}],
        "options": {"num_predict": 2},
        "stream": False,
    }
    assert server.post("/api/chat", body)["done"]


@pytest.mark.parametrize("server", ["ollama_server", "newer_ollama_server"])
@pytest.mark.parametrize("first", [True, False], ids=["localai first", "the other first"])
def test_taking_turns_with_another_program_starts_no_runner_again(
    request: pytest.FixtureRequest, tmp_path: Path, server: str, first: bool
) -> None:
    ollama: OllamaServer = request.getfixturevalue(server)
    unload(ollama)
    provider = open_ollama(tmp_path, ollama.host)
    # One with a limit, and one without, whose limit is what is left of the context.
    options = [Options(temperature=0, max_tokens=4), Options(temperature=0, stop=("Paris",))]
    runners = set()
    for ours in (first, not first, first, not first):
        if ours:
            list(ask(provider, options=options.pop()))
        else:
            ask_as_others_do(ollama)
        runners |= set(descendants(ollama.pid))
    assert len(runners) == 1


def test_what_might_be_cut_is_worth_a_runner_of_its_own(
    tmp_path: Path, newer_ollama_server: OllamaServer
) -> None:
    """Prompt and answer could pass the context together: Ollama must not cut what was said."""
    provider = open_ollama(tmp_path, newer_ollama_server.host)
    ask_as_others_do(newer_ollama_server)
    before = descendants(newer_ollama_server.pid)
    options = Options(temperature=0, seed=1, max_tokens=3930, stop=("Paris",))
    assert end_of(list(ask(provider, options=options))).finish_reason == "stop"
    assert descendants(newer_ollama_server.pid) != before


def test_warming_loads_what_the_question_then_uses(
    provider: Ollama, ollama_server: OllamaServer
) -> None:
    unload(ollama_server)
    messages = (HELPFUL, CAPITAL)
    request = ChatRequest(provider.resolve("smollm2:135m"), messages, Options(stop=("Paris",)))
    provider.warm(request)
    warmed = descendants(ollama_server.pid)
    list(provider.stream(request))
    assert descendants(ollama_server.pid) == warmed


def test_a_daemon_whose_own_context_is_too_small_is_told_a_larger_one(
    ollama_server: OllamaServer, tmp_path: Path
) -> None:
    small = replace(ollama_server, port=free_port(), log=tmp_path / "log")
    environment = {**small.environment, "OLLAMA_CONTEXT_LENGTH": "512"}
    with running_server([small.binary, "serve"], environment, small.port, small.log):
        provider = open_ollama(tmp_path, small.host)
        options = Options(temperature=0, max_tokens=1500, stop=("Paris",))
        done = end_of(list(ask(provider, options=options)))
    assert done.context_tokens == 4096
    assert done.finish_reason == "stop"


# The daemon


def test_no_daemon_is_told_with_the_line_that_starts_it(tmp_path: Path) -> None:
    absent = open_ollama(tmp_path, f"127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable) as caught:
        absent.models()
    assert caught.value.command == "ollama serve"


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({"error": "x"}, 404),
        json_reply([1]),
        Reply([b"<html>"], content_type="text/html"),
    ],
    ids=["404", "a list", "html"],
)
def test_another_server_on_the_port_is_not_taken_for_ollama(tmp_path: Path, reply: Reply) -> None:
    with ScriptedServer({"GET /api/*": reply}) as server, pytest.raises(Unreachable):
        open_ollama(tmp_path, server.address).models()


@pytest.mark.parametrize(
    ("settings", "environ", "address"),
    [
        ({}, {}, "127.0.0.1:11434"),
        ({}, {"OLLAMA_HOST": "0.0.0.0:8080"}, "127.0.0.1:8080"),
        ({"LOCALAI_OLLAMA_HOST": ":9"}, {"OLLAMA_HOST": "0.0.0.0:8080"}, "127.0.0.1:9"),
    ],
)
def test_where_ollama_is(
    tmp_path: Path, settings: dict[str, str], environ: dict[str, str], address: str
) -> None:
    config: Config = identity(tmp_path, settings)[0]
    assert target_of(config, environ).address == address


def test_a_model_is_shown_once_a_digest(tmp_path: Path) -> None:
    wire = OllamaWire()
    with ScriptedServer(wire.routes(wire.stream(wire.answer(["hi"])))) as server:

        def show_count(digest: str) -> int:
            listed = {"name": "scripted:latest", "digest": digest}
            server.routes["GET /api/tags"] = json_reply({"models": [listed]})
            before = server.paths().count("POST /api/show")
            # Each time as a new process would, with the same files.
            events = list(ask(open_ollama(tmp_path, server.address), name="scripted"))
            assert text_of(events) == "hi"
            return server.paths().count("POST /api/show") - before

        assert [show_count(digest) for digest in ("a", "a", "b", "b", "a")] == [1, 0, 1, 0, 0]


def test_what_the_daemon_does_is_told_while_it_takes_long(tmp_path: Path) -> None:
    wire = OllamaWire()
    answer = Reply(wire.answer(["hi"]), content_type="application/x-ndjson", silence_s=2.5)
    routes = wire.routes(answer)
    there = {"name": "scripted:latest", "context_length": 4096}
    nothing = json_reply({"models": []})
    routes["GET /api/ps"] = [nothing, nothing, json_reply({"models": [there]})]
    with ScriptedServer(routes) as server:
        events = list(ask(open_ollama(tmp_path, server.address), name="scripted"))
    said = [event.message for event in events if isinstance(event, Loading)]
    assert [message.split()[0] for message in said] == ["Ollama", "reading"]


def test_an_answer_without_a_limit_gets_what_is_left_of_the_context(tmp_path: Path) -> None:
    wire = OllamaWire()
    with ScriptedServer(wire.routes(wire.stream(wire.answer(["x"], finish="length")))) as server:
        provider = open_ollama(tmp_path, server.address)

        def asked(options: Options) -> tuple[int, bool, str]:
            done = end_of(list(ask(provider, options=options, name="scripted")))
            *_, last = (each for each in server.asked if each.path == "/api/chat")
            body = last.json
            return body["options"].get("num_predict"), "shift" in body, done.finish_reason

        # The prompt has 58 bytes and two messages.
        assert asked(Options()) == (4096 - 58 - 2 * 64, False, "context")
        assert asked(Options(max_tokens=5)) == (5, False, "length")


def test_an_answer_that_ends_without_an_end_is_not_taken_for_one(tmp_path: Path) -> None:
    """Ollama ends a stream like that when a model repeats one token thirty times."""
    wire = OllamaWire()
    with ScriptedServer(wire.routes(wire.stream(wire.begun(["no ", "no ", "no "])))) as server:
        seen = []
        with pytest.raises(Unreachable) as caught:
            for event in ask(open_ollama(tmp_path, server.address), name="scripted"):
                seen.append(event)
    assert text_of(seen) == "no no no "
    assert caught.value.hint is not None and "repeat_penalty" in caught.value.hint


def test_an_answer_is_kept_though_the_daemon_goes_right_after_it(tmp_path: Path) -> None:
    wire = OllamaWire()
    routes = wire.routes(wire.stream(wire.answer(["hi"])))
    there = {"name": "scripted:latest", "context_length": 4096}
    routes["GET /api/ps"] = [json_reply({"models": [there]}), json_reply({}, 500)]
    with ScriptedServer(routes) as server:
        events = list(ask(open_ollama(tmp_path, server.address), name="scripted"))
    assert text_of(events) == "hi"
    assert end_of(events).context_tokens == 4096


def test_warming_what_is_not_there_says_so_and_unloading_it_is_nothing(provider: Ollama) -> None:
    missing = replace(provider.resolve("smollm2:135m"), id="no-such-model")
    with pytest.raises(NotFound):
        provider.warm(ChatRequest(missing, (Message("user", "hi"),)))
    provider.unload(missing)
