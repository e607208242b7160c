"""A model whose template takes memory or time without end, or refuses in the user's words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.config.reading import load
from localai.engine import starting
from localai.engine.lifecycle import workers
from localai.engine.llamacpp import limits
from localai.errors import InsufficientResources, LocalaiError, Unreachable
from localai.net.http import call
from localai.paths import Paths, locate
from localai.providers import worker_templates
from localai.providers.llamacpp import LlamaCpp
from localai.types import ChatRequest, Message, Options
from tests.engine.llamacpp.narrow_worker import ROOM_BYTES
from tests.support.clock import becomes
from tests.support.tool_template import gguf_with_template

_PLAIN = (
    "{% for m in messages %}<|im_start|>{{ m['role'] + '\n' + m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_MUCH = "{% for i in range(100000) %}" + "a" * 10_000 + "{% endfor %}"
_LONG = "{% for i in range(90000) %}{% for j in range(90000) %}{% set x = j %}" + "{% endfor %}" * 2
_ON_REQUEST = (
    "{% set last = messages[-1].content %}"
    f"{{% if last == 'memory' %}}{_MUCH}{{% elif last == 'time' %}}{_LONG}"
    "{% elif last.startswith('refuse') %}{{ raise_exception('no: ' ~ last) }}{% endif %}"
)


@pytest.fixture(scope="module")
def on_request(tmp_path_factory: pytest.TempPathFactory, laconic_path: Path) -> Iterator[Path]:
    """A model whose template does as its last message says."""
    file = tmp_path_factory.mktemp("models") / "on-request.gguf"
    yield gguf_with_template(file, laconic_path, _ON_REQUEST + _PLAIN)
    file.unlink()


@pytest.fixture
def paths(localai_home: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A home whose workers have little room and little time."""
    narrow = {**starting._MODULES, "llamacpp": "tests.engine.llamacpp.narrow_worker"}
    monkeypatch.setattr(starting, "_MODULES", narrow)
    monkeypatch.setattr(limits, "_ROOM_BYTES", ROOM_BYTES)
    return locate()


def _ask(paths: Paths, model: Path, text: str) -> str:
    provider = LlamaCpp(load(paths), paths)
    request = ChatRequest(
        provider.resolve(str(model)),
        (Message("user", text),),
        Options(max_tokens=4),
        context_tokens=512,
    )
    return "".join(getattr(event, "text", "") for event in provider.stream(request))


@pytest.mark.parametrize(
    ("template", "kind", "complaint"),
    [
        (_MUCH, InsufficientResources, "of memory while it was loaded"),
        (_LONG, Unreachable, "has not come to an end in 2 s"),
    ],
    ids=["memory", "time"],
)
def test_a_template_is_stopped_while_the_model_loads(
    paths: Paths,
    tmp_path: Path,
    laconic_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    template: str,
    kind: type[LocalaiError],
    complaint: str,
) -> None:
    if kind is Unreachable:
        monkeypatch.setattr(starting, "LONGEST_TEMPLATE_S", 2.0)
    model = gguf_with_template(tmp_path / "m.gguf", laconic_path, template + _PLAIN)
    with pytest.raises(kind, match=complaint):
        _ask(paths, model, "hello")
    assert workers(paths) == []


@pytest.mark.parametrize(
    ("question", "complaint"),
    [("memory", "the worker took more memory than"), ("time", "has not come to an end in 2 s")],
)
def test_a_template_is_stopped_while_it_renders_a_request(
    paths: Paths, on_request: Path, monkeypatch: pytest.MonkeyPatch, question: str, complaint: str
) -> None:
    if question == "time":
        monkeypatch.setattr(worker_templates, "LONGEST_TEMPLATE_S", 2.0)
        monkeypatch.setattr(worker_templates, "_SUSPICIOUS_AFTER_S", 0.5)
    assert _ask(paths, on_request, "hello")
    with pytest.raises(Unreachable, match=complaint):
        _ask(paths, on_request, question)
    assert becomes(lambda: workers(paths) == [], 10)


def test_a_worker_does_not_compute_on_for_nobody(paths: Paths, on_request: Path) -> None:
    assert _ask(paths, on_request, "hello")
    [(files, _)] = workers(paths)
    with pytest.raises(Unreachable):
        call(
            files.socket,
            "POST",
            "/apply-template",
            {"messages": [{"role": "user", "content": "time"}]},
            timeout_s=1,
        )
    assert becomes(lambda: workers(paths) == [], 30)
    assert "computed on although nobody waited" in files.log.read_text()


def test_why_a_template_refuses_is_said_and_not_logged(paths: Paths, on_request: Path) -> None:
    with pytest.raises(LocalaiError, match="refuse Xanadu"):
        _ask(paths, on_request, "refuse Xanadu")
    [(files, _)] = workers(paths)
    log = files.log.read_text()
    assert "listening on" in log
    assert "Xanadu" not in log
