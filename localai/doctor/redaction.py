"""Removes personal data from a snapshot: names, addresses, homes, serial numbers. Pure.

A report is made by an allow-list: a snapshot has no field for a person's texts, only the variables
that this module knows keep their value, and every text goes through here. Texts are redacted by
name (the user, the host, the home, other users and hosts in the facts) and by pattern (addresses,
keys, serial numbers).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from localai.config.settings import SETTINGS
from localai.dataclass import dataclass
from localai.doctor.facts.snapshot import Snapshot

_SHORTEST_NAME: Final = 3
# Names of accounts and hosts that belong to no person.
_ANYBODYS: Final = frozenset(
    {"root", "ollama", "_ollama", "user", "admin", "ubuntu", "nobody", "unknown", "localhost"}
)
_KNOWN_VARIABLES: Final = re.compile(
    r"^(OLLAMA_(?!.*(KEY|TOKEN|SECRET|PASS|AUTH))[A-Z_]+|[A-Z]+_VISIBLE_DEVICES"
    r"|HSA_OVERRIDE_GFX_VERSION|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE"
    r"|CURL_CA_BUNDLE|PIP_CERT|LANG|LC_ALL|DO_NOT_TRACK|DISABLE_TELEMETRY|HF_HUB_OFFLINE"
    r"|LOCALAI_(ENGINE|NETWORK|OLLAMA|LMSTUDIO|REGISTRY|HISTORY|CLOUD|CHAT_MAX)[A-Z_]*)$",
    re.IGNORECASE,
)
_SAFE_VALUE: Final = re.compile(r"^[\w./:,\[\]~*\\@$ -]{0,120}$")
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9_-]{24,}")
_PATTERNS: Final = (
    # Keys come first, because a key may contain an address.
    (
        re.compile(
            r"\b(?:sk|pk|rk|hf|ghp|gho|github_pat|glpat|xox[abp])[-_][A-Za-z0-9_\-]{10,}"
            r"|\bAKIA[A-Z0-9]{12,}|\bAIza[\w-]{20,}"
        ),
        "KEY",
    ),
    # Each of them begins where no other could, so that a long text takes no square of its length.
    (re.compile(r"\beyJ(?:(?!-eyJ)[\w-]){8,}\.[\w-]{8,}\.[\w-]*"), "KEY"),
    (re.compile(r"(?<=://)[^/\s@]*@"), ""),
    (re.compile(r"(?i)(?<=bearer )[\w.~+/=-]{8,}"), "KEY"),
    (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+\b"), "MAIL"),
    (re.compile(r"\b(?:GPU|MIG)-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4,12})*"), "SERIAL"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "SERIAL"),
    (re.compile(r"\b(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b"), "MAC"),
    (re.compile(r"(/home/|/Users/|/var/home/|/media/|/run/media/)[^/\s'\":,;]+"), r"\1USER"),
)
_IPV4: Final = re.compile(r"(?<![\d.])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_IPV6: Final = re.compile(r"(?<![\w:.])(?=[0-9a-fA-F:]*:[0-9a-fA-F:]*:)[0-9a-fA-F:]{4,39}(?![\w:])")
# Addresses to listen on, which tell nothing about a person.
_OF_EVERY_MACHINE: Final = ("127.", "0.0.0.0", "255.255.255.255")
_HOSTS_IN: Final = (
    *("network.lan", "network.proxy"),
    *(setting.key for setting in SETTINGS if setting.key.endswith(".host")),
)


@dataclass(frozen=True, slots=True)
class Private:
    """The texts to be removed by name, each with its replacement."""

    names: Mapping[str, str] = field(default_factory=dict)


def private_names(
    snapshot: Snapshot,
    *,
    user: str,
    host: str,
    home: str,
    full_name: str,
    hide_models: bool = False,
) -> Private:
    """The names of the person, the machine and others in `snapshot`; with `hide_models`, of the
    models too."""
    names: dict[str, str] = {}
    if len(home) > _SHORTEST_NAME:
        names[home] = "HOME"
    for name, instead in (
        (full_name, "NAME"),
        (host, "HOST"),
        (host.partition(".")[0], "HOST"),
        (user, "USER"),
    ):
        names.setdefault(name, instead)
    for name in _users(snapshot):
        names.setdefault(name, "OTHER-USER")
    for name in _hosts(snapshot):
        names.setdefault(name, "HOST")
    if hide_models:
        for name in _models(snapshot):
            names.setdefault(name, hidden_name(name))
    kept = {
        name: instead
        for name, instead in names.items()
        if len(name) >= _SHORTEST_NAME and name.lower() not in _ANYBODYS
    }
    return Private(dict(sorted(kept.items(), key=lambda pair: -len(pair[0]))))


def redact(document: Any, private: Private) -> Any:
    """`document`, of JSON's types, with every text in it redacted, keys of objects too."""
    if isinstance(document, str):
        return redact_text(document, private)
    if isinstance(document, list):
        return [redact(each, private) for each in document]
    if isinstance(document, Mapping):
        return {
            redact_text(str(key), private): _allowed(str(key), value, private)
            for key, value in document.items()
        }
    return document


def redact_text(text: str, private: Private) -> str:
    """`text` without the names of persons, machines and addresses."""
    for name, instead in private.names.items():
        if name in text:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", instead, text)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    text = _IPV4.sub(_address, text)
    return _IPV6.sub(lambda match: match[0] if match[0] in ("::1", "::") else "ADDRESS", text)


def hidden_name(name: str) -> str:
    """A replacement name for a model, which is always the same for the same model and tells nothing
    about it."""
    return f"model-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:6]}"


def _allowed(key: str, value: Any, private: Private) -> Any:
    """A value under `key`. Of environments, only the variables are kept that are known to hold no
    secret."""
    if key in ("variables", "environment") and isinstance(value, Mapping):
        if not all(isinstance(each, str) for each in value.values()):
            return redact(value, private)
        return {
            redact_text(name, private): redact_text(each, private)
            if _may_be_shown(name, each)
            else "(set)"
            for name, each in value.items()
        }
    return redact(value, private)


def _may_be_shown(name: str, value: str) -> bool:
    if not _KNOWN_VARIABLES.match(name) or not _SAFE_VALUE.match(value):
        return False
    # A word of this length is a key or a private name.
    return _LONG_WORD.search(value) is None


def _address(match: re.Match[str]) -> str:
    is_address = all(int(part) < 256 for part in match.groups())
    return match[0] if not is_address or match[0].startswith(_OF_EVERY_MACHINE) else "ADDRESS"


def _users(snapshot: Snapshot) -> Iterator[str]:
    """The other users that the facts name."""
    if snapshot.ollama is not None:
        yield from (snapshot.ollama.run_by or "").split(", ")
    if snapshot.service is not None:
        yield snapshot.service.user or ""
    yield from (each.user or "" for each in snapshot.listeners or ())
    yield from (each.owner or "" for each in snapshot.places or ())
    for setting in _settings(snapshot, ("network.users",)):
        yield from (name.strip() for name in setting.split(","))


def _hosts(snapshot: Snapshot) -> Iterator[str]:
    """The user's own hosts in settings and variables."""
    yield from (_host_of(each.host or "") for each in snapshot.own_servers or ())
    written = list(_settings(snapshot, _HOSTS_IN))
    if snapshot.trust is not None:
        written.append(snapshot.trust.proxy or "")
    if snapshot.ollama is not None:
        written += [snapshot.ollama.address or "", snapshot.ollama.written_address or ""]
    if snapshot.environment is not None:
        variables = snapshot.environment.variables or {}
        written += [value for name, value in variables.items() if name.upper().endswith("_PROXY")]
        written.append(variables.get("OLLAMA_HOST", ""))
    for text in written:
        for each in text.split(","):
            yield _host_of(each.strip())


def _host_of(text: str) -> str:
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""
    # Addresses have a pattern of their own, and loopback is kept.
    return "" if not re.search(r"[a-z]", host) or ":" in host else host


def _settings(snapshot: Snapshot, keys: tuple[str, ...]) -> Iterator[str]:
    if snapshot.own is not None:
        yield from (each.value or "" for each in snapshot.own.settings or () if each.key in keys)


def _models(snapshot: Snapshot) -> Iterator[str]:
    """Every name of each model, and the names of its files."""
    found: list[str | None] = []
    for model in snapshot.models or ():
        found += [model.name, PurePosixPath(model.path or "").name]
    for folder in snapshot.model_folders or ():
        found += [folder.name, PurePosixPath(folder.path or "").name]
    if snapshot.ollama is not None:
        found += [each.name for each in snapshot.ollama.models or ()]
        found += [each.name for each in snapshot.ollama.running or ()]
    if snapshot.ollama_store is not None:
        store = snapshot.ollama_store
        found += [*(store.broken_manifests or ()), *(store.needs or {})]
        found += [each.model for each in store.bad_blobs or ()]
    if snapshot.own is not None:
        found += [snapshot.own.model, *_settings(snapshot, ("model", "cloud.fallback"))]
    for name in found:
        if name and name != "starter":
            yield name
            yield name.rpartition("/")[2]
