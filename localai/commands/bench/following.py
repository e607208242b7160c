"""A benchmark while it runs, on the live line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.errors import InvalidInput
from localai.output.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from localai.bench.start import Started


def follow(
    started: Started, output: Output, *, given_up: Callable[[], bool] = lambda: False
) -> bool:
    """Run the benchmark and show its progress, unless it is `given_up`. Return whether Ctrl-C ended
    it.

    A run that is refused before anything was measured is not kept. Raises what measuring raises.
    """
    from contextlib import closing

    from localai.output.bench import progress_text

    try:
        with closing(started.steps()) as steps:
            for progress in steps:
                output.progress(progress_text(progress))
                if given_up():
                    break
    except KeyboardInterrupt:
        return True
    except InvalidInput:
        started.keeper.forget_if_empty()
        raise
    finally:
        output.end_progress()
    return False
