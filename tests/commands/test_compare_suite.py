"""`localai compare --suite`, its record and its reports, driven as its user drives them."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from localai.compare.recorded import Head, ModelFacts, RecordedAnswer, RecordedCase, to_json
from localai.output.documents.compare import Comparison
from tests.campaigns.parsers_of_texts import RUN
from tests.support.clock import becomes, within
from tests.support.command import RunLocalai
from tests.support.promise import checked
from tests.support.suites import TWO, Suites


def test_each_model_is_asked_each_case_and_judged_by_what_is_expected(suites: Suites) -> None:
    suites.numbers(3)
    document = suites.document(*TWO, code=8)
    assert len(suites.asked()) == 6
    good, bad = document["models"]
    assert (good["passed"], good["failed"]) == (3, 0)
    assert (bad["passed"], bad["failed"]) == (0, 3)
    assert good["pass_rate"] is not None
    assert good["pass_rate"]["low"] == pytest.approx(0.4385, abs=0.001)
    [pair] = document["pairs"]
    assert (pair["only_a"], pair["only_b"]) == (3, 0)
    assert "no number this small can decide" in pair["verdict"]
    [check] = document["cases"][2]["checks"]
    assert (check["kind"], check["expected"]) == ("number", "the number 2 at the end")
    assert check["got"] == "2"


def test_a_difference_that_is_no_accident_is_said(suites: Suites) -> None:
    suites.numbers(12)
    result = suites.run(*TWO)
    assert result.returncode == 8
    assert b"cast/good is better: 12 to 0 of 12 cases, p < 0.001" in result.stdout


def test_a_suite_that_passes_exits_with_0_and_a_gate_decides_where_there_is_one(
    suites: Suites,
) -> None:
    suites.numbers(4)
    assert suites.run("-m", "cast/good", "-m", "cast/100").returncode == 0
    suites.numbers(4, head='[gate]\npass_rate = 0.9\nmodels = ["cast/good"]\n')
    assert suites.document(*TWO)["gate"] == {
        "passed": True,
        "reason": "all that had to hold does",
    }
    suites.numbers(4, head="[gate]\npass_rate = 0.9\n")
    document = suites.document(*TWO, code=8)
    assert document["gate"] is not None
    assert document["gate"]["reason"].startswith("cast/bad: 0%")
    suites.numbers(4, head='[gate]\npass_rate = 0.9\nmodels = ["cast/good", "cast/100"]\n')
    document = suites.document(*TWO, code=8)
    assert document["gate"] == {"passed": False, "reason": "cast/100 was not compared"}


def test_what_was_answered_is_never_asked_again(suites: Suites) -> None:
    suites.numbers(3)
    first = suites.run(*TWO, "-o", "run.jsonl")
    assert len(suites.asked()) == 6
    again = suites.run(*TWO, "-o", "run.jsonl")
    assert suites.asked() == []
    assert again.stdout == first.stdout
    suites.run(*TWO, "-m", "cast/100", "-o", "run.jsonl")
    assert {line.split("\t")[0] for line in suites.asked()} == {"100"}, "only the new model"
    suites.run(*TWO, "-n", "2", "-o", "run.jsonl")
    assert len(suites.asked()) == 6, "only the second time"
    assert (suites.folder / "run.jsonl").stat().st_mode & 0o077 == 0


def test_a_kill_loses_what_was_under_way_and_nothing_is_asked_twice(suites: Suites) -> None:
    suites.numbers(12)
    command = ("-m", "cast/slow", "-m", "cast/good", "-o", "run.jsonl")
    killed = suites.start(*command)
    record = suites.folder / "run.jsonl"

    def answers() -> int:
        return record.read_bytes().count(b'"record": "answer"') if record.exists() else 0

    becomes(lambda: answers() >= 4, 30)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    with record.open("ab") as file:
        file.write(b'{"schema": "localai.compare.run/1", "record": "ans')
    kept = answers()
    before = suites.asked()
    assert suites.run(*command).returncode == 8
    after = suites.asked()
    assert kept <= len(before) <= kept + 1, "one was under way"
    assert len(after) == 24 - kept
    assert len({*before[:kept], *after}) == 24


def test_ctrl_c_keeps_the_records(suites: Suites) -> None:
    suites.numbers(30)
    running = suites.start("-m", "cast/slow", "-m", "cast/good", "-o", "run.jsonl")
    record = suites.folder / "run.jsonl"
    becomes(lambda: record.exists() and b'"record": "answer"' in record.read_bytes(), 30)
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    lines = record.read_bytes().splitlines()
    assert all(json.loads(line)["schema"] == "localai.compare.run/1" for line in lines)


def test_two_runs_do_not_write_the_same_file(suites: Suites) -> None:
    suites.numbers(30)
    running = suites.start("-m", "cast/slow", "-m", "cast/good", "-o", "run.jsonl")
    becomes((suites.folder / "run.jsonl").exists, 30)
    becomes((suites.folder / "log").exists, 30)
    second = suites.run(*TWO, "-o", "run.jsonl")
    running.kill()
    running.wait()
    assert second.returncode == 2
    assert b"another command is writing" in second.stderr


def test_an_answer_to_another_question_is_not_taken(suites: Suites) -> None:
    suites.write({"id": "a", "prompt": "one? [1]"})
    suites.run(*TWO, "-o", "run.jsonl")
    suites.write({"id": "a", "prompt": "two? [2]"})
    changed = suites.run(*TWO, "-o", "run.jsonl")
    assert changed.returncode == 2
    assert b"to another question" in changed.stderr
    suites.write({"id": "a", "prompt": "one? [1]"})
    assert suites.run(*TWO, "-s", "Be brief", "-o", "run.jsonl").returncode == 2


def test_other_expectations_are_judged_without_asking(suites: Suites) -> None:
    suites.write({"id": "a", "prompt": "one? [1]", "expect": "1"})
    assert suites.run("-m", "cast/good", "-m", "cast/100", "-o", "r.jsonl").returncode == 0
    suites.asked()
    suites.write({"id": "a", "prompt": "one? [1]", "expect": "2"})
    assert suites.run("-m", "cast/good", "-m", "cast/100", "-o", "r.jsonl").returncode == 8
    assert suites.asked() == []


def test_a_cut_answer_is_not_called_wrong(suites: Suites) -> None:
    suites.write(
        {"id": "there", "prompt": "x [Paris]", "expect": "Paris"},
        {"id": "not there", "prompt": "x [Pa]", "expect": "Paris"},
        {"id": "bounded", "prompt": "x [Pa]", "expect": {"max_words": 5}},
    )
    document = suites.document("-m", "cast/cut", "-m", "cast/thinker", "--junit", "r.xml")
    outcomes = [case["outcome"] for case in document["cases"] if case["model"] == "cast/cut"]
    assert outcomes == ["passed", "censored", "censored"]
    assert document["models"][0]["censored"] == 2
    thinker = document["models"][1]
    assert (thinker["failed"], thinker["censored"], thinker["pass_rate"]) == (0, 3, None)
    cut, _ = ElementTree.fromstring(suites.read("r.xml"))
    assert (cut.get("failures"), cut.get("skipped")) == ("0", "2")
    skipped = [[each.get("message") for each in case.iter("skipped")] for case in cut]
    assert skipped == [[], ["cut at its limit"], ["cut at its limit"]]


def test_a_case_that_is_too_long_for_one_model_is_out_for_all(suites: Suites) -> None:
    suites.write(
        {"id": "short", "prompt": "x [1]", "expect": "1"},
        {"id": "long", "prompt": "x" * 80 + " [1]", "expect": "1"},
    )
    result = suites.run("-m", "cast/small", "-m", "cast/good")
    assert result.returncode == 0
    assert b"1 left out for all, because one model's context was too small: long" in result.stdout
    document = suites.document("-m", "cast/small", "-m", "cast/good")
    assert [case["outcome"] for case in document["cases"]].count("left_out") == 2


def test_a_local_case_never_leaves_and_the_report_says_where_the_others_went(
    suites: Suites,
) -> None:
    suites.write(
        {"id": "open", "prompt": "weather? [sun]"},
        {"id": "secret", "prompt": "my diary [x]", "local_only": True},
    )
    result = suites.run("-m", "cast/good", "-m", "clouds/good", "--allow-cloud")
    assert result.returncode == 0
    assert b"the prompt goes to clouds.example.org (cloud), for clouds/good" in result.stderr
    assert b"1 local_only not sent to clouds/good: secret" in result.stdout
    assert b"clouds/good\tcloud\tclouds.example.org\t1" in result.stdout
    assert b"cast/good\tdevice\tthis machine\t2" in result.stdout
    assert sorted(suites.asked()) == [
        "good\tmy diary [x]",
        "good\tweather? [sun]",
        "good\tweather? [sun]",
    ]
    refused = suites.run("-m", "cast/good", "-m", "clouds/good")
    assert refused.returncode == 4
    assert suites.asked() == []


def test_a_model_that_answers_nothing_is_an_error_of_its_own_and_the_others_go_on(
    suites: Suites,
) -> None:
    suites.numbers(8)
    result = suites.run("-m", "cast/refuses", "-m", "cast/good", "-o", "run.jsonl")
    assert result.returncode == 6
    assert b"cast/refuses answered no case: the cast refused" in result.stderr
    asked = [line.split("\t")[0] for line in suites.asked()]
    assert asked.count("good") == 8
    assert asked.count("refuses") == 5, "after five failures in a row it is no use to go on"


def test_repeats_are_averaged_by_case(suites: Suites) -> None:
    suites.numbers(6)
    document = suites.document("-m", "cast/good", "-m", "cast/100", "-n", "3")
    assert len(document["cases"]) == 36
    assert document["models"][0]["pass_rate"] == {
        "value": 1.0,
        "low": 1.0,
        "high": 1.0,
        "samples": None,
    }


def test_a_page_counts_the_repeats_that_passed(suites: Suites) -> None:
    suites.numbers(1)
    suites.run(*TWO, "-n", "3", "--html", "r.html")
    page = suites.read("r.html")
    assert '<span class="good">3 of 3 passed</span>' in page
    assert '<span class="bad">0 of 3 passed (✗ failed)</span>' in page


def test_the_reports_hold_what_they_promise_and_no_prompt_where_they_should_not(
    suites: Suites,
) -> None:
    harmful = "</script><img src=x onerror=alert(1)>\x1b[31m\x07\u202e [<b>4</b>]"
    suites.write({"id": "a\x0b<x>", "prompt": harmful, "expect": {"equals": "<i>5"}})
    files = ("--html", "r.html", "--junit", "r.xml", "--markdown", "r.md")
    assert suites.run(*TWO, *files).returncode == 8
    page = suites.read("r.html")
    assert "<img" not in page and "<script" not in page and "\x1b" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    tree = ElementTree.fromstring(suites.read("r.xml"))
    assert [each.get("failures") for each in tree] == ["1", "1"]
    for name in ("r.xml", "r.md"):
        assert "onerror" not in suites.read(name)
    assert "<x>" not in suites.read("r.md").replace("\\<x\\>", "")


def test_a_report_is_made_again_of_the_record_alone(suites: Suites) -> None:
    suites.numbers(4)
    first = suites.run(*TWO, "-o", "run.jsonl")
    suites.asked()
    (suites.folder / "suite.toml").unlink()
    (suites.folder / "cases.jsonl").unlink()
    again = suites.compare("report", "run.jsonl")
    assert (again.returncode, again.stdout) == (8, first.stdout)
    shown = suites.compare("show", "run.jsonl", "sum-2").stdout.decode()
    assert "1 + 2? [3]" in shown and "no idea" in shown
    assert "expected the number 3 at the end; got: no number in: no idea" in shown
    assert suites.compare("show", "run.jsonl", "sum-9").returncode == 3
    assert suites.asked() == []


def test_the_document_of_a_run_has_what_its_table_shows_and_its_record_keeps(
    suites: Suites,
) -> None:
    model = ModelFacts("starter", "llamacpp", "device")
    kept = [
        Head("s", (model,), 1, 0.0, "0", "here"),
        *(RecordedCase(case, (("user", "x"),)) for case in "ab"),
        RecordedAnswer(
            "a",
            "starter",
            1,
            "f" * 16,
            0.0,
            "here",
            text="2",
            finish_reason="stop",
            input_tokens=10,
            output_tokens=30,
            reasoning_tokens=20,
            cached_tokens=4,
            cache_write_tokens=5,
            time_to_first_token_s=0.5,
            time_to_first_visible_s=2.5,
            clock="server",
            load_s=1.5,
            memory_bytes=300_000_000,
            context_tokens=4096,
        ),
        RecordedAnswer(
            "b",
            "starter",
            1,
            "e" * 16,
            9.0,
            "here",
            text="3",
            finish_reason="stop",
            input_tokens=11,
            output_tokens=3,
            memory_bytes=200_000_000,
        ),
    ]
    lines = (json.dumps(to_json(each)) + "\n" for each in kept)
    (suites.folder / "run.jsonl").write_text("".join(lines))
    document = checked(Comparison, suites.compare("report", "run.jsonl", "--json").stdout)
    [result] = document["models"]
    assert result["usage"] == {
        "input_tokens": 21,
        "output_tokens": 33,
        "cached_tokens": 4,
        "reasoning_tokens": 20,
        "cache_write_tokens": 5,
    }
    assert (result["load_s"], result["memory_bytes"]) == (1.5, 300_000_000)
    assert (result["cases"], result["answered"], result["left_out"]) == (2, 2, 0)
    first, second = (each["reply"] for each in document["cases"])
    assert first is not None and first["timings"] is not None
    assert first["timings"]["time_to_first_token_s"] == 0.5
    assert first["timings"]["clock"] == "server"
    assert first["context_tokens"] == 4096
    assert second is not None and second["context_tokens"] is None


def test_a_page_puts_numbers_to_the_right_by_their_column(suites: Suites) -> None:
    suites.numbers(1)
    suites.run(*TWO, "--html", "r.html")
    head = re.findall(r"<th( class=\"number\")? scope=\"col\">(.*?)</th>", suites.read("r.html"))
    numbers = {name for right, name in head if right}
    assert numbers == {
        "passed",
        "rate (95%)",
        "cut",
        "errors",
        "first visible",
        "tok/s",
        "tokens",
        "thinking",
        "load",
        "memory",
        "cost",
        "prompts",
    }
    assert {"model", "zone", "to"} <= {name for right, name in head if not right}


def test_a_file_is_called_by_its_name_without_the_folders_it_lies_in(suites: Suites) -> None:
    models = ("/home/ada/secret/a.gguf", "/home/ada/secret/b.gguf")
    kept = [
        Head("s", tuple(ModelFacts(each, "llamacpp") for each in models), 1, 0.0, "0", "here"),
        RecordedCase("c", (("user", "x"),), [{"number": 1}]),
        *(RecordedAnswer("c", each, 1, "f" * 16, 0.0, "here", text="2") for each in models),
    ]
    lines = (json.dumps(to_json(each)) + "\n" for each in kept)
    (suites.folder / "run.jsonl").write_text("".join(lines))
    report = suites.compare("report", "run.jsonl", "--html", "r.html", "--markdown", "r.md")
    shown = suites.compare("show", "run.jsonl", "c").stdout
    pages = (report.stdout, shown, suites.read("r.html").encode(), suites.read("r.md").encode())
    for page in pages:
        assert b"b.gguf" in page
        assert b"secret" not in page


def test_a_run_that_got_worse_is_a_regression(suites: Suites) -> None:
    suites.numbers(10)
    suites.run("-m", "cast/good", "-m", "cast/100", "-o", "old.jsonl")
    old = suites.read("old.jsonl")
    worse = old.replace('"model": "cast/good"', '"model": "cast/was"')
    worse = worse.replace('"name": "cast/good"', '"name": "cast/was"')
    suites.run("-m", "cast/bad", "-m", "cast/100", "-o", "new.jsonl")
    new = suites.read("new.jsonl").replace("cast/bad", "cast/was")
    (suites.folder / "old.jsonl").write_text(worse)
    (suites.folder / "new.jsonl").write_text(new)
    result = suites.compare("report", "new.jsonl", "--against", "old.jsonl")
    assert result.returncode == 8
    assert b"cast/was got worse" in result.stderr
    assert b"worse, 10 newly failed, 0 newly passed of 10, p 0.002" in result.stdout
    same = suites.compare("report", "old.jsonl", "--against", "old.jsonl")
    assert same.returncode == 0
    assert b"the same in all 10 cases" in same.stdout


def test_a_new_suite_runs_as_it_stands(suites: Suites) -> None:
    assert suites.compare("new", "suite.toml").returncode == 0
    assert suites.compare("new", "suite.toml").returncode == 2, "it is there already"
    document = suites.document(*TWO, code=8)
    assert [case["id"] for case in document["cases"]] == ["capital", "capital", "sum", "sum"]


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ('cases = "/etc/passwd"', b"a file beside the suite or below"),
        ('cases = "../x.jsonl"', b"a file beside the suite or below"),
        ("nam = 1", b"there is no key 'nam'"),
        ("[[case]]\nprompt = 'x'\nexpect = {contians = 'y'}", b"there is no expectation"),
        ("[[case]]\nid = 'a'\nprompt = 'x'\n[[case]]\nid = 'a'\nprompt = 'y'", b"two cases"),
        ("name = 'empty'", b"the suite has no cases"),
        ("[gate]\npass = 1", b"[gate] takes pass_rate"),
    ],
)
def test_a_suite_that_is_wrong_is_refused_before_anybody_is_asked(
    suites: Suites, head: str, says: bytes
) -> None:
    (suites.folder / "suite.toml").write_text(head)
    result = suites.run(*TWO)
    assert result.returncode == 2
    assert says in result.stderr
    assert suites.asked() == []


def test_a_link_out_of_the_folder_is_not_followed(suites: Suites, tmp_path: Path) -> None:
    (tmp_path / "outside.jsonl").write_text('{"prompt": "secret"}\n')
    (suites.folder / "cases.jsonl").symlink_to(tmp_path / "outside.jsonl")
    (suites.folder / "suite.toml").write_text('cases = "cases.jsonl"')
    assert suites.run(*TWO).returncode == 2
    assert suites.asked() == []


def _thousand_cases() -> Iterator[Head | RecordedCase | RecordedAnswer]:
    """What a run of a thousand cases on two models keeps."""
    models = ("cast/good", "cast/bad")
    yield Head("large", tuple(ModelFacts(each, "cast") for each in models), 1, 0.0, "0", "here")
    for number in range(1000):
        case = f"sum-{number}"
        yield RecordedCase(case, (("user", f"1 + {number}?"),), [{"number": 1 + number}])
        for model, text in zip(models, (f"It is {1 + number}.", "no idea"), strict=True):
            yield RecordedAnswer(case, model, 1, "f" * 16, 0.0, "here", text=text, cost=0.0)


@pytest.mark.clock
def test_a_thousand_cases_are_reported_in_two_seconds(suites: Suites) -> None:
    lines = (json.dumps(to_json(each)) + "\n" for each in _thousand_cases())
    (suites.folder / "run.jsonl").write_text("".join(lines))
    with within(2 + 1):  # the start of the interpreter is in it
        result = suites.compare("report", "run.jsonl", "--html", "r.html", "--junit", "r.xml")
    assert result.returncode == 8
    assert b"1,000 to 0 of 1,000 cases" in result.stdout
    assert (suites.folder / "r.html").stat().st_size < 5e6


def test_more_at_a_time_give_the_same_answers(suites: Suites) -> None:
    suites.numbers(40)
    one, many = suites.document(*TWO, code=8), suites.document(*TWO, "-j", "4", code=8)
    outcomes = [[(c["id"], c["model"], c["outcome"]) for c in d["cases"]] for d in (one, many)]
    assert outcomes[0] == outcomes[1]


def test_half_a_character_in_a_run_is_marked_in_its_reports(
    run_localai: RunLocalai, tmp_path: Path
) -> None:
    run = tmp_path / "run.jsonl"
    run.write_bytes(RUN.replace(b'"Paris", "finish', b'"Paris \\ud83d", "finish'))
    pages = [tmp_path / name for name in ("run.html", "run.xml", "run.md")]
    flags = ("--html", "--junit", "--markdown")
    written = [str(each) for pair in zip(flags, pages, strict=True) for each in pair]
    done = run_localai("compare", "report", str(run), *written)
    assert done.returncode == 0, done.stderr
    assert "Paris" in pages[0].read_text()
    assert all(each.read_text() for each in pages)


def test_a_file_with_another_suite_s_run_is_refused(suites: Suites) -> None:
    suites.numbers(2)
    assert suites.run(*TWO, "-o", "run.jsonl").returncode == 8
    before = suites.read("run.jsonl")
    suites.numbers(2, head='name = "other"\n')
    refused = suites.run(*TWO, "-o", "run.jsonl")
    assert refused.returncode == 2
    assert b"has a run of the suite" in refused.stderr
    assert b"-o other.jsonl" in refused.stderr
    assert suites.read("run.jsonl") == before
