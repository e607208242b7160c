"""The base of the providers with official SDKs: one client, opened when it is first needed, and
answers whose errors are ours.

What is sent, and how an answer is read, is each provider's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from localai.errors import LocalaiError, Remedy
from localai.events import Event, Events, Locality
from localai.net.reach import Reach
from localai.net.retry import retry_while_busy
from localai.providers.destination import Destination
from localai.providers.provider import Provider
from localai.providers.sdk import OTHER_ERRORS, broken_off, failure_of, heard_by, not_installed
from localai.types import ChatRequest, Purpose, ResolvedModel
from localai.wires.clock import AnswerClock
from localai.wires.limits import limits_of

if TYPE_CHECKING:
    from localai.config import Config


class _Closeable(Protocol):
    def close(self) -> None: ...


Client = TypeVar("Client", bound=_Closeable)
ReadEvents = Callable[[Iterable[Any], Locality, AnswerClock, str], Iterator[Event]]
"""A wire's reader of an answer: the SDK's events, where it is computed, its clock, the server."""


class SdkProvider(Provider, Generic[Client]):
    """A provider that asks one server through the SDK `package`."""

    package: ClassVar[str]

    def __init__(
        self,
        config: Config,
        destination: Destination,
        *,
        key: Callable[[], str],
        key_remedy: Remedy,
    ) -> None:
        """`key` returns the key, and is called when a client is opened; `key_remedy` says how to
        set one."""
        self._config = config
        self._to = destination
        self._key = key
        self._key_remedy = key_remedy
        self._opened: Client | None = None
        self._opening = Lock()

    def destination(self, model: ResolvedModel) -> str | None:
        """The host that the prompt goes to; None if it stays on this machine."""
        return self._to.label(self._config)

    def close(self) -> None:
        """Release the SDK's client."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _open_client(self) -> Client:
        """The SDK's client. Raises ImportError if the SDK is not installed."""
        raise NotImplementedError

    def _sdk_error(self) -> type[Exception]:
        """The base of the SDK's own errors."""
        raise NotImplementedError

    def _client(self) -> Client:
        """The client. Raises PolicyRefused without consent, ProviderRefused without a key."""
        self._to.require_consent(self._config)
        # A batch asks from many threads; a second client would never be closed.
        with self._opening:
            if self._opened is None:
                try:
                    self._opened = self._open_client()
                except ImportError as error:
                    raise not_installed(self.package) from error
            return self._opened

    def _reach(self) -> Reach:
        return self._to.reach(self._config)

    @contextmanager
    def _asking_for_models(self) -> Iterator[Client]:
        """The client, for a question about models. Raises our errors for the SDK's."""
        client = self._client()
        try:
            with self._reach().grant(Purpose.PROBE):
                yield client
        except self._errors() as error:
            raise self._broken_off(error) from error

    def _answer(
        self,
        request: ChatRequest,
        reached: Reach,
        ask: Callable[[Client], Any],
        read_events: ReadEvents,
    ) -> Events:
        """The answer to what `ask` sends, again while the server is busy."""
        clock = AnswerClock(limits_of(request, hides_reasoning=True), streams_reasoning=False)
        events = yield from retry_while_busy(lambda: self._send(ask, reached, clock.limits.heard))
        try:
            locality = self._to.locality(reached)
            yield from read_events(events, locality, clock, self._to.host)
        except self._errors() as error:
            raise self._broken_off(error) from error
        finally:
            # The server stops computing when the connection is closed.
            events.close()

    def _send(
        self, ask: Callable[[Client], Any], reached: Reach, heard: Callable[[int], None]
    ) -> Any:
        client = self._client()
        try:
            with reached.grant(), heard_by(heard):
                return ask(client)
        except self._errors() as error:
            raise failure_of(error, self._to.host, self._key_remedy) from error

    def _errors(self) -> tuple[type[Exception], ...]:
        import httpx2

        return (self._sdk_error(), httpx2.HTTPError, *OTHER_ERRORS)

    def _broken_off(self, error: Exception) -> LocalaiError:
        return broken_off(error, self._to.host, self._key_remedy)
