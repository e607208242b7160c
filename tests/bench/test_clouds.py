"""A benchmark of a model that has to be paid for."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import RunLocalai


def test_no_more_is_asked_of_a_cloud_than_was_said_before(
    run_localai: RunLocalai, cast_environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "asked"
    environment = {**cast_environment, "CAST_LOG": str(log)}
    arguments = ("clouds/good", "-p", "64", "-n", "24", "--allow-cloud")
    said = run_localai("bench", *arguments, env=environment).stderr.decode()
    assert "the prompt goes to clouds.example.org (cloud), for clouds/good" in said
    # Six that count, each twice at most; one to warm up, and four to learn a prompt's length.
    assert "17 requests at most, which cost an unknown amount" in said
    assert 6 <= len(log.read_text().splitlines()) <= 17
