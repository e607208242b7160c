"""LM Studio: its double in front of the embedded engine, and the scripted server.

LM Studio itself cannot be had in a test. What it says comes from its documentation; what the
model answers comes from a real llama.cpp, which is what LM Studio runs, too.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import pytest

from localai.types import ResolvedModel
from tests.contract.rows import Row, Subject, identity
from tests.servers.lmstudio_documented import TOO_LONG
from tests.servers.lmstudio_double import DoubleModel, LmStudioDouble
from tests.support.scripted_server import Reply, ScriptedServer, json_reply
from tests.support.wires import ChatCompletionsWire

NAME = "smollm2-135m-instruct"


@contextmanager
def real(request: pytest.FixtureRequest) -> Iterator[Subject]:
    weights = request.getfixturevalue("smollm2_path")
    home = request.getfixturevalue("tmp_path_factory").mktemp("contract")
    from localai.engine.lifecycle import acquire, stop, workers
    from localai.engine.worker_files import WorkerSpec
    from localai.net.http import call
    from localai.net.target import client_target
    from localai.net.unix import UnixConnection
    from localai.providers.lmstudio import LmStudio

    config, paths = identity(home)
    lock = Lock()

    def connect(context_tokens: int) -> http.client.HTTPConnection:
        spec = WorkerSpec("llamacpp", str(weights), context_tokens, slots=2)
        with lock:
            for files, info in workers(paths):
                if info.context_tokens != context_tokens:
                    stop(files, info)
            with acquire(paths, spec, keep_alive_s=600, available_bytes=lambda: None) as lease:
                return UnixConnection(lease.files.socket)

    def is_computing() -> bool:
        [(files, _)] = workers(paths)
        return any(slot["is_processing"] for slot in call(files.socket, "GET", "/slots"))

    with LmStudioDouble([DoubleModel(NAME)], connect) as double:
        provider = LmStudio(config, client_target(double.address, 1234), None)
        try:
            yield Subject(provider, provider.resolve(NAME), is_computing)
        finally:
            for files, info in workers(paths):
                stop(files, info)


def scripted(server: ScriptedServer, home: Path) -> Subject:
    from localai.net.target import client_target
    from localai.providers.lmstudio import LmStudio

    config, _ = identity(home)
    provider = LmStudio(config, client_target(server.address, 1234), None)
    return Subject(provider, ResolvedModel("lmstudio", "scripted", None, "a scripted server"))


class LmStudioWire(ChatCompletionsWire):
    """Chat Completions, and LM Studio's own way to say that a prompt is too long."""

    def __init__(self) -> None:
        instance = {"id": "scripted", "config": {"context_length": 4096}}
        model = {"type": "llm", "key": "scripted", "max_context_length": 4096}
        listed = {"models": [{**model, "loaded_instances": [instance]}]}
        super().__init__({"GET /api/v1/models": json_reply(listed)})

    def overflow(self) -> Reply:
        error = {"error": {"message": TOO_LONG.format(prompt=5000, context=4096)}}
        return self.stream([f"event: error\ndata: {json.dumps(error)}\n\n".encode()])


_LEFT_OUT = "llama.cpp leaves out tools that a template does not know, without a word"

ROW = Row(
    real=real,
    scripted=scripted,
    wire=LmStudioWire(),
    cannot={"test_tools_are_refused_where_the_template_knows_none": _LEFT_OUT},
)
