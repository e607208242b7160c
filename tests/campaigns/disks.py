"""Every command that writes, on a disk that is full, has no more files, or is read-only; and with
little of each resource. Not part of the suite; needs root, because it mounts.

    python -m tests.campaigns.disks [--steps N] [--only PART]

A small disk in memory is filled so that a command has 0, 4, 8 … kB left: that is a full disk at
each of its writes. Each command then ends with a promised exit code and no word of a bug; what the
disk held before is whole, and with room again everything goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.campaigns.around_a_kill import an_editor, f16, wheels
from tests.campaigns.parsers_of_texts import BENCH, RUN
from tests.campaigns.place import (
    Place,
    Tally,
    check_database,
    check_ended,
    check_said,
    is_root,
    place,
)

ASK = ("-m", "starter", "--max-tokens", "3")
COMMANDS: dict[str, tuple[str, ...]] = {
    "chat": ("chat", *ASK, "Hi."),
    "chat -n": ("chat", "-n", *ASK, "Hi."),
    "chat -c": ("chat", "-c", *ASK, "And?"),
    "batch": ("batch", "in.jsonl", "-O", "HOME/out.jsonl", "-m", "starter"),
    "config set": ("config", "set", "chat.max_tokens", "77"),
    "template new": ("template", "new", "mine"),
    "pull": ("pull", "./mine.gguf"),
    "cp": ("cp", "mine", "twin"),
    "list": ("list",),
    "show": ("show", "starter"),
    "history": ("history", "list"),
    "history prune": ("history", "prune", "--keep", "0", "--yes"),
    "privacy": ("privacy",),
    "doctor": ("doctor",),
    "compare": (
        *("compare", "--suite", "suite.jsonl", "-m", "starter", "-m", "./mine.gguf"),
        *("-o", "HOME/run.jsonl", "--html", "HOME/run.html", "--junit", "HOME/run.xml"),
        *("--markdown", "HOME/run.md"),
    ),
    "compare report": (
        *("compare", "report", "run.jsonl", "--html", "HOME/run.html", "--junit", "HOME/run.xml"),
        *("--markdown", "HOME/run.md"),
    ),
    "compare new": ("compare", "new", "HOME/new.toml"),
    "bench": (
        *("bench", "starter", "-p", "64", "-n", "8", "--save", "base", "--html", "HOME/bench.html"),
        *("--format", "csv"),
    ),
    "bench import": ("bench", "import", "bench.json"),
    "bench export": ("bench", "export", "--format", "csv", "-o", "HOME/bench.csv"),
    "bench list": ("bench", "list"),
    "bench rm": ("bench", "rm", "--all", "--yes"),
    "cost": ("cost",),
    "doctor --report": ("doctor", "--report", "HOME/report"),
    "doctor --fix": ("doctor", "--fix", "--yes", "memory", "privacy"),
    "history export": ("history", "export", "--all", "-O", "HOME/all.jsonl"),
    "history rename": ("history", "rename", "mine", "yours"),
    "history rm": ("history", "rm", "--yes", "yours"),
    "config edit": ("config", "edit"),
    "template edit": ("template", "edit", "review"),
    "template rm": ("template", "rm", "--yes", "mine"),
    "dedupe": ("dedupe", "--yes"),
    "quantize": ("quantize", "WORK/smol.F16.gguf", "--to", "q4_0"),
    "compare fetch": ("compare", "fetch", "gsm8k"),
    "compare side by side": ("compare", *ASK, "-m", "./mine.gguf", "Hi."),
    "setup": ("setup", "--yes", "-m", "starter"),
    "bench machine": ("bench", "machine"),
    "config unset": ("config", "unset", "chat.max_tokens"),
    "preset new": ("preset", "new", "yours", "--from", "starter", "-s", "Be brief."),
    "preset edit": ("preset", "edit", "yours"),
    "preset modelfile": ("preset", "modelfile", "yours"),
    "rm of a preset": ("rm", "--yes", "yours"),
    "chat --save": ("chat", "-t", "review", "--save", "saved"),
    "history show": ("history", "show"),
    "history search": ("history", "search", "Hi"),
    "bench show --share": ("bench", "show", "last", "--share", "HOME/shared.json"),
    "bench tune": (
        *("bench", "tune", "starter", "--only", "engine.threads", "-p", "32", "-n", "4"),
        "-q",
    ),
    "recommend": ("recommend",),
    "hardware": ("hardware",),
    "config set models": ("config", "set", "models.starter.temperature", "0.5"),
    "doctor --deep": ("doctor", "--deep", "models"),
    "rm": ("rm", "--yes", "twin"),
    "uninstall": ("setup", "--uninstall", "--dry-run"),
    "stop": ("stop", "--all"),
}
# What is there once the command has said that it succeeded.
WRITTEN: dict[str, tuple[str, ...]] = {
    "batch": ("out.jsonl",),
    "compare": ("run.jsonl", "run.html", "run.xml", "run.md"),
    "compare report": ("run.html", "run.xml", "run.md"),
    "compare new": ("new.toml",),
    "bench": ("bench.html",),
    "bench export": ("bench.csv",),
    "doctor --report": ("report/facts.json", "report/report.md"),
    "history export": ("all.jsonl",),
    "bench show --share": ("shared.json",),
}
ENDS = {"html": "</html>", "xml": "</testsuites>"}
READING = ("chat -n", "list", "show", "history", "privacy", "cost", "bench list")
FULL = (0, 2, 3, 7, 8, 9)
LITTLE = (0, 1, 2, 3, 5, 7, 8, 9)
LIMITS: dict[str, tuple[str, ...]] = {
    "files of 0 bytes": ("--fsize=0",),
    "files of 20 kB": ("--fsize=20000",),
    "16 open files": ("--nofile=16",),
    "40 open files": ("--nofile=40",),
    "200 MB of addresses": ("--as=200000000",),
    "600 MB of addresses": ("--as=600000000",),
    "2 GB of addresses": ("--as=2000000000",),
}
# Processes and threads of the user's; root is held to no such limit.
PROCESSES = (1, 3, 12, 40)
USER = 54321
_AS_USER = (
    *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
    # The tests' Python lies in root's folders.
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
)


@contextmanager
def disk(*options: str) -> Iterator[Path]:
    """A disk of 3 MB in memory, mounted."""
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    chosen = ",".join(("size=3m", *options))
    subprocess.run(["mount", "-t", "tmpfs", "-o", chosen, "none", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def _ready(at: Place) -> None:
    for prepare in (f16, wheels, an_editor):
        prepare(at)
    line = json.dumps({"prompt": "Hi.", "options": {"max_tokens": 3}})
    (at.work / "in.jsonl").write_text(f"{line}\n" * 3)
    starter = next((at.home / "data" / "models").glob("SmolLM2*")).resolve()
    if not (at.work / "mine.gguf").exists():
        (at.work / "mine.gguf").symlink_to(starter)
    (at.work / "suite.jsonl").write_text(json.dumps({"prompt": "Hi.", "expect": "a"}) + "\n")
    (at.work / "bench.json").write_text(json.dumps([BENCH]))
    (at.work / "run.jsonl").write_bytes(RUN)


def _words(at: Place, name: str) -> list[str]:
    places = {"HOME": str(at.home), "WORK": str(at.work)}
    return [
        word.replace(word[:4], places[word[:4]]) if word[:4] in places else word
        for word in COMMANDS[name]
    ]


def _try(
    tally: Tally, at: Place, name: str, how: str, *codes: int, within: tuple[str, ...]
) -> None:
    tally.tried[how] += 1
    what = f"{name}, {how}"
    try:
        done = at.run(*_words(at, name), within=within, timeout_s=120)
    except subprocess.TimeoutExpired:
        tally.fault(f"{what}: hangs")
        return
    # The conversation may be removed by now, or was not kept: a search without hits ends with 1.
    check_said(tally, done, what, *codes, *((1,) if name == "history search" else ()))
    for written in WRITTEN.get(name, ()):
        file = at.home / written
        if done.returncode in (0, 8):
            tally.check(file.exists(), f"{what}: {written} is not there, and nothing was said")
        if file.exists():
            _check_whole(tally, file, what)


def _check_whole(tally: Tally, file: Path, what: str) -> None:
    """A report is whole or not there; of lines there are whole ones only."""
    text = file.read_text(errors="replace")
    kind = file.suffix.removeprefix(".")
    if kind in ENDS:
        tally.check(text.rstrip().endswith(ENDS[kind]), f"{what}: {file.name} is cut")
    try:
        if kind == "json":
            json.loads(text)
        elif kind == "jsonl":
            for line in text.splitlines():
                json.loads(line)
    except ValueError:
        tally.fault(f"{what}: {file.name} is cut")


def _full(tally: Tally, steps: int) -> None:
    with disk() as folder, place(folder / "home") as at:
        _ready(at)
        at.run(*_words(at, "chat"))
        for step in range(steps):
            left_kb = 4 * step
            for name in COMMANDS:
                filler = folder / "filler"
                _fill(filler, left_kb)
                how = f"{left_kb} kB left" if steps <= 8 else "a few kB left"
                _try(tally, at, name, how, *FULL, within=())
                filler.unlink()
                _forget(at)
                check_database(tally, at, f"{name}, {left_kb} kB left")
            _so_far(tally, f"{left_kb} kB left")
        for name in ("chat", "config set"):
            _try(tally, at, name, "room again", 0, within=())
        at.run("stop", "--all")
        check_ended(tally, at, "a full disk")


def _forget(at: Place) -> None:
    """Remove what was written, so that the next command writes it anew."""
    for names in WRITTEN.values():
        for name in names:
            (at.home / name).unlink(missing_ok=True)


def _fill(filler: Path, left_kb: int) -> None:
    piece = b"x" * 4096
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(piece)
        except OSError:
            file.truncate(max(0, file.tell() - left_kb * 1024))


def _no_inodes(tally: Tally) -> None:
    with disk("nr_inodes=64") as folder, place(folder / "home") as at:
        _ready(at)
        for name in COMMANDS:
            made: list[Path] = []
            try:
                for number in range(200):
                    made.append(folder / f"f{number}")
                    made[-1].touch()
            except OSError:
                pass
            _try(tally, at, name, "no inodes", *FULL, within=())
            for file in made:
                file.unlink(missing_ok=True)
            _forget(at)


def _read_only(tally: Tally) -> None:
    with disk() as folder, place(folder / "home") as at:
        _ready(at)
        at.run(*_words(at, "chat"))
        at.run("stop", "--all")
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        for name in COMMANDS:
            codes = (0,) if name in READING else (0, 2, 3, 7, 8, 9)
            _try(tally, at, name, "read-only", *codes, within=())
        at.run("stop", "--all")
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


def _limited(tally: Tally) -> None:
    for how, options in LIMITS.items():
        with place() as at:
            _ready(at)
            for name in COMMANDS:
                _try(tally, at, name, how, *LITTLE, within=("prlimit", *options))
        _so_far(tally, how)


def _processes(tally: Tally) -> None:
    for most in PROCESSES:
        with place() as at:
            _ready(at)
            for folder in (at.work.parent, *at.work.parent.rglob("*")):
                os.chown(folder, USER, USER, follow_symlinks=False)
            for name in COMMANDS:
                within = (*_AS_USER, "prlimit", f"--nproc={most}")
                how = f"{most} processes and threads"
                _try(tally, at, name, how, *LITTLE, within=within)
            check_ended(tally, at, f"{most} processes")
        _so_far(tally, f"{most} processes")


def _so_far(tally: Tally, what: str) -> None:
    """Say how far it is, so that a run that is cut counts all the same."""
    print(f"{what}: {tally.tried.total()} tried, {len(tally.faults)} faults so far", flush=True)


def main() -> int:
    """Try all of it; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=16, help="how many amounts of room")
    parser.add_argument(
        "--only", default="", help="read_only, no_inodes, limited, processes or full"
    )
    asked = parser.parse_args()
    if not is_root():
        print("it mounts small disks: run it as root")
        return 2
    tally = Tally()
    for part in (_read_only, _no_inodes, _limited, _processes):
        if asked.only in part.__name__:
            part(tally)
            _so_far(tally, part.__name__.strip("_"))
    if asked.only in "_full":
        _full(tally, asked.steps)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
