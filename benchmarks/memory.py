"""What a model is said to take in memory, beside what loading it really allocates.

    python -m benchmarks.memory [--context 8192] [GGUF…]

Each file is loaded for real, asked about by `localai.sizing.memory.project`, by our formula, and
by gguf-parser-go, which is built here (Go 1.22 or newer; its module comes from the module proxy).
Beside the files that are named, small synthetic ones of many architectures are made.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.measuring import files_or_the_tests, machine, needing
from localai.formats.gguf import read_header
from localai.sizing.gguf_formula import gguf_memory
from localai.sizing.memory import project
from tests.formats import synthetic
from tests.sizing import real_load

_PARSER: Final = Path(__file__).parent / "gguf_parser"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--context", type=int, default=8192)
    parser.add_argument("files", nargs="*", type=Path)
    given = parser.parse_args()
    print(machine())
    print(f"\nMiB at a context of {given.context:,}, and the error")
    print(f"{'':<46}{'loaded':>7}{'localai':>16}{'our formula':>16}{'gguf-parser-go':>18}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = folder / "gguf_parser"
        subprocess.run(["go", "build", "-o", str(command), "."], cwd=_PARSER, check=True)
        for title, path in _models(files_or_the_tests(given.files), folder):
            truth = real_load.load(path, given.context).total_bytes
            said = (
                project(path, given.context).total_bytes,
                _formula(path, given.context),
                _peer(command, path, given.context),
            )
            cells = (_cell(value, truth) for value in said)
            print(f"{title:<46}{truth / (1 << 20):>7.0f}", *(f"{cell:>15}" for cell in cells))


def _models(files: Sequence[Path], folder: Path) -> Iterator[tuple[str, Path]]:
    for path in files:
        yield path.stem, path
    for number, (title, spec) in enumerate(synthetic.MODELS.items()):
        [path] = synthetic.write(folder / f"{number}.gguf", spec)
        yield f"synthetic: {title}", path


def _formula(path: Path, context_tokens: int) -> int:
    parts = gguf_memory(read_header(path), context_tokens, "f16", 1)
    return parts.weights_bytes + parts.context_bytes + parts.compute_bytes


def _peer(command: Path, path: Path, context_tokens: int) -> int | None:
    done = subprocess.run(
        [str(command), str(path), str(context_tokens)], capture_output=True, text=True
    )
    return int(done.stdout) if done.returncode == 0 else None


def _cell(said: int | None, truth: float) -> str:
    if said is None:
        return "no answer"
    return f"{said / (1 << 20):.0f} {100 * (said / truth - 1):+.0f}%"


if __name__ == "__main__":
    with needing("go"):
        main()
