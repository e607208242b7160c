"""The licence of a model that its file does not say: a name's own, or a model card's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from localai.stores.inventory import Place
from localai.stores.ollama import license_texts

_LICENSE_LINE: Final = re.compile(r"^license:\s*[\"']?([\w.+ -]+)", re.MULTILINE)
_HEAD_BYTES: Final = 4096


def license_of_name(name: str, places: tuple[Place, ...]) -> str | None:
    """The first lines of the licences that Ollama's manifest of that name carries: another name of
    the same bytes has its own."""
    texts = [
        text
        for place in places
        if place.store == "ollama" and place.name == name
        for text in license_texts(place.path.parent.parent, name)
    ]
    lines = (text.strip().partition("\n")[0].strip() for text in texts)
    return "; ".join(filter(None, lines)) or None


def license_of_card(folder: Path) -> str | None:
    """What the model card's head says."""
    try:
        with (folder / "README.md").open("rb") as opened:
            head = opened.read(_HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return None
    found = _LICENSE_LINE.search(head)
    return found[1].strip() if found else None
