"""Which tests stay together when the suite runs in several processes (`pytest -n`).

What a file makes once for all its tests, a fixture of module scope, is made in one process: tests
that use it are a group, which moves as a whole. Those that need an Ollama are one too, and those
that need MLX, so that few processes have a server of their own. All other tests go wherever there
is room, after the groups, of which the largest are the first.

xdist's own way to say so, a suffix of each test's name, is lost since pytest 9.2, without a word.
Here each process writes down its groups and the scheduler reads them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController

_SERVERS = {
    "ollama_server": "ollama",
    "oci_registry": "ollama",
    "newer_ollama_server": "newer-ollama",
    "llama_server": "llama-server",
    "mlx_python": "mlx",
}
_FILE = pytest.StashKey[Path]()
_KEY = "groups_of_tests"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a process that runs tests: write down the groups."""
    told: dict[str, Any] = getattr(config, "workerinput", {})
    if _KEY in told:
        groups = {item.nodeid: group for item in items if (group := _group(item)) is not None}
        file = Path(told[_KEY])
        # All processes write the same, and none reads what is half written.
        mine = file.with_name(told["workerid"])
        mine.write_text(json.dumps(groups))
        mine.replace(file)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """In the process that distributes the tests: say where the groups are written."""
    node.workerinput[_KEY] = str(_groups_file(node.config))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByGroup | None:
    """The scheduler of `--dist loadgroup`."""
    return _ByGroup(config, log) if config.getoption("dist") == "loadgroup" else None


class _ByGroup(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out the groups, and the other tests one by one."""

    @cached_property
    def _groups(self) -> dict[str, str]:
        groups: dict[str, str] = json.loads(_groups_file(self.config).read_text())
        return groups

    def _split_scope(self, nodeid: str) -> str:
        return self._groups.get(nodeid, nodeid)


def _groups_file(config: pytest.Config) -> Path:
    if _FILE not in config.stash:
        folder = Path(tempfile.mkdtemp(prefix="localai-groups-"))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        config.stash[_FILE] = folder / "groups.json"
    return config.stash[_FILE]


def _group(item: pytest.Item) -> str | None:
    """The group of `item`, None if it stands alone."""
    if not isinstance(item, pytest.Function):
        return None
    scopes = {name: defs[-1].scope for name, defs in item._fixtureinfo.name2fixturedefs.items()}
    file = item.path.relative_to(item.config.rootpath).as_posix()
    # A fixture that is made for each row of a table: so many groups.
    rows = [
        str(value)
        for name, value in (item.callspec.params if hasattr(item, "callspec") else {}).items()
        if scopes.get(name) == "module"
    ]
    if rows:
        return f"{file} {' '.join(rows)}"
    if "module" in scopes.values():
        return file
    return next((group for name, group in _SERVERS.items() if name in scopes), None)
