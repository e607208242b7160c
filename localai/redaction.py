"""The secrets that this process has read, and texts without them: a server may echo a key in its
refusal, and the text ends on a screen, in a log, in the output of a batch. Code that reads a secret
registers it by `remember`. Code that passes on a server's text, and every output of a command, goes
through `redacted`."""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import quote

_SHORTEST: Final = 6
"""A shorter text is no secret, and would be found in the middle of words."""
_MASK: Final = "***"

_known: dict[str, None] = {}


def remember(secret: str) -> str:
    """Returns `secret`. From now on it is masked, as it is and encoded."""
    if len(secret) >= _SHORTEST:
        encoded = base64.b64encode(secret.encode()).decode()
        for form in (secret, quote(secret, safe=""), encoded, encoded.rstrip("=")):
            _known[form] = None
    return secret


def redacted(text: str) -> str:
    """`text` with a mask in the place of each secret."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, _MASK)
    return text
