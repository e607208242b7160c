"""A chat template of the user's own: for a run, for good, and where none can be given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.paths import Paths
from tests.support.command import RunLocalai
from tests.support.ollama import OllamaServer

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}, my own\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A template of the user's, with the byte-order mark of an editor on Windows."""
    file = tmp_path / "own.jinja"
    file.write_bytes(b"\xef\xbb\xbf" + TEMPLATE.encode())
    return file


def test_a_run_is_asked_with_the_template_that_is_given(
    home_with_starter: Paths, run_localai: RunLocalai, own: Path
) -> None:
    given = ("--chat-template", own, "--max-tokens", "2")
    dry = json.loads(run_localai("chat", *given, "--dry-run", "--json", "hello").stdout)
    assert "<|im_start|>user, my own\nhello<|im_end|>" in dry["rendered_prompt"]
    answered = json.loads(run_localai("chat", *given, "--json", "hello").stdout)
    assert answered["usage"]["input_tokens"] == dry["counted_tokens"]
    line = run_localai("batch", "-", *given, input='{"prompt": "hello"}\n')
    assert json.loads(line.stdout)["usage"]["input_tokens"] == dry["counted_tokens"]
    without = json.loads(run_localai("chat", "--dry-run", "--json", "hello").stdout)
    assert "my own" not in without["rendered_prompt"]


def test_a_model_has_a_template_for_good_until_it_is_unset(
    home_with_starter: Paths, run_localai: RunLocalai, own: Path
) -> None:
    key = "models.starter.chat_template"
    assert run_localai("config", "set", key, own.name, cwd=own.parent).returncode == 0
    assert run_localai("config", "get", key).stdout.decode() == f"{own}\n"
    listed = json.loads(run_localai("config", "list", "--json").stdout)
    assert listed["model_settings"] == {key: str(own)}
    dry = json.loads(run_localai("chat", "--dry-run", "--json", "hello").stdout)
    assert "user, my own" in dry["rendered_prompt"]
    shown = json.loads(run_localai("show", "starter", "--json").stdout)
    assert shown["given_template"] == str(own)
    assert shown["template_problems"] == []
    assert f"{own} is used in its place" in run_localai("show", "starter").stdout.decode()
    own.write_text("{% for m in messages %}{{ m.content }}")
    broken = run_localai("chat", "hello")
    assert broken.returncode == 2
    assert f"the chat template {own} is broken: 1 × for, 0 × endfor" in broken.stderr.decode()
    shown = json.loads(run_localai("show", "starter", "--json").stdout)
    assert "1 × for, 0 × endfor" in shown["template_problems"][0]
    assert run_localai("config", "unset", "models.starter").returncode == 0
    assert run_localai("config", "get", key).returncode == 3
    dry = json.loads(run_localai("chat", "--dry-run", "--json", "hello").stdout)
    assert "my own" not in dry["rendered_prompt"]


@pytest.mark.parametrize(
    ("content", "code", "complaint"),
    [
        (None, 3, "there is no file"),
        (b"hello", 2, "is no chat template: no message has a place in it"),
        (b"{% if x %}{{ messages }}", 2, "is broken: 1 × if, 0 × endif"),
        (b"{{ messages \xff }}", 2, "is not UTF-8: byte 0xff at offset 12"),
        (b"{{ messages }}" + b" " * (1 << 20), 2, "has more than 1 MiB"),
    ],
)
def test_a_file_that_is_none_is_refused_before_anything_is_loaded(
    home_with_starter: Paths,
    run_localai: RunLocalai,
    tmp_path: Path,
    content: bytes | None,
    code: int,
    complaint: str,
) -> None:
    file = tmp_path / "given.jinja"
    if content is not None:
        file.write_bytes(content)
    result = run_localai("chat", "--chat-template", file, "hello")
    assert result.returncode == code
    assert complaint in result.stderr.decode()
    assert b"NAME" not in run_localai("ps").stdout


def test_who_has_templates_of_their_own_says_where(
    localai_home: Path, run_localai: RunLocalai, ollama_server: OllamaServer, own: Path
) -> None:
    environment = {"OLLAMA_HOST": ollama_server.host}
    asked = ("chat", "-m", "ollama/smollm2:135m", "hello")
    result = run_localai(*asked, "--chat-template", own, env=environment)
    assert result.returncode == 2
    assert b"it stands in the model's Modelfile (TEMPLATE, in Go and not Jinja)" in result.stderr
    assert b"-m llamacpp/MODEL" in result.stderr
    key = "models.ollama/smollm2:135m.chat_template"
    assert run_localai("config", "set", key, own).returncode == 0
    assert run_localai(*asked, env=environment).returncode == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('models = "x"\n', "models is a table of tables"),
        ("[models]\nstarter = 1\n", "models.starter is a table"),
        ("[models.starter]\ntemplate = 'x'\n", "a model has no setting 'template'"),
        ("[models.starter]\nchat_template = 'x'\n", "a file with its whole path, from / or ~"),
        ("[models.starter]\nchat_template = 7\n", "must be a file"),
    ],
)
def test_what_is_wrong_in_the_table_of_models_is_said(
    localai_home: Path, run_localai: RunLocalai, text: str, complaint: str
) -> None:
    file = Path(run_localai("config", "path").stdout.decode().strip())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    result = run_localai("config", "list")
    assert result.returncode == 2
    assert complaint in result.stderr.decode()


def test_a_template_that_is_not_there_yet_is_a_warning(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    key = "models.qwen3:0.6b.chat_template"
    result = run_localai("config", "set", key, tmp_path / "later.jinja")
    assert result.returncode == 0
    assert b"there is no file" in result.stderr
    assert run_localai("config", "set", "models.x", "y").returncode == 2
