"""Which tests stay together when the suite runs in several processes (`pytest -n`).

What a file makes once for all its tests, a fixture of module scope, is made in one process: tests
that use it are a group, which moves as a whole. Those that need an Ollama are one too, so that
few processes have a server of their own. All other tests go wherever there is room.
"""

from __future__ import annotations

import pytest

_SERVERS = {
    "ollama_server": "ollama",
    "oci_registry": "ollama",
    "newer_ollama_server": "newer-ollama",
    "llama_server": "llama-server",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (group := _group(item)) is not None:
            item.add_marker(pytest.mark.xdist_group(group))


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
