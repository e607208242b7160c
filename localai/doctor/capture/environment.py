"""The user's variables that matter to engines, without the secrets in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from localai.doctor.capture.context import Context
from localai.doctor.facts.machine import Environment
from localai.hardware.readers import read_text
from localai.privacy.environment import is_secret
from localai.stores.folders import lmstudio_homes

_MATTERS: Final = re.compile(
    r"^(OLLAMA_|LOCALAI_|HSA_|ROCR_|HIP_|CUDA_|GGML_|LLAMA_|VLLM_|MLX_|HF_|HUGGINGFACE_|LM_|LMS_)"
    r"|_VISIBLE_DEVICES$|_PROXY$|^(SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|PIP_CERT|DO_NOT_TRACK|DISABLE_TELEMETRY|LANG|LC_ALL|WSL_DISTRO_NAME|DOCKER_HOST)$",
    re.IGNORECASE,
)
_HISTORIES: Final = (
    ".bash_history",
    ".zsh_history",
    ".local/share/fish/fish_history",
    ".python_history",
)
# Other tools' files of prompts: Ollama's session, llm, aichat.
_PROMPTS: Final = (
    ".ollama/history",
    ".config/io.datasette.llm/logs.db",
    ".config/aichat/messages.md",
)
# The same in each folder of LM Studio's, its app Bionic included.
_LMSTUDIO_PROMPTS: Final = (
    "conversations",
    "server-logs",
    "apps/bionic/projects",
    "apps/bionic/server-logs",
)
_TYPED_KEY: Final = re.compile(
    rb"\b([A-Z][A-Z0-9_]*(?:API_?KEY|TOKEN|SECRET))\s*=\s*[\"']?[A-Za-z0-9_\-]{16,}"
)
_MOST_HISTORY_BYTES: Final = 4 << 20


def environment(context: Context) -> Environment:
    """The user's variables that matter. Keys are given by their names only."""
    set_here = (name for name, value in context.environ.items() if value)
    typed = {name for history in _HISTORIES for name in _keys_in(context.home / history)}
    return Environment(
        variables=variables_of(context.environ),
        keys=tuple(sorted(filter(is_key, set_here))),
        shell_keys=tuple(sorted(typed)),
        shell=Path(context.environ.get("SHELL", "")).name,
        open_histories=tuple(_open_histories(context.home)),
    )


def variables_of(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of `environ` that matter, without keys and passwords."""
    return {
        name: without_password(value)
        for name, value in sorted(environ.items())
        if _MATTERS.search(name) and not is_secret(name)
    }


def is_key(name: str) -> bool:
    """Whether the variable called `name` holds a key that could pay for a prompt."""
    return is_secret(name) and name.upper().endswith(("API_KEY", "APIKEY", "TOKEN"))


def without_password(value: str) -> str:
    """`value`; if it is an address with a user and a password, the address without them."""
    if "://" not in value or "@" not in value:
        return value
    try:
        parts = urlsplit(value)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(an address that cannot be read)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _keys_in(history: Path) -> set[str]:
    """The names of keys that were typed into a shell. Their values are never read out."""
    text = (read_text(history) or "").encode("utf-8", "replace")[-_MOST_HISTORY_BYTES:]
    return {match[1].decode() for match in _TYPED_KEY.finditer(text)}


def _open_histories(home: Path) -> Iterator[str]:
    """The histories that everybody may read: the file, and every folder above it, is open."""
    paths = [home / name for name in _PROMPTS]
    paths += [folder / name for folder in lmstudio_homes(home) for name in _LMSTUDIO_PROMPTS]
    for path in paths:
        try:
            right = 0o005 if path.is_dir() else 0o004
            is_open = path.stat().st_mode & right == right
            if is_open and all(each.stat().st_mode & 0o001 for each in path.parents):
                yield str(path)
        except OSError:
            continue
