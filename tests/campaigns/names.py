"""Hostile names and texts, in everything that is shown, written and given to others. Not part of
the suite.

    python -m tests.campaigns.names

Models, conversations, presets, templates, cases, benchmarks and a server's list are called by
escapes, markup, other directions and lines of their own. Whatever a command prints or writes obeys
none of it: no control reaches the terminal, no page loads or runs anything, no line of a table or
of Markdown is the name's own, and every `--json` is JSON.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from tests.campaigns.inert import inert
from tests.campaigns.parsers_of_texts import BENCH, RUN
from tests.campaigns.place import Place, Tally, check_ended, check_said, place
from tests.formats.synthetic import Spec, write
from tests.support.scripted_server import ScriptedServer, json_reply
from tests.support.wires import ChatCompletionsWire

MARK = "Xanadu"
NAMES = (
    f"\x1b]0;{MARK}\x07\x1b[2J",
    f"\x9b2J\x9d52;c;{MARK}\x9c",
    f"\x1b]8;;http:..192.0.2.1\x1b\\{MARK}\x1b]8;;\x1b\\",
    f"\u202e{MARK}\u2066\U000e0041",
    f"a\n# {MARK}\r\n- [x](javascript:alert(1))",
    f"![{MARK}](http:..192.0.2.1) <img src=x onerror=alert(1)> @everyone",
    f"</script><script>alert('{MARK}')<!--",
    f"\"'><svg onload=alert(1)>{MARK}&lt;",
    f"$(touch {MARK}) `touch {MARK}` ;touch {MARK}",
    f"-n --json {MARK}",
    f"=cmd|' {MARK}'!A0",
    f"| {MARK} | `x` ||",
    f"{MARK}\udcff",
)
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
_LIVE = re.compile(r"(?m)(?<!\\)<(?:img|script|svg)|^# Xanadu|(?<!\\)\]\((?:javascript|http:\.\.)")
READING: tuple[tuple[str, ...], ...] = (
    *(("list",), ("ps",), ("doctor",), ("doctor", "-v", "models", "own"), ("privacy",)),
    *(("history", "list"), ("history", "show"), ("history", "search", MARK), ("cost",)),
    *(("history", "show", "--all"), ("history", "export", "--all"), ("cost", "--csv")),
    *(("template", "list"), ("preset", "list"), ("config", "list"), ("recommend",)),
    *(("bench", "list"), ("bench", "show", "last"), ("bench", "compare", "last")),
    *(
        ("bench", "export", "last", "--format", form)
        for form in ("md", "csv", "jsonl", "benchstat")
    ),
    *(("compare", "report", "run.jsonl"), ("compare", "show", "run.jsonl", "c")),
    ("chat", "--dry-run", "-m", "starter", "-f", "files", "-y", "Hi?"),
    ("batch", "in.jsonl", "-m", "starter", "--json"),
)
WRITING: tuple[tuple[tuple[str, ...], str], ...] = (
    (("doctor", "--report", "report"), "report/report.md"),
    (("doctor", "--report", "report"), "report/facts.json"),
    (("doctor", "--report", "hidden", "--hide-models"), "hidden/report.md"),
    (("bench", "show", "last", "--html", "bench.html"), "bench.html"),
    (("bench", "show", "last", "--share", "bench.json"), "bench.json"),
    (("bench", "export", "last", "--format", "md", "-o", "bench.md"), "bench.md"),
    (("bench", "export", "last", "--format", "csv", "-o", "bench.csv"), "bench.csv"),
    (("compare", "report", "run.jsonl", "--html", "run.html"), "run.html"),
    (("compare", "report", "run.jsonl", "--junit", "run.xml"), "run.xml"),
    (("compare", "report", "run.jsonl", "--markdown", "run.md"), "run.md"),
    (("history", "export", "--all", "-O", "all.json"), "all.json"),
)
NAMED: tuple[tuple[str, ...], ...] = (
    *(("show", "NAME"), ("rm", "--yes", "NAME"), ("chat", "-m", "NAME", "Hi?")),
    *(("pull", "NAME"), ("cp", "NAME", "other"), ("cp", "starter", "NAME"), ("bench", "NAME")),
    *(("bench", "show", "NAME"), ("history", "show", "NAME"), ("template", "show", "NAME")),
    *(("preset", "show", "NAME"), ("preset", "new", "NAME", "--from", "starter")),
    *(("config", "set", "NAME", "5"), ("config", "set", "model", "NAME"), ("doctor", "NAME")),
    *(("compare", "--suite", "NAME", "-m", "starter"), ("batch", "NAME", "-m", "starter")),
    *(("compare", "-m", "NAME", "-m", "starter", "Hi?"), ("chat", "-t", "NAME", "Hi?")),
    *(("config", "set", "model", "NAME"), ("quantize", "NAME", "--to", "q4_0"), ("NAME",)),
)


def _ready(at: Place, server: ScriptedServer) -> None:
    models = at.home / "data" / "models"
    [made] = write(at.work / "tiny.gguf", Spec("llama", layers=1, general={"name": NAMES[0]}))
    for folder, end in ((models, ".gguf"), (at.work / "files", ".txt")):
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            content = made.read_bytes() if end == ".gguf" else name.encode("utf-8", "replace")
            (folder / f"{name.replace('/', '_')}{end}").write_bytes(content)
    for kind, text, key in (
        ("presets", 'from = "starter"\n', "system"),
        ("templates", 'prompt = "x"\n', "description"),
    ):
        (at.home / kind).mkdir(exist_ok=True)
        for number, name in enumerate(NAMES[:-1]):
            (at.home / kind / f"n{number}.toml").write_text(f"{text}{key} = {json.dumps(name)}\n")
            (at.home / kind / f"{name.replace('/', '_')}.toml").write_text(text)
    section = f'ollama.host = "{server.address}"\n[endpoint.farm]\nurl = "{server.url}/v1"\n'
    (at.home / "config.toml").write_text(section)
    _fill_database(at)
    (at.work / "run.jsonl").write_text(_run_file())
    records = [{**BENCH, "model_filename": name, "cpu_info": name} for name in NAMES]
    (at.work / "bench.json").write_text(json.dumps(records))
    lines = [{"prompt": name, "id": name, "options": {"max_tokens": 1}} for name in NAMES[:4]]
    (at.work / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _fill_database(at: Place) -> None:
    script = (
        "import json, sys\nfrom localai.database import Database\n"
        "from localai.paths import locate\nfrom localai.types import Message\n"
        "d = Database(locate().database)\n"
        "for name in json.loads(sys.stdin.read()):\n"
        "  c = d.create_conversation()\n"
        "  m = d.add_message(c, None, Message('user', name), finish_reason='stop')\n"
        "  d.add_message(c, m, Message('assistant', name), finish_reason='stop')\n"
        "  d.set_title(c, name)\n"
    )
    names = json.dumps([name.encode("utf-8", "replace").decode() for name in NAMES])
    command = [sys.executable, "-c", script]
    subprocess.run(command, env=at.environment, check=True, input=names.encode(), timeout=120)


def _run_file() -> str:
    """A run in which models, cases, questions and answers are called so."""
    head, case, one, other, _ = (json.loads(line) for line in RUN.splitlines())
    models = [{**head["models"][0], "name": NAMES[0]}, {**head["models"][1], "name": NAMES[5]}]
    records = [{**head, "suite": NAMES[6], "machine": NAMES[1], "models": models}]
    for name in NAMES:
        records.append({**case, "id": name, "messages": [["user", name]], "expect": [name]})
        records.append({**one, "case": name, "model": NAMES[0], "text": name})
        records.append({**other, "case": name, "model": NAMES[5], "text": f"no {name}"})
    records.append({**case, "id": "c"})
    return "".join(json.dumps(record) + "\n" for record in records)


def _shown(tally: Tally, what: str, done: subprocess.CompletedProcess[bytes]) -> None:
    check_said(tally, done, what, *range(9))
    for stream in (done.stdout, done.stderr):
        found = _CONTROLS.search(stream.replace(b"\r\n", b"\n").decode(errors="replace"))
        tally.check(found is None, f"{what}: {found and found[0]!r} is shown")


def _written(tally: Tally, file: Path, what: str) -> None:
    try:
        text = file.read_text()
    except (OSError, ValueError) as error:
        tally.fault(f"{what}: {error}")
        return
    found = _CONTROLS.search(text)
    tally.check(found is None, f"{what}: {found and found[0]!r} is in {file.name}")
    try:
        _CHECKS[file.suffix](text)
    except Exception as error:  # noqa: BLE001 - whatever its reader says
        tally.fault(f"{what}: {file.name}: {type(error).__name__}: {error}")


def _markdown(text: str) -> None:
    found = _LIVE.search(text)
    assert found is None, f"{found and found[0]!r} is live"
    tables = [line for line in text.splitlines() if line.startswith("| ")]
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in tables}
    assert len(columns) <= 2, f"rows of {columns} columns"


def _csv(text: str) -> None:
    rows = list(csv.reader(io.StringIO(text)))
    assert len({len(row) for row in rows}) == 1


_CHECKS: dict[str, Callable[[str], object]] = {
    ".html": inert,
    ".md": _markdown,
    ".csv": _csv,
    ".json": json.loads,
    ".xml": ElementTree.fromstring,
}


def _commands() -> Iterator[tuple[str, ...]]:
    yield from READING
    for words in READING:
        if not {"--csv", "--format", "export", "--json"} & set(words):
            yield (*words, "--json")
    for name in NAMES[:-1]:
        for words in NAMED:
            yield tuple(name if word == "NAME" else word for word in words)


def main() -> int:
    """Try all of it; 1 if there was a fault."""
    tally = Tally()
    tags = [{"name": name, "model": name} for name in NAMES]
    wire = ChatCompletionsWire({"GET /v1/models": json_reply({"data": [{"id": n} for n in NAMES]})})
    with ScriptedServer() as server, place() as at:
        server.routes = wire.routes(wire.stream(wire.answer([NAMES[0]])))
        server.routes["GET /api/version"] = json_reply({"version": NAMES[0]})
        server.routes["GET /api/tags"] = json_reply({"models": tags})
        server.routes["GET /api/ps"] = json_reply({"models": tags})
        _ready(at, server)
        at.run("bench", "import", "bench.json")
        for words in _commands():
            tally.tried[words[0] if words[0].isalpha() else "a question"] += 1
            what = " ".join(map(ascii, words))
            try:
                done = at.run(*words, timeout_s=120)
            except subprocess.TimeoutExpired:
                tally.fault(f"{what}: hangs")
                continue
            _shown(tally, what, done)
            if "--json" in words and done.returncode in (0, 8):
                try:
                    json.loads(done.stdout)
                except ValueError:
                    tally.fault(f"{what}: no JSON: {done.stdout[:200]!r}")
        for words, name in WRITING:
            tally.tried["written"] += 1
            what = " ".join(words)
            file = at.work / name
            shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
            _shown(tally, what, at.run(*words))
            _written(tally, file, what)
        tally.check(not (at.work / MARK).exists(), "a name was run by a shell")
        at.run("stop", "--all")
        check_ended(tally, at, "the end", 30)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
