"""The registry: facts without an import of what is heavy, and no table by name elsewhere."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from localai.chat.select import parse_ref
from localai.config import load
from localai.errors import InvalidInput
from localai.formats import FileFormat
from localai.paths import locate
from localai.providers.registry import (
    check_provider_names,
    declared_facts,
    full_name,
    lookup_order,
    open_provider,
    provider_names,
    provider_that_opens,
)
from localai.setup.engines import EngineName
from localai.stores.folders import StoreName
from tests.support.command import REPOSITORY

OURS = ("llamacpp", "ollama", "lmstudio", "mlx", "openai", "anthropic")

# Outside `providers/` a provider's name in a literal is the beginning of a table by name. What it
# says belongs into the provider's facts. In these files the word means something else, or there is
# a reason.
ALLOWED = {
    "chat/doubts.py": "what holds a schema, as the provider's facts say it",
    "chat/deletion.py": "the caches of MLX are no conversation's own: all go with one of them",
    "commands/bench/tuning.py": "what is tuned are the embedded engine's own settings",
    "commands/cost.py": "an example of a price to compare with",
    "cost/break_even.py": "an example of a price to compare with",
    "doctor/": "each check is about the failures of one program; facts are kept by its name",
    "engine/": "the kinds of worker, and the folders of their states",
    "fetch/": "a program, in a command that the user may run",
    "formats/": "a file format",
    "library/copy.py": "a store, whose names are manifests",
    "library/details.py": "a store, whose manifests have licences; a file format",
    "library/licenses.py": "a store, whose names are manifests",
    "library/quantization/": "which program makes a quantized file, by the format of its source",
    "library/removal.py": "a store, whose blobs are shared",
    "library/variants.py": "a store, whose names have tags",
    "output/documents/recommend.py": "a file format",
    "output/doctor.py": "what a probe of doctor looks at, as a person calls it",
    "output/store_names.py": "stores",
    "privacy/policy.py": "which setting permits a host; the facts of providers lie above",
    "recommend/": "a file format; a publisher on the hub",
    "sampling_options.py": "wires",
    "setup/engines.py": "set-up decides between these three: what each needs is its subject",
    "setup/model_choice.py": "a file format",
    "sizing/speed.py": "a file format",
    "stores/": "stores; the engine that opens a file, by its format",
    "wires/": "wires",
}

_NAME = "|".join(OURS)
# Alone, before a model, or behind what takes a provider.
_NAMES_ONE = re.compile(
    rf"^(?:{_NAME})$|(?<![\w./-])(?:{_NAME})/|(?:--provider|--engine|cloud\.allow) (?:{_NAME})\b"
)


def _files_that_name_a_provider() -> set[str]:
    package = REPOSITORY / "localai"
    found = set()
    for file in package.rglob("*.py"):
        name = file.relative_to(package).as_posix()
        if name.startswith("providers/"):
            continue
        if any(map(_NAMES_ONE.search, _literals(ast.parse(file.read_text())))):
            found.add(name)
    return found


def _literals(module: ast.Module) -> Iterator[str]:
    """The texts of a module, those within f-strings as well, without its docstrings."""
    nodes = list(ast.walk(module))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield str(node.value)


def test_no_module_names_a_provider_without_a_reason() -> None:
    found = _files_that_name_a_provider()
    unexplained = [file for file in found if not file.startswith(tuple(ALLOWED))]
    assert unexplained == [], "say it in the provider's FACTS, or give a reason in ALLOWED"


def test_no_reason_outlives_what_it_explains() -> None:
    found = _files_that_name_a_provider()
    assert [each for each in ALLOWED if not any(file.startswith(each) for file in found)] == []


def test_all_are_known_by_name(localai_home: object) -> None:
    assert provider_names(load(locate(), {})) == OURS


def test_all_of_ours_are_opened_and_have_facts_of_their_own(localai_home: object) -> None:
    paths = locate()
    for name in OURS:
        assert open_provider(name, load(paths, {}), paths).name == name
        assert declared_facts(name).title is not None


def test_facts_are_read_without_an_sdk() -> None:
    program = (
        "import sys\n"
        "from localai.providers.registry import declared_facts\n"
        f"print([declared_facts(name).computes for name in {OURS!r}])\n"
        "heavy = {'openai', 'anthropic', 'ollama', 'httpx', 'httpx2', 'pydantic', 'xllamacpp',"
        " 'mlx', 'psutil', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert ran.stdout.splitlines() == [
        "['here', 'by_model', 'unproven', 'here', 'elsewhere', 'elsewhere']",
        "[]",
    ]


@pytest.mark.parametrize("file_format", get_args(FileFormat))
def test_one_of_ours_opens_each_format(file_format: FileFormat) -> None:
    openers = [name for name in OURS if declared_facts(name).opens == file_format]
    assert openers == [provider_that_opens(file_format)]


def test_no_two_own_a_store() -> None:
    owned = [store for name in OURS if (store := declared_facts(name).store) is not None]
    assert len(owned) == len(set(owned))
    assert set(owned) <= set(get_args(StoreName))


def test_a_bare_name_is_looked_up_where_set_up_puts_models_and_never_at_a_cloud(
    localai_home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAI_MLX_PYTHON", sys.executable)
    order = list(lookup_order(load(locate(), {})))
    assert order[0] == "ollama"
    assert set(order) == set(get_args(EngineName))
    assert all(declared_facts(name).computes != "elsewhere" for name in order)


@pytest.mark.parametrize(
    ("provider", "model", "shown"),
    [
        ("ollama", "qwen3:8b", "qwen3:8b"),
        ("llamacpp", "starter", "starter"),
        ("llamacpp", "/models/x.gguf", "/models/x.gguf"),
        ("mlx", "mlx-community/Qwen3-4B-4bit", "mlx-community/Qwen3-4B-4bit"),
        ("ollama", "openai/gpt-oss:20b", "ollama/openai/gpt-oss:20b"),
        ("lmstudio", "openai/gpt-oss-20b", "lmstudio/openai/gpt-oss-20b"),
        ("farm", "qwen3", "farm/qwen3"),
        ("openai", "gpt-5", "openai/gpt-5"),
    ],
)
def test_what_is_shown_can_be_given_back(
    localai_home: Path, provider: str, model: str, shown: str
) -> None:
    (localai_home / "config.toml").write_text('[endpoint.farm]\nurl = "http://127.0.0.1:1/v1"\n')
    assert full_name(provider, model) == shown
    ref = parse_ref(shown, load(locate()))
    assert (ref.provider, ref.name) in ((provider, model), (None, model))


def test_an_endpoint_with_the_name_of_one_of_ours_would_never_be_asked(tmp_path: Path) -> None:
    paths = locate({"LOCALAI_HOME": str(tmp_path)})
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text('[endpoint.ollama]\nurl = "http://127.0.0.1:1/v1"\n')
    with pytest.raises(InvalidInput, match=r"config.toml: \[endpoint.ollama\] has the name of"):
        check_provider_names(load(paths, {}))
