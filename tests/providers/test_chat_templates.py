"""Chat templates of the wild on the real engine: what each does is named, and what can be done."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localai.config.reading import load
from localai.engine.lifecycle import workers
from localai.engine.template_findings import RememberedFindings
from localai.errors import TemplateFault
from localai.events import Done, Doubt
from localai.paths import Paths, locate
from localai.providers.llamacpp import LlamaCpp
from localai.types import ChatRequest, Message, Options
from tests.support.command import stop_processes_of
from tests.support.tool_template import gguf_with_template

_TURN = "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
_BEGIN = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
_ALL = "{% for m in messages %}" + _TURN + "{% endfor %}" + _BEGIN
_ALONE = (Message("user", "What is 2 + 2?"),)
_WITH_SYSTEM = (Message("system", "Be brief."), *_ALONE)
_LONGER = (*_ALONE, Message("assistant", "4"), Message("user", "And 3 + 3?"))
_TWICE = (*_ALONE, *_ALONE)
_ALTERNATING = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}" + _TURN + "{% endfor %}"
)


@pytest.fixture(scope="module")
def paths() -> Iterator[Paths]:
    """A home that all templates share, one after the other in the place of the other's worker."""
    home = Path(tempfile.mkdtemp(prefix="localai-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALAI_HOME", str(home))
        yield locate()
    stop_processes_of(home)
    shutil.rmtree(home, ignore_errors=True)


def _request(paths: Paths, model: Path, messages: tuple[Message, ...]) -> ChatRequest:
    found = LlamaCpp(load(paths), paths).resolve(str(model))
    return ChatRequest(found, messages, Options(max_tokens=2), context_tokens=256)


def _asked(paths: Paths, request: ChatRequest) -> list[str]:
    """What was said before the answer, which came."""
    events = list(LlamaCpp(load(paths), paths).stream(request))
    assert isinstance(events[-1], Done)
    return [event.message for event in events if isinstance(event, Doubt)]


REFUSED = {
    "statement": ("{% include 'x' %}" + _ALL, _ALONE, "is broken: Unknown statement: include"),
    "import": ("{% import 'macros' as x %}" + _ALL, _ALONE, "is broken: Unknown statement: import"),
    "filter": (_ALL.replace("m.content }}", "m.content | wordwrap(9) }}"), _ALONE, "'wordwrap'"),
    "function": ("{{ now() }}" + _ALL, _ALONE, "is broken: .*now"),
    "operator": (_ALL.replace("m.role }}", "'%s' % m.role }}"), _ALONE, "Unknown operator"),
    "always": ("{{ raise_exception('not for chat') }}", _ALONE, "is broken: not for chat"),
    "word": ("{{ 'hello' }}" + _BEGIN, _ALONE, "leaves out the question"),
    "tools only": ("{% for t in tools %}{{ t }}{% endfor %}" + _BEGIN, _ALONE, "out the question"),
    "other roles": (
        "{% for m in messages %}{% if m.role == 'human' %}" + _TURN + "{% endif %}{% endfor %}",
        _ALONE,
        "leaves out the question",
    ),
    "first message": ("{{ messages[0].content }}" + _BEGIN, _LONGER, "leaves out the question"),
    "roles": (_ALTERNATING, _TWICE, "refuses this: Conversation roles must alternate"),
}
SAID = {
    "last message": (
        "{{ messages[-1].content }}" + _BEGIN,
        _LONGER,
        "leaves out earlier questions and earlier answers",
    ),
    "no answers": (
        "{% for m in messages if m.role != 'assistant' %}" + _TURN + "{% endfor %}" + _BEGIN,
        _LONGER,
        "leaves out earlier answers",
    ),
}
TAKEN = {
    "last message of one": ("{{ messages[-1].content }}" + _BEGIN, _ALONE),
    "trimmed": (_ALL.replace("m.content }}", "m.content | trim | upper }}"), _WITH_SYSTEM),
    "generation": ("{% generation %}" + _ALL + "{% endgeneration %}", _LONGER),
    "date": ("{{ strftime_now('%d') }}" + _ALL, _WITH_SYSTEM),
    "roles in turn": (_ALTERNATING, _LONGER),
    "no system": (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        + _ALL,
        _WITH_SYSTEM,
    ),
    "parts": (
        "{% for m in messages %}{% for c in m.content %}{% if c.type == 'text' %}{{ c.text }}"
        "{% endif %}{% endfor %}{% endfor %}" + _BEGIN,
        _LONGER,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_template_that_makes_no_prompt_of_it_is_named(
    paths: Paths, laconic_path: Path, name: str
) -> None:
    template, messages, complaint = REFUSED[name]
    request = replace(_request(paths, laconic_path, messages), chat_template=template)
    with pytest.raises(TemplateFault, match=complaint) as raised:
        _asked(paths, request)
    assert "the chat template that was given" in raised.value.message
    assert raised.value.hint == "mend the file, or ask without it"


@pytest.mark.parametrize("name", SAID)
def test_what_a_template_leaves_out_beside_the_question_is_said(
    paths: Paths, laconic_path: Path, name: str
) -> None:
    template, messages, doubt = SAID[name]
    request = replace(_request(paths, laconic_path, messages), chat_template=template)
    [said] = _asked(paths, request)
    assert said.endswith(doubt)


@pytest.mark.parametrize("name", TAKEN)
def test_a_template_that_says_all_is_used_in_silence(
    paths: Paths, laconic_path: Path, name: str
) -> None:
    template, messages = TAKEN[name]
    request = replace(_request(paths, laconic_path, messages), chat_template=template)
    assert _asked(paths, request) == []
    [(_, info)] = workers(paths)
    assert info.spec.chat_template == template


def test_a_models_own_is_named_with_what_helps_and_remembered(
    paths: Paths, tmp_path: Path, laconic_path: Path
) -> None:
    model = gguf_with_template(tmp_path / "m.gguf", laconic_path, "{{ raise_exception('no') }}")
    request = _request(paths, model, _ALONE)
    with pytest.raises(TemplateFault, match=r"m\.gguf is broken: no \(line 1") as raised:
        _asked(paths, request)
    assert f"localai config set models.{model}.chat_template FILE" in (raised.value.hint or "")
    found = RememberedFindings(paths.cache_dir).of(model)
    assert found is not None
    assert found.problems == ("no (line 1, column 19)",)
    assert _asked(paths, replace(request, chat_template=_ALL)) == []


def test_a_model_without_one_is_asked_by_guess_and_says_so(paths: Paths, gemma3_path: Path) -> None:
    request = _request(paths, gemma3_path, _ALONE)
    [said] = _asked(paths, request)
    assert "has no chat template, and the engine takes ChatML by guess" in said
    assert _asked(paths, replace(request, chat_template=_ALL)) == []
