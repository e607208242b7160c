"""The pictures of conversations: each kept once, by its digest, as long as a message has it.

They lie in the same file as the messages, so that a kill leaves neither a picture without its
message nor a message without its picture, and what is deleted is overwritten. All together take a
bounded number of bytes: beyond it the pictures of the conversation that was not written to for the
longest time are given up. What they were stays known, so that nobody believes that a model sees
them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from localai.database.file import DatabaseFile
from localai.dataclass import dataclass
from localai.types import Picture


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture of a message. `digest` is its SHA-256 in hex. `data` is None if the picture was
    given up, because all together took too many bytes."""

    digest: str
    media_type: str
    size_bytes: int
    data: bytes | None

    @property
    def picture(self) -> Picture | None:
        """The picture in the form for a provider; None if it was given up."""
        return None if self.data is None else Picture(self.data, self.media_type)


class Pictures(DatabaseFile):
    """Keeping the pictures of messages, and reading them back."""

    def pictures(self, conversation_id: str) -> dict[int, tuple[StoredPicture, ...]]:
        """The pictures of the conversation's messages, by the message's id. A picture that several
        messages have is read once."""
        with self.guarded():
            places = self.db.execute(
                "SELECT message_id, digest FROM message_picture JOIN message ON"
                " message.id = message_id WHERE conversation_id = ? ORDER BY message_id, number",
                (conversation_id,),
            ).fetchall()
            digests = {str(place["digest"]) for place in places}
            known = {digest: self._picture(digest) for digest in digests}
        found: dict[int, tuple[StoredPicture, ...]] = {}
        for message_id, digest in places:
            found[message_id] = (*found.get(message_id, ()), known[digest])
        return found

    def pictures_bytes(self) -> int:
        """What all kept pictures take."""
        with self.guarded():
            return self._pictures_bytes()

    def _picture(self, digest: str) -> StoredPicture:
        row = self.db.execute("SELECT * FROM picture WHERE digest = ?", (digest,)).fetchone()
        return StoredPicture(**dict(row))

    def _pictures_bytes(self) -> int:
        row = self.db.execute(
            "SELECT coalesce(sum(size_bytes), 0) FROM picture WHERE data IS NOT NULL"
        ).fetchone()
        return int(row[0])

    def _keep_pictures(
        self, message_id: int, pictures: Sequence[Picture], limit_bytes: int | None
    ) -> None:
        """Keep the pictures of a message, in the transaction that stores it."""
        for number, picture in enumerate(pictures):
            digest = hashlib.sha256(picture.data).hexdigest()
            size = len(picture.data)
            is_kept = limit_bytes is None or size <= limit_bytes
            self.db.execute(
                "INSERT INTO picture (digest, media_type, size_bytes, data) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (digest) DO UPDATE SET data = coalesce(data, excluded.data)",
                (digest, picture.media_type, size, picture.data if is_kept else None),
            )
            self.db.execute(
                "INSERT INTO message_picture (message_id, number, digest) VALUES (?, ?, ?)",
                (message_id, number, digest),
            )
        if pictures and limit_bytes is not None:
            self._bound_pictures(limit_bytes)

    def _bound_pictures(self, limit_bytes: int) -> None:
        over = self._pictures_bytes() - limit_bytes
        if over <= 0:
            return
        oldest = self.db.execute(
            "SELECT digest, size_bytes FROM picture JOIN message_picture USING (digest)"
            " JOIN message ON message.id = message_id"
            " JOIN conversation ON conversation.id = conversation_id"
            " WHERE data IS NOT NULL GROUP BY digest"
            " ORDER BY max(conversation.updated_at), max(message.id)"
        ).fetchall()
        for digest, size in oldest:
            if over <= 0:
                return
            self.db.execute("UPDATE picture SET data = NULL WHERE digest = ?", (digest,))
            over -= size
