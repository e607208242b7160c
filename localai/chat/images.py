"""Pictures that go along with a question, for models that can see."""

from __future__ import annotations

from pathlib import Path

from localai.errors import InvalidInput, NotFound
from localai.types import Image, ResolvedModel

_LIMIT_BYTES = 32 * 1024 * 1024
_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
)


def read_image(name: str) -> Image:
    """The picture at that path. Raises NotFound, and InvalidInput for what is no PNG, JPEG, GIF
    or WebP, or has more than 32 MiB."""
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {name!r}", command=("ls", path.parent)) from error
    except OSError as error:
        raise InvalidInput(f"cannot read {name!r}: {error.strerror}") from error
    if len(content) > _LIMIT_BYTES:
        raise InvalidInput(f"{name} has more than {_LIMIT_BYTES // 1024 // 1024} MiB")
    for magic, offset, media_type in _MAGIC:
        if content.startswith(magic, offset):
            return Image(content, media_type)
    raise InvalidInput(
        f"{name} is no picture that models read (PNG, JPEG, GIF, WebP)",
        hint=f"a text or a PDF is added by -f {name}",
    )


def require_sight(model: ResolvedModel) -> None:
    """Raise InvalidInput if the model is known to be blind; what is not known is left to its
    provider."""
    if model.capabilities is not None and "vision" not in model.capabilities:
        raise InvalidInput(
            f"{model.provider}/{model.id} cannot see pictures",
            hint="name one that can: the list has each model's capabilities",
            command="localai list --json",
        )
