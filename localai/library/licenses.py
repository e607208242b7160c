"""The licence of a model whose file does not state it: from Ollama's manifest, or from a model
card."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from localai.stores.inventory import Place
from localai.stores.ollama import license_texts

_LICENSE_LINE: Final = re.compile(r"^license:\s*[\"']?([\w.+ -]+)", re.MULTILINE)
_HEAD_BYTES: Final = 4096


def license_of_name(name: str, places: tuple[Place, ...]) -> str | None:
    """The first line of each licence in the manifest of `name` in Ollama's store. Another name of
    the same bytes has its own licences."""
    texts = [
        text
        for place in places
        if place.store == "ollama" and place.name == name
        for text in license_texts(place.path.parent.parent, name)
    ]
    lines = (text.strip().partition("\n")[0].strip() for text in texts)
    return "; ".join(filter(None, lines)) or None


def license_of_card(folder: Path) -> str | None:
    """The licence in the head of the model card; None if the card names none."""
    try:
        with (folder / "README.md").open("rb") as opened:
            head = opened.read(_HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    found = _LICENSE_LINE.search(head)
    return found[1].strip() if found else None
