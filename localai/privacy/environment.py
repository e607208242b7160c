"""Environment variables that would make a library or a child talk: proxies, telemetry, keys.

Owns which variables those are. `quieten` changes this process's environment; everything else
returns a copy.
"""

from __future__ import annotations

import os
import re

_QUIET = {
    "DO_NOT_TRACK": "1",
    "DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # hf_xet is native code: the guard does not see its connections, so the ledger would lie.
    "HF_HUB_DISABLE_XET": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # For a daemon that we start: an opt-in to its cloud is for the caller to take out.
    "OLLAMA_NO_CLOUD": "1",
}
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}
# `no_proxy=*` and not just no proxy: with an empty environment urllib and httpx ask macOS for
# the system's proxy. A proxy on loopback would carry everything past a guard that lets loopback
# through.
_NO_PROXY = {"no_proxy": "*", "NO_PROXY": "*"}
_SECRET = re.compile(
    r"(^|_)(API_?KEY|ACCESS_KEY|ACCESS_KEY_ID|PRIVATE_KEY|TOKEN|SECRET|PASSWORD|PASSPHRASE"
    r"|CREDENTIALS)$",
    re.IGNORECASE,
)

# What the user had set where we changed it; None is "nothing".
_before: dict[str, str | None] = {}


def quieten(*, keep_proxy: bool) -> None:
    """Opt out of telemetry, set the offline modes, and take proxies out of os.environ.

    `keep_proxy` leaves the proxies: the user has configured one.
    """
    changes: dict[str, str | None] = {**_QUIET, **_OFFLINE}
    if not keep_proxy:
        changes.update(dict.fromkeys(filter(is_proxy, os.environ)))
        changes.update(_NO_PROXY)
    for name in changes:
        _before[name] = os.environ.get(name)
    _apply(changes)


def set_offline(offline: bool) -> None:
    """Set the hubs' offline modes in os.environ, or give the user's own values back."""
    _apply({name: value if offline else _before.get(name) for name, value in _OFFLINE.items()})


def child_environment(*, network: bool = False, secrets: bool = False) -> dict[str, str]:
    """The environment for a child process: this one's, with telemetry off.

    `network` False sets the offline modes and removes proxies; True gives back the user's own
    proxies and modes. Variables that look like keys, tokens and passwords are left out unless
    `secrets`.
    """
    environment = {
        name: value for name, value in os.environ.items() if secrets or not is_secret(name)
    }
    if network:
        for name, value in _before.items():
            environment.pop(name, None)
            if value is not None and (secrets or not is_secret(name)):
                environment[name] = value
    else:
        environment = {name: value for name, value in environment.items() if not is_proxy(name)}
        environment.update(_OFFLINE)
        environment.update(_NO_PROXY)
    environment.update(_QUIET)
    return environment


def is_proxy(name: str) -> bool:
    """Whether the variable called `name` names a proxy to the usual libraries."""
    lower = name.lower()
    # LOCALAI_NETWORK_PROXY is our own setting, and no library's.
    return lower.endswith("_proxy") and not lower.startswith("localai_")


def is_secret(name: str) -> bool:
    """Whether the variable called `name` holds a key, token or password, judged by its name."""
    return _SECRET.search(name) is not None


def keys_present() -> list[str]:
    """The names of the variables in os.environ that hold keys, tokens or passwords."""
    return sorted(filter(is_secret, os.environ))


def proxies_removed() -> list[str]:
    """The names of the proxy variables that `quieten` took out of os.environ."""
    return sorted(
        name
        for name, value in _before.items()
        if value and is_proxy(name) and name.lower() != "no_proxy"
    )


def _apply(changes: dict[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
