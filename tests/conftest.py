"""Fixtures for all tests: real servers, real weights, the real command in a home of its own."""

import gc
import os
import sys

from hypothesis import HealthCheck, settings

from tests.support.processes import WITHOUT_SPINNING

# Some thousand children import the package: it is compiled once, not by each of them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Of engines that a test starts without a command of its own in between.
os.environ.update(WITHOUT_SPINNING)

# A busy machine is slow, and no test of a property is about time.
settings.register_profile("localai", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("localai")

pytest_plugins = [
    "tests.support.skips",
    "tests.support.shares",
    "tests.support.order",
    "tests.support.weights",
    "tests.support.mlx_forks",
    "tests.support.ollama",
    "tests.support.own_server",
    "tests.support.registry",
    "tests.support.command",
    "tests.support.farm",
    "tests.support.starter",
    "tests.support.warm_home",
    "tests.support.plugged_in",
    "tests.support.suites",
    "tests.support.terminal",
]


def pytest_collection_finish() -> None:
    """What is there now stays to the end: no collection of garbage looks at it again."""
    gc.freeze()
