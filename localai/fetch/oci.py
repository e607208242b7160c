"""Ollama's registry protocol, spoken by us, into Ollama's own layout on disk.

The protocol is plain OCI: a manifest names layers by their SHA-256, and the model layer is a GGUF
file. The files are laid out as Ollama does it, so Ollama need not run, and finds the model the next
time it looks. A manifest comes from a stranger: every digest and size in it is checked before it
becomes a path or a length.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound, ProviderRefused
from localai.fetch.allowed_hosts import AllowedHosts, web_server
from localai.fetch.connection import HttpConnection
from localai.fetch.ollama_store import own_root, service_notes
from localai.fetch.partial import RemoteFile
from localai.fetch.plan import PullPlan, Variant
from localai.fetch.remote import RemotePrefix
from localai.formats.gguf import GgufHeader, read_header, read_header_at
from localai.privacy.zones import zone_of_host
from localai.sizing.memory import HeaderFile
from localai.stores.oci_manifest import MANIFEST_TYPES, Layer, MediaType, read_manifest
from localai.stores.ollama import (
    DEFAULT_HOST,
    DEFAULT_TAG,
    OllamaName,
    blob_path,
    ollama_roots,
    parse_name,
    write_manifest,
)
from localai.types import Zone

_PARAMETER: Final = re.compile(r'\b(\w+)="([^"]*)"')
_CLOUD_TAG: Final = re.compile(r"(^|-)cloud$")


@dataclass(frozen=True, slots=True)
class RegistryModel:
    """A model in a registry. `registry` is the registry's address; `name` is the model's name on
    this machine."""

    name: OllamaName
    registry: str

    @property
    def repository(self) -> str:
        """The repository's URL, without a slash at the end."""
        return f"{self.registry}/v2/{self.name.namespace}/{self.name.name}"


def registry_model(text: str, registry: str, quant: str | None = None) -> RegistryModel:
    """The model that `[http[s]://][HOST/][NAMESPACE/]NAME[:TAG]` means; without a host it is in the
    configured `registry`.

    A host is asked over https unless it is on this machine or http:// was written. `quant` is added
    to the tag, as Ollama's library names its quantizations. Raises InvalidInput.
    """
    scheme, separator, rest = text.rpartition("://")
    name = parse_name(rest)
    if name is None or scheme not in ("", "http", "https") or (separator and rest.count("/") < 2):
        missing = {"/": "the name behind the slash", ":": "the tag behind the colon"}.get(text[-1:])
        raise InvalidInput(
            f"{text!r} is no name of a model" + (f": {missing} is missing" if missing else ""),
            hint="name:tag, hf.co/org/repo:QUANT, https://host/file.gguf or ./file.gguf",
        )
    if quant is not None:
        sized = "" if name.tag == DEFAULT_TAG else f"{name.tag}-"
        name = replace(name, tag=f"{sized}{_as_tag(quant)}")
    if _CLOUD_TAG.search(name.tag):
        raise InvalidInput(
            f"{name.short} is served from Ollama's cloud: there is nothing to fetch",
            hint="ollama.com/library has the tags of models that run here",
        )
    if name.host == DEFAULT_HOST and not separator:
        return RegistryModel(name, registry.rstrip("/"))
    host = name.host.rpartition(":")[0] or name.host
    near = host == "localhost" or zone_of_host(host) is Zone.DEVICE
    return RegistryModel(name, f"{scheme or ('http' if near else 'https')}://{name.host}")


def plan_registry(
    model: RegistryModel,
    hosts: AllowedHosts,
    environ: Mapping[str, str] | None = None,
    *,
    by_daemon: bool = False,
) -> PullPlan:
    """What fetching `model` would do, from its manifest and the first bytes of its weights.

    Raises what `HttpConnection.document` raises, InvalidInput if the manifest or the model is
    broken, and ForeignStore if Ollama's store cannot be written, unless Ollama is to fetch it
    (`by_daemon`).
    """
    environ = os.environ if environ is None else environ
    root = ollama_roots(environ)[0] if by_daemon else own_root(model.name, environ)
    hosts.authenticate = partial(_token, hosts)
    hosts.permit(web_server(model.registry))
    connection = HttpConnection(hosts)
    try:
        manifest = _fetch_manifest(connection, model)
        layers = _layers(manifest, model)
        weights = [layer for layer in layers if layer.media_type == MediaType.MODEL]
        if len(weights) != 1:
            raise InvalidInput(
                f"{model.name.short} has {len(weights) or 'no'} GGUF files in its manifest: "
                "only models of one file are fetched from a registry",
                hint="another tag, or hf.co/org/repo:QUANT",
            )
        header, held, ranges = _header(connection, model, weights[0], root)
    finally:
        connection.close()
    ordered = sorted(dict.fromkeys(layers), key=lambda layer: layer.media_type != MediaType.MODEL)
    files = tuple(_remote_file(model, layer, root, ranges=ranges) for layer in ordered)
    size_bytes = sum(file.size_bytes for file in files)
    return PullPlan(
        name=model.name.short,
        source=web_server(model.registry).shown,
        store=root,
        path=files[0].target,
        files=files,
        size_bytes=size_bytes,
        header=header,
        measured=(HeaderFile(model.name.short, held, weights[0].size_bytes),),
        install=partial(_install, model.name, root, manifest, files),
        digest=weights[0].sha256,
        notes=(*_adapter_notes(layers), *service_notes(ollama_roots(environ), model.name)),
    )


def registry_variants(model: RegistryModel, hosts: AllowedHosts) -> list[Variant]:
    """The tags that the registry lists for the model. Raises NotFound if it lists none."""
    hosts.authenticate = partial(_token, hosts)
    hosts.permit(web_server(model.registry))
    connection = HttpConnection(hosts)
    try:
        content = connection.document(f"{model.repository}/tags/list", f"tags of {model.name.name}")
        tags = json.loads(content)["tags"] or []
        if not isinstance(tags, list):
            raise TypeError("the tags are no list")
    except (ValueError, KeyError, TypeError, RecursionError, NotFound) as error:
        raise NotFound(
            f"{web_server(model.registry).shown} does not list the tags of {model.name.name}",
            hint=f"https://ollama.com/library/{model.name.name}/tags",
        ) from error
    finally:
        connection.close()
    names = [tag for tag in tags if isinstance(tag, str)]
    return [
        Variant(replace(model.name, tag=tag).short, tag, None, 1)
        for tag in sorted(names)
        if parse_name(f"{model.name.name}:{tag}") is not None
    ]


def _adapter_notes(layers: list[Layer]) -> tuple[str, ...]:
    if all(layer.media_type != MediaType.ADAPTER for layer in layers):
        return ()
    return ("it has an adapter (LoRA), which is applied to it: in Ollama's store by every engine",)


def _fetch_manifest(connection: HttpConnection, model: RegistryModel) -> bytes:
    # Without the Accept header, Debian's registry answers 400.
    return connection.document(
        f"{model.repository}/manifests/{model.name.tag}",
        f"model {model.name.short}",
        {"Accept": ", ".join(MANIFEST_TYPES)},
    )


def _layers(manifest: bytes, model: RegistryModel) -> list[Layer]:
    """Every blob of the manifest, the config last. Raises InvalidInput."""
    try:
        return read_manifest(manifest)
    except ValueError as error:
        registry = web_server(model.registry).shown
        raise InvalidInput(f"{registry} sent a manifest for {model.name.short} {error}") from error


def _header(
    connection: HttpConnection, model: RegistryModel, layer: Layer, root: Path
) -> tuple[GgufHeader, bytes, bool]:
    """The header of the weights, its bytes, and whether the registry sends parts of blobs."""
    name = model.name.short
    present = blob_path(root, f"sha256:{layer.sha256}")
    if present is not None and present.is_file() and present.stat().st_size == layer.size_bytes:
        header = read_header(present)
        with present.open("rb") as file:
            return header, file.read(header.data_offset), True
    prefix = RemotePrefix(connection, f"{model.repository}/blobs/sha256:{layer.sha256}", name)
    try:
        if prefix.size_bytes != layer.size_bytes:
            raise InvalidInput(
                f"{web_server(model.registry).shown} has {prefix.size_bytes:,} bytes of {name}, "
                f"and its manifest says {layer.size_bytes:,}"
            )
        header = read_header_at(prefix.read, name=name, size_bytes=layer.size_bytes)
        return header, prefix.held, prefix.ranges
    finally:
        prefix.close()


def _remote_file(model: RegistryModel, layer: Layer, root: Path, *, ranges: bool) -> RemoteFile:
    blobs = root / "blobs"
    return RemoteFile(
        name=f"{model.name.short} ({layer.short_type})",
        url=f"{model.repository}/blobs/sha256:{layer.sha256}",
        size_bytes=layer.size_bytes,
        target=blobs / f"sha256-{layer.sha256}",
        # Not among the blobs: when Ollama starts, it removes unknown files there.
        staging=blobs.resolve().parent / ".localai",
        sha256=layer.sha256,
        ranges=ranges,
    )


def _install(name: OllamaName, root: Path, manifest: bytes, files: tuple[RemoteFile, ...]) -> None:
    """Write the manifest byte for byte as it was served: its digest is Ollama's id of the model."""
    missing = [file.name for file in files if not file.target.is_file()]
    if missing:
        raise InvalidInput(
            f"{missing[0]} has been removed meanwhile: an Ollama that starts removes blobs that no "
            "manifest names yet",
            hint="run the same command again",
        )
    path = name.manifest(root)
    try:
        write_manifest(root, name, manifest)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}") from error


def _token(hosts: AllowedHosts, url: str, challenge: str) -> str | None:
    """A bearer token from the server that the `challenge` of a 401 names; None for another
    scheme."""
    kind, _, rest = challenge.partition(" ")
    parameters = dict(_PARAMETER.findall(rest))
    realm = parameters.get("realm", "")
    if kind.lower() != "bearer" or not realm:
        return None
    from urllib.parse import urlencode

    here, there = web_server(url), web_server(realm)
    if there != here:
        hosts.permit_redirect(here, there)
    query = urlencode({k: v for k, v in parameters.items() if k in ("service", "scope")})
    connection = HttpConnection(hosts, authenticates=False)
    try:
        address = f"{realm}{'&' if '?' in realm else '?'}{query}"
        document = json.loads(connection.document(address, "token for downloads"))
        token = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError, RecursionError) as error:
        raise ProviderRefused(f"{there.shown} gives no token for {here.shown}") from error
    finally:
        connection.close()
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise ProviderRefused(f"{there.shown} gives no token for {here.shown}")
    return f"Bearer {token}"


def _as_tag(quant: str) -> str:
    """The tag of Ollama's library for a quantization: q5_K_M for Q5_K_M."""
    return quant[:1].lower() + quant[1:].upper()
