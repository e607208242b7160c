"""Ollama's variables: misspelt, misread, or set where the server does not see them.

The server's `envconfig` (v0.33) reads them: a flag that is no boolean counts as true, a number that
cannot be read is ignored, and a path is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from localai.doctor.check import Evidence, Fix, Hit, check, known
from localai.doctor.checks.subjects import ollama_of, variables_of
from localai.doctor.facts.snapshot import Snapshot
from localai.near_names import near_names
from localai.units import whole_number

_BOOLEANS: Final = (
    "OLLAMA_DEBUG_LOG_REQUESTS",
    "OLLAMA_FLASH_ATTENTION",
    "OLLAMA_INTEL_GPU",
    "OLLAMA_MULTIUSER_CACHE",
    "OLLAMA_NEW_ENGINE",
    "OLLAMA_NOHISTORY",
    "OLLAMA_NOPRUNE",
    "OLLAMA_NO_CLOUD",
    "OLLAMA_REMOTES_DISABLED",
    "OLLAMA_SCHED_SPREAD",
    "OLLAMA_VULKAN",
    "OLLAMA_IGPU_ENABLE",
    "OLLAMA_CONTEXT_SHIFT",
)
_NUMBERS: Final = (
    "OLLAMA_CONTEXT_LENGTH",
    "OLLAMA_GPU_OVERHEAD",
    "OLLAMA_MAX_LOADED_MODELS",
    "OLLAMA_MAX_QUEUE",
    "OLLAMA_NUM_PARALLEL",
)
_OTHERS: Final = (
    "OLLAMA_API_KEY",
    "OLLAMA_DEBUG",
    "OLLAMA_EDITOR",
    "OLLAMA_HOST",
    "OLLAMA_KEEP_ALIVE",
    "OLLAMA_KV_CACHE_TYPE",
    "OLLAMA_LLM_LIBRARY",
    "OLLAMA_LOAD_TIMEOUT",
    "OLLAMA_MODELS",
    "OLLAMA_ORIGINS",
    "OLLAMA_REMOTES",
    "OLLAMA_RUNNERS_DIR",
    "OLLAMA_TMPDIR",
    "OLLAMA_AUTH",
)
_KNOWN: Final = frozenset((*_BOOLEANS, *_NUMBERS, *_OTHERS))
# The texts that Go's strconv.ParseBool accepts.
_GO_BOOLEANS: Final = (
    "1",
    "t",
    "T",
    "TRUE",
    "true",
    "True",
    "0",
    "f",
    "F",
    "FALSE",
    "false",
    "False",
)
_LISTENS_ONLY: Final = re.compile(r"^(?:https?://)?(?:0\.0\.0\.0|\[?::\]?)(?::\d+)?/?$")
FOR_SERVERS: Final = (
    *_BOOLEANS,
    *_NUMBERS,
    "OLLAMA_MODELS",
    "OLLAMA_KEEP_ALIVE",
    "OLLAMA_ORIGINS",
    "OLLAMA_KV_CACHE_TYPE",
    "OLLAMA_LLM_LIBRARY",
)
"""Of the shell: what a server ought to have as well."""


@check(
    code="ollama-variable-unknown",
    group="server",
    severity="warn",
    title="Ollama knows no such variable",
    when="a variable begins with OLLAMA_, and the server reads no such variable",
    cause="the server ignores it without a word",
    fix=Fix(("unset OLLAMA_…",), "user"),
    source="ollama #9597",
)
def ollama_variable_unknown(facts: Snapshot) -> Iterator[Hit]:
    """OLLAMA_HOME and the like. Names that only newer versions know are not similar to a known
    name."""
    for name, value, where in _variables(facts):
        if name in _KNOWN:
            continue
        if name == "OLLAMA_HOME":
            meant = "OLLAMA_MODELS"
        else:
            near = near_names(name, _KNOWN, likeness=0.85)
            if not near:
                continue
            meant = near[0]
        yield Hit(
            f"variable:{name}",
            (Evidence(name, value, where), Evidence("meant", f"{meant}?", "the names it reads")),
            title=f"Ollama knows no variable {name}",
            fix=Fix((f"export {meant}={value}", f"unset {name}"), "user"),
        )


@check(
    code="ollama-value-misread",
    group="server",
    severity="warn",
    title="Ollama reads a variable differently from how it is meant",
    when=(
        "a flag is no boolean, a number is no number, a path has a ~, or an address stands "
        "in place of a folder"
    ),
    cause=(
        "the server takes an unreadable flag for true, ignores an unreadable number, and "
        "does not expand ~"
    ),
    fix=Fix((), "user", hint="booleans are 1 or 0, numbers plain digits, paths whole"),
    source="Ollama's envconfig, v0.33; ollama #7697",
    after=("ollama-address-invalid",),
)
def ollama_value_misread(facts: Snapshot) -> Iterator[Hit]:
    """Every variable, by the rules of the server."""
    for name, value, where in _variables(facts):
        if (found := _misread(name, value)) is None:
            continue
        means, better, cause = found
        in_shell = where == "the shell"
        lines = (f"export {name}={better}",) if in_shell else ("sudo systemctl edit ollama",)
        yield Hit(
            f"variable:{name}",
            (Evidence(name, value, where), Evidence("read as", means, "Ollama's envconfig, v0.33")),
            title=f"Ollama reads {name}={value} as {means}",
            cause=cause,
            within=("ollama",) if name == "OLLAMA_HOST" else (),
            fix=Fix(
                lines,
                "user" if in_shell else "root",
                undo=None if in_shell else "sudo systemctl revert ollama",
                hint=None if in_shell else f'there: Environment="{name}={better}"',
            ),
        )


_TRUE_BY_DEFAULT = "it takes a flag that it cannot read for true"
_NUMBER_IGNORED = "it passes over a number that it cannot read"
_TAKEN_AS_IT_IS = "it takes the path as it is, and expands nothing"
_PORT_OF_SCHEME = "of an http address without a port it takes port 80, not its own"
_PORT_IGNORED = "for a port that is none it takes its own, 11434"


def _misread(name: str, value: str) -> tuple[str, str, str] | None:
    """The server's reading of a value that was meant differently, the right way to write it, and
    the reason."""
    if name in _BOOLEANS and value and value not in _GO_BOOLEANS:
        off = value.lower() in ("off", "no", "disable", "disabled", "never", "none")
        # "on" and "yes" cannot be parsed and so count as true, which is what they mean.
        return ("true", "0", _TRUE_BY_DEFAULT) if off else None
    if name in _NUMBERS and value and not value.isdecimal():
        return "not set", _plain_number(value), _NUMBER_IGNORED
    if name == "OLLAMA_MODELS":
        if value.startswith("~"):
            return "a folder called ~", f"$HOME{value[1:]}", _TAKEN_AS_IT_IS
        if re.fullmatch(r"\d+\.\d+\.\d+\.\d+(:\d+)?", value):
            return "a folder of that name", "$HOME/.ollama/models", _TAKEN_AS_IT_IS
    if name == "OLLAMA_HOST":
        return _misread_host(value)
    return None


def _plain_number(value: str) -> str:
    match = re.fullmatch(r"(\d{1,9})\s*([kK])", value.strip())
    return str(int(match[1]) * 1024) if match else "8192"


def _misread_host(value: str) -> tuple[str, str, str] | None:
    text = value.strip().strip("\"'")
    scheme, separator, rest = text.partition("://")
    authority = (rest if separator else text).partition("/")[0]
    host, colon, port = authority.rpartition(":")
    if authority.startswith("[") and not authority.endswith("]"):
        host, colon, port = authority.rpartition(":")
    elif authority.count(":") > 1:
        return None
    if separator and scheme.lower() == "http" and not colon:
        return "port 80", f"http://{authority}:11434", _PORT_OF_SCHEME
    if colon and not 0 < (whole_number(port) or 0) < 65536:
        return "port 11434", f"{host}:11434", _PORT_IGNORED
    return None


@check(
    code="ollama-address-invalid",
    group="server",
    severity="fail",
    title="Ollama's address cannot be read",
    when="OLLAMA_HOST or `ollama.host` is no host, host and port, or URL",
    cause="it is no address: some clients refuse it, and others read it in their own ways",
    fix=Fix(("export OLLAMA_HOST=127.0.0.1:11434",), "user", undo="unset OLLAMA_HOST"),
    source="ollama #9597",
)
def ollama_address_invalid(facts: Snapshot) -> Iterator[Hit]:
    """The address could not be parsed."""
    ollama = ollama_of(facts)
    if known(ollama.address_error, "ollama: its address"):
        where = ollama.written_in or "OLLAMA_HOST"
        fix = None
        if where == "ollama.host":
            fix = Fix(("localai config unset ollama.host",), "ours")
        yield Hit(
            "ollama",
            (Evidence(where, str(ollama.written_address), "as set"),),
            title=f"Ollama's address in {where} cannot be read",
            fix=fix,
        )


@check(
    code="ollama-host-for-servers",
    group="server",
    severity="info",
    title="OLLAMA_HOST is an address to listen on, not to connect to",
    when="it is 0.0.0.0 or ::",
    cause=(
        "for a server it means every address of this machine, for a client nothing; "
        "localai and Ollama's program connect to 127.0.0.1, and other clients fail"
    ),
    fix=Fix(("export OLLAMA_HOST=127.0.0.1:11434",), "user", undo="unset OLLAMA_HOST"),
    source="ollama-python #407, #471",
)
def ollama_host_for_servers(facts: Snapshot) -> Iterator[Hit]:
    """Only the shell's variable counts; the service's may well be such an address."""
    value = variables_of(facts).get("OLLAMA_HOST", "")
    if _LISTENS_ONLY.match(value.strip().strip("\"'")):
        yield Hit(
            "variable:OLLAMA_HOST",
            (
                Evidence("OLLAMA_HOST", value, "the shell"),
                Evidence("localai connects to", str(ollama_of(facts).address), "localai"),
            ),
        )


def _variables(facts: Snapshot) -> Iterator[tuple[str, str, str]]:
    """Ollama's variables and their places: the shell, and the server's own environment."""
    places: list[tuple[str, Mapping[str, str]]] = [("the shell", variables_of(facts))]
    if facts.service is not None and facts.service.environment:
        places.append(("Ollama's service", facts.service.environment))
    seen: set[str] = set()
    for where, variables in places:
        for name, value in variables.items():
            if name.startswith("OLLAMA_") and name not in seen:
                seen.add(name)
                yield name, value, where
    if facts.service is None or facts.service.exists is not False:
        # The service's variables may matter, and they are not known.
        known(known(facts.service, "service").environment, "service: its environment")
