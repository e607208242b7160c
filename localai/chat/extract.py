"""The code in an answer (`-x`)."""

from __future__ import annotations

import re

_FENCE = re.compile(r"(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)")


def first_code_block(text: str) -> str | None:
    """What is inside the first fence of a Markdown text, without its indentation and with one
    newline at its end; None if there is no fence. A block that is never closed ends with the text.
    """
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
