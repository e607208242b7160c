"""The findings of `--deep`: an engine that does not answer, an impossible speed, bad files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, Unknown, check, for_each, known, tried
from localai.doctor.checks.subjects import files_that_differ, files_that_fail
from localai.doctor.facts.snapshot import Snapshot


@check(
    code="starter-fails",
    group="localai",
    severity="fail",
    title="the embedded engine does not answer",
    when="with --deep: the starter model was asked and gave no answer",
    cause="the engine cannot load or run a model here",
    fix=Fix(("localai chat -m starter --debug hello",), "user"),
    source="localai",
    after=("engine-missing", "engine-crashes"),
)
def starter_fails(facts: Snapshot) -> Iterator[Hit]:
    """It needs --deep. If the starter is not here, its answer and its error are unknown."""
    deep = tried(facts)
    if deep.answer is None and deep.answer_error is None:
        raise Unknown("deep: the starter's answer is not known: localai pull starter")
    if known(deep.answer_error, "deep: why the starter does not answer"):
        yield Hit("engine", (Evidence("answer", str(deep.answer_error), "the starter"),))


@check(
    code="slower-than-predicted",
    group="localai",
    severity="warn",
    title="the engine is much slower than this machine allows",
    when="with --deep: the starter was measured at less than half of the prediction's lower end",
    cause="other programs use the processor or the memory, or the GPU is shown but not used",
    fix=Fix(("localai hardware --measure", "top"), "user"),
    source="ollama #8426",
    after=("machine-busy", "memory-pressure", "engine-for-cpu", "power-saving", "on-battery"),
)
def slower_than_predicted(facts: Snapshot) -> Iterator[Hit]:
    """The measured decode rate is less than half of the prediction's lower end."""
    deep = tried(facts)
    if deep.answer_error:
        return
    measured = known(deep.measured_tokens_per_s, "deep: the starter's speed")
    low = known(deep.predicted_low, "deep: the speed that is predicted")
    if measured * 2 < low:
        yield Hit(
            "engine",
            (
                Evidence("measured", f"{measured:.1f} tok/s", "the starter"),
                Evidence(
                    "predicted",
                    f"{low:.1f} to {deep.predicted_high or 0:.1f} tok/s",
                    "localai show",
                ),
            ),
            within=("cpu", "memory", "power"),
        )


@check(
    code="file-digest-wrong",
    group="models",
    severity="fail",
    title="a model's file is not what it was when it was fetched",
    when="with --deep: its SHA-256 is not the one that its store states",
    cause="the disk fails, or a program changed the file",
    fix=Fix(("localai pull MODEL",), "user"),
    source="ollama #941, #8105, #9846",
    after=("ollama-blob-damaged",),
)
@for_each(files_that_differ)
def file_digest_wrong(facts: Snapshot, name: str) -> Iterator[Hit]:
    """It needs --deep."""
    yield Hit(
        f"file:{name}",
        (Evidence("SHA-256", "another than its store says", name),),
        title=f"{name} is damaged",
        fix=Fix((f"rm {shlex.quote(name)}",), "user", hint="then fetch the model again"),
        within=(f"blob:{name}",),
    )


@check(
    code="file-unreadable",
    group="disk",
    severity="fail",
    title="a model cannot be read from its disk",
    when="with --deep: reading a part of it fails",
    cause="the disk fails, or the file system is damaged",
    fix=Fix(("sudo dmesg | grep -i 'i/o error'",), "root"),
    source="localai",
)
@for_each(files_that_fail)
def file_unreadable(facts: Snapshot, name: str) -> Iterator[Hit]:
    """It needs --deep."""
    yield Hit(
        f"file:{name}",
        (Evidence("read", "fails", name),),
        title=f"{name} cannot be read from its disk",
    )
