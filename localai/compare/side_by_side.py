"""One prompt to several models. Models that share a machine are asked one after the other, others
in parallel."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Mapping, Sequence
from functools import partial

from localai.compare.asking import OnEvent, Reply, ask, failed, lacks_room, load
from localai.compare.contestants import Contestant, lanes
from localai.dataclass import dataclass
from localai.events import Event
from localai.privacy import guard
from localai.types import ChatRequest

_LEAVE_S = 2.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a model's answer. The `Reply` that ends the answer is given by itself."""

    model: str
    event: Event


Update = Piece | Reply


class SideBySide:
    """The answers of all `contestants` to their `requests`, which are given by the models'
    names."""

    def __init__(
        self, contestants: Sequence[Contestant], requests: Mapping[str, ChatRequest]
    ) -> None:
        self._contestants = contestants
        self._requests = requests
        self._updates: queue.SimpleQueue[Update | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self, tick_s: float) -> Generator[Update | None, None, None]:
        """Yield the pieces and replies as they come, and None whenever nothing came for `tick_s`
        seconds.

        Closing the generator stops the models.
        """
        try:
            for lane in lanes(self._contestants):
                work = guard.in_scope(partial(self._work, lane))
                thread = threading.Thread(target=work, name="compare", daemon=True)
                thread.start()
                self._threads.append(thread)
            missing = len(self._contestants)
            while missing:
                try:
                    update = self._updates.get(timeout=tick_s)
                except queue.Empty:
                    update = None
                missing -= isinstance(update, Reply)
                yield update
        finally:
            self._stopping.set()
            for thread in self._threads:
                thread.join(_LEAVE_S)

    def _work(self, lane: Sequence[Contestant]) -> None:
        before: list[Contestant] = []
        for contestant in lane:
            if self._stopping.is_set():
                return
            reply = self._reply(contestant, before)
            if reply is not None:
                self._updates.put(reply)
            if reply is not None and reply.load_s is not None:
                before.append(contestant)

    def _reply(self, contestant: Contestant, before: list[Contestant]) -> Reply | None:
        request = self._requests[contestant.name]

        def say(event: Event) -> None:
            self._updates.put(Piece(contestant.name, event))

        try:
            load_s = load_in_turn(contestant, request, before, say)
        except Exception as error:  # noqa: BLE001  the other models go on
            return failed(contestant, request, error)
        return ask(contestant, request, say, self._stopping, load_s=load_s)


def load_in_turn(
    contestant: Contestant,
    request: ChatRequest,
    before: list[Contestant],
    say: OnEvent,
) -> float | None:
    """Load the model, and return the seconds it took, as `load` does. If there is no room, models
    that this comparison loaded earlier (`before`) are unloaded first. Raises what loading
    raises."""
    try:
        return load(contestant, request, say)
    except Exception as error:
        if not before or not lacks_room(error):
            raise
    while before:
        last = before.pop().selected
        last.provider.unload(last.model)
    return load(contestant, request, say)
