"""Fixtures for all tests: real servers, real weights, the real command in a home of its own."""

pytest_plugins = [
    "tests.support.skips",
    "tests.support.weights",
    "tests.support.ollama",
    "tests.support.own_server",
    "tests.support.registry",
    "tests.support.command",
    "tests.support.farm",
    "tests.support.starter",
    "tests.support.robot",
    "tests.support.terminal",
]
