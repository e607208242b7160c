"""A removal that was killed is finished by the next one, and takes nothing that came meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.library.removal_journal import finish_interrupted_removals, journal
from localai.paths import locate


def test_a_file_that_took_the_place_of_a_removed_one_stays(localai_home: Path) -> None:
    paths = locate()
    paths.models_dir.mkdir(parents=True)
    there, replaced = (paths.models_dir / name for name in ("there.gguf", "replaced.gguf"))
    for file in (there, replaced):
        file.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), journal(paths, [there, replaced]):
        raise KeyboardInterrupt
    newer = paths.models_dir / "newer"
    newer.write_bytes(b"new")
    newer.replace(replaced)
    finish_interrupted_removals(paths)
    assert {file.name: file.read_bytes() for file in paths.models_dir.iterdir()} == {
        "replaced.gguf": b"new"
    }
    assert list((paths.data_dir / "removing").iterdir()) == [], "there is nothing left to finish"
