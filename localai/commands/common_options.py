"""The options that several commands have: each is declared here, once,
and named in the signature of a command:

def rm(yes: Yes = False, as_json: Json = False) -> None:
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from localai.errors import InvalidInput
from localai.patterns import lazy_pattern

if TYPE_CHECKING:
    from localai.hardware.facts import Machine
    from localai.hardware.this_machine import Measure
    from localai.output.output import Output
    from localai.paths import Paths


def _without_network(context: typer.Context, wanted: bool) -> None:
    """Restart the command without the network, which the kernel denies, before it does anything
    else."""
    if wanted and not context.resilient_parsing:
        from localai.privacy.sandbox import airgap_reexec

        airgap_reexec(["--airgap", *context.obj])


Airgap = Annotated[
    bool,
    typer.Option(
        "--airgap",
        is_eager=True,
        callback=_without_network,
        help="Run the whole command where the kernel has no network.",
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Write only errors to stderr.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME|FILE",
        help=(
            "A machine to use in place of this one: m3-max-64gb, m2-8gb, rtx-4090, "
            "laptop-16gb, or what `localai hardware --json` wrote there."
        ),
    ),
]

PAIR = "KEY VALUE"
"""The metavar of an option that takes two values, any number of times: `-o KEY VALUE`, or
`-o KEY=VALUE`."""
SHOT = "QUESTION ANSWER"
"""The metavar of an option that takes two files, any number of times."""
_FILE = lazy_pattern(r"-|[^=]*/[^=]*|[^=]+\.(?:jsonl?|ndjson|csv|tsv|txt|md|html|log|out)")
_JOINED = lazy_pattern(r"(?P<key>[A-Za-z_][\w.-]*)=(?P<value>.*)", re.DOTALL)


class PairCommand(TyperCommand):
    """A command whose options with the metavar `KEY VALUE` or `QUESTION ANSWER` take two values
    each.

    Such an option is declared as `list[str]` and received as a list of pairs: Typer cannot
    declare it ("List types with complex sub-types are not currently supported"), while its
    parser can take it.
    """

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        for parameter in self.params:
            if parameter.metavar in (PAIR, SHOT):
                parameter.nargs = 2

    def make_parser(self, ctx: Any) -> Any:
        """A parser that accepts `-o KEY=VALUE` for `-o KEY VALUE`. It refuses `-o FILE`."""
        parser = super().make_parser(ctx)
        forms = {form for each in self.params if each.metavar == PAIR for form in (*each.opts,)}
        parse = parser.parse_args

        def parse_pairs(args: list[str]) -> Any:
            if "-o" in forms and not ctx.resilient_parsing:
                self._require_no_file(ctx, args)
            return parse(list(_pairs_apart(args, forms)))

        parser.parse_args = parse_pairs  # type: ignore[method-assign]
        return parser

    def _require_no_file(self, ctx: Any, args: list[str]) -> None:
        """Raise InvalidInput where `-o` is meant as curl and compilers mean it."""
        given = list(takewhile(lambda each: each != "--", args))
        for at, (option, value) in enumerate(pairwise(given)):
            if option != "-o" or not _FILE.fullmatch(value):
                continue
            message = f"-o sets a model option, and {value!r} is a file"
            if any("-O" in each.opts for each in self.params):
                line = (*ctx.command_path.split(), *args[:at], "-O", *args[at + 1 :])
                raise InvalidInput(message, command=line)
            raise InvalidInput(message, hint=f"an answer goes to stdout: > {value}")


def _pairs_apart(arguments: Sequence[str], forms: set[str]) -> Iterator[str]:
    """The arguments, with a `KEY=VALUE` after or within an option of `forms` split into two
    arguments."""
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            yield argument
            yield from rest
            return
        form = next((each for each in forms if argument.startswith(each)), None)
        if form is None:
            yield argument
            continue
        joined = argument.removeprefix(form).removeprefix("=") if argument != form else None
        if joined is None:
            yield argument
            joined = next(rest, None)
            if joined is None:
                return
        elif _JOINED.fullmatch(joined):
            yield form
        else:
            yield argument
            continue
        pair = _JOINED.fullmatch(joined)
        yield from (joined,) if pair is None else (pair["key"], pair["value"])


def machine_of(
    profile: str | None, paths: Paths, output: Output, *, measure: Measure = "once"
) -> Machine:
    """The machine that `--profile` names; else this one, with its bandwidth measured as `measure`
    says. A note says that it is measured. Raises NotFound and InvalidInput."""
    if profile is not None:
        from localai.hardware.profiles import load_profile

        return load_profile(profile)
    from localai.hardware.this_machine import this_machine

    return this_machine(paths, measure, output.note)
