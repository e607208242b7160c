"""Whether `--think` changes what a worker's model reads: its template is tried with it and without.

What a template does with the wish is its own affair: gpt-oss knows levels and cannot be told not to
think, most others can, and know no levels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from localai.net.framing import ServerRefused
from localai.providers.go_prompts import go_prompt
from localai.providers.worker_templates import rendered_in_time
from localai.types import ChatRequest, Message, Think
from localai.wires.think import LEVELS, knows_no_levels, thinks_anyway

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from localai.engine.lifecycle import Lease

_TRIAL = (Message("user", "hi"),)


def worker_think_doubt(
    lease: Lease, request: ChatRequest, body_of: Callable[[ChatRequest], Mapping[str, object]]
) -> str | None:
    """What is to be said before the answer where the wish of `request` has no effect; None where it
    has one, or where nothing tells."""
    think, model = request.think, request.model
    goes_on = request.messages[-1].role == "assistant"
    if think in (None, "on") or goes_on or "thinking" not in (model.capabilities or ()):
        return None

    def prompt(wished: Think) -> str:
        tried = replace(request, messages=_TRIAL, think=wished, tools=(), think_tokens=None)
        body = body_of(tried)
        made = go_prompt(lease, tried, body)
        if made is not None and made.text is not None:
            return made.text
        return rendered_in_time(lease, body)

    try:
        if think == "off":
            return thinks_anyway(model.id) if prompt("off") == prompt("on") else None
        levels = {prompt(level) for level in LEVELS}
    except ServerRefused:
        # The question itself will be refused, and says why.
        return None
    return knows_no_levels(model.id, think) if len(levels) == 1 else None
