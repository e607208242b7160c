"""`localai preset`: made, listed, shown, used like a model, and removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.engine.lifecycle import workers
from localai.output.documents.list import List
from localai.output.documents.preset import PresetList, PresetShow
from localai.output.documents.show import Show
from localai.paths import Paths, locate
from localai.stores.presets import find_preset, list_presets
from tests.support.command import RunLocalai
from tests.support.promise import checked

NEW = ("preset", "new", "reviewer", "--from")


@pytest.fixture
def localai_home(warm_home: Path) -> Path:
    return warm_home


@pytest.fixture
def shots(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "q.txt").write_text("What is 1+1?\n")
    (tmp_path / "a.txt").write_text("Two.\n")
    return str(tmp_path / "q.txt"), str(tmp_path / "a.txt")


def test_a_context_beyond_the_model_is_said_when_it_is_made_and_when_it_is_asked(
    home_with_starter: object, run_localai: RunLocalai
) -> None:
    made = run_localai("preset", "new", "long", "--from", "starter", "--ctx", "64k")
    said = "llamacpp/starter was made for 8,192 tokens of context, not 65,536"
    assert made.returncode == 0
    assert f"warning: {said}, as the preset long wants" in made.stderr.decode()
    above = run_localai("preset", "new", "longer", "--from", "long")
    assert f"{said}, as the preset longer wants" in above.stderr.decode()
    asked = run_localai("chat", "-m", "long", "--dry-run", "hello")
    assert f"{said}, as the preset long wants" in asked.stderr.decode()
    less = run_localai("chat", "-m", "long", "--ctx", "2k", "--dry-run", "hello")
    assert "was made for" not in less.stderr.decode()


@pytest.mark.usefixtures("cold_engine")
def test_a_preset_is_used_like_a_model(
    home_with_starter: object, run_localai: RunLocalai, shots: tuple[str, str]
) -> None:
    made = run_localai(
        *NEW, "starter", "-s", "You answer in one word.", "-o", "temperature", "0", "-o",
        "max_tokens", "8", "--ctx", "1k", "--kv", "q8_0", "--shot", *shots,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert made.stdout.decode().strip().endswith("presets/reviewer.toml")
    dry = run_localai("chat", "-m", "reviewer", "--dry-run", "What is the capital?")
    said = (dry.stdout + dry.stderr).decode()
    for part in ("You answer in one word.", "What is 1+1?", "Two.", "the preset reviewer"):
        assert part in said, said
    assert said.index("1+1") < said.index("Two.") < said.index("the capital")
    answer = run_localai("chat", "-m", "reviewer", "--json", "What is the capital of France?")
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert document["usage"]["output_tokens"] <= 8
    [(_, info)] = workers(locate())
    assert (info.spec.kv_type, info.context_tokens) == ("q8_0", 1024)

    listed = checked(List, run_localai("list", "--json").stdout)
    assert [each["name"] for each in listed["presets"]] == ["reviewer"]
    assert b"reviewer is a preset of starter" in run_localai("list").stderr
    shown = checked(Show, run_localai("show", "reviewer", "--json").stdout)
    assert (shown["preset"], shown["system_prompt"]) == ("reviewer", "You answer in one word.")
    assert b"context 1,024, kv q8_0, 2 first messages" in run_localai("show", "reviewer").stdout
    assert run_localai("rm", "reviewer").returncode == 0
    assert find_preset("reviewer", locate()) is None
    assert run_localai("show", "starter").returncode == 0


def test_presets_are_listed_and_shown_as_documents(
    localai_home: Path, run_localai: RunLocalai
) -> None:
    assert run_localai(*NEW, "qwen3:8b", "--think", "off").returncode == 0
    listed = checked(PresetList, run_localai("preset", "list", "--json").stdout)
    assert [(each["name"], each["think"]) for each in listed["presets"]] == [("reviewer", "off")]
    shown = checked(PresetShow, run_localai("preset", "show", "reviewer", "--json").stdout)
    assert shown["of_model"] == "qwen3:8b" and 'think = "off"' in shown["content"]
    assert run_localai("preset", "show", "reviewer").stdout.decode() == shown["content"]


def test_what_is_wrong_is_said(localai_home: Path, run_localai: RunLocalai) -> None:
    assert run_localai(*NEW, "m").returncode == 0
    again = run_localai(*NEW, "m")
    assert again.returncode == 2 and b"already" in again.stderr
    for wrong in (("--kv", "q9"), ("--think", "maybe"), ("--ctx", "x"), ("-o", "temperature", "a")):
        result = run_localai("preset", "new", "other", "--from", "m", *wrong)
        assert result.returncode == 2, wrong
    assert run_localai("preset", "new", "Other", "--from", "m").returncode == 2
    assert b"--from NAME" in run_localai("preset", "new", "other").stderr
    missing = run_localai("preset", "show", "reviewr")
    assert missing.returncode == 3 and b"reviewer" in missing.stderr


def test_a_preset_of_a_model_that_is_not_here_is_made_and_said(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    missing = run_localai("preset", "new", "mine", "--from", "startr")
    assert missing.returncode == 0
    assert b"warning: there is no model called 'startr' on this machine" in missing.stderr
    known = run_localai("preset", "new", "ours", "--from", "starter")
    assert (known.returncode, b"warning" in known.stderr) == (0, False)
    assert b"warning" not in run_localai("preset", "new", "twice", "--from", "ours").stderr


def test_a_preset_of_itself_is_refused(localai_home: Path, run_localai: RunLocalai) -> None:
    run_localai("preset", "new", "one", "--from", "two")
    run_localai("preset", "new", "two", "--from", "one")
    result = run_localai("chat", "-m", "one", "hello")
    assert result.returncode == 2 and "one → two → one" in result.stderr.decode()
    result = run_localai("show", "one")
    assert result.returncode == 2 and "one → two → one" in result.stderr.decode()


def test_a_file_is_named_by_its_whole_path(
    localai_home: Path, run_localai: RunLocalai, tmp_path: Path
) -> None:
    """In another folder another file may have the same name: a stranger's."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "Modelfile").write_text("FROM ./tuned.gguf\n")
    made = run_localai("preset", "new", "one", "--modelfile", "sub/Modelfile")
    assert made.returncode == 0, made.stderr
    assert run_localai(*NEW, "./tuned.gguf").returncode == 0
    bases = {each.name: each.base for each in list_presets(locate())}
    assert bases["one"] == str(tmp_path / "sub" / "tuned.gguf")
    assert bases["reviewer"] == str(tmp_path / "tuned.gguf")


@pytest.mark.parametrize(
    ("words", "given", "code", "said"),
    [
        (("new", "one", "--modelfile", "-"), b"FROM a\nSYSTEM \xff\n", 2, "not UTF-8"),
        (("new", "one", "--modelfile", "/dev/zero"), b"", 2, "has more than 4 MiB"),
        (("new", "a" * 300, "--from", "m"), b"", 2, "no name for a preset"),
        (("show", "a" * 300), b"", 3, "there is no preset"),
    ],
)
def test_odd_names_and_files_are_refused(
    localai_home: Path,
    run_localai: RunLocalai,
    words: tuple[str, ...],
    given: bytes,
    code: int,
    said: str,
) -> None:
    done = run_localai("preset", *words, input=given)
    assert (done.returncode, said in done.stderr.decode()) == (code, True), done.stderr


def test_a_modelfile_goes_in_and_out(localai_home: Path, run_localai: RunLocalai) -> None:
    text = b'FROM qwen3:8b\nPARAMETER num_ctx 4096\nSYSTEM "Be brief."\nLICENSE x\n'
    made = run_localai("preset", "new", "brief", "--modelfile", "-", "--think", "off", input=text)
    assert made.returncode == 0, made.stderr
    assert b"LICENSE of the Modelfile" in made.stderr
    out = run_localai("preset", "modelfile", "brief")
    assert out.stdout == b'FROM qwen3:8b\nPARAMETER num_ctx 4096\nSYSTEM """Be brief."""\n'
    assert b"think = off has no place" in out.stderr


def test_a_preset_keeps_a_chat_template(
    home_with_starter: object, run_localai: RunLocalai, tmp_path: Path
) -> None:
    template = tmp_path / "loud.jinja"
    template.write_text("{% for m in messages %}LOUD {{ m.role }}: {{ m.content }}\n{% endfor %}")
    made = run_localai(*NEW, "starter", "--chat-template", template)
    assert made.returncode == 0, made.stderr
    dry = run_localai("chat", "-m", "reviewer", "--dry-run", "--json", "Hello there")
    assert dry.returncode == 0, dry.stderr
    assert "LOUD user: Hello there" in dry.stdout.decode()
    assert b"chat template loud.jinja" in run_localai("preset", "list").stdout
    assert b"chat template loud.jinja" in run_localai("show", "reviewer").stdout
    template.unlink()
    assert run_localai("chat", "-m", "reviewer", "Hello").returncode == 3


def test_a_preset_of_a_modelfile_has_its_template(
    home_with_starter: object, run_localai: RunLocalai
) -> None:
    text = b'FROM starter\nTEMPLATE """### Q: {{ .Prompt }} ### A: {{ .Response }}"""\n'
    made = run_localai("preset", "new", "asker", "--modelfile", "-", input=text)
    assert made.returncode == 0, made.stderr
    dry = run_localai("chat", "-m", "asker", "-s", "Brief.", "--dry-run", "--json", "Hello there")
    assert "### Q: Hello there ### A: " in json.dumps(json.loads(dry.stdout)), dry.stdout
    assert run_localai("preset", "modelfile", "asker").stdout == text


def test_a_conversation_that_goes_on_keeps_its_preset(
    home_with_starter: object, run_localai: RunLocalai
) -> None:
    made = run_localai(*NEW, "starter", "-o", "max_tokens", "3", "--ctx", "1k")
    assert made.returncode == 0, made.stderr
    assert run_localai("chat", "-m", "reviewer", "Hello").returncode == 0
    # It is the default model that answers another question.
    assert run_localai("chat", "-n", "Hello", "--max-tokens", "2").returncode == 0
    on = run_localai("chat", "-c", "--json", "And?")
    assert json.loads(on.stdout)["usage"]["output_tokens"] == 3, on.stderr
    assert run_localai("rm", "reviewer").returncode == 0
    without = run_localai("chat", "-c", "--json", "--max-tokens", "2", "And?")
    assert without.returncode == 0, without.stderr
    assert b"the preset reviewer is gone: its model goes on without it" in without.stderr
