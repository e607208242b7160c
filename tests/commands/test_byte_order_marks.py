"""Byte-order marks and other encodings, wherever a person's file or pipe is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localai.batch.prompts import LineDefaults, read_prompt
from localai.errors import InvalidInput
from localai.output.documents.config import ConfigList
from tests.support.command import RunLocalai
from tests.support.promise import checked

MARK = b"\xef\xbb\xbf"


def test_a_mark_in_front_of_the_configuration_is_no_part_of_it(
    run_localai: RunLocalai, localai_home: Path
) -> None:
    file = localai_home / "config.toml"
    file.write_bytes(MARK + b'[chat]\nsystem = "gr\xc3\xbcn"\n')
    done = run_localai("config", "get", "chat.system")
    assert (done.returncode, done.stdout.decode()) == (0, "grün\n")
    assert run_localai("config", "set", "chat.max_tokens", "5").returncode == 0
    settings = checked(ConfigList, run_localai("config", "list", "--json").stdout)["settings"]
    found = {each["key"]: each["value"] for each in settings}
    assert (found["chat.system"], found["chat.max_tokens"]) == ("grün", 5)
    file.write_bytes("# grün\n".encode("utf-16"))
    broken = run_localai("config", "edit")
    assert broken.returncode == 2
    assert b"is not UTF-8 (byte 0)" in broken.stderr


@pytest.mark.parametrize("name", ["t.toml", "t.md"])
def test_a_mark_in_front_of_a_template_is_no_part_of_it(
    run_localai: RunLocalai, localai_home: Path, tmp_path: Path, name: str
) -> None:
    texts = {
        "t.toml": 'prompt = "Grüße {{input}}"\n',
        "t.md": "+++\ndescription = 'd'\n+++\nGrüße {{input}}\n",
    }
    for content in (MARK + texts[name].encode(), texts[name].encode("utf-16")):
        (tmp_path / name).write_bytes(content)
        shown = run_localai("template", "show", "./" + name, cwd=tmp_path)
        assert (shown.returncode, shown.stdout.decode()) == (0, texts[name])
    (tmp_path / name).write_bytes(texts[name].encode("latin-1"))
    refused = run_localai("template", "show", "./" + name, cwd=tmp_path)
    assert refused.returncode == 2
    assert f"the template {name} is not UTF-8" in refused.stderr.decode()
    assert b"iconv -f cp1252 -t utf-8" in refused.stderr


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [("utf-16", "the line is UTF-16"), ("cp1252", "the line is not UTF-8: byte 0x")],
)
def test_the_lines_of_a_batch_in_another_encoding_say_which(encoding: str, reason: str) -> None:
    lines = '{"prompt": "Höhe und Länge"}\n{"prompt": "Größe"}\n'.encode(encoding)
    for line in lines.splitlines(keepends=True):
        with pytest.raises(InvalidInput, match=reason) as refused:
            read_prompt(line, LineDefaults())
        assert f"iconv -f {encoding}" in str(refused.value.hint)


def test_an_argument_that_is_not_utf_8_is_refused_with_its_reason(run_localai: RunLocalai) -> None:
    done = run_localai("chat", os.fsdecode(b"gr\xfcn"))
    assert done.returncode == 2
    assert b"UTF-8" in done.stderr
