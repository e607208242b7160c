"""The hosts that the prompts of a run went to, for each model and each judge. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from localai.compare.recorded import ModelFacts
from localai.compare.results import Results
from localai.compare.run_file import Run
from localai.dataclass import dataclass
from localai.types import ZoneName

_FARTHER: Final[tuple[ZoneName, ...]] = ("device", "lan", "cloud")


@dataclass(frozen=True, slots=True)
class PromptsSent:
    """The number of prompts that a model got.

    `zones` are the zones of its answers, `unproven` among them; for a judge, the zone of the model.
    `host` None is this machine.
    """

    model: str
    zones: tuple[str, ...]
    host: str | None
    prompts: int
    judge: bool = False

    @property
    def zone(self) -> ZoneName | None:
        """The farthest of the zones; None if one of them is unproven."""
        known = [zone for zone in _FARTHER if zone in self.zones]
        return known[-1] if known and len(known) == len(self.zones) else None


def prompts_sent(run: Run, results: Results) -> list[PromptsSent]:
    """A row for each model, and then a row for each judge."""
    head = run.head
    facts = {} if head is None else {each.name: each for each in head.models}
    models = []
    for each in results.models:
        known = facts.get(each.model)
        zones = each.zones or _zones_of(known)
        host = None if known is None else known.host
        models.append(PromptsSent(each.model, zones, host, each.cases))
    return [*models, *_judges(run, () if head is None else head.judges)]


def _judges(run: Run, known: Sequence[ModelFacts]) -> list[PromptsSent]:
    """The rows of the judges. Each question to a judge contains a prompt and one or two answers."""
    asked = Counter(each.judge for each in run.verdicts.values())
    asked.update(each.by for each in run.findings.values())
    return [
        PromptsSent(each.name, _zones_of(each), each.host, asked[each.name], judge=True)
        for each in known
        if asked[each.name]
    ]


def _zones_of(facts: ModelFacts | None) -> tuple[str, ...]:
    return () if facts is None or facts.zone is None else (facts.zone,)
