"""Which settings are worth changing."""

from __future__ import annotations

from typing import Any

import pytest

from localai.bench.tuning import suggestions, trials
from localai.errors import InvalidInput
from localai.output.documents.bench import (
    BenchTune,
)
from localai.paths import Paths
from tests.bench.test_comparison import BASE, cell
from tests.support.command import RunLocalai
from tests.support.promise import checked

CURRENT: dict[str, Any] = {
    "engine.threads": None,
    "engine.micro_batch": 512,
    "engine.flash_attention": "auto",
    "engine.kv_type": "f16",
    "engine.draft": "lookup",
    "engine.gpu_layers": None,
}


def test_one_setting_is_tried_after_the_other_and_none_that_the_engine_lacks() -> None:
    found = trials(CURRENT, 4, has_gpu=False)
    assert found[0] == {"engine.threads": None}
    assert {"engine.threads": 2} in found
    assert {"engine.kv_type": "q8_0"} in found
    assert {"engine.draft": "off"} in found
    assert all(len(each) == 1 for each in found)
    assert not any("engine.gpu_layers" in each for each in found)
    assert {"engine.gpu_layers": 0} in trials(CURRENT, 4, has_gpu=True)
    assert len(trials(CURRENT, 4, has_gpu=False, only=["engine.kv_type"])) == 2
    with pytest.raises(InvalidInput, match="not among the settings"):
        trials(CURRENT, 4, has_gpu=False, only=["model"])
    without = trials({**CURRENT, "engine.flash_attention": "off"}, 4, has_gpu=False)
    assert {"engine.kv_type": "q8_0"} not in without
    small = trials({**CURRENT, "engine.kv_type": "q8_0"}, 4, has_gpu=False)
    assert {"engine.flash_attention": "off"} not in small


def test_what_is_clearly_faster_is_suggested_the_best_first() -> None:
    rows = [
        cell(BASE),
        cell([1.02 * rate for rate in BASE], settings={"draft": "off"}),
        cell([1.10 * rate for rate in BASE], settings={"threads": 2}),
        cell([1.30 * rate for rate in BASE], settings={"kv_type": "q8_0"}),
        cell([0.70 * rate for rate in BASE], settings={"flash_attention": "off"}),
    ]
    tried: list[dict[str, Any]] = [
        {"engine.threads": None},
        {"engine.draft": "off"},
        {"engine.threads": 2},
        {"engine.kv_type": "q8_0"},
        {"engine.flash_attention": "off"},
    ]
    found = list(suggestions(rows, tried))
    assert [(each.setting, each.value) for each in found] == [
        ("engine.kv_type", "q8_0"),
        ("engine.threads", 2),
    ]
    assert found[0].changes["decode_tokens_per_s"].value == pytest.approx(0.3, abs=0.001)
    assert not found[0].loses


def test_the_command_tries_them_on_the_engine(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    short = ("-p", "16", "-n", "9", "--only", "engine.kv_type")
    result = run_localai("bench", "tune", *short, "--json", timeout_s=300)
    assert result.returncode == 0, result.stderr
    document = checked(BenchTune, result.stdout)
    assert [row["test"]["settings"]["kv_type"] for row in document["results"]] == ["f16", "q8_0"]
    assert all(row["verdict"] != "invalid" for row in document["results"])
