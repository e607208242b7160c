"""What the reference promises is what the commands print."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from localai.output.documents.chat import Chat
from localai.output.documents.config import ConfigGet, ConfigList
from localai.output.documents.cost import CostReport
from localai.output.documents.cp import Cp
from localai.output.documents.dedupe import Dedupe
from localai.output.documents.failure import Failed
from localai.output.documents.hardware import Hardware
from localai.output.documents.list import List, ListDuplicates
from localai.output.documents.privacy import Privacy
from localai.output.documents.ps import Ps
from localai.output.documents.quantize import Quantize
from localai.output.documents.recommend import Recommend
from localai.output.documents.rm import Rm
from localai.output.documents.show import Show
from localai.output.documents.stop import Stop
from localai.paths import Paths
from localai.stores.starter import starter_path
from tests.support.command import RunLocalai
from tests.support.promise import checked

DOCS = Path(__file__).parents[1] / "docs"


def _pages() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: dict[str, str] = module.pages()
    return pages


def test_the_written_reference_is_what_the_code_says(
    monkeypatch: pytest.MonkeyPatch, command_environment: dict[str, str]
) -> None:
    for name, value in command_environment.items():
        monkeypatch.setenv(name, value)
    for name, content in _pages().items():
        written = (DOCS / "reference" / name).read_text()
        assert written == content, f"{name} is stale: python docs/generate.py"


def test_every_json_document_keeps_the_promise(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    answer = run_localai("chat", "--json", "--max-tokens", "4", "hello")
    assert checked(Chat, answer.stdout)["conversation"]
    listed = checked(List, run_localai("list", "--json").stdout)
    assert [model["model"] for model in listed["models"]] == ["starter"]
    assert {each["provider"] for each in listed["silent"]} >= {"ollama"}
    sheet = checked(Show, run_localai("show", "starter", "--ctx", "512", "--json").stdout)
    assert sheet["memory"]["basis"] == "engine"
    dry = ("quantize", "starter", "--to", "q8_0", "--force", "--dry-run", "--json")
    assert checked(Quantize, run_localai(*dry).stdout)["size_bytes"]
    shutil.copyfile(starter_path(home_with_starter), home_with_starter.models_dir / "twin.gguf")
    shutil.copyfile(starter_path(home_with_starter), home_with_starter.models_dir / "triplet.gguf")
    twice = run_localai("list", "--duplicates", "--json")
    assert checked(ListDuplicates, twice.stdout)["freed_bytes"]
    assert checked(Dedupe, run_localai("dedupe", "-y", "--json").stdout)["freed_bytes"]
    assert checked(Cp, run_localai("cp", "starter", "tiny", "--json").stdout)["path"]
    assert checked(Rm, run_localai("rm", "tiny", "--json").stdout)["removed"]
    assert checked(Ps, run_localai("ps", "--json").stdout)["workers"]
    assert checked(Privacy, run_localai("privacy", "--json").stdout)["findings"]
    assert checked(CostReport, run_localai("cost", "--json").stdout)["totals"]
    assert checked(Recommend, run_localai("recommend", "--json").stdout)["models"]
    assert checked(Hardware, run_localai("hardware", "--json").stdout)["machine"]
    checked(ConfigList, run_localai("config", "list", "--json").stdout)
    checked(ConfigGet, run_localai("config", "get", "model", "--json").stdout)
    assert checked(Stop, run_localai("stop", "--all", "--json").stdout)["stopped"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["chat", "--json", "-m", "./none.gguf", "hi"], 3),
        (["chat", "--json", "--nonsense"], 2),
        (["stop", "--json", "nothing"], 3),
        (["config", "get", "--json", "nothing"], 2),
        (["cost", "--json", "--by", "colour"], 2),
    ],
)
def test_a_failure_keeps_the_promise_too(
    run_localai: RunLocalai, arguments: list[str], code: int
) -> None:
    result = run_localai(*arguments)
    document = checked(Failed, result.stdout)
    assert result.returncode == document["error"]["exit_code"] == code
    assert document["schema"] == f"localai.{arguments[0]}/1"
