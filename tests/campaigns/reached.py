"""Which steps from a line to the next a parser has taken: what the fuzzer follows."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pypdf

from tests.campaigns.place import REPOSITORY

_FOLLOWED = (str(REPOSITORY / "localai"), pypdf.__path__[0])
# Line by line a function takes ten times as long. One that has shown nothing new for so many calls
# is followed in one call of so many.
_QUIET_CALLS, _STILL_FOLLOWED = 200, 20


class Reached:
    """The steps so far, in localai's own code and in what reads PDFs."""

    def __init__(self, chance: random.Random) -> None:
        self.steps: set[tuple[int, int, int]] = set()
        self._chance = chance
        self._quiet: Counter[int] = Counter()
        self._is_followed: dict[str, bool] = {}

    def during(self, read: Callable[[], Any]) -> None:
        """Read, and add the steps that are taken meanwhile, also where it raises."""
        sys.settrace(self._call)
        try:
            read()
        finally:
            sys.settrace(None)

    def _call(self, frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        followed = self._is_followed.get(name)
        if followed is None:
            followed = self._is_followed[name] = name.startswith(_FOLLOWED)
        if not followed:
            return None
        code = id(frame.f_code)
        self._quiet[code] += 1
        if self._quiet[code] > _QUIET_CALLS and self._chance.randrange(_STILL_FOLLOWED):
            return None
        return self._follow(code)

    def _follow(self, code: int) -> Any:
        steps, quiet = self.steps, self._quiet
        before = 0

        def line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal before
            if event == "line":
                step = code, before, frame.f_lineno
                before = frame.f_lineno
                if step not in steps:
                    steps.add(step)
                    quiet[code] = 0
            return line

        return line
