"""What a name means, over stores as their own tools lay them out."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from gguf import GGUFWriter

from localai.errors import InvalidInput, NotFound
from localai.paths import Paths, locate
from localai.stores.inventory import gguf_models, models_on_disk
from localai.stores.lookup import resolve_gguf
from localai.stores.ollama import find_ollama_model, parse_name
from localai.stores.starter import STARTER, starter_path
from localai.types import Capability, Options, Zone
from tests.formats.synthetic import MODELS, write
from tests.support.ollama import OllamaServer
from tests.support.weights import SYSTEM_PROMPT

THINKING_TEMPLATE = "{% if tools %}{{ tools }}{% endif %}{% if enable_thinking %}<think>{% endif %}"


@dataclass(frozen=True)
class Machine:
    """A home with stores in it, and the environment that points at nothing else."""

    home: Path
    paths: Paths
    environ: Mapping[str, str]

    def resolve(self, name: str) -> str:
        return resolve_gguf(name, self.paths, self.environ).id

    def ids(self) -> list[str]:
        return [model.id for model in gguf_models(self.paths, self.environ)]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return Machine(home, locate({"LOCALAI_HOME": str(tmp_path / "localai")}), {})


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


def write_tiny(
    path: Path,
    architecture: str = "llama",
    template: str | None = None,
    pooling: int | None = None,
) -> Path:
    """A file with metadata and no tensors: enough for what a header says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, architecture)
    writer.add_context_length(2048)
    writer.add_file_type(15)
    if template is not None:
        writer.add_chat_template(template)
    if pooling is not None:
        writer.add_uint32(f"{architecture}.pooling_type", pooling)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def place(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def put_in_hub(machine: Machine, source: Path, repository: str, file_name: str) -> Path:
    """A file as huggingface_hub caches it: a link in a snapshot to a blob named by its digest."""
    folder = machine.home / ".cache/huggingface/hub" / f"models--{repository.replace('/', '--')}"
    blob = place(source, folder / "blobs" / ("a" * 64))
    link = folder / "snapshots" / ("c" * 40) / file_name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(Path("../../blobs") / blob.name)
    return link


def put_in_ollama(
    root: Path, source: Path, manifest: str, layers: Mapping[str, str] | None = None
) -> None:
    """A model as Ollama stores it, with more `layers`: their contents by kind."""
    contents = {"model": source.read_bytes()}
    contents |= {kind: content.encode() for kind, content in (layers or {}).items()}
    rows = []
    for kind, content in contents.items():
        digest = hashlib.sha256(content).hexdigest()
        (root / "blobs").mkdir(parents=True, exist_ok=True)
        (root / "blobs" / f"sha256-{digest}").write_bytes(content)
        media_type = f"application/vnd.ollama.image.{kind}"
        rows.append({"mediaType": media_type, "digest": f"sha256:{digest}"})
    file = root / "manifests" / manifest
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"schemaVersion": 2, "layers": rows}))


class TestAPath:
    def test_is_a_model_with_what_its_header_says(
        self, machine: Machine, smollm2_path: Path
    ) -> None:
        model = resolve_gguf(str(smollm2_path), machine.paths, machine.environ)
        assert model.path == smollm2_path
        assert model.zone is Zone.DEVICE
        assert model.context_limit == 8192
        assert (model.parameters, model.quantization) == ("135M", "Q4_1")
        assert model.size_bytes == 98_362_432
        assert model.capabilities == frozenset({"completion", "schema"})

    def test_is_found_again_by_its_id(
        self, machine: Machine, tiny: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tiny.parent)
        by_relative_name = resolve_gguf("tiny.gguf", machine.paths, machine.environ)
        monkeypatch.chdir("/")
        assert machine.resolve(by_relative_name.id) == by_relative_name.id

    def test_that_does_not_exist_is_not_found(self, machine: Machine) -> None:
        with pytest.raises(NotFound, match=r"there is no file .*/absent\.gguf") as caught:
            machine.resolve("./absent.gguf")
        assert caught.value.command == "localai list"

    def test_of_a_truncated_file_is_refused(
        self, machine: Machine, smollm2_path: Path, tmp_path: Path
    ) -> None:
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(smollm2_path.open("rb").read(3_000_000))
        with pytest.raises(InvalidInput, match="truncated"):
            machine.resolve(str(cut))

    @pytest.mark.parametrize(
        ("content", "what"), [(b"", "is empty"), (b"hello" * 9, "not a GGUF file")]
    )
    def test_of_no_model_is_refused(
        self, machine: Machine, tmp_path: Path, content: bytes, what: str
    ) -> None:
        (tmp_path / "x.gguf").write_bytes(content)
        with pytest.raises(InvalidInput, match=what):
            machine.resolve(str(tmp_path / "x.gguf"))

    def test_of_a_folder_is_refused(self, machine: Machine, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="is a folder"):
            machine.resolve(str(tmp_path))

    def test_of_an_image_encoder_is_refused(self, machine: Machine, tmp_path: Path) -> None:
        encoder = write_tiny(tmp_path / "mmproj-x.gguf", "clip")
        with pytest.raises(InvalidInput, match="image encoder"):
            machine.resolve(str(encoder))

    def test_of_any_part_means_the_whole_model(self, machine: Machine, tmp_path: Path) -> None:
        parts = write(tmp_path / "split.gguf", MODELS["llama, tied"], parts=2)
        model = resolve_gguf(str(parts[1]), machine.paths, machine.environ)
        assert model.path == parts[0]
        assert model.size_bytes == sum(part.stat().st_size for part in parts)

    def test_of_a_model_that_lacks_a_part_is_refused(
        self, machine: Machine, tmp_path: Path
    ) -> None:
        parts = write(tmp_path / "split.gguf", MODELS["llama, tied"], parts=2)
        parts[1].unlink()
        with pytest.raises(NotFound):
            machine.resolve(str(parts[0]))


class TestTheStarter:
    def test_is_known_without_reading_anything_else(
        self, machine: Machine, smollm2_path: Path
    ) -> None:
        target = starter_path(machine.paths)
        target.parent.mkdir(parents=True)
        target.symlink_to(smollm2_path)
        (machine.home / ".ollama").write_text("not even a folder")
        model = resolve_gguf("starter", machine.paths, machine.environ)
        from_header = resolve_gguf(str(smollm2_path), machine.paths, machine.environ)
        for known in ("context_limit", "capabilities", "size_bytes", "parameters", "quantization"):
            assert getattr(model, known) == getattr(from_header, known)
        assert model.system_prompt == SYSTEM_PROMPT
        assert model.digest == f"sha256:{STARTER.sha256}"
        assert machine.ids() == ["starter"]
        assert machine.resolve("SmolLM2-135M-Instruct.Q4_1") == "starter"
        assert machine.resolve(str(target)) == "starter"

    def test_that_was_not_fetched_says_how_to(self, machine: Machine) -> None:
        with pytest.raises(NotFound) as caught:
            machine.resolve("starter")
        assert caught.value.command == "localai pull starter"

    def test_of_another_size_is_damaged(self, machine: Machine, tiny: Path) -> None:
        place(tiny, starter_path(machine.paths))
        with pytest.raises(InvalidInput, match="is damaged"):
            machine.resolve("starter")
        assert machine.ids() == []


class TestOllama:
    def test_models_work_with_ollama_stopped(
        self, machine: Machine, ollama_server: OllamaServer
    ) -> None:
        environ = {"OLLAMA_MODELS": str(ollama_server.models)}
        model = resolve_gguf("qwen3:8b", machine.paths, environ)
        assert model.id == "qwen3:8b"
        assert model.system_prompt == SYSTEM_PROMPT
        assert model.parameters == "135M"
        assert model.digest == f"sha256:{STARTER.sha256}"
        assert "smollm2:135m" in [each.id for each in gguf_models(machine.paths, environ)]

    def test_a_model_served_from_its_cloud_is_none_of_this_machine(
        self, machine: Machine, ollama_server: OllamaServer
    ) -> None:
        ollama_server.create_cloud_alias("innocent")
        environ = {"OLLAMA_MODELS": str(ollama_server.models)}
        try:
            with pytest.raises(NotFound):
                resolve_gguf("innocent", machine.paths, environ)
            assert "innocent:latest" not in [m.id for m in gguf_models(machine.paths, environ)]
        finally:
            ollama_server.delete("innocent")

    @pytest.mark.parametrize(
        ("manifest", "name", "shorter"),
        [
            ("registry.ollama.ai/library/gemma3/latest", "gemma3:latest", "gemma3"),
            ("registry.ollama.ai/me/own/v1", "me/own:v1", "me/own:v1"),
            ("hf.co/org/repo-GGUF/Q8_0", "hf.co/org/repo-GGUF:Q8_0", "hf.co/org/repo-GGUF:Q8_0"),
        ],
    )
    def test_names_are_those_that_ollama_shows(
        self, machine: Machine, tiny: Path, manifest: str, name: str, shorter: str
    ) -> None:
        put_in_ollama(machine.home / ".ollama/models", tiny, manifest, {"system": "Be brief."})
        assert machine.ids() == [name]
        assert machine.resolve(name) == machine.resolve(shorter) == name
        assert resolve_gguf(name, machine.paths, machine.environ).system_prompt == "Be brief."

    def test_its_recommended_options_come_with_it(self, machine: Machine, tiny: Path) -> None:
        root = machine.home / ".ollama/models"
        parameters = {
            "temperature": 1,
            "top_p": 0.95,
            "top_k": 20,
            "seed": True,
            "num_ctx": 9,
            "stop": ["<|im_end|>", 3],
        }
        manifest = "registry.ollama.ai/library/qwen3/8b"
        put_in_ollama(root, tiny, manifest, {"params": json.dumps(parameters)})
        model = resolve_gguf("qwen3:8b", machine.paths, machine.environ)
        assert model.recommended == Options(
            temperature=1, top_p=0.95, top_k=20, stop=("<|im_end|>",)
        )

    @pytest.mark.parametrize("parameters", ["", "[]", "{", '{"stop": "x", "top_k": 0.5}'])
    def test_damaged_options_are_left_out(
        self, machine: Machine, tiny: Path, parameters: str
    ) -> None:
        root = machine.home / ".ollama/models"
        put_in_ollama(root, tiny, "registry.ollama.ai/library/m/latest", {"params": parameters})
        assert resolve_gguf("m", machine.paths, machine.environ).recommended == Options()

    @pytest.mark.parametrize(
        "name", ["../../etc:passwd", "a/../b:c", "a:../b", ".:x", "a/b/c/d", "a:", "", "a b", "a\0"]
    )
    def test_a_name_never_leads_out_of_the_store(self, name: str) -> None:
        assert parse_name(name) is None

    def test_a_model_with_an_adapter_is_another_one_than_its_base(
        self, machine: Machine, tiny: Path
    ) -> None:
        root = machine.home / ".ollama/models"
        put_in_ollama(root, tiny, "registry.ollama.ai/library/tuned/latest", {"adapter": "x"})
        put_in_ollama(root, tiny, "registry.ollama.ai/library/base/latest")
        assert machine.ids() == ["base:latest", "tuned:latest"]
        adapter = resolve_gguf("tuned", machine.paths, machine.environ).adapter
        assert adapter is not None and adapter.read_text() == "x"
        assert resolve_gguf("base", machine.paths, machine.environ).adapter is None
        found = models_on_disk(machine.paths, machine.environ)
        assert [(each.model.id, each.model.provider, each.format) for each in found] == [
            ("base:latest", "llamacpp", "gguf"),
            ("tuned:latest", "llamacpp", "adapted"),
        ]
        put_in_ollama(root, tiny, "registry.ollama.ai/library/tuned/latest")
        assert machine.ids() == ["base:latest", "tuned:latest"]

    @pytest.mark.parametrize(
        "manifest",
        ["", "[]", '{"layers": 3}', '{"layers": [{}]}', "[" * 100_000, '{"layers": [{"mediaType":'],
    )
    def test_a_broken_manifest_is_passed_over(
        self, machine: Machine, tiny: Path, manifest: str
    ) -> None:
        root = machine.home / ".ollama/models"
        put_in_ollama(root, tiny, "registry.ollama.ai/library/good/latest")
        (root / "manifests/registry.ollama.ai/library/good/bad").write_text(manifest)
        assert machine.ids() == ["good:latest"]

    def test_a_digest_that_is_a_path_opens_nothing(self, machine: Machine, tiny: Path) -> None:
        root = machine.home / ".ollama/models"
        put_in_ollama(root, tiny, "registry.ollama.ai/library/good/latest")
        assert find_ollama_model("good", machine.environ) is not None
        layers = [
            {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:../../{tiny}"}
        ]
        file = root / "manifests/registry.ollama.ai/library/good/latest"
        file.write_text(json.dumps({"layers": layers}))
        assert find_ollama_model("good", machine.environ) is None


class TestFolders:
    def test_lm_studio_and_hub_models_go_by_repository_or_file(
        self, machine: Machine, tiny: Path
    ) -> None:
        folder = machine.home / ".lmstudio/models/maker/Model-GGUF"
        place(tiny, folder / "model-Q4_K_M.gguf")
        put_in_hub(machine, tiny, "org/other-GGUF", "other-8B.Q8_0.gguf")
        in_lm_studio = "maker/Model-GGUF/model-Q4_K_M"
        in_hub = "org/other-GGUF/other-8B.Q8_0"
        assert machine.ids() == [in_lm_studio, in_hub]
        for name in ("model-Q4_K_M", "model-q4_k_m.gguf", "maker/Model-GGUF", in_lm_studio):
            assert machine.resolve(name) == in_lm_studio
        for name in ("org/other-GGUF", "org/other-gguf:q8_0", "hf.co/org/other-GGUF:Q8_0"):
            assert machine.resolve(name) == in_hub
        hub_model = resolve_gguf(in_hub, machine.paths, machine.environ)
        assert hub_model.digest == f"sha256:{'a' * 64}"

    def test_lm_studio_is_where_its_pointer_and_its_settings_say(
        self, machine: Machine, tiny: Path, tmp_path: Path
    ) -> None:
        home, chosen = tmp_path / "disk/lm", tmp_path / "large/models"
        (machine.home / ".lmstudio-home-pointer").write_text(f"{home}\n")
        place(tiny, home / "models/maker/a/a.gguf")
        place(tiny, machine.home / ".cache/lm-studio/models/maker/b/b.gguf")
        place(tiny, chosen / "maker/c/c.gguf")
        assert sorted(machine.ids()) == ["maker/a/a", "maker/b/b"]
        (home / "settings.json").write_text(json.dumps({"downloadsFolder": str(chosen)}))
        assert sorted(machine.ids()) == ["maker/a/a", "maker/b/b", "maker/c/c"]
        for odd in ("{", "[]", '{"downloadsFolder": 5}', '{"downloadsFolder": "models"}'):
            (home / "settings.json").write_text(odd)
            assert sorted(machine.ids()) == ["maker/a/a", "maker/b/b"]
        (machine.home / ".lmstudio-home-pointer").write_bytes(b"\xff\0")
        assert sorted(machine.ids()) == ["maker/b/b"]

    def test_a_name_that_fits_two_models_names_both(self, machine: Machine, tiny: Path) -> None:
        for quantization in ("Q4_K_M", "Q8_0"):
            place(tiny, machine.home / f".lmstudio/models/maker/repo/m-{quantization}.gguf")
        with pytest.raises(InvalidInput, match="fits 2 models") as caught:
            machine.resolve("maker/repo")
        assert caught.value.hint == "name one of maker/repo/m-Q4_K_M, maker/repo/m-Q8_0"

    def test_the_hubs_variables_are_followed(
        self, machine: Machine, tiny: Path, tmp_path: Path
    ) -> None:
        put_in_hub(machine, tiny, "org/repo", "m.gguf")
        elsewhere = tmp_path / "elsewhere"
        (machine.home / ".cache/huggingface").rename(elsewhere)
        assert machine.ids() == []
        for environ in ({"HF_HOME": str(elsewhere)}, {"HF_HUB_CACHE": str(elsewhere / "hub")}):
            assert [m.id for m in gguf_models(machine.paths, environ)] == ["org/repo/m"]

    def test_an_image_encoder_beside_it_lets_a_model_see(
        self, machine: Machine, tiny: Path
    ) -> None:
        folder = machine.home / ".lmstudio/models/maker/repo"
        place(tiny, folder / "eyes.gguf")
        write_tiny(folder / "mmproj-eyes-f16.gguf", "clip")
        [model] = gguf_models(machine.paths, machine.environ)
        assert model.id == "maker/repo/eyes"
        assert model.capabilities is not None
        assert "vision" in model.capabilities

    def test_a_model_that_cannot_see_takes_no_image_encoder_of_its_neighbour(
        self, machine: Machine, tiny: Path
    ) -> None:
        folder = machine.home / ".lmstudio/models/maker/repo"
        for name in ("eyes-Q4_K_M.gguf", "blind-Q4_K_M.gguf"):
            place(tiny, folder / name)
        encoder = write_tiny(folder / "mmproj-eyes-f16.gguf", "clip")
        found = {model.id: model.projector for model in gguf_models(machine.paths, machine.environ)}
        assert found == {"maker/repo/eyes-Q4_K_M": encoder, "maker/repo/blind-Q4_K_M": None}
        assert resolve_gguf(str(folder / "blind-Q4_K_M.gguf"), machine.paths).projector is None
        assert resolve_gguf(str(folder / "eyes-Q4_K_M.gguf"), machine.paths).projector == encoder

    def test_what_cannot_be_read_is_left_out(self, machine: Machine, tiny: Path) -> None:
        folder = machine.home / ".lmstudio/models/maker/repo"
        place(tiny, folder / "good.gguf")
        (folder / "damaged.gguf").write_bytes(b"GGUF")
        (folder / "dangling.gguf").symlink_to("nowhere")
        (folder / ".partial.gguf").write_bytes(b"GGUF")
        (machine.home / ".ollama").mkdir()
        (machine.home / ".ollama/models").write_text("not a folder")
        assert machine.ids() == ["maker/repo/good"]


class TestAnUnknownName:
    def test_offers_near_names_and_the_list(self, machine: Machine, tiny: Path) -> None:
        put_in_ollama(machine.home / ".ollama/models", tiny, "registry.ollama.ai/library/qwen3/8b")
        with pytest.raises(NotFound) as caught:
            machine.resolve("qwen3:9b")
        assert caught.value.hint == "did you mean qwen3:8b?"
        assert caught.value.command == "localai list", "a misspelt name is not to be fetched"

    def test_offers_a_pull_where_nothing_is_near(self, machine: Machine) -> None:
        with pytest.raises(NotFound) as caught:
            machine.resolve("gemma3:12b")
        assert caught.value.command == "localai pull gemma3:12b"


@pytest.mark.parametrize(
    ("architecture", "template", "pooling", "expected"),
    [
        ("llama", None, None, {"completion", "schema"}),
        ("qwen3", THINKING_TEMPLATE, None, {"completion", "schema", "thinking", "tools"}),
        ("nomic-bert", None, None, {"embedding"}),
        ("qwen3", THINKING_TEMPLATE, 3, {"embedding"}),
        ("qwen3", None, 4, set()),
    ],
)
def test_capabilities_follow_from_the_header(
    machine: Machine,
    tmp_path: Path,
    architecture: str,
    template: str | None,
    pooling: int | None,
    expected: set[Capability],
) -> None:
    path = write_tiny(tmp_path / "m.gguf", architecture, template, pooling)
    model = resolve_gguf(str(path), machine.paths, machine.environ)
    assert model.capabilities == frozenset(expected)
