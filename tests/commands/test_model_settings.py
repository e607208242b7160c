"""What is set for one model for good: `models.NAME.FIELD` in the configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localai.chat.doubts import preset_doubt
from localai.chat.model_settings import as_set
from localai.chat.request import AskSettings, build_request
from localai.config import load
from localai.engine.lifecycle import workers
from localai.paths import locate
from localai.types import Message, Options, ResolvedModel, Zone
from tests.support.command import RunLocalai


def dry(run_localai: RunLocalai, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        run_localai("chat", "--dry-run", "--json", *arguments, "hello").stdout
    )
    return document


def set_by(document: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    return {
        each["option"]: (each["set_to"], each["set_by"]) for each in document["request_options"]
    }


def test_flags_conversations_presets_a_models_own_settings_and_chat_go_in_this_order(
    home_with_starter: object, run_localai: RunLocalai
) -> None:
    for key, value in (
        ("models.starter.system", "the model's"),
        ("models.starter.temperature", "0.25"),
        ("models.starter.top_k", "9"),
        ("chat.system", "everybody's"),
        ("chat.max_tokens", "77"),
    ):
        assert run_localai("config", "set", key, value).returncode == 0
    made = run_localai("preset", "new", "mine", "--from", "starter", "-o", "top_k", "5")
    assert made.returncode == 0
    found = dry(run_localai, "-m", "mine", "--top-p", "0.5")
    assert found["request_messages"][0]["text"] == "the model's"
    assert set_by(found) == {
        "temperature": (0.25, "models.starter"),
        "top_p": (0.5, "the command line"),
        "top_k": (5, "the preset mine"),
        "repeat_penalty": (1.1, "the model's publisher"),
        "max_tokens": (77, "chat.max_tokens, file"),
    }
    given = dry(run_localai, "-s", "the flag's", "--temperature", "1")
    assert given["request_messages"][0]["text"] == "the flag's"
    assert set_by(given)["temperature"] == (1.0, "the command line")
    prompted = ("preset", "new", "told", "--from", "starter", "-s", "the preset's")
    assert run_localai(*prompted).returncode == 0
    assert dry(run_localai, "-m", "told")["request_messages"][0]["text"] == "the preset's"
    assert run_localai("config", "unset", "models.starter.system").returncode == 0
    assert dry(run_localai)["request_messages"][0]["text"] == "everybody's"


def test_the_engine_loads_a_model_as_it_is_set(
    home_with_starter: object, run_localai: RunLocalai
) -> None:
    for field, value in (("context", "1k"), ("kv", "q8_0"), ("gpu_layers", "0")):
        assert run_localai("config", "set", f"models.starter.{field}", value).returncode == 0
    asked = run_localai("chat", "--max-tokens", "4", "--json", "What is the capital of France?")
    assert json.loads(asked.stdout)["context_tokens"] == 1024
    [(_, info)] = workers(locate())
    assert (info.spec.kv_type, info.spec.gpu_layers) == ("q8_0", 0)
    shown = run_localai("show", "starter").stdout.decode()
    assert "context 1,024, kv q8_0, GPU layers 0" in shown


def test_what_is_set_is_listed_read_and_unset(localai_home: Path, run_localai: RunLocalai) -> None:
    name = "models.ollama/qwen3:0.6b"
    for field, value, text in (
        ("temperature", "0.2", "0.2"),
        ("context", "16k", "16384"),
        ("think", "off", "off"),
        ("stop", "END", "END"),
    ):
        assert run_localai("config", "set", f"{name}.{field}", value).returncode == 0
        assert run_localai("config", "get", f"{name}.{field}").stdout.decode() == f"{text}\n"
    listed = json.loads(run_localai("config", "list", "--json").stdout)["model_settings"]
    assert listed == {
        f"{name}.temperature": 0.2,
        f"{name}.context": 16384,
        f"{name}.think": "off",
        f"{name}.stop": ["END"],
    }
    whole = run_localai("config", "get", name).stdout.decode()
    assert f"{name}.context = 16384\n" in whole
    file = Path(run_localai("config", "path").stdout.decode().strip())
    assert '[models."ollama/qwen3:0.6b"]\ntemperature = 0.2\n' in file.read_text()
    assert run_localai("config", "get", f"{name}.top_k").returncode == 3
    assert run_localai("config", "unset", f"{name}.context").returncode == 0
    assert run_localai("config", "get", f"{name}.context").returncode == 3
    assert run_localai("config", "unset", name).returncode == 0
    assert "models" not in file.read_text()


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("models.qwen3:8b.temperature", "7", "must be a number from 0 to 5, not '7'"),
        ("models.qwen3:8b.temprature", "1", "a model has no setting 'temprature'"),
        ("models.qwen3:8b.context", "9", "must be a whole number from 64"),
        ("models.qwen3:8b.think", "much", "must be one of off, on, low, medium, high"),
        ("models.qwen3:8b.kv", "q2", "must be one of f16, q8_0"),
    ],
)
def test_what_cannot_be_set_is_refused(
    localai_home: Path, run_localai: RunLocalai, key: str, value: str, complaint: str
) -> None:
    result = run_localai("config", "set", key, value)
    assert result.returncode == 2
    assert complaint in result.stderr.decode()


def test_a_model_that_is_not_here_is_a_warning(localai_home: Path, run_localai: RunLocalai) -> None:
    result = run_localai("config", "set", "models.qwen3:8b.temperature", "1")
    assert (result.returncode, b"there is no model called 'qwen3:8b'" in result.stderr) == (0, True)


MODEL = ResolvedModel(
    "ollama", "m:latest", Zone.DEVICE, "here", recommended=Options(temperature=0.6, top_k=20)
)


@pytest.mark.parametrize("name", ["m", "m:latest", "ollama/m", "ollama/m:latest"])
def test_a_model_is_meant_by_each_of_its_names(localai_home: Path, name: str) -> None:
    file = locate().config_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'[models."{name}"]\ntemperature = 0\nthink = "off"\nkv = "q8_0"\n')
    config = load(locate())
    model = as_set(MODEL, config)
    request = build_request(AskSettings(), model, (Message("user", "hi"),), config)
    assert (request.options, request.think) == (Options(temperature=0.0, top_k=20), "off")
    assert preset_doubt(model, config) == (
        "models.m:latest keeps keys and values as q8_0, which only the embedded engine does,"
        " and ollama answers"
    )
    assert as_set(ResolvedModel("ollama", "other", None, ""), config).is_set is False


def test_what_is_set_for_one_provider_beats_what_is_set_for_the_name(localai_home: Path) -> None:
    file = locate().config_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        '[models."ollama/m"]\ntop_k = 1\n[models.m]\ntop_k = 2\nseed = 2\nsystem = "mine"\n'
    )
    model = as_set(MODEL, load(locate()))
    assert model.recommended == Options(temperature=0.6, top_k=1, seed=2)
    assert (model.system_prompt, model.system_is_set) == ("mine", True)
