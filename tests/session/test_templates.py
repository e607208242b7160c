"""Templates and pictures in a session: for the next question, then gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from localai.database import Database
from localai.paths import Paths
from tests.session.conftest import Typist, kept
from tests.support.projector import red_square, write_projector
from tests.support.terminal import Terminal
from tests.support.weights import SYSTEM_PROMPT

Start = Callable[..., Typist]


@pytest.fixture
def templates(home: Paths) -> Path:
    folder = home.config_file.parent / "templates"
    folder.mkdir(parents=True)
    (folder / "greet.md").write_text(
        '+++\ndescription = "a greeting"\nsystem = "You greet in $language."\n'
        '[options]\nmax_tokens = 3\n[variables]\nlanguage = "English"\n+++\nGreet $input now.\n'
    )
    (folder / "joke.md").write_text("Tell a joke.")
    return folder


def asked(home: Paths) -> list[tuple[str, str]]:
    return [(role, text) for role, text, _ in kept(home) if role != "assistant"]


def test_a_session_begins_with_a_template(
    pty: Callable[..., Terminal], home: Paths, templates: Path
) -> None:
    typist = Typist(pty("chat", "-t", "greet", "-p", "language", "Czech"))
    typist.ready()
    assert "what you type first goes into the template greet" in typist.screen
    assert "+greet" in typist.status()
    screen = typist.line("Ada")
    assert "+greet" not in typist.status()
    assert "cut at 3" in screen, "the template's options hold for its question"
    typist.line("/set max_tokens 5")
    assert "cut at 3" not in typist.line("And Bob?").rpartition("And Bob?")[2]
    assert asked(home) == [
        ("system", "You greet in Czech."),
        ("user", "Greet Ada now."),
        ("user", "And Bob?"),
    ]
    assert "greet: Ada" in typist.line("/title")


def test_a_question_is_put_into_a_template(session: Start, home: Paths, templates: Path) -> None:
    typist = session()
    assert "a greeting" in typist.line("/template")
    typist.line('/template greet language="Old Norse" Ada')
    assert "needs" not in typist.screen
    assert "the next question goes into greet" in typist.line("/template greet")
    typist.line("/template none")
    typist.line("/template joke")
    assert asked(home) == [
        ("system", "You greet in Old Norse."),
        ("user", "Greet Ada now."),
        # What was in force before the templates holds again.
        ("system", SYSTEM_PROMPT),
        ("user", "Tell a joke."),
    ]
    typist.line("/clear")
    typist.line("/template joke")
    assert "joke: Tell a joke." in typist.line("/title")
    missing = typist.line("/template nope")
    assert "there is no template 'nope'" in missing


def test_none_takes_the_template_s_system_prompt_back_too(
    session: Start, home: Paths, templates: Path
) -> None:
    typist = session("-s", "Be brief.")
    typist.line("/template greet language=Czech")
    assert "You greet in Czech." in typist.line("/system")
    typist.line("/template joke")
    typist.line("/template none")
    assert "Be brief." in typist.line("/system").rpartition("/system")[2]
    typist.line("/template greet")
    typist.line("/system Be kind.")
    typist.line("/template none")
    assert "Be kind." in typist.line("/system").rpartition("/system")[2], "it was chosen later"


def test_a_template_that_needs_a_value_says_how_to_give_it(
    session: Start, home: Paths, templates: Path
) -> None:
    (templates / "into.md").write_text("$input into $to")
    screen = session().line("/template into hello")
    assert "needs to" in screen and "/template into to=VALUE" in screen
    assert asked(home) == []


def test_a_template_that_is_a_question_is_answered_at_once(
    pty: Callable[..., Terminal], home: Paths, templates: Path
) -> None:
    assert pty("chat", "-t", "joke", "--max-tokens", "4").wait_exit(60) == 0
    assert asked(home)[-1] == ("user", "Tell a joke.")


def test_a_picture_goes_with_one_question_and_stays_with_it(
    session: Start, home: Paths, laconic_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "seeing.gguf").symlink_to(laconic_path)
    write_projector(tmp_path / "mmproj-seeing.gguf")
    for name in ("red one.png", "other.png"):
        (tmp_path / name).write_bytes(red_square())
    typist = session("-m", "./seeing.gguf", "-a", "other.png", rows=40)
    assert "+1 picture" in typist.status()
    assert "image/png" in typist.line("/attach red one.png")
    assert "+2 pictures" in typist.status()
    assert "no picture goes" in typist.line("/attach none")
    assert "there is no file 'none.png'" in typist.line("/attach none.png")
    typist.line("/attach red one.png")
    typist.line("What is it?")
    assert "+1 picture" not in typist.status()
    typist.line("Which colour?")
    edited = typist.line("/edit 1 And this?")
    assert "cannot see" not in edited
    typist.line("/model starter")
    typist.line("/undo")
    database = Database(home.database)
    pictures = database.pictures(database.last_conversation())
    texts = {row.id: row.text for row in database.messages(database.last_conversation())}
    assert [texts[message] for message in pictures] == ["What is it?", "And this?"]
    typist.leave()
    again = session("-c", "-m", "starter")
    assert "cannot see" in again.line("/attach other.png")
