"""The facts of localai itself: its engine, workers, settings and files."""

from __future__ import annotations

from typing import Literal

from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The embedded engine, loaded in a child: how the child ended, and the devices that it saw.

    `ended` is "ok", "missing", "signal 4", "exit 1" or "silent"; `devices` are its graphics
    processors. `mlx` is the same for MLX; "" on machines that MLX is not made for.
    """

    version: str | None = None
    ended: str | None = None
    words: str | None = None
    devices: tuple[str, ...] | None = None
    mlx: str | None = None
    mlx_words: str | None = None
    working_set_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """A worker of the embedded engine, or the folder that an ended one left."""

    folder: str | None = None
    pid: int | None = None
    alive: bool | None = None
    engine: str | None = None
    network_denied: bool | None = None
    denial: str | None = None
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting that is not at its default, and the place where it was set."""

    key: str | None = None
    value: str | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Own:
    """localai itself: its installations, settings, database, workers and leftovers.

    `config_error` is "" if the configuration can be read. `database` is "ok", "none", "newer",
    "damaged" or SQLite's message. `unreadable_keys` are `LOCALAI_…` variables without a meaning.
    `loose_files` are private files that others may read. `model_place` is the place of the chosen
    model; "" if none is chosen, and "elsewhere" if it was not looked at. `completion` are the
    installed completion scripts that differ from this version's.
    """

    version: str | None = None
    program: str | None = None
    on_path: tuple[str, ...] | None = None
    script_folder: str | None = None
    script_folder_on_path: bool | None = None
    config_file: str | None = None
    config_error: str | None = None
    settings: tuple[SettingValue, ...] | None = None
    secret_in_config: tuple[str, ...] | None = None
    unknown_variables: tuple[str, ...] | None = None
    model: str | None = None
    model_bytes: int | None = None
    model_place: Literal["", "here", "missing", "elsewhere"] | None = None
    database: str | None = None
    database_file: str | None = None
    workers: tuple[WorkerFacts, ...] | None = None
    leftovers: tuple[str, ...] | None = None
    leftover_bytes: int | None = None
    loose_files: tuple[str, ...] | None = None
    completion: tuple[str, ...] | None = None
    catalogue_date: str | None = None
    prices_date: str | None = None
