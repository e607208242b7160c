"""Another user of the machine tries to get what is ours. Not part of the suite; needs root, who is
Alice here, and becomes Mallory, who needs no account.

    python -m tests.campaigns.two_users

Alice runs localai; Mallory listens on the ports that it trusts, plants folders, links, settings and
templates, reads what lies open, and answers on forged sockets. Nothing of Alice's reaches him, and
each command of hers ends with a promised exit code.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.campaigns.place import COMMAND, REPOSITORY, Tally, check_said, is_root
from tests.servers.resources import RESOURCES

ALICE, MALLORY = 0, 54321
SECRET = "Xanadu-the-prompt"
TOKEN = "Xanadu-the-token"


class Alice:
    """Her home and her commands."""

    def __init__(self, root: Path) -> None:
        self.user = _folder(root / "alice", ALICE)
        self.home = _folder(self.user / "localai", ALICE)
        found = RESOURCES["smollm2"].find()
        assert found is not None, "python -m tests.servers get smollm2"
        models = self.home / "data" / "models"
        models.mkdir(parents=True)
        shutil.copy(found, models / "SmolLM2-135M-Instruct.Q4_1.gguf")
        for path in (self.home / "data", models, *models.iterdir()):
            os.chown(path, ALICE, ALICE)

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
        """One of her commands, run to its end."""
        environment = {
            "HOME": str(self.user),
            "PATH": os.environ["PATH"],
            "LOCALAI_HOME": str(self.home),
            "LOCALAI_ENGINE_CONTEXT": "512",
            "PYTHONPATH": str(REPOSITORY),
            "LM_API_TOKEN": TOKEN,
            **variables,
        }
        return subprocess.run(
            [*COMMAND, *words],
            env=environment,
            cwd=self.user,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=180,
            check=False,
        )


def _folder(path: Path, owner: int, mode: int = 0o700) -> Path:
    path.mkdir(mode=mode)
    path.chmod(mode)
    os.chown(path, owner, owner)
    return path


@contextmanager
def as_mallory(work: Callable[[int], None]) -> Iterator[int]:
    """Mallory's process, which runs `work` with a pipe's end until the block is left; the other end
    is the value."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.setgroups([])
        os.setgid(MALLORY)
        os.setuid(MALLORY)
        try:
            work(writing)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        yield reading
    finally:
        os.kill(process, 9)
        os.waitpid(process, 0)
        os.close(reading)


def _listening(family: int, address: object, heard: list[bytes]) -> Callable[[int], None]:
    """Mallory's server, which answers whatever is asked with something friendly."""

    def work(pipe: int) -> None:
        server = socket.socket(family)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(address)  # type: ignore[arg-type]
        server.listen()
        os.write(pipe, b"ready\n")
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_answer, args=(connection, pipe), daemon=True).start()

    return work


def _answer(connection: socket.socket, pipe: int) -> None:
    connection.settimeout(3)
    try:
        os.write(pipe, b"heard: " + connection.recv(1 << 16).replace(b"\n", b" ") + b"\n")
        models = {"models": [{"name": "starter:latest"}], "data": [{"id": "starter"}]}
        body = json.dumps({**models, "version": "0.17.4"}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        connection.sendall(head + body)
    except OSError:
        pass
    finally:
        connection.close()


def _ports(tally: Tally, alice: Alice) -> None:
    for port in (11434, 1234):
        with as_mallory(_listening(socket.AF_INET, ("127.0.0.1", port), [])) as told:
            if os.read(told, 100) != b"ready\n":
                print(f"port {port} is in use: left out")
                continue
            os.set_blocking(told, False)
            for words in (
                ("list",),
                ("chat", "-n", "-m", "starter", "--max-tokens", "3", SECRET),
                ("chat", "-n", "-m", "ollama/starter", SECRET),
                ("chat", "-n", "-m", "lmstudio/starter", SECRET),
                ("ps",),
                ("privacy",),
                ("doctor",),
                ("doctor", "--deep", "server", "privacy"),
                ("bench", "ollama/starter", "-p", "64", "-n", "4"),
                ("compare", "-m", "starter", "-m", "ollama/starter", "--max-tokens", "3", SECRET),
                ("compare", "-m", "lmstudio/starter", "-m", "ollama/starter", SECRET),
            ):
                tally.tried["ports"] += 1
                what = f"Mallory on port {port}: {' '.join(words[:4])}"
                check_said(tally, alice.run(*words), what, 0, 3, 4, 5, 8)
                _check_heard(tally, told, what)


def _check_heard(tally: Tally, told: int, what: str) -> None:
    try:
        heard = os.read(told, 1 << 20)
    except BlockingIOError:
        return
    for secret in (SECRET, TOKEN):
        tally.check(secret.encode() not in heard, f"{what}: Mallory heard {secret}")


def _planted(tally: Tally, alice: Alice, public: Path) -> None:
    """Things of Mallory's at places where Alice's commands look."""
    ask = ("chat", "-n", "-m", "starter", "--max-tokens", "3", SECRET)

    def plant(path: Path, content: str | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(mode=0o777)
        else:
            path.write_text(content)
        os.chown(path, MALLORY, MALLORY)

    evil = '[endpoint.farm]\nurl = "http://192.0.2.1/v1"\n[cloud]\nallow = ["openai"]\n'
    for name, content, words, codes in (
        ("config.toml", evil, ask, (2,)),
        ("templates/t.toml", 'prompt = "x"', ("template", "show", "t"), (2,)),
        ("run", None, ask, (0, 2)),
        ("cache", None, ask, (0, 2, 9)),
        ("data/localai.db", "not a database", ("history", "list"), (0, 2, 9)),
    ):
        path = alice.home / name
        aside = path.with_name(f"{path.name}.alices")
        if path.exists():
            path.rename(aside)
        plant(path, content)
        tally.tried["planted"] += 1
        check_said(tally, alice.run(*words), f"Mallory's {name}", *codes)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        if aside.exists():
            aside.rename(path)
    link = alice.home / "config.toml"
    plant(public / "evil.toml", evil)
    link.symlink_to(public / "evil.toml")
    tally.tried["planted"] += 1
    check_said(tally, alice.run("config", "list"), "a link to Mallory's settings", 2)
    link.unlink()


def _shared_folder(tally: Tally, alice: Alice, public: Path) -> None:
    """A home so deep that the sockets lie in the temporary folder of all users."""
    deep = alice.user / ("d" * 60) / ("e" * 60)
    alice.run("stop", "--all")
    shutil.copytree(alice.home, deep, ignore=shutil.ignore_patterns("run"))
    for path in (deep.parent, deep, *deep.rglob("*")):
        os.chown(path, ALICE, ALICE)
    variables = {"LOCALAI_HOME": str(deep), "TMPDIR": str(public)}
    ask = ("chat", "-n", "-m", "starter", "--max-tokens", "3", "--keep-alive", "30s", SECRET)
    tally.tried["shared folder"] += 1
    check_said(tally, alice.run(*ask, **variables), "sockets in a shared folder", 0)
    made = [each for each in public.iterdir() if each.stat().st_uid == ALICE]
    for each in made:
        tally.check(each.stat().st_mode & 0o077 == 0, f"{each.name} is open to others")
    for each in made:
        forged = public / f"{each.name[:16]}-0000000000000000"
        _folder(forged, MALLORY, 0o777)
    tally.tried["shared folder"] += 1
    check_said(tally, alice.run(*ask, **variables), "forged folders beside hers", 0)
    alice.run("stop", "--all", **variables)


def _read_by_mallory(tally: Tally, alice: Alice) -> None:
    """What Mallory can read of her files and processes after she has asked."""
    ask = ("chat", "-m", "starter", "--max-tokens", "3", SECRET)
    check_said(tally, alice.run(*ask), "Alice asks", 0)
    with as_mallory(lambda pipe: _reading(alice.user, pipe)) as told:
        found = b""
        while not found.endswith(b"done\n"):
            found += os.read(told, 1 << 16)
    tally.tried["read"] += 1
    tally.check(found == b"done\n", f"Mallory reads: {found[:500]!r}")
    alice.run("stop", "--all")


def _reading(folder: Path, pipe: int) -> None:
    secret = SECRET.encode()
    processes = [
        each / name
        for each in Path("/proc").glob("[0-9]*")
        for name in ("environ", "cmdline", "maps")
    ]
    for file in [*folder.rglob("*"), *processes]:
        try:
            content = file.read_bytes()
        except OSError:
            continue
        if secret in content or file.is_relative_to(folder):
            os.write(pipe, f"{file}\n".encode())
    os.write(pipe, b"done\n")


def _written_in_public(tally: Tally, alice: Alice, public: Path) -> None:
    """What holds prompts is closed to others wherever it is written."""
    suite = alice.user / "suite.jsonl"
    suite.write_text(json.dumps({"prompt": SECRET, "options": {"max_tokens": 2}}) + "\n")
    shutil.copy(next((alice.home / "data" / "models").glob("*.gguf")), alice.user / "b.gguf")
    models = ("-m", "starter", "-m", str(alice.user / "b.gguf"))
    for words, written in (
        (("compare", "--suite", str(suite), *models, "-o", f"{public}/run.jsonl"), "run.jsonl"),
        (("compare", "report", f"{public}/run.jsonl", "--html", f"{public}/r.html"), "r.html"),
        (("batch", str(suite), "-m", "starter", "-O", f"{public}/out.jsonl"), "out.jsonl"),
        (("history", "export", "--all", "-O", f"{public}/all.json"), "all.json"),
        (("doctor", "--report", f"{public}/report"), "report/facts.json"),
    ):
        tally.tried["in public"] += 1
        what = " ".join(words[:2])
        check_said(tally, alice.run(*words), f"in public: {what}", 0, 8)
        file = public / written
        closed = not (file.stat().st_mode & 0o077) or not (file.parent.stat().st_mode & 0o077)
        tally.check(file.exists() and closed, f"in public: what {what} wrote is open to others")
    alice.run("stop", "--all")


def main() -> int:
    """Try all of it; 1 if there was a fault."""
    if not is_root():
        print("it becomes another user: run it as root")
        return 2
    tally = Tally()
    root = Path(tempfile.mkdtemp(prefix="users-"))
    root.chmod(0o755)
    try:
        public = _folder(root / "public", 0, 0o1777)
        alice = Alice(root)
        _read_by_mallory(tally, alice)
        _ports(tally, alice)
        _planted(tally, alice, public)
        _shared_folder(tally, alice, public)
        _written_in_public(tally, alice, public)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
