"""The double of LM Studio answers in the shapes that LM Studio's documentation shows."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from tests.servers.lmstudio_documented import (
    LIST_V0,
    LIST_V1,
    LOAD_V1,
    NO_TOKEN,
    UNKNOWN_ENDPOINT,
    UNLOAD_V1,
    Documented,
)
from tests.servers.lmstudio_double import DoubleModel, LmStudioDouble


def ask(double: LmStudioDouble, example: Documented) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(double.address)
    content = None if example.body is None else json.dumps(example.body)
    connection.request(example.method, example.path, content)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def shape(value: Any) -> Any:
    """Names and types, without the values."""
    match value:
        case dict():
            return {name: shape(each) for name, each in value.items()}
        case list():
            return [shape(each) for each in value]
        case bool() | None:
            return type(value).__name__
        case int() | float():
            return "number"
    return type(value).__name__


def described(name: str, kind: str = "llm", **changes: Any) -> DoubleModel:
    return DoubleModel(name, kind=kind, **changes)


def test_list_v1() -> None:
    chat = described("gemma-3-270m-it-qat", instances={"gemma-3-270m-it-qat": 4096})
    with LmStudioDouble([chat, described("nomic", "embedding")]) as double:
        status, document = ask(double, LIST_V1)
    documented = shape(LIST_V1.answer)
    # The documentation's own embedding model has no parameter count; ours has one.
    documented["models"][1]["params_string"] = "str"
    assert (status, shape(document)) == (200, documented)


@pytest.mark.parametrize("example", [LOAD_V1, UNLOAD_V1], ids=["load", "unload"])
def test_load_and_unload(example: Documented) -> None:
    model = described("openai/gpt-oss-20b", max_context_length=131072)
    with LmStudioDouble([model]) as double:
        if example is UNLOAD_V1:
            ask(double, LOAD_V1)
        status, document = ask(double, example)
    assert (status, shape(document)) == (200, shape(example.answer))
    for field in ("instance_id", "status", "type"):
        assert document.get(field) == example.answer.get(field)


def test_list_v0() -> None:
    models = [described("qwen2-vl-7b-instruct", "vlm"), described("nomic", "embedding")]
    with LmStudioDouble(models) as double:
        status, document = ask(double, LIST_V0)
    assert (status, shape(document)) == (200, shape(LIST_V0.answer))
    assert [each["type"] for each in document["data"]] == ["vlm", "embeddings"]
    assert [each["state"] for each in document["data"]] == ["not-loaded", "not-loaded"]


def test_an_unknown_endpoint_is_an_error_with_status_200() -> None:
    with LmStudioDouble([]) as double:
        assert ask(double, UNKNOWN_ENDPOINT) == (200, UNKNOWN_ENDPOINT.answer)


def test_a_missing_token() -> None:
    with LmStudioDouble([], token="secret") as double:
        assert ask(double, NO_TOKEN) == (401, NO_TOKEN.answer)
