"""Registries, hubs and web servers that answer downloads with anything but what they should. Not
part of the suite.

    python -m tests.campaigns.hostile_downloads [--only TEXT] [--most N]

Each page of a download is replaced in turn: by odd statuses with odd bodies, by documents with each
value of another type, by bytes that are cut, longer, other or endless, by headers that lie, by
redirects. Each pull ends in a model whose bytes are those that were promised or in an error that
says what was wrong, within seconds; and what is not whole has no name.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from localai.fetch.allowed_hosts import AllowedHosts
from localai.fetch.gguf_url import plan_url
from localai.fetch.hub import Hub
from localai.fetch.oci import plan_registry, registry_model, registry_variants
from localai.fetch.plan import PullPlan
from localai.fetch.pull import fetch_model
from localai.paths import locate
from localai.stores.references import hub_reference
from tests.campaigns.hostile import BODIES, STATUSES, changed_values, judge
from tests.campaigns.place import Tally
from tests.formats.synthetic import Spec, write
from tests.servers.hub_double import COMMIT, HubDouble
from tests.support.file_server import FileServer, Handler, Served

PATIENCE_S = 0.5
# A server that says nothing is waited for half a minute.
LONGEST_S = 90
REPO = "org/tiny-GGUF"
Script = Callable[[Handler], None]
_LAYER = "application/vnd.ollama.image"


@dataclass(frozen=True)
class Source:
    """Where a model comes from: its pages by name, each as server and path with its good content,
    and how it is planned. `listed` asks for what else there is."""

    name: str
    pages: dict[str, tuple[FileServer, str, bytes]]
    plan: Callable[[AllowedHosts], PullPlan]
    listed: Callable[[AllowedHosts], object] | None = None


def _registry(server: FileServer, model: bytes) -> Source:
    digest = hashlib.sha256(model).hexdigest()
    config = b"{}"
    layers = [{"mediaType": f"{_LAYER}.model", "digest": f"sha256:{digest}", "size": len(model)}]
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": f"sha256:{hashlib.sha256(config).hexdigest()}",
            "size": len(config),
        },
        "layers": layers,
    }
    base = "/v2/library/tiny"
    server.put(f"{base}/blobs/sha256:{hashlib.sha256(config).hexdigest()}", config)
    name = f"http://{server.host}/library/tiny"
    pages = {
        "manifest": (server, f"{base}/manifests/latest", json.dumps(manifest).encode()),
        "blob": (server, f"{base}/blobs/sha256:{digest}", model),
        "tags": (server, f"{base}/tags/list", b'{"name": "tiny", "tags": ["latest", "8b"]}'),
    }
    return Source(
        "registry",
        pages,
        lambda hosts: plan_registry(registry_model(name, server.url), hosts),
        lambda hosts: registry_variants(registry_model(name, server.url), hosts),
    )


def _hub(hub: HubDouble, model: bytes) -> Source:
    hub.add(REPO, {"tiny-Q4_K_M.gguf": model, "README.md": b"# tiny"})
    digest = hashlib.sha256(model).hexdigest()
    listing = {
        "id": REPO,
        "modelId": REPO,
        "sha": COMMIT,
        "tags": [],
        "siblings": [
            {
                "rfilename": "tiny-Q4_K_M.gguf",
                "size": len(model),
                "blobId": "b" * 40,
                "lfs": {"sha256": digest, "size": len(model), "pointerSize": 134},
            }
        ],
    }
    reference = hub_reference(f"hf.co/{REPO}")
    assert reference is not None
    pages = {
        "listing": (hub.pages, f"/api/models/{REPO}", json.dumps(listing).encode()),
        "file": (hub.pages, f"/{REPO}/resolve/{COMMIT}/tiny-Q4_K_M.gguf", model),
        "large file": (hub.store, f"/{digest}", model),
    }
    return Source(
        "hub",
        pages,
        lambda hosts: Hub(hub.url, hosts).plan(reference),
        lambda hosts: Hub(hub.url, hosts).variants(reference),
    )


def _url(server: FileServer, model: bytes, home: Path) -> Source:
    paths = locate({"LOCALAI_HOME": str(home)})
    address = server.put("/tiny.gguf", model)
    pages = {"file": (server, "/tiny.gguf", model)}
    return Source("address", pages, lambda hosts: plan_url(address, hosts, paths))


def scripts(content: bytes) -> Iterator[tuple[str, Script]]:
    """What a page may answer instead of its content."""
    for status in STATUSES:
        for name, body in BODIES.items():
            yield f"{status} with {name}", _answer(status, body)
    if content.startswith(b"{"):
        for name, changed in changed_values(content):
            yield name, _answer(200, changed)
        yield "without its end", _answer(200, content[:-5])
        yield "twice", _answer(200, content * 2)
        yield "deep", _answer(200, content[:-1] + b', "x": ' + b"[" * 100_000)
    else:
        yield from _files(content)
    yield "endless", _endless
    yield "reset", lambda handler: handler.drop()
    yield "packed", _answer(200, content, {"Content-Encoding": "gzip"})
    for target in (
        "http://192.168.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "https://example.com/x",
        "file:///etc/passwd",
        "//[::1/x",
        "http://user:word@127.0.0.1:9/x",
        "/the/same",
        "\u00e4\u00f6",
        "http://127.0.0.1:99999/x",
    ):
        for status in (301, 302, 303, 307, 308):
            yield f"{status} to {target}", _answer(status, b"", {"Location": target})
    for challenge in (
        "",
        "Basic x",
        "Bearer",
        'Bearer realm="x"',
        'Bearer realm="http://10.0.0.1/"',
    ):
        yield f"401 with {challenge!r}", _answer(401, b"", {"WWW-Authenticate": challenge})


def _files(content: bytes) -> Iterator[tuple[str, Script]]:
    half = len(content) // 2
    for name, changed in {
        "half of it": content[:half],
        "more of it": content + b"x" * 5000,
        "other bytes": content[:half] + b"y" * (len(content) - half),
        "another header": b"GGUF" + b"\xff" * 100 + content[104:],
        "nothing of it": b"",
    }.items():
        for ranges in (True, False):
            served = Served(changed, ranges=ranges)
            yield f"{name}, {'by parts' if ranges else 'whole'}", _serve(served)
    for length in ("0", "5", "-1", "x", "9" * 30, str(len(content) + 7), str(len(content) - 7)):
        yield f"length {length}", _serve(Served(content, {"Content-Length": length}, ranges=False))
    for part in ("bytes 0-0/1", "bytes 5-1/9", "x", "bytes 0-*/*", "bytes 9-99999999999999/9"):
        yield f"part {part}", _answer(206, content[:1000], {"Content-Range": part})
    yield "no tag", _serve(Served(content, etag=False))


def _answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> Script:
    more = {"Location": "http://127.0.0.1:9/x"} if status == 301 and headers is None else headers

    def script(handler: Handler) -> None:
        encoded = {name: value.encode().decode("latin-1") for name, value in (more or {}).items()}
        handler.answer(status, body, encoded)

    return script


def _serve(served: Served) -> Script:
    return lambda handler: handler.serve(served)


def _endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    for _ in range(100_000):
        handler.wfile.write(b"x" * 60_000)


def _pull(source: Source, model: bytes, listed: bool) -> None:
    """Pull, or list. Of a plain address nobody has said which bytes it should have."""
    with AllowedHosts() as hosts:
        if listed and source.listed is not None:
            source.listed(hosts)
            return
        plan = source.plan(hosts)
        for _ in fetch_model(plan, hosts, patience_s=PATIENCE_S):
            pass
    if source.name != "address" and plan.path.read_bytes() != model:
        raise AssertionError("other bytes than were promised have the model's name")


def _check_names(tally: Tally, what: str, root: Path, model: bytes) -> None:
    """Whatever has a name of a model is that model."""
    for path in [*root.rglob("*.gguf"), *root.rglob("sha256-*")]:
        if path.is_file() and ".localai" not in path.parts and not path.name.startswith("."):
            content = path.read_bytes()
            whole = path.name == f"sha256-{hashlib.sha256(content).hexdigest()}"
            tally.check(content == model or whole, f"{what}: {path} is not whole")


def _try(tally: Tally, source: Source, model: bytes, root: Path, most: int) -> None:
    for page, (server, path, content) in source.pages.items():
        for number, (name, script) in enumerate(scripts(content)):
            if number >= most:
                break
            what = f"{source.name}, {page}: {name}"
            before = dict(server.scripts), dict(server.files)
            server.scripts[path] = script
            tally.tried[source.name] += 1
            judge(tally, what, partial(_pull, source, model, page == "tags"), LONGEST_S)
            server.scripts, server.files = before
            if source.name != "address":
                _check_names(tally, what, root, model)
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()


def main() -> int:
    """Try every scenario; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--most", type=int, default=100_000, help="of each page")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        [file] = write(Path(folder) / "tiny.gguf", Spec("llama", layers=1))
        model = file.read_bytes()
        root = Path(folder) / "stores"
        root.mkdir()
        os.environ |= {
            "OLLAMA_MODELS": str(root / "ollama"),
            "HF_HUB_CACHE": str(root / "hub"),
            "HF_TOKEN_PATH": str(root / "no-token"),
        }
        hub = stack.enter_context(HubDouble())
        sources = (
            _registry(stack.enter_context(FileServer()), model),
            _hub(hub, model),
            _url(stack.enter_context(FileServer()), model, root / "home"),
        )
        for source in sources:
            if asked.only in source.name:
                for server, path, content in source.pages.values():
                    if path not in server.scripts and path not in server.files:
                        server.files[path] = Served(content)
                judge(tally, f"{source.name}, undisturbed", partial(_pull, source, model, False))
                _try(tally, source, model, root, asked.most)
                print(f"{source.name}: {tally.tried.total()} tried so far", flush=True)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
