"""A bundle: what is in it for whom, and a whole set-up from one where there is no network."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from localai.output.documents.setup import SetupBundle
from localai.paths import Paths
from localai.setup import bundle as bundle_module
from localai.setup.bundle import (
    PLATFORMS,
    PYTHONS,
    make_bundle,
    name_in_bundle,
    this_platform,
    wanted_requirements,
)
from localai.stores.starter import STARTER
from tests.support.command import RunLocalai
from tests.support.processes import bare_environment
from tests.support.promise import checked

pytestmark = pytest.mark.real_process

LOCK = Path(__file__).parents[2] / "requirements.lock"
# Whatever lets this machine reach its package index.
NETWORK = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy")


ODD = "a $(touch owned) `touch owned`\n;touch owned;'\"' "
"""As part of a path: what a shell would run, or split, where a word is not quoted."""


def user_network() -> dict[str, str]:
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return pip | {name: os.environ[name] for name in NETWORK if name in os.environ}


@pytest.mark.parametrize(
    ("path", "name", "called"),
    [
        ("/models/Qwen3-8B-Q4_K_M.gguf", "qwen3", "Qwen3-8B-Q4_K_M.gguf"),
        ("/blobs/sha256-ab12", "qwen3:8b", "qwen3-8b.gguf"),
        ("/blobs/sha256-ab12", "hf.co/some.one/a_model:Q8_0", "hf.co-some.one-a_model-Q8_0.gguf"),
    ],
)
def test_a_model_without_a_file_name_of_its_own_is_called_as_here(
    path: str, name: str, called: str
) -> None:
    assert name_in_bundle(Path(path), name) == called


def test_each_platform_gets_its_own_packages_with_their_hashes() -> None:
    lock = LOCK.read_text()
    names = {
        name: {line.split("==")[0] for line in wanted_requirements(lock, each, "3.11").splitlines()}
        for name, each in PLATFORMS.items()
    }
    assert "mlx-lm" in names["macos-arm64"]
    assert "mlx-lm" not in names["linux-x86_64"]
    for wanted in names.values():
        assert {"typer", "xllamacpp", "pip"} <= wanted
        assert not {"colorama", "hatchling"} & wanted
    numpys = {
        python: re.findall(r"(?m)^numpy==\S+", wanted_requirements(lock, mac, python))
        for mac in [PLATFORMS["macos-arm64"]]
        for python in ("3.11", "3.13")
    }
    assert [len(found) for found in numpys.values()] == [1, 1]
    assert numpys["3.11"] != numpys["3.13"]
    pins = wanted_requirements(lock, PLATFORMS["linux-x86_64"], "3.11")
    assert pins.count("--hash=sha256:") >= pins.count("==") > 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bundle", "there"], b"exists"),
        (["--bundle", "new", "--platform", "amiga"], b"linux-x86_64"),
        (["--bundle", "new", "--python", "2.7"], b"--python takes 3.11, 3.12, 3.13, 3.14"),
        (["--python", "3.12"], b"--python goes with --bundle DIR"),
        (["--bundle", "no/where/new"], b"there is no folder"),
        (["--bundle", "new", "--offline", "there"], b"two things"),
        (["--platform", "linux-x86_64"], b"--bundle DIR"),
        (["--uninstall", "--model", "starter"], b"does not go with --uninstall"),
    ],
)
def test_bad_input_is_refused_before_anything_is_fetched(
    run_localai: RunLocalai, tmp_path: Path, arguments: list[str], said: bytes
) -> None:
    (tmp_path / "there").mkdir()
    done = run_localai("setup", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_bundle_for_another_python_has_its_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []

    @contextmanager
    def pip_download(
        requirements: Path, folder: Path, log: Path, *, options: Sequence[str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        asked.append(options)
        with log.open("wb") as output, subprocess.Popen(["true"], stdout=output) as process:
            yield process

    monkeypatch.setattr(bundle_module, "pip_download", pip_download)
    weights = tmp_path / "model.gguf"
    weights.write_bytes(b"GGUF")
    made = make_bundle(
        tmp_path / "out",
        "linux-aarch64",
        "3.13",
        weights,
        "model.gguf",
        say=lambda _: None,
        on_connect=lambda *_: None,
    )
    assert (made.python, (made.folder / "PYTHON").read_text()) == ("3.13", "3.13\n")
    [options] = asked
    assert options[:4] == ["--python-version", "3.13", "--implementation", "cp"]
    assert "manylinux_2_28_aarch64" in options


def test_every_python_that_the_lock_is_checked_for_can_be_named() -> None:
    checked_for = re.search(r"^pythons=\((.+)\)$", (LOCK.parent / ".ci/wheels").read_text(), re.M)
    assert checked_for is not None
    assert tuple(checked_for[1].split()) == PYTHONS


def test_what_is_no_bundle_is_refused(run_localai: RunLocalai, tmp_path: Path) -> None:
    done = run_localai("setup", "--yes", "--offline", str(tmp_path))
    assert done.returncode == 3
    assert b"is no bundle" in done.stderr


@pytest.fixture
def starter_weights(smollm2_path: Path) -> Path:
    return smollm2_path


@pytest.fixture
def bundle(
    run_localai: RunLocalai, home_with_starter: Paths, tmp_path: Path, smollm2_path: Path
) -> Path:
    """A bundle for this machine, made from the package index."""
    folder = tmp_path / f"{ODD}bundle"
    done = run_localai("setup", "--bundle", str(folder), "--json", env=user_network())
    assert done.returncode == 0, done.stdout
    made = checked(SetupBundle, done.stdout)
    assert made["platform"] == this_platform()
    assert made["size_bytes"] > STARTER.size_bytes
    assert [path.name for path in tmp_path.iterdir() if "bundle" in path.name] == [folder.name]
    return folder


def test_from_a_bundle_to_an_answer_without_a_network(bundle: Path, tmp_path: Path) -> None:
    home = tmp_path / "offline-home"
    home.mkdir()
    place = home / f"{ODD}place"
    command = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no network namespace")
    command += ["sh", str(bundle / "install.sh"), "--prefix", str(place)]

    def install() -> subprocess.CompletedProcess[str]:
        # Compiling is a third of an installation by pip; what it is good for is measured elsewhere.
        return subprocess.run(
            command,
            env=bare_environment(home) | {"PYTHON": sys.executable, "PIP_NO_COMPILE": "1"},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    model = bundle / "models" / STARTER.file_name
    whole = shutil.copy(model, tmp_path / "whole")
    with model.open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"rot")
    damaged = install()
    assert damaged.returncode == 2
    assert "damaged" in damaged.stderr
    assert not place.exists()
    shutil.move(whole, model)
    done = install()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Paris" in done.stdout
    assert "ready after" in done.stdout
    page = place / "share" / "man" / "man1" / "localai-chat.1"
    assert page.is_symlink()
    assert page.read_text() == (LOCK.parent / "docs" / "man" / page.name).read_text()
    program = place / "bin" / "localai"
    removed = subprocess.run(
        [str(program), "setup", "--uninstall", "--yes"],
        env=bare_environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert removed.returncode == 0, removed.stderr
    # pip asks rustc for its version, which then writes a file of its own.
    assert not list(tmp_path.rglob("owned"))
    left = [path for path in home.rglob("*") if not path.is_dir() and ".rustup" not in path.parts]
    assert left == []


def test_a_damaged_model_is_not_taken(
    run_localai: RunLocalai, localai_home: Path, tmp_path: Path, smollm2_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "small.gguf").write_bytes(smollm2_path.read_bytes()[:1_000_000])
    digest = hashlib.sha256(b"something else").hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  models/small.gguf\n")
    done = run_localai("setup", "--yes", "--offline", str(tmp_path))
    assert done.returncode == 2
    assert b"is damaged" in done.stderr
    assert not list(localai_home.rglob("*.gguf*"))
