"""Secrets that this process has taken up, and texts without them: a server may echo a key in its
refusal, and what is said ends on a screen, in a log, in the output of a batch.

Whoever takes up a secret says so by `remember`; whoever passes on what a server said, and whatever
a command says, goes through `redacted`.
"""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import quote

_SHORTEST: Final = 6
"""A shorter text is no secret, and would be found in the middle of words."""
_MASK: Final = "***"

_known: dict[str, None] = {}


def remember(secret: str) -> str:
    """`secret` itself, which from now on is not said any more, as it is or encoded."""
    if len(secret) >= _SHORTEST:
        encoded = base64.b64encode(secret.encode()).decode()
        for form in (secret, quote(secret, safe=""), encoded, encoded.rstrip("=")):
            _known[form] = None
    return secret


def redacted(text: str) -> str:
    """`text` with a mask for each secret in it."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, _MASK)
    return text
