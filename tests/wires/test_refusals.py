"""What a server's refusal means."""

from __future__ import annotations

from typing import Any

import pytest

from localai.errors import (
    ContextOverflow,
    InvalidInput,
    LocalaiError,
    NotFound,
    ProviderRefused,
    SchemaRefused,
    Unreachable,
)
from localai.wires import lmstudio
from localai.wires.ollama import refusals as ollama_refusals
from localai.wires.refusals import failure, final_error, worker_failure

TOO_LONG = {"type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}


@pytest.mark.parametrize(
    ("who", "status", "error", "kind"),
    [
        ("the embedded engine", 400, TOO_LONG, ContextOverflow),
        ("vllm", 400, {"code": "context_length_exceeded", "message": "x"}, ContextOverflow),
        ("vllm", 404, {"message": "no such model"}, NotFound),
        ("the embedded engine", 400, {"message": "bad schema"}, InvalidInput),
        ("the embedded engine", 422, {"message": "bad schema"}, InvalidInput),
        ("the embedded engine", 400, {"message": "failed to parse grammar"}, SchemaRefused),
        ("the embedded engine", 500, {"message": "got exception: empty grammar"}, SchemaRefused),
        ("vllm", 400, {"message": "bad schema"}, ProviderRefused),
        ("vllm", 429, {"message": "slow down"}, ProviderRefused),
        ("vllm", 503, {"message": "loading"}, Unreachable),
        ("vllm", 500, {}, Unreachable),
        ("vllm", 500, {"message": "context deadline exceeded"}, Unreachable),
    ],
)
def test_refusals(who: str, status: int, error: dict[str, Any], kind: type[LocalaiError]) -> None:
    if who == "the embedded engine":
        found = worker_failure(who, status, error)
    else:
        found = final_error(failure(who, status, error, {}))
    assert type(found) is kind
    assert str(error.get("message", "")) in found.message or kind is ContextOverflow


def test_an_overflow_carries_both_numbers() -> None:
    found = worker_failure("the embedded engine", 400, TOO_LONG)
    assert isinstance(found, ContextOverflow)
    assert (found.prompt_tokens, found.context_tokens) == (5000, 4096)
    assert "5,000" in found.message and "4,096" in found.message


@pytest.mark.parametrize("who", ["Ollama", "LM Studio", "a cloud"])
def test_every_server_overflows_in_the_same_words(who: str) -> None:
    said = {
        "Ollama": lambda: ollama_refusals.refusal(400, {"error": TOO_LONG}, "m", None),
        "LM Studio": lambda: lmstudio.refusal(400, {"error": TOO_LONG}, "m"),
        "a cloud": lambda: failure("a cloud", 400, TOO_LONG, {}),
    }
    found = said[who]()
    assert isinstance(found, ContextOverflow)
    assert found.message == (
        f"the prompt does not fit the context of {who}: 5,000 tokens against 4,096"
    )
    assert ("--ctx" in str(found.hint)) == (who != "a cloud"), "only ours can be made larger"


def test_a_time_that_ran_out_is_no_overflow() -> None:
    """Go calls its deadlines contexts, and Ollama is written in Go."""
    error = ollama_refusals.refusal(500, {"error": "context deadline exceeded"}, "m", 4096)
    assert type(error) is Unreachable
