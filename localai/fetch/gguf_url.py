"""Fetching a GGUF file at an https address into our own store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from localai.errors import InvalidInput
from localai.fetch.allowed_hosts import AllowedHosts, web_server
from localai.fetch.connection import HttpConnection
from localai.fetch.download import is_of_another_source
from localai.fetch.partial import RemoteFile
from localai.fetch.plan import PullPlan
from localai.fetch.remote import RemotePrefix
from localai.formats.gguf import GgufHeader, merge_parts, part_paths, read_header_at
from localai.net.target import split_url
from localai.sizing.memory import HeaderFile
from localai.stores.starter import starter_path

if TYPE_CHECKING:
    from localai.paths import Paths

_NAME: Final = re.compile(r"[A-Za-z0-9_][\w.+ -]*\.gguf", re.ASCII | re.IGNORECASE)


def is_gguf_url(text: str) -> bool:
    """Whether `text` is the address of a .gguf file."""
    return text.startswith(("http://", "https://")) and split_url(text).path.lower().endswith(
        ".gguf"
    )


def plan_url(url: str, hosts: AllowedHosts, paths: Paths) -> PullPlan:
    """What fetching the model at `url` would do. For a model in parts, `url` is the first part's.

    Raises what `RemotePrefix` raises, and InvalidInput if the file is no model.
    """
    name = file_name(url)
    target = paths.models_dir / name
    if target == starter_path(paths):
        raise InvalidInput(f"{name} is the starter's name", command="localai pull starter")
    hosts.permit(web_server(url))
    connection = HttpConnection(hosts)
    try:
        header, first, file = _probe(connection, url, target)
        parts = [
            _probe(connection, _beside(url, path), path) for path in part_paths(target, header)[1:]
        ]
    finally:
        connection.close()
    files = (file, *(part[2] for part in parts))
    return PullPlan(
        name=re.sub(r"(-00001-of-\d{5})?\.gguf$", "", name, flags=re.IGNORECASE),
        source=web_server(url).shown,
        store=paths.models_dir,
        path=target,
        files=files,
        size_bytes=sum(each.size_bytes for each in files),
        header=merge_parts([header, *(part[0] for part in parts)]),
        measured=(first, *(part[1] for part in parts)),
        install=lambda: None,
        notes=_notes(files),
        replaces=tuple(each.target for each in files if is_of_another_source(each)),
    )


def file_name(url: str) -> str:
    """The file name at the end of `url`. Raises InvalidInput if it is not a .gguf file's."""
    name = unquote(split_url(url).path).rpartition("/")[2]
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name for a model file: it must end with .gguf")
    return name


def _probe(
    connection: HttpConnection, url: str, target: Path
) -> tuple[GgufHeader, HeaderFile, RemoteFile]:
    prefix = RemotePrefix(connection, url, target.name)
    try:
        if prefix.read(0, 64).lstrip()[:1] == b"<":
            raise InvalidInput(
                f"{web_server(url).shown} sends a web page instead of {target.name}",
                hint="the file's own address is needed (on the hub /resolve/ instead of /blob/)",
            )
        header = read_header_at(prefix.read, name=target.name, size_bytes=prefix.size_bytes)
        held = prefix.held
    finally:
        prefix.close()
    file = RemoteFile(
        name=target.name,
        url=url,
        size_bytes=prefix.size_bytes,
        target=target,
        staging=target.parent / ".arriving",
        validator=prefix.validator,
        ranges=prefix.ranges,
    )
    return header, HeaderFile(target.name, held, prefix.size_bytes), file


def _beside(url: str, path: Path) -> str:
    """The address of another part: in the same folder, with the same query."""
    parts = split_url(url)
    folder = parts.path.rpartition("/")[0]
    return parts._replace(path=f"{folder}/{path.name}").geturl()


def _notes(files: tuple[RemoteFile, ...]) -> tuple[str, ...]:
    known = [each for each in files if not is_of_another_source(each)]
    old = [f for f in known if f.target.exists() and f.target.stat().st_size != f.size_bytes]
    return tuple(f"replaces {file.target}, which has another size" for file in old)
