"""Get what the tests run against, and say where it is.

    python -m tests.servers environment      the dev environment: prints its interpreter
    python -m tests.servers get [NAME...]    real servers and weights, all unless named:
                                             prints a shell assignment for each

Everything is cached, so the second time costs nothing. What cannot be had is reported on stderr
and left out: the tests that need it say so.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.servers import environments
from tests.servers.commands import CommandFailed
from tests.servers.resources import RESOURCES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("environment")
    get = commands.add_parser("get")
    get.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RESOURCES))
    arguments = parser.parse_args()
    if arguments.command == "environment":
        _make_environment()
        return
    # Two at a time: the compiler of the slowest one uses the cores, the others mostly wait.
    with ThreadPoolExecutor(2) as pool:
        for assignment in pool.map(_get, arguments.names or list(RESOURCES)):
            if assignment is not None:
                print(assignment)


def _make_environment() -> None:
    try:
        print(environments.make_development())
    except CommandFailed as error:
        raise SystemExit(f"tests: no dev environment: {error}") from error


def _get(name: str) -> str | None:
    """Get one resource; return the assignment of its variable, None if it cannot be had."""
    resource = RESOURCES[name]
    started = time.monotonic()
    try:
        path = resource.make()
    except (OSError, ValueError, CommandFailed) as error:
        print(f"tests: {name} cannot be had: {error}", file=sys.stderr)
        return None
    print(f"tests: {name} after {time.monotonic() - started:.0f} s: {path}", file=sys.stderr)
    return f"{resource.variable}={shlex.quote(str(path))}"


if __name__ == "__main__":
    main()
