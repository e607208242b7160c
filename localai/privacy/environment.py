"""Environment variables that would make a library or a child connect: proxies, telemetry, keys.

Owns the lists of these variables. `quieten` changes this process's environment; everything else
returns a copy.
"""

from __future__ import annotations

import os
import re
from typing import Literal

from localai.patterns import lazy_pattern

_QUIET = {
    "DO_NOT_TRACK": "1",
    "DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # hf_xet is native code: the guard does not see its connections, so the ledger would be
    # incomplete.
    "HF_HUB_DISABLE_XET": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # For a daemon that we start. A caller whose user has allowed its cloud takes this out.
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
_SECRET = lazy_pattern(
    r"(^|_)(API_?KEY|ACCESS_KEY|ACCESS_KEY_ID|PRIVATE_KEY|TOKEN|SECRET|PASSWORD|PASSPHRASE"
    r"|CREDENTIALS)$",
    re.IGNORECASE,
)

# user:password@ in an address.
_PASSWORD_IN_URL = lazy_pattern(r"://[^/?#\s@]*@")

ChildPurpose = Literal["system", "engine", "tmux", "pip", "editor"]

# An allowlist: an unknown variable may be a key, a password or the socket of an agent.
_EVERY_CHILD = lazy_pattern(
    r"PATH|HOME|USER|LOGNAME|SHELL|PWD|LANG|LANGUAGE|LC_\w+|LOCALE_ARCHIVE|LOCPATH|TZ|TZDIR"
    r"|TMPDIR|TEMP|TMP|XDG_(CONFIG|DATA|CACHE|STATE)_HOME|XDG_(CONFIG|DATA)_DIRS"
    r"|XDG_RUNTIME_DIR|LD_LIBRARY_PATH|DYLD_(FALLBACK_)?(LIBRARY|FRAMEWORK)_PATH|NIX_LD\w*"
    r"|CONDA_PREFIX|VIRTUAL_ENV|__CF_USER_TEXT_ENCODING"
    r"|SYSTEMROOT|WINDIR|COMSPEC|PATHEXT|USERPROFILE|APPDATA|LOCALAPPDATA|PROGRAMDATA"
    # Another installation's folder: a child of ours must use the same one.
    r"|LOCALAI_HOME"
)
_OF_PURPOSE: dict[ChildPurpose, re.Pattern[str]] = {
    "system": lazy_pattern(r"(CUDA|NVIDIA|HIP|ROCR|ROCM|HSA)_\w+"),
    "engine": lazy_pattern(
        r"(GGML|LLAMA|MLX|METAL|MTL|CUDA|NVIDIA|NCCL|CUBLAS|HIP|ROCR|ROCM|HSA|AMD|GPU|VK|VULKAN"
        r"|MESA|SYCL|ONEAPI|ZE|OCL|OMP|GOMP|KMP|MKL|OPENBLAS|BLIS|VECLIB|MALLOC)_\w+|Malloc\w+"
        r"|PYTHON(PATH|HOME|HASHSEED|UNBUFFERED|DONTWRITEBYTECODE|PYCACHEPREFIX|UTF8|FAULTHANDLER)"
        r"|TOKENIZERS_PARALLELISM|HF_HOME|HF_HUB_CACHE|HUGGINGFACE_HUB_CACHE"
    ),
    "tmux": lazy_pattern(r"TMUX|TMUX_PANE|TMUX_TMPDIR|TERM"),
    "pip": lazy_pattern(
        r"PIP_\w+|PYTHON(PATH|HOME|UTF8)|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
        r"|NETRC|DBUS_SESSION_BUS_ADDRESS"
    ),
    "editor": lazy_pattern(r"\w+"),
}

# The user's own values of the variables that `quieten` changed; None for a variable that was unset.
_before: dict[str, str | None] = {}


def quieten(*, keep_proxy: bool) -> None:
    """Opt out of telemetry, set the offline modes, and take proxies out of os.environ.

    `keep_proxy` leaves the proxies, because the user has configured one.
    """
    changes: dict[str, str | None] = {**_QUIET, **_OFFLINE}
    if not keep_proxy:
        changes.update(dict.fromkeys(filter(is_proxy, os.environ)))
        changes.update(_NO_PROXY)
    for name in changes:
        _before[name] = os.environ.get(name)
    _apply(changes)


def set_offline(offline: bool) -> None:
    """Set the hubs' offline modes in os.environ, or restore the user's own values."""
    _apply({name: value if offline else _before.get(name) for name, value in _OFFLINE.items()})


def child_environment(purpose: ChildPurpose = "system") -> dict[str, str]:
    """The environment for a child process: the variables of this one that are on a list, with
    telemetry off.

    Every child gets the variables that name program paths, the user's language and the user's
    folders. `purpose` adds others: an `engine` gets those that steer accelerators, threads and
    Python; `tmux` gets its terminal's; `pip` gets the user's own index, certificates and proxies,
    with the passwords in them. An `editor` is the user's own program and gets every variable that
    holds no secret. All purposes but `pip` set the hubs' offline modes and leave out proxies and
    variables with secrets.
    """
    environment = {
        name: value
        for name, value in given_environment().items()
        if _is_passed_on(purpose, name) and not _holds_secret(purpose, name, value)
    }
    if purpose != "pip":
        environment.update(_OFFLINE)
        environment.update(_NO_PROXY)
    environment.update(_QUIET)
    return environment


def _is_passed_on(purpose: ChildPurpose, name: str) -> bool:
    if is_proxy(name):
        return purpose == "pip"
    return purpose == "editor" or any(
        pattern.fullmatch(name) for pattern in (_EVERY_CHILD, _OF_PURPOSE[purpose])
    )


def _holds_secret(purpose: ChildPurpose, name: str, value: str) -> bool:
    if purpose == "pip":
        # The address of an index or a proxy may have a password in it, and pip needs it.
        return is_secret(name)
    return is_secret(name) or _PASSWORD_IN_URL.search(value) is not None


def given_environment() -> dict[str, str]:
    """A copy of os.environ as the user gave it, before `quieten`."""
    given = dict(os.environ)
    for name, value in _before.items():
        given.pop(name, None)
        if value is not None:
            given[name] = value
    return given


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
