"""How long Anthropic's models think and answer: what the API says of a model, and what it is asked.
No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localai.errors import InvalidInput, ProviderRefused
from localai.types import ChatRequest, Think
from localai.wires.think import LEVELS, knows_no_levels

if TYPE_CHECKING:
    from anthropic.types import ModelInfo

# The API's minimum of a budget for thinking.
_LEAST_BUDGET_TOKENS = 1024
_BUDGET_SHARE = {"on": 0.5, "low": 0.25, "medium": 0.5, "high": 0.75}
# A budget is a share of so much at most: what a model may say at most can be 64,000 tokens.
_MOST_BUDGETED_TOKENS = 16_384
# Every model takes so many, whatever the API says of it.
_LONGEST_OF_ALL_TOKENS = 4096


def longest_answer(info: ModelInfo | None) -> int:
    """The longest answer that the API allows the model, in tokens: it wants a number."""
    return getattr(info, "max_tokens", None) or _LONGEST_OF_ALL_TOKENS


def level_doubt(request: ChatRequest, info: ModelInfo | None) -> str | None:
    """What is to be said where the model thinks as long as it likes, and takes no level."""
    facts, think = getattr(info, "capabilities", None), request.think
    if facts is None or think not in LEVELS or request.think_tokens is not None:
        return None
    if not facts.thinking.types.adaptive.supported or facts.effort.supported:
        return None
    return knows_no_levels(request.model.id, think)


def thinking_for(
    think: Think, longest_tokens: int, info: ModelInfo | None
) -> tuple[dict[str, Any], str | None]:
    """The `thinking` object and the level of effort for the user's `--think`.

    Current models decide themselves how long to think (adaptive) and take a level; older ones
    take a budget of tokens. Raises ProviderRefused, InvalidInput.
    """
    facts = None if info is None else getattr(info, "capabilities", None)
    kinds = None if facts is None else facts.thinking.types
    who = "this model" if info is None else info.id
    if think == "off":
        if kinds is not None and not kinds.disabled.supported:
            raise ProviderRefused(f"{who} always thinks", hint="leave out: --think off")
        return {"type": "disabled"}, None
    if kinds is None or kinds.adaptive.supported:
        level = None if think == "on" else think
        if level is not None and facts is not None and not facts.effort.supported:
            level = None
        return {"type": "adaptive", "display": "summarized"}, level
    if not kinds.enabled.supported:
        raise ProviderRefused(f"{who} does not think", hint="leave out: --think")
    within = min(longest_tokens, _MOST_BUDGETED_TOKENS)
    budget = max(_LEAST_BUDGET_TOKENS, int(within * _BUDGET_SHARE[think]))
    if budget >= longest_tokens:
        raise InvalidInput(
            f"{who} thinks in {_LEAST_BUDGET_TOKENS:,} tokens at least,"
            f" and the whole answer may have {longest_tokens:,}",
            hint="--max-tokens 8192",
        )
    return {"type": "enabled", "budget_tokens": budget, "display": "summarized"}, None


def budget_for(tokens: int, longest_tokens: int, info: ModelInfo | None) -> dict[str, Any]:
    """The `thinking` object for a budget of tokens. Raises ProviderRefused for a model that takes
    none, InvalidInput for one that the API does not take."""
    facts = None if info is None else getattr(info, "capabilities", None)
    if info is not None and facts is not None and not facts.thinking.types.enabled.supported:
        raise ProviderRefused(f"{info.id} takes no budget of thinking", hint="--think low")
    if not _LEAST_BUDGET_TOKENS <= tokens < longest_tokens:
        raise InvalidInput(
            f"Anthropic thinks in {_LEAST_BUDGET_TOKENS:,} tokens at least, and in fewer than the"
            f" whole answer's {longest_tokens:,}: not in {tokens:,}",
            hint="--think 2k --max-tokens 8k",
        )
    return {"type": "enabled", "budget_tokens": tokens, "display": "summarized"}
