"""The values of bench's options, as people write them: `0,4k,16k`, `ttft=2s,itl=100ms`, `5%`."""

from __future__ import annotations

import re
from typing import Final

from localai.bench.plan import Objectives
from localai.errors import InvalidInput
from localai.units import whole_number

_MOST_TOKENS: Final = 4_000_000


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
