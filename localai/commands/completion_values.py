"""Where the values come from that the shells complete: by the command and the parameter.

Nothing here connects.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from time import localtime, strftime
from typing import Any, Final, get_args

from localai.completion_scripts import SHELLS
from localai.config import SETTINGS, Config, load, model_key
from localai.config.endpoints import endpoint_values
from localai.config.models import FILE_FIELDS, model_fields, model_values
from localai.config.settings import KV_TYPES
from localai.paths import Paths, locate
from localai.sampling_options import SAMPLING_OPTIONS
from localai.types import Think, Zone

Value = tuple[str, str]
"""A value, and what it is; the second may be empty."""
Source = Callable[[Any], Iterable[Value] | None]
"""The values for the context of a command line; None for the names of files."""
TYPED: Final = "localai.typed"
"""Where `context.meta` has what stands before the cursor of the word."""
_MOST_KEPT: Final = 50


def source_of(command: str, parameter: str) -> Source | None:
    """Where the values of a `parameter` of `command` come from; None if there are none."""
    return _OF_COMMAND.get((command, parameter), _SOURCES.get(parameter))


def _settings() -> tuple[Paths, Config]:
    paths = locate()
    return paths, load(paths)


def _models(_context: Any) -> Iterator[Value]:
    from localai.stores.folders import stored_folders
    from localai.stores.inventory import stored_models
    from localai.stores.presets import list_presets

    paths, config = _settings()
    known = [(each.name, each.store) for each in stored_models(paths, os.environ)]
    known += [(each.name, each.store) for each in stored_folders(paths, os.environ)]
    yield from ((each.name, f"a preset of {each.base}") for each in list_presets(paths))
    yield from dict(known).items()
    yield from ((name, "an endpoint") for name in config.endpoints)


def _templates(_context: Any) -> Iterator[Value]:
    from localai.chat.templates import list_templates

    return ((each.name, each.description) for each in list_templates(locate()))


def _variables(context: Any) -> Iterator[Value]:
    from localai.chat.templates import find_template

    template = find_template(context.params.get("template") or "", locate())
    return ((f"{name}=", template.variables.get(name) or "") for name in template.names)


def _conversations(_context: Any) -> Iterator[Value]:
    from localai.chat.resume import recent_conversations

    rows = recent_conversations(locate().database, _MOST_KEPT)
    return ((row.id, " ".join((row.title or "").split())[:60]) for row in rows)


def _providers(_context: Any) -> Iterator[Value]:
    from localai.providers.registry import provider_names

    return ((name, "") for name in provider_names(_settings()[1]))


def _keys(context: Any) -> Iterator[Value]:
    config = _settings()[1]
    if context.info_name == "unset":
        yield from _keys_in_file(config)
        return
    yield from ((each.key, each.meaning) for each in SETTINGS)
    for name in config.endpoints:
        yield f"endpoint.{name}.url", "a server of your own"
    # Every field of every model would bury the rest.
    if context.meta[TYPED].startswith("models."):
        for name, _ in _models(context):
            yield from ((f"models.{name}.{field}", "of one model") for field in model_fields())


def _keys_in_file(config: Config) -> Iterator[Value]:
    for each in SETTINGS:
        if config.values[each.key].origin == "file":
            yield each.key, each.meaning
    yield from ((f"endpoint.{name}", "a server of your own") for name in config.endpoints)
    yield from ((key, "of a server of your own") for key, _ in endpoint_values(config))
    yield from ((f"models.{name}", "all of one model") for name in config.models)
    yield from ((key, "of one model") for key, _ in model_values(config.models))


def _values_of_model(field: str | None, context: Any) -> Iterable[Value] | None:
    known = {"kv": _choices(*KV_TYPES), "think": _choices(*get_args(Think))}
    return None if field in FILE_FIELDS else known.get(field or "", _choices())(context)


def _values(context: Any) -> Iterable[Value] | None:
    key = context.params.get("key") or ""
    sources: dict[str, Callable[[Any], Iterable[Value]]] = {
        "model": _models,
        "provider": _providers,
        "cloud.allow": _providers,
        "engine.kv_type": _choices(*KV_TYPES),
    }
    if (model := model_key(key)) is not None:
        return _values_of_model(model[1], context)
    if key in sources:
        return sources[key](context)
    kind = next((each.kind for each in SETTINGS if each.key == key), "")
    return [(choice, "") for choice in kind.split("|") if "|" in kind]


def _choices(*values: str) -> Callable[[Any], Iterable[Value]]:
    return lambda _context: [(value, "") for value in values]


def _options(_context: Any) -> Iterator[Value]:
    return ((f"{each.name}=", each.meaning) for each in SAMPLING_OPTIONS)


def _profiles(_context: Any) -> Iterable[Value]:
    from localai.hardware.profiles import profile_names

    return profile_names().items()


def _tasks(_context: Any) -> Iterator[Value]:
    from localai.recommend.catalogue import TASKS

    return ((task, "") for task in TASKS)


def _types(_context: Any) -> Iterator[Value]:
    from localai.formats.gguf_quantization import TYPES

    return ((name.lower(), "") for name in (*TYPES, "4bit", "8bit"))


def _files(_context: Any) -> None:
    return None


def _presets(_context: Any) -> Iterator[Value]:
    from localai.stores.presets import list_presets

    return ((each.name, each.description or each.base) for each in list_presets(locate()))


def _judges(context: Any) -> Iterator[Value]:
    yield "auto", "the largest that is no relative of the contestants"
    yield from _models(context)


def _benchmarks(_context: Any) -> Iterator[Value]:
    from localai.database import existing_database

    with existing_database(locate().database) as database:
        runs = [] if database is None else database.bench_runs(_MOST_KEPT)
    if runs:
        yield "last", "the newest"
    for run in runs:
        yield run.saved_as or run.id, strftime("%Y-%m-%d %H:%M", localtime(run.created_at))


def _kinds_of_work(_context: Any) -> Iterator[Value]:
    from localai.bench.plan import Profile

    return ((name, "") for name in get_args(Profile))


def _forms(_context: Any) -> Iterator[Value]:
    from localai.bench.formats import FORMATS

    return ((name, "") for name in FORMATS)


def _data_sets(_context: Any) -> Iterator[Value]:
    from localai.fetch.data_sets import DATA_SETS

    return ((name, each.about) for name, each in DATA_SETS.items())


def _checks(_context: Any) -> Iterator[Value]:
    from localai.doctor.check import Group
    from localai.doctor.checks import all_checks

    yield "explain", "what a check is about"
    yield from ((group, "a group of checks") for group in get_args(Group))
    yield from ((each.code, each.title) for each in all_checks())


def _platforms(_context: Any) -> Iterator[Value]:
    from localai.setup.bundle import PLATFORMS

    return ((name, "") for name in PLATFORMS)


ALSO_FILES: Final = ("model", "models", "source", "profile", "schema", "suite")
_SOURCES: Final[dict[str, Source]] = {
    "model": _models,
    "models": _models,
    "source": _models,
    "template": _templates,
    "like": _templates,
    "parameter": _variables,
    "option": _options,
    "think": _choices(*get_args(Think)),
    "conversation": _conversations,
    "conversation_id": _conversations,
    "ids": _conversations,
    "provider": _providers,
    "zone": _choices(*(zone.label for zone in Zone), "unproven"),
    "key": _keys,
    "value": _values,
    "by": _choices("model", "day", "provider"),
    "format_": _choices("markdown", "json", "jsonl"),
    "task": _tasks,
    "profile": _profiles,
    "to": _types,
    "shell": _choices(*SHELLS),
    "keep_alive": _choices("5m", "1h", "0", "-1"),
    "schema": _files,
    "chat_template": _files,
    "file": _files,
    "attachment": _files,
    "prompts": _files,
    "answers": _files,
    "prompt": _choices(),
    "engine": _providers,
    "kv": _choices(*KV_TYPES),
    "html": _files,
}
# Where a name means another thing than elsewhere, or one that only this command has.
_OF_COMMAND: Final[dict[tuple[str, str], Source]] = {
    ("bench", "after"): _benchmarks,
    ("bench", "against"): _benchmarks,
    ("bench", "before"): _benchmarks,
    ("bench", "form"): _forms,
    ("bench", "id"): _benchmarks,
    ("bench", "ids"): _benchmarks,
    ("bench", "profile"): _kinds_of_work,
    ("compare", "against"): _files,
    ("compare", "judge"): _judges,
    ("compare", "junit"): _files,
    ("compare", "markdown"): _files,
    ("compare", "names"): _data_sets,
    ("compare", "record"): _files,
    ("compare", "run"): _files,
    ("compare", "suite"): _data_sets,
    ("doctor", "facts"): _files,
    ("doctor", "fail_on"): _choices("fail", "warn"),
    ("doctor", "what"): _checks,
    ("preset", "adapter"): _files,
    ("preset", "base"): _models,
    ("preset", "modelfile"): _files,
    ("preset", "name"): _presets,
    ("setup", "offline"): _files,
    ("setup", "platform"): _platforms,
    ("template", "name"): _templates,
}
