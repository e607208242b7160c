"""How long `localai list` takes over 200 models, beside a walk over the same files.

    python -m benchmarks.library [--models 200] [--runs 9]

The models are synthetic headers of real architectures (their tensors are holes in sparse files),
spread over our own store, LM Studio's, the hub's cache and Ollama's. `first` is the first list
of all, which reads every header; after that they are remembered. `os.walk` is a bare Python that
walks the same folders and asks the size of each file, which is the least that any tool does;
`ollama list` (of the Ollama that the tests have) asks a running daemon for its 50 of them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import interleaved, localai, machine, milliseconds, needing, run
from tests.formats.synthetic import MODELS, write
from tests.servers.resources import RESOURCES
from tests.support.ollama import start_ollama

_WALK = """
import os, sys
for root in sys.argv[1:]:
    for folder, _, names in os.walk(root):
        for name in names:
            os.stat(os.path.join(folder, name)).st_size
print("done")
"""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="localai-bench-") as name:
        home = Path(name)
        roots = _fill(home, arguments.models)
        environment = {
            **{key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ},
            "HOME": str(home),
            "LOCALAI_HOME": str(home / "localai"),
            "OLLAMA_MODELS": str(roots[3]),
            "OLLAMA_HOST": "127.0.0.1:9",
        }
        first = run(localai("list"), environment)
        print(f"{'localai list, first':<34} {first.total_s * 1000:.0f} ms")
        commands = {
            "localai list": localai("list"),
            "localai list --json": localai("list", "--json"),
            "python, os.walk over the same": [sys.executable, "-c", _WALK, *map(str, roots)],
        }
        _report(commands, arguments.runs, environment)
        if (binary := RESOURCES["ollama"].find()) is not None:
            _beside_ollama(binary, home, environment, arguments.runs)
        else:
            print("without Ollama, which is not here: python -m tests.servers get ollama")


def _beside_ollama(binary: Path, home: Path, environment: dict[str, str], runs: int) -> None:
    with start_ollama(binary, home / "daemon") as server:
        commands = {
            "ollama list, its 50": [str(binary), "list"],
            "localai list, with the daemon": localai("list"),
        }
        _report(commands, runs, {**environment, "OLLAMA_HOST": server.host})


def _report(commands: dict[str, list[str]], runs: int, environment: dict[str, str]) -> None:
    for name, results in interleaved(commands, runs, environment).items():
        print(f"{name:<34} {milliseconds([each.total_s for each in results])}")


def _fill(home: Path, count: int) -> list[Path]:
    """`count` models in four stores of `home`; the stores' folders, Ollama's the last."""
    roots = [
        home / "localai/data/models",
        home / ".lmstudio/models",
        home / ".cache/huggingface/hub",
        home / "daemon/models",
    ]
    specs = list(MODELS.values())
    with tempfile.TemporaryDirectory() as name:
        for number in range(count):
            [source] = write(Path(name) / f"{number}.gguf", specs[number % len(specs)])
            # Every file another one: a store would hold the same bytes once.
            with source.open("r+b") as file:
                file.seek(-8, os.SEEK_END)
                file.write(number.to_bytes(8, "little"))
            _PLACE[number % 4](source, roots[number % 4], number)
    return roots


def _place_own(source: Path, root: Path, number: int) -> None:
    root.mkdir(parents=True, exist_ok=True)
    shutil.move(source, root / f"model-{number}.gguf")


def _place_in_lm_studio(source: Path, root: Path, number: int) -> None:
    folder = root / "maker" / f"Model-{number}-GGUF"
    folder.mkdir(parents=True)
    shutil.move(source, folder / f"model-{number}-Q4_K_M.gguf")


def _place_in_hub(source: Path, root: Path, number: int) -> None:
    repository = root / f"models--org--Model-{number}-GGUF"
    blob = repository / "blobs" / _sha256(source)
    blob.parent.mkdir(parents=True)
    shutil.move(source, blob)
    link = repository / "snapshots" / ("c" * 40) / f"model-{number}.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)


def _place_in_ollama(source: Path, root: Path, number: int) -> None:
    config = json.dumps({"model_format": "gguf", "model_family": "llama"}).encode()
    sizes = {_sha256(source): source.stat().st_size}
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    shutil.move(source, root / "blobs" / f"sha256-{next(iter(sizes))}")
    named = hashlib.sha256(config).hexdigest()
    (root / "blobs" / f"sha256-{named}").write_bytes(config)
    layers = [
        {
            "mediaType": "application/vnd.ollama.image.model",
            "digest": f"sha256:{digest}",
            "size": size,
        }
        for digest, size in sizes.items()
    ]
    manifest = root / "manifests/registry.ollama.ai/library" / f"model-{number}" / "latest"
    manifest.parent.mkdir(parents=True)
    document = {
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": f"sha256:{named}",
            "size": len(config),
        },
        "layers": layers,
    }
    manifest.write_text(json.dumps(document))


_PLACE = (_place_own, _place_in_lm_studio, _place_in_hub, _place_in_ollama)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    with needing():
        main()
