"""Every check against the failure it is for, and against machines with nothing wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.doctor.check import CHECKS, Unknown
from localai.doctor.checks import all_checks
from localai.doctor.diagnose import CRASHED, Diagnosis, diagnose
from tests.doctor.exhibits import (
    CASES,
    MACHINES,
    case_of,
    changed,
    dropped,
    machine_facts,
    places_of,
    snapshot,
)


def _fired(found: Diagnosis) -> set[str]:
    return {each.code for each in (*found.findings, *found.explained)}


def _diagnosed(facts: dict[str, Any]) -> Diagnosis:
    return diagnose(snapshot(facts), all_checks())


def test_every_check_has_its_exhibit() -> None:
    assert set(CASES) == set(CHECKS)
    assert len(CHECKS) > 100


@pytest.mark.parametrize("code", CASES)
def test_an_exhibit_fires_its_check_and_folds_what_follows(code: str) -> None:
    case = case_of(code)
    assert code in case.fires
    found = _diagnosed(case.facts)
    assert {each.code for each in found.findings} == case.fires
    assert {each.code for each in found.explained} == case.explains
    for each in found.explained:
        assert each.explained_by in case.fires
    for each in found.findings:
        assert each.evidence, "a finding without evidence"
        assert all(evidence.value for evidence in each.evidence)


@pytest.mark.parametrize(
    ("free_bytes", "total_bytes", "severity"),
    [
        (999_999_999, 2_000_000_000_000, "fail"),
        (19_000_000_000, 2_000_000_000_000, "warn"),
        # Room for a model or two, however large the disk is; and more than the share.
        (21_000_000_000, 2_000_000_000_000, None),
        (6_000_000_000, 100_000_000_000, None),
    ],
)
def test_a_disk_is_full_by_its_share_and_by_what_a_model_takes(
    free_bytes: int, total_bytes: int, severity: str | None
) -> None:
    facts = changed(
        machine_facts("linux"),
        {
            "places.1.mount": "/data",
            "places.1.free_bytes": free_bytes,
            "places.1.total_bytes": total_bytes,
        },
    )
    found = [(each.code, each.severity) for each in _diagnosed(facts).findings]
    assert found == ([] if severity is None else [("disk-full", severity)])


def test_there_are_eight_kinds_of_healthy_machines() -> None:
    assert set(MACHINES) == {
        "amd",
        "container",
        "laptop-battery",
        "linux",
        "mac",
        "nvidia",
        "vm",
        "wsl",
    }


@pytest.mark.parametrize("name", MACHINES)
def test_on_a_healthy_machine_nothing_fires_and_all_is_seen(name: str) -> None:
    found = _diagnosed(machine_facts(name))
    assert [(each.code, each.evidence) for each in found.findings] == []
    assert found.explained == ()
    # macOS shows the environment of no other process.
    blind = {"context-below-asked", "prompts-logged"} if name == "mac" else set()
    assert {each.code for each in found.unknown} == blind
    assert found.checks_run == len(CHECKS)


@pytest.mark.parametrize("name", MACHINES)
def test_no_dropped_fact_makes_a_healthy_machine_ill(name: str) -> None:
    facts = machine_facts(name)
    sound = snapshot(facts)
    for path in places_of(facts):
        assert _fired(diagnose(dropped(sound, path), all_checks())) == set(), path


@pytest.mark.parametrize("code", CASES)
def test_a_dropped_fact_crashes_nothing_makes_no_other_failure_and_hides_none(code: str) -> None:
    case = case_of(code)
    facts, expected = snapshot(case.facts), case.fires | case.explains
    for path in places_of(case.facts):
        if path[0] not in case.fields:
            continue
        found = diagnose(dropped(facts, path), all_checks())
        assert _fired(found) <= expected, path
        # What is not found any more is said to be unknown.
        assert expected - _fired(found) <= {each.code for each in found.unknown}, path


@settings(max_examples=150)
@given(st.data())
def test_nor_does_a_fact_that_is_the_healthy_machine_s(data: st.DataObject) -> None:
    case = case_of(data.draw(st.sampled_from(CASES)))
    path = data.draw(st.sampled_from(list(places_of(case.facts))))
    found = diagnose(dropped(snapshot(case.facts), path), all_checks())
    assert _fired(found) <= case.fires | case.explains
    assert (case.fires | case.explains) - _fired(found) <= {each.code for each in found.unknown}


def test_a_check_that_crashes_is_a_finding_and_hides_no_other() -> None:
    from dataclasses import replace

    def broken(_: object) -> Any:
        raise ZeroDivisionError("oops")

    case = case_of("disk-full")
    checks = [replace(CHECKS["disk-full"]), replace(CHECKS["inodes-out"], look=broken)]
    found = diagnose(snapshot(case.facts), checks)
    assert {each.code for each in found.findings} == {"disk-full", CRASHED}
    crash = next(each for each in found.findings if each.code == CRASHED)
    assert crash.subject == "check:inodes-out"
    assert crash.evidence[0].value == "ZeroDivisionError: oops"


def test_what_is_unknown_is_neither_found_nor_passed_and_says_why() -> None:
    from dataclasses import replace

    from localai.doctor.facts.snapshot import Missing

    facts = snapshot(machine_facts("linux"))
    blind = replace(facts, places=None, missing=(Missing("places", "it took too long"),))
    found = diagnose(blind, [CHECKS["disk-full"]])
    assert found.findings == ()
    assert [(each.code, each.reason, each.lost) for each in found.unknown] == [
        ("disk-full", "places is not known: it took too long", "places")
    ]


def test_what_is_unknown_of_one_thing_hides_no_other() -> None:
    facts = changed(
        machine_facts("linux"),
        {
            "places.0.free_bytes": None,
            "places.1.mount": "/data",
            "places.1.free_bytes": 120_000_000,
        },
    )
    found = diagnose(snapshot(facts), [CHECKS["disk-full"]])
    assert [each.subject for each in found.findings] == ["disk:/data"]
    assert [each.reason for each in found.unknown] == ["places: free space at / is not known"]


@pytest.mark.parametrize(
    ("field", "option", "code"),
    [("deep", "--deep", "starter-fails"), ("asked", "--online", "tls-intercepted")],
)
def test_what_an_option_looks_at_is_not_well_without_it(field: str, option: str, code: str) -> None:
    facts = snapshot(changed(machine_facts("linux"), {field: None}))
    found = diagnose(facts, all_checks())
    without = {each.code: (each.reason, each.option) for each in found.unknown}
    assert without[code] == (f"it is made with {option}", option)


@pytest.mark.parametrize("code", ["memory-pressure", "swap-in-use"])
def test_memory_that_is_free_is_not_short(code: str) -> None:
    facts = changed(case_of(code).facts, {"machine.memory.available_bytes": 12_000_000_000})
    assert _fired(_diagnosed(facts)) & {code} == set()


def test_a_root_is_as_severe_as_the_worst_that_it_explains() -> None:
    found = _diagnosed(case_of("ollama-drop-in-broken").facts)
    assert [each.severity for each in found.findings] == ["warn"]
    found = _diagnosed(case_of("vm-hides-avx2").facts)
    assert [(each.code, each.severity) for each in found.findings] == [("vm-hides-avx2", "fail")]


def test_every_code_that_would_explain_a_check_is_a_check() -> None:
    for check in all_checks():
        for code in check.after:
            assert code in CHECKS, f"{check.code} names {code}"
    assert issubclass(Unknown, Exception)
