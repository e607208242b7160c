"""Threads that work for a request have its grants, and no other's."""

from __future__ import annotations

import io
from pathlib import Path

from localai.batch.output import open_output
from localai.batch.prompts import LineDefaults
from localai.batch.run import Batch
from localai.chat.select import SelectedModel
from localai.config import load
from localai.events import Done, Events, Locality, TextDelta, Timings, Usage
from localai.fetch import transfer
from localai.paths import locate
from localai.privacy import grants
from localai.providers.provider import Provider
from localai.types import ChatRequest, ResolvedModel, Zone

MODEL = ResolvedModel("witness", "m", Zone.DEVICE, "a test")


class Witness(Provider):
    """Notes the scope in which it is asked."""

    name = "witness"

    def __init__(self) -> None:
        self.scopes: list[grants.Scope] = []

    def models(self) -> list[ResolvedModel]:
        return [MODEL]

    def resolve(self, name: str) -> ResolvedModel:
        return MODEL

    def stream(self, request: ChatRequest) -> Events:
        self.scopes.append(grants.scope())
        yield TextDelta("yes")
        yield Done("stop", Usage(1, 1), Timings(), Locality(Zone.DEVICE, "a test"))


def test_a_batch_asks_in_the_scope_in_which_it_was_run(localai_home: Path, tmp_path: Path) -> None:
    witness = Witness()
    with grants.new_scope():
        here = grants.scope()
        batch = Batch(
            io.BytesIO(b'{"prompt": "a"}\n{"prompt": "b"}\n{"prompt": "c"}\n'),
            open_output(tmp_path / "answers.jsonl", ordered=True, retry_failed=False),
            SelectedModel(witness, MODEL),
            LineDefaults(),
            load(locate(), {}),
            concurrency=2,
            record=lambda outcome: {"line": outcome.number, "request": "0", "error": None},
            answered=lambda _: None,
            warn=lambda _: None,
        )
        *_, last = batch.run()
    assert last.answered == 3
    assert here is not grants.scope()
    assert witness.scopes == [here] * 3


def test_a_download_s_threads_are_in_its_scope() -> None:
    seen: list[grants.Scope] = []
    with grants.new_scope():
        here = grants.scope()
        transfer._started(lambda: seen.append(grants.scope())).join()
    assert seen == [here] and here is not grants.scope()
