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
    """One thing to do, or done already."""

    step: Annotated[StepName, "which one"]
    what: Annotated[str, "what it is about"]
    why: Annotated[str, "why, in a sentence"]
    done: Annotated[bool, "whether it was so before"]
    source: Annotated[str | None, "who has it"]
    download_bytes: Annotated[int | None, "what is to be fetched"]
    download_s: Annotated[float | None, "about how many seconds that takes at 100 Mbit/s"]


class Setup(TypedDict):
    """`localai setup --json`"""

    schema: Annotated[Literal["localai.setup/1"], "the promise that the rest keeps"]
    dry_run: Annotated[bool, "whether nothing was done"]
    provider: Annotated[EngineName, "who answers"]
    model: Annotated[str, "its name, as `localai chat -m` takes it"]
    steps: Annotated[list[SetupStepDocument], "the plan"]
    notes: Annotated[list[str], "what should be known"]
    answer: Annotated[str | None, "what the model said to the question of the proof"]
    right: Annotated[bool | None, "whether that is right"]
    timings: Annotated[TimingsDocument | None, "of the answer"]
    total_s: Annotated[float, "how long all of it took"]
    error: Annotated[ErrorDocument | None, "set if the answer was wrong"]


class SetupBundle(TypedDict):
    """`localai setup --bundle --json`"""

    schema: Annotated[Literal["localai.setup/1"], "the promise that the rest keeps"]
    folder: Annotated[str, "what was made"]
    platform: Annotated[str, "for which machines, such as linux-x86_64"]
    python: Annotated[str, "for which Python, such as 3.11"]
    model_file: Annotated[str, "the model's file in it"]
    size_bytes: Annotated[int, "all of it"]


class LeftDocument(TypedDict):
    """What a removal leaves, because it is not localai's."""

    what: Annotated[str, "whose it is"]
    path: Annotated[str, "where"]
    size_bytes: Annotated[int, "how large"]


class SetupRemoval(TypedDict):
    """`localai setup --uninstall --json`"""

    schema: Annotated[Literal["localai.setup/1"], "the promise that the rest keeps"]
    dry_run: Annotated[bool, "whether nothing was removed"]
    paths: Annotated[list[str], "the files and folders that went"]
    size_bytes: Annotated[int, "of all of them"]
    left: Annotated[list[LeftDocument], "what stays"]


def setup_document(
    plan: SetupPlan, answer: Answer | None, error: LocalaiError | None, total_s: float
) -> Setup:
    """What `localai setup` prints. `answer` is that of the proof, None where only the plan was
    asked for; `error` says that it is wrong."""
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
    """What `localai setup --bundle` prints."""
    return {
        "schema": "localai.setup/1",
        "folder": str(made.folder),
        "platform": made.platform,
        "python": made.python,
        "model_file": made.model,
        "size_bytes": made.size_bytes,
    }


def removal_document(removal: Uninstallation, *, dry_run: bool) -> SetupRemoval:
    """What `localai setup --uninstall` prints."""
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
