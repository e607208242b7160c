"""A manifest that a stranger sent: its layers, or why it cannot be used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localai.stores.oci_manifest import Layer, MediaType, read_manifest

DIGEST = "a" * 64


def _layer(**changes: Any) -> dict[str, Any]:
    return {
        "mediaType": MediaType.MODEL,
        "digest": f"sha256:{DIGEST}",
        "size": 7,
    } | changes


def _manifest(*layers: Any, **more: Any) -> bytes:
    return json.dumps({"layers": list(layers), **more}).encode()


def test_every_layer_is_read_and_the_config_is_the_last() -> None:
    config = _layer(mediaType=MediaType.CONFIG, size=3)
    read = read_manifest(_manifest(_layer(), _layer(mediaType="of.another"), config=config))
    assert read == [
        Layer(MediaType.MODEL, DIGEST, 7),
        Layer("of.another", DIGEST, 7),
        Layer(MediaType.CONFIG, DIGEST, 3),
    ]
    assert [layer.short_type for layer in read[:2]] == ["model", "another"]
    assert read_manifest(_manifest(_layer(), config=None)) == [Layer(MediaType.MODEL, DIGEST, 7)]


@pytest.mark.parametrize("size", [0, 1, 1 << 44])
def test_sizes_from_an_empty_file_to_16_tib_are_taken(size: int) -> None:
    assert read_manifest(_manifest(_layer(size=size)))[0].size_bytes == size


@pytest.mark.parametrize("size", [-1, (1 << 44) + 1, True, None, "7", 7.0])
def test_other_sizes_are_refused(size: Any) -> None:
    with pytest.raises(ValueError, match="bytes"):
        read_manifest(_manifest(_layer(size=size)))


def test_256_layers_are_the_most() -> None:
    assert len(read_manifest(_manifest(*[_layer()] * 256))) == 256
    with pytest.raises(ValueError, match="257 layers"):
        read_manifest(_manifest(*[_layer()] * 256, config=_layer()))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>no</html>", "no JSON: it begins with '<html>no</html>'"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "without layers"),
        (b'{"layers": {}}', "without layers"),
        (_manifest(3), "a layer that is none"),
        (_manifest(_layer(digest="sha256:../../etc")), "no SHA-256"),
        (_manifest(_layer(digest=f"sha256:{DIGEST}0")), "no SHA-256"),
        (_manifest(_layer(digest=None)), "no SHA-256"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace(".", r"\.")):
        read_manifest(content)
