"""The contract of a provider: what it must do, and what it may do, with defaults for the latter."""

from __future__ import annotations

from abc import ABC, abstractmethod

from localai.dataclass import dataclass
from localai.events import Events
from localai.types import ChatRequest, ResolvedModel


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt as the model reads it, with special tokens as text, and its number of tokens."""

    text: str
    tokens: int


class Provider(ABC):
    """Something that answers: a local engine, a server, a cloud.

    Synchronous. Every method may raise Unreachable if the provider does not answer, and
    PolicyRefused if the user has not allowed it to be asked.
    """

    name: str
    """What the user calls it: `ollama`, `openai`."""

    @abstractmethod
    def models(self) -> list[ResolvedModel]:
        """Every model that it can answer with."""

    @abstractmethod
    def resolve(self, name: str) -> ResolvedModel:
        """The model called `name`. Raises NotFound, with near names in the hint."""

    @abstractmethod
    def stream(self, request: ChatRequest) -> Events:
        """Answer; the last event is `Done`. Closing the generator stops the computation.

        Raises the errors of `localai.errors`; text that came before a failure was yielded already.
        """

    def destination(self, model: ResolvedModel) -> str | None:
        """The host that a prompt for `model` goes to; None if it stays on this machine."""
        return None

    def asks_its_makers(self) -> bool | None:
        """Whether its server connects to its makers by itself; None if unknown."""
        return False

    def run_by(self) -> str | None:
        """Which user of this machine runs the server that answers, as a sentence; None if it is no
        server of this machine."""
        return None

    def prepare(self, request: ChatRequest, concurrency: int, context_tokens: int) -> int | None:
        """Be ready for `concurrency` requests like `request`, which need `context_tokens` together.

        Returns the context in tokens that they share; the caller keeps the sum of the requests
        below it. None if each has its own context, or the server queues. Raises
        InsufficientResources, before anything is loaded, if the memory is too small for so many.
        """
        return None

    def count_tokens(self, request: ChatRequest) -> int | None:
        """The tokens of the prompt of `request`, by the model's own template and tokenizer; None if
        only an answer would tell. The model may be loaded for it."""
        return None

    def engine(self) -> str | None:
        """The engine that computes, with its version; None if only an answer would tell."""
        return None

    def loaded(self, model: ResolvedModel) -> bool | None:
        """Whether `model` is in memory now; None if unknown."""
        return None

    def warm(self, request: ChatRequest) -> None:  # noqa: B027  most load nothing on request
        """Load what `request` needs, so that its answer does not wait for it. Nothing is computed.

        A provider that loads nothing on request does nothing.
        """

    def rendered(self, request: ChatRequest) -> RenderedPrompt | None:
        """The text that the model of `request` would read; None if unknown. Nothing is computed,
        and nothing leaves this machine."""
        return None

    def unload(self, model: ResolvedModel) -> None:  # noqa: B027  most load nothing on request
        """Take `model` out of memory, whoever uses it. If it is not there, do nothing."""

    def check_installed(self) -> None:  # noqa: B027  most need nothing that may be missing
        """Raise Unreachable if a program or package that it needs is missing. Asks no server."""

    def close(self) -> None:  # noqa: B027  most have nothing to release
        """Release connections. A model that was loaded may stay loaded."""
