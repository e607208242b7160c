"""The keyboard, read in larger bites than prompt_toolkit does: it looks a whole paste through
again for each, so that two megabytes in bites of one kilobyte take seconds."""

from __future__ import annotations

from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding.key_processor import KeyPress

_BITE_BYTES = 4096
"""What a pseudo-terminal gives at once."""
_BITES = 16


class LargeBites(Vt100Input):
    """Takes what is there, up to 64 kB, before the keys in it are looked at."""

    def read_keys(self) -> list[KeyPress]:
        """The keys that were pressed."""
        pieces: list[str] = []
        for _ in range(_BITES):
            pieces.append(self.stdin_reader.read(_BITE_BYTES))
            if not pieces[-1]:
                break
        self.vt100_parser.feed("".join(pieces))
        keys, self._buffer = self._buffer, []
        return keys
