"""The environment of a child process in which an engine runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from localai.privacy.environment import child_environment

# How often a thread of the engine checks for the other threads before it sleeps. With OpenMP's own
# 300,000, threads that spin on each other starve the thread they wait for: beside one busy process,
# two cores gave 1 token a second instead of 150. This gives 20 to 60 there, and costs 1 to 4% where
# nothing else computes (benchmarks/engine.py).
_SPINS: Final = 2000


def engine_environment() -> dict[str, str]:
    """The variables of this process that an engine may see, and where it finds this package."""
    environment = child_environment("engine")
    # The package must be found even when localai runs from a source tree.
    root = str(Path(__file__).parents[2])
    inherited = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, inherited)))
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", str(_SPINS))
    return environment
