"""The questions of a suite to each model: every case and repeat, with the same seed for all models.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from localai.chat.request import AskSettings, build_request, overlaid
from localai.compare.contestants import Contestant
from localai.compare.suite.case import Case, Suite, fingerprint, seed_of
from localai.dataclass import dataclass
from localai.sampling_options import overlaid_options
from localai.sizing.context import with_a_limit
from localai.types import ChatRequest, Options, Zone

if TYPE_CHECKING:
    from localai.config import Config


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """How a suite is asked. `settings` are the command line's; they are laid over the suite's.

    `as_shipped` takes each publisher's system prompt if the suite has none; `same_sampling` leaves
    out each publisher's sampling options. `jobs` None is one question at a time on this machine,
    and as many as help elsewhere.
    """

    settings: AskSettings = AskSettings()
    repeats: int = 1
    as_shipped: bool = False
    same_sampling: bool = False
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class CaseRepeat:
    """One repeat of a case for one model."""

    case: Case
    repeat: int
    fingerprint: str
    request: ChatRequest


def questions(
    suite: Suite, contestants: Sequence[Contestant], options: SuiteOptions, config: Config
) -> dict[str, list[CaseRepeat]]:
    """The questions for each model: all cases, then all of them again for each repeat.

    A case that must stay on this machine is not asked of a model elsewhere.
    """
    return {
        each.name: [
            _question(case, repeat, each, suite, options, config)
            for repeat in range(1, options.repeats + 1)
            for case in suite.cases
            if not (case.local_only and leaves(each))
        ]
        for each in contestants
    }


def leaves(contestant: Contestant) -> bool:
    """Whether a prompt for the model leaves this machine, or may leave it."""
    return contestant.host is not None or contestant.selected.model.zone is not Zone.DEVICE


def _question(
    case: Case,
    repeat: int,
    contestant: Contestant,
    suite: Suite,
    options: SuiteOptions,
    config: Config,
) -> CaseRepeat:
    model = contestant.selected.model
    settings = overlaid(overlaid(suite.settings, case.settings), options.settings)
    if settings.system is None and not options.as_shipped and not config["chat.system"]:
        # The same prompt for all: a publisher's own prompt would make another question.
        settings = replace(settings, system="")
    print_ = fingerprint(case, settings, contestant.name)
    if settings.options.seed is None and model.zone is not Zone.CLOUD:
        # The clouds take no seed.
        seed = Options(seed=seed_of(case, repeat))
        settings = replace(settings, options=overlaid_options(seed, settings.options))
    if options.same_sampling:
        model = replace(model, recommended=Options())
    request = with_a_limit(build_request(settings, model, case.messages, config))
    return CaseRepeat(case, repeat, print_, replace(request, tools=case.tools))
