"""Models, ranked for a machine: what fits, how fast, in which order.

For each model one quantization is chosen, the finest that fits with a useful context and is still
comfortable to read. Models that fit and are comfortable come first, those with 20 tokens a second
before the others if one of them is nearly as good, in the order of a score, in half doublings of
size:

    2 * log2(size)      of a mixture of experts parameters^(2/3) * active^(1/3): a choice, which
                        puts Qwen's 30B-A3B beside its 14B (the usual rule of thumb, the
                        geometric mean, says 10B)
    + 2                 for a model made for the task before anything else
    + months / 3        since January 2024, because the same size gets better: half of the pace
                        that https://arxiv.org/abs/2412.04315 finds
    - 6                 for each halving of the speed below 20 tokens a second
    - 4                 if a GPU holds only a part of it: speed is then least certain, and the
                        rest of the machine is short of memory
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from math import log2
from statistics import median
from typing import Final

from localai.dataclass import dataclass
from localai.hardware.facts import Machine
from localai.recommend.catalogue import Entry, File, Task, catalogue
from localai.recommend.hub_model import HubModel
from localai.recommend.memory_for_models import MemoryForModels, memory_for_models
from localai.sizing.speed import DecodeWork, PastRun, SpeedRange, predict_speed, slowdown_of
from localai.units import bytes_text

Candidate = Entry | HubModel

# A context long enough for a conversation; also how full it is when speed is predicted.
_USEFUL_CONTEXT: Final = 8192
_LEAST_CONTEXT: Final = 2048
_DEPTH_TOKENS: Final = 1024
_CONTEXT_STEP: Final = 1024
# Tokens a second below which waiting begins. People read 5 to 8; reasoning comes before the answer,
# and code is skimmed. Embedding writes no text, but handles many.
_COMFORTABLE: Final[Mapping[Task, float]] = {
    "chat": 8,
    "vision": 8,
    "code": 12,
    "reasoning": 16,
    "embed": 30,
}
_COMFORTABLE_ELSE: Final = 8.0
# Tokens a second that a machine is to reach if it can: if a model that does is at most this far
# behind the best one that does not (in the score's unit: an eighth of the size).
_LIVELY: Final = 20.0
_WORTH_IT: Final = 6.0
# Prefer a finer quantization if its speed surely stays lively, and is this many times the
# comfortable one.
_WELL_ABOVE: Final = 2.0
_MADE_FOR_IT: Final = 2.0
_MONTHS_PER_CLASS: Final = 3.0
_TOO_SLOW: Final = 6.0
_SPILLS: Final = 4.0
_FIRST_YEAR: Final = 2024


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A model in one quantization, on one machine.

    `headroom_bytes` is the memory left with a context of `least_context_tokens`; if negative, the
    memory that is missing. `context_tokens` is the longest context that fits, at most the model's
    own; None if none fits. `in_gpu`: all of it is in a GPU's memory; `spills`: only a part is.
    `why` is one sentence. `installed`: it is on this machine already.
    """

    entry: Candidate
    quantization: File
    fits: bool
    comfortable: bool
    in_gpu: bool
    spills: bool
    memory_bytes: int
    headroom_bytes: int
    least_context_tokens: int
    context_tokens: int | None
    speed: SpeedRange
    why: str
    installed: bool

    @property
    def pull_name(self) -> str:
        """The name that `localai pull` takes."""
        return self.quantization.name


@dataclass(frozen=True, slots=True)
class _Situation:
    """For what each model is judged: the machine, the task, and what is known of models there."""

    machine: Machine
    memory: MemoryForModels
    task: Task
    installed: Collection[str]
    past_runs: Mapping[str, Sequence[PastRun]]
    slowdown: float


def recommend(
    machine: Machine,
    task: Task = "chat",
    *,
    installed: Collection[str] = (),
    past_runs: Mapping[str, Sequence[PastRun]] | None = None,
    others: Sequence[Candidate] = (),
) -> list[Recommendation]:
    """Every model of the catalogue, and of `others`, that is for `task`, the best for `machine`
    first, those that do not fit last.

    `installed` are names of models on this machine. `past_runs` are this machine's runs by model
    name, in MLX too; they correct the predictions for the other models, too.
    """
    runs = past_runs or {}
    asked = _Situation(
        machine, memory_for_models(machine), task, installed, runs, _slowdown(machine, runs)
    )
    models = (*catalogue().entries, *others)
    found = [_choose(model, asked) for model in models if task in model.tasks]
    lively = _can_be_lively(found, task)
    return sorted(found, key=lambda each: _order(each, task, lively_first=lively))


def _slowdown(machine: Machine, past_runs: Mapping[str, Sequence[PastRun]]) -> float:
    """Returns a factor for the time of a token, from runs of the catalogue's models; 1 if
    unknown."""
    factors = []
    for name, work in _known_works(past_runs):
        factor = slowdown_of(machine, work, runs) if (runs := past_runs[name]) else None
        if factor is not None:
            factors.append(factor)
    return median(factors) if factors else 1.0


def _known_works(names: Container[str]) -> Iterator[tuple[str, DecodeWork]]:
    """Those of the catalogue's models that are among `names`, as their runs have them, MLX's builds
    as well."""
    for entry in catalogue().entries:
        for file in entry.files:
            if file.name in names and (work := entry.work(file, _USEFUL_CONTEXT)) is not None:
                yield file.name, work
        if entry.mlx is None or (name := entry.mlx.removeprefix("hf.co/")) not in names:
            continue
        # MLX's 4 bits are as large as the smallest file within a few percent.
        smallest = min(entry.files, key=lambda file: file.size_bytes)
        if (work := entry.work(smallest, _USEFUL_CONTEXT)) is not None:
            yield name, replace(work, stored="mlx")


def _choose(entry: Candidate, asked: _Situation) -> Recommendation:
    """`entry` in its best quantization: the finest that fits and stays fast, else the smallest."""
    by_size = sorted(entry.files, key=lambda file: -file.size_bytes)
    *finer, smallest = [_offer(entry, file, asked) for file in by_size]
    for offer in finer:
        # A quantization that no longer fits the GPU costs more than its quality gains.
        stays = offer.fits and _has_useful_context(offer) and offer.in_gpu == smallest.in_gpu
        speed = offer.speed
        if speed.expected is None or speed.low is None:
            continue
        well_above = speed.expected >= _WELL_ABOVE * _least_rate(asked.task)
        if stays and well_above and speed.low >= _LIVELY:
            return offer
    return smallest


def _least_rate(task: Task) -> float:
    return _COMFORTABLE.get(task, _COMFORTABLE_ELSE)


def _has_useful_context(offer: Recommendation) -> bool:
    wanted = min(_USEFUL_CONTEXT, offer.entry.context_tokens)
    return offer.context_tokens is not None and offer.context_tokens >= wanted


def _offer(entry: Candidate, file: File, asked: _Situation) -> Recommendation:
    memory, task = asked.memory, asked.task
    least = min(_LEAST_CONTEXT, entry.context_tokens)
    need = entry.memory(file, min(_USEFUL_CONTEXT, entry.context_tokens)).total_bytes
    in_gpu = need <= memory.gpu_bytes
    limit = memory.gpu_bytes if in_gpu else memory.total_bytes
    spills = memory.gpu_bytes > 0 and not in_gpu
    smallest = entry.memory(file, least).total_bytes
    fits = smallest <= limit
    context = _longest_context(entry, file, limit, least) if fits else None
    speed = _speed(entry, file, min(_USEFUL_CONTEXT, context or least), asked)
    comfortable = speed.expected is None or speed.expected >= _least_rate(task)
    if task == "embed":
        speed = SpeedRange(None, None, None, "an embedding model writes no text", None)
    return Recommendation(
        entry=entry,
        quantization=file,
        fits=fits,
        comfortable=comfortable,
        in_gpu=in_gpu,
        spills=spills,
        memory_bytes=need,
        headroom_bytes=limit - smallest,
        least_context_tokens=least,
        context_tokens=context,
        speed=speed,
        why=_why(entry, limit - smallest, comfortable=comfortable, spills=spills),
        installed=file.name in asked.installed or f"{file.name}:latest" in asked.installed,
    )


def _speed(entry: Candidate, file: File, context_tokens: int, asked: _Situation) -> SpeedRange:
    work = entry.work(file, context_tokens)
    if work is None:
        return SpeedRange(None, None, None, "its shape is not known", None)
    return predict_speed(
        asked.machine,
        work,
        depth_tokens=_DEPTH_TOKENS,
        past_runs=asked.past_runs.get(file.name, ()),
        slowdown=asked.slowdown,
    )


def _longest_context(entry: Candidate, file: File, limit: int, least: int) -> int:
    """The longest context that fits `limit`, in steps of 1,024 tokens, at most the model's own."""
    low, high = least, entry.context_tokens
    if entry.memory(file, high).total_bytes <= limit:
        return high
    while high - low > _CONTEXT_STEP:
        middle = (low + high) // 2
        if entry.memory(file, middle).total_bytes <= limit:
            low = middle
        else:
            high = middle
    return max(least, low // _CONTEXT_STEP * _CONTEXT_STEP)


def _can_be_lively(found: Sequence[Recommendation], task: Task) -> bool:
    """Whether a lively model is nearly as good as the best that is not."""
    good = [each for each in found if each.fits and each.comfortable]
    lively = [_merit(each, task) for each in good if _is_lively(each)]
    others = [_merit(each, task) for each in good if not _is_lively(each)]
    return bool(lively) and max(lively) >= max(others, default=0.0) - _WORTH_IT


def _is_lively(found: Recommendation) -> bool:
    rate = found.speed.expected
    return rate is None or rate >= _LIVELY


def _order(
    found: Recommendation, task: Task, *, lively_first: bool
) -> tuple[bool, bool, bool, bool, float]:
    if not found.fits:
        # First the model that misses the memory by the least.
        return (True, False, False, False, -found.headroom_bytes)
    return (
        False,
        not found.comfortable,
        lively_first and not _is_lively(found),
        not _has_useful_context(found),
        -_score(found, task),
    )


def _score(found: Recommendation, task: Task) -> float:
    """How good a model is for `task` on this machine, in half doublings of size. The module's
    docstring has the formula."""
    score = _merit(found, task)
    lively = max(_LIVELY, _least_rate(task))
    rate = found.speed.expected
    if rate is not None and rate < lively:
        score -= _TOO_SLOW * log2(lively / rate)
    return score - _SPILLS if found.spills else score


def _merit(found: Recommendation, task: Task) -> float:
    """The part of the score that is the model's own."""
    entry = found.entry
    size = (entry.parameters**2 * entry.active_parameters) ** (1 / 3)
    made_for_it = _MADE_FOR_IT if entry.tasks[0] == task else 0.0
    return 2 * log2(size / 1e9) + made_for_it + _months(entry.released) / _MONTHS_PER_CLASS


def _months(released: str | None) -> int:
    """Months from January 2024 to `released` (2025-04); 0 if it is unknown or earlier."""
    if released is None:
        return 0
    year, month = map(int, released.split("-"))
    return max(0, 12 * (year - _FIRST_YEAR) + month - 1)


def _why(entry: Candidate, headroom: int, *, comfortable: bool, spills: bool) -> str:
    if headroom < 0:
        return f"needs {bytes_text(-headroom)} more memory than there is; {entry.note}"
    if not comfortable:
        return f"fits, but slower than is comfortable; {entry.note}"
    return f"partly outside the GPU; {entry.note}" if spills else entry.note
