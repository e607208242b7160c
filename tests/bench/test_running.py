"""`localai bench` against a server whose every answer has a known schedule."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.support.clock import becomes
from tests.support.command import COMMAND, RunLocalai
from tests.support.paced_server import PacedServer

SHORT = ("--quick", "-p", "64", "-n", "24")


def bench(run_localai: RunLocalai, *arguments: str, code: int = 0) -> Any:
    """The document of `localai bench farm/paced`."""
    result = run_localai("bench", *arguments, "--json")
    assert result.returncode == code, result.stderr
    return json.loads(result.stdout)


def test_no_prompt_begins_like_another_and_none_may_come_from_a_cache(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    bench(run_localai, "farm/paced", *SHORT)
    measured = [body for body in paced.asked if body["max_tokens"] == 24]
    assert len(measured) >= 6 + 3, "three to be steady, six to be sure"
    beginnings = [body["messages"][0]["content"].split()[:8] for body in measured]
    assert len({tuple(words) for words in beginnings}) == len(measured)
    for body in measured:
        assert body["cache_prompt"] is False
        assert body["ignore_eos"] is True
        assert body["temperature"] == 0
    counts = {sent.prompt_tokens for sent in paced.sent[-6:]}
    assert counts == {64}, "the prompt is as long as was asked"


def test_a_prompt_is_as_long_as_asked_or_the_shortest_is_said(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    result = run_localai("bench", "farm/paced", "--quick", "-p", "4,13", "-n", "24", "--json")
    assert result.returncode == 8
    short, least = json.loads(result.stdout)["results"]
    said = "a prompt of 4 tokens is too short: with the words that make it new"
    assert short["notes"][0].startswith(said)
    assert short["notes"][0].endswith("it has 12 tokens at least")
    assert least["verdict"] != "invalid"
    assert {sent.prompt_tokens for sent in paced.sent[-6:]} == {13}


def test_a_cached_prompt_is_no_measurement(paced: PacedServer, run_localai: RunLocalai) -> None:
    paced.set(claims_cached=40)
    (row,) = bench(run_localai, "farm/paced", *SHORT)["results"]
    assert row["verdict"] == "invalid"
    assert "40 tokens of the prompt came from a cache" in row["notes"]


def test_short_answers_are_told_and_never_asked_again(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    paced.set(ends_early_at=12)
    (row,) = bench(run_localai, "farm/paced", *SHORT)["results"]
    (note,) = [note for note in row["notes"] if "ended by themselves" in note]
    assert note.endswith("the shortest at 12 tokens")
    samples = row["time_to_first_token_s"]["samples"]
    assert note.startswith(f"{len(samples)} of {len(samples)} answers")


def test_two_models_are_asked_in_turn_forwards_and_backwards(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    document = bench(run_localai, "farm/paced", "farm/other", *SHORT)
    assert [row["model"] for row in document["results"]] == ["farm/paced", "farm/other"]
    asked = [body["model"] for body in paced.asked if body["max_tokens"] == 24]
    # The warm-ups of one model, then of the other. At the end one may be finished sooner.
    beginning = asked.index("paced", asked.index("other"))
    measured = asked[beginning : beginning + 2 * 6]
    pairs = {tuple(measured[each : each + 2]) for each in range(0, 2 * 6, 2)}
    assert pairs == {("paced", "other"), ("other", "paced")}


def test_a_depth_is_cached_and_only_the_prompt_after_it_computed(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    paced.set(caches=True, prefill_s_per_token=0.0002)
    rows = bench(run_localai, "farm/paced", *SHORT, "-d", "0,200")["results"]
    assert [row["test"]["depth_tokens"] for row in rows] == [0, 200]
    assert rows[0]["cached_tokens"] == 0
    assert 190 <= rows[1]["cached_tokens"] <= 200
    deep = [sent for sent in paced.sent if sent.cached_tokens > 150 and len(sent.pieces) == 24]
    computed = {sent.prompt_tokens - sent.cached_tokens for sent in deep}
    assert all(60 <= each <= 76 for each in computed)
    # Never (p + d)/t: so many tokens were computed in that time.
    few = rows[1]["time_to_first_token_s"]["value"] * rows[1]["prefill_tokens_per_s"]["value"]
    assert 60 <= few <= 76


def test_what_is_measured_is_kept_listed_shown_and_removed(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    text = run_localai("bench", "farm/paced", *SHORT)
    assert text.returncode == 0
    assert b"pp64 tg24" in text.stdout
    (run,) = json.loads(run_localai("bench", "list", "--json").stdout)["runs"]
    assert f"localai bench show {run['run']}".encode() in text.stderr
    assert run_localai("bench", "show", run["run"][:4]).stdout == text.stdout
    assert json.loads(run_localai("bench", "show", "last", "--json").stdout)["run"] == run["run"]
    assert run_localai("bench", "rm", run["run"]).returncode == 0
    assert run_localai("bench", "show", run["run"]).returncode == 3
    assert json.loads(run_localai("bench", "list", "--json").stdout)["runs"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_broken_off_keeps_what_it_measured_and_goes_on(
    paced: PacedServer,
    run_localai: RunLocalai,
    command_environment: dict[str, str],
    number: signal.Signals,
) -> None:
    paced.set(gap_s=0.02)
    process = subprocess.Popen(
        [*COMMAND, "bench", "farm/paced", *SHORT],
        env=command_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def asked() -> int:
        return sum(body["max_tokens"] == 24 for body in paced.asked)

    def measured() -> int:
        shown = run_localai("bench", "show", "last", "--json")
        rate = json.loads(shown.stdout)["results"][0]["decode_tokens_per_s"]
        return 0 if rate is None else len(rate["samples"])

    assert becomes(lambda: asked() > 5, 30)
    # From here on no answer begins, or the run could end before the signal comes.
    paced.set(first_s=600)
    assert becomes(lambda: measured() > 0, 30)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    paced.set(first_s=0, gap_s=0.002)
    before = measured()
    assert before > 0
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert b"pp64 tg24" in stdout, "the table of what there is"
        assert b"localai bench --resume" in stderr
    document = bench(run_localai, "--resume")
    assert document["complete"]
    assert len(document["results"][0]["decode_tokens_per_s"]["samples"]) >= max(6, before)
    assert len(json.loads(run_localai("bench", "list", "--json").stdout)["runs"]) == 1
    assert run_localai("bench", "--resume").returncode == 3, "nothing is left to go on with"


def test_a_model_that_is_not_there_is_an_error_before_anything_is_measured(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    document = bench(run_localai, "farm/paced", "farm/none", *SHORT, code=3)
    assert document["error"]["message"] == "the endpoint farm has no model 'none'"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-p", "many"), "-p takes numbers of tokens"),
        (("-p", "0", "-n", "0"), "a test needs prompt tokens"),
        (("--quant", "q9"), "there is no quantization 'q9'"),
        (("--quant", "q4_K_M,quick"), "there is no quantization 'quick'"),
        (("rm",), "which?"),
        (("show", "nothing"), "there is no benchmark"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run_localai: RunLocalai, paced: PacedServer, arguments: tuple[str, ...], said: str
) -> None:
    result = run_localai("bench", *arguments)
    assert result.returncode in (2, 3)
    assert said in result.stderr.decode()


def test_the_help_has_the_options_and_the_subcommands(run_localai: RunLocalai) -> None:
    text = run_localai("bench", "--help").stdout.decode()
    assert "Usage: localai bench [OPTIONS] [MODEL]…" in text
    for each in ("--quick", "--engine", "--resume", "list", "show", "rm"):
        assert each in text


def test_the_gate_ends_with_8_when_it_became_slower(
    paced: PacedServer, run_localai: RunLocalai, command_environment: dict[str, str]
) -> None:
    def gate(gap_s: float, *arguments: str) -> tuple[int, Any]:
        result = subprocess.run(
            [
                *(sys.executable, "-m", "tests.bench.quiet_localai", str(gap_s)),
                *("bench", "farm/paced", *SHORT, *arguments, "--json"),
            ],
            env=command_environment,
            capture_output=True,
        )
        return result.returncode, json.loads(result.stdout)

    def decoding(document: Any) -> Any:
        [row] = document["results"]
        return next(each for each in row["comparison"] if each["metric"].startswith("decode"))

    code, document = gate(0.010, "--save", "main")
    assert (code, document["results"][0]["verdict"]) == (0, "quiet")
    [saved] = json.loads(run_localai("bench", "list", "--json").stdout)["runs"]
    assert saved["saved_as"] == "main"
    assert "\tmain\t" in run_localai("bench", "list").stdout.decode()

    code, document = gate(0.015, "--against", "main")
    assert (code, decoding(document)["state"]) == (8, "regressed")
    assert decoding(document)["change"]["value"] == pytest.approx(-1 / 3, abs=0.001)
    shown = run_localai("bench", "compare", "main", "last", "--json")
    assert decoding(json.loads(shown.stdout)) == decoding(document)

    code, document = gate(0.010, "--against", "main")
    assert (code, decoding(document)["state"]) == (0, "same")
    code, document = gate(0.005, "--against", "main")
    assert (code, decoding(document)["state"]) == (0, "improved")


def test_a_baseline_that_is_not_there_is_answered_with_the_line_that_makes_it(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    result = run_localai("bench", "farm/paced", *SHORT, "--against", "main")
    assert result.returncode == 3
    assert "run: localai bench farm/paced --save main" in result.stderr.decode()
    assert not paced.asked, "nothing was measured for nothing"


def test_what_cannot_be_a_baseline_is_not_saved_and_ends_with_8(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    paced.set(claims_cached=40)
    result = run_localai("bench", "farm/paced", *SHORT, "--save", "main")
    assert result.returncode == 8
    assert "nothing was saved as main: no row was quiet" in result.stderr.decode()
    again = run_localai("bench", "farm/paced", *SHORT, "--save", "main", "--json")
    assert again.returncode == 8
    assert "nothing was saved as main" in again.stderr.decode()
    kept = json.loads(run_localai("bench", "list", "--json").stdout)["runs"]
    assert [each["saved_as"] for each in kept] == [None, None], "both are kept, and no baseline"


def test_a_run_whose_repetitions_differ_is_no_baseline(
    paced: PacedServer, run_localai: RunLocalai, command_environment: dict[str, str]
) -> None:
    noisy = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.quiet_localai", "0.01,0.03"),
            *("bench", "farm/paced", *SHORT, "--save", "main", "--json"),
        ],
        env=command_environment,
        capture_output=True,
    )
    assert noisy.returncode == 8, noisy.stderr
    assert json.loads(noisy.stdout)["results"][0]["verdict"] == "noisy"
    [kept] = json.loads(run_localai("bench", "list", "--json").stdout)["runs"]
    assert kept["saved_as"] is None


def test_settings_are_of_the_embedded_engine_alone(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    result = run_localai("bench", "farm/paced", "--kv", "f16,q8_0")
    assert result.returncode == 2
    assert b"is not computed by the embedded engine" in result.stderr
    assert run_localai("bench", "farm/paced", "--kv", "q3_0").returncode == 2


def test_an_edit_of_code_has_the_code_in_its_prompt(
    paced: PacedServer, run_localai: RunLocalai
) -> None:
    paced.set(gap_s=0.0)
    (row,) = bench(run_localai, "farm/paced", "--quick", "--profile", "code-edit", "-n", "24")[
        "results"
    ]
    assert (row["test"]["profile"], row["test"]["prompt_tokens"]) == ("code-edit", 2048)
    text = paced.asked[-1]["messages"][-1]["content"]
    assert "def median_interval" in text
    assert text.endswith("with every `median` in it called `middle`.")
    assert paced.sent[-1].prompt_tokens == pytest.approx(2048, rel=0.02)
