"""Models from a hub that speaks the documented protocol to the real huggingface_hub client."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from localai.errors import InvalidInput, NotFound, PolicyRefused, ProviderRefused, Unreachable
from localai.fetch.allowed_hosts import AllowedHosts
from localai.fetch.hub import Hub
from localai.fetch.hub_client import hub_api
from localai.fetch.hub_names import (
    GgufVariant,
    HubFile,
    checked_file,
    choose_projector,
    choose_variant,
    gguf_variants,
)
from localai.fetch.plan import Pulled
from localai.fetch.pull import fetch_model
from localai.formats.quantization_types import FILE_TYPES
from localai.paths import locate
from localai.sizing.memory import project
from localai.stores.lookup import resolve_gguf, resolve_mlx
from localai.stores.references import HubReference, hub_reference
from tests.formats.synthetic import Spec, write
from tests.servers.hub_double import COMMIT, HubDouble
from tests.support.file_server import Handler
from tests.support.mlx import make_tiny_model

REPO = "org/tiny-GGUF"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub-cache"
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return folder


@pytest.fixture
def hub(cache: Path) -> Iterator[HubDouble]:
    with HubDouble() as hub:
        yield hub


@pytest.fixture
def tiny(tmp_path: Path) -> bytes:
    [path] = write(tmp_path / "tiny.gguf", Spec("llama", layers=1))
    return path.read_bytes()


def pull(hub: HubDouble, text: str, hosts: AllowedHosts | None = None) -> Pulled:
    reference = hub_reference(text)
    assert reference is not None
    with hosts or AllowedHosts() as opened:
        *_, last = fetch_model(Hub(hub.url, opened).plan(reference), opened)
    assert isinstance(last, Pulled)
    return last


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf.co/org/repo", HubReference("org/repo", None)),
        ("hf.co/org/repo:Q5_K_M", HubReference("org/repo", "Q5_K_M")),
        ("huggingface.co/org/re.po-1", HubReference("org/re.po-1", None)),
        ("https://huggingface.co/org/repo/tree/main", HubReference("org/repo", None)),
        (
            "https://huggingface.co/org/repo/blob/main/a/x-Q8_0.gguf?download=true",
            HubReference("org/repo", None, "a/x-Q8_0.gguf"),
        ),
        ("qwen3:8b", None),
        ("https://example.com/org/repo", None),
    ],
)
def test_what_was_typed(text: str, expected: HubReference | None) -> None:
    assert hub_reference(text) == expected


def files(*paths: str) -> list[HubFile]:
    return [HubFile(path, 10 + at, None) for at, path in enumerate(paths)]


def test_the_quantization_is_read_from_the_name_or_the_folder() -> None:
    variants = gguf_variants(
        files(
            "M-Q4_K_M.gguf",
            "m.iq4_xs.gguf",
            "m-UD-Q4_K_XL.gguf",
            "m_f16.gguf",
            "Qwen3-8B.gguf",
            "BF16/m-00001-of-00002.gguf",
            "BF16/m-00002-of-00002.gguf",
            "Q8_0/m-00001-of-00003.gguf",
            "mmproj-F16.gguf",
            "README.md",
        )
    )
    assert {variant.quantization: len(variant.files) for variant in variants} == {
        "Q4_K_M": 1,
        "IQ4_XS": 1,
        "UD-Q4_K_XL": 1,
        "F16": 1,
        "Qwen3-8B": 1,
        "BF16": 2,
    }


@pytest.mark.parametrize("name", FILE_TYPES.values())
def test_every_type_of_file_is_read_from_a_name(name: str) -> None:
    (variant,) = gguf_variants([HubFile(f"Model-8B-{name}.gguf", 1, None)])
    assert variant.quantization == name


def test_parts_that_are_listed_in_any_order_are_put_in_theirs() -> None:
    names = [f"m-Q8_0-{at:05}-of-00011.gguf" for at in range(1, 12)]
    shuffled = [*names[::2], *reversed(names[1::2])]
    [variant] = gguf_variants(files(*shuffled))
    assert [file.path for file in variant.files] == names


@pytest.mark.parametrize(
    ("paths", "quant", "expected"),
    [
        (("m-Q8_0.gguf", "m-Q4_K_M.gguf"), None, "Q4_K_M"),
        (("m-Q8_0.gguf", "m-Q4_K_S.gguf"), None, "Q4_K_S"),
        (("m-Q8_0.gguf", "m-Q4_K_M.gguf"), "q8_0", "Q8_0"),
        (("m-Q8_0.gguf",), None, "Q8_0"),
    ],
)
def test_which_quantization_is_taken(
    paths: tuple[str, ...], quant: str | None, expected: str
) -> None:
    chosen = choose_variant(HubReference("o/r", quant), gguf_variants(files(*paths)))
    assert chosen.quantization == expected


def test_a_quantization_that_is_not_there_is_answered_with_those_that_are() -> None:
    variants: list[GgufVariant] = gguf_variants(files("m-Q8_0.gguf", "m-Q2_K.gguf"))
    with pytest.raises(NotFound) as refused:
        choose_variant(HubReference("o/r", None), variants)
    assert refused.value.hint == "it has: Q8_0, Q2_K"


def test_the_image_encoder_is_the_half_precision_one() -> None:
    found = choose_projector(files("mmproj-m-f32.gguf", "mmproj-m-f16.gguf", "m-Q4_K_M.gguf"))
    assert found is not None
    assert found.path == "mmproj-m-f16.gguf"


@pytest.mark.parametrize(
    ("path", "size", "sha256"),
    [
        ("../x.gguf", 1, None),
        ("a/../../x.gguf", 1, None),
        ("/etc/passwd", 1, None),
        ("a\\..\\x", 1, None),
        ("a//b", 1, None),
        (None, 1, None),
        ("x", -1, None),
        ("x", None, None),
        ("x", 1 << 50, None),
        ("x", 1, "../../x"),
        ("x", 1, 5),
    ],
)
def test_a_file_that_leads_out_of_its_folder_is_refused(
    path: object, size: object, sha256: object
) -> None:
    with pytest.raises(InvalidInput, match="the hub"):
        checked_file(path, size, sha256)


def test_a_model_is_in_the_hubs_own_cache_and_in_the_library(
    hub: HubDouble, tiny: bytes, cache: Path, localai_home: Path
) -> None:
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache

    hub.add(REPO, {"tiny-Q4_K_M.gguf": tiny, "tiny-Q8_0.gguf": tiny + b"", "README.md": b"hello"})
    told: list[str] = []
    pulled = pull(hub, f"hf.co/{REPO}", AllowedHosts(told.append))
    assert pulled.fetched
    assert pulled.path.read_bytes() == tiny
    # Its own default is what the environment said when it was imported: by which test ever.
    found = try_to_load_from_cache(REPO, "tiny-Q4_K_M.gguf", cache_dir=cache)
    assert found == str(pulled.path)
    scanned = scan_cache_dir(cache)
    assert not scanned.warnings
    assert [repo.repo_id for repo in scanned.repos] == [REPO]
    assert resolve_gguf(f"hf.co/{REPO}:Q4_K_M", locate()).path == pulled.path
    assert told == [f"{hub.pages.host} sends us on to {hub.store.host}"]
    assert not pull(hub, f"hf.co/{REPO}").fetched


def test_all_parts_and_the_image_encoder_come(hub: HubDouble, tmp_path: Path, cache: Path) -> None:
    parts = write(tmp_path / "big-F16.gguf", Spec("llama"), parts=3)
    encoder = bytes(20_000)
    hub.add(REPO, {part.name: part for part in parts} | {"mmproj-F16.gguf": encoder})
    pulled = pull(hub, f"hf.co/{REPO}:F16")
    assert sorted(path.name for path in pulled.path.parent.iterdir()) == [
        *(part.name for part in parts),
        "mmproj-F16.gguf",
    ]
    assert project(pulled.path, 512).basis == "engine"


def test_a_split_model_that_is_listed_backwards_is_opened_by_its_first_part(
    hub: HubDouble, tmp_path: Path, cache: Path
) -> None:
    parts = write(tmp_path / "big-F16.gguf", Spec("llama"), parts=3)
    hub.add(REPO, {part.name: part for part in reversed(parts)})
    pulled = pull(hub, f"hf.co/{REPO}:F16")
    assert pulled.path.name == parts[0].name
    assert project(pulled.path, 512).basis == "engine"


def test_the_variants_are_listed(hub: HubDouble, tiny: bytes) -> None:
    hub.add(REPO, {"t-Q4_K_M.gguf": tiny, "t-Q8_0.gguf": tiny + bytes(9)})
    with AllowedHosts() as hosts:
        found = Hub(hub.url, hosts).variants(HubReference(REPO, None))
    assert [(each.name, each.size_bytes) for each in found] == [
        (f"hf.co/{REPO}:Q4_K_M", len(tiny)),
        (f"hf.co/{REPO}:Q8_0", len(tiny) + 9),
    ]


def test_an_mlx_folder_comes_whole_and_is_measured_before(
    hub: HubDouble, mlx_model_path: Path, cache: Path, localai_home: Path, tmp_path: Path
) -> None:
    folder = make_tiny_model(tmp_path / "tiny", mlx_model_path)
    hub.add("org/smol-mlx", {path.name: path for path in folder.iterdir()})
    with AllowedHosts() as hosts:
        reference = hub_reference("hf.co/org/smol-mlx")
        assert reference is not None
        plan = Hub(hub.url, hosts).plan(reference)
        assert not cache.exists()
        assert isinstance(plan.measured, Path)
        before = project(plan.measured, 4096)
        *_, pulled = fetch_model(plan, hosts)
    assert isinstance(pulled, Pulled)
    assert project(pulled.path, 4096).total_bytes == before.total_bytes
    assert resolve_mlx("hf.co/org/smol-mlx", locate()).path == pulled.path


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "RepoNotFound", NotFound),
        (403, "GatedRepo", ProviderRefused),
        (404, "RepoNotFound", NotFound),
        (429, "", ProviderRefused),
        (503, "", Unreachable),
    ],
)
def test_a_refusal_is_named_and_a_cached_model_answers_all_the_same(
    hub: HubDouble, tiny: bytes, status: int, code: str, error: type[Exception]
) -> None:
    hub.add(REPO, {"tiny-Q4_K_M.gguf": tiny})
    hub.refusal = (status, code)
    with pytest.raises(error):
        pull(hub, f"hf.co/{REPO}")
    hub.refusal = None
    path = pull(hub, f"hf.co/{REPO}").path
    hub.refusal = (status, code)
    again = pull(hub, f"hf.co/{REPO}")
    assert (again.path, again.fetched) == (path, False)


def test_a_hub_that_cannot_be_reached_leaves_the_cached_model(hub: HubDouble, tiny: bytes) -> None:
    hub.add(REPO, {"tiny-Q4_K_M.gguf": tiny})
    path = pull(hub, f"hf.co/{REPO}").path
    hub.pages.stop()
    assert pull(hub, f"hf.co/{REPO}").path == path
    with pytest.raises(Unreachable):
        pull(hub, "hf.co/org/other")


def test_a_log_in_page_in_place_of_the_hub_leaves_the_cached_model(
    hub: HubDouble, tiny: bytes
) -> None:
    hub.add(REPO, {"tiny-Q4_K_M.gguf": tiny})
    path = pull(hub, f"hf.co/{REPO}").path
    page = b"<html>log in</html>"
    hub.pages.scripts[f"/api/models/{REPO}"] = lambda handler: handler.answer(200, page)
    again = pull(hub, f"hf.co/{REPO}")
    assert (again.path, again.fetched) == (path, False)


def test_a_hub_that_lists_files_and_does_not_serve_them_leaves_the_cached_model(
    hub: HubDouble, tiny: bytes
) -> None:
    hub.add(REPO, {"tiny-Q4_K_M.gguf": tiny})
    path = pull(hub, f"hf.co/{REPO}").path
    newer = "f" * 40
    hub.add(REPO, {"tiny-Q4_K_M.gguf": tiny + b"newer"}, newer)
    address = f"/{REPO}/resolve/{newer}/tiny-Q4_K_M.gguf"
    hub.pages.scripts[address] = lambda handler: handler.answer(403, b"")
    assert pull(hub, f"hf.co/{REPO}").path == path


def test_the_token_goes_to_the_hub_and_not_to_its_file_store(
    hub: HubDouble, tiny: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPO, {"tiny-Q4_K_M.gguf": tiny})
    hub.token = "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pull(hub, f"hf.co/{REPO}")
    assert hub.store.requests
    assert not any("authorization" in request.headers for request in hub.store.requests)


@pytest.mark.parametrize("address", ["http://hub.lan", "http://192.168.1.9:8080", "http://hub.co"])
def test_no_token_goes_over_plain_http(
    cache: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with AllowedHosts() as hosts:
        assert hub_api(address, hosts).token is False
        assert hosts.credentials == {}
        assert hub_api(address.replace("http", "https"), hosts).token == "hf_secret"


def test_a_file_with_another_digest_is_not_kept(hub: HubDouble, tiny: bytes, cache: Path) -> None:
    hub.add(REPO, {"tiny-Q4_K_M.gguf": tiny})
    [path] = hub.store.files
    hub.store.files[path].content = tiny[:-4] + b"evil"
    with pytest.raises(InvalidInput, match="SHA-256"):
        pull(hub, f"hf.co/{REPO}")
    assert left(cache) == []


def test_a_file_store_outside_of_this_machine_is_refused(
    hub: HubDouble, tiny: bytes, cache: Path
) -> None:
    hub.add(REPO, {"tiny-Q4_K_M.gguf": tiny})
    hub.pages.redirect(f"/{REPO}/resolve/{COMMIT}/tiny-Q4_K_M.gguf", "http://10.1.2.3/x")
    with pytest.raises(PolicyRefused, match="from this machine"):
        pull(hub, f"hf.co/{REPO}")
    assert left(cache) == []


def test_a_list_that_leads_out_of_its_folder_is_refused(hub: HubDouble, cache: Path) -> None:
    _answer(hub, {"sha": COMMIT, "siblings": [{"rfilename": "../../x-Q4_K_M.gguf", "size": 4}]})
    with pytest.raises(InvalidInput, match="leads out of its folder"):
        pull(hub, f"hf.co/{REPO}")
    _answer(hub, {"sha": "../../x", "siblings": []})
    with pytest.raises(InvalidInput, match="at the commit"):
        pull(hub, f"hf.co/{REPO}")
    assert left(cache) == []


def _answer(hub: HubDouble, document: dict[str, object]) -> None:
    content = json.dumps({"id": REPO, **document}).encode()
    hub.pages.scripts[f"/api/models/{REPO}"] = lambda handler: handler.answer(200, content)


def test_a_list_without_an_end_is_stopped(hub: HubDouble, cache: Path) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * (1 << 20))

    hub.pages.scripts[f"/api/models/{REPO}"] = endless
    with pytest.raises(InvalidInput, match="without an end"):
        pull(hub, f"hf.co/{REPO}")


def test_a_compressed_list_is_not_unpacked(hub: HubDouble, cache: Path) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    hub.pages.scripts[f"/api/models/{REPO}"] = lambda handler: handler.answer(
        200, bomb, {"Content-Encoding": "gzip"}
    )
    with pytest.raises(InvalidInput, match="compressed"):
        pull(hub, f"hf.co/{REPO}")


def _answer_with(content: bytes, handler: Any) -> None:
    handler.answer(200, content)


def test_a_list_that_is_none_is_said_to_be(hub: HubDouble, cache: Path) -> None:
    for content in (b"<html>log in</html>", b"[]", b'{"siblings": 5}'):
        hub.pages.scripts[f"/api/models/{REPO}"] = partial(_answer_with, content)
        with pytest.raises(InvalidInput):
            pull(hub, f"hf.co/{REPO}")


def test_what_lies_beside_a_model_is_never_fetched_in_its_place(
    hub: HubDouble, tiny: bytes, cache: Path
) -> None:
    hub.add(
        REPO,
        {
            "t-Q8_0.gguf": tiny + bytes(99),
            "mtp-t-Q4_K_M.gguf": tiny,
            "t-DRAFT-Q4_K_M.gguf": tiny,
            "t-imatrix.gguf": tiny,
            "t-F16-LoRA.gguf": tiny,
            "mmproj-t-F16.gguf": tiny,
        },
    )
    assert pull(hub, f"hf.co/{REPO}").path.name == "t-Q8_0.gguf"
    with pytest.raises(NotFound) as refused:
        pull(hub, f"hf.co/{REPO}:Q4_K_M")
    assert refused.value.hint == "it has: Q8_0"
    with AllowedHosts() as hosts:
        found = Hub(hub.url, hosts).variants(HubReference(REPO, None))
    assert [(each.name, each.role) for each in found] == [
        (f"hf.co/{REPO}:Q8_0", None),
        (f"hf.co/{REPO}/mtp-t-Q4_K_M.gguf", "draft model"),
        (f"hf.co/{REPO}/t-DRAFT-Q4_K_M.gguf", "draft model"),
        (f"hf.co/{REPO}/t-F16-LoRA.gguf", "adapter"),
        (f"hf.co/{REPO}/t-imatrix.gguf", "importance matrix"),
    ]


def test_a_draft_that_is_named_by_its_file_is_fetched_and_said_to_be_one(
    hub: HubDouble, tiny: bytes, cache: Path
) -> None:
    hub.add(REPO, {"t-Q8_0.gguf": tiny, "mtp-t-Q8_0.gguf": tiny, "mmproj-t-F16.gguf": tiny})
    with AllowedHosts() as hosts:
        reference = hub_reference(f"hf.co/{REPO}:mtp-t-Q8_0.gguf")
        assert reference is not None
        plan = Hub(hub.url, hosts).plan(reference)
    assert plan.path.name == "mtp-t-Q8_0.gguf"
    assert [file.name for file in plan.files] == ["mtp-t-Q8_0.gguf"]
    assert "draft model" in plan.notes[0]


def test_a_repository_of_drafts_alone_has_drafts_for_models(
    hub: HubDouble, tiny: bytes, cache: Path
) -> None:
    hub.add(REPO, {"draft-0.6B-Q4_0.gguf": tiny, "draft-0.6B-Q8_0.gguf": tiny + bytes(9)})
    assert pull(hub, f"hf.co/{REPO}:q8_0").path.name == "draft-0.6B-Q8_0.gguf"


def test_quantizations_that_repeat_are_told_apart_by_names_that_can_be_typed(
    hub: HubDouble, tiny: bytes, cache: Path, localai_home: Path
) -> None:
    small, large = "1B/t-Q4_K_M.gguf", "3B/t-Q4_K_M.gguf"
    hub.add(REPO, {small: tiny, large: tiny + bytes(64), "t.i1-Q8_0.gguf": tiny + bytes(128)})
    with AllowedHosts() as hosts:
        names = [each.name for each in Hub(hub.url, hosts).variants(HubReference(REPO, None))]
    assert names == [f"hf.co/{REPO}/{small}", f"hf.co/{REPO}/{large}", f"hf.co/{REPO}:i1-Q8_0"]
    for ambiguous in (f"hf.co/{REPO}", f"hf.co/{REPO}:Q4_K_M"):
        with pytest.raises(InvalidInput, match="2 models that are Q4_K_M") as refused:
            pull(hub, ambiguous)
        assert refused.value.hint == f"name one of {names[0]}, {names[1]}"
    paths = {name: pull(hub, name).path for name in names}
    assert len(set(paths.values())) == 3
    for name, path in paths.items():
        assert resolve_gguf(name, locate()).path == path
    assert pull(hub, f"hf.co/{REPO}:Q8_0").path == paths[f"hf.co/{REPO}:i1-Q8_0"]
    assert pull(hub, f"https://huggingface.co/{REPO}/tree/main/3B").path == paths[names[1]]


def test_the_image_encoder_of_the_nearest_folder_comes_and_serves(
    hub: HubDouble, tiny: bytes, cache: Path, localai_home: Path
) -> None:
    hub.add(
        REPO,
        {
            "a/t-Q4_0.gguf": tiny,
            "a/mmproj-F16.gguf": tiny + bytes(1),
            "b/t-Q8_0.gguf": tiny + bytes(2),
            "mmproj-F16.gguf": tiny + bytes(3),
        },
    )
    for quant, encoder in (("Q4_0", "a/mmproj-F16.gguf"), ("Q8_0", "mmproj-F16.gguf")):
        path = pull(hub, f"hf.co/{REPO}:{quant}").path
        projector = resolve_gguf(f"hf.co/{REPO}:{quant}", locate()).projector
        assert projector == path.parent.parent / encoder


def test_another_revision_is_fetched_where_it_is_named(
    hub: HubDouble, tiny: bytes, cache: Path
) -> None:
    hub.add(REPO, {"t-Q4_0.gguf": tiny})
    other = "f" * 40
    hub.add(REPO, {"t-Q4_0.gguf": tiny + bytes(32)}, other, revision="v2")
    assert pull(hub, f"hf.co/{REPO}").path.stat().st_size == len(tiny)
    named = f"https://huggingface.co/{REPO}/resolve/v2/t-Q4_0.gguf"
    assert pull(hub, named).path.stat().st_size == len(tiny) + 32
    repository = cache / f"models--{REPO.replace('/', '--')}"
    assert (repository / "refs/main").read_text() == COMMIT
    assert (repository / "refs/v2").read_text() == other
    hub.pages.stop()
    assert pull(hub, f"hf.co/{REPO}@v2").path.parent.name == other
