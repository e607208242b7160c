"""The checks of a whole answer: a code block (`-x`), a schema (`--schema`). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from localai.answers import Answer
from localai.dataclass import dataclass
from localai.errors import FinishedWithFailures, LocalaiError
from localai.events import FinishReason
from localai.patterns import lazy_pattern

if TYPE_CHECKING:
    from localai.chat.schema import Schema

_CUT: Final[Mapping[FinishReason, str]] = {
    "length": "it was cut before its end: --max-tokens allows more",
    "context": "it was cut before its end: --ctx allows more",
    "loop": "it repeated itself without end and was stopped: --repeat-penalty 1.2 may help",
}
_FENCE = lazy_pattern(r"(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)")


@dataclass(frozen=True, slots=True)
class AnswerChecks:
    """What the answer must have besides its text."""

    extract: bool = False
    schema: Schema | None = None

    def extracted(self, answer: Answer) -> str | None:
        """The first code block, with `-x`; None without `-x`, or if there is no block."""
        return first_code_block(answer.text) if self.extract else None

    def failure(self, answer: Answer, extracted: str | None) -> LocalaiError | None:
        """The error of an answer that fails a check; None if it passes."""
        if answer.refusal is not None:
            return answer.refusal
        if self.extract and extracted is None:
            return FinishedWithFailures(
                "the answer has no code block", hint="without -x the whole answer is printed"
            )
        if self.schema is None:
            return None
        violation = self.schema.violation(answer.text if extracted is None else extracted)
        if violation is None:
            return None
        return FinishedWithFailures(
            f"the answer breaks the schema: {violation}",
            hint=_CUT.get(answer.done.finish_reason),
        )


def first_code_block(text: str) -> str | None:
    """The content of the first fence of a Markdown text, without its indentation and with one
    newline at its end; None if there is no fence. A block that is never closed ends with the
    text."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        opened = _FENCE.fullmatch(line)
        if opened is None or (opened["fence"][0] == "`" and "`" in opened["info"]):
            continue
        indent, fence = len(opened["indent"]), opened["fence"]
        code = []
        for inside in lines[number + 1 :]:
            if _closes(inside, fence):
                break
            spaces = len(inside) - len(inside.lstrip(" "))
            code.append(inside[min(indent, spaces) :])
        return "".join(each + "\n" for each in code)
    return None


def _closes(line: str, fence: str) -> bool:
    marks = line.strip(" ")
    indented = len(line) - len(line.lstrip(" "))
    return indented <= 3 and len(marks) >= len(fence) and set(marks) == {fence[0]}
