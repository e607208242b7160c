"""The MLX engine's process: `python -m localai.engine.mlx.worker FOLDER`.

Lives as llama.cpp's worker does: denies itself the network, loads one model, answers on a Unix
socket, describes itself in `worker.json`, and leaves when nobody has used it for a while. MLX is
imported only in this process and in that of a conversion: without a Metal device the import has
killed processes.

The main thread computes: one answer, or several together, and what else is asked between two
tokens.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.engine.beginning import begin, load_failed
from localai.engine.mlx.server import Job, Server
from localai.engine.worker_files import (
    WorkerFiles,
    WorkerInfo,
    WorkerSpec,
)
from localai.errors import LocalaiError
from localai.locks import try_lock
from localai.wires.chat_completions.server import parse

if TYPE_CHECKING:
    from localai.engine.mlx.decoding import Run
    from localai.engine.mlx.generation import Chat

_LOOK_EVERY_S = 0.25
# A worker that was started with `keep_alive 0` must survive until its first user has come.
_LEAST_IDLE_S = 1.0


def main(directory: str) -> None:
    """Serve the model that FOLDER/spec.json names until idle. Exits the process."""
    begun = begin(directory)
    files, spec = begun.files, begun.spec
    info = begun.info(f"mlx-lm {version('mlx-lm')}")
    files.write_info(replace(info, is_loading=True))
    try:
        chat = load(spec)
    except Exception as error:  # noqa: BLE001 - whatever a model folder makes MLX raise
        load_failed(repr(error))
    # Bind by a relative name: a Unix socket's path is limited to about 100 bytes.
    os.chdir(files.directory)
    server = Server(files.socket.name)
    worker = Worker(files, server, chat, replace(info, started_at=time.time()))
    signal.signal(signal.SIGTERM, worker.leave_soon)
    server.serve_in_background()
    begun.go_on_alone()
    files.write_info(worker.info)
    worker.serve_until_idle()
    # Remove the files first, so that nobody connects any more: a new worker waits for this one's
    # lock.
    files.remove_traces()
    chat.conversations.save_all()
    os._exit(0)


def load(spec: WorkerSpec) -> Chat:
    """The model of `spec`, ready to answer.

    Raises whatever MLX raises for a folder that it cannot load. It never downloads: the path is a
    folder, and the process has no network.
    """
    import mlx.core as mx
    import mlx_lm

    from localai.engine.mlx.conversations import CachedConversations
    from localai.engine.mlx.generation import Chat
    from localai.engine.mlx.saved_caches import SavedCaches

    folder = Path(spec.model_path)
    if mx.metal.is_available():
        # Without this, macOS pages an idle model out of the GPU's reach, and the next answer starts
        # cold.
        mx.set_wired_limit(int(mx.device_info()["max_recommended_working_set_size"]))
    given = {} if spec.chat_template is None else {"chat_template": spec.chat_template}
    model, tokenizer = mlx_lm.load(str(folder), tokenizer_config=given)[:2]
    engine = f"mlx-lm {mlx_lm.__version__}"
    saved = None
    if spec.kv_dir is not None:
        versions = f"{engine} mlx {mx.__version__} {mx.default_device()}"
        saved = SavedCaches(Path(spec.kv_dir) / "mlx", f"{versions} {_folder_hash(folder)}")
    return Chat(
        model=model,
        tokenizer=tokenizer,
        conversations=CachedConversations(model, saved),
        context_tokens=spec.context_tokens,
        room_tokens=spec.context_tokens,
    )


class Worker:
    """Computes jobs until it has been idle or is told to leave; runs on the main thread."""

    def __init__(self, files: WorkerFiles, server: Server, chat: Chat, info: WorkerInfo) -> None:
        self._files = files
        self._server = server
        self._chat = chat
        self._leaving = False
        self.info = info

    def leave_soon(self, *_: Any) -> None:
        """On SIGTERM, stop computing at the next token, save, leave."""
        self._leaving = True

    def serve_until_idle(self) -> None:
        """Compute the jobs, until idle or told to leave."""
        while not self._leaving:
            while (job := self._next_job()) is not None:
                self._serve(job)
            if self._chat.is_busy:
                self._end(self._chat.step())
            else:
                self._server.computing.clear()
                self._leaving = self._leaving or _is_unused(self._files)
        self._end(self._chat.stop())

    def _next_job(self) -> Job | None:
        """The next job; None if there is none now and an answer is to be computed, or if there was
        none for a while."""
        with contextlib.suppress(queue.Empty):
            if self._chat.is_busy:
                return self._server.jobs.get_nowait()
            return self._server.jobs.get(timeout=_LOOK_EVERY_S)
        return None

    def _serve(self, job: Job) -> None:
        """Begin with an answer, or do what takes no time."""
        if job.cancelled.is_set():
            return
        self._server.computing.set()
        try:
            match job.route:
                case "/v1/chat/completions":
                    self._chat.begin(job)
                    return
                case "/apply-template":
                    job.emit({"prompt": self._prompt(job.body)})
                case "/tokenize":
                    job.emit(
                        {"tokens": self._chat.prompts.tokens(str(job.body.get("content", "")))}
                    )
                case "/context":
                    job.emit({"context_tokens": self._grow(job.body)})
        except Exception as error:  # noqa: BLE001 - one request must not end the others' worker
            _refuse(job, error)
        job.end()

    def _end(self, runs: list[Run]) -> None:
        for run in runs:
            if run.failure is not None:
                _refuse(run.job, run.failure)
            run.job.end()

    def _prompt(self, body: Mapping[str, Any]) -> str:
        return self._chat.prompts.text(parse(body), body.get("chat_template_kwargs") or {})

    def _grow(self, body: Mapping[str, Any]) -> int:
        """Allow a larger context, and more room for answers together. MLX's cache grows in place,
        so nothing is loaded again."""
        chat = self._chat
        context_tokens = int(body["context_tokens"])
        chat.room_tokens = max(chat.room_tokens, context_tokens, int(body.get("room_tokens", 0)))
        if context_tokens > chat.context_tokens:
            chat.context_tokens = context_tokens
            self.info = replace(self.info, context_tokens=context_tokens)
            self._files.write_info(self.info)
        return chat.context_tokens


def _refuse(job: Job, error: Exception) -> None:
    if not isinstance(error, LocalaiError):
        # Not the error's text: a template may raise with the message that it was given.
        print(f"{type(error).__name__}:", file=sys.stderr)  # noqa: T201
        traceback.print_tb(error.__traceback__)
        error = LocalaiError(f"MLX failed: {error}")
    job.refuse(error)


def _folder_hash(folder: Path) -> str:
    """The SHA-256 of a model's folder, which changes with its files: over the names, sizes and
    times of all files, and the content of the small ones. Hashing the weights would take as long as
    a load."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if not file.is_file():
            continue
        status = file.stat()
        digest.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        if file.suffix in (".json", ".jinja"):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _is_unused(files: WorkerFiles) -> bool:
    """Whether the keep-alive of the last user has run out.

    Every user shares the lease. If the worker gets it alone, nobody is using the worker, and while
    it holds the lease nobody can come.
    """
    try:
        lease = try_lock(files.lease)
    except FileNotFoundError:
        return True
    if lease is None:
        return False
    if files.idle_s() > max(files.keep_alive_s(), _LEAST_IDLE_S):
        # Kept until the process ends: a command that comes now waits, and starts another worker.
        return True
    os.close(lease)
    return False


if __name__ == "__main__":
    main(sys.argv[1])
