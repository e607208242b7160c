"""The contestants of a comparison, and the hosts that its prompts go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from localai.chat.off_device import prompt_destination
from localai.chat.select import SelectedModel, select_model
from localai.compare.names import short_name
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.providers.registry import full_name
from localai.types import Zone
from localai.units import counted

if TYPE_CHECKING:
    from localai.config import Config
    from localai.providers.pool import ProviderPool

FEWEST, MOST = 2, 6


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model that is compared. `name` is what `-m` takes; `host` is the host that its prompts go
    to, None if they stay on this machine."""

    name: str
    selected: SelectedModel
    host: str | None

    @property
    def lane(self) -> str:
        """The thing that the model computes on. Two models of the same lane are asked one after the
        other, because together they would slow each other down. Each cloud's model has its own
        lane."""
        if self.selected.model.zone is Zone.CLOUD:
            return self.name
        return self.host or ""


@dataclass(frozen=True, slots=True)
class PromptCount:
    """The number of prompts that a model is asked, and the host that they go to; None is this
    machine."""

    model: str
    zone: Zone | None
    host: str | None
    prompts: int


def select_contestants(
    names: Sequence[str], config: Config, providers: ProviderPool
) -> tuple[Contestant, ...]:
    """The models of these names, in this order. No provider is asked that the user has not allowed.
    Raises InvalidInput for too few, too many or equal models, and what `select_model` raises."""
    if len(names) < FEWEST:
        given = "no model was" if not names else "one model was"
        raise InvalidInput(
            f"{given} named, and a comparison takes {FEWEST} to {MOST}",
            hint='-m qwen3:8b -m gemma3:12b "…"; the models here are in the list',
            command="localai list",
        )
    if len(names) > MOST:
        raise InvalidInput(f"{len(names)} models were named; a comparison takes {MOST} at most")
    found: dict[str, Contestant] = {}
    for text in names:
        contestant = contestant_of(select_model(text, config, providers))
        if contestant.name in found:
            raise InvalidInput(
                f"{contestant.name} was named twice", hint="a comparison is of different models"
            )
        found[contestant.name] = contestant
    return tuple(found.values())


def contestant_of(selected: SelectedModel) -> Contestant:
    """A selected model as a contestant or a judge."""
    model = selected.model
    host = selected.provider.destination(model)
    return Contestant(full_name(model.provider, model.id), selected, host)


def destinations(
    contestants: Sequence[Contestant], prompts: Mapping[str, int]
) -> list[PromptCount]:
    """The hosts that the prompts go to. `prompts` has the number of prompts by the name of the
    model."""
    return [
        PromptCount(each.name, each.selected.model.zone, each.host, prompts.get(each.name, 0))
        for each in contestants
    ]


def departures(
    contestants: Sequence[Contestant], prompts: Mapping[str, int], config: Config
) -> list[str]:
    """The lines to show before the first prompt leaves this machine: one for each host and model,
    and one for the models that stay here. Empty if no prompt leaves."""
    lines = []
    staying = []
    for each in contestants:
        count = prompts.get(each.name, 0)
        if not count:
            continue
        line = prompt_destination(each.selected, config)
        if line is None:
            staying.append(short_name(each.name))
        elif count == 1:
            lines.append(line)
        else:
            go = counted(count, "prompt goes", "prompts go")
            lines.append(line.replace("the prompt goes", go, 1))
    if lines and staying:
        lines.append(f"those for {', '.join(staying)} stay on this machine")
    return lines


def lanes(contestants: Sequence[Contestant]) -> list[list[Contestant]]:
    """The contestants grouped by lane. The models of a lane are asked one after the other; the
    lanes run in parallel."""
    found: dict[str, list[Contestant]] = {}
    for each in contestants:
        found.setdefault(each.lane, []).append(each)
    return list(found.values())
