"""`localai recommend`: the models that suit this machine, and the line that fetches the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.common_options import Json, Profile, machine_of
from localai.commands.settings import load_settings
from localai.errors import InvalidInput
from localai.near_names import did_you_mean
from localai.output.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localai.config import Config
    from localai.hardware.facts import Machine
    from localai.paths import Paths
    from localai.recommend.kept_hub import KeptHub
    from localai.recommend.ranking import Recommendation
    from localai.sizing.speed import PastRun

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_SHOWN = 5


@app.command()
def recommend(
    task: Annotated[
        str, typer.Option(help="The task: chat, code, reasoning, vision, extract or embed.")
    ] = "chat",
    profile: Profile = None,
    count: Annotated[
        int | None,
        typer.Option("-l", "--limit", help="Show N models.  [default: 5; with --json all]", min=1),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all models, even those that do not fit.")
    ] = False,
    online: Annotated[
        bool,
        typer.Option("--online", help="Also ask the hub for models that the catalogue has not."),
    ] = False,
    as_json: Json = False,
) -> None:
    """List the models that suit this machine, the best first: speed, memory, context, licence,
    disk.

    Speed is predicted from memory bandwidth, or from this machine's own answers if there are any.
    Memory follows from the catalogue's facts; `localai pull --dry-run` asks the engine itself.
    No model is fetched, and without --online nothing is sent. With it, the hub is asked what known
    makers have published in the last year, the headers of the most popular are read, and the
    result is kept, with its date, until --online is given again.
    """
    from localai.output.recommendations import hub_notes
    from localai.recommend.catalogue import TASKS
    from localai.recommend.catalogued import candidates
    from localai.recommend.kept_hub import read_kept
    from localai.recommend.ranking import recommend as rank
    from localai.stores.inventory import names_on_disk

    if task not in TASKS:
        raise InvalidInput(
            f"--task takes {', '.join(TASKS)}, not {task!r}",
            hint=did_you_mean(task, TASKS) or "--task chat",
        )
    output = Output("recommend", as_json=as_json)
    paths, config = load_settings("recommend")
    machine = machine_of(profile, paths, output)
    if profile is None:
        from localai.providers.gpu_use import without_idle_gpu
        from localai.setup.engines import idle_gpu_here

        # The present engine decides, not a possible one.
        idle = idle_gpu_here(machine, config, paths)
        machine = without_idle_gpu(machine, idle)
        if idle is not None:
            output.note(": ".join(filter(None, (idle.sentence, idle.command))))
    kept = _ask_hub(config, paths, machine, output) if online else read_kept(paths)
    new = [] if kept is None else candidates(kept.models, machine)
    # For another machine, this one's runs and models say nothing.
    names = names_on_disk(paths) if profile is None else frozenset()
    runs = _runs(config, paths, names)
    found = rank(machine, task, installed=names, past_runs=runs, others=new)
    if output.as_json:
        from localai.output.documents.recommend import recommend_document

        shown = found if count is None else found[:count]
        output.document(recommend_document(task, profile, shown, kept))
        return
    notes = [] if kept is None else hub_notes(kept, len(new))
    with output.paged():
        _show(found, notes, output, count or _SHOWN, everything=everything)


def _ask_hub(config: Config, paths: Paths, machine: Machine, output: Output) -> KeptHub | None:
    """Ask the hub under a grant of its own, and keep what it has."""
    from localai.commands.fetching import allowed_hosts
    from localai.recommend.kept_hub import read_kept
    from localai.recommend.online import announcement, ask_and_keep

    endpoint = config["registry.hub"]
    with allowed_hosts(config, output) as hosts:
        output.announce(announcement(endpoint))
        try:
            for text in ask_and_keep(paths, endpoint, hosts, machine):
                output.progress(text)
        finally:
            output.end_progress()
    return read_kept(paths)


def _show(
    found: Sequence[Recommendation],
    notes: Sequence[str],
    output: Output,
    count: int,
    *,
    everything: bool,
) -> None:
    from localai.output.recommendations import print_recommendations
    from localai.recommend.catalogue import catalogue_date

    fitting = [each for each in found if each.fits]
    shown = found if everything else (fitting or found)[:count]
    print_recommendations(shown, output)
    if more := len(found) - len(shown):
        too_large = len(found) - len(fitting) if fitting else more
        output.note(
            f"{more} more, {too_large} of them too large: --all"
            if too_large
            else f"{more} more: --all"
        )
    if not fitting:
        output.note("none fits; the starter does everywhere: localai pull starter")
        return
    newer = "" if notes else "; --online asks the hub what is newer"
    output.note(f"from the catalogue of {catalogue_date()}{newer}")
    for note in notes:
        output.note(note)
    best = fitting[0]
    if best.speed.expected is not None:
        output.note(
            f"speed from {best.speed.basis}; memory with 8,192 tokens of context, by a formula"
        )
    output.note(
        f"localai chat -m {best.pull_name}" if best.installed else f"localai pull {best.pull_name}"
    )


def _runs(config: Config, paths: Paths, names: frozenset[str]) -> dict[str, tuple[PastRun, ...]]:
    from localai.providers.registry import providers_on_device
    from localai.sizing.past_runs import runs_by_name

    return runs_by_name(paths, names, providers_on_device(config))
