"""What is to be measured: tests, and the settings of a run. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any, Final, Literal

from localai.dataclass import dataclass
from localai.errors import InvalidInput

Profile = Literal[
    "classic", "chat", "summarise", "code-edit", "reason", "agent", "extract", "batch"
]

# Beside prompt and answer: the template's own tokens, and a nonce that is a little longer.
SPARE_TOKENS: Final = 96
LEAST_REPETITIONS: Final = 6
"""An interval of a median at 95% needs so many."""
MOST_REPETITIONS: Final = 30
MOST_WARM_UPS: Final = 10


@dataclass(frozen=True, slots=True)
class Test:
    """One kind of request: `prompt_tokens` that are computed after `depth_tokens` in the cache, and
    `output_tokens` of answer; `concurrency` of them at a time, or `rate` a second."""

    __test__ = False  # pytest takes what is called Test for one of its own

    prompt_tokens: int
    output_tokens: int
    depth_tokens: int = 0
    concurrency: int = 1
    profile: Profile = "classic"
    rate: float | None = None

    @property
    def context_tokens(self) -> int:
        """The context that one request needs, in tokens."""
        return self.depth_tokens + self.prompt_tokens + self.output_tokens

    @property
    def label(self) -> str:
        """The test in llama-bench's notation: `pp512 tg128`, `pp512 tg128 @4096`."""
        parts = [
            f"pp{self.prompt_tokens}" if self.prompt_tokens else "",
            f"tg{self.output_tokens}" if self.output_tokens else "",
            f"@{self.depth_tokens}" if self.depth_tokens else "",
            f"×{self.concurrency}" if self.concurrency > 1 else "",
            "" if self.rate is None else f"{self.rate:g}/s",
        ]
        return " ".join(part for part in parts if part)

    @classmethod
    def from_json(cls, document: Any) -> Test:
        """The test that `as_json` wrote."""
        return cls(**document)

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop (`localai.bench.cell.is_finished`). `budget_s` is for the whole run, without the
    loading of models; the least number of repetitions is made even beyond it."""

    budget_s: float = 60.0
    least: int = LEAST_REPETITIONS
    most: int = MOST_REPETITIONS
    warm_ups: int = MOST_WARM_UPS
    warm_up_s: float = 60.0
    width: float = 0.02


QUICK: Final = Limits(budget_s=12.0, warm_ups=4, warm_up_s=4.0)
"""The limits of `--quick`."""
CLOUD: Final = Limits(warm_ups=1, most=LEAST_REPETITIONS)
"""Of what is paid for: no more than an interval needs."""


def tests(
    prompts: Sequence[int],
    answers: Sequence[int],
    depths: Sequence[int],
    users: Sequence[int] = (1,),
    rates: Sequence[float] = (),
) -> Iterator[Test]:
    """Each prompt length with each answer length at each depth, for so many users at a time or
    with so many requests a second. Raises InvalidInput for one that would compute nothing."""
    for depth, prompt, answer in product(depths, prompts, answers):
        if prompt == answer == 0:
            raise InvalidInput(
                "a test needs prompt tokens (-p) or answer tokens (-n)",
                command="localai bench -p 512 -n 128",
            )
        if rates:
            yield from (Test(prompt, answer, depth, rate=rate) for rate in rates)
        else:
            yield from (Test(prompt, answer, depth, each) for each in users)


@dataclass(frozen=True, slots=True)
class Objectives:
    """What an answer must meet to be good: seconds to the first token, and between tokens."""

    first_token_s: float | None = None
    gap_s: float | None = None


NO_OBJECTIVES: Final = Objectives()


@dataclass(frozen=True, slots=True)
class Shape:
    """Lengths and numbers of users that belong together. `depths` are tokens that a kind of work
    has in the context before."""

    profile: Profile
    prompts: tuple[int, ...]
    answers: tuple[int, ...]
    users: tuple[int, ...] = (1,)
    depths: tuple[int, ...] = (0,)


# An agent's six turns: 16k of instructions and files, then a result of 500 tokens and an answer of
# 150 in each; the first and the last, between which the others lie.
_TURNS: Final = (16_384, 16_384 + 5 * (500 + 150))
_SHAPES: Final[tuple[Shape, ...]] = (
    Shape("classic", (512,), (128,)),
    Shape("chat", (256,), (256,)),
    Shape("summarise", (4096,), (256,)),
    Shape("code-edit", (2048,), (768,)),
    Shape("reason", (384,), (1152,)),
    Shape("agent", (500,), (150,), depths=_TURNS),
    Shape("extract", (1024,), (16,)),
    Shape("batch", (512,), (128,), (1, 2, 4, 8)),
)
_QUICK: Final = Shape("classic", (128,), (32,))
_CROWDED: Final = Shape("classic", (128,), (64,))


def shape_of(profile: str | None, *, quick: bool, crowded: bool) -> Shape:
    """The lengths of a profile; without one, those for a `quick` or a `crowded` run. Raises
    InvalidInput for an unknown profile."""
    if profile is None:
        return _QUICK if quick else _CROWDED if crowded else _SHAPES[0]
    found = next((shape for shape in _SHAPES if shape.profile == profile), None)
    if found is None:
        names = ", ".join(shape.profile for shape in _SHAPES)
        raise InvalidInput(f"there is no profile {profile!r}", hint=f"one of: {names}")
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for, so that a run that was broken off can go on. `trials` are the settings
    that `localai bench tune` tries, and `confirms` is the run whose gains it measures again."""

    models: tuple[str, ...]
    engines: tuple[str, ...]
    prompts: tuple[int, ...]
    answers: tuple[int, ...]
    depths: tuple[int, ...]
    users: tuple[int, ...] = (1,)
    rates: tuple[float, ...] = ()
    objectives: Objectives = NO_OBJECTIVES
    profile: Profile = "classic"
    kv_types: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    quantizations: tuple[str, ...] = ()
    quality: bool = False
    quick: bool = False
    trials: tuple[dict[str, Any], ...] = ()
    confirms: str | None = None

    @property
    def engine_settings(self) -> tuple[dict[str, Any], ...]:
        """The settings of the embedded engine under which each model is measured."""
        if self.trials:
            return self.trials
        swept: dict[str, Sequence[Any]] = {
            "engine.kv_type": self.kv_types,
            "engine.threads": self.threads,
        }
        names = [name for name, values in swept.items() if values]
        return tuple(
            dict(zip(names, values, strict=True))
            for values in product(*(swept[name] for name in names))
        )

    @classmethod
    def from_json(cls, document: Any) -> Plan:
        """The plan that `asdict` wrote."""
        lists = (
            *("models", "engines", "prompts", "answers", "depths"),
            *("users", "rates", "kv_types", "threads", "quantizations", "trials"),
        )
        known = {name: tuple(document[name]) for name in lists}
        return cls(**{**document, **known, "objectives": Objectives(**document["objectives"])})
