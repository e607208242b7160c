"""A llama-server of the user's as the embedded engine: what it is asked, and how it is kept."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from localai.engine.lifecycle import stop, workers
from localai.engine.llamacpp.binary import (
    Binary,
    Device,
    command_line,
    find_binary,
    own_engine_devices,
    read_binary,
)
from localai.engine.worker_files import WorkerSpec
from localai.errors import InvalidInput, NotFound, Unreachable
from localai.paths import Paths
from localai.providers.llamacpp import LlamaCpp
from localai.types import ChatRequest, Message, Options, Tool
from tests.contract.rows import identity
from tests.support.answers import end_of, text_of
from tests.support.clock import becomes
from tests.support.weights import SYSTEM_PROMPT, require

QUESTION = (Message("system", SYSTEM_PROMPT), Message("user", "What is the capital of France?"))
GREEDY = Options(temperature=0, seed=1, max_tokens=16)


def program(folder: Path, script: str) -> Path:
    file = folder / "llama-server"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


SAYS = """case "$1" in
--version) echo 'ggml_cuda_init: found 1 device' >&2; echo 'version: 11434 (abc1234)' >&2 ;;
--help) echo '-c,    --ctx-size N   size of the prompt context'; echo '--slots, --no-slots' ;;
--list-devices) echo 'Available devices:'
  echo '  CUDA0: NVIDIA GeForce RTX 4090 (24564 MiB, 23100 MiB free)' ;;
esac"""


# What it is


def test_a_llama_server_says_its_version_its_devices_and_its_options(tmp_path: Path) -> None:
    file = program(tmp_path, SAYS)
    binary = read_binary(file, tmp_path / "cache")
    assert binary.title == "llama-server 11434 (abc1234)"
    assert binary.devices == (Device("CUDA0", "NVIDIA GeForce RTX 4090", 24564 << 20),)
    assert binary.options == {"--ctx-size", "--slots", "--no-slots"}


def test_it_is_asked_once_for_as_long_as_it_stays_the_same(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    file = program(tmp_path, f"echo $1 >> {asked}\n{SAYS}")
    first = read_binary(file, tmp_path / "cache")
    assert read_binary(file, tmp_path / "cache") == first
    assert len(asked.read_text().splitlines()) == 3
    program(tmp_path, f"echo $1 >> {asked}\n{SAYS}".replace("11434", "11999"))
    assert read_binary(file, tmp_path / "cache").version == "11999 (abc1234)"


@pytest.mark.parametrize("script", ["echo hello", "exit 1", "echo 'version: 1'"])
def test_another_program_is_not_taken_for_one(tmp_path: Path, script: str) -> None:
    with pytest.raises(Unreachable, match="is no llama-server") as caught:
        read_binary(program(tmp_path, script), tmp_path / "cache")
    assert caught.value.command == "localai config unset engine.binary"


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no such program"):
        find_binary(str(tmp_path / "nothing"))


def test_a_program_is_found_by_its_name_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = program(tmp_path, SAYS)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_binary("llama-server") == file


def test_a_build_gets_the_options_that_it_knows() -> None:
    spec = WorkerSpec("llamacpp", "/m.gguf", 8192, slots=2, threads=4, draft="lookup")
    older = Binary("/bin/llama-server", "1", (), frozenset({"--ctx-size", "--slots", "--threads"}))
    assert command_line(older, spec, "engine.sock", "/kv") == [
        *("/bin/llama-server", "--model", "/m.gguf", "--ctx-size", "8192"),
        *("--host", "engine.sock", "--slots", "--threads", "4"),
    ]
    newer = replace(
        older, options=older.options | {"--parallel", "--slot-save-path", "--spec-type"}
    )
    line = command_line(newer, spec, "engine.sock", "/kv")
    for words in (
        ["--parallel", "2"],
        ["--slot-save-path", "/kv/"],
        ["--spec-type", "ngram-map-k"],
    ):
        at = line.index(words[0])
        assert line[at : at + 2] == words


@pytest.mark.parametrize(
    ("devices", "layers", "mebibytes"),
    [
        (("CUDA0",), None, "0"),
        (("CUDA0",), 16, "256"),
        (("Vulkan0",), None, "256"),
        ((), None, "256"),
    ],
)
def test_on_a_card_no_prompt_is_kept_in_main_memory(
    devices: tuple[str, ...], layers: int | None, mebibytes: str
) -> None:
    binary = Binary(
        "/bin/llama-server",
        "1",
        tuple(Device(name, "a card", 24 << 30) for name in devices),
        frozenset({"--ctx-size", "--cache-ram"}),
    )
    spec = WorkerSpec("llamacpp", "/m.gguf", 8192, gpu_layers=layers)
    line = command_line(binary, spec, "engine.sock", None)
    assert line[line.index("--cache-ram") + 1] == mebibytes


def test_the_engine_of_the_package_index_computes_on_the_cpu_alone(tmp_path: Path) -> None:
    if os.uname().sysname != "Linux":
        pytest.skip("its wheel has Metal on macOS")
    assert own_engine_devices(tmp_path) == ()


# How it is kept: one built from source


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LlamaCpp, LlamaCpp, Paths]]:
    """The provider with the binary, the one without, and their folders."""
    binary, weights = require("llama-server"), require("smollm2")
    root = tmp_path_factory.mktemp("binary")
    config, paths = identity(root, {"LOCALAI_ENGINE_BINARY": str(binary)})
    paths.models_dir.mkdir(parents=True)
    (paths.models_dir / "smollm2.gguf").symlink_to(weights)
    yield LlamaCpp(config, paths), LlamaCpp(identity(root)[0], paths), paths
    for files, info in workers(paths):
        stop(files, info)


def ask(provider: LlamaCpp, **changes: object) -> list[object]:
    changes = {"options": GREEDY, **changes}
    request = ChatRequest(provider.resolve("smollm2"), QUESTION, **changes)  # type: ignore[arg-type]
    return list(provider.stream(request))


def server_of(worker: int) -> psutil.Process:
    """The process that computes for a worker."""
    children = psutil.Process(worker).children()
    return next(each for each in children if "--ctx-size" in each.cmdline())


def test_it_answers_without_a_network_and_is_named(
    home: tuple[LlamaCpp, LlamaCpp, Paths],
) -> None:
    provider, _, paths = home
    events = ask(provider)
    assert "Paris" in text_of(events)  # type: ignore[arg-type]
    locality = end_of(events).locality  # type: ignore[arg-type]
    assert locality.process is not None
    assert locality.process.name.startswith("llama-server ")
    [(_, info)] = workers(paths)
    assert locality.network_denied is info.network_denied is True
    # It is in the network namespace of the worker, which is another than this process's.
    server = server_of(info.pid)
    spaces = [Path(f"/proc/{pid}/ns/net").readlink() for pid in (info.pid, server.pid, os.getpid())]
    filters = Path(f"/proc/{server.pid}/status").read_text()
    assert spaces[0] == spaces[1]
    assert spaces[1] != spaces[2] or "Seccomp:\t2" in filters


def test_the_log_holds_nothing_of_a_request(home: tuple[LlamaCpp, LlamaCpp, Paths]) -> None:
    provider, _, paths = home
    ask(provider)
    [(files, _)] = workers(paths)
    before = files.log.read_text()
    assert "load_model" in before, "or this proves nothing"
    with pytest.raises(InvalidInput):
        ask(provider, tools=(Tool("xylophone", "plays"),))
    assert files.log.read_text() == before


def test_another_engine_for_the_same_model_takes_the_place_of_the_first(
    home: tuple[LlamaCpp, LlamaCpp, Paths],
) -> None:
    provider, plain, paths = home
    for each, named in ((plain, "xllamacpp "), (provider, "llama-server ")):
        ask(each)
        [(_, info)] = workers(paths)
        assert info.engine.startswith(named)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_goes_with_its_worker(
    home: tuple[LlamaCpp, LlamaCpp, Paths], number: int
) -> None:
    provider, _, paths = home
    ask(provider)
    [(_, info)] = workers(paths)
    server = server_of(info.pid)
    os.kill(info.pid, number)
    assert becomes(lambda: not server.is_running(), within_s=5)


def test_a_server_that_dies_takes_its_worker_along(
    home: tuple[LlamaCpp, LlamaCpp, Paths],
) -> None:
    provider, _, paths = home
    ask(provider)
    [(_, info)] = workers(paths)
    server = server_of(info.pid)
    server.kill()
    assert becomes(lambda: workers(paths) == [], within_s=5)
    assert "Paris" in text_of(ask(provider))  # type: ignore[arg-type]


def test_a_model_that_it_cannot_load_is_an_error_with_its_words(
    home: tuple[LlamaCpp, LlamaCpp, Paths], tmp_path: Path
) -> None:
    provider, _, _ = home
    whole = provider.resolve("smollm2")
    assert whole.path is not None
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(whole.path.read_bytes()[: 8 << 20])
    request = ChatRequest(replace(whole, path=broken), QUESTION, GREEDY)
    with pytest.raises(Unreachable, match="the engine could not load"):
        list(provider.stream(request))


def test_ps_counts_the_memory_of_the_server(home: tuple[LlamaCpp, LlamaCpp, Paths]) -> None:
    from localai.output.documents.ps import ps_document

    provider, _, paths = home
    ask(provider)
    [worker] = json.loads(json.dumps(ps_document(workers(paths), str)))["workers"]
    assert worker["engine"].startswith("llama-server ")
    assert worker["memory_bytes"] > 100_000_000
