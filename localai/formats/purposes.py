"""What a model does instead of answering text with text, as files and folders say it."""

from __future__ import annotations

from typing import Final

EMBEDS: Final = "embeds texts"
SCORES: Final = "scores texts for a search (a reranker)"
PICTURES: Final = "makes pictures"
