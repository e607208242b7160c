"""The table of settings: each with its type, default and meaning.

The documentation, `config list` and the errors are made from it. Secrets deliberately have no key
here. Plain dataclasses and not pydantic: every command reads this, and importing pydantic alone
takes longer than the rest of a one-shot's set-up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from localai.config.values import (
    Invalid,
    flag,
    integer,
    one_of,
    parse_duration,
    size,
    text,
    texts,
    tokens,
)
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.near_names import did_you_mean
from localai.patterns import lazy_pattern


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: how a raw value becomes a typed one, its default, and what it is for.

    `honours` is another program's environment variable, which counts if nothing else is set.
    """

    key: str
    parse: Callable[[Any], Any]
    default: Any
    kind: str
    meaning: str
    honours: str | None = None

    @property
    def example(self) -> str:
        """A value that it takes, as it is typed."""
        return _EXAMPLES.get(self.kind) or self.kind.partition("|")[0]

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "LOCALAI_" + self.key.upper().replace(".", "_")


_EXAMPLES: Final = {"tokens": "8k", "size": "4GB", "duration": "5m", "count": "4"}
"""Where the first word of a kind is no value of it."""
KV_TYPES: Final = ("f16", "q8_0", "q4_0", "bf16", "f32")
"""The types in which the embedded engine can keep keys and values."""

SETTINGS: tuple[Setting, ...] = (
    Setting("model", text, None, "text", "the model that answers when none is named"),
    Setting("provider", text, None, "text", "the provider a bare model name is looked up in first"),
    Setting("chat.system", text, None, "text", "the system prompt when none is given"),
    Setting(
        "chat.max_tokens",
        tokens(1, 1_000_000),
        None,
        "tokens",
        "the longest answer; if unset what is left of the context, and 2048 for a model without a"
        " chat template, in a batch and in a suite",
    ),
    Setting(
        "chat.stop_loops",
        flag,
        True,
        "true|false",
        "stop an answer that repeats itself without end",
    ),
    Setting("history.record", flag, True, "true|false", "keep conversations on this machine"),
    Setting(
        "history.pictures",
        size,
        1_000_000_000,
        "size",
        "disk for the pictures of kept conversations; 0 keeps none",
    ),
    Setting(
        "engine.keep_alive",
        parse_duration,
        300.0,
        "duration",
        "how long an idle model stays loaded; 0 unloads at once, -1 never",
    ),
    Setting(
        "engine.context",
        tokens(256, 16_777_216),
        4096,
        "tokens",
        "the context that the embedded engine starts with; it grows when needed",
    ),
    Setting(
        "engine.slots", integer(1, 64), 4, "count", "requests that one worker computes at a time"
    ),
    Setting(
        "engine.binary",
        text,
        None,
        "path",
        "a llama-server to compute with, one that uses your GPU; localai's own engine if unset",
    ),
    Setting(
        "engine.threads",
        integer(1, 1024),
        None,
        "count",
        "CPU threads; as many as there are physical cores for them if unset",
    ),
    Setting(
        "engine.prefill_threads",
        integer(1, 1024),
        None,
        "count",
        "CPU threads for reading a prompt; as many as `engine.threads` if unset",
    ),
    Setting(
        "engine.gpu_layers",
        integer(0, 10_000),
        None,
        "count",
        "layers on the GPU; as many as fit if unset",
    ),
    Setting(
        "engine.kv_type",
        one_of(*KV_TYPES),
        "f16",
        "f16|q8_0|q4_0|…",
        "how keys and values are kept: q8_0 takes half of the memory, q4_0 a quarter",
    ),
    Setting(
        "engine.flash_attention",
        one_of("auto", "on", "off"),
        "auto",
        "auto|on|off",
        "attention in one step; what is smaller than f16 as engine.kv_type needs it",
    ),
    Setting(
        "engine.batch",
        integer(32, 65_536),
        None,
        "tokens",
        "how much of a prompt is handed to the model at a time; if unset what a CPU computes in one"
        " step, and 2048 with a GPU",
    ),
    Setting(
        "engine.micro_batch",
        integer(32, 65_536),
        None,
        "tokens",
        "how much of that is computed in one step: more is faster on a GPU, and takes memory; if"
        " unset 256 on a CPU, and 512 with a GPU or a model that sees",
    ),
    Setting(
        "engine.warm_up",
        flag,
        False,
        "true|false",
        "compute once before the first answer, so that starting takes longer and it does not",
    ),
    Setting(
        "engine.draft",
        one_of("lookup", "mtp", "off"),
        "lookup",
        "lookup|mtp|off",
        "draft tokens for the model to check, with the same answers: from the prompt itself (faster"
        " edits), or by the model's own layers for that, if it has them (mtp)",
    ),
    Setting(
        "engine.kv_limit",
        size,
        4_000_000_000,
        "size",
        "disk for the KV states with which conversations go on at once; 0 keeps none",
    ),
    Setting(
        "cloud.allow",
        texts,
        (),
        "list",
        "clouds that may receive prompts; the only lasting way to one",
    ),
    Setting(
        "cloud.fallback",
        text,
        None,
        "provider/model",
        "the cloud model that answers when the local provider cannot be reached",
    ),
    Setting("network.proxy", text, None, "URL", "the proxy for what goes to the internet"),
    Setting("network.lan", texts, (), "list", "hosts of the local network that may be used"),
    Setting(
        "network.users",
        texts,
        (),
        "list",
        "other users of this machine whose servers are trusted; `unknown` where it shows none",
    ),
    Setting(
        "ollama.host", text, None, "address", "where Ollama listens; OLLAMA_HOST is honoured too"
    ),
    Setting("lmstudio.host", text, "127.0.0.1:1234", "address", "where LM Studio listens"),
    Setting(
        "registry.ollama", text, "https://registry.ollama.ai", "URL", "where `pull name:tag` asks"
    ),
    Setting(
        "registry.hub",
        text,
        "https://huggingface.co",
        "URL",
        "where `pull hf.co/…` and `recommend --online` ask; HF_ENDPOINT is honoured too",
        honours="HF_ENDPOINT",
    ),
)

BY_KEY = {setting.key: setting for setting in SETTINGS}

ENDPOINT_FIELDS: dict[str, Callable[[Any], Any]] = {
    "url": text,
    "key_env": text,
    "api": one_of("chat", "responses"),
    "context": tokens(256, 16_777_216),
    "concurrency": integer(1, 4096),
}


_ENDPOINT: Final = lazy_pattern(r"endpoint\.(?P<name>[^.]+)(\.(?P<field>.+))?")


def endpoint_key(key: str) -> tuple[str, str | None] | None:
    """The name and the field that `endpoint.NAME.FIELD` means; the field is None for the whole
    table. None if it is no key of an endpoint. Raises InvalidInput for an unknown field."""
    found = _ENDPOINT.fullmatch(key)
    if found is None:
        return None
    name, field = found["name"], found["field"]
    if field is not None and field not in ENDPOINT_FIELDS and not field.startswith("headers."):
        raise InvalidInput(
            f"an endpoint has no {field!r}",
            hint=f"it has {', '.join(ENDPOINT_FIELDS)} and headers.NAME",
        )
    return name, field


def setting(key: str) -> Setting:
    """The setting called `key`. Raises InvalidInput with the nearest names."""
    found = BY_KEY.get(key)
    if found is None:
        raise InvalidInput(
            f"there is no setting called {key!r}",
            hint=did_you_mean(key, BY_KEY, likeness=0.75),
            command="localai config list",
        )
    return found


def parse_value(key: str, raw: Any, where: str | None) -> Any:
    """The typed value of the setting `key` from the text or TOML value `raw`.

    Raises InvalidInput that names the place, `where`: a file or a variable; None if it was typed.
    """
    place = "" if where is None else f"{where}: "
    if (endpoint := endpoint_key(key)) is not None:
        return _parse_field(key, endpoint[1], raw, place)
    found = BY_KEY.get(key)
    if found is None:
        raise InvalidInput(
            f"{place}there is no setting called {key!r}",
            hint=did_you_mean(key, BY_KEY, likeness=0.75),
            command="localai config list",
        )
    try:
        return found.parse(raw)
    except Invalid as error:
        # Whoever reads it in a file has that open.
        line = ("localai", "config", "set", key, found.example) if where is None else None
        raise InvalidInput(f"{place}{key} must be {error}, not {raw!r}", command=line) from error


def _parse_field(key: str, field: str | None, raw: Any, place: str) -> Any:
    if field is None:
        raise InvalidInput(
            f"{place}{key} is a table", hint=f"name one of its fields, such as {key}.url"
        )
    try:
        parse: Callable[[Any], Any] = ENDPOINT_FIELDS.get(field, text)
        return parse(raw)
    except Invalid as error:
        raise InvalidInput(f"{place}{key} must be {error}, not {raw!r}") from error
