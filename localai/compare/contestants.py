"""Who is compared, and where the prompts of a comparison go."""

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

if TYPE_CHECKING:
    from localai.config import Config
    from localai.providers.pool import ProviderPool

FEWEST, MOST = 2, 6


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model that is compared: `name` is what `-m` takes, `host` where its prompts go, None where
    they stay on this machine."""

    name: str
    selected: SelectedModel
    host: str | None

    @property
    def lane(self) -> str:
        """What it computes on: two of the same lane are asked one after the other, because
        together they would slow each other down. Each cloud's model has a lane of its own."""
        if self.selected.model.zone is Zone.CLOUD:
            return self.name
        return self.host or ""


@dataclass(frozen=True, slots=True)
class PromptCount:
    """How many prompts a model is asked, and where they go; `host` is None for this machine."""

    model: str
    zone: Zone | None
    host: str | None
    prompts: int


def select_contestants(
    names: Sequence[str], config: Config, providers: ProviderPool
) -> tuple[Contestant, ...]:
    """The models of that name, in this order. Nobody is asked anything that the user has not
    allowed. Raises InvalidInput for too few, too many or the same twice, and as `select_model`."""
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
            raise InvalidInput(f"{contestant.name} was named twice")
        found[contestant.name] = contestant
    return tuple(found.values())


def contestant_of(selected: SelectedModel) -> Contestant:
    """A model as somebody who is asked, a contestant or a judge."""
    model = selected.model
    host = selected.provider.destination(model)
    return Contestant(full_name(model.provider, model.id), selected, host)


def destinations(
    contestants: Sequence[Contestant], prompts: Mapping[str, int]
) -> list[PromptCount]:
    """Where the prompts go, whose number stands in `prompts` by the name of the model."""
    return [
        PromptCount(each.name, each.selected.model.zone, each.host, prompts.get(each.name, 0))
        for each in contestants
    ]


def departures(
    contestants: Sequence[Contestant], prompts: Mapping[str, int], config: Config
) -> list[str]:
    """What is said before the first prompt leaves this machine: a line each host and model, and
    one of what stays. Nothing where all of them stay."""
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
            lines.append(line.replace("the prompt goes", f"{count:,} prompts go", 1))
    if lines and staying:
        lines.append(f"those for {', '.join(staying)} stay on this machine")
    return lines


def lanes(contestants: Sequence[Contestant]) -> list[list[Contestant]]:
    """The contestants by what they compute on: those of a lane one after the other, the lanes
    beside each other."""
    found: dict[str, list[Contestant]] = {}
    for each in contestants:
        found.setdefault(each.lane, []).append(each)
    return list(found.values())
