"""The versions of other programs, and the known vulnerabilities. Pure: a dated table.

Nothing is looked up. The table is the knowledge of `AS_OF`. Its sources are the entries of the CVE
list and the projects' own advisories, as gathered in them.
"""

from __future__ import annotations

import re
from typing import Final

from localai.dataclass import dataclass

AS_OF: Final = "2026-11-20"
"""The day of this table, and the earliest day on which this version of localai can run."""


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """A vulnerability. `fixed_in` is the first version without it; "" if none was known."""

    cve: str
    fixed_in: str
    what: str


VULNERABILITIES: Final[dict[str, tuple[Vulnerability, ...]]] = {
    "ollama": (
        Vulnerability("CVE-2024-28224", "0.1.29", "a web page reaches the server (DNS rebinding)"),
        Vulnerability("CVE-2024-37032", "0.1.34", "a manifest writes files and runs code"),
        Vulnerability("CVE-2025-44779", "0.1.34", "a request removes files"),
        Vulnerability("CVE-2024-39720", "0.1.46", "a model file ends the server"),
        Vulnerability("CVE-2024-45436", "0.1.47", "an archive writes outside its folder"),
        Vulnerability("CVE-2024-12886", "0.4.0", "a model's download exhausts the memory"),
        Vulnerability("CVE-2026-7482", "0.17.1", "a request reads the server's memory"),
    ),
    "llama.cpp": (
        Vulnerability("CVE-2025-49847", "5662", "a model's vocabulary writes beyond its buffer"),
        Vulnerability("CVE-2025-52566", "5721", "the tokenizer writes beyond its buffer"),
        Vulnerability("CVE-2026-33298", "7824", "as its entry says"),
        Vulnerability("CVE-2026-27940", "8146", "as its entry says"),
        Vulnerability("CVE-2026-34159", "8492", "a request to the RPC server"),
    ),
    "llama-cpp-python": (
        Vulnerability("CVE-2024-34359", "0.2.72", "a model's chat template runs code"),
    ),
    "vllm": (
        Vulnerability("CVE-2025-24357", "0.7.0", "a model file runs code"),
        Vulnerability("CVE-2025-32444", "0.9.0", "a message runs code"),
        Vulnerability("CVE-2025-47277", "0.9.0", "a message runs code"),
        Vulnerability("CVE-2026-22778", "0.14.1", "a request runs code"),
        Vulnerability("CVE-2026-27893", "0.18.0", "as its entry says"),
    ),
}


def number(version: str) -> tuple[int, ...]:
    """The version `0.17.4-rc1` as (0, 17, 4). Empty for a text that is no version, and for 0.0.0,
    the version of builds from source."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    parts = tuple(int(part) for part in match[1].split(".")) if match else ()
    return parts if any(parts) else ()


def vulnerabilities(product: str, version: str) -> tuple[Vulnerability, ...]:
    """The vulnerabilities of `version` of `product`, as known on `AS_OF`."""
    have = number(version)
    if not have:
        return ()
    return tuple(
        each
        for each in VULNERABILITIES.get(product, ())
        if each.fixed_in and have < number(each.fixed_in)
    )


def engine_build(version: str) -> str:
    """The build of llama.cpp in a version of xllamacpp, which is its third part; "" if there is
    none."""
    parts = version.split(".")
    return parts[2] if len(parts) > 2 and parts[2].isdecimal() else ""
