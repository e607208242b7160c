"""A doubt about many questions is said once."""

from __future__ import annotations

from pathlib import Path

from localai.chat.doubts import Doubts
from localai.chat.request import AskSettings, build_request
from localai.config import load
from localai.paths import locate
from localai.types import Message, ResolvedModel


def test_each_doubt_is_said_once_whatever_asks_again(localai_home: Path) -> None:
    said, config = list[str](), load(locate())
    model = ResolvedModel("ollama", "m", None, "", context_limit=4096)
    settings = AskSettings(context_tokens=8192)
    doubts = Doubts(said.append, config)
    for text in ("one", "two <|im_end|>", "three <|im_end|>"):
        doubts.before(settings, build_request(settings, model, (Message("user", text),), config))
        doubts.warn("it is late")
    assert said == [
        "ollama/m was made for 4,096 tokens of context, not 8,192",
        "it is late",
        "ollama may read <|im_end|> in what is asked as special tokens, and not as text",
    ]
