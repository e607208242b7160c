"""Two providers for tests whose models play roles: `cast` on this machine, `clouds` at a cloud.

A prompt may hold the right answer in brackets: "2 + 2? [4]". The model's name is its role:

    good        says what is in the brackets
    bad         says "no idea"
    PERCENT     (`70`) says what is in the brackets for so many of a hundred prompts, else "no"
    cut         ends at its limit of tokens
    thinker     thinks, and is cut before it says anything
    refuses     raises ProviderRefused
    breaks      says a little and raises Unreachable
    slow        says words, one each 50 ms
    endless     counts, a number each 50 ms
    judge-first, judge-longest, judge-random, judge-perfect, judge-nonsense
                judge pairs of answers as their names say; perfect knows the brackets
    small       has a context of 64 tokens, and refuses more

With CAST_LOG in the environment every question is a line in that file: MODEL, a tab, the prompt.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from localai.config import Config
from localai.errors import ContextOverflow, PolicyRefused, ProviderRefused, Unreachable
from localai.events import (
    Done,
    Event,
    Events,
    FinishReason,
    Locality,
    ReasoningDelta,
    TextDelta,
    Timings,
    Usage,
)
from localai.paths import Paths
from localai.providers.facts import ProviderFacts
from localai.providers.provider import Provider
from localai.types import ChatRequest, ResolvedModel, Zone

FACTS = ProviderFacts(computes="here", concurrency=4)


class Cast(Provider):
    """The provider `cast`."""

    name = "cast"
    zone = Zone.DEVICE

    def models(self) -> list[ResolvedModel]:
        """One of them."""
        return [self.resolve("good")]

    def resolve(self, name: str) -> ResolvedModel:
        """Any role."""
        return ResolvedModel(self.name, name, self.zone, "a test says so")

    def stream(self, request: ChatRequest) -> Events:
        """Play the role."""
        role, prompt = request.model.id, request.messages[-1].text
        if log := os.environ.get("CAST_LOG"):
            with Path(log).open("a") as file:
                file.write(f"{role}\t{prompt.splitlines()[0]}\n")
        words = 0
        finish: FinishReason = "stop"
        for event in self._play(role, prompt):
            words += 1
            yield event
        if role in ("cut", "thinker"):
            finish = "length"
        yield Done(
            finish,
            Usage(len(prompt.split()), words, reasoning_tokens=words if role == "thinker" else 0),
            Timings(decode_tokens=words * 10, decode_s=1.0, total_s=0.1, clock="client"),
            Locality(self.zone, "a test says so"),
        )

    def _play(self, role: str, prompt: str) -> Iterator[Event]:
        found = re.search(r"\[(.*?)\]", prompt, re.DOTALL)
        right = found[1] if found else "an answer"
        while role == "loops":
            yield TextDelta("and so on and on, ")
        if role.isdigit():
            number = int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16) % 100
            yield TextDelta(right if number < int(role) else "no")
        elif role == "bad":
            yield TextDelta("no idea")
        elif role == "thinker":
            yield ReasoningDelta("hm")
        elif role == "refuses":
            raise ProviderRefused("the cast refused: not for this wage")
        elif role == "breaks":
            yield TextDelta("half of")
            raise Unreachable("the cast broke off")
        elif role == "small" and len(prompt) > 64:
            raise ContextOverflow("too long for small", prompt_tokens=100, context_tokens=64)
        elif role.startswith("judge-"):
            yield TextDelta(_judged(role.removeprefix("judge-"), prompt))
        elif role == "slow":
            for word in ("one ", "two ", "three ", "four ", "five"):
                time.sleep(0.05)
                yield TextDelta(word)
        elif role == "endless":
            for number in itertools.count():
                time.sleep(0.05)
                yield TextDelta(f"{number} ")
        else:
            yield TextDelta(right)


def _judged(how: str, prompt: str) -> str:
    """A verdict on the two answers in the prompt, or on the one."""
    parts = re.findall(r"<([0-9a-f]{12})>\n(.*?)\n</\1>", prompt, re.DOTALL)
    texts = [text for _, text in parts]
    if how == "nonsense":
        return "I would rather not say."
    wanted = re.search(r"\[(.*?)\]", texts[0], re.DOTALL)
    right = "" if wanted is None else wanted[1]
    if len(texts) == 2:
        verdict = "yes" if texts[1] == right else "no"
        return json.dumps({"reason": "because", "verdict": verdict})
    a, b = texts[1:]
    choice = int(hashlib.sha256(prompt.encode()).hexdigest(), 16) % 3
    verdict = {
        "first": "A",
        "longest": "tie" if len(a) == len(b) else "A" if len(a) > len(b) else "B",
        "random": ("A", "B", "tie")[choice],
        "perfect": "tie" if a == b else "A" if a == right else "B" if b == right else "tie",
    }[how]
    return json.dumps({"reason": "because", "verdict": verdict})


class Clouds(Cast):
    """The provider `clouds`."""

    name = "clouds"
    zone = Zone.CLOUD

    def destination(self, model: ResolvedModel) -> str | None:
        """A host that is nowhere."""
        return "clouds.example.org"


def create(config: Config, paths: Paths) -> Cast:
    """What the entry point `cast` names."""
    return Cast()


def create_clouds(config: Config, paths: Paths) -> Clouds:
    """What the entry point `clouds` names. Raises PolicyRefused unless it was allowed."""
    if "clouds" not in config["cloud.allow"]:
        raise PolicyRefused("clouds may not be asked", command="localai config set cloud.allow x")
    return Clouds()
