"""What of a run may be given to others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from localai.bench.recording import Sample
from localai.bench.sharing import shareable
from localai.output.documents.bench import bench_document
from tests.bench.test_comparison import BASE, MACHINE, cell, run
from tests.support.command import RunLocalai


def test_nothing_says_whose_it_is() -> None:
    rows = (
        cell(BASE, model="/home/ada/models/secret.gguf", provider="llamacpp"),
        cell(BASE, model="lovelace-box/qwen", provider="lovelace-box", engine="lovelace-box"),
        replace(cell(BASE), failed="/home/ada is full"),
        replace(cell(BASE), samples=(Sample(0, failed="10.0.0.7 does not answer"),)),
    )
    mine = replace(
        run(*rows, machine=replace(MACHINE, kernel="6.1.0-ada-desktop")), saved_as="ada's"
    )
    text = json.dumps(bench_document(shareable(mine)))
    for secret in ("ada", "lovelace", "/home", "10.0.0.7"):
        assert secret not in text
    for said in ("secret.gguf", "a CPU", "6.1.0", "100.5", "it failed"):
        assert said in text


def test_it_is_shown_in_full_before_it_is_written(run_localai: RunLocalai, tmp_path: Path) -> None:
    records = tmp_path / "x.json"
    records.write_text(
        '[{"n_prompt": 64, "n_gen": 0, "model_filename": "m.gguf", "samples_ns": [1e9, 1e9]}]'
    )
    assert run_localai("bench", "import", records).returncode == 0
    file = tmp_path / "shared.json"
    result = run_localai("bench", "show", "last", "--share", file)
    assert result.returncode == 0, result.stderr
    assert result.stdout == file.read_bytes()
    assert json.loads(result.stdout)["results"][0]["model"] == "m.gguf"
    assert b"sent nowhere" in result.stderr
