"""The contract of a provider: what it must do, and what it may, with the defaults of the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod

from localai.dataclass import dataclass
from localai.types import ChatRequest, Events, ResolvedModel


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt as a model reads it, special tokens as texts, and how many tokens it is."""

    text: str
    tokens: int


class Provider(ABC):
    """Something that answers: a local engine, a server, a cloud.

    Synchronous. Every method may raise Unreachable where the provider does not answer, and
    PolicyRefused where the user has not allowed to ask it.
    """

    name: str
    """What the user calls it: `ollama`, `openai`."""

    @abstractmethod
    def models(self) -> list[ResolvedModel]:
        """Every model that it could answer with."""

    @abstractmethod
    def resolve(self, name: str) -> ResolvedModel:
        """The model called `name`. Raises NotFound, with near names in the hint."""

    @abstractmethod
    def stream(self, request: ChatRequest) -> Events:
        """Answer; the last event is `Done`. Closing the generator stops the computation.

        Raises the errors of `localai.errors`; text that came before a failure was already yielded.
        """

    def destination(self, model: ResolvedModel) -> str | None:
        """The host that a prompt for `model` goes to; None if it stays on this machine."""
        return None

    def asks_its_makers(self) -> bool | None:
        """Whether its server connects to its makers by itself; None where it does not say."""
        return False

    def run_by(self) -> str | None:
        """Who on this machine runs the server that answers, as a sentence; None where it is no
        server of this machine."""
        return None

    def prepare(self, request: ChatRequest, concurrency: int, context_tokens: int) -> int | None:
        """Be ready for `concurrency` requests like `request`, which need `context_tokens` together.

        The context in tokens that they share, and whose sum the asker must keep below; None where
        each has its own, or the server queues. Raises InsufficientResources, before anything is
        loaded, where the memory is too small for so many.
        """
        return None

    def count_tokens(self, request: ChatRequest) -> int | None:
        """How many tokens the prompt of `request` has, by the model's own template and tokenizer;
        None where only an answer would tell. The model may be loaded for it."""
        return None

    def engine(self) -> str | None:
        """What computes and in which version, as far as it can be told before an answer."""
        return None

    def loaded(self, model: ResolvedModel) -> bool | None:
        """Whether `model` is in memory now; None where the provider does not say."""
        return None

    def warm(self, request: ChatRequest) -> None:  # noqa: B027  most load nothing on request
        """Load what `request` needs, so that its answer does not wait for it. Nothing is computed.

        A provider that loads nothing on request does nothing.
        """

    def rendered(self, request: ChatRequest) -> RenderedPrompt | None:
        """What the model of `request` would read; None where the provider does not say. Nothing is
        computed, and nothing leaves this machine."""
        return None

    def unload(self, model: ResolvedModel) -> None:  # noqa: B027  most load nothing on request
        """Take `model` out of memory, whoever uses it. Nothing happens where it is not there."""

    def check_installed(self) -> None:  # noqa: B027  most need nothing that may be missing
        """Raise Unreachable where a program or package that it needs is missing. Asks no server."""

    def close(self) -> None:  # noqa: B027  most have nothing to release
        """Release connections. A model that was loaded may stay loaded."""
