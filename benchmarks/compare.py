"""What a suite takes beyond a batch of the same prompts, and how long a report of many cases takes.

    python -m benchmarks.compare [--rounds 3] [--prompts 24] [--cases 1000]

Uses a home of its own with the tests' weights, twice, as two models that are equally fast. In turn,
A B B A: `localai batch -j 1` on one and then on the other, and one `localai compare --suite` on
both. Every answer has the same number of tokens, and a number at the start of each question keeps
the prompt cache out. Commands are timed from outside, their start included; their processor time is
without the engine's, and tells of the overhead where other programs disturb the clock.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measuring import Spent, home_with_starter, localai, machine, needing, spent
from localai.compare.recorded import Head, ModelFacts, RecordedAnswer, RecordedCase, to_json
from localai.paths import locate
from localai.stores.starter import starter_path

_TOKENS = 48
_QUESTION = "Write a story about a lighthouse keeper who finds a letter."


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--cases", type=int, default=1000)
    given = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(folder) / "twin.gguf"
        # A link would be the same model to the engine, and one worker would replace the other.
        shutil.copyfile(starter_path(locate()), twin)
        models = ("starter", str(twin))
        for way in (_batches, _suite):
            way(models, ["warm up"], Path(folder))
        print(f"\n{given.prompts} questions of {_TOKENS} tokens to each of two models")
        _overhead(models, given.rounds, given.prompts, Path(folder))
        _report(given.cases, Path(folder))


def _overhead(models: Sequence[str], rounds: int, prompts: int, folder: Path) -> None:
    ways: list[Callable[[Sequence[str], Sequence[str], Path], Spent]] = [_batches, _suite]
    taken: dict[str, list[Spent]] = {"batch": [], "compare": []}
    for number in range(rounds):
        order = list(zip(taken, ways, strict=True))
        for name, way in order if number % 2 == 0 else order[::-1]:
            questions = [f"({number}-{name}-{each}) {_QUESTION}" for each in range(prompts)]
            taken[name].append(way(models, questions, folder))
    for name, samples in taken.items():
        wall = ", ".join(f"{each.wall_s:.1f}" for each in samples)
        own = statistics.median(each.processor_s for each in samples) / (2 * prompts)
        print(f"{name:<8} {wall} s; own processor time {own * 1000:.1f} ms a question")
    pairs = list(zip(taken["compare"], taken["batch"], strict=True))
    ratio = statistics.median(one.wall_s / other.wall_s for one, other in pairs)
    print(f"compare over batch: {ratio:.3f} by the clock (median of pairs)")
    more = statistics.median(one.processor_s - other.processor_s for one, other in pairs)
    share = more / statistics.median(each.wall_s for each in taken["batch"])
    print(f"more processor time, as a share of the batches' time: {share:+.1%}")


def _batches(models: Sequence[str], questions: Sequence[str], folder: Path) -> Spent:
    prompts = folder / "prompts.jsonl"
    _write(prompts, questions)
    answers = [folder / f"answers-{number}.jsonl" for number in range(len(models))]
    for file in answers:
        file.unlink(missing_ok=True)
    taken = spent(
        *(
            localai("batch", str(prompts), "--output", str(file), "-m", model, "-nqj1")
            for model, file in zip(models, answers, strict=True)
        )
    )
    used = [json.loads(line)["usage"]["output_tokens"] for each in answers for line in each.open()]
    assert used == [_TOKENS] * len(questions) * len(models), "every answer has the same length"
    return taken


def _suite(models: Sequence[str], questions: Sequence[str], folder: Path) -> Spent:
    cases, record = folder / "cases.jsonl", folder / "run.jsonl"
    _write(cases, questions)
    record.unlink(missing_ok=True)
    flags = ("--no-log", "-q", "--as-shipped", "-j", "1")
    named = [part for model in models for part in ("-m", model)]
    # As a batch asks: each publisher's system prompt, one question at a time.
    taken = spent(localai("compare", "--suite", str(cases), *named, "-o", str(record), *flags))
    lines = [json.loads(line) for line in record.open()]
    used = [each["output_tokens"] for each in lines if each["record"] == "answer"]
    assert used == [_TOKENS] * len(questions) * len(models), "every answer has the same length"
    return taken


def _write(file: Path, questions: Sequence[str]) -> None:
    options = {"max_tokens": _TOKENS, "temperature": 0, "seed": 1, "provider.ignore_eos": True}
    lines = (json.dumps({"prompt": each, "options": options}) for each in questions)
    file.write_text("".join(line + "\n" for line in lines))


def _report(cases: int, folder: Path) -> None:
    """A run of so many cases on two models, reported in every format."""
    models = ("ollama/one:8b", "ollama/two:8b")
    said = "The keeper found a letter in the lamp room, and read it twice before the tide came in. "
    with (folder / "large.jsonl").open("w") as file:
        head = Head("large", tuple(ModelFacts(each, "ollama") for each in models), 1, 0.0, "", "")
        file.write(json.dumps(to_json(head)) + "\n")
        for number in range(cases):
            case = RecordedCase(f"sum-{number}", (("user", f"1 + {number}?"),), [{"number": 1}])
            file.write(json.dumps(to_json(case)) + "\n")
            for model in models:
                text = said * 4 + str(number % 2 if model == models[0] else number % 3)
                answer = RecordedAnswer(
                    case.id, model, 1, "0" * 16, 0.0, "", text=text, output_tokens=90, cost=0.0
                )
                file.write(json.dumps(to_json(answer)) + "\n")
    page = folder / "large.html"
    outputs = ("--html", str(page), "--junit", str(folder / "l.xml"))
    samples = [
        spent(
            localai("compare", "report", str(folder / "large.jsonl"), *outputs, "-q"),
            codes=(0, 8),
        )
        for _ in range(5)
    ]
    wall = ", ".join(f"{each.wall_s:.2f}" for each in samples)
    own = statistics.median(each.processor_s for each in samples)
    print(f"\n{cases:,} cases on two models, reported with HTML and JUnit: {wall} s")
    print(f"processor time {own:.2f} s; the page has {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    with needing(), home_with_starter():
        main()
