"""`--judge`: a judge is recognised for what it is, and a person can be held against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from localai.compare.judge_prompts import family, verdict_of, without_names
from localai.compare.judging import kin_of, largest_outsider
from localai.errors import InvalidInput
from localai.output.documents.compare import Comparison, JudgeDocument
from tests.support.command import RunLocalai
from tests.support.suites import Suites
from tests.support.terminal import Terminal

TWO = ("-m", "cast/good", "-m", "cast/bad")


@pytest.fixture
def judged(
    run_localai: RunLocalai,
    tmp_path: Path,
    command_environment: dict[str, str],
    cast_environment: dict[str, str],
) -> Suites:
    """Forty cases without any expectation; the right answer is longer than the wrong one in half
    of them."""
    suites = Suites(run_localai, tmp_path, command_environment, cast_environment)
    suites.write(
        *(
            {"id": f"c{n}", "prompt": f"case {n}? [{'right' if n % 2 else 'x'} {n}]"}
            for n in range(40)
        )
    )
    return suites


def judge_of(document: Comparison) -> JudgeDocument:
    assert document["judge"] is not None
    return document["judge"]


def test_a_perfect_judge_is_usable_and_its_preference_is_said(judged: Suites) -> None:
    document = judged.document(*TWO, "--judge", "cast/judge-perfect", "-o", "run.jsonl")
    judge = judge_of(document)
    assert (judge["flip_rate"], judge["control_error_rate"], judge["usable"]) == (0, 0, True)
    assert judge["first_position_rate"] == 0.5
    shown = judged.compare("report", "run.jsonl").stdout.decode()
    assert "judge cast/judge-perfect, in both orders:" in shown
    assert "cast/good 40, cast/bad 0, 0 ties: cast/good is preferred" in shown
    judged.asked()
    judged.run(*TWO, "--judge", "cast/judge-perfect", "-o", "run.jsonl")
    assert judged.asked() == [], "no verdict is asked for twice"


def test_a_judge_that_never_answers_is_given_up(judged: Suites) -> None:
    given_up = judged.run("-m", "cast/good", "-m", "cast/70", "--judge", "cast/refuses")
    assert given_up.returncode == 6
    assert b"cast/refuses does not judge: the cast refused" in given_up.stderr
    assert sum(line.startswith("refuses") for line in judged.asked()) == 5


def test_a_judge_that_prefers_what_comes_first_is_not_usable(judged: Suites) -> None:
    result = judged.run(*TWO, "--judge", "cast/judge-first", "-o", "run.jsonl")
    assert result.returncode == 0
    shown = result.stdout.decode()
    assert "judge cast/judge-first is not usable: the order of the answers decided in 100%" in shown
    assert "the first was preferred in 100% (95–100%), more than chance" in shown
    assert "cast/good 0, cast/bad 0, 40 ties" in shown


def test_a_judge_that_throws_dice_is_not_usable(judged: Suites) -> None:
    judge = judge_of(judged.document(*TWO, "--judge", "cast/judge-random"))
    assert judge["flip_rate"] is not None
    assert judge["flip_rate"] > 0.5
    assert not judge["usable"]


def test_a_judge_that_prefers_what_is_longer_is_said_to(judged: Suites) -> None:
    shown = judged.run(*TWO, "--judge", "cast/judge-longest").stdout.decode()
    assert "the longer in 100%" not in shown, "both answers have two words"
    judged.write(
        *({"id": f"c{n}", "prompt": f"{n}? [a rather long answer {n}]"} for n in range(20))
    )
    shown = judged.run(*TWO, "--judge", "cast/judge-longest").stdout.decode()
    assert "the longer in 100% (84–100%), more than chance" in shown
    assert "(words: cast/good 5, cast/bad 2)" in shown


def test_a_tie_is_no_preference_for_the_longer_answer(judged: Suites) -> None:
    judged.write(
        *({"id": f"c{n}", "prompt": f"{n}? [a rather long answer {n}]"} for n in range(20))
    )
    shown = judged.run(*TWO, "--judge", "cast/judge-first").stdout.decode()
    assert "cast/good 0, cast/bad 0, 20 ties" in shown
    assert "the longer in" not in shown


def test_a_judge_that_gives_no_verdict_is_not_usable(judged: Suites) -> None:
    document = judged.document(*TWO, "--judge", "cast/judge-nonsense")
    judge = judge_of(document)
    assert (judge["flip_rate"], judge["usable"]) == (None, False)


def test_three_models_get_a_strength_each(judged: Suites) -> None:
    result = judged.run(*TWO, "-m", "cast/50", "--judge", "cast/judge-perfect")
    lines = [line for line in result.stdout.decode().splitlines() if "strength of" in line]
    assert [line.split()[2] for line in lines] == ["cast/good:", "cast/50:", "cast/bad:"]


def test_a_question_for_the_judge_counts_as_an_expectation(judged: Suites) -> None:
    judged.write({"id": "a", "prompt": "1 + 1? [2]", "expect": {"judge": "Is it right?"}})
    open_ = judged.document(*TWO)
    assert [case["outcome"] for case in open_["cases"]] == ["answered", "answered"]
    asked = judged.document(*TWO, "--judge", "cast/judge-perfect", code=8)
    assert [case["outcome"] for case in asked["cases"]] == ["passed", "failed"]
    [check] = asked["cases"][1]["checks"]
    assert (check["kind"], check["got"]) == ("judge", "because")


def test_the_first_pair_is_a_control_whatever_else_is_asked_of_it(judged: Suites) -> None:
    judged.write({"id": "a", "prompt": "1 + 1? [2]", "expect": {"judge": "Is it right?"}})
    document = judged.document(*TWO, "--judge", "cast/judge-perfect", code=8)
    assert judge_of(document)["control_error_rate"] == 0
    assert document["destinations"][-1] == {
        "model": "cast/judge-perfect",
        "zone": "device",
        "host": None,
        "prompts": 5,
    }


def test_what_a_judge_says_that_is_not_usable_counts_neither_way(judged: Suites) -> None:
    judged.write(
        *(
            {"id": f"c{n}", "prompt": f"{n}? [{n} a]", "expect": {"judge": "Is it right?"}}
            for n in range(8)
        )
    )
    document = judged.document(*TWO, "--judge", "cast/judge-first")
    assert {case["outcome"] for case in document["cases"]} == {"answered"}
    assert document["models"][0]["pass_rate"] is None


def test_a_cloud_judge_is_a_recipient_of_its_own_and_gets_nothing_local(judged: Suites) -> None:
    judged.write(
        {"id": "open", "prompt": "x [1]"},
        {"id": "secret", "prompt": "y [1]", "local_only": True},
    )
    refused = judged.run(*TWO, "--judge", "clouds/judge-perfect")
    assert refused.returncode == 4
    assert judged.asked() == [], "nobody was asked before"
    result = judged.run(*TWO, "--judge", "clouds/judge-perfect", "--allow-cloud")
    assert b"3 prompts with answers go to clouds.example.org, for clouds/judge-perfect" in (
        result.stderr
    )
    assert len([line for line in judged.asked() if line.startswith("judge-")]) == 3
    row = b"clouds/judge-perfect, as the judge\tcloud\tclouds.example.org\t3"
    assert row in result.stdout, "where the answers went is in the table, too"


def test_a_judge_of_a_contestant_s_family_is_said_to_be(judged: Suites) -> None:
    judged.write({"id": "a", "prompt": "x [1]"})
    result = judged.run(
        "-m", "cast/judge-first", "-m", "cast/good", "--judge", "cast/judge-perfect"
    )
    assert b"cast/judge-perfect is of the family of cast/judge-first" in result.stderr


@pytest.mark.parametrize(
    ("sizes", "judge"),
    [
        (
            {"ollama/qwen3:8b": 5, "ollama/gemma3:27b": 17, "ollama/llama3:8b": 5},
            "ollama/gemma3:27b",
        ),
        ({"ollama/qwen3:8b": 5, "ollama/qwen3:32b": 20, "ollama/llama3:8b": 5}, "ollama/llama3:8b"),
        ({"ollama/qwen3:8b": 5, "ollama/qwen3:32b": 20}, "ollama/qwen3:32b"),
    ],
)
def test_the_judge_of_auto_is_the_largest_that_is_no_kin(
    sizes: Mapping[str, int], judge: str
) -> None:
    found, kin = largest_outsider(sizes, ["ollama/qwen3:8b"])
    assert (found, kin) == (judge, judge == "ollama/qwen3:32b")


def test_where_there_is_nobody_else_auto_says_so() -> None:
    with pytest.raises(InvalidInput, match="no other model"):
        largest_outsider({"a/x": 1}, ["a/x"])


def test_families_are_told_by_name() -> None:
    assert family("ollama/qwen3:8b") == family("/m/Qwen2.5-7B-Instruct.gguf") == "qwen"
    assert family("openai/gpt-5.5") != family("anthropic/claude-4")


def test_a_verdict_is_read_and_what_is_none_is_not() -> None:
    assert verdict_of('{"reason": "r", "verdict": "B"}', ("A", "B")) == ("B", "r")
    said = 'First {"verdict": "A"}, no: {"reason": "x", "verdict": "B"}'
    assert verdict_of(said, ("A", "B"))[0] == "B", "the last one counts"
    assert verdict_of('{"reason": "r", "verdict": "C"}', ("A", "B"))[0] is None
    assert verdict_of("A", ("A", "B"))[0] is None


def test_the_names_of_the_models_are_taken_out_of_the_answers() -> None:
    text = "I am Qwen3:8b, and qwen3 is my name; qwen30 is another."
    assert without_names(text, ["ollama/qwen3:8b", "x/y"]) == (
        "I am [model], and [model] is my name; qwen30 is another."
    )


def _questions_are(terminal: Terminal, number: int) -> bool:
    return terminal.screen.count("which is better?") == number


def test_a_person_votes_blind_and_is_held_against_the_judge(
    judged: Suites, pty: Callable[..., Terminal], cast_environment: Mapping[str, str]
) -> None:
    judged.run(*TWO, "--judge", "cast/judge-perfect", "-o", "run.jsonl")
    terminal = pty(
        "compare", "vote", "run.jsonl", "-n", "2", cwd=judged.folder, env=cast_environment, rows=40
    )
    for number in (1, 2):
        terminal.wait_for(f"{number} of 2")
        terminal.wait_until(partial(_questions_are, terminal, number), "no question", 20)
        assert "cast/" not in terminal.screen
        shown = terminal.screen[terminal.screen.index(f"{number} of 2") :]
        good_is_a = shown.index("no idea") > shown.index("── B ──")
        terminal.send("1" if good_is_a else "2")
    assert terminal.wait_exit() == 0
    assert "cast/good: 2 of 2 votes" in terminal.scrollback
    votes = [json.loads(line) for line in judged.read("run.jsonl").splitlines()]
    assert [v["winner"] for v in votes if v["record"] == "vote"] == ["cast/good", "cast/good"]


def test_the_starter_is_kin_of_the_models_that_are_built_as_it_is() -> None:
    assert kin_of("llamacpp/starter", ["ollama/smollm2:1.7b", "qwen3:8b"]) == [
        "ollama/smollm2:1.7b"
    ]
    sizes: dict[str, int | None] = {"llamacpp/starter": 90, "ollama/tiny": 5}
    assert largest_outsider(sizes, ["ollama/smollm2:135m"]) == ("ollama/tiny", False)
