"""An error's hint and line in the words of a session: `/model NAME` where a shell has `-m NAME`.

The layers below write their hints for a command line. Here each option and each line of localai's
becomes the slash command that does the same. What a session cannot do, such as a download, stays a
line for another shell. Pure.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

_START: Final = r"(?:(?<![\w-])(?=-)|(?<!-)(?=[^-]))"
_WORD: Final = r"(?P<word>'[^']*'|[^\s,;:)]+)"

# A whole line for a shell, and what is typed here; None is nothing.
_LINES: Final[tuple[tuple[str, str | None], ...]] = (
    (r"localai list( --provider \S+)?", "/model"),
    (r"localai chat -m (?P<word>'[^']*'|\S+).*", "/model {word}"),
    (r"localai history( list)?", "/history"),
    (r"localai template list", "/template"),
    (r'localai chat "hello"', None),
)
# A part of a hint, and the same in a session.
_WORDS: Final[tuple[tuple[str, str], ...]] = (
    (r"; --force tries anyway", ""),
    (r"a smaller model or --ctx fits better", "a smaller model (/model) or /set ctx N fits better"),
    (r"a larger --ctx", "more: /set ctx N"),
    (r"a smaller --ctx", "less: /set ctx N"),
    (r"-t names a template: ", ""),
    (r"--ctx (?P<word>\S+)", "/set ctx {word}"),
    (r"--max-tokens (?P<word>\w+)", "/set max_tokens {word}"),
    (r"--(?P<key>temperature|repeat-penalty) (?P<word>\S+)", "/set {key} {word}"),
    (r"leave out: -o (?P<word>\S+)", "/set {word} default"),
    (r"-o (?P<key>\w+) (?P<word>[^\s,;]+)", "/set {key} {word}"),
    (r"leave out: --think( off)?", "/think default"),
    (rf"--think {_WORD}", "/think {word}"),
    (rf"(`?localai chat )-m {_WORD}`?", "/model {word}"),
    (rf"-m {_WORD}", "/model {word}"),
    (r"localai chat -t (?P<key>\S+) -f FILE", "/template {key}, then /file FILE"),
    (rf"-f {_WORD}", "/file {word}"),
    (r"-a FILE", "/attach FILE"),
    (r"-p (?P<key>\w+) VALUE", "{key}=VALUE"),
)


def line_here(command: str | None) -> str | None:
    """An error's line as it is typed in a session; the line itself, for a shell, if a session has
    nothing like it, and None if there is nothing to type."""
    for pattern, here in _LINES:
        if command is not None and (found := re.fullmatch(pattern, command)):
            return None if here is None else here.format(**found.groupdict())
    return command


def hint_here(hint: str | None) -> str | None:
    """An error's hint with the session's own commands in it."""
    if hint is None:
        return None
    for pattern, here in _WORDS:
        hint = re.sub(_START + pattern, partial(_filled, here), hint)
    return hint


def _filled(here: str, found: re.Match[str]) -> str:
    words = {name: word or "" for name, word in found.groupdict().items()}
    return here.format(**words | {"key": words.get("key", "").replace("-", "_")})
