"""What is to be measured: tests, and the settings of a run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from localai.errors import InvalidInput

Profile = Literal[
    "classic", "chat", "summarise", "code-edit", "reason", "agent", "extract", "batch"
]

LEAST_REPETITIONS: Final = 6
"""An interval of a median at 95% needs so many."""
MOST_REPETITIONS: Final = 30
MOST_WARM_UPS: Final = 10
_MOST_TOKENS: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Test:
    """One kind of request: `prompt_tokens` that are computed after `depth_tokens` that are there
    already, and `output_tokens` of answer; so many of them at once."""

    __test__ = False  # pytest takes what is called Test for one of its own

    prompt_tokens: int
    output_tokens: int
    depth_tokens: int = 0
    concurrency: int = 1
    profile: Profile = "classic"

    @property
    def context_tokens(self) -> int:
        """What one request needs of the context."""
        return self.depth_tokens + self.prompt_tokens + self.output_tokens

    @property
    def label(self) -> str:
        """As llama-bench's hands know it: `pp512 tg128`, `pp512 tg128 @4096`."""
        parts = [
            f"pp{self.prompt_tokens}" if self.prompt_tokens else "",
            f"tg{self.output_tokens}" if self.output_tokens else "",
            f"@{self.depth_tokens}" if self.depth_tokens else "",
            f"×{self.concurrency}" if self.concurrency > 1 else "",
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
    """When to stop: see `localai.bench.stopping`. `budget_s` is of the whole run, without the
    loading of models; the least repetitions are made beyond it, too."""

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


def tests(prompts: Sequence[int], outputs: Sequence[int], depths: Sequence[int]) -> Iterator[Test]:
    """Each prompt length with each answer length at each depth. Raises InvalidInput for one that
    would compute nothing."""
    for depth in depths:
        for prompt in prompts:
            for output in outputs:
                if prompt == output == 0:
                    raise InvalidInput(
                        "a test needs prompt tokens (-p) or answer tokens (-n)",
                        command="localai bench -p 512 -n 128",
                    )
                yield Test(prompt, output, depth)


def token_counts(text: str, option: str) -> tuple[int, ...]:
    """`0,4k,16k` as (0, 4096, 16384): k is 1,024. Raises InvalidInput that names the `option`."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(k?)", part.strip().lower())
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
