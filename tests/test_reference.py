"""What the reference promises is what the commands print."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import is_typeddict

from localai.output import promise
from localai.paths import Paths
from localai.stores.starter import starter_path
from tests.support.command import RunLocalai

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


def _check(document: type, output: bytes) -> Any:
    for each in vars(promise).values():
        if is_typeddict(each):
            with_config(ConfigDict(extra="forbid", strict=True))(each)
    content = json.loads(output)
    TypeAdapter(document).validate_python(content)
    return content


def test_every_json_document_keeps_the_promise(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    answer = run_localai("chat", "--json", "--max-tokens", "4", "hello")
    assert _check(promise.Chat, answer.stdout)["conversation"]
    listed = _check(promise.List, run_localai("list", "--json").stdout)
    assert [model["model"] for model in listed["models"]] == ["starter"]
    assert {each["provider"] for each in listed["silent"]} >= {"ollama"}
    sheet = _check(promise.Show, run_localai("show", "starter", "--ctx", "512", "--json").stdout)
    assert sheet["memory"]["basis"] == "engine"
    dry = ("quantize", "starter", "--to", "q8_0", "--force", "--dry-run", "--json")
    assert _check(promise.Quantize, run_localai(*dry).stdout)["size_bytes"]
    shutil.copyfile(starter_path(home_with_starter), home_with_starter.models_dir / "twin.gguf")
    shutil.copyfile(starter_path(home_with_starter), home_with_starter.models_dir / "triplet.gguf")
    twice = run_localai("list", "--duplicates", "--json")
    assert _check(promise.ListDuplicates, twice.stdout)["freed_bytes"]
    assert _check(promise.Dedupe, run_localai("dedupe", "-y", "--json").stdout)["freed_bytes"]
    assert _check(promise.Cp, run_localai("cp", "starter", "tiny", "--json").stdout)["path"]
    assert _check(promise.Rm, run_localai("rm", "tiny", "--json").stdout)["removed"]
    assert _check(promise.Ps, run_localai("ps", "--json").stdout)["workers"]
    assert _check(promise.Privacy, run_localai("privacy", "--json").stdout)["findings"]
    assert _check(promise.CostReport, run_localai("cost", "--json").stdout)["totals"]
    assert _check(promise.Recommend, run_localai("recommend", "--json").stdout)["models"]
    assert _check(promise.Hardware, run_localai("hardware", "--json").stdout)["machine"]
    _check(promise.ConfigList, run_localai("config", "list", "--json").stdout)
    _check(promise.ConfigGet, run_localai("config", "get", "model", "--json").stdout)
    assert _check(promise.Stop, run_localai("stop", "--all", "--json").stdout)["stopped"]


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
    document = _check(promise.Failed, result.stdout)
    assert result.returncode == document["error"]["exit_code"] == code
    assert document["schema"] == f"localai.{arguments[0]}/1"
