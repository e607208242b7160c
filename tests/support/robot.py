"""A provider for tests: a third party's, fast, and it does what a prompt tells it to.

    say WORDS      answers WORDS
    wait S WORDS   answers WORDS after S seconds
    pause WORDS    answers WORDS and then nothing for a minute
    refuse         raises ProviderRefused
    break          raises Unreachable
    once WORDS     raises Unreachable the first time that it is asked, and answers WORDS then
    uncounted WORDS   answers WORDS and counts no tokens
    half WORDS     answers half a character and WORDS
    end REASON WORD   answers WORD and ends for REASON, which it calls WORD
    loop WORDS     answers WORDS over and over, and never ends
    crash          raises an error that nobody foresaw
    die            ends the thread that asks
    shout WORDS    says on stderr that it was asked, and answers WORDS

With ROBOT_LOG in the environment every question is a line in that file. With ROBOT_HOST it says
that it computes there, in the local network.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import get_args

from localai.config import Config
from localai.errors import ProviderRefused, Unreachable
from localai.events import Done, Events, FinishReason, Locality, TextDelta, Timings, Usage
from localai.paths import Paths
from localai.providers.provider import Provider
from localai.types import ChatRequest, ResolvedModel, Zone


class Robot(Provider):
    """The provider `robot`."""

    name = "robot"

    def __init__(self) -> None:
        self._broken: set[str] = set()

    def models(self) -> list[ResolvedModel]:
        """One."""
        return [self.resolve("r2")]

    def resolve(self, name: str) -> ResolvedModel:
        """Any name will do."""
        zone = Zone.LAN if "ROBOT_HOST" in os.environ else Zone.DEVICE
        return ResolvedModel("robot", name, zone, "a robot in this process")

    def destination(self, model: ResolvedModel) -> str | None:
        """Where it pretends to be."""
        return os.environ.get("ROBOT_HOST")

    def stream(self, request: ChatRequest) -> Events:
        """What the prompt tells."""
        prompt = request.messages[-1].text
        if log := os.environ.get("ROBOT_LOG"):
            with Path(log).open("a") as file:
                file.write(prompt + "\n")
        verb, _, words = prompt.partition(" ")
        if verb == "wait":
            seconds, _, words = words.partition(" ")
            time.sleep(float(seconds))
        if verb == "shout":
            print("the robot was asked", file=sys.stderr, flush=True)
        if verb == "pause":
            yield TextDelta(words)
            time.sleep(60)
        while verb == "loop":
            yield TextDelta(words + " ")
        if verb == "half":
            yield TextDelta("\ud83d ")
        if verb == "crash":
            raise ZeroDivisionError("nobody foresaw it")
        if verb == "die":
            raise SystemExit
        if verb == "refuse":
            raise ProviderRefused("the robot refused: it does not want to")
        if verb == "break" or (verb == "once" and prompt not in self._broken):
            self._broken.add(prompt)
            yield TextDelta("half of")
            raise Unreachable("the robot broke off")
        reason: FinishReason = "stop"
        if verb == "end":
            named, _, words = words.partition(" ")
            reason = next(each for each in get_args(FinishReason) if each == named)
        yield TextDelta(words)
        yield Done(
            reason,
            Usage() if verb == "uncounted" else Usage(len(prompt.split()), len(words.split())),
            Timings(clock="client"),
            Locality(Zone.DEVICE, "computed in this process"),
            server_reason=words if verb == "end" else None,
        )


def create(config: Config, paths: Paths) -> Robot:
    """What the entry point names."""
    return Robot()
