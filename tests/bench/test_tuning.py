"""Which settings are worth changing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from localai.bench.cell import Cell
from localai.bench.tuning import (
    EngineCores,
    confirmations,
    gains,
    not_tried,
    suggestions,
    trials,
)
from localai.bench.verdict import moved_note
from localai.errors import InvalidInput
from localai.output.bench_tuning import changes_text, show_suggestions
from localai.output.documents.bench import (
    BenchTune,
)
from localai.output.output import Output
from localai.paths import Paths
from tests.bench.test_comparison import BASE, cell
from tests.support.command import RunLocalai
from tests.support.promise import checked

CURRENT: dict[str, Any] = {
    "engine.threads": None,
    "engine.prefill_threads": None,
    "engine.batch": 2048,
    "engine.micro_batch": 512,
    "engine.flash_attention": "auto",
    "engine.kv_type": "f16",
    "engine.draft": "lookup",
    "engine.gpu_layers": None,
}
FOUR = EngineCores(4, 4)


def tried(
    cores: EngineCores = FOUR,
    *,
    has_gpu: bool = False,
    prompt_tokens: int = 512,
    only: tuple[str, ...] = (),
    **changed: Any,
) -> list[dict[str, Any]]:
    current = CURRENT | {f"engine.{name}": value for name, value in changed.items()}
    return trials(current, cores, has_gpu=has_gpu, prompt_tokens=prompt_tokens, only=only)


def test_one_setting_is_tried_after_the_other() -> None:
    found = tried()
    assert found[0] == {"engine.threads": None}
    assert {"engine.kv_type": "q8_0"} in found
    assert {"engine.draft": "off"} in found
    assert {"engine.flash_attention": "off"} in found
    assert {"engine.micro_batch": 128} in found
    assert not any("engine.gpu_layers" in each for each in found)
    assert tried(only=("engine.kv_type",))[1:] == [{"engine.kv_type": "q8_0"}]
    with pytest.raises(InvalidInput, match="not among the settings"):
        tried(only=("model",))


def test_the_threads_of_prefill_are_held_while_those_of_decoding_are_tried() -> None:
    found = tried(only=("engine.threads", "engine.prefill_threads"))
    assert found[1:] == [
        {"engine.threads": 2, "engine.prefill_threads": 4},
        {"engine.threads": 3, "engine.prefill_threads": 4},
        {"engine.prefill_threads": 2},
        {"engine.prefill_threads": 3},
    ]


def test_a_process_with_fewer_cores_than_the_machine_tries_as_many_threads() -> None:
    found = tried(EngineCores(64, 2), only=("engine.threads",))
    assert [each["engine.threads"] for each in found[1:]] == [1], "two it takes by itself"


def test_what_changes_nothing_at_such_a_prompt_is_not_tried() -> None:
    def sizes(prompt_tokens: int) -> list[int]:
        found = tried(prompt_tokens=prompt_tokens, only=("engine.micro_batch",))
        return [each["engine.micro_batch"] for each in found[1:]]

    assert sizes(512) == [128, 256]
    assert sizes(128) == []
    assert sizes(2048) == [128, 256, 1024, 2048]


def test_of_an_unset_step_what_the_device_gets_is_not_tried_again() -> None:
    def sizes(*, has_gpu: bool) -> list[int]:
        only = ("engine.micro_batch",)
        found = tried(has_gpu=has_gpu, prompt_tokens=2048, only=only, batch=None, micro_batch=None)
        return [each["engine.micro_batch"] for each in found[1:]]

    assert sizes(has_gpu=False) == [128, 1024, 2048]
    assert sizes(has_gpu=True) == [128, 256, 1024, 2048]


def test_small_keys_are_not_tried_without_flash_attention() -> None:
    assert {"engine.kv_type": "q8_0"} not in tried(flash_attention="off")
    assert {"engine.flash_attention": "off"} not in tried(kv_type="q8_0")
    assert {"engine.kv_type": "f16"} in tried(kv_type="q8_0")


def test_layers_are_tried_where_there_is_a_gpu() -> None:
    def layers(current: int | None) -> list[int]:
        found = tried(has_gpu=True, only=("engine.gpu_layers",), gpu_layers=current)
        return [each["engine.gpu_layers"] for each in found[1:]]

    assert layers(None) == [0]
    assert layers(10) == [0, 999]
    assert layers(0) == [999]


ROWS: tuple[tuple[dict[str, Any], dict[str, Any], float], ...] = (
    ({"engine.threads": None}, {}, 1.0),
    ({"engine.draft": "off"}, {"draft": "off"}, 1.02),
    ({"engine.threads": 2}, {"threads": 2}, 1.10),
    ({"engine.threads": 3}, {"threads": 3}, 1.05),
    ({"engine.kv_type": "q8_0"}, {"kv_type": "q8_0"}, 1.30),
    ({"engine.flash_attention": "off"}, {"flash_attention": "off"}, 0.70),
)
GAINED: list[dict[str, Any]] = [{"engine.kv_type": "q8_0"}, {"engine.threads": 2}]


def scaled(factor: float, settings: dict[str, Any]) -> Cell:
    return cell([factor * rate for rate in BASE], settings=settings)


def test_the_best_of_each_setting_is_measured_again_alone_and_together() -> None:
    cells = [scaled(factor, settings) for _, settings, factor in ROWS]
    found = gains(cells, [trial for trial, _, _ in ROWS])
    assert [each.settings for each in found] == GAINED
    assert found[0].changes["decode_tokens_per_s"].value == pytest.approx(0.3, abs=0.001)
    wanted = confirmations({"engine.threads": None}, found)
    assert wanted.trials == [
        {"engine.threads": None},
        *GAINED,
        {"engine.threads": 2, "engine.kv_type": "q8_0"},
    ]


def confirmed(kv_type: float, threads: float, both: float = 1.4, **made: Any) -> Any:
    """The suggestions where the gains were these factors when they were measured again."""
    cells = [scaled(factor, settings) for _, settings, factor in ROWS]
    wanted = confirmations({"engine.threads": None}, gains(cells, [each[0] for each in ROWS]))
    factors = (1.0, kv_type, threads, both)
    again = [
        cell([factor * rate for rate in BASE], settings={"row": number}, **made)
        for number, factor in enumerate(factors)
    ]
    return suggestions(again, wanted)


def test_only_the_second_measurement_decides() -> None:
    found = confirmed(1.25, 1.12)
    assert [each.settings for each in found.suggestions] == GAINED
    assert found.suggestions[0].changes["decode_tokens_per_s"].value == pytest.approx(0.25)
    assert found.together.settings == GAINED[0] | GAINED[1]
    lucky = confirmed(1.25, 1.01)
    assert [each.settings for each in lucky.suggestions] == GAINED[:1]
    assert lucky.together is None
    assert lucky.undecided == ()


def test_a_noisy_machine_decides_nothing() -> None:
    found = confirmed(1.25, 1.12, notes=(moved_note(),))
    assert found.suggestions == ()
    assert [each.settings for each in found.undecided] == GAINED
    told = changes_text(found.undecided[0].changes)
    assert "decode +25%" in told, "a hint, and no verdict"


def test_the_command_tries_them_on_the_engine(
    home_with_short_model: Paths, run_localai: RunLocalai
) -> None:
    few = ("-p", "64", "-n", "9", "--only", "engine.kv_type")
    result = run_localai("bench", "tune", "short", *few, "--json", timeout_s=300)
    assert result.returncode == 0, result.stderr
    document = checked(BenchTune, result.stdout)
    assert [row["test"]["settings"]["kv_type"] for row in document["results"]] == ["f16", "q8_0"]
    assert all(row["verdict"] != "invalid" for row in document["results"])
    assert (document["confirming_run"] is None) == (document["confirming_results"] == [])


def test_nothing_to_try_is_said(home_with_starter: Paths, run_localai: RunLocalai) -> None:
    short = ("-p", "64", "--only", "engine.micro_batch")
    result = run_localai("bench", "tune", *short)
    assert result.returncode == 2
    assert b"nothing to try of engine.micro_batch" in result.stderr


def test_where_the_settings_in_force_are_refused_nothing_is_compared_with_them(
    home_with_short_model: Paths, run_localai: RunLocalai
) -> None:
    few = ("bench", "tune", "short", "-p", "64", "-n", "9", "--only", "engine.kv_type")
    mtp = {"LOCALAI_ENGINE_DRAFT": "mtp"}
    refused = run_localai(*few, env=mtp, timeout_s=300)
    assert refused.returncode == 8
    said = refused.stderr.decode()
    assert "error: what is in force could not be measured, and all is compared with that: " in said
    assert "no layers that predict several tokens, and engine.draft is mtp" in said
    assert "run: localai config unset engine.draft" in said
    assert b"is faster here" not in refused.stdout
    document = run_localai(*few, "--json", env=mtp, timeout_s=300)
    assert document.returncode == 8
    assert checked(BenchTune, document.stdout)["suggestions"] == []


def test_what_could_not_be_tried_is_named_with_its_reason(capsys: Any) -> None:
    manners: list[dict[str, Any]] = [{"engine.threads": None}, {"engine.draft": "mtp"}]
    base = cell(BASE)
    cells = [base, replace(base, samples=(), failed="it has no such layers")]
    failed = not_tried(cells, manners)
    assert failed == [({"engine.draft": "mtp"}, "it has no such layers")]
    show_suggestions(Output("bench"), [], suggestions(cells, confirmations(manners[0], [])), failed)
    assert capsys.readouterr().out == (
        "\nno other setting that was measured is faster here, beyond what the repetitions differ\n"
        "not tried: engine.draft mtp: it has no such layers\n"
    )
