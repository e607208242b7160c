"""The speed of the tests' models, as `localai bench` says it, written into benchmarks/README.md.

    python -m benchmarks.models [--quick] [-- OPTION …]

Both models in the embedded engine, interleaved, and what follows in the file under the heading of
this command is replaced by the table that `localai bench --format md` prints, with its remarks.
Further options are those of `localai bench`: `-- -p 512,2048 --quality`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

from benchmarks.measuring import home_with_starter, localai, machine, needing
from localai.files import write_atomically
from tests.servers.weights import fetch_gemma3

_README = Path(__file__).with_name("README.md")
_HEADING = "## Models: `python -m benchmarks.models`\n"


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("further", nargs="*", help="options of `localai bench`, after --")
    given = parser.parse_args()
    about = machine()
    with home_with_starter() as paths:
        gemma = paths.models_dir / fetch_gemma3().name
        gemma.symlink_to(fetch_gemma3())
        options = [*(["--quick"] if given.quick else []), *given.further]
        command = localai("bench", "starter", gemma.stem, *options, "--format", "md")
        table = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    options_text = f", `localai bench {' '.join(options)}`" if options else ""
    section = f"{_HEADING}\n{about}{options_text}.\n\n{table.strip()}\n\n"
    write_atomically(_README, with_section(_README.read_text(), section).encode())
    print(section)


def with_section(text: str, section: str) -> str:
    """The file with the section in place of the one of its heading. Raises ValueError if the file
    has no such heading."""
    heading = section.partition("\n")[0]
    found = re.search(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"the file has no heading {heading!r}")
    return text[: found.start()] + section + text[found.end() :]


if __name__ == "__main__":
    with needing():
        main()
