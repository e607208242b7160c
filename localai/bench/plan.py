"""What is to be measured: tests, and the settings of a run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any, Final, Literal

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.units import whole_number

Profile = Literal[
    "classic", "chat", "summarise", "code-edit", "reason", "agent", "extract", "batch"
]

# Beside prompt and answer: the template's own tokens, and a nonce that is a little longer.
SPARE_TOKENS: Final = 96
LEAST_REPETITIONS: Final = 6
"""An interval of a median at 95% needs so many."""
MOST_REPETITIONS: Final = 30
MOST_WARM_UPS: Final = 10
_MOST_TOKENS: Final = 4_000_000


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
    """When to stop: see `localai.bench.stopping`. `budget_s` is for the whole run, without the
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


def objectives(text: str) -> Objectives:
    """`ttft=2s,itl=100ms`. Raises InvalidInput."""
    from localai.config.values import Invalid, parse_duration

    found: dict[str, float] = {}
    names = {"ttft": "first_token_s", "itl": "gap_s"}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        try:
            found[names[name]] = parse_duration(value)
        except (KeyError, Invalid) as error:
            raise InvalidInput(
                f"--slo takes limits of ttft and itl, not {part.strip()!r}",
                hint="--slo ttft=2s,itl=100ms",
            ) from error
    return Objectives(**found)


def counts(text: str, option: str) -> tuple[int, ...]:
    """`1,2,4` as (1, 2, 4). Raises InvalidInput that names the `option`."""
    found = [whole_number(part.strip()) or 0 for part in text.split(",")]
    if not all(1 <= each <= 512 for each in found):
        raise InvalidInput(f"{option} takes numbers from 1 to 512", hint=f"{option} 1,2,4,8")
    return tuple(dict.fromkeys(found))


def kv_types(text: str) -> tuple[str, ...]:
    """`f16,q8_0`: types in which keys and values can be kept. Raises InvalidInput."""
    from localai.config.settings import parse_value

    parts = [part.strip() for part in text.split(",")]
    return tuple(dict.fromkeys(parse_value("engine.kv_type", part, "--kv") for part in parts))


def quantizations(text: str) -> tuple[str, ...]:
    """`q4_K_M,q8_0`: types of files, as people write them. Raises InvalidInput."""
    from localai.formats.gguf_names import is_quantization
    from localai.formats.quantization_types import FILE_TYPE_NUMBER
    from localai.near_names import did_you_mean

    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not is_quantization(part):
            near = did_you_mean(part, FILE_TYPE_NUMBER)
            raise InvalidInput(
                f"there is no quantization {part!r}",
                hint=near or f"known are {', '.join(FILE_TYPE_NUMBER)}",
            )
    return tuple(dict.fromkeys(parts))


def rates(text: str, option: str) -> tuple[float, ...]:
    """`0.5,2` as (0.5, 2.0). Raises InvalidInput that names the `option`."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"\d+(\.\d+)?", part) and 0 < float(part) <= 1000 for part in parts):
        raise InvalidInput(f"{option} takes requests a second", hint=f"{option} 0.5,2")
    return tuple(dict.fromkeys(map(float, parts)))


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


def token_counts(text: str, option: str) -> tuple[int, ...]:
    """`0,4k,16k` as (0, 4096, 16384): k is 1,024. Raises InvalidInput that names the `option`."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,9})(k?)", part.strip().lower())
        count = int(match[1]) * (1024 if match[2] else 1) if match else -1
        if not 0 <= count <= _MOST_TOKENS:
            raise InvalidInput(
                f"{option} takes numbers of tokens, not {part.strip()!r}",
                hint=f"{option} 512 or {option} 0,4k,16k",
            )
        found.append(count)
    return tuple(dict.fromkeys(found))


def parse_share(text: str, option: str) -> float:
    """`5%` or `5` as 0.05. Raises InvalidInput that names the `option`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?%?", text.strip())
    if match is None or not 0 < float(match[1]) < 100:
        raise InvalidInput(f"{option} takes a percentage, not {text!r}", hint=f"{option} 5%")
    return float(match[1]) / 100
