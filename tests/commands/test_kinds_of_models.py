"""Files that are no model, and models that do not chat: told before the download and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.output.documents.show import Show
from tests.formats.synthetic import Spec, write
from tests.formats.test_mlx_folder import make_folder
from tests.servers.hub_double import HubDouble
from tests.support.command import RunLocalai
from tests.support.promise import checked

pytestmark = pytest.mark.usefixtures("used_home")

REPO = "org/mixed"
EMBEDDER = Spec("nomic-bert", layers=1)
ADAPTER = Spec("llama", layers=1, general={"general.type": "adapter"})


@pytest.fixture
def hub(command_environment: dict[str, str], tmp_path: Path) -> Iterator[HubDouble]:
    """A hub that the commands of a test ask."""
    with HubDouble() as hub:
        command_environment["HF_HUB_CACHE"] = str(tmp_path / "hub-cache")
        command_environment["LOCALAI_REGISTRY_HUB"] = hub.url
        yield hub


def content(tmp_path: Path, spec: Spec) -> bytes:
    [path] = write(tmp_path / "made.gguf", spec)
    return path.read_bytes()


def test_a_model_that_does_not_chat_says_so_before_and_after_it_is_fetched(
    run_localai: RunLocalai, hub: HubDouble, tmp_path: Path
) -> None:
    purpose = "embeds texts"
    hub.add(REPO, {"m-F16.gguf": content(tmp_path, EMBEDDER)})
    before = run_localai("pull", "--dry-run", f"hf.co/{REPO}")
    assert before.returncode == 0, before.stderr
    assert f"it {purpose}: it does not chat" in before.stdout.decode()
    assert run_localai("pull", f"hf.co/{REPO}").returncode == 0
    shown = run_localai("show", f"hf://{REPO}")
    assert f"purpose       {purpose}: it does not chat" in shown.stdout.decode()
    document = checked(Show, run_localai("show", "--json", f"hf.co/{REPO}:latest").stdout)
    assert document["purpose"] == purpose
    assert "completion" not in (document["capabilities"] or [])
    asked = run_localai("chat", "-m", f"hf.co/{REPO}", "hello")
    assert asked.returncode == 2
    assert f"{purpose}: it does not chat" in asked.stderr.decode()


def test_an_adapter_is_told_before_it_is_fetched(
    run_localai: RunLocalai, hub: HubDouble, tmp_path: Path
) -> None:
    hub.add(REPO, {"tuned-F16.gguf": content(tmp_path, ADAPTER)})
    done = run_localai("pull", f"hf.co/{REPO}")
    assert done.returncode == 2
    assert b"is an adapter (LoRA), which changes another model" in done.stderr
    assert not (tmp_path / "hub-cache").exists()


def test_a_file_is_adopted_by_its_address_and_answers_to_it(
    run_localai: RunLocalai, tmp_path: Path
) -> None:
    [path] = write(tmp_path / "my model.gguf", Spec("llama", layers=1))
    address = path.as_uri().replace("file://", "file://localhost")
    assert run_localai("pull", address).returncode == 0
    shown = run_localai("show", "my model")
    assert shown.returncode == 0, shown.stderr
    assert run_localai("show", address).returncode == 0
    [adapter] = write(tmp_path / "adapter.gguf", ADAPTER)
    refused = run_localai("pull", str(adapter))
    assert refused.returncode == 2
    assert b"is an adapter (LoRA)" in refused.stderr


def test_the_list_names_what_lies_beside_the_models(
    run_localai: RunLocalai, hub: HubDouble, tmp_path: Path
) -> None:
    tiny = content(tmp_path, Spec("llama", layers=1))
    hub.add(REPO, {"m-Q8_0.gguf": tiny + bytes(32), "mtp-m-Q8_0.gguf": tiny})
    listed = run_localai("pull", "--all-quants", f"hf.co/{REPO}")
    rows = [line.split("\t") for line in listed.stdout.decode().splitlines()]
    assert [(row[0], row[-1]) for row in rows if "Q8_0" in row[0]] == [
        (f"hf.co/{REPO}:Q8_0", "model"),
        (f"hf.co/{REPO}/mtp-m-Q8_0.gguf", "draft model"),
    ]


def test_a_folder_that_does_not_chat_says_so_before_and_after_it_is_fetched(
    run_localai: RunLocalai, hub: HubDouble, tmp_path: Path
) -> None:
    folder = make_folder(
        tmp_path / "whisper-tiny",
        model_type="whisper",
        architectures=["WhisperForConditionalGeneration"],
    )
    hub.add("org/whisper", {each.name: each.read_bytes() for each in folder.iterdir()})
    purpose = "writes down speech: it does not chat"
    before = run_localai("pull", "--dry-run", "hf.co/org/whisper")
    assert before.returncode == 0, before.stderr
    assert f"it {purpose}" in before.stdout.decode()
    assert "tok/s" not in before.stdout.decode()
    assert run_localai("pull", "hf.co/org/whisper").returncode == 0
    for name in ("org/whisper", str(folder)):
        assert f"purpose       {purpose}" in run_localai("show", name).stdout.decode()
        document = checked(Show, run_localai("show", "--json", name).stdout)
        assert document["purpose"] == "writes down speech"
        assert document["capabilities"] == []


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (
            {"model_index.json": b"{}", "unet/config.json": b"{}", "unet/a.safetensors": b"x"},
            "makes pictures: it does not chat",
        ),
        (
            {"adapter_config.json": b"{}", "adapter_model.safetensors": b"x"},
            "is an adapter (LoRA), which changes another model",
        ),
    ],
)
def test_a_repository_that_is_no_model_is_refused_by_what_it_is(
    run_localai: RunLocalai, hub: HubDouble, files: dict[str, bytes], complaint: str
) -> None:
    hub.add("org/parts", files)
    done = run_localai("pull", "hf.co/org/parts")
    assert done.returncode == 2
    assert f"org/parts {complaint}" in done.stderr.decode()
