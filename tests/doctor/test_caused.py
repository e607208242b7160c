"""Failures that are really caused, and that the real command finds."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from localai.doctor.checks import CHECKS
from localai.output.documents.doctor import Doctor
from tests.doctor.scene import Scene
from tests.support.command import COMMAND, RunLocalai
from tests.support.ollama import OllamaServer
from tests.support.processes import free_port
from tests.support.promise import checked
from tests.support.weights import require


@pytest.fixture
def found(run_localai: RunLocalai, scene: Scene) -> Callable[..., dict[str, str]]:
    """Run doctor in the scene: the title of each finding by its code. What a busy machine gave no
    time to is looked at again."""

    def run(*words: str) -> dict[str, str]:
        for _ in range(3):
            result = run_localai("doctor", *words, "--json", env=scene.environment)
            assert result.returncode in (0, 8), result.stderr
            document = checked(Doctor, result.stdout)
            if _was_all_seen(document):
                break
        severities = {each["severity"] for each in document["findings"]}
        assert result.returncode == (8 if "fail" in severities else 0)
        return {each["code"]: each["title"] for each in document["findings"]}

    return run


_CAUSES: dict[str, Callable[[Scene], None]] = {}
# What they change is read when an interpreter starts.
_AT_START = {"clock-wrong"}


def _causes(code: str) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    def register(cause: Callable[[Scene], None]) -> Callable[[Scene], None]:
        assert code in CHECKS
        _CAUSES[code] = cause
        return cause

    return register


@_causes("ollama-not-running")
def _stopped_ollama(scene: Scene) -> None:
    scene.program("ollama", "echo Warning: client version is 0.33.1")
    scene.environment["OLLAMA_HOST"] = f"127.0.0.1:{free_port()}"


@_causes("ollama-address-invalid")
def _no_address(scene: Scene) -> None:
    scene.environment["OLLAMA_HOST"] = "gopher://127.0.0.1"


@_causes("ollama-variable-unknown")
def _misspelt(scene: Scene) -> None:
    scene.environment["OLLAMA_CONTEXT_LENGHT"] = "8192"


@_causes("ollama-value-misread")
def _misread(scene: Scene) -> None:
    scene.environment["OLLAMA_FLASH_ATTENTION"] = "off"


@_causes("ollama-host-for-servers")
def _for_servers(scene: Scene) -> None:
    scene.environment["OLLAMA_HOST"] = f"0.0.0.0:{free_port()}"


@_causes("engine-crashes")
def _illegal_instruction(scene: Scene) -> None:
    scene.module("xllamacpp", "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")


@_causes("nvidia-smi-hangs")
def _hanging(scene: Scene) -> None:
    scene.program("nvidia-smi", "exec sleep 60")


@_causes("nvidia-driver-fails")
def _failing(scene: Scene) -> None:
    scene.program("nvidia-smi", "echo NVIDIA-SMI has failed because it could not; exit 9")


@_causes("model-damaged")
def _cut_off(scene: Scene) -> None:
    whole = require("smollm2").read_bytes()
    (scene.models / "cut.gguf").write_bytes(whole[: len(whole) // 2])


@_causes("ollama-blob-damaged")
def _incomplete_blob(scene: Scene) -> None:
    _write_manifest(scene, 5_000_000)


@_causes("ollama-manifest-damaged")
def _broken_manifest(scene: Scene) -> None:
    _write_manifest(scene, 1_000).write_text('{"layers": [')


@_causes("template-suspicious")
def _escaping_template(scene: Scene) -> None:
    _write_model(scene, "{{ ''.__class__.__mro__ }}{% for m in messages %}{{ m }}{% endfor %}")


@_causes("model-template-broken")
def _open_template(scene: Scene) -> None:
    _write_model(scene, "{% for message in messages %}{{ message['content'] }}")


@_causes("model-architecture-unknown")
def _unknown_architecture(scene: Scene) -> None:
    _write_model(scene, "{{ messages }}", architecture="neverheardofit")


@_causes("model-without-template")
def _no_template(scene: Scene) -> None:
    _write_model(scene, None)


@_causes("default-model-missing")
def _missing(scene: Scene) -> None:
    scene.configure('model = "qwen3:8b"\n')


@_causes("model-too-large")
def _too_large(scene: Scene) -> None:
    with (scene.models / "huge.gguf").open("wb") as file:
        file.truncate(4 << 40)
    scene.configure('model = "huge"\n')


@_causes("too-many-threads")
def _threads(scene: Scene) -> None:
    scene.configure("[engine]\nthreads = 1024\n")


@_causes("config-invalid")
def _invalid(scene: Scene) -> None:
    scene.configure("model = [\n")


@_causes("variable-unknown")
def _unknown(scene: Scene) -> None:
    scene.environment["LOCALAI_MODLE"] = "qwen3"


@_causes("fallback-not-allowed")
def _fallback(scene: Scene) -> None:
    scene.configure('[cloud]\nfallback = "openai/gpt-5-mini"\n')


@_causes("key-without-permission")
def _key(scene: Scene) -> None:
    scene.configure('[cloud]\nfallback = "openai/gpt-5-mini"\n')
    scene.environment["OPENAI_API_KEY"] = "sk-0123456789abcdef0123"


@_causes("key-in-config")
def _key_in_config(scene: Scene) -> None:
    scene.configure(
        f'[endpoint.farm]\nurl = "http://127.0.0.1:{free_port()}/v1"\n'
        '[endpoint.farm.headers]\nAuthorization = "Bearer x"\n'
    )


@_causes("own-server-down")
def _server_down(scene: Scene) -> None:
    scene.configure(f'[endpoint.farm]\nurl = "http://127.0.0.1:{free_port()}/v1"\n')


@_causes("own-server-key-missing")
def _server_key(scene: Scene) -> None:
    scene.configure(
        f'[endpoint.farm]\nurl = "http://127.0.0.1:{free_port()}/v1"\nkey_env = "FARM_KEY"\n'
    )


@_causes("database-damaged")
def _damaged_database(scene: Scene) -> None:
    _ = scene.models
    (scene.home / "data" / "localai.db").write_bytes(b"this is no database " * 100)


@_causes("database-unusable")
def _newer_database(scene: Scene) -> None:
    _ = scene.models
    with sqlite3.connect(scene.home / "data" / "localai.db") as database:
        database.execute("PRAGMA user_version = 999")


@_causes("files-readable-by-others")
def _loose(scene: Scene) -> None:
    _ = scene.models
    with sqlite3.connect(scene.home / "data" / "localai.db") as database:
        database.execute("PRAGMA user_version = 0")
    (scene.home / "data" / "localai.db").chmod(0o644)


@_causes("keys-in-history")
def _typed_key(scene: Scene) -> None:
    (scene.user / ".bash_history").write_text("export OPENAI_API_KEY=sk-0123456789abcdef\n")


@_causes("two-installations")
def _two(scene: Scene) -> None:
    scene.program("localai", "true")
    second = scene.user / "sbin"
    second.mkdir()
    shutil.copy(scene.user / "bin" / "localai", second / "localai")
    scene.environment["PATH"] = f"{scene.environment['PATH']}:{second}"


@_causes("completion-stale")
def _old_completion(scene: Scene) -> None:
    file = scene.user / ".local/share/bash-completion/completions/localai"
    file.parent.mkdir(parents=True)
    file.write_text("complete -W 'chat' localai\n")


@_causes("stale-files")
def _leftover(scene: Scene) -> None:
    temporary = scene.user / "tmp"
    left = temporary / "localai-temporary-killed"
    left.mkdir(parents=True)
    os.utime(left, (1, 1))
    scene.environment["TMPDIR"] = str(temporary)


@_causes("certificates-unusable")
def _no_certificates(scene: Scene) -> None:
    scene.environment["SSL_CERT_FILE"] = str(scene.user / "company.pem")


@_causes("proxy-for-loopback")
def _proxy(scene: Scene) -> None:
    scene.environment["HTTP_PROXY"] = "http://127.0.0.1:3128"


@_causes("proxy-down")
def _own_proxy(scene: Scene) -> None:
    scene.configure(f'[network]\nproxy = "http://127.0.0.1:{free_port()}"\n')


@_causes("prompts-logged")
def _logged(scene: Scene) -> None:
    scene.environment["OLLAMA_DEBUG_LOG_REQUESTS"] = "1"


@_causes("clock-wrong")
def _clock(scene: Scene) -> None:
    scene.module("sitecustomize", "import time\n_now = time.time\ntime.time = lambda: _now() - 1e8")


@_causes("lmstudio-no-runtime")
def _no_runtime(scene: Scene) -> None:
    (scene.user / ".lmstudio" / "models").mkdir(parents=True)


@_causes("vllm-without-cuda")
def _other_cuda(scene: Scene) -> None:
    scene.program("vllm", "true")
    package = scene.user / "lib" / "python3.12" / "site-packages" / "vllm"
    package.mkdir(parents=True)
    (package / "_C.abi3.so").write_bytes(b"ELF\0libcudart.so.99\0libc.so.6\0")


@_causes("telemetry-of-others")
def _telling(scene: Scene) -> None:
    scene.program("vllm", "true")
    scene.environment["DO_NOT_TRACK"] = None


@_causes("known-vulnerability")
def _vulnerable(scene: Scene) -> None:
    scene.program("ollama", "echo Warning: client version is 0.16.3")


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, marks=[pytest.mark.real_process] if code in _AT_START else [])
        for code in sorted(_CAUSES)
    ],
)
def test_what_was_caused_is_found(
    code: str, scene: Scene, found: Callable[..., dict[str, str]]
) -> None:
    _CAUSES[code](scene)
    assert code in found(code)


def test_where_nothing_was_caused_nothing_of_it_is_found(
    found: Callable[..., dict[str, str]],
) -> None:
    # An Ollama of this machine's own may be stopped, or old.
    of_the_machine = {"ollama-not-running", "known-vulnerability"}
    assert not (set(_CAUSES) - of_the_machine) & set(found())


def test_a_full_disk(scene: Scene) -> None:
    assert "disk-full" not in _in_namespace(scene, "true")
    assert "disk-full" in _in_namespace(scene, f"mount -t tmpfs -o size=64m none {scene.home}")


def test_a_read_only_disk_explains_that_nothing_can_be_written(scene: Scene) -> None:
    _ = scene.models
    script = f"mount --bind {scene.home} {scene.home} && mount -o remount,bind,ro {scene.home}"
    document = _in_namespace(scene, script)
    assert "disk-read-only" in document
    assert "folder-not-writable" not in document


def test_a_temporary_folder_that_runs_nothing_under_an_old_ollama(scene: Scene) -> None:
    scene.program("ollama", "echo Warning: client version is 0.3.14")
    temporary = scene.user / "tmp"
    temporary.mkdir()
    scene.environment["TMPDIR"] = str(temporary)
    script = f"mount -t tmpfs -o noexec none {temporary}"
    assert "noexec-temporary-folder" in _in_namespace(scene, script, "server")


def test_another_program_has_ollama_s_port(
    scene: Scene, found: Callable[..., dict[str, str]]
) -> None:
    with _web_server(b"<html>hello</html>") as port:
        scene.environment["OLLAMA_HOST"] = f"127.0.0.1:{port}"
        assert "ollama-port-taken" in found("server")


def test_a_server_that_says_nothing(scene: Scene, found: Callable[..., dict[str, str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        scene.environment["OLLAMA_HOST"] = f"127.0.0.1:{silent.getsockname()[1]}"
        assert "ollama-silent" in found("server")


def test_a_server_on_ipv6_alone(scene: Scene, found: Callable[..., dict[str, str]]) -> None:
    scene.program("ollama", "echo Warning: client version is 0.33.1")
    port = 11434
    try:
        server = socket.create_server(("::1", port), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"port {port} of ::1 cannot be had: {error}")
    with server:
        only = found("server")
    assert "ollama-only-on-ipv6" in only
    assert "ollama-not-running" not in only


def test_a_server_that_is_open_to_the_network(
    scene: Scene, found: Callable[..., dict[str, str]]
) -> None:
    with _web_server(b'{"data": []}', "0.0.0.0") as port:
        scene.configure(f'[endpoint.farm]\nurl = "http://127.0.0.1:{port}/v1"\n')
        opened = found("security")
    with _web_server(b'{"data": []}') as port:
        scene.configure(f'[endpoint.farm]\nurl = "http://127.0.0.1:{port}/v1"\n')
        closed = found("security")
    assert "server-open-to-network" in opened
    assert "server-open-to-network" not in closed


def test_every_form_of_its_address_reaches_an_ollama(
    ollama_server: OllamaServer, scene: Scene, found: Callable[..., dict[str, str]]
) -> None:
    for written in (
        ollama_server.host,
        f"0.0.0.0:{ollama_server.port}",
        f"localhost:{ollama_server.port}",
    ):
        scene.environment["OLLAMA_HOST"] = written
        codes = set(found("server"))
        assert not codes & {"ollama-not-running", "ollama-address-invalid", "ollama-port-taken"}


def test_an_old_server_runs_on_after_an_upgrade(
    scene: Scene, found: Callable[..., dict[str, str]]
) -> None:
    scene.program("ollama", "echo Warning: client version is 0.33.1")
    with _web_server(b'{"version": "0.30.0"}') as port:
        scene.environment["OLLAMA_HOST"] = f"127.0.0.1:{port}"
        assert "ollama-old-server" in found("server")


def test_a_cloud_behind_a_local_name(
    ollama_server: OllamaServer, scene: Scene, found: Callable[..., dict[str, str]]
) -> None:
    scene.environment["OLLAMA_HOST"] = ollama_server.host
    ollama_server.create_cloud_alias("helper")
    try:
        assert "cloud-alias" in found("privacy")
    finally:
        ollama_server.delete("helper")


def test_a_folder_on_the_way_is_closed(scene: Scene, tmp_path: Path) -> None:
    # To root nothing is closed, unless it has lost the right to pass by the mode.
    capabilities = "-dac_override,-dac_read_search"
    as_others = ["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}"]
    closed = tmp_path / "closed"
    (closed / "models").mkdir(parents=True)
    closed.chmod(stat.S_IRUSR)
    try:
        scene.environment["OLLAMA_MODELS"] = str(closed / "models")
        assert "folder-closed" in _run(scene, as_others if os.geteuid() == 0 else [])
    finally:
        closed.chmod(0o700)


def _in_namespace(scene: Scene, script: str, group: str = "disk") -> dict[str, str]:
    """The titles by code where `script` has changed the mounts, for this process alone."""
    prefix = ["unshare", "-Urnm", "sh", "-c", f'{script} && exec "$@"', "sh"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no mounts of one's own here: {tried.stderr.decode().strip()}")
    return _run(scene, prefix, group)


def _run(scene: Scene, prefix: list[str], group: str = "disk") -> dict[str, str]:
    environment: Mapping[str, str] = {
        "PATH": os.environ["PATH"],
        "HOME": str(scene.user),
        "LANG": "C.UTF-8",
        "LOCALAI_HOME": str(scene.home),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **{name: value for name, value in scene.environment.items() if value is not None},
    }
    for _ in range(3):
        result = subprocess.run(
            [*prefix, *COMMAND, "doctor", group, "--json"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert result.returncode in (0, 8), result.stderr
        document = checked(Doctor, result.stdout)
        if _was_all_seen(document):
            break
    return {each["code"]: each["title"] for each in document["findings"]}


def _was_all_seen(document: Doctor) -> bool:
    """Whether no probe ran out of time, nor a server on this machine that was asked."""
    told = [each["reason"] for each in document["unknown"]]
    return not any("it did not answer within" in each or "wants a key" in each for each in told)


@contextmanager
def _web_server(content: bytes, host: str = "127.0.0.1") -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer((host, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _write_manifest(scene: Scene, expected_bytes: int) -> Path:
    """A model of Ollama's whose one blob has 1,000 bytes."""
    root = scene.user / ".ollama" / "models"
    digest = "a" * 64
    (root / "blobs").mkdir(parents=True)
    (root / "blobs" / f"sha256-{digest}").write_bytes(b"x" * 1000)
    manifest = root / "manifests" / "registry.ollama.ai" / "library" / "qwen3" / "8b"
    manifest.parent.mkdir(parents=True)
    layer = {
        "mediaType": "application/vnd.ollama.image.model",
        "digest": f"sha256:{digest}",
        "size": expected_bytes,
    }
    manifest.write_text(json.dumps({"layers": [layer]}))
    return manifest


def _write_model(scene: Scene, template: str | None, architecture: str = "llama") -> None:
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(scene.models / "made.gguf", architecture)
    writer.add_context_length(512)
    if template is not None:
        writer.add_chat_template(template)
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_privacy_shows_what_doctor_finds_of_it(scene: Scene, run_localai: RunLocalai) -> None:
    sound = run_localai("privacy", "--json").stdout
    (scene.user / ".bash_history").write_text("export OPENAI_API_KEY=sk-0123456789abcdef\n")
    found = json.loads(run_localai("privacy", "--json").stdout)["findings"]
    told = [each for each in found if "shell" in each["what"]]
    assert [each["state"] for each in told] == ["open"]
    assert told[0]["detail"].endswith("(localai doctor keys-in-history)")
    assert len(found) == len(json.loads(sound)["findings"]) + 1
