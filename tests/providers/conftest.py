"""Fixtures of the providers' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def no_keyring() -> Iterator[None]:
    """A keyring that is empty, whatever the developer's own machine has in its own."""
    import keyring
    from keyring.backends.null import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())
    yield
    keyring.set_keyring(before)
