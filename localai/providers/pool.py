"""The providers of one command: each is opened once, and all are closed at its end.

Every provider is opened here, and the code that asks for one does not close it.
"""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING

from localai.providers.registry import open_provider

if TYPE_CHECKING:
    from typing import Self

    from localai.config import Config
    from localai.paths import Paths
    from localai.providers.provider import Provider


class ProviderPool:
    """Providers by name; at the end of a `with` block they are closed, the last one first.

    The same name under another configuration is another provider, because its permissions depend on
    that. Threads may share a pool.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._opened: list[tuple[str, Config, Provider]] = []
        self._to_close = ExitStack()
        self._lock = Lock()

    @property
    def paths(self) -> Paths:
        """The paths under which the providers are opened."""
        return self._paths

    def provider(self, name: str, config: Config) -> Provider:
        """The provider called `name`, under `config`. Raises as `open_provider` does."""
        with self._lock:
            for opened, under, provider in self._opened:
                if opened == name and under == config:
                    return provider
            provider = open_provider(name, config, self._paths)
            self._to_close.callback(provider.close)
            self._opened.append((name, config, provider))
            return provider

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # All are closed, even if closing one raises.
        self._opened.clear()
        self._to_close.close()
