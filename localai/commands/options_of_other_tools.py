"""Options that other tools have and a command of ours does not, and what to give instead. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from localai.dataclass import dataclass

_OURS: Final[Mapping[str, tuple[str, ...]]] = {
    "--temp": ("--temperature",),
    "--max_tokens": ("--max-tokens",),
    "--max-new-tokens": ("--max-tokens",),
    "--max-output-tokens": ("--max-tokens",),
    "--n-predict": ("--max-tokens",),
    "--num-predict": ("--max-tokens",),
    "--num-ctx": ("--ctx",),
    "--ctx-size": ("--ctx",),
    "--n-ctx": ("--ctx",),
    "--context": ("--ctx",),
    "--context-length": ("--ctx",),
    "--system-prompt": ("--system",),
    "--sys": ("--system",),
    "--instructions": ("--system",),
    "--image": ("--attachment",),
    "--images": ("--attachment",),
    "--picture": ("--attachment",),
    "--input": ("--file",),
    "--prompt-file": ("--file",),
    "--json-schema": ("--schema",),
    "--reasoning-effort": ("--think",),
    "--reasoning": ("--think",),
    "--thinking": ("--think",),
    "--no-history": ("--no-log",),
    "--incognito": ("--no-log",),
    "--resume": ("--continue",),
    "--conversation": ("--cid",),
    "--session": ("--cid",),
    "--models": ("--model",),
    "--model": ("--from",),
    "-m": ("--from",),
    "--offline": ("--airgap",),
    "--out": ("--output",),
    "-o": ("--output",),
    "--parallel": ("--concurrency",),
    "--workers": ("--concurrency",),
    "--max": ("--limit",),
    "--count": ("--limit",),
    "--verbose": ("--usage", "--debug"),
    "-v": ("-u", "--debug"),
    "--stats": ("--usage",),
    "--silent": ("--quiet",),
    "--assume-yes": ("--yes",),
    "--no-confirm": ("--yes",),
}
"""What ollama, llm, llama.cpp, mods, aichat, curl and the clouds' tools call an option, and what it
is called here: the first that a command has."""
_SETTINGS: Final[Mapping[str, str]] = {
    "-ngl": "engine.gpu_layers",
    "--n-gpu-layers": "engine.gpu_layers",
    "--gpu-layers": "engine.gpu_layers",
    "--num-gpu": "engine.gpu_layers",
    "--threads": "engine.threads",
    "--num-thread": "engine.threads",
    "-fa": "engine.flash_attention",
    "--flash-attn": "engine.flash_attention",
    "--cache-type-k": "engine.kv_type",
    "--cache-type-v": "engine.kv_type",
    "--batch-size": "engine.batch",
    "--ubatch-size": "engine.micro_batch",
}
"""What llama.cpp and Ollama take with each question, and which setting it is here."""
_NEEDLESS: Final[Mapping[str, str]] = {
    "--stream": "an answer streams by itself",
    "--interactive": "without a question it is a session",
    "-i": "without a question it is a session",
    **dict.fromkeys(("-q", "--quiet"), "2>/dev/null hides what is said beside the data"),
    "--local": "nothing leaves this machine unless it was allowed",
}
LONG_OF_ONE_DASH: Final = frozenset(each for each in _SETTINGS if not each.startswith("--"))
"""Options of several letters behind one dash, as llama.cpp has them."""
_QUESTION: Final = ("--prompt", "--message", "--question", "--query")
_FORMATS: Final = ("--format", "--output-format")


@dataclass(frozen=True, slots=True)
class Instead:
    """The arguments to give instead, and what to say of them."""

    arguments: tuple[str, ...]
    why: str


def instead_of(option: str, given: Sequence[str], known: Collection[str]) -> Instead | None:
    """The arguments to give in place of `given`, which have an `option` that the command lacks;
    None if its meaning is unknown. `known` are the options that the command has, in every form."""
    found = next((at for at, each in enumerate(given) if each.partition("=")[0] == option), None)
    if found is None:
        return None
    value = given[found].partition("=")[2]
    before, after = tuple(given[:found]), tuple(given[found + 1 :])
    if option in _NEEDLESS:
        return Instead((*before, *after), _NEEDLESS[option])
    if option in _QUESTION and "--file" in known and (value or after):
        if not value:
            value, after = after[0], after[1:]
        return Instead((*before, *after, value), "the question stands alone")
    if option in _FORMATS and "--json" in known:
        if not value and after:
            value, after = after[0], after[1:]
        if value.lower() in ("json", "jsonl"):
            return Instead((*before, "--json", *after), "JSON is a flag here")
    if (setting := _SETTINGS.get(option)) is not None and "--ctx" in known:
        value = value or next(iter(after), "VALUE")
        return Instead(("config", "set", setting, value), "a setting of the engine, for all models")
    ours = next((each for each in _OURS.get(option, ()) if each in known), None)
    if ours is None:
        return None
    replaced = f"{ours}={value}" if value else ours
    return Instead((*before, replaced, *after), f"here it is {ours}")


def with_other_option(option: str, near: str, given: Sequence[str]) -> tuple[str, ...] | None:
    """The arguments `given` with the option `near` in place of `option`; None if `option` is not
    among them as it was reported."""
    if all(each.partition("=")[0] != option for each in given):
        return None
    return tuple(
        near + each.removeprefix(option) if each.partition("=")[0] == option else each
        for each in given
    )
