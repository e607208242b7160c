"""Chat templates made by chance, on the real engine: each is used, or named as the cause.

    python -m tests.campaigns.wild --only templates --count 100

The truth is what the engine itself makes of the template: what of a conversation does not come out
of it, or that it refuses. Nothing else may happen: no other error, no silent loss.
"""

from __future__ import annotations

import atexit
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from localai.chat.chat_template import read_chat_template
from localai.config.reading import load
from localai.engine.lifecycle import stop, workers
from localai.errors import InvalidInput, TemplateFault
from localai.events import Doubt
from localai.net.framing import ServerRefused
from localai.net.http import call
from localai.paths import Paths, locate
from localai.providers.llamacpp import LlamaCpp
from localai.types import ChatRequest, Message, Options
from tests.support.weights import require

_HEADS = (
    "",
    "{{ bos_token }}",
    "{% set ns = namespace(n=0) %}",
    "{% if tools %}{{ tools | tojson }}{% endif %}",
    "{{ strftime_now('%Y') }}",
    "{% include 'a' %}",
    "{{ now() }}",
    "{% macro turn(m) %}{{ m.content }}{% endmacro %}",
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}",
    "{%- set messages = messages[1:] %}",
    "{%- if messages | length > 1 %}{{ raise_exception('one only') }}{% endif %}",
    "{% generation %}{% endgeneration %}",
)
_LOOPS = (
    "{% for m in messages %}BODY{% endfor %}",
    "{%- for m in messages -%}BODY{%- endfor -%}",
    "{% for m in messages if m.role != 'assistant' %}BODY{% endfor %}",
    "{% for m in messages if m.role == 'human' %}BODY{% endfor %}",
    "{% for m in messages[-1:] %}BODY{% endfor %}",
    "{% for m in messages[:1] %}BODY{% endfor %}",
    "{% for m in messages %}{% if loop.index0 is even %}BODY{% endif %}{% endfor %}",
    "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}BODY{% endfor %}",
    "{% for m in tools %}BODY{% endfor %}",
    "{% for m in messages %}BODY",
    "BODY",
)
_BODIES = (
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n",
    "{{ m['role'] + ': ' + m['content'] | trim }}\n",
    "{{ m.content | upper }}",
    "{{ m.content | wordwrap(20) }}",
    "{{ m.content[:3] }}",
    "{{ '%s' % m.content }}",
    "{% if m.content is string %}{{ m.content }}{% else %}{{ m.content[0].text }}{% endif %}",
    "{% for part in m.content %}{{ part.text }}{% endfor %}",
    "{{ m.role }}",
    "{{ m.text }}",
    "{{ m.content | tojson }}",
    "{{ m.content.split('</think>')[-1].lstrip('\\n') }}",
    "{% if m.role == 'user' %}{{ m.content }}{% endif %}",
    "{% if m.role == 'tool' %}{{ m.content }}{% elif %}{% endif %}",
    "{{ m.content }",
)
_TAILS = (
    "",
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "{{ '<|im_start|>assistant\\n<think>\\n' }}",
    "{{ raise_exception('always') }}",
    "{% endif %}",
    "{# a comment",
    "{{ 1 // 0 }}",
)
_CONVERSATIONS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("user", "wfirst"),),
    (("system", "wsystem"), ("user", "wfirst")),
    (("user", "wfirst"), ("assistant", "wanswer"), ("user", "wsecond")),
    (("system", "wsystem"), ("user", "wfirst"), ("assistant", "wanswer"), ("user", "wsecond")),
    (("user", "wfirst"), ("user", "wsecond")),
)
_HOMES = ExitStack()
atexit.register(_HOMES.close)


def templates(chance: random.Random) -> str:
    """What came of one: "refused" (before the engine), "broken", "lost", "said" or "used"."""
    body = chance.choice(_LOOPS[:8] * 3 + _LOOPS).replace(
        "BODY", chance.choice(_BODIES[:3] * 4 + _BODIES)
    )
    head = chance.choice((*[""] * 8, *_HEADS))
    tail = chance.choice((*_TAILS[:3] * 4, *_TAILS))
    text = head + body + tail
    said = chance.choice(_CONVERSATIONS)
    home = _home()
    file = home.data_dir / "given.jinja"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    try:
        given = read_chat_template(file)
    except InvalidInput:
        return "refused"
    provider = LlamaCpp(load(home), home)
    messages = tuple(Message(role, word) for role, word in said)  # type: ignore[arg-type]
    request = ChatRequest(
        provider.resolve(str(require("smollm2"))),
        messages,
        Options(max_tokens=1),
        context_tokens=256,
        chat_template=given,
    )
    try:
        doubts = [each.message for each in provider.stream(request) if isinstance(each, Doubt)]
    except TemplateFault as fault:
        assert "chat template that was given" in fault.message, fault.message
        assert fault.hint
        if "is broken" in fault.message:
            return "broken"
        if "leaves out the question" in fault.message:
            assert _question(said) not in _rendered(home, said), (text, said)
            return "lost"
        assert _rendered(home, said) == "", (text, said, fault.message)
        return "broken"
    rendered = _rendered(home, said)
    missing = {role for role, word in said if word not in rendered}
    named = {
        role
        for role, name in (
            ("system", "the system prompt"),
            ("user", "earlier questions"),
            ("assistant", "earlier answers"),
        )
        if any(name in doubt for doubt in doubts)
    }
    assert _question(said) in rendered, (text, said, rendered)
    assert missing == named, (text, said, rendered, doubts)
    return "said" if named else "used"


def _question(said: tuple[tuple[str, str], ...]) -> str:
    return said[-1][1]


def _rendered(home: Paths, said: tuple[tuple[str, str], ...]) -> str:
    """What the engine makes of it, in lower case; empty if it refuses."""
    [(files, _)] = workers(home)
    body = {"messages": [{"role": role, "content": word} for role, word in said]}
    try:
        return str(call(files.socket, "POST", "/apply-template", body)["prompt"]).lower()
    except ServerRefused:
        return ""


@cache
def _home() -> Paths:
    return _HOMES.enter_context(_made_home())


@contextmanager
def _made_home() -> Iterator[Paths]:
    home = Path(tempfile.mkdtemp(prefix="localai-"))
    paths = locate({"LOCALAI_HOME": str(home)})
    try:
        yield paths
    finally:
        for files, info in workers(paths):
            stop(files, info)
        shutil.rmtree(home, ignore_errors=True)
