"""The Hugging Face hub as its documentation describes it, on loopback, with a host for large files.

The lists of repositories, the list of a repository's files, `resolve` with its X-Repo-Commit,
X-Linked-Etag and X-Linked-Size headers, the redirect of large files to another host, and the
X-Error-Code of its refusals:
https://huggingface.co/docs/hub/api and huggingface_hub's own tests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from tests.support.file_server import FileServer, Handler

Script = Callable[[Handler], None]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE_BYTES = 10_000
"""What is larger is stored apart, as git-lfs does; the hub's own limit is 10 MB."""


class HubDouble:
    """A hub (`pages`) and its file store (`store`), two servers as two hosts."""

    def __init__(self) -> None:
        self.pages = FileServer()
        self.store = FileServer()
        self.refusal: tuple[int, str] | None = None
        self.token: str | None = None
        self.listed: list[dict[str, object]] = []
        self.pages.scripts["/api/models"] = self._guarded(self._list)

    @property
    def url(self) -> str:
        """The endpoint."""
        return self.pages.url

    def add(
        self,
        repo: str,
        files: Mapping[str, bytes | Path],
        commit: str = COMMIT,
        revision: str = "main",
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """A repository with `files`; `revision` is at `commit`. With `facts` (createdAt, tags and
        so on), `/api/models` lists it with them."""
        listed = []
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.read_bytes()
            listed.append(self._add_file(repo, name, data, commit))
        if facts is not None:
            self.listed.append({"id": repo, "sha": commit, **facts})
        document = {"id": repo, "modelId": repo, "sha": commit, "siblings": listed, "tags": []}
        page = json.dumps(document).encode()
        script = self._guarded(
            lambda handler: handler.answer(200, page, {"Content-Type": "application/json"})
        )
        self.pages.scripts[f"/api/models/{repo}/revision/{revision}"] = script
        if revision == "main":
            self.pages.scripts[f"/api/models/{repo}"] = script

    def _list(self, handler: Handler) -> None:
        """The repositories of an author with a tag, by a field, the highest first; of their fields
        those that were asked for."""
        query = parse_qs(urlsplit(handler.path).query)
        [author], [tag], [order] = query["author"], query["filter"], query["sort"]
        found = [
            each
            for each in self.listed
            if str(each["id"]).startswith(f"{author}/") and tag in _list(each.get("tags"))
        ]
        found.sort(key=lambda each: _number(each.get(order)), reverse=True)
        named = {"id", *query.get("expand", [])}
        page = [
            {key: value for key, value in each.items() if key in named}
            for each in found[: int(query["limit"][0])]
        ]
        handler.answer(200, json.dumps(page).encode(), {"Content-Type": "application/json"})

    def _add_file(self, repo: str, name: str, data: bytes, commit: str) -> dict[str, object]:
        sha256 = hashlib.sha256(data).hexdigest()
        blob_id = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        entry: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": blob_id}
        headers = {"X-Repo-Commit": commit}
        if len(data) > LARGE_BYTES:
            entry["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
            target = self.store.put(f"/{sha256}", data)
            linked = {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(data))}

            def script(handler: Handler) -> None:
                handler.answer(302, b"", {**headers, **linked, "Location": target})
        else:

            def script(handler: Handler) -> None:
                handler.answer(200, data, {**headers, "ETag": f'"{blob_id}"'})

        self.pages.scripts[f"/{repo}/resolve/{commit}/{name}"] = self._guarded(script)
        return entry

    def _guarded(self, script: Script) -> Script:
        """`script`, unless the hub refuses whoever asks."""

        def guarded(handler: Handler) -> None:
            if self.refusal is not None:
                status, code = self.refusal
                handler.answer(status, b"{}", {"X-Error-Code": code} if code else {})
            elif self.token and handler.headers.get("Authorization") != f"Bearer {self.token}":
                handler.answer(401, b"{}", {"X-Error-Code": "GatedRepo"})
            else:
                script(handler)

        return guarded

    def __enter__(self) -> HubDouble:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.pages.stop()
        self.store.stop()


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
