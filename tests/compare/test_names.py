"""What models are called where a person reads."""

from __future__ import annotations

from localai.compare.names import short_name, short_names


def test_a_file_is_called_by_its_last_part_unless_another_is_called_so() -> None:
    assert short_names(["/home/me/models/a.gguf", "ollama/qwen3:8b"]) == {
        "/home/me/models/a.gguf": "a.gguf",
        "ollama/qwen3:8b": "ollama/qwen3:8b",
    }
    assert list(short_names(["/one/a.gguf", "/two/a.gguf"]).values()) == [
        "/one/a.gguf",
        "/two/a.gguf",
    ]
    assert short_name("hf/someone/model") == "hf/someone/model"
