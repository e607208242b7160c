"""The cache of what headers said: faster, and never wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localai.errors import InvalidInput
from localai.files import content_key
from localai.paths import Paths, locate
from localai.stores.inventory import gguf_models
from localai.stores.lookup import resolve_gguf
from tests.formats.synthetic import MODELS, write
from tests.stores.test_lookup import write_tiny


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


@pytest.fixture
def cache_file(paths: Paths) -> Path:
    return paths.cache_dir / "headers.json"


def test_a_second_look_reads_no_header_and_says_the_same(
    paths: Paths, tmp_path: Path, cache_file: Path
) -> None:
    path = write_tiny(tmp_path / "m.gguf", template="{{ tools }}")
    first = resolve_gguf(str(path), paths)
    # The same file by all that the cache looks at, and no model any more.
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert resolve_gguf(str(path), paths) == first
    cache_file.unlink()
    with pytest.raises(InvalidInput, match="not a GGUF file"):
        resolve_gguf(str(path), paths)


def test_a_changed_file_is_read_again(paths: Paths, tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "m.gguf")
    assert resolve_gguf(str(path), paths).capabilities == frozenset({"completion", "schema"})
    path.unlink()
    write_tiny(path, "nomic-bert")
    assert resolve_gguf(str(path), paths).capabilities == frozenset({"embedding"})


def test_a_model_in_parts_is_looked_at_each_time(paths: Paths, tmp_path: Path) -> None:
    parts = write(tmp_path / "split.gguf", MODELS["llama, tied"], parts=2)
    resolve_gguf(str(parts[0]), paths)
    with parts[1].open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(InvalidInput, match="truncated"):
        resolve_gguf(str(parts[0]), paths)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"version": 0, "entries": {}}',
        b'{"version": 2, "entries": []}',
    ],
)
def test_a_damaged_cache_is_as_good_as_none(
    paths: Paths, tmp_path: Path, cache_file: Path, content: bytes
) -> None:
    path = write_tiny(tmp_path / "m.gguf")
    expected = resolve_gguf(str(path), paths)
    cache_file.write_bytes(content)
    assert resolve_gguf(str(path), paths) == expected


@pytest.mark.parametrize("entry", ["{}", "3", '{"capabilities": [], "size_bytes": 1}'])
def test_a_damaged_entry_is_as_good_as_none(
    paths: Paths, tmp_path: Path, cache_file: Path, entry: str
) -> None:
    path = write_tiny(tmp_path / "m.gguf")
    expected = resolve_gguf(str(path), paths)
    cache_file.write_text(f'{{"version": 2, "entries": {{"{content_key(path)}": {entry}}}}}')
    assert resolve_gguf(str(path), paths) == expected


def test_a_folder_that_cannot_be_written_costs_only_time(paths: Paths, tmp_path: Path) -> None:
    paths.cache_dir.parent.mkdir(parents=True, exist_ok=True)
    paths.cache_dir.write_text("in the way")
    path = write_tiny(tmp_path / "m.gguf")
    assert resolve_gguf(str(path), paths).context_limit == 2048


def test_only_the_owner_can_read_it(paths: Paths, tmp_path: Path, cache_file: Path) -> None:
    resolve_gguf(str(write_tiny(tmp_path / "m.gguf")), paths)
    assert cache_file.stat().st_mode & 0o777 == 0o600


def test_a_long_list_is_kept_whole(paths: Paths, cache_file: Path) -> None:
    for number in range(30):
        write_tiny(paths.models_dir / f"m{number}.gguf")
    first = gguf_models(paths, {})
    assert len(first) == 30
    changed_at = cache_file.stat().st_mtime_ns
    assert gguf_models(paths, {}) == first
    assert cache_file.stat().st_mtime_ns == changed_at
