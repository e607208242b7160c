"""Templates: read, filled in, found, and what is wrong with them said."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.chat.filling import fill
from localai.chat.schema import from_data
from localai.chat.templates import (
    Template,
    find_template,
    list_templates,
    new_file,
    parse_template,
    user_folder,
)
from localai.errors import InvalidInput, NotFound
from localai.paths import locate


def template(text: str, name: str = "mine.md") -> Template:
    return parse_template(text, Path(name))


def test_markdown_with_settings_before_it() -> None:
    found = template(
        '+++\ndescription = "d"\nsystem = "s"\nmodel = "m"\nschema = "a:int"\n'
        '[options]\ntemperature = 0\nstop = ["x", "y"]\n[variables]\nn = 3\n+++\nHello $n\n\nBye\n'
    )
    assert (found.name, found.description, found.system, found.model) == ("mine", "d", "s", "m")
    assert (found.options.temperature, found.options.stop) == (0.0, ("x", "y"))
    assert (found.variables, found.prompt) == ({"n": "3"}, "Hello $n\n\nBye")


def test_toml_alone() -> None:
    found = template('prompt = """\nHello $who\n"""\n', "mine.toml")
    assert (found.prompt, found.names) == ("Hello $who", ["who"])


def test_markdown_without_settings_is_the_prompt_alone() -> None:
    assert template("Just $input.").prompt == "Just $input."


def test_it_is_filled_in() -> None:
    found = template("$a ${b}c $$5 $5 $input")
    assert fill(found, {"a": "1", "b": "$a"}, "$b").prompt == "1 $ac $5 $5 $b"


def test_without_input_in_it_the_question_comes_after_it() -> None:
    assert fill(template("Be brief."), {}, "Why?").prompt == "Be brief.\n\nWhy?"
    assert fill(template("Be brief."), {}, "").prompt == "Be brief."
    assert fill(template('system = "s"', "s.toml"), {}, "Why?").prompt == "Why?"


def test_a_default_holds_where_nothing_is_given() -> None:
    found = template('+++\n[variables]\nto = "English"\n+++\n$to $input')
    assert fill(found, {}, "x").prompt == "English x"
    assert fill(found, {"to": "Czech"}, "x").prompt == "Czech x"


@pytest.mark.parametrize(
    ("values", "given", "message", "hint"),
    [
        ({}, "x", "needs to", "-p to VALUE"),
        ({"to": "a", "tone": "b"}, "x", "no variable 'tone'", "it has to"),
        (
            {"to": "a"},
            "  \n",
            "needs something to work on",
            "give it a file: localai chat -t mine -f FILE",
        ),
    ],
)
def test_what_is_missing_is_said(
    values: dict[str, str], given: str, message: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        fill(template("$to $input"), values, given)
    assert message in caught.value.message
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("---\na: b\n---\nx", "mine.md", "not YAML"),
        ("+++\na = 1\nx", "mine.md", "that ends the settings is missing"),
        ("+++\na = \n+++\nx", "mine.md", "no TOML"),
        ('+++\nmodel = "./m.gguf"\n+++\nx', "mine.md", "model is a name, not the file ./m.gguf"),
        ('+++\nmodel = "~/m"\n+++\nx', "mine.md", "model is a name, not the file ~/m"),
        ("+++\nsytem = 'x'\n+++\nx", "mine.md", "no key 'sytem'"),
        ("+++\nprompt = 'x'\n+++\nx", "mine.md", "below the settings"),
        ("+++\nsystem = 3\n+++\nx", "mine.md", "system is a text"),
        ("+++\nschema = 3\n+++\nx", "mine.md", "schema is a table or a text"),
        ("+++\n[options]\ntemprature = 1\n+++\nx", "mine.md", "no option 'temprature'"),
        ("+++\ndescription = 'x'\n+++\n", "mine.md", "neither a prompt nor a system"),
        ("", "mine.toml", "neither a prompt nor a system"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(
    text: str, name: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        template(text, name)
    assert message in caught.value.message
    assert name in caught.value.message


def test_the_user_s_own_goes_before_the_bundled_one(localai_home: Path) -> None:
    paths = locate()
    assert find_template("review", paths).bundled
    user_folder(paths).mkdir()
    (user_folder(paths) / "review.toml").write_text('prompt = "mine $input"')
    assert find_template("review", paths).prompt == "mine $input"
    names = [found.name for found in list_templates(paths)]
    assert names == sorted(set(names))


def test_a_name_that_is_none_has_a_near_one_in_its_hint(localai_home: Path) -> None:
    with pytest.raises(NotFound) as caught:
        find_template("reveiw", locate())
    assert caught.value.hint == "did you mean review?"
    with pytest.raises(NotFound):
        find_template("./none.md", locate())


@pytest.mark.parametrize("name", ["", "A", "a/b", "../x", "a.md", "-a"])
def test_a_name_for_a_new_one_is_a_name(localai_home: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="no name for a template"):
        new_file(name, locate())


def test_every_bundled_one_is_whole(localai_home: Path) -> None:
    found = list_templates(locate())
    assert [each.name for each in found] == [
        *("commit", "explain", "extract", "review", "summarise", "translate")
    ]
    for each in found:
        assert each.bundled and each.description and each.wants_input
        assert set(each.names) == set(each.variables), "each works with nothing given"
        assert "TEXT" in fill(each, {}, "TEXT").prompt
        if isinstance(each.schema, str):
            assert from_data(each.schema, each.name).document["type"] == "object"


def test_the_text_to_work_on_stands_in_the_prompt_alone() -> None:
    with pytest.raises(InvalidInput, match="not in the system prompt"):
        template('+++\nsystem = "About $input."\n+++\nHello')


def test_a_template_asks_by_itself_if_nothing_is_missing_from_its_question() -> None:
    assert template("Tell a joke").asks_by_itself
    assert not template("Explain $input").asks_by_itself
    assert not template('system = "Be brief."', "s.toml").asks_by_itself
