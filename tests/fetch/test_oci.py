"""Models out of a real registry into Ollama's layout, and out of registries that lie."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localai.errors import InvalidInput, NotFound, PolicyRefused, ProviderRefused
from localai.fetch.allowed_hosts import AllowedHosts
from localai.fetch.oci import plan_registry, registry_model, registry_variants
from localai.fetch.ollama_store import own_root
from localai.fetch.plan import Pulled
from localai.fetch.pull import fetch_model
from localai.paths import locate
from localai.stores.lookup import resolve_gguf
from localai.stores.oci_manifest import MediaType
from tests.formats.synthetic import Spec, write
from tests.support.file_server import FileServer, Handler, Served
from tests.support.ollama import start_ollama
from tests.support.registry import OciRegistry
from tests.support.users import error_without_rights
from tests.support.weights import require

DEFAULT = "https://registry.ollama.ai"
MANIFEST = "/v2/library/tiny/manifests/latest"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "ollama-models"
    monkeypatch.setenv("OLLAMA_MODELS", str(root))
    return root


def pull(name: str, registry: str = DEFAULT, hosts: AllowedHosts | None = None) -> Pulled:
    with hosts or AllowedHosts() as opened:
        *_, last = fetch_model(plan_registry(registry_model(name, registry), opened), opened)
    assert isinstance(last, Pulled)
    return last


def left(root: Path) -> list[str]:
    """Every file under a store."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("text", "manifest", "asked"),
    [
        ("qwen3:8b", "registry.ollama.ai/library/qwen3/8b", "https://mirror/v2/library/qwen3"),
        ("qwen3", "registry.ollama.ai/library/qwen3/latest", "https://mirror/v2/library/qwen3"),
        ("me/own:x", "registry.ollama.ai/me/own/x", "https://mirror/v2/me/own"),
        ("host.example/a/b:c", "host.example/a/b/c", "https://host.example/v2/a/b"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b/latest", "http://127.0.0.1:5000/v2/a/b"),
        ("http://10.0.0.9/a/b", "10.0.0.9/a/b/latest", "http://10.0.0.9/v2/a/b"),
        ("10.0.0.9/a/b", "10.0.0.9/a/b/latest", "https://10.0.0.9/v2/a/b"),
    ],
)
def test_a_name_says_where_to_ask_and_where_it_is_kept(
    text: str, manifest: str, asked: str
) -> None:
    model = registry_model(text, "https://mirror")
    assert str(model.name.manifest(Path("/m"))) == f"/m/manifests/{manifest}"
    assert model.repository == asked


@pytest.mark.parametrize(
    "text", ["../x", "a/../b:c", "x:../../y", "a/b/c/d", "", "ftp://h/a/b", "x:", "https://a.b/c"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no name of a model"):
        registry_model(text, DEFAULT)


def test_a_quantization_is_asked_for_as_the_library_names_it() -> None:
    assert registry_model("qwen3:8b", DEFAULT, "Q5_K_M").name.tag == "8b-q5_K_M"
    assert registry_model("qwen3", DEFAULT, "q8_0").name.tag == "q8_0"


def test_a_model_of_ollamas_cloud_is_nothing_to_fetch() -> None:
    with pytest.raises(InvalidInput, match="Ollama's cloud"):
        registry_model("gpt-oss:120b-cloud", DEFAULT)


def test_what_a_real_registry_has_is_what_a_real_ollama_lists_and_runs(
    oci_registry: OciRegistry, store: Path, tmp_path: Path, localai_home: Path
) -> None:
    pulled = pull(oci_registry.model)
    assert pulled.fetched
    assert hashlib.sha256(pulled.path.read_bytes()).hexdigest() == pulled.sha256
    assert left(store) == sorted(
        [f"blobs/sha256-{digest}" for digest in _digests(oci_registry, store)]
        + [f"manifests/{oci_registry.host}/library/smollm2/135m"]
    )
    resolved = resolve_gguf(oci_registry.model, locate())
    assert resolved.path == pulled.path
    assert resolved.system_prompt == "You are a helpful assistant."
    home = tmp_path / "ollama"
    home.mkdir()
    shutil.move(store, home / "models")
    with start_ollama(require("ollama"), home) as ollama:
        answer = ollama.post(
            "/api/chat",
            {
                "model": oci_registry.model,
                "messages": [{"role": "user", "content": "What is the capital of France?"}],
                "stream": False,
                "options": {"temperature": 0, "num_predict": 32},
            },
        )
    assert "Paris" in answer["message"]["content"]


def _digests(registry: OciRegistry, store: Path) -> list[str]:
    manifest = json.loads(
        (store / "manifests" / registry.host / "library/smollm2/135m").read_bytes()
    )
    return [
        each["digest"].removeprefix("sha256:") for each in (*manifest["layers"], manifest["config"])
    ]


def test_a_second_pull_fetches_nothing(oci_registry: OciRegistry, store: Path) -> None:
    first = pull(oci_registry.model)
    inode = first.path.stat().st_ino
    again = pull(oci_registry.model)
    assert (again.fetched, again.path.stat().st_ino) == (False, inode)


def test_a_damaged_blob_is_fetched_again(oci_registry: OciRegistry, store: Path) -> None:
    path = pull(oci_registry.model).path
    with path.open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"damage")
    assert pull(oci_registry.model).fetched
    assert not pull(oci_registry.model).fetched


def test_a_configured_registry_keeps_the_short_name(oci_registry: OciRegistry, store: Path) -> None:
    pull("smollm2:135m", oci_registry.url)
    assert (store / "manifests/registry.ollama.ai/library/smollm2/135m").is_file()


def test_a_tag_that_is_not_there(oci_registry: OciRegistry, store: Path) -> None:
    with pytest.raises(NotFound, match="smollm2:7b"):
        pull("smollm2:7b", oci_registry.url)
    assert not store.exists()


class Registry:
    """A registry of one small model, every part of which a test may spoil."""

    def __init__(self, server: FileServer, folder: Path) -> None:
        [path] = write(folder / "tiny.gguf", Spec("llama", layers=1))
        self.server = server
        self.content = path.read_bytes()
        self.layer: dict[str, Any] = {
            "mediaType": MediaType.MODEL,
            "digest": "sha256:" + hashlib.sha256(self.content).hexdigest(),
            "size": len(self.content),
        }
        self.manifest: dict[str, Any] = {"schemaVersion": 2, "layers": [self.layer]}

    def pull(self, hosts: AllowedHosts | None = None) -> Pulled:
        self.server.files.setdefault(MANIFEST, Served(json.dumps(self.manifest).encode()))
        self.server.files.setdefault(self.blob, Served(self.content))
        return pull("tiny", self.server.url, hosts)

    @property
    def blob(self) -> str:
        return f"/v2/library/tiny/blobs/{self.layer['digest']}"


@pytest.fixture
def registry(tmp_path: Path, store: Path) -> Iterator[Registry]:
    with FileServer() as server:
        yield Registry(server, tmp_path)


def test_an_adapter_layer_is_told_before_it_is_fetched(registry: Registry, store: Path) -> None:
    registry.manifest["layers"].append(registry.layer | {"mediaType": MediaType.ADAPTER})
    registry.server.files[MANIFEST] = Served(json.dumps(registry.manifest).encode())
    registry.server.files[registry.blob] = Served(registry.content)
    with AllowedHosts() as hosts:
        plan = plan_registry(registry_model("tiny", registry.server.url), hosts)
    assert "it has an adapter (LoRA)" in plan.notes[0]
    assert left(store) == []


def test_a_layer_that_two_roles_share_is_fetched_once(registry: Registry, store: Path) -> None:
    registry.manifest["layers"] = [registry.layer, registry.layer | {"mediaType": "x/y"}]
    registry.manifest["layers"].append(registry.layer | {"mediaType": "x/y"})
    assert registry.pull().fetched
    assert registry.server.sent_bytes < 3 * len(registry.content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"digest": "sha256:../../../../etc/passwd"}, "which is no SHA-256"),
        ({"digest": "sha256:" + "A" * 64}, "which is no SHA-256"),
        ({"digest": None}, "which is no SHA-256"),
        ({"size": -1}, "a layer of -1 bytes"),
        ({"size": 1 << 60}, "a layer of 1152921504606846976 bytes"),
        ({"size": "12"}, "a layer of '12' bytes"),
        ({"size": True}, "a layer of True bytes"),
        ({"size": 12}, "its manifest says 12"),
        ({"mediaType": "application/vnd.ollama.image.tensor"}, "no GGUF files"),
    ],
)
def test_a_manifest_that_lies_leaves_nothing_behind(
    registry: Registry, store: Path, spoil: dict[str, Any], message: str
) -> None:
    registry.server.files[registry.blob] = Served(registry.content)
    registry.layer.update(spoil)
    registry.server.files["/v2/library/tiny/blobs/" + str(registry.layer["digest"])] = Served(
        registry.content
    )
    with pytest.raises(InvalidInput, match=message):
        registry.pull()
    assert left(store) == []


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"<html>login</html>", "no JSON: it begins with '<html>login"),
        (b"[]", "without layers"),
        (b'{"layers": {}}', "without layers"),
        (b'{"layers": [1]}', "a layer that is none"),
        (b"[" * 100_000, "no JSON"),
        (json.dumps({"layers": [{}] * 1000}).encode(), "1,000 layers"),
    ],
)
def test_what_is_no_manifest_is_refused(
    registry: Registry, store: Path, manifest: bytes, message: str
) -> None:
    registry.server.files[MANIFEST] = Served(manifest)
    with pytest.raises(InvalidInput, match=message):
        registry.pull()
    assert left(store) == []


def test_a_manifest_without_an_end_is_stopped(registry: Registry, store: Path) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 65536)

    registry.server.scripts[MANIFEST] = endless
    with pytest.raises(InvalidInput, match="without an end"):
        registry.pull()
    assert left(store) == []


def test_a_compressed_manifest_is_not_unpacked(registry: Registry, store: Path) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    registry.server.files[MANIFEST] = Served(bomb, {"Content-Encoding": "gzip"})
    with pytest.raises(InvalidInput, match="compressed"):
        registry.pull()
    assert left(store) == []


def test_a_blob_with_another_digest_is_not_kept(registry: Registry, store: Path) -> None:
    damaged = registry.content[:-7] + b"damaged"
    registry.server.files[registry.blob] = Served(damaged)
    with pytest.raises(InvalidInput, match="SHA-256"):
        registry.pull()
    assert left(store) == []


def test_a_web_page_instead_of_a_model_is_not_kept(registry: Registry, store: Path) -> None:
    registry.server.files[registry.blob] = Served(b"<!doctype html>".ljust(len(registry.content)))
    with pytest.raises(InvalidInput, match="GGUF"):
        registry.pull()
    assert left(store) == []


def test_a_blob_may_be_elsewhere_on_the_same_machine_and_that_is_said(
    registry: Registry, store: Path
) -> None:
    told: list[str] = []
    with FileServer() as other:
        registry.server.redirect(registry.blob, other.put("/cdn/x", registry.content), 307)
        registry.pull(AllowedHosts(told.append))
        assert told == [f"{registry.server.host} sends us on to {other.host}"]
        assert "authorization" not in other.requests[-1].headers


@pytest.mark.parametrize("target", ["http://10.1.2.3/x", "https://cdn.example/x"])
def test_a_registry_of_this_machine_cannot_send_us_out_of_it(
    registry: Registry, store: Path, target: str
) -> None:
    registry.server.redirect(registry.blob, target)
    with pytest.raises(PolicyRefused, match="from this machine to"):
        registry.pull()
    assert left(store) == []


def test_a_redirect_in_a_circle_ends(registry: Registry, store: Path) -> None:
    registry.server.redirect(MANIFEST, MANIFEST)
    with pytest.raises(InvalidInput, match="in a circle"):
        registry.pull()


def test_a_redirect_to_a_file_of_this_machine_is_none(registry: Registry, store: Path) -> None:
    registry.server.redirect(MANIFEST, "file:///etc/passwd")
    with pytest.raises(InvalidInput, match="no http"):
        registry.pull()


def test_a_token_is_got_where_the_registry_says(registry: Registry, store: Path) -> None:
    registry.pull()
    shutil.rmtree(store)
    with FileServer() as tokens:
        tokens.put("/token", b'{"token": "t0ken"}')
        _demand_token(registry, f"{tokens.url}/token")
        assert registry.pull().fetched
        assert tokens.requests[0].query == "service=reg&scope=repository%3Alibrary%2Ftiny%3Apull"


def test_a_token_service_that_refuses_is_a_refusal(registry: Registry, store: Path) -> None:
    registry.pull()
    shutil.rmtree(store)
    _demand_token(registry, f"{registry.server.url}/token")

    def demand(handler: Handler) -> None:
        handler.answer(
            401, b"", {"WWW-Authenticate": f'Bearer realm="{registry.server.url}/token"'}
        )

    registry.server.scripts["/token"] = demand
    with pytest.raises(ProviderRefused):
        registry.pull()
    assert left(store) == []


def _demand_token(registry: Registry, realm: str) -> None:
    """Answer 401 to whoever has no token."""
    challenge = f'Bearer realm="{realm}",service="reg",scope="repository:library/tiny:pull"'
    for path in (MANIFEST, registry.blob):
        served = registry.server.files[path]

        def script(handler: Handler, served: Served = served) -> None:
            if handler.headers.get("Authorization") == "Bearer t0ken":
                handler.answer(200, served.content)
            else:
                handler.answer(401, b"", {"WWW-Authenticate": challenge})

        registry.server.scripts[path] = script


@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_store_of_another_user_is_named_and_left_alone(mode: int) -> None:
    service = Path(tempfile.mkdtemp())
    service.chmod(mode)
    roots = {"OLLAMA_MODELS": str(service / "models")}
    try:
        message = error_without_rights(
            lambda: own_root(registry_model("tiny", DEFAULT).name, roots)
        )
    finally:
        service.chmod(0o700)
        service.rmdir()
    assert f"you may not write to {service}, which belongs to " in message
    assert "ollama pull tiny" in message


@pytest.mark.parametrize("listed", [5, -1, None, {"a": 1}, "latest", [5, None, ["x"]]])
def test_a_list_of_tags_that_is_none(listed: object, store: Path) -> None:
    with FileServer() as server, AllowedHosts() as hosts:
        server.put("/v2/library/tiny/tags/list", json.dumps({"tags": listed}).encode())
        model = registry_model(f"{server.url}/library/tiny", server.url)
        try:
            assert registry_variants(model, hosts) == []
        except NotFound as error:
            assert "does not list" in error.message
