"""A double of LM Studio's server, made from its documentation (`lmstudio_documented`).

It keeps what is loaded like the real one; the answers come from whatever Chat Completions server
is behind it, for LM Studio itself runs llama.cpp. `test_lmstudio_double.py` holds it to the
documented examples.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.servers.lmstudio_documented import NO_TOKEN, TOO_LONG


@dataclass(slots=True)
class DoubleModel:
    """A model on the double's disk. `most_context` is what loading gives at most."""

    key: str
    max_context_length: int = 8192
    most_context: int | None = None
    kind: str = "llm"
    instances: dict[str, int] = field(default_factory=dict)


Connect = Callable[[int], http.client.HTTPConnection]


class LmStudioDouble:
    """Serves on a port of loopback from `__enter__` to `__exit__`.

    `connect(context_tokens)` opens a connection to the engine that answers for a model loaded
    with that context. `v1` False is a version before 0.4.0.
    """

    def __init__(
        self,
        models: list[DoubleModel],
        connect: Connect | None = None,
        *,
        token: str | None = None,
        v1: bool = True,
    ) -> None:
        self.models = {model.key: model for model in models}
        self.connect = connect
        self.token = token
        self.v1 = v1
        self.asked: list[tuple[str, str, Any]] = []
        handler = type("Handler", (_Handler,), {"double": self})
        self._http = _Server(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> LmStudioDouble:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def respond(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """The status and JSON document for everything but chat."""
        routes: dict[str, Callable[[Any], tuple[int, Any]]] = {"GET /api/v0/models": self._list_v0}
        if self.v1:
            routes |= {
                "GET /api/v1/models": self._list_v1,
                "POST /api/v1/models/load": self._load,
                "POST /api/v1/models/unload": self._unload,
            }
        route = routes.get(f"{method} {path}")
        if route is None:
            # The real one answers 200 to everything.
            return 200, {"error": f"Unexpected endpoint or method. ({method} {path})"}
        return route(body)

    def loaded_context(self, name: str) -> int | None:
        """The context of the instance `name`; a model that is not loaded is loaded just in time."""
        for model in self.models.values():
            if name in model.instances:
                return model.instances[name]
        on_disk = self.models.get(name)
        return None if on_disk is None else self._keep(on_disk, 4096)

    def _keep(self, model: DoubleModel, wanted: int) -> int:
        given = min(wanted, model.max_context_length, model.most_context or wanted)
        number = len(model.instances) + 1
        model.instances[model.key if number == 1 else f"{model.key}:{number}"] = given
        return given

    def _list_v1(self, _: Any) -> tuple[int, Any]:
        return 200, {"models": [_described_v1(model) for model in self.models.values()]}

    def _list_v0(self, _: Any) -> tuple[int, Any]:
        described = [_described_v0(model) for model in self.models.values()]
        return 200, {"object": "list", "data": described}

    def _load(self, body: Any) -> tuple[int, Any]:
        model = self.models.get(body["model"])
        if model is None:
            message = f"Model {body['model']} not found"
            return 404, {"error": {"type": "model_not_found", "message": message}}
        given = self._keep(model, body.get("context_length", 4096))
        answer = {
            "type": "llm",
            "instance_id": list(model.instances)[-1],
            "load_time_seconds": 0.25,
            "status": "loaded",
        }
        if body.get("echo_load_config"):
            answer["load_config"] = {
                "context_length": given,
                "eval_batch_size": 512,
                "flash_attention": True,
                "offload_kv_cache_to_gpu": True,
                "num_experts": 4,
            }
        return 200, answer

    def _unload(self, body: Any) -> tuple[int, Any]:
        for model in self.models.values():
            if model.instances.pop(body["instance_id"], None) is not None:
                return 200, {"instance_id": body["instance_id"]}
        return 404, {"error": {"type": "model_not_found", "message": "not loaded"}}


def _described_v1(model: DoubleModel) -> dict[str, Any]:
    described = {
        "type": model.kind,
        "publisher": "test",
        "key": model.key,
        "display_name": model.key,
        "quantization": {"name": "Q4_1", "bits_per_weight": 4},
        "size_bytes": 98_362_432,
        "params_string": "135M",
        "loaded_instances": [
            {"id": instance, "config": {"context_length": context}}
            for instance, context in model.instances.items()
        ],
        "max_context_length": model.max_context_length,
        "format": "gguf",
    }
    if model.kind == "embedding":
        return described
    offered = {"vision": False, "trained_for_tool_use": False}
    return {**described, "architecture": "llama", "capabilities": offered, "description": None}


def _described_v0(model: DoubleModel) -> dict[str, Any]:
    return {
        "id": model.key,
        "object": "model",
        "type": "embeddings" if model.kind == "embedding" else model.kind,
        "publisher": "test",
        "arch": "llama",
        "compatibility_type": "gguf",
        "quantization": "Q4_1",
        "state": "loaded" if model.instances else "not-loaded",
        "max_context_length": model.max_context_length,
    }


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away, which is what some tests do."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    double: LmStudioDouble
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _serve(self, body: Any) -> None:
        double = self.double
        double.asked.append((self.command, self.path, body))
        wanted = f"Bearer {double.token}"
        if double.token is not None and self.headers.get("Authorization") != wanted:
            self._json(401, NO_TOKEN.answer)
        elif (self.command, self.path) == ("POST", "/v1/chat/completions"):
            self._chat(body)
        else:
            self._json(*double.respond(self.command, self.path, body))

    def _json(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _chat(self, body: Any) -> None:
        context = self.double.loaded_context(body["model"])
        if context is None or self.double.connect is None:
            self._json(404, {"error": {"message": "no such model", "code": "model_not_found"}})
            return
        connection = self.double.connect(context)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            self._pass_on(connection.getresponse(), context)
        except OSError:
            self.close_connection = True
        finally:
            # Also what makes the engine stop when our own client has gone.
            connection.close()

    def _pass_on(self, response: http.client.HTTPResponse, context: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if response.status >= 400:
            error = json.loads(response.read()).get("error") or {}
            prompt = error.get("n_prompt_tokens")
            message = TOO_LONG.format(prompt=prompt, context=context) if prompt else str(error)
            event = {"error": {"message": message}}
            self._chunk(b"event: error\ndata: " + json.dumps(event).encode() + b"\n\n")
        else:
            for line in response:
                self._chunk(line)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
