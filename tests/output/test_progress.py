"""What a pull says in a log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.fetch.plan import Pulled, PullEvent
from localai.output.output import Output
from localai.output.progress import show_pull
from localai.progress import WorkNote, WorkProgress


def test_a_log_has_each_stage_once_whatever_the_number_of_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def of_two_files() -> Iterator[PullEvent]:
        yield WorkProgress("downloading", 0, 2_000_000)
        yield WorkProgress("verifying", 1_000_000, 2_000_000)
        yield WorkProgress("downloading", 1_000_000, 2_000_000)
        yield WorkNote("the server does not give parts of files: from the start again")
        yield WorkProgress("downloading", 1_500_000, 2_000_000)
        yield WorkProgress("verifying", 2_000_000, 2_000_000)
        yield Pulled(Path("a.gguf"), 2_000_000, "0" * 64, fetched=True)

    show_pull(of_two_files(), Output("pull"))
    assert capsys.readouterr().err.splitlines() == [
        "downloading  2.0 MB",
        "verifying  2.0 MB",
        "the server does not give parts of files: from the start again",
    ]
