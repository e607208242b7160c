"""Checks of an answer's circumstances: finish, refusal, language, script, time, speed, cost, zone.
Pure.

An unknown value does not pass: `max_cost` fails if the price is unknown.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, get_args

from localai.compare.checks.check import (
    Check,
    CheckedAnswer,
    Observation,
    Parse,
    number_of,
    text_of,
    wrong,
)
from localai.events import FinishReason
from localai.types import Zone

_SHARE = 0.8
"""So much of the letters or words must be of the script or language; names are of any."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The commonest words of each language that the others lack. Any sentence has enough of them.
_WORDS: Final[dict[str, frozenset[str]]] = {
    "en": _words("the of and to is that it was for with are this be not you have"),
    "de": _words("der die und das ist nicht ein ich mit sie den auf eine dem zu wird"),
    "fr": _words("le les des est et une dans pour pas que qui vous sur avec ce du"),
    "es": _words("el los las una por con para está como más pero sus su lo es y"),
    "it": _words("il che di è per non sono della gli anche con una nel questo ha si"),
    "pt": _words("o os uma para com não mais por como dos das ao são você é em"),
    "nl": _words("het een van dat niet zijn op met voor ook maar aan wordt naar je ik"),
}
_SCRIPTS_OF: Final[dict[str, tuple[str, ...]]] = {
    # Japanese is written with Chinese characters, too.
    "ja": ("hiragana", "katakana", "cjk"),
    "ko": ("hangul",),
    "zh": ("cjk",),
    "ru": ("cyrillic",),
    "el": ("greek",),
    "ar": ("arabic",),
}
_SCRIPTS: Final = (
    *("latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "thai"),
    "hangul",
    "hiragana",
    "katakana",
    "cjk",
)
_REFUSES = re.compile(
    r"\b(?:i(?:['’]m| am)(?: very)? (?:sorry|unable|not able)|i (?:can(?:['’]t|not)|won['’]t|must"
    r" decline)|as an ai\b|i do not feel comfortable)",
    re.IGNORECASE,
)


def _finish(value: Any) -> Check:
    wanted = text_of("finish", value)
    if wanted not in get_args(FinishReason):
        raise wrong("finish", f"one of {', '.join(get_args(FinishReason))}", value)

    def look(answer: CheckedAnswer) -> Observation:
        return Observation(answer.finish_reason == wanted, answer.finish_reason or "broken off")

    return Check("finish", f"ends by {wanted}", look, value, bounds=True)


def refuses(answer: CheckedAnswer) -> bool:
    """Whether an answer declines: the provider says so, or its first 200 characters have a phrase
    that models decline with. This is a heuristic: a polite answer may have such a phrase, too."""
    return answer.finish_reason == "refusal" or _REFUSES.search(answer.text[:200]) is not None


def _refusal(value: Any) -> Check:
    if not isinstance(value, bool):
        raise wrong("refusal", "true or false", value)

    def look(answer: CheckedAnswer) -> Observation:
        return Observation(refuses(answer) is value, answer.text)

    return Check("refusal", "a refusal" if value else "no refusal", look, value, bounds=True)


def scripts(text: str) -> Counter[str]:
    """The number of letters of each script in a text, by the first word of their Unicode names."""
    found: Counter[str] = Counter()
    for character in text:
        if character.isalpha():
            found[unicodedata.name(character, "unknown").split()[0].lower()] += 1
    return found


def _script(value: Any) -> Check:
    wanted = text_of("script", value).lower()
    if wanted not in _SCRIPTS:
        raise wrong("script", f"one of {', '.join(_SCRIPTS)}", value)

    def look(answer: CheckedAnswer) -> Observation:
        return _share_of(answer.text, (wanted,))

    return Check("script", f"letters of {wanted}", look, value)


def _share_of(text: str, wanted: tuple[str, ...]) -> Observation:
    found = scripts(text)
    letters = sum(found.values())
    if not letters:
        return Observation(False, "no letters")
    share = sum(found[each] for each in wanted) / letters
    most = ", ".join(f"{count / letters:.0%} {name}" for name, count in found.most_common(2))
    return Observation(share >= _SHARE, most)


def _language(value: Any) -> Check:
    wanted = text_of("language", value).lower()
    if wanted not in _WORDS and wanted not in _SCRIPTS_OF:
        raise wrong("language", f"one of {', '.join(sorted((*_WORDS, *_SCRIPTS_OF)))}", value)

    def look(answer: CheckedAnswer) -> Observation:
        if wanted in _SCRIPTS_OF:
            return _share_of(answer.text, _SCRIPTS_OF[wanted])
        words = re.findall(r"[^\W\d_]+", answer.text.lower())
        counts = {name: sum(word in common for word in words) for name, common in _WORDS.items()}
        best = max(counts, key=lambda name: counts[name])
        if not counts[best]:
            return Observation(None, f"too few words to tell: {answer.text}")
        return Observation(counts[wanted] == counts[best], f"{best}: {answer.text}")

    return Check("language", f"the language {wanted}", look, value)


def _at_most(
    kind: str, unit: str, measure: Callable[[CheckedAnswer], float | None], *, least: bool = False
) -> Parse:
    """A check that bounds a measurement from above; with `least`, from below."""

    def parse(value: Any) -> Check:
        bound = number_of(kind, value)

        def look(answer: CheckedAnswer) -> Observation:
            found = measure(answer)
            if found is None:
                return Observation(False, "unknown")
            held = found >= bound if least else found <= bound
            return Observation(held, f"{found:g} {unit}")

        expected = f"at {'least' if least else 'most'} {bound:g} {unit}"
        return Check(kind, expected, look, value, bounds=not least)

    return parse


def _zone(value: Any) -> Check:
    names = [zone.label for zone in Zone]
    if value not in names:
        raise wrong("zone", f"one of {', '.join(names)}", value)
    farthest = names.index(value)

    def look(answer: CheckedAnswer) -> Observation:
        if answer.zone is None:
            return Observation(False, "unproven")
        return Observation(names.index(answer.zone) <= farthest, answer.zone)

    expected = (
        "computed on this device" if value == "device" else f"computed no farther than {value}"
    )
    return Check("zone", expected, look, value)


CHECKS: Final[dict[str, Parse]] = {
    "finish": _finish,
    "refusal": _refusal,
    "script": _script,
    "language": _language,
    "max_seconds": _at_most("max_seconds", "s", lambda answer: answer.total_s),
    "min_tokens_per_s": _at_most(
        "min_tokens_per_s", "tok/s", lambda answer: answer.tokens_per_s, least=True
    ),
    "max_cost": _at_most("max_cost", "USD", lambda answer: answer.cost),
    "zone": _zone,
}
