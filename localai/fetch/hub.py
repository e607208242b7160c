"""Models from the Hugging Face hub, into the hub's own cache.

`huggingface_hub` asks the hub and lays out the cache. The bytes of large files come through our own
downloader, because the library checks only their size and not their SHA-256. If the hub fails in
any way, a copy in the cache is used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.fetch.allowed_hosts import AllowedHosts, web_server
from localai.fetch.connection import HttpConnection
from localai.fetch.hub_cached import cached_plan
from localai.fetch.hub_client import (
    LARGEST_RESPONSE_BYTES,
    TIMEOUT_S,
    hub_api,
    hub_errors,
    sends_token,
)
from localai.fetch.hub_names import (
    GgufVariant,
    HubFile,
    checked_file,
    choose_projector,
    choose_variant,
    companions,
    gguf_variants,
)
from localai.fetch.partial import RemoteFile
from localai.fetch.plan import PullPlan, Variant
from localai.fetch.remote import RemotePrefix
from localai.files import write_atomically
from localai.formats.folder_kinds import purpose_of_folder, require_model
from localai.formats.gguf import GgufHeader, merge_parts, read_header, read_header_at
from localai.formats.mlx_folder import read_object
from localai.sizing.memory import HeaderFile
from localai.stores.folders import hub_cache
from localai.stores.references import MAIN, HubReference
from localai.temporary import TemporaryFolder

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
# The small files of an MLX folder, besides its weights, by their endings.
_FOLDER_FILES: Final = (".json", ".txt", ".model", ".jinja", ".tiktoken")


class Hub:
    """The hub at `endpoint`, asked over `hosts`. The cache's folder follows from `environ`.

    `deadline` is a time of `time.monotonic()`, after which no more of a header is read.
    """

    def __init__(
        self,
        endpoint: str,
        hosts: AllowedHosts,
        environ: Mapping[str, str] | None = None,
        *,
        deadline: float | None = None,
    ) -> None:
        self._hosts = hosts
        self._deadline = deadline
        self._server = web_server(endpoint)
        self._endpoint = endpoint.rstrip("/")
        self._cache = hub_cache(os.environ if environ is None else environ)

    def plan(self, reference: HubReference) -> PullPlan:
        """What fetching a model would do: a GGUF model with its projector, else a folder of
        safetensors. If the hub fails, the model in the cache.

        Raises NotFound, ProviderRefused, Unreachable, PolicyRefused, InvalidInput.
        """
        try:
            return self._plan(reference, *self._list(reference))
        except LocalaiError as error:
            # Any error: the hub may be gone, may refuse, or a hotel's log-in page may answer in its
            # place.
            cached = cached_plan(self._cache, self._repository(reference.repo), reference, error)
            if cached is None:
                raise
            return cached

    def look(self, reference: HubReference) -> tuple[PullPlan, list[Variant]]:
        """What the hub itself says of a repository: what fetching its model would do, and what
        `variants` returns. Raises as `plan` does."""
        commit, files = self._list(reference)
        return self._plan(reference, commit, files), _variants(reference, files)

    def _plan(self, reference: HubReference, commit: str, files: list[HubFile]) -> PullPlan:
        variants, beside = gguf_variants(files), companions(files)
        is_folder = any(file.path.endswith(".safetensors") for file in files)
        connection = HttpConnection(self._hosts, deadline=self._deadline)
        try:
            if variants or reference.file or (beside and not is_folder):
                chosen = choose_variant(reference, variants, beside)
                return self._plan_gguf(connection, reference, commit, chosen, files)
            return self._plan_folder(connection, reference, commit, files)
        finally:
            connection.close()

    def variants(self, reference: HubReference) -> list[Variant]:
        """The GGUF models of a repository, the smallest first, each under a name that no other has;
        then the files beside the models. Raises as `plan` does."""
        return _variants(reference, self._list(reference)[1])

    def _list(self, reference: HubReference) -> tuple[str, list[HubFile]]:
        """The commit of the revision, and its files."""
        repo = reference.repo
        self._hosts.permit(self._server)
        with hub_errors(repo, self._server.shown):
            api = hub_api(self._endpoint, self._hosts)
            # The client takes None for the newest revision.
            revision = None if reference.revision == MAIN else reference.revision
            info = api.model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
        if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha):
            raise InvalidInput(f"the hub says that {repo} is at the commit {info.sha!r}")
        return info.sha, [
            checked_file(each.rfilename, each.size, each.lfs.sha256 if each.lfs else None)
            for each in info.siblings or ()
        ]

    def _plan_gguf(
        self,
        connection: HttpConnection,
        reference: HubReference,
        commit: str,
        chosen: GgufVariant,
        available: list[HubFile],
    ) -> PullPlan:
        repo = reference.repo
        probed = [self._header(connection, repo, commit, file) for file in chosen.files]
        projector = None
        if chosen.role == "model":
            projector = choose_projector(available, chosen.files[0].path)
        files = (*chosen.files, *([projector] if projector is not None else []))
        return PullPlan(
            name=f"{repo}/{chosen.stem}",
            source=self._server.shown,
            store=self._cache,
            path=self._snapshot(repo, commit) / chosen.files[0].path,
            files=self._large(repo, commit, files),
            size_bytes=sum(file.size_bytes for file in files),
            header=merge_parts(header for header, _ in probed),
            measured=tuple(file for _, file in probed),
            install=partial(self._install, reference, commit, files),
            digest=chosen.files[0].sha256 if len(chosen.files) == 1 else None,
            notes=_role_notes(chosen),
        )

    def _header(
        self, connection: HttpConnection, repo: str, commit: str, file: HubFile
    ) -> tuple[GgufHeader, HeaderFile]:
        name = file.path.rpartition("/")[2]
        present = self._repository(repo) / "blobs" / str(file.sha256)
        if present.is_file() and present.stat().st_size == file.size_bytes:
            header = read_header(present)
            with present.open("rb") as opened:
                return header, HeaderFile(name, opened.read(header.data_offset), file.size_bytes)
        prefix = RemotePrefix(connection, self._url(repo, commit, file.path), name)
        try:
            if prefix.size_bytes != file.size_bytes:
                raise InvalidInput(
                    f"{self._server.shown} serves {prefix.size_bytes:,} bytes of {name}, "
                    f"and its list says {file.size_bytes:,}"
                )
            header = read_header_at(prefix.read, name=name, size_bytes=file.size_bytes)
            return header, HeaderFile(name, prefix.held, file.size_bytes)
        finally:
            prefix.close()

    def _plan_folder(
        self,
        connection: HttpConnection,
        reference: HubReference,
        commit: str,
        available: list[HubFile],
    ) -> PullPlan:
        repo = reference.repo
        top = [file for file in available if "/" not in file.path]
        weights = [file for file in top if file.path.endswith(".safetensors")]
        names = {file.path for file in top}
        require_model(repo, names)
        if not weights or all(file.path != "config.json" for file in top):
            raise NotFound(
                f"{repo} has neither GGUF files nor a folder of safetensors",
                hint=f"look for {repo.rpartition('/')[2]}-GGUF on the hub",
            )
        if reference.quant is not None:
            raise NotFound(
                f"{repo} is a folder of safetensors, which has no {reference.quant}",
                command=f"localai pull hf.co/{repo}",
            )
        small = [file for file in top if file.path.endswith(_FOLDER_FILES)]
        files = (*weights, *(file for file in small if file.size_bytes <= LARGEST_RESPONSE_BYTES))
        sample = TemporaryFolder()
        self._write_sample(connection, repo, commit, weights, Path(sample.name))
        return PullPlan(
            name=repo,
            source=self._server.shown,
            store=self._cache,
            path=self._snapshot(repo, commit),
            files=self._large(repo, commit, files),
            size_bytes=sum(file.size_bytes for file in files),
            header=None,
            measured=Path(sample.name),
            purpose=purpose_of_folder(names, read_object(Path(sample.name, "config.json"))),
            # The plan holds a reference to the sample, which is deleted with it.
            install=partial(self._install, reference, commit, files, sample),
        )

    def _write_sample(
        self,
        connection: HttpConnection,
        repo: str,
        commit: str,
        weights: list[HubFile],
        folder: Path,
    ) -> None:
        """Write a folder whose memory can be computed as if it were the remote one: sparse files of
        the same sizes, with only their headers in them."""
        config = connection.document(
            self._url(repo, commit, "config.json"), f"config.json of {repo}"
        )
        (folder / "config.json").write_bytes(config)
        (folder / "tokenizer.json").write_text("{}")
        for file in weights:
            prefix = RemotePrefix(connection, self._url(repo, commit, file.path), file.path)
            try:
                length = 8 + int.from_bytes(prefix.read(0, 8), "little")
                if length > min(LARGEST_RESPONSE_BYTES, file.size_bytes):
                    raise InvalidInput(f"{file.path} of {repo} is no safetensors file")
                with (folder / file.path).open("wb") as sample:
                    sample.write(prefix.read(0, length)[:length])
                    sample.truncate(file.size_bytes)
            finally:
                prefix.close()

    def _large(self, repo: str, commit: str, files: tuple[HubFile, ...]) -> tuple[RemoteFile, ...]:
        """The files whose SHA-256 the hub states; `huggingface_hub` fetches the others."""
        folder = self._repository(repo)
        return tuple(
            RemoteFile(
                name=file.path,
                url=self._url(repo, commit, file.path),
                size_bytes=file.size_bytes,
                target=folder / "blobs" / file.sha256,
                staging=folder / ".localai",
                sha256=file.sha256,
            )
            for file in files
            if file.sha256 is not None
        )

    def _install(
        self, named: HubReference, commit: str, files: tuple[HubFile, ...], sample: Any = None
    ) -> None:
        """Have `huggingface_hub` fetch the small files and name all of them in its cache."""
        repo = named.repo
        with hub_errors(repo, self._server.shown):
            from huggingface_hub import hf_hub_download

            for file in files:
                hf_hub_download(
                    repo,
                    file.path,
                    revision=commit,
                    cache_dir=self._cache,
                    endpoint=self._endpoint,
                    # None lets the library use the user's own token.
                    token=None if sends_token(self._server) else False,
                )
        if named.revision != commit:
            reference = self._repository(repo) / "refs" / named.revision
            reference.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(reference, commit.encode())
        if sample is not None:
            sample.cleanup()

    def _url(self, repo: str, commit: str, path: str) -> str:
        return f"{self._endpoint}/{repo}/resolve/{commit}/{quote(path)}"

    def _repository(self, repo: str) -> Path:
        return self._cache / f"models--{repo.replace('/', '--')}"

    def _snapshot(self, repo: str, commit: str) -> Path:
        return self._repository(repo) / "snapshots" / commit


def _variants(reference: HubReference, files: list[HubFile]) -> list[Variant]:
    return [
        Variant(
            f"{reference.name}{each.suffix or '/' + each.files[0].path}",
            each.quantization,
            each.size_bytes,
            len(each.files),
            None if each.role == "model" else each.role,
        )
        for each in (*gguf_variants(files), *companions(files))
    ]


def _role_notes(chosen: GgufVariant) -> tuple[str, ...]:
    if chosen.role != "draft model":
        return ()
    return ("by its name it is a draft model, which guesses ahead for another and answers poorly",)
