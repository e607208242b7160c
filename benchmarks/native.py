"""The embedded engine held against llama.cpp's own programs, of the same source: speed against
llama-bench, perplexity against llama-perplexity.

    python -m benchmarks.native [--rounds 10] [--skip speed|quality] [MODEL.gguf …]

The programs are built once, which takes minutes (a C++ compiler and CMake). Per model and round, in
turn and forwards and backwards: llama-bench; the wheel's library called in the same manner without
a server ("loop"); a question to localai's worker, by the worker's clock and by ours. All with the
same file, threads and waiting of threads. Where other programs compute meanwhile, the ratios of
pairs say more than the rates.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.measuring import files_or_the_tests, home_with_starter, machine, needing
from localai.bench.plan import QUICK, Test
from localai.bench.prompts import Prompts
from localai.bench.row import Row
from localai.bench.run import Bench
from localai.bench.scoring import PIECES
from localai.bench.subject import Known, subjects
from localai.bench.workload import quality_text, text_of
from localai.commands.settings import load_settings
from localai.engine.environment import engine_environment
from localai.engine.llamacpp.c_api import Evaluator
from localai.engine.llamacpp.evaluation import PIECE_TOKENS, EngineSettings, Evaluated, evaluate
from localai.providers.pool import ProviderPool
from localai.statistics import Interval, median_interval, relative_change
from tests.servers.engine_tools import engine_tool

_PROMPT, _ANSWER = 512, 128
_LOOP = "loop"
Rates = Mapping[str, tuple[float, float]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--skip", choices=("speed", "quality"))
    given = parser.parse_args()
    print(machine())
    for model in files_or_the_tests(given.models):
        print(f"\n{model.name}")
        if given.skip != "quality":
            _quality(model)
        if given.skip != "speed":
            _speed(model, given.rounds)


def _quality(model: Path) -> None:
    """The perplexity of one text by both."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "quality.txt"
        file.write_text(quality_text())
        command = [str(engine_tool("llama-perplexity")), "-m", str(model), "-f", str(file)]
        command += ["-c", str(PIECE_TOKENS), "--chunks", str(PIECES), "-t", str(_threads())]
        said = _said(command)
        found = re.search(r"Final estimate: PPL = ([\d.]+)", said)
        assert found is not None, said
        steps = evaluate(model, quality_text(), PIECES, EngineSettings(_threads()), Path(folder))
        ours = _perplexity(_result(steps))
    theirs = float(found[1])
    print(f"perplexity {ours:.4f}, by llama-perplexity {theirs:.4f}: {ours / theirs - 1:+.3%}")


def _result(steps: object) -> Evaluated:
    while True:
        try:
            next(steps)  # type: ignore[call-overload]
        except StopIteration as end:
            found: Evaluated = end.value
            return found


def _perplexity(evaluated: Evaluated) -> float:
    return math.exp(sum(evaluated.losses) / len(evaluated.losses))


def _speed(model: Path, rounds: int) -> None:
    paths, config = load_settings("bench")
    config = config.with_flags(engine__threads=_threads(), engine__draft="off")
    with ProviderPool(paths) as pool:
        [subject] = subjects([str(model)], ["llamacpp"], config, pool)
        test = Test(_PROMPT, _ANSWER)
        [row] = Bench([subject], [test], [Known()], QUICK, cores=0).rows
        row.prompts = Prompts(subject, test, None, random.Random(), 900.0, force=False)
        row.prompts.fit()
        ways: list[Callable[[], Rates]] = [
            lambda: _by_llama_bench(model),
            lambda: _by_loop(model),
            lambda: _by_server(row),
        ]
        for way in ways:
            way()
        found: dict[str, list[tuple[float, float]]] = {}
        for number in range(rounds):
            for way in ways if number % 2 == 0 else ways[::-1]:
                for name, both in way().items():
                    found.setdefault(name, []).append(both)
    print(f"{'':<24}{'prefill tok/s':>18}{'of llama-bench':>26}{'decode':>16}{'':>26}")
    theirs = found["llama-bench"]
    for name, rates in found.items():
        texts = []
        for which in (0, 1):
            values = [each[which] for each in rates]
            change = relative_change([each[which] for each in theirs], values)
            texts.append(f"{_shown(median_interval(values)):>18}{_ratio(change):>26}")
        print(f"{name:<24}{''.join(texts)}")


def _shown(figure: Interval) -> str:
    half = figure.half_width
    return f"{figure.value:.1f}" + ("" if half is None else f" ± {half:.1f}")


def _ratio(change: Interval) -> str:
    text = f"{change.value:+.1%}"
    if change.low is None or change.high is None:
        return text
    return f"{text} ({change.low:+.1%} to {change.high:+.1%})"


def _by_llama_bench(model: Path) -> Rates:
    """Once a prompt, and once an answer after one of that length."""
    rates = []
    for lengths in (("-p", _PROMPT, "-n", 0), ("-p", 0, "-n", _ANSWER, "-d", _PROMPT)):
        command = [str(engine_tool("llama-bench")), "-m", str(model), "-r", "1", "-o", "json"]
        command += ["-t", str(_threads()), *map(str, lengths)]
        said = _said(command, errors=False)
        rates.append(float(json.loads(said)[0]["avg_ts"]))
    return {"llama-bench": (rates[0], rates[1])}


def _by_loop(model: Path) -> Rates:
    said = _said([sys.executable, "-m", "benchmarks.native", _LOOP, str(model)], errors=False)
    prefill, decode = map(float, said.split())
    return {"the wheel's loop": (prefill, decode)}


def _by_server(row: Row) -> Rates:
    sample = row.repeat(0)
    assert sample.failed is None, sample.failed
    ours = sample.prefill_tokens_per_s, sample.decode_tokens_per_s
    server = sample.server_prefill_tokens_per_s, sample.server_decode_tokens_per_s
    assert None not in (*ours, *server)
    return {"worker, its clock": server, "localai bench": ours}  # type: ignore[dict-item]


def _loop(model: Path) -> None:
    """In a process of its own: as llama-bench does, a prompt after one to warm up, then an answer
    of tokens that nobody chooses."""
    with Evaluator(
        model, context_tokens=_PROMPT + _ANSWER, threads=_threads(), micro_batch=_PROMPT
    ) as evaluator:
        tokens = evaluator.tokens(text_of(8 * _PROMPT))[:_PROMPT]
        for _ in range(2):
            started = time.perf_counter()
            evaluator.compute(tokens, anew=True)
            prefill_s = time.perf_counter() - started
        started = time.perf_counter()
        for at in range(_ANSWER):
            evaluator.compute(tokens[at : at + 1], begin=_PROMPT + at)
        decode_s = time.perf_counter() - started
    print(_PROMPT / prefill_s, _ANSWER / decode_s)


def _threads() -> int:
    """The cores that this process may use: `taskset` gives it fewer."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _said(command: list[str], *, errors: bool = True) -> str:
    """What a program says, its threads waiting for each other as the worker's do."""
    done = subprocess.run(
        command,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
        env=engine_environment(),
    )
    return done.stdout


if __name__ == "__main__":
    if sys.argv[1:2] == [_LOOP]:
        _loop(Path(sys.argv[2]))
    else:
        with needing("c++", "cmake"), home_with_starter():
            main()
