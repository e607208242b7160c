"""What goes with a conversation, and how many bytes that were."""

from __future__ import annotations

from pathlib import Path

from localai.chat.deletion import delete_conversations
from localai.database import Database
from localai.paths import locate
from localai.types import Message


def test_the_bytes_of_mlx_caches_are_counted(tmp_path: Path) -> None:
    paths = locate({"LOCALAI_HOME": str(tmp_path / "home")})
    caches = paths.kv_dir / "mlx" / "a model"
    caches.mkdir(parents=True)
    for name, size in (("one.safetensors", 10), ("two.safetensors", 20), ("other.json", 40)):
        (caches / name).write_bytes(bytes(size))
    database = Database(paths.database)
    of_mlx, other = (database.create_conversation() for _ in range(2))
    database.add_message(of_mlx, None, Message("assistant", "a"), provider="mlx", model="m")
    database.add_message(other, None, Message("assistant", "a"), provider="llamacpp", model="m")
    assert delete_conversations(paths, database, [other]).state_bytes == 0
    assert delete_conversations(paths, database, [of_mlx]).state_bytes == 30
    assert [file.name for file in caches.iterdir()] == ["other.json"]
