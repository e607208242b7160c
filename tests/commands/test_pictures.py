"""Pictures belong to their conversation: seen again when it goes on, exported, gone with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai.database import Database
from localai.output.documents import history as promise
from localai.paths import Paths, locate
from tests.support.command import RunLocalai
from tests.support.own_server import MODEL, LlamaServer
from tests.support.projector import PATCHES, red_square, write_projector
from tests.support.promise import checked

ASK = ("chat", "--max-tokens", "4", "--temperature", "0")
RED = red_square()

Chat = Callable[..., Any]


@pytest.fixture
def chat(run_localai: RunLocalai, laconic_path: Path, tmp_path: Path) -> Chat:
    """`localai chat --json` with a model that sees; its document."""
    (tmp_path / "seeing.gguf").symlink_to(laconic_path)
    write_projector(tmp_path / "mmproj-seeing.gguf")
    (tmp_path / "red.png").write_bytes(RED)

    def run(*arguments: str) -> Any:
        command = (*ASK, "-m", "./seeing.gguf", "--json", *arguments)
        result = run_localai(*command, cwd=tmp_path)
        assert result.returncode == 0, result.stderr.decode()
        return json.loads(result.stdout)

    return run


def test_what_a_model_was_shown_it_sees_again(
    chat: Chat, run_localai: RunLocalai, tmp_path: Path
) -> None:
    first = chat("-a", "red.png", "What is it?")
    again = chat("-c", "Which colour?")
    assert again["conversation_id"] == first["conversation_id"]
    blank = chat("What is it?")
    without = chat("-c", "Which colour?")
    assert again["usage"]["input_tokens"] == without["usage"]["input_tokens"] + PATCHES
    assert blank["usage"]["input_tokens"] == first["usage"]["input_tokens"] - PATCHES
    dry = ("chat", "-m", "./seeing.gguf", "--cid", first["conversation_id"], "--dry-run", "--json")
    planned = json.loads(run_localai(*dry, "And now?", cwd=tmp_path).stdout)
    assert [each["picture_count"] for each in planned["request_messages"]] == [1, 0, 0, 0, 0]


def test_a_model_that_cannot_see_goes_on_and_it_is_said(
    chat: Chat, home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    chat("-a", "red.png", "What is it?")
    result = run_localai(*ASK, "-c", "-m", "starter", "Which colour?")
    assert result.returncode == 0
    said = b"llamacpp/starter cannot see the 1 picture of this conversation"
    assert result.stderr.count(said) == 1
    (shown,) = Database(locate().database).pictures(chat("-c", "And now?")["conversation_id"])
    assert shown == 1, "the pictures stay with the conversation"


def test_without_a_log_no_picture_is_kept(chat: Chat, localai_home: Path) -> None:
    chat("-n", "-a", "red.png", "What is it?")
    assert not locate().database.exists()
    for file in localai_home.rglob("*"):
        assert not file.is_file() or RED not in file.read_bytes()


@pytest.fixture
def kept(localai_home: Path) -> str:
    """The id of a conversation with a picture that is there, and one that was given up."""
    from localai.types import Message, Picture

    database = Database(locate().database)
    conversation = database.create_conversation()
    pictures = (Picture(RED, "image/png"), Picture(b"GIF8" + bytes(500), "image/gif"))
    question = database.add_message(
        conversation, None, Message("user", "What is it?", pictures), pictures_limit_bytes=400
    )
    answer = Message("assistant", "A square.")
    database.add_message(conversation, question, answer, provider="p", model="m")
    database.close()
    return conversation


def test_a_conversation_is_shown_and_exported_with_its_pictures(
    run_localai: RunLocalai, kept: str, tmp_path: Path
) -> None:
    shown = run_localai("history", "show", kept).stdout.decode()
    assert f"(picture: image/png, {len(RED)} B)\n(1 picture, no longer kept)\n" in shown
    document = checked(promise.HistoryShow, run_localai("history", "show", kept, "--json").stdout)
    there, lost = document["messages"][0]["pictures"]
    assert base64.b64decode(there["data_base64"] or "") == RED
    assert (lost["media_type"], lost["size_bytes"], lost["data_base64"]) == ("image/gif", 504, None)
    lines = run_localai("history", "export", kept, "--format", "jsonl").stdout
    assert checked(promise.HistoryShow, lines) == document
    markdown = run_localai("history", "export", kept).stdout.decode()
    assert "![picture 1][picture-1]\n\n(1 picture, no longer kept)\n\nWhat is it?" in markdown
    inside = base64.b64encode(RED).decode()
    assert markdown.endswith(f"\n\n[picture-1]: data:image/png;base64,{inside}\n")


def test_what_is_no_longer_kept_is_said_when_the_conversation_goes_on(
    run_localai: RunLocalai, robot_environment: dict[str, str], kept: str
) -> None:
    result = run_localai("chat", "-c", "-m", "robot/r2", "say hello", env=robot_environment)
    assert b"1 picture of this conversation is no longer kept (history.pictures)" in result.stderr


def test_where_pictures_go_is_said_with_the_prompt(
    run_localai: RunLocalai, robot_environment: dict[str, str], kept: str
) -> None:
    away = robot_environment | {"ROBOT_HOST": "box.lan"}
    result = run_localai("chat", "-c", "-m", "robot/r2", "say hello", env=away)
    assert b"the prompt goes to box.lan (lan), for robot/r2, with 1 picture\n" in result.stderr


def test_privacy_says_what_they_take(run_localai: RunLocalai, kept: str) -> None:
    document = json.loads(run_localai("privacy", "--json").stdout)
    rules = {each["what"]: each["rule"] for each in document["policy"]}
    assert rules["their pictures"].startswith(f"{len(RED)} B are kept with them, of at most")


def test_a_deleted_conversation_leaves_nothing_of_its_pictures(
    run_localai: RunLocalai, kept: str
) -> None:
    folder = locate().data_dir
    assert any(RED in file.read_bytes() for file in folder.iterdir() if file.is_file())
    assert run_localai("history", "prune", "--keep", "0", "--yes").returncode == 0
    assert not any(RED in file.read_bytes() for file in folder.iterdir() if file.is_file())


def test_settings_bound_them(chat: Chat, run_localai: RunLocalai, localai_home: Path) -> None:
    assert run_localai("config", "set", "history.pictures", "0").returncode == 0
    chat("-a", "red.png", "What is it?")
    database = Database(locate().database)
    ((picture,),) = database.pictures(database.last_conversation()).values()
    assert (picture.size_bytes, picture.data) == (len(RED), None)


def test_a_server_without_eyes_goes_on_with_the_words(
    home_with_starter: Paths, kept: str, llama_server: LlamaServer, run_localai: RunLocalai
) -> None:
    home_with_starter.config_file.write_text(f'[endpoint.farm]\nurl = "{llama_server.url}/v1"\n')
    result = run_localai("chat", "-c", "-m", f"farm/{MODEL}", "--max-tokens", "4", "And now?")
    assert result.returncode == 0, result.stderr
    assert b"farm/smollm2 takes no pictures: it is asked without the 1 picture" in result.stderr
