"""MLX as a provider: where it is offered, what it refuses, how its context grows."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from localai import config
from localai.chat.deletion import delete_conversations
from localai.database import Database
from localai.engine.lifecycle import workers
from localai.engine.worker_files import WorkerFiles
from localai.errors import (
    ContextOverflow,
    InsufficientResources,
    InvalidInput,
    TemplateFault,
    Unreachable,
)
from localai.events import Done, Event, Loading, ReasoningDelta, TextDelta
from localai.hardware import memory
from localai.hardware.memory import FreeMemory
from localai.locks import is_locked
from localai.paths import Paths, locate
from localai.providers import mlx
from localai.providers.mlx import INTERPRETER_VARIABLE, Mlx
from localai.types import ChatRequest, Message, Options, Picture, Zone
from tests.formats.synthetic import MODELS, write
from tests.support.clock import becomes
from tests.support.mlx import make_thinking_model

HELPFUL = Message("system", "You are a helpful assistant.")
CAPITAL = Message("user", "What is the capital of France?")
SHORT = Options(temperature=0.0, max_tokens=8)
PICTURE = Picture(b"", "image/png")
PACKAGE = Path(mlx.__file__).parents[1]


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


@pytest.fixture
def provider(paths: Paths, mlx_python: Path, monkeypatch: pytest.MonkeyPatch) -> Mlx:
    monkeypatch.setenv(INTERPRETER_VARIABLE, str(mlx_python))
    settings = config.load(paths, {})
    return Mlx(settings.with_flags(engine__context=256), paths)


@pytest.fixture
def ask(provider: Mlx, mlx_model_path: Path) -> Callable[..., list[Event]]:
    def ask(*messages: Message, model: Path = mlx_model_path, **changes: Any) -> list[Event]:
        changes.setdefault("options", SHORT)
        request = ChatRequest(provider.resolve(str(model)), messages or (CAPITAL,), **changes)
        return list(provider.stream(request))

    return ask


def _done(events: list[Event]) -> Done:
    assert isinstance(events[-1], Done)
    return events[-1]


def test_an_answer_says_where_it_was_computed(ask: Callable[..., list[Event]]) -> None:
    events = ask(HELPFUL, CAPITAL)
    assert isinstance(events[0], Loading)
    assert "Paris" in "".join(e.text for e in events if isinstance(e, TextDelta))
    done = _done(events)
    assert done.locality.zone is Zone.DEVICE
    assert done.locality.network_denied
    assert done.locality.process is not None
    assert done.locality.process.name.startswith("mlx-lm ")
    assert done.timings.clock == "server"
    assert done.timings.load_s is not None
    assert done.usage.input_tokens == 27


def test_the_context_grows_in_the_same_worker(
    ask: Callable[..., list[Event]], paths: Paths
) -> None:
    assert _done(ask(HELPFUL, CAPITAL)).context_tokens == 256
    [(_, first)] = workers(paths)
    done = _done(ask(HELPFUL, CAPITAL, options=Options(temperature=0.0, max_tokens=1000)))
    [(_, second)] = workers(paths)
    assert (done.context_tokens, done.finish_reason) == (4096, "stop")
    assert done.timings.load_s is None
    assert second.pid == first.pid
    assert done.usage.cached_tokens == 26
    assert _done(ask(HELPFUL, CAPITAL, context_tokens=5000)).context_tokens == 5000


def test_a_prompt_over_the_context_that_was_asked_for_is_an_error(
    ask: Callable[..., list[Event]], tiny_mlx_path: Path
) -> None:
    long = Message("user", "one two three " * 200)
    with pytest.raises(ContextOverflow, match="is the --ctx that was given") as caught:
        ask(long, model=tiny_mlx_path, context_tokens=300)
    assert (caught.value.prompt_tokens or 0) > 300
    assert caught.value.context_tokens == 300


def test_a_batch_has_room_for_its_answers_together(
    provider: Mlx, tiny_mlx_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = provider.resolve(str(tiny_mlx_path))
    request = ChatRequest(model, (CAPITAL,), options=SHORT)
    assert provider.prepare(request, 8, 2000) == 2000
    assert _done(list(provider.stream(request))).context_tokens == 256, "of one answer"
    monkeypatch.setattr(memory, "free_memory", lambda: FreeMemory(1_000_000, 1_000_000))
    with pytest.raises(InsufficientResources, match=r"context of [\d,]+ tokens needs"):
        provider.prepare(request, 32, 1_000_000)


@pytest.mark.parametrize("opened_by_template", [True, False])
def test_thinking_comes_apart_from_the_answer(
    ask: Callable[..., list[Event]],
    tmp_path: Path,
    mlx_model_path: Path,
    opened_by_template: bool,
) -> None:
    model = make_thinking_model(
        tmp_path / "thinker", mlx_model_path, opened_by_template=opened_by_template
    )
    events = ask(HELPFUL, CAPITAL, model=model)
    assert "France" in "".join(e.text for e in events if isinstance(e, ReasoningDelta))
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "."
    assert (_done(events).usage.reasoning_tokens or 0) > 3


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"schema": {"type": "object"}}, "schema"),
        ({"messages": (Message("user", "?", pictures=(PICTURE,)),)}, "text only"),
    ],
)
def test_what_mlx_cannot_do_is_refused_before_anything_loads(
    provider: Mlx, paths: Paths, mlx_model_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    model = provider.resolve(str(mlx_model_path))
    request = ChatRequest(model, **{"messages": (CAPITAL,), **changes})
    with pytest.raises(InvalidInput, match=complaint):
        next(iter(provider.stream(request)))
    assert workers(paths) == []


def test_for_what_mlx_cannot_do_the_model_that_can_is_named(
    provider: Mlx, paths: Paths, tmp_path: Path, mlx_model_path: Path
) -> None:
    folder = tmp_path / "Qwen3-8B-4bit"
    folder.symlink_to(mlx_model_path)
    request = ChatRequest(provider.resolve(str(folder)), (CAPITAL,), schema={"type": "object"})

    def refusal(request: ChatRequest) -> tuple[str | None, object]:
        with pytest.raises(InvalidInput) as caught:
            next(iter(provider.stream(request)))
        return caught.value.hint, caught.value.command

    assert refusal(request) == (
        "a GGUF model can, and none is here",
        "localai recommend --task chat",
    )
    paths.models_dir.mkdir(parents=True)
    write(paths.models_dir / "larger-4b-Q8_0.gguf", MODELS["qwen3moe"])
    write(paths.models_dir / "qwen3-8b-Q4_K_M.gguf", MODELS["llama, tied"])
    assert refusal(request)[1] == "localai chat -m qwen3-8b-Q4_K_M"
    seen = replace(request, schema=None, messages=(Message("user", "?", pictures=(PICTURE,)),))
    assert refusal(seen) == (
        "a GGUF model with a projector sees pictures, and none is here",
        "localai recommend --task vision",
    )


def test_what_does_not_fit_is_refused_with_the_numbers(
    ask: Callable[..., list[Event]], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: FreeMemory(100_000_000, 100_000_000))
    with pytest.raises(InsufficientResources, match=r"5\d\d MB .*100 MB is available"):
        ask()
    assert workers(paths) == []


def test_what_the_system_can_make_room_for_is_loaded_with_a_warning(
    ask: Callable[..., list[Event]], tiny_mlx_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: FreeMemory(1_000_000, 1 << 40))
    events = ask(model=tiny_mlx_path)
    said = [event.message for event in events if isinstance(event, Loading)]
    assert any("of memory, and 1.0 MB was free" in each for each in said)


STORY = Message("user", "Once upon a time there was a small town by the sea. " * 6)


def test_what_is_no_kept_conversation_stays_off_the_disk(
    ask: Callable[..., list[Event]], paths: Paths, tiny_mlx_path: Path
) -> None:
    ask(HELPFUL, STORY, model=tiny_mlx_path)
    _stop(paths)
    assert list(paths.kv_dir.rglob("*.safetensors")) == []


def test_a_deleted_conversation_leaves_no_cache(
    ask: Callable[..., list[Event]], paths: Paths, tiny_mlx_path: Path
) -> None:
    database = Database(paths.database)
    kept, deleted = (database.create_conversation() for _ in range(2))
    database.add_message(deleted, None, Message("assistant", "a"), provider="mlx", model="m")
    ask(HELPFUL, STORY, model=tiny_mlx_path, conversation=deleted)
    assert delete_conversations(paths, database, [kept]).state_bytes == 0
    assert len(workers(paths)) == 1, "nothing of it is MLX's"
    delete_conversations(paths, database, [deleted])
    assert workers(paths) == []
    assert list(paths.kv_dir.rglob("*.safetensors")) == []
    ask(HELPFUL, STORY, model=tiny_mlx_path, conversation=kept)
    worker = _stop(paths)
    saved = list(paths.kv_dir.rglob("*.safetensors"))
    assert len(saved) == 1, f"or this proves nothing: {worker.log.read_text()}"


def test_a_conversation_that_came_from_the_disk_goes_back_as_it_has_become(
    ask: Callable[..., list[Event]], paths: Paths
) -> None:
    lengths: list[int] = []
    further: tuple[Message, ...] = ()
    for _ in range(2):
        events = ask(HELPFUL, STORY, *further, conversation="c")
        said = "".join(each.text for each in events if isinstance(each, TextDelta))
        further = (Message("assistant", said), Message("user", "And then? " * 9))
        worker = _stop(paths)
        files = list(paths.kv_dir.rglob("*.safetensors"))
        assert len(files) == 1, worker.log.read_text()
        with files[0].open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        lengths.append(len(header["__metadata__"]["0.tokens"].split()))
    assert lengths[1] > lengths[0] + 20


def _stop(paths: Paths) -> WorkerFiles:
    """Ask the worker to leave, and let it take its time: whoever ends it for good after 20 seconds
    has no caches on a busy machine."""
    ((files, info),) = workers(paths)
    os.kill(info.pid, signal.SIGTERM)
    assert becomes(lambda: not is_locked(files.alive), 60)
    return files


@pytest.mark.parametrize(("system", "machine"), [("linux", "x86_64"), ("darwin", "x86_64")])
def test_it_is_offered_only_where_it_can_run(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.delenv(INTERPRETER_VARIABLE, raising=False)
    monkeypatch.setattr(mlx, "_PLATFORM", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    provider = mlx.create(config.load(paths, {}), paths)
    for call in (provider.models, lambda: provider.resolve("any")):
        with pytest.raises(Unreachable, match="Apple Silicon"):
            call()


def test_before_macos_14_it_is_told_what_it_needs(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(INTERPRETER_VARIABLE, raising=False)
    monkeypatch.setattr(mlx, "_PLATFORM", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    for version, runs in (("13.7.8", False), ("14.0", True), ("26.6", True)):
        monkeypatch.setattr(platform, "mac_ver", lambda version=version: (version, ("",) * 3, ""))
        assert mlx.FACTS.runs_here() is runs, version
    monkeypatch.setattr(platform, "mac_ver", lambda: ("13.7.8", ("",) * 3, ""))
    with pytest.raises(Unreachable, match="MLX needs macOS 14 or newer, and this is 13"):
        mlx.create(config.load(paths, {}), paths).models()


def test_on_apple_silicon_its_worker_runs_in_this_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(INTERPRETER_VARIABLE, raising=False)
    monkeypatch.setattr(mlx, "_PLATFORM", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setitem(sys.modules, "mlx_lm", _module_with_spec())
    assert mlx.mlx_interpreter() == sys.executable


def test_mlx_is_imported_by_its_worker_and_by_nothing_else() -> None:
    # Importing it on a machine without Metal has killed the process.
    importing = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if any(
            line.lstrip().startswith(("import mlx", "from mlx"))
            for line in file.read_text().splitlines()
        )
    }
    computing = ("worker", "generation", "decoding", "answer_stream", "sampling", "convert")
    worker = {f"engine/mlx/{part}.py" for part in computing}
    caches = {f"engine/mlx/{part}.py" for part in ("conversations", "saved_caches")}
    assert importing == worker | caches
    script = "import localai.providers.mlx, localai.engine.mlx.worker, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
    ).stdout.split()
    assert not {"mlx", "mlx_lm", "numpy", "psutil"} & set(loaded)


def _module_with_spec() -> ModuleType:
    from importlib.machinery import ModuleSpec

    module = ModuleType("mlx_lm")
    module.__spec__ = ModuleSpec("mlx_lm", None)
    return module


def test_a_chat_template_is_given_for_a_folder_that_has_none(
    ask: Callable[..., list[Event]], tmp_path: Path, tiny_mlx_path: Path
) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    for file in tiny_mlx_path.iterdir():
        if file.name not in ("tokenizer_config.json", "chat_template.jinja"):
            (folder / file.name).symlink_to(file)
    settings = json.loads((tiny_mlx_path / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(TemplateFault, match="bare has no chat template: it continues texts"):
        ask(model=folder)
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "<|im_start|>assistant\n"
    )
    *_, done = ask(HELPFUL, CAPITAL, model=folder, chat_template=template)
    assert isinstance(done, Done)
    assert done.usage.input_tokens == 26
    with pytest.raises(TemplateFault, match=r"given for \S+bare leaves out the question"):
        ask(model=folder, chat_template="{{ 'x' }}")
    with pytest.raises(TemplateFault, match=r"given for \S+bare refuses this: .+endfor"):
        ask(model=folder, chat_template="{% for m in messages %}")
