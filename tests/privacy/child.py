"""Test bodies that run in a fresh interpreter, because a guard or a sandbox can't be taken off.

`python -m tests.privacy.child MODULE FUNCTION` with the arguments as JSON on stdin runs the body.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]


def child_python(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child that imports this package, without the runner's proxies."""
    own = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**own, "PYTHONPATH": str(REPOSITORY), **(environ or {})}


def in_child(
    prepare: Callable[[], None] | None = None, environ: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run the decorated test's body, after `prepare`, in a new interpreter; returns its result.

    Arguments and result travel as JSON.
    """

    def decorate(body: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(body)
        def run(**arguments: Any) -> Any:
            finished = subprocess.run(
                [sys.executable, "-m", "tests.privacy.child", body.__module__, body.__name__],
                input=json.dumps(arguments),
                env=child_python(environ),
                cwd="/",
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert finished.returncode == 0, f"{finished.stdout}\n{finished.stderr}"
            return json.loads(finished.stdout.splitlines()[-1])

        run.prepare = prepare  # type: ignore[attr-defined]
        return run

    return decorate


def _main(module: str, name: str) -> None:
    test: Any = getattr(importlib.import_module(module), name)
    arguments = json.load(sys.stdin)
    if test.prepare is not None:
        test.prepare()
    print(json.dumps(test.__wrapped__(**arguments)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
