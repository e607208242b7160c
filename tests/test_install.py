"""The installer, run for real: into an empty home, twice, offline, cut, interrupted, removed."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localai.stores.starter import STARTER
from tests.support.clock import within
from tests.support.processes import bare_environment

REPOSITORY = Path(__file__).parents[1]
SCRIPT = REPOSITORY / "install.sh"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
# What a shell would run, split or take for the end of a word, if it were not quoted.
PREFIX = "a $(touch owned) `touch owned` prefix\n;touch owned;'\"'"
# Whatever lets this machine reach its package index.
NETWORK_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy")
# What `localai --version` imports, what builds it, and what these need.
TO_START = re.compile(
    r"(annotated-doc|click|hatchling|markdown-it-py|mdurl|packaging|pathspec|pip|pluggy|pygments"
    r"|rich|shellingham|tomlkit|trove-classifiers|typer|typing-extensions)=="
)


@dataclass(frozen=True)
class Place:
    """A user's home, and a prefix to install into."""

    home: Path
    prefix: Path

    @property
    def program(self) -> Path:
        return self.prefix / "bin/localai"

    def environment(self, changes: Mapping[str, str] | None = None) -> dict[str, str]:
        user = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        user |= {name: os.environ[name] for name in NETWORK_VARIABLES if name in os.environ}
        # Compiling is a third of an installation by pip; what it is good for is measured elsewhere.
        user["PIP_NO_COMPILE"] = "1"
        own = bare_environment(self.home) | {"PYTHON": sys.executable}
        return {**own, **user, **(changes or {})}

    def install(
        self,
        *options: str,
        script: Path = SCRIPT,
        env: Mapping[str, str] | None = None,
        within: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*within, script, "--prefix", self.prefix, *options],
            env=self.environment(env),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments],
            env=self.environment(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def environments(self) -> list[str]:
        return sorted(path.name for path in (self.prefix / "venv").iterdir() if path.is_dir())


def make_place(folder: Path) -> Place:
    home = folder / "home"
    home.mkdir(parents=True)
    return Place(home, folder / PREFIX)


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if ".rustup" not in path.parts}


def changed_source(folder: Path, *, to_start: bool = False) -> Path:
    """A copy of the source that is another version; its install.sh. With `to_start` its lock has no
    pins but those without which it does not start, for what is not about all of them."""
    folder.mkdir()
    for name in ("localai", "LICENSE", "README.md", "pyproject.toml", "requirements.lock"):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    shutil.copy(SCRIPT, folder)
    shutil.copytree(REPOSITORY / "docs/man", folder / "docs/man")
    (folder / "localai/__main__.py").open("a").write("\n# changed\n")
    if to_start:
        lock = folder / "requirements.lock"
        pins = re.split(r"\n(?=\S)", lock.read_text())
        lock.write_text("\n".join(pin for pin in pins if TO_START.match(pin)) + "\n")
    return folder / "install.sh"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place that `./install.sh` was run in, with what it printed checked by the first test."""
    place = make_place(tmp_path_factory.mktemp("installed"))
    done = place.install()
    assert done.returncode == 0, done.stdout + done.stderr
    (place.home / "output").write_text(done.stdout)
    yield place
    place.run("stop", "--all")


@pytest.fixture
def to_be_removed(installed: Place) -> Iterator[Place]:
    """The same place for a test that removes what is in it, and that is put back afterwards."""
    installed.run("stop", "--all")
    folder = installed.home.parent
    kept = folder.with_name(f"{folder.name}-kept")
    kept.mkdir()
    # What the installer made is replaced and removed, never written into; a home is.
    linked = ("cp", "--archive", "--link", installed.prefix, kept / installed.prefix.name)
    subprocess.run(linked, check=True)
    shutil.copytree(installed.home, kept / installed.home.name, symlinks=True)
    yield installed
    if installed.program.exists():
        installed.run("stop", "--all")
    shutil.rmtree(folder)
    kept.rename(folder)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every pinned package, as somebody without a network would be given it."""
    folder = tmp_path_factory.mktemp("wheels")
    lock = REPOSITORY / "requirements.lock"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes"]
    subprocess.run([*command, "--requirement", lock, "--dest", folder], check=True, timeout=600)
    return folder


def by_uv(place: Place, wheels: Path) -> dict[str, str]:
    """The environment of a user who has uv and the wheels, and did not configure pip."""
    tools = place.home / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "uv").unlink(missing_ok=True)
    (tools / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    return {name: "" for name in os.environ if name.startswith("PIP_")} | {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(wheels),
    }


def no_network() -> tuple[str, ...]:
    command = ("unshare", "--map-root-user", "--net")
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no network namespace")
    return command


@pytest.mark.parametrize("shell", SHELLS)
def test_a_cut_script_does_nothing(shell: str, tmp_path: Path) -> None:
    script = SCRIPT.read_bytes()
    last_line = script.rstrip(b"\n").rfind(b"\n") + 1
    cuts = [at + 1 for at, byte in enumerate(script[:last_line]) if byte == ord("\n")]
    # A shell is started for each: one of them sees every cut.
    cuts = cuts if shell == "dash" else cuts[:: len(cuts) // 20]
    cuts += range(last_line, len(script.rstrip(b"\n")))
    command = [shutil.which(shell) or shell, *(["sh"] if shell == "busybox" else [])]
    home = tmp_path / "home"
    home.mkdir()
    for cut in cuts:
        done = subprocess.run(
            command,
            input=script[:cut],
            env={"HOME": str(home), "PATH": str(home)},
            cwd=home,
            capture_output=True,
            check=False,
        )
        assert done.stdout == b"", f"cut at byte {cut}"
        assert b"not found" not in done.stderr, f"cut at byte {cut}: {done.stderr!r}"
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_dry_run_shows_the_plan_and_touches_nothing(shell: str, place: Place) -> None:
    command = (shutil.which(shell) or shell, *(["sh"] if shell == "busybox" else []))
    done = place.install("--dry-run", within=command)
    assert done.returncode == 0, done.stderr
    for expected in (
        str(place.prefix / "venv"),
        str(place.program),
        sys.executable,
        "SmolLM2-135M (Apache-2.0)",
        "93 MB to fetch",
        str(place.home / ".local/share/localai/models"),
    ):
        assert expected in done.stdout
    assert files_below(place.home.parent) == {place.home}


def test_the_plan_names_the_users_own_index_without_its_password(place: Place) -> None:
    index = "https://me:secret@mirror.example/simple"
    done = place.install("--dry-run", env={"PIP_INDEX_URL": index})
    assert "PIP_INDEX_URL=https://***@mirror.example/simple" in done.stdout
    assert "secret" not in done.stdout + done.stderr
    assert "by pip" in done.stdout


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("https://token@index.example/simple", "https://***@index.example/simple"),
        ("https://me:p@ss@index.example/simple", "https://***@index.example/simple"),
        ("https://i.example/s?sig=abc&key=def", "https://i.example/s?sig=***&key=***"),
        (
            "https://a:b@one.example https://c:d@two.example",
            "https://***@one.example https://***@two.example",
        ),
    ],
)
def test_no_credential_of_an_index_is_shown(place: Place, setting: str, shown: str) -> None:
    plan = place.install("--dry-run", env={"PIP_EXTRA_INDEX_URL": setting})
    assert f"PIP_EXTRA_INDEX_URL={shown}\n" in plan.stdout


def test_an_environment_of_the_users_own_is_not_taken_for_ours(place: Place) -> None:
    own = place.prefix / "venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    refused = place.install()
    assert refused.returncode == 2
    assert "venv exists and was not made by this script" in refused.stderr
    assert place.install("--uninstall").returncode == 0
    assert own.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--frobnicate"], "there is no option --frobnicate"),
        (["--purge"], "--purge goes with --uninstall"),
    ],
)
def test_wrong_options_are_usage_errors(place: Place, options: list[str], complaint: str) -> None:
    done = place.install(*options)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "hint: ./install.sh" in done.stderr


def test_a_machine_without_a_new_enough_python_is_told_what_to_install(place: Place) -> None:
    tools = place.home / "tools"
    tools.mkdir()
    for name in ("sh", "date", "dirname", "sed", "head", "uname", "env", "grep", "cat"):
        (tools / name).symlink_to(shutil.which(name) or name)
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = place.install(env={"PATH": str(tools), "PYTHON": ""})
    assert done.returncode == 3
    assert done.stderr.startswith("error: no Python 3.11 or newer was found\n\nhint: ")


# Other systems, by simulation: their tools on PATH, and a Python that says what theirs would


def pretend(
    place: Place, *, system: str, python: Mapping[str, str], **tools: str
) -> dict[str, str]:
    """The environment in which `uname` says `system`, each tool what it is given, and a Python
    answers a question that has the key's words in it with the value."""
    folder = place.home / "pretended"
    folder.mkdir()
    answers = "".join(f"*{words}*) echo '{said}' ;;\n" for words, said in python.items())
    scripts = {
        "uname": f"echo {system}",
        "python": f'case "$*" in\n{answers}*sys.executable*) echo "$0" ;;\n'
        f'*) exec {sys.executable} "$@" ;;\nesac',
        **{name: f"echo {said}" for name, said in tools.items()},
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "PYTHON": str(folder / "python")}


ARM = {"platform.machine": "arm64"}


@pytest.mark.parametrize(
    ("system", "python", "tools", "error", "hint"),
    [
        (
            "Darwin",
            {"platform.machine": "x86_64"},
            {"sysctl": "1", "sw_vers": "15.6"},
            "under Rosetta there is neither Metal nor MLX",
            "PYTHON=/opt/homebrew/bin/python3.13 ./install.sh",
        ),
        (
            "Darwin",
            ARM,
            {"sysctl": "1", "sw_vers": "12.7.6"},
            "this is macOS 12.7.6, and the engine's Metal needs 13.3 or newer",
            "Software Update",
        ),
        (
            "Darwin",
            {"platform.machine": "x86_64"},
            {"sysctl": "0", "sw_vers": "13.2"},
            "this is macOS 13.2",
            "Software Update",
        ),
        (
            "Linux",
            {"SOABI": "cpython-313-x86_64-linux-musl"},
            {},
            "the engine has no build for musl",
            "python:3.13-slim",
        ),
        (
            "MINGW64_NT-10.0-26100",
            {},
            {},
            "localai runs on Linux and macOS, and this is MINGW64_NT-10.0-26100",
            "wsl --install",
        ),
    ],
    ids=["Rosetta", "macOS 12", "Intel, macOS 13.2", "musl", "Windows"],
)
def test_a_system_without_builds_is_told_so_before_anything_is_fetched(
    place: Place,
    system: str,
    python: Mapping[str, str],
    tools: Mapping[str, str],
    error: str,
    hint: str,
) -> None:
    done = place.install("--dry-run", env=pretend(place, system=system, python=python, **tools))
    assert done.returncode == 3
    assert error in done.stderr.splitlines()[0]
    assert hint in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("version", "without"), [("13.3", True), ("13.7.8", True), ("14.0", False), ("26.6", False)]
)
def test_before_macos_14_it_is_installed_without_mlx(
    place: Place, version: str, without: bool
) -> None:
    tools = {"sysctl": "1", "sw_vers": version}
    done = place.install("--dry-run", env=pretend(place, system="Darwin", python=ARM, **tools))
    assert done.returncode == 0, done.stderr
    assert ("without MLX   it needs macOS 14 or newer" in done.stdout) is without
    assert ("about 130 MB: up to" if without else "about 450 MB: up to") in done.stdout


def test_the_pins_without_mlx_are_all_others() -> None:
    source = SCRIPT.read_text()
    begin = source.index("without_apples_packages() {")
    function = source[begin : source.index("\n}\n", begin) + 3]
    lock = (REPOSITORY / "requirements.lock").read_text()
    done = subprocess.run(
        ["sh", "-c", f"{function}\nwithout_apples_packages"],
        input=lock,
        capture_output=True,
        text=True,
        check=True,
    )
    pinned = re.compile(r"^([a-z0-9][\w.-]*)==", re.MULTILINE)
    gone = set(pinned.findall(lock)) - set(pinned.findall(done.stdout))
    assert {"mlx", "mlx-lm", "mlx-metal", "transformers"} <= gone
    assert not gone & {"xllamacpp", "typer", "httpx", "huggingface-hub"}
    for entry in re.split(r"\n(?=\S)", done.stdout.strip()):
        assert entry.startswith("#") or "--hash=sha256:" in entry, entry


# The engine for a graphics card: its makers' index, which a server of the test's stands for

ENGINE_VERSION = re.findall(
    r"(?m)^xllamacpp==(\S+)", (REPOSITORY / "requirements.lock").read_text()
)[0]
ON_LINUX = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the engine's builds for graphics cards are for Linux on x86-64",
)


@pytest.fixture(scope="module")
def makers_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of an index that has an engine for CUDA, as the makers' has it: a page of links
    without hashes. And the SHA-256 of its wheel."""
    root = tmp_path_factory.mktemp("index")
    folder = root / "cu128/xllamacpp"
    folder.mkdir(parents=True)
    name = f"xllamacpp-{ENGINE_VERSION}-cp310-abi3-manylinux_2_17_x86_64.whl"
    about = f"xllamacpp-{ENGINE_VERSION}.dist-info"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("xllamacpp/__init__.py", "made_for = 'cuda'\n")
        wheel.writestr(
            f"{about}/METADATA",
            f"Metadata-Version: 2.1\nName: xllamacpp\nVersion: {ENGINE_VERSION}\n",
        )
        wheel.writestr(
            f"{about}/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp310-abi3-manylinux_2_17_x86_64\n",
        )
        wheel.writestr(f"{about}/RECORD", "")
    (folder / "index.html").write_text(f'<!DOCTYPE html><a href="{name}">{name}</a>')
    handler = partial(SimpleHTTPRequestHandler, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        yield f"http://127.0.0.1:{server.server_port}", digest
        server.shutdown()


def gpu_step(
    environment: Path, index: str, digest: str, tmp_path: Path
) -> subprocess.CompletedProcess[str]:
    """Run the installer's step alone, in an environment that is there."""
    functions = SCRIPT.read_text().rpartition("{ main")[0]
    step = (
        f"set -eu; environment={environment} installer=pip log={tmp_path}/log gpu=cu128\n"
        f"gpu_index={index}/cu128 gpu_hash=sha256:{digest} engine_version={ENGINE_VERSION}\n"
        "gpu_page=https://example.test\ninstall_gpu_engine || failed_gpu\n"
    )
    return subprocess.run(
        ["sh", "-c", functions + step],
        env={"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": "/dev/null"},
        capture_output=True,
        text=True,
        check=False,
    )


@ON_LINUX
def test_the_makers_wheel_takes_the_place_of_the_engine_if_its_hash_is_right(
    makers_index: tuple[str, str], tmp_path: Path
) -> None:
    index, digest = makers_index
    environment = tmp_path / "environment"
    # A pip of its own takes longer to make than all that is tested here.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "pip").symlink_to(Path(sysconfig.get_path("purelib")) / "pip")
    done = gpu_step(environment, index, digest, tmp_path)
    assert done.returncode == 0, done.stderr
    ask = [str(environment / "bin/python"), "-c", "import xllamacpp; print(xllamacpp.made_for)"]
    assert subprocess.check_output(ask, text=True) == "cuda\n"

    wrong = gpu_step(environment, index, "0" * 64, tmp_path)
    assert wrong.returncode == 4
    assert "is not the wheel with that hash; nothing was installed" in wrong.stderr
    assert "hint: compare it with the makers' page: https://example.test" in wrong.stderr
    assert not environment.exists()


@ON_LINUX
def test_where_the_engine_for_a_card_comes_from_is_said_before_anything_is_fetched(
    place: Place,
) -> None:
    asked = place.install("--gpu", "cuda", "--dry-run")
    assert asked.returncode == 2
    assert "https://xorbitsai.github.io/xllamacpp/whl/cu128" in asked.stdout
    assert "error: --gpu needs the hash of that wheel" in asked.stderr
    assert "hint: ./install.sh --gpu cu128 --gpu-hash sha256:" in asked.stderr
    planned = place.install("--gpu=rocm", f"--gpu-hash={'A' * 64}", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert (
        f"xllamacpp {ENGINE_VERSION} for rocm-7.2.4, from its makers' own index:" in planned.stdout
    )
    assert f"which must hash to sha256:{'a' * 64}" in planned.stdout
    assert files_below(place.home.parent) == {place.home}


@ON_LINUX
def test_an_upgrade_keeps_the_engine_for_the_card_or_asks_for_its_new_hash(place: Place) -> None:
    environment = place.prefix / "venv/old"
    (environment / "bin").mkdir(parents=True)
    (place.prefix / "venv/.localai-environments").touch()
    place.program.parent.mkdir()
    place.program.symlink_to(environment / "bin/localai")
    mark = environment / ".localai-gpu"
    mark.write_text(f"{ENGINE_VERSION} vulkan sha256:{'b' * 64}\n")
    assert f"which must hash to sha256:{'b' * 64}" in place.install("--dry-run").stdout
    assert "the engine " not in place.install("--dry-run", "--gpu", "none").stdout
    mark.write_text(f"2025.1.1 vulkan sha256:{'b' * 64}\n")
    asked = place.install("--dry-run")
    assert asked.returncode == 2
    assert "hint: ./install.sh --gpu vulkan --gpu-hash sha256:" in asked.stderr


def test_a_card_on_another_machine_has_no_wheel(place: Place) -> None:
    mac = pretend(place, system="Darwin", python=ARM, sysctl="1", sw_vers="15.6")
    done = place.install("--gpu", "vulkan", "--dry-run", env=mac)
    assert done.returncode == 3
    assert "are for Linux on x86-64" in done.stderr


def test_a_command_of_somebody_else_is_not_overwritten(place: Place) -> None:
    place.program.parent.mkdir(parents=True)
    place.program.write_text("mine")
    done = place.install()
    assert done.returncode == 2
    assert "was not made by this script" in done.stderr
    assert place.program.read_text() == "mine"


def test_the_first_run_ends_with_a_right_answer(installed: Place) -> None:
    output = (installed.home / "output").read_text()
    assert (
        '$ localai chat "What is the capital of France?"\nThe capital of France is Paris' in output
    )
    assert "is ready after" in output
    line = output[output.index("export PATH=") : output.index("The starter is")]
    told = subprocess.check_output(
        ["sh", "-c", f'PATH=/bin; {line} printf "%s" "$PATH"'], text=True
    )
    assert told == f"{installed.prefix}/bin:/bin"
    assert not list(installed.home.rglob("owned"))
    assert not list(installed.home.glob(".*rc")) + list(installed.home.glob(".*profile"))


def test_the_ledger_names_where_the_starter_came_from(installed: Place) -> None:
    entries = json.loads(installed.run("privacy", "--json").stdout)["egress"]
    did = {(entry["localai_command"], entry["purpose"]) for entry in entries}
    assert did == {("pull", "download")}


@pytest.mark.clock
def test_the_second_run_says_what_was_there(installed: Place) -> None:
    before = installed.environments()
    with within(30):
        done = installed.install()
    assert done.returncode == 0, done.stderr
    assert "Already installed: localai" in done.stdout
    assert "starter: already here, verified" in done.stderr
    assert "Paris" in done.stdout
    assert installed.environments() == before


def test_the_manual_pages_are_where_man_looks_for_them(installed: Place) -> None:
    pages = installed.prefix / "share/man/man1"
    for name in ("localai.1", "localai-chat.1", "localai-config.1"):
        assert (pages / name).read_text() == (REPOSITORY / "docs/man" / name).read_text()


def test_what_was_installed_answers_without_a_network(installed: Place) -> None:
    done = subprocess.run(
        [*no_network(), installed.program, "chat", "--no-log", "What is the capital of France?"],
        env=installed.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Paris" in done.stdout, done.stderr


def test_a_failed_upgrade_leaves_the_old_version_and_blames_the_network(
    installed: Place, tmp_path: Path
) -> None:
    before = installed.environments()
    script = changed_source(tmp_path / "source")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    done = installed.install(script=script, env=nowhere)
    assert done.returncode == 5
    assert "the package index cannot be reached" in done.stderr
    assert installed.run("--version").returncode == 0
    assert installed.environments() == before


def test_another_lock_or_source_gets_an_environment_of_its_own(
    place: Place, tmp_path: Path
) -> None:
    def planned() -> str:
        plan = place.install("--dry-run", script=script).stdout
        return plan[plan.index("  environment") : plan.index("  command")]

    script = changed_source(tmp_path / "source")
    before = planned()
    assert planned() == before
    for changed in ("requirements.lock", "pyproject.toml", "localai/cli.py"):
        with (tmp_path / "source" / changed).open("a") as file:
            file.write("# changed\n")
        after = planned()
        assert after != before, changed
        before = after


def test_an_upgrade_that_does_not_start_leaves_the_old_version(
    installed: Place, wheels: Path, tmp_path: Path
) -> None:
    before, link = installed.environments(), installed.program.readlink()
    script = changed_source(tmp_path / "source", to_start=True)
    (tmp_path / "source/localai/cli.py").write_text("raise SystemExit('it is broken')\n")
    done = installed.install("--no-starter", script=script, env=by_uv(installed, wheels))
    assert done.returncode != 0
    assert "localai does not start" in done.stderr
    assert "is ready" not in done.stdout
    assert installed.program.readlink() == link
    assert installed.run("--version").stdout.startswith("localai ")
    assert installed.environments() == before


def test_an_interrupted_upgrade_leaves_the_old_version(
    installed: Place, wheels: Path, tmp_path: Path
) -> None:
    before = installed.environments()
    process = subprocess.Popen(
        [changed_source(tmp_path / "source"), "--prefix", installed.prefix],
        env=installed.environment(by_uv(installed, wheels)),
        cwd=installed.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Installing the packages"):
            break
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was installed before is untouched" in rest
    assert installed.run("--version").returncode == 0
    assert installed.environments() == before


def test_uninstall_removes_all_but_what_is_the_users(to_be_removed: Place) -> None:
    models = to_be_removed.home / ".local/share/localai/models"
    assert (models / STARTER.file_name).exists()
    asked = to_be_removed.run("chat", "--max-tokens", "1", "hello")
    assert asked.returncode == 0, asked.stderr
    done = to_be_removed.install("--uninstall")
    assert done.returncode == 0, done.stderr
    data = to_be_removed.home / ".local/share/localai"
    assert f"rm -rf {shlex.quote(str(data))}" in done.stdout
    assert "Left, because it is yours: conversations. To remove that too:" in done.stdout
    assert not to_be_removed.prefix.exists()
    assert {path.name.split("-")[0] for path in files_below(data)} == {"localai.db"}
    assert not (to_be_removed.home / ".cache/localai").exists()


def test_an_offline_folder_of_wheels_is_enough(place: Place, wheels: Path, tmp_path: Path) -> None:
    # That every pin has its wheel among them is seen below.
    script = changed_source(tmp_path / "source", to_start=True)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    done = place.install("--no-starter", script=script, env=offline, within=no_network())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "A first model, the best that fits this machine:\n  localai setup" in done.stdout
    assert place.run("--version").stdout.startswith("localai ")


def test_uv_installs_where_pip_is_not_configured(place: Place, wheels: Path) -> None:
    done = place.install("--no-starter", env=by_uv(place, wheels))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by uv" in done.stdout
    assert place.run("--version").stdout.startswith("localai ")
    [environment_folder] = place.environments()
    python = place.prefix / "venv" / environment_folder / "bin/python"
    assert subprocess.run([python, "-m", "pip", "--version"], check=False).returncode == 0
    assert place.install("--uninstall", "--purge").returncode == 0
    assert not place.prefix.exists()
    assert not (place.home / ".local").exists()


# What was added to an environment


def functions_of_the_script(step: str) -> subprocess.CompletedProcess[str]:
    """Run `step` where the installer's functions are known, and nothing was installed."""
    functions = SCRIPT.read_text().rpartition("{ main")[0]
    return subprocess.run(
        ["sh", "-c", f"{functions}set -eu\n{step}"],
        env={"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def small_wheel(folder: Path, name: str) -> None:
    about = f"{name}-1.5.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.5-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


def test_what_was_added_to_the_environment_is_in_the_next_one(tmp_path: Path) -> None:
    """`numpy` for `bench --quality`, say, and then `./install.sh --with-cloud`."""
    old, new = tmp_path / "venv/old", tmp_path / "venv/new"
    subprocess.run([sys.executable, "-m", "venv", old], check=True)
    # As if it had been made the same way, which is most of this test's time.
    shutil.copytree(old, new, symlinks=True)
    for name in ("pinned", "added"):
        small_wheel(tmp_path, name)
    program = tmp_path / "bin/localai"
    program.parent.mkdir()
    program.symlink_to(old / "bin/localai")
    pip = [f"{old}/bin/python", "-m", "pip", "install", "--quiet", "--no-index", "--find-links"]
    names = f"program={program} packages_mark=.localai-packages installer=pip log={tmp_path}/log"
    subprocess.run([*pip, str(tmp_path), "pinned"], check=True)
    functions_of_the_script(f"{names}\npackages_of {old} >{old}/.localai-packages")
    subprocess.run([*pip, str(tmp_path), "added"], check=True)

    keep = (
        f'{names} environment={new}\nfind_additions\necho "additions: $additions"\n'
        "packages_of $environment >$environment/$packages_mark\nkeep_additions\n"
    )
    lost = functions_of_the_script(keep)
    assert lost.returncode == 0, lost.stderr
    assert "additions: added==1.5\n" in lost.stdout
    assert f"{new}/bin/python -m pip install added==1.5" in lost.stdout, "the index is not there"
    kept = functions_of_the_script(f"export PIP_FIND_LINKS={tmp_path}\n{keep}")
    assert "could not be installed" not in kept.stdout + kept.stderr
    freeze = [f"{new}/bin/python", "-m", "pip", "freeze"]
    assert subprocess.check_output(freeze, text=True) == "added==1.5\n"


def test_in_a_pipe_it_says_every_ten_seconds_how_far_it_is(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.touch()
    script = (
        f"log={tmp_path}/log environment={tmp_path}\n"
        f"date() {{ echo >>{clock}; echo $(($(wc -l <{clock}) * 6)); }}\n"
        "logged sleep 1.5\n"
    )
    ran = functions_of_the_script(script)
    assert ran.returncode == 0, ran.stderr
    first, second, *_ = ran.stdout.splitlines()
    assert re.fullmatch(r"  12 s, \d+ MB", first)
    assert re.fullmatch(r"  24 s, \d+ MB", second)
