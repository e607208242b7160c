"""The catalogue agrees with itself, and every fact in it says where it was read."""

from __future__ import annotations

import re
from datetime import date

import pytest

from localai.fetch.oci import registry_model
from localai.recommend.catalogue import TASKS, Entry, catalogue
from localai.stores.references import hub_reference

ENTRIES = catalogue().entries
SPDX = {"Apache-2.0", "MIT"}
NAMED = {
    "Gemma",
    "Llama-3.1-Community",
    "Llama-3.2-Community",
    "Llama-3.3-Community",
    "NVIDIA-Nemotron-Open-Model",
}
CAPABILITIES = {"completion", "tools", "vision", "thinking", "embedding"}
# Bits per weight of a whole file: a small model keeps more of its tables in a finer type.
BITS = {
    "Q4_K_M": (4.7, 7.2),
    "MXFP4": (4.2, 5.5),
    "Q5_K_M": (5.5, 6.2),
    "Q8_0": (8.4, 9.0),
    "F16": (15.9, 16.5),
    "16-bit": (15.9, 16.5),
}
every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


@every_entry
def test_every_fact_has_a_source_with_a_date(entry: Entry) -> None:
    facts = {"context", "license", "tasks", "capabilities"}
    if entry.shape is not None:
        facts.add("shape")
    if entry.shape is None or entry.shape.parameters != entry.parameters:
        facts.add("parameters")
    if entry.released is not None:
        facts.add("released")
    if entry.vision_bytes:
        facts.add("vision")
    if entry.mlx is not None:
        facts.add("mlx")
    assert set(entry.sources) == facts
    sources = catalogue().sources
    for key in (*entry.sources.values(), *(file.source for file in entry.files)):
        assert sources[key].url.startswith("https://") and sources[key].what
        assert date(2024, 1, 1) < sources[key].date <= date(2026, 11, 26)


@every_entry
def test_sizes_are_those_of_the_parameters(entry: Entry) -> None:
    for file in entry.files:
        low, high = BITS[file.quantization]
        stored = file.size_bytes - entry.vision_bytes - entry.lookup_bytes
        looked_up = 0 if entry.shape is None else entry.shape.lookup_parameters
        bits = 8 * stored / (entry.parameters - looked_up)
        assert low < bits < high, f"{file.name}: {bits:.2f} bits"
    by_quantization = {file.quantization: file.size_bytes for file in entry.files}
    assert list(by_quantization) == [file.quantization for file in entry.files]
    sizes = [by_quantization[q] for q in ("Q4_K_M", "Q5_K_M", "Q8_0") if q in by_quantization]
    assert sizes == sorted(set(sizes))
    assert entry.files[0].name == entry.name and not entry.files[0].computed


@every_entry
def test_a_name_says_how_many_parameters_there_are(entry: Entry) -> None:
    match = re.search(r":(\d+(?:\.\d+)?)(m|b)$", entry.name)
    if match is not None:
        said = float(match[1]) * (1e6 if match[2] == "m" else 1e9)
        assert said * 0.85 < entry.parameters < said * 1.25
    assert 0 < entry.active_parameters <= entry.parameters
    assert entry.is_mixture == (entry.active_parameters < entry.parameters / 3)


@every_entry
def test_names_can_be_pulled(entry: Entry) -> None:
    for file in entry.files:
        if (reference := hub_reference(file.name)) is not None:
            assert file.quantization in file.name, reference
        else:
            registry_model(file.name, "https://registry.example", None)
    assert entry.mlx is None or hub_reference(entry.mlx) is not None


@every_entry
def test_words_are_known_ones(entry: Entry) -> None:
    assert entry.tasks and set(entry.tasks) <= set(TASKS)
    assert set(entry.capabilities) <= CAPABILITIES
    assert entry.license in SPDX | NAMED
    assert ("vision" in entry.tasks) == ("vision" in entry.capabilities) == bool(entry.vision_bytes)
    assert ("embed" in entry.tasks) == ("embedding" in entry.capabilities)
    assert entry.released is None or re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", entry.released)
    assert entry.note and not entry.note.endswith(".")


def test_the_catalogue_has_something_for_every_task_and_no_name_twice() -> None:
    names = [file.name for entry in ENTRIES for file in entry.files]
    assert len(names) == len(set(names))
    for task in TASKS:
        assert any(task in entry.tasks for entry in ENTRIES)
    assert {"qwen3:8b", "gemma3:12b", "gpt-oss:20b", "qwen3-coder:30b"} <= set(names)
    quantizations = {
        entry.name: {file.quantization for file in entry.files}
        for entry in ENTRIES
        if entry.name in ("qwen3:8b", "gemma3:12b")
    }
    assert all(each == {"Q4_K_M", "Q5_K_M", "Q8_0"} for each in quantizations.values())


def test_no_source_is_there_for_nothing() -> None:
    used = {key for entry in ENTRIES for key in entry.sources.values()}
    used |= {file.source for entry in ENTRIES for file in entry.files}
    assert set(catalogue().sources) == used | {"quantize"}


# What the makers say of their models: Qwen's cards, gpt-oss's page, Meta's card, Gemma's report and
# pages, Mistral's card.
@pytest.mark.parametrize(
    ("name", "parameters", "active"),
    [
        ("qwen3:8b", 8.2e9, 7.57e9),
        ("qwen3:30b", 30.5e9, 3.3e9),
        ("gpt-oss:20b", 20.9e9, 3.6e9),
        ("llama3.2:3b", 3.21e9, 3.21e9),
        ("gemma3:12b", 11.77e9, 11.77e9),
        ("qwen3.5:9b", 9e9, 8e9),
        ("qwen3.6:27b", 27e9, 25.7e9),
        ("qwen3.6:35b", 34.7e9, 3e9),
        ("gemma4:12b", 11.95e9, 11.95e9),
        ("gemma4:26b", 25.2e9, 3.8e9),
        ("gemma4:31b", 30.7e9, 30.7e9),
        ("ministral-3:14b", 13.5e9, 13.5e9),
    ],
)
def test_parameters_are_those_that_the_makers_publish(
    name: str, parameters: float, active: float
) -> None:
    entry = next(entry for entry in ENTRIES if entry.name == name)
    assert entry.parameters == pytest.approx(parameters, rel=0.01)
    # gpt-oss's and Mistral's makers count their vocabulary tables otherwise.
    assert entry.active_parameters == pytest.approx(active, rel=0.1)


def test_the_context_takes_what_the_shape_says() -> None:
    qwen = next(entry for entry in ENTRIES if entry.name == "qwen3:8b")
    # 36 layers, 8 heads of 128, keys and values, two bytes each.
    assert qwen.memory(qwen.files[0], 8192).context_bytes == 8192 * 36 * 8 * 128 * 2 * 2
    gemma = next(entry for entry in ENTRIES if entry.name == "gemma3:12b")
    # Five of six layers see a window only.
    whole = 32_768 * 48 * 8 * 256 * 2 * 2
    assert gemma.memory(gemma.files[0], 32_768).context_bytes < whole / 4
    # Of 32 layers 8 keep 4 heads of 256; the others a state of 128 x 4,096 and three inputs of
    # 4,096 + 2 x 16 x 128, four bytes each, however long the context is.
    hybrid = next(entry for entry in ENTRIES if entry.name == "qwen3.5:9b")
    state = 24 * 4 * (128 * 4096 + 3 * (4096 + 4096))
    for tokens in (8192, 131_072):
        expected = tokens * 8 * 4 * 256 * 2 * 2 + state
        assert hybrid.memory(hybrid.files[0], tokens).context_bytes == expected
    # 8 of 48 layers keep one head of 512; the others 8 heads of 256 of 1,024 tokens and a batch.
    gemma4 = next(entry for entry in ENTRIES if entry.name == "gemma4:12b")
    windows = 40 * 8 * 256 * 2 * 2 * 1536
    expected = 32_768 * 8 * 512 * 2 * 2 + windows
    assert gemma4.memory(gemma4.files[0], 32_768).context_bytes == expected


def test_tables_that_are_looked_up_cost_memory_and_no_time() -> None:
    small = next(entry for entry in ENTRIES if entry.name == "gemma4:e2b")
    work = small.work(small.files[0], 4096)
    assert work is not None and work.weights_bytes == 7_200_000_000
    # 2.3B of 4.65B parameters: what is left of the file without encoder and tables.
    assert work.active_bytes == pytest.approx(1_515_000_000, rel=0.01)


def test_this_year_is_there_and_what_can_run_on_apples_engine_says_so() -> None:
    """Only what MLX's text models cannot do (embeddings) and what was not looked up lacks one."""
    of_2026 = {each.name for each in ENTRIES if (each.released or "") >= "2026"}
    assert {"qwen3.5:9b", "qwen3.6:27b", "qwen3.6:35b", "qwen3.8:27b", "gemma4:12b"} <= of_2026
    without = {each.name for each in ENTRIES if each.mlx is None and "embed" not in each.tasks}
    assert without == {"gemma3:270m", "qwen2.5vl:7b"}
