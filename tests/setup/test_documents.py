"""What setup says in JSON of its steps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from localai.output.documents.setup import setup_document
from localai.setup.plan import Step


def test_a_step_has_its_size_and_about_its_time() -> None:
    plan: Any = SimpleNamespace(
        engine=SimpleNamespace(name="llamacpp"),
        model="qwen3:4b",
        steps=[
            Step("engine", "llama.cpp", "it is here", True),
            Step("model", "qwen3:4b", "fits", False, "hf.co/x", 2_500_000_000, 123.456),
        ],
        notes=["a note"],
    )
    document = setup_document(plan, None, None, 0.126)
    assert document["dry_run"] is True
    assert (document["provider"], document["model"]) == ("llamacpp", "qwen3:4b")
    assert (document["answer"], document["right"], document["error"]) == (None, None, None)
    assert (document["total_s"], document["notes"]) == (0.13, ["a note"])
    assert document["steps"] == [
        {
            "step": "engine",
            "what": "llama.cpp",
            "why": "it is here",
            "done": True,
            "source": None,
            "download_bytes": None,
            "download_s": None,
        },
        {
            "step": "model",
            "what": "qwen3:4b",
            "why": "fits",
            "done": False,
            "source": "hf.co/x",
            "download_bytes": 2_500_000_000,
            "download_s": 123.5,
        },
    ]
