"""The documents of `localai setup`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.output.documents.answer import TimingsDocument, timings_document
from localai.output.documents.failure import ErrorDocument, error_document
from localai.setup.engines import EngineName
from localai.setup.plan import StepName

if TYPE_CHECKING:
    from localai.answers import Answer
    from localai.errors import LocalaiError
    from localai.setup.bundle import Bundle
    from localai.setup.plan import SetupPlan, Step
    from localai.setup.uninstall import Uninstallation


class SetupStepDocument(TypedDict):
    """A step of the set-up, to be done or done already."""

    step: Annotated[StepName, "the step"]
    what: Annotated[str, "the subject"]
    why: Annotated[str, "why, in a sentence"]
    done: Annotated[bool, "whether the step was done before"]
    source: Annotated[str | None, "the host that has it"]
    download_bytes: Annotated[int | None, "the bytes to be fetched"]
    download_s: Annotated[float | None, "about the seconds that this takes at 100 Mbit/s"]


class Setup(TypedDict):
    """`localai setup --json`"""

    schema: Annotated[Literal["localai.setup/1"], "the name and version of the document"]
    dry_run: Annotated[bool, "whether nothing was done"]
    provider: Annotated[EngineName, "the provider that answers"]
    model: Annotated[str, "the model, as `-m` takes it"]
    steps: Annotated[list[SetupStepDocument], "the steps of the plan"]
    notes: Annotated[list[str], "remarks, a sentence each"]
    answer: Annotated[str | None, "the model's answer to the trial question"]
    right: Annotated[bool | None, "whether the answer is right"]
    timings: Annotated[TimingsDocument | None, "times and rates of the answer"]
    total_s: Annotated[float, "seconds that the set-up took"]
    error: Annotated[ErrorDocument | None, "the error if the answer was wrong, else null"]


class SetupBundle(TypedDict):
    """`localai setup --bundle --json`"""

    schema: Annotated[Literal["localai.setup/1"], "the name and version of the document"]
    folder: Annotated[str, "the folder that was made"]
    platform: Annotated[str, "the machines that the bundle is for, such as linux-x86_64"]
    python: Annotated[str, "the version of Python that the bundle is for, such as 3.11"]
    model_file: Annotated[str, "the model's file in the bundle"]
    size_bytes: Annotated[int, "the size of the bundle in bytes"]


class LeftDocument(TypedDict):
    """A file that a removal leaves, because it is not localai's."""

    what: Annotated[str, "the owner"]
    path: Annotated[str, "the path"]
    size_bytes: Annotated[int, "the size in bytes"]


class SetupRemoval(TypedDict):
    """`localai setup --uninstall --json`"""

    schema: Annotated[Literal["localai.setup/1"], "the name and version of the document"]
    dry_run: Annotated[bool, "whether nothing was removed"]
    paths: Annotated[list[str], "the files and folders that were removed"]
    size_bytes: Annotated[int, "the size of all of them, in bytes"]
    left: Annotated[list[LeftDocument], "what stays"]


def setup_document(
    plan: SetupPlan, answer: Answer | None, error: LocalaiError | None, total_s: float
) -> Setup:
    """The document of `localai setup`. `answer` is the answer to the trial question; None if only
    the plan was asked for. `error` says that the answer is wrong."""
    return {
        "schema": "localai.setup/1",
        "dry_run": answer is None,
        "provider": plan.engine.name,
        "model": plan.model,
        "steps": [_step(step) for step in plan.steps],
        "notes": list(plan.notes),
        "answer": None if answer is None else answer.text,
        "right": None if answer is None else error is None,
        "timings": None if answer is None else timings_document(answer.done.timings),
        "total_s": round(total_s, 2),
        "error": None if error is None else error_document(error),
    }


def bundle_document(made: Bundle) -> SetupBundle:
    """The document of `localai setup --bundle`."""
    return {
        "schema": "localai.setup/1",
        "folder": str(made.folder),
        "platform": made.platform,
        "python": made.python,
        "model_file": made.model,
        "size_bytes": made.size_bytes,
    }


def removal_document(removal: Uninstallation, *, dry_run: bool) -> SetupRemoval:
    """The document of `localai setup --uninstall`."""
    return {
        "schema": "localai.setup/1",
        "dry_run": dry_run,
        "paths": [str(path) for path in (*removal.data, *removal.program)],
        "size_bytes": removal.size_bytes,
        "left": [
            {"what": left.what, "path": str(left.where), "size_bytes": left.size_bytes}
            for left in removal.left
        ],
    }


def _step(step: Step) -> SetupStepDocument:
    return {
        "step": step.name,
        "what": step.what,
        "why": step.why,
        "done": step.done,
        "source": step.source,
        "download_bytes": step.size_bytes,
        "download_s": None if step.seconds is None else round(step.seconds, 1),
    }
