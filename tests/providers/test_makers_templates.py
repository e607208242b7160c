"""A TEMPLATE that Ollama's makers of a model gave it holds on the engine as it holds in Ollama."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from localai.chat.request import AskSettings, build_request
from localai.config import load
from localai.errors import LocalaiError
from localai.events import Doubt
from localai.paths import locate
from localai.providers.llamacpp import LlamaCpp
from localai.types import ChatRequest, Message, Options, Picture, ResolvedModel
from localai.wires.ollama.prompts import render_prompt
from tests.support.answers import end_of, open_ollama, text_of
from tests.support.command import stop_processes_of
from tests.support.ollama import OllamaServer

CAPITAL = Message("user", "What is the capital of France?")
STORY = Message("user", "Tell me a long story about a cat that lives in Paris.")
LONGER = (CAPITAL, Message("assistant", "Paris."), Message("user", "And of Italy?"))
TEMPLATES = {
    "one turn": "{{ if .System }}### System: {{ .System }}\n{{ end }}### User: {{ .Prompt }}\n"
    "### Answer: {{ .Response }}\n",
    "messages": "{{- range .Messages }}<|im_start|>{{ .Role }} says\n{{ .Content }}<|im_end|>\n"
    "{{ end }}<|im_start|>assistant\n",
    # As Qwen 3's in Ollama's registry says to think, and where the last turn is.
    "thinking": "{{- $lastUserIdx := -1 -}}{{- range $idx, $msg := .Messages -}}"
    '{{- if eq $msg.Role "user" }}{{ $lastUserIdx = $idx }}{{ end -}}{{- end }}'
    "{{- if or .System .Tools }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
    "{{- range $i, $_ := .Messages }}{{- $last := eq (len (slice $.Messages $i)) 1 -}}"
    '{{- if eq .Role "user" }}<|im_start|>user\n{{ .Content }}'
    '{{- if and $.IsThinkSet (eq $i $lastUserIdx) }}{{- if $.Think -}}{{- " "}}/think'
    '{{- else -}}{{- " "}}/no_think{{- end -}}{{- end }}<|im_end|>\n'
    '{{ else if eq .Role "assistant" }}<|im_start|>assistant\n'
    "{{ if .Thinking }}<think>{{ .Thinking }}</think>\n{{ end }}{{ .Content }}"
    "{{ if not $last }}<|im_end|>\n{{ end }}{{ end }}"
    '{{- if and (ne .Role "assistant") $last }}<|im_start|>assistant\n{{ end }}{{ end }}',
}


@dataclass(frozen=True, slots=True)
class Side:
    """The real Ollama and the engine, which sees its store."""

    ollama: OllamaServer
    engine: LlamaCpp
    home: Path

    def create(self, name: str, modelfile: str) -> ResolvedModel:
        file = self.home / "Modelfile"
        file.write_text(modelfile)
        self.ollama.run("create", name, "--file", file)
        return self.engine.resolve(name)

    def request(self, model: ResolvedModel, *messages: Message) -> ChatRequest:
        settings = AskSettings(options=Options(temperature=0))
        return build_request(settings, model, messages, load(locate()))


@pytest.fixture(scope="module")
def side(ollama_server: OllamaServer) -> Iterator[Side]:
    home = Path(tempfile.mkdtemp(prefix="localai-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALAI_HOME", str(home))
        patch.setenv("OLLAMA_MODELS", str(ollama_server.models))
        yield Side(ollama_server, LlamaCpp(load(locate()), locate()), home)
    stop_processes_of(home)
    shutil.rmtree(home, ignore_errors=True)


def bodies(name: str, messages: tuple[Message, ...]) -> dict[str, Any]:
    said = [{"role": each.role, "content": each.text} for each in messages]
    return {"model": name, "messages": said, "stream": False}


@pytest.mark.parametrize("messages", [(CAPITAL,), LONGER], ids=["one", "several"])
@pytest.mark.parametrize("kind", TEMPLATES)
def test_the_engine_reads_the_prompt_that_ollama_makes(
    side: Side, kind: str, messages: tuple[Message, ...]
) -> None:
    name = f"template-{kind.replace(' ', '-')}"
    model = side.create(name, f'FROM smollm2:135m\nTEMPLATE """{TEMPLATES[kind]}"""\n')
    body = {**bodies(name, messages), "_debug_render_only": True}
    wanted = side.ollama.post("/api/chat", body)["_debug_info"]["rendered_template"]
    rendered = side.engine.rendered(side.request(model, *messages))
    assert rendered is not None and rendered.text == wanted


@pytest.mark.parametrize("stop", ["", 'PARAMETER stop " cat"\n'], ids=["limit", "stop"])
def test_own_settings_and_template_give_the_same_answer_whoever_runs_it(
    side: Side, tmp_path: Path, stop: str
) -> None:
    model = side.create(
        "own-template",
        f'FROM smollm2:135m\nTEMPLATE """{TEMPLATES["one turn"]}"""\n'
        f'SYSTEM "You tell long stories."\n{stop}'
        'MESSAGE user "Hello"\nMESSAGE assistant "Hello! What story may I tell you?"\n'
        "PARAMETER num_predict 20\nPARAMETER temperature 0\nPARAMETER num_ctx 2048\n",
    )
    alone = side.ollama.post("/api/chat", bodies("own-template", (STORY,)))
    for provider in (open_ollama(tmp_path, side.ollama.host), side.engine):
        found = provider.resolve("own-template")
        request = build_request(AskSettings(), found, (STORY,), load(locate()))
        events = list(provider.stream(request))
        usage = end_of(events).usage
        assert usage.input_tokens == alone["prompt_eval_count"], provider.name
        if stop:
            assert end_of(events).finish_reason == "stop" and " cat" not in text_of(events)
        else:
            assert usage.output_tokens == alone["eval_count"] == 20, provider.name
        assert not [each for each in events if isinstance(each, Doubt)]
    assert model.context_tokens == 2048


def test_a_template_that_says_what_the_files_own_says_changes_nothing(side: Side) -> None:
    chatml = TEMPLATES["messages"].replace(" says", "")
    model = side.create("chatml", f'FROM smollm2:135m\nTEMPLATE """{chatml}"""\n')
    request = replace(side.request(model, CAPITAL), think_tokens=50)
    events = list(side.engine.stream(replace(request, options=Options(max_tokens=2))))
    assert not [each for each in events if isinstance(each, Doubt)]


def doubts(side: Side, request: ChatRequest) -> list[str]:
    short = replace(request, options=replace(request.options, max_tokens=2))
    return [each.message for each in side.engine.stream(short) if isinstance(each, Doubt)]


def test_where_the_engine_cannot_use_it_that_is_said(side: Side) -> None:
    text = f'FROM smollm2:135m\nTEMPLATE """{TEMPLATES["one turn"]}"""\n'
    model = side.create("told", text)
    request = side.request(model, CAPITAL)
    assert doubts(side, request) == []
    budget = doubts(side, replace(request, think_tokens=20))
    [told] = budget
    assert told.startswith("the TEMPLATE of told:latest is not used"), told
    assert told.endswith("a budget of thinking goes by the file's own"), told
    broken = replace(model, go_template="{{ call .Prompt }}")
    assert [
        "it cannot be read: it has the function call" in each
        for each in doubts(side, replace(request, model=broken))
    ] == [True]
    seen = replace(CAPITAL, pictures=(Picture(b"x", "image/png"),))
    with pytest.raises(LocalaiError):
        doubts(side, replace(request, messages=(seen,)))


def test_a_prompt_by_it_is_made_once_a_question(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counted(template: str, messages: Any, think: Any = None) -> str:
        made.append(template)
        return render_prompt(template, messages, think)

    monkeypatch.setattr("localai.providers.go_prompts.render_prompt", counted)
    for kind in ("one turn", "messages"):
        text = f'FROM smollm2:135m\nTEMPLATE """{TEMPLATES[kind]}"""\n'
        request = side.request(side.create("once", text), CAPITAL)
        assert doubts(side, request) == []
        assert len(made) == 1
        made.clear()


def test_an_answer_goes_on_within_its_turn(side: Side) -> None:
    model = side.create("goes-on", f'FROM smollm2:135m\nTEMPLATE """{TEMPLATES["one turn"]}"""\n')
    request = side.request(model, CAPITAL, Message("assistant", "The capital of"))
    rendered = side.engine.rendered(request)
    assert rendered is not None and rendered.text.endswith("### Answer: The capital of")


def test_a_second_name_of_our_own_keeps_the_template(side: Side, tmp_path: Path) -> None:
    from localai.stores.model_defaults import keep_defaults, read_defaults

    model = side.create("kept", f'FROM smollm2:135m\nTEMPLATE """{TEMPLATES["messages"]}"""\n')
    keep_defaults(model, tmp_path / "second.gguf")
    assert read_defaults(tmp_path / "second.gguf").go_template == TEMPLATES["messages"]
    manifest = side.ollama.models / "manifests/registry.ollama.ai/library/kept/latest"
    assert "template" in json.dumps(json.loads(manifest.read_text()))
