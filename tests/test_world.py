"""A few inputs of each kind of the campaign `tests.campaigns.world`, which makes hundreds."""

from __future__ import annotations

import pytest

from tests.campaigns.world import KINDS, tried


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_world_has_is_no_bug_no_hang_and_no_silent_loss(kind: str) -> None:
    found = {seed: tried(kind, seed) for seed in range(1, 6)}
    assert found == dict.fromkeys(found)
