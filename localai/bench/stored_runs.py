"""Runs in the database: with their machine and plan, cell by cell."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from localai import __version__
from localai.bench.cell import Cell, decode
from localai.bench.plan import Plan
from localai.bench.verdict import verdict
from localai.database import BenchRunRow, Database, MeasuredRate
from localai.dataclass import dataclass

if TYPE_CHECKING:
    from localai.hardware.facts import Machine


@dataclass(frozen=True, slots=True)
class MachineNote:
    """The machine that a run is of, as far as figures depend on it; None is unknown.

    Nothing in it names a person, a place or the machine itself.
    """

    cpu: str | None
    cores: float | None
    memory_bytes: int | None
    bandwidth_bytes_per_s: float | None
    gpus: tuple[str, ...]
    system: str
    kernel: str
    virtual_machine: str | None
    on_battery: bool | None
    governor: str | None
    localai: str
    python: str

    def same_computer(self, other: MachineNote) -> bool:
        """Whether figures of both may be compared: processor, cores, memory and GPUs."""
        return _identity(self) == _identity(other)

    @classmethod
    def from_json(cls, document: Any) -> MachineNote:
        """The note that `asdict` wrote."""
        return cls(**{**document, "gpus": tuple(document["gpus"])})


def _identity(note: MachineNote) -> tuple[Any, ...]:
    # A system reserves a little more of its memory now and then.
    memory = None if note.memory_bytes is None else round(note.memory_bytes / 2**30)
    return note.cpu, note.cores, memory, note.gpus


def note_machine(machine: Machine) -> MachineNote:
    """What of a machine is kept with a run on it."""
    cpu = machine.cpu
    return MachineNote(
        cpu=cpu.model.value,
        cores=cpu.usable_cores.value or cpu.physical_cores.value or os.cpu_count(),
        memory_bytes=machine.memory.limit_bytes.value or machine.memory.total_bytes.value,
        bandwidth_bytes_per_s=machine.memory_bandwidth.value,
        gpus=tuple(gpu.name.value or "GPU" for gpu in machine.gpus),
        system=f"{platform.system()} {platform.machine()}",
        kernel=platform.release(),
        virtual_machine=machine.host.virtual_machine.value or None,
        on_battery=machine.power.on_battery.value,
        governor=machine.power.governor.value,
        localai=__version__,
        python=platform.python_version(),
    )


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run read back from the database; times are seconds since the epoch, `anchor` is that of
    `localai.bench.anchor`."""

    id: str
    created_at: float
    ended_at: float | None
    saved_as: str | None
    anchor: float | None
    machine: MachineNote
    plan: Plan | None
    cells: tuple[Cell, ...]


class RunRecorder:
    """Stores one run while it happens; `Bench` calls `keep` with each row that has changed."""

    def __init__(self, database: Database, run_id: str) -> None:
        self.run_id = run_id
        self._database = database

    @classmethod
    def new(cls, database: Database, machine: MachineNote, plan: Plan | None) -> RunRecorder:
        """Keep a new run; without a `plan` nothing can go on with it."""
        document = {"machine": asdict(machine), "plan": None if plan is None else asdict(plan)}
        return cls(database, database.create_bench_run(document))

    def keep(self, number: int, cell: Cell) -> None:
        """Keep the state of the row `number`."""
        self._database.put_bench_cell(self.run_id, number, cell.as_json(), _rate(cell))

    def forget_if_empty(self) -> None:
        """Remove the run if nothing of it was measured: it is nothing to go on with."""
        if not any(cell.samples for cell in read_run(self._database, self.run_id).cells):
            self._database.delete_bench_run(self.run_id)

    def save_as(self, name: str) -> None:
        """Make the run the baseline `name`."""
        self._database.save_bench_run(self.run_id, name)

    def end(self, anchor: float | None) -> None:
        """The run came to its end; `anchor` is how fast the machine itself was."""
        self._database.end_bench_run(self.run_id, anchor)


def _rate(cell: Cell) -> MeasuredRate:
    """What predictions may use of a cell: of one user at a time, undisturbed, on this machine."""
    name = cell.model.removeprefix(f"{cell.provider}/")
    interval = cell.interval(decode)
    if interval is None or cell.zone != "device" or verdict(cell) != "quiet":
        return MeasuredRate(cell.provider, name)
    if cell.test.concurrency > 1 or cell.test.rate is not None:
        return MeasuredRate(cell.provider, name)
    depth = cell.test.depth_tokens + cell.test.prompt_tokens + cell.test.output_tokens // 2
    return MeasuredRate(cell.provider, name, interval.value, depth)


def read_run(database: Database, name: str) -> StoredRun:
    """The run that `name` means. Raises NotFound, InvalidInput."""
    return _kept(database, database.find_bench_run(name))


def read_runs(database: Database, limit: int | None = None) -> list[StoredRun]:
    """The runs, the newest first."""
    return [_kept(database, row) for row in database.bench_runs(limit)]


def _kept(database: Database, row: BenchRunRow) -> StoredRun:
    plan = row.document["plan"]
    return StoredRun(
        id=row.id,
        created_at=row.created_at,
        ended_at=row.ended_at,
        saved_as=row.saved_as,
        anchor=row.anchor,
        machine=MachineNote.from_json(row.document["machine"]),
        plan=None if plan is None else Plan.from_json(plan),
        cells=tuple(Cell.from_json(each) for each in database.bench_cells(row.id)),
    )


def models_of(cells: Sequence[Cell]) -> str:
    """The models of a run, each once, as a list for a person."""
    return ", ".join(dict.fromkeys(cell.model for cell in cells))
