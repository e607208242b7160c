"""A preset is written and read as it was, applied above its model, and made of a Modelfile."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.errors import InvalidInput
from localai.paths import Paths, locate
from localai.stores.modelfile import modelfile_text, read_modelfile
from localai.stores.presets import Preset, find_preset, list_presets, preset_text, write_preset
from localai.types import Message, Options, ResolvedModel, Zone

AWKWARD = 'a "quoted" \\ line\nüñí \x7f\t# no comment'


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


def test_what_is_written_is_read(paths: Paths) -> None:
    preset = Preset(
        "reviewer",
        "qwen3:8b",
        description="reviews",
        system=AWKWARD,
        options=Options(temperature=0.0, stop=("END", AWKWARD), extra={"mirostat": 1}),
        context_tokens=16_384,
        kv_type="q8_0",
        think="off",
        adapter=Path("/models/a lora.gguf"),
        messages=(Message("user", AWKWARD), Message("assistant", "yes")),
    )
    file = write_preset(preset, paths)
    assert file == paths.config_file.parent / "presets" / "reviewer.toml"
    assert find_preset("reviewer", paths) == preset
    assert list(list_presets(paths)) == [preset]
    assert find_preset("other", paths) is None
    assert find_preset("../config", paths) is None


def test_a_preset_sets_what_it_says_and_leaves_the_rest() -> None:
    model = ResolvedModel(
        "llamacpp",
        "m",
        Zone.DEVICE,
        "test",
        system_prompt="of the maker",
        recommended=Options(temperature=0.7, top_p=0.9),
        examples=(Message("user", "its own"),),
        context_tokens=4096,
    )
    applied = Preset("p", "m", options=Options(temperature=0.0), kv_type="q8_0").applied_to(model)
    assert applied.recommended == Options(temperature=0.0, top_p=0.9)
    assert (applied.system_prompt, applied.context_tokens) == ("of the maker", 4096)
    assert (applied.kv_type, applied.preset, applied.id) == ("q8_0", "p", "m")
    assert applied.examples == model.examples
    empty = Preset("p", "m", system="", context_tokens=512).applied_to(model)
    assert (empty.system_prompt, empty.context_tokens) == ("", 512)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("from = 1", "wrong kind"),
        ("system = 'x'", "names no model"),
        ("from = 'm'\nkv = 'q9'", "kv is one of"),
        ("from = 'm'\ncontext = true", "wrong kind"),
        ("from = 'm'\ncontext = 0", "number of tokens"),
        ("from = 'm'\nadapter = 'x.gguf'", "whole path"),
        ("from = 'm'\nfrm = 'm'", "no key 'frm'"),
        ("from = 'm'\n[options]\ntemperatur = 1", "temperatur"),
        ("from = 'm'\n[[messages]]\nrole = 'x'\ntext = 'y'", "has a role of"),
        ("from = [" + "[" * 100_000, "cannot be read"),
        ("from", "cannot be read"),
    ],
)
def test_a_broken_preset_says_what_is_wrong(paths: Paths, text: str, complaint: str) -> None:
    file = write_preset(Preset("p", "m"), paths)
    file.write_text(text)
    with pytest.raises(InvalidInput, match=complaint):
        find_preset("p", paths)


MODELFILE = '''# a comment
FROM qwen3:8b
PARAMETER temperature 0
PARAMETER num_ctx 16384
PARAMETER num_predict -1
PARAMETER stop "END"
PARAMETER stop <|im_end|>
PARAMETER mirostat_lr 3
SYSTEM """You review code.
Be brief."""
TEMPLATE """{{ .Prompt }}"""
MESSAGE user Is it "fine"?
MESSAGE assistant """It is."""
LICENSE MIT
ADAPTER /models/noise.gguf
'''


def test_a_modelfile_becomes_a_preset_and_says_what_it_leaves_out() -> None:
    found = read_modelfile("reviewer", MODELFILE)
    assert found.preset == Preset(
        "reviewer",
        "qwen3:8b",
        system="You review code.\nBe brief.",
        options=Options(temperature=0.0, stop=("END", "<|im_end|>")),
        context_tokens=16_384,
        adapter=Path("/models/noise.gguf"),
        go_template="{{ .Prompt }}",
        messages=(Message("user", 'Is it "fine"?'), Message("assistant", "It is.")),
    )
    assert found.left_out == (
        "PARAMETER num_predict",
        "PARAMETER mirostat_lr",
        "LICENSE",
    )


def test_a_preset_becomes_a_modelfile_that_reads_the_same() -> None:
    preset = read_modelfile("p", MODELFILE).preset
    again = read_modelfile("p", modelfile_text(preset))
    assert again.preset == preset and again.left_out == ()
    assert 'template = "{{ .Prompt }}"' in preset_text(preset)


@pytest.mark.parametrize(
    "text",
    ["a", 'Say "yes" now', 'Say "yes"', "two\nlines", 'a "b"\nc', "# no comment", "FROM x", " a "],
)
def test_a_text_comes_out_of_a_modelfile_as_it_went_in(text: str) -> None:
    shots = (Message("user", text), Message("assistant", text))
    stops = ("\n", 'a"b', "x\n", text.replace('"', "'"))
    preset = Preset("p", "m", system=text, options=Options(stop=stops), messages=shots)
    assert read_modelfile("p", modelfile_text(preset)).preset == preset


@pytest.mark.parametrize(
    "preset",
    [
        Preset("p", "m", system='x"""\nADAPTER /etc/passwd\nSYSTEM """y'),
        Preset("p", "m", messages=(Message("user", 'x"""\nFROM /other'),)),
        Preset("p", "m", options=Options(stop=('"""\nFROM /other',))),
        Preset("p", "m\nADAPTER /etc/passwd"),
        Preset("p", "m", adapter=Path("/a\nFROM /other")),
        Preset("p", "m", system='two\nlines, and "one"'),
    ],
)
def test_no_text_becomes_an_instruction_of_a_modelfile(preset: Preset) -> None:
    with pytest.raises(InvalidInput, match="Modelfile"):
        modelfile_text(preset)


def test_quotes_of_ollamas_own_modelfiles_span_lines() -> None:
    text = 'FROM m\nPARAMETER stop "\n"\nPARAMETER stop "a\nb"\nSYSTEM "one\ntwo"\n'
    preset = read_modelfile("p", text).preset
    assert preset.options.stop == ("\n", "a\nb")
    assert preset.system == "one\ntwo"


def test_an_empty_template_is_none_as_in_ollama() -> None:
    assert read_modelfile("p", 'FROM m\nTEMPLATE ""\n').preset == Preset("p", "m")


@pytest.mark.parametrize("tokens", ["0", "9" * 5000, "²", "-1", "1e5", ""])
def test_a_context_that_is_none_is_left_out(tokens: str) -> None:
    found = read_modelfile("p", f"FROM m\nPARAMETER num_ctx {tokens}\n")
    assert found.preset.context_tokens is None
    assert found.left_out == ("PARAMETER num_ctx",)


@pytest.mark.parametrize("text", ["SYSTEM hello", 'FROM m\nSYSTEM """never', "FROM m\n???", ""])
def test_a_broken_modelfile_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_modelfile("p", text)
