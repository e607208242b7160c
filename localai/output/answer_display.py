"""The display of an answer and the lines after it, for one-shot and session alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from localai.answers import name_in_a_line
from localai.dataclass import dataclass
from localai.units import counted, money_text, time_text
from localai.untrusted import sanitize

if TYPE_CHECKING:
    from localai.answers import Answer
    from localai.config import Config
    from localai.cost.prices import Cost
    from localai.events import Done, FinishReason, TokenLogprobs
    from localai.output.answer import Writer
    from localai.output.output import Output
    from localai.types import ResolvedModel

# The warning for each reason, for `str.format`. None is a normal end, or a reason with an error of
# its own (`Answer.refusal`).
_FINISH_NOTES: Mapping[FinishReason, str | None] = {
    "stop": None,
    "tool_calls": None,
    "refusal": None,
    "length": "cut at {limit}; {more} allows more",
    "context": "cut: {context} is full{larger}",
    "loop": (
        "stopped: it repeats itself without end; {calmer} may help"
        " (`localai config set chat.stop_loops false` lets it go on)"
    ),
    "other": "perhaps not whole: the provider ended it with {word!r}, which localai does not know",
}


@dataclass(slots=True)
class Display:
    """The user's wishes for the display of an answer. `usage` adds tokens, speed and the place
    where it was computed."""

    raw: bool = False
    stream: bool = True
    hide_thinking: bool = False
    quiet: bool = False
    usage: bool = False

    def writer(self) -> Writer:
        """A writer for one answer, on this process's stdout and stderr."""
        from localai.output.answer import answer_writer

        return answer_writer(
            raw=self.raw,
            stream=self.stream,
            hide_thinking=self.hide_thinking,
            quiet=self.quiet,
        )


def say_how_it_ended(
    output: Output,
    answer: Answer,
    limit: int | None,
    *,
    go_on: str | None,
    more: str,
    larger: str,
    calmer: str,
) -> None:
    """Warn about an answer that is not whole.

    `go_on` is the user's input that continues the answer; None if that is impossible. `more` is the
    option or command for more tokens, `larger` the one for a larger context, `calmer` the one
    against repetitions. `limit` is the token limit that held; None if none was set.
    """
    if not (answer.text.strip() or answer.tool_calls or answer.refusal):
        thought = "the model thought, and answered nothing"
        output.warn(thought if answer.reasoning else "the answer is empty")
        # What was only thought is not kept.
        go_on = None
    if note := _FINISH_NOTES[answer.done.finish_reason]:
        tokens = "the server's limit of tokens" if limit is None else counted(limit, "token")
        goes_on = "" if go_on is None else f"{go_on} goes on, "
        allocated, most = answer.done.context_tokens, answer.model.context_limit
        shown = note.format(
            limit=tokens,
            more=goes_on + more,
            context="the context" if allocated is None else f"the context of {allocated:,} tokens",
            larger=(
                ", and the model holds no more"
                if allocated is not None and allocated == most
                else f"; {goes_on}{larger} allows more"
            ),
            calmer=calmer,
            word=answer.done.server_reason or "no word",
        )
        output.warn(shown)


def say_usage(output: Output, answer: Answer, config: Config, *, whole: bool = False) -> None:
    """Say the answer's tokens, speed, cost and place in a line (`-u`); with `whole` all figures and
    the evidence (`-uu`)."""
    from localai.cost.prices import cost_of

    cost = cost_of(answer, config)
    for line in usage_lines(answer, cost) if whole else [usage_line(answer, cost)]:
        output.note(line)


def say_logprobs(output: Output, answer: Answer) -> None:
    """Say every token with its probability and its alternatives, on stderr."""
    if not answer.logprobs:
        output.warn(f"{name_in_a_line(answer.model)} gave no probabilities")
    for line in odds_lines(answer.logprobs):
        output.announce(line)


def usage_line(answer: Answer, cost: Cost) -> str:
    """The line of `-u`: the tokens, the speed, the model and where it was computed."""
    done = answer.done
    usage, timings, zone = done.usage, done.timings, done.locality.zone
    parts = []
    if usage.input_tokens is not None and usage.output_tokens is not None:
        parts.append(f"{counted(usage.input_tokens, 'token')} in, {usage.output_tokens:,} out")
    if timings.time_to_first_token_s is not None:
        parts.append(f"first after {time_text(timings.time_to_first_token_s)}")
    if timings.decode_tokens_per_s is not None:
        parts.append(f"{timings.decode_tokens_per_s:,.1f} tok/s")
    if cost.amount:
        parts.append(money_text(cost.amount))
    where = "unproven" if zone is None else zone.label
    return " · ".join((*parts, name_in_a_line(answer.model), where))


def usage_lines(answer: Answer, cost: Cost) -> list[str]:
    """The two lines of `-uu` for a person. An unknown figure is left out and never shown as
    zero."""
    numbers = _numbers(answer.done)
    if cost.amount:
        numbers += f" · {money_text(cost.amount)}"
    return [numbers, _where(answer.model, answer.done)]


def _numbers(done: Done) -> str:
    usage, timings = done.usage, done.timings
    parts = []
    if usage.input_tokens is not None:
        cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
        parts.append(f"{counted(usage.input_tokens, 'token')} in{cached}")
    if usage.output_tokens is not None:
        parts.append(f"{usage.output_tokens:,} out")
    if timings.time_to_first_token_s is not None:
        parts.append(f"first token {time_text(timings.time_to_first_token_s, 2)}")
    if timings.load_s is not None:
        parts.append(f"load {time_text(timings.load_s, 2)}")
    if timings.prefill_tokens_per_s is not None:
        parts.append(f"prefill {timings.prefill_tokens_per_s:,.0f} tok/s")
    if timings.decode_tokens_per_s is not None:
        parts.append(f"decode {timings.decode_tokens_per_s:,.1f} tok/s")
    if timings.clock is not None:
        parts.append(f"{timings.clock}'s clock")
    return " · ".join(parts)


def _where(model: ResolvedModel, done: Done) -> str:
    locality = done.locality
    zone = "unproven" if locality.zone is None else locality.zone.label
    process = ""
    if locality.process is not None:
        pid = "" if locality.process.pid is None else f" {locality.process.pid}"
        process = f" · {locality.process.name}{pid}"
    denied = " · no network (kernel)" if locality.network_denied else ""
    return f"{model.provider}/{model.id} · {zone}{process}{denied} · {locality.evidence}"


def odds_lines(tokens: Iterable[TokenLogprobs]) -> Iterator[str]:
    """A line for each token: the token, its probability, and the alternatives with theirs."""
    for token in tokens:
        others = "  ".join(
            f"{_shown(text)} {_percent(logprob)}"
            for text, logprob in token.alternatives
            if text != token.token
        )
        yield f"{_shown(token.token):<16} {_percent(token.logprob):>6}   {others}".rstrip()


def _shown(token: str) -> str:
    """The token in a form that shows its spaces and newlines."""
    return repr(sanitize(token))


def _percent(logprob: float) -> str:
    return f"{math.exp(logprob):.1%}"
