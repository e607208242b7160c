"""What a quantization costs in quality: the figures, and the engine that they come from."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from localai.bench.quality import Quality, quality_of
from localai.bench.workload import quality_text
from localai.engine.llamacpp import c_api
from localai.engine.llamacpp.evaluation import EngineSettings, Evaluated, evaluate
from localai.errors import NotFound, Unreachable
from localai.library.variants import variant, variants_of
from localai.output.documents.bench import Bench
from localai.paths import Paths, locate
from localai.stores.inventory import ModelOnDisk, Place
from localai.stores.lookup import resolve_model
from localai.types import ResolvedModel, Zone
from tests.bench.test_comparison import BASE, cell
from tests.support.clock import becomes
from tests.support.command import RunLocalai
from tests.support.promise import checked


def scored(losses: list[float], likeliest: list[int], divergences: list[float]) -> Evaluated:
    return Evaluated("same", tuple(losses), tuple(likeliest), tuple(divergences))


def test_the_figures_are_those_of_their_definitions() -> None:
    reference = scored([1.0, 2.0] * 50, [1, 2] * 50, [])
    lesser = scored([1.1, 2.1] * 50, [1, 3] * 50, [0.0, 0.2] * 50)
    found = quality_of(lesser, reference, name="m:q8_0", floor=1e-6)
    assert found.tokens == 100
    assert found.perplexity is not None
    assert found.perplexity.value == pytest.approx(math.exp(1.6))
    assert found.loss is not None
    assert found.loss.value == pytest.approx(math.exp(0.1) - 1)
    assert found.loss.half_width == pytest.approx(0.0, abs=1e-9), "each token lost as much"
    assert found.divergence is not None
    assert found.divergence.value == pytest.approx(0.1)
    assert found.divergence_p99 == pytest.approx(0.2)
    assert found.same_top is not None
    assert found.same_top.value == 0.5
    assert (found.reference, found.floor) == ("m:q8_0", 1e-6)
    assert Quality.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_models_with_other_tokens_are_not_held_together() -> None:
    reference = Evaluated("one", (1.0,) * 40, (1,) * 40)
    other = Evaluated("two", (1.0,) * 30, (1,) * 30)
    found = quality_of(other, reference, name="m")
    assert found.divergence is None
    assert found.unavailable == "it has other tokens than m, so the two cannot be held together"


def test_a_row_keeps_its_quality() -> None:
    kept = cell(BASE, quality=Quality(unavailable="why"))
    assert type(kept).from_json(json.loads(json.dumps(kept.as_json()))) == kept


def test_an_engine_whose_fields_have_moved_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(c_api._CONTEXT_DEFAULTS, "n_batch", 4096)
    with pytest.raises(Unreachable, match="the engine's interface has changed: n_batch"):
        c_api.open_engine()


def result(steps: Generator[float, None, Evaluated]) -> Evaluated:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Evaluated = end.value
            return found


def test_a_file_beside_itself_predicts_the_same(shortened_path: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    text = quality_text()
    reference = result(evaluate(shortened_path, text, 1, EngineSettings(2), one, keep=True))
    assert len(reference.losses) == 255
    same = result(evaluate(shortened_path, text, 1, EngineSettings(2), other, beside=reference))
    assert max(same.divergences) < 1e-4
    assert (same.losses, same.likeliest) == (reference.losses, reference.likeliest)


def test_settings_of_the_engine_are_swept_over_one_model_and_scored(
    home_with_short_model: Paths, run_localai: RunLocalai
) -> None:
    tiny = ("--quick", "-p", "64", "-n", "10")
    swept = ("--kv", "f16,q8_0", "--threads", "1", "--quality", "--json")
    ran = run_localai("bench", "short", *tiny, *swept, timeout_s=300)
    assert ran.returncode == 0, ran.stderr
    checked(Bench, ran.stdout)
    rows = json.loads(ran.stdout)["results"]
    settings = [row["test"]["settings"] for row in rows]
    assert [each["kv_type"] for each in settings] == ["f16", "q8_0"]
    assert {each["threads"] for each in settings} == {1}
    for row in rows:
        assert len(row["decode_tokens_per_s"]["samples"]) >= 6
        # That the model was loaded with other settings is no part of an answer.
        assert not any("loaded anew" in note for note in row["notes"])
        assert row["server"]["decode_tokens_per_s"] is not None
        assert row["cached_tokens"] == 0

    def nothing_is_in_memory() -> bool:
        return json.loads(run_localai("ps", "--json").stdout)["workers"] == []

    assert becomes(nothing_is_in_memory, within_s=20), "as it was before"

    first, second = (row["quality"] for row in rows)
    assert first["reference"] is None
    assert first["kl_divergence"] is None
    assert first["kl_divergence_floor"] < 1e-4
    assert second["reference"] == "short"
    assert 0.0005 < second["kl_divergence"]["value"] < 0.05
    assert 0.8 < second["same_top_token"]["value"] < 1
    assert second["perplexity"]["value"] == pytest.approx(first["perplexity"]["value"], rel=0.05)


def test_a_server_that_hands_out_no_probabilities_is_told(
    paced: object, run_localai: RunLocalai
) -> None:
    arguments = ("farm/paced", "--quick", "-p", "64", "-n", "12", "--quality")
    ran = run_localai("bench", *arguments)
    assert ran.returncode == 0, ran.stderr
    assert b"quality of farm/paced: not available with this engine" in ran.stdout


def test_a_quantization_that_is_not_here_is_named(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    ran = run_localai("bench", "starter", "--quant", "q4_1,q8_0")
    assert ran.returncode == 3
    assert b"starter is not on this machine as q8_0, but as Q4_1" in ran.stderr


def test_a_variant_is_found_by_its_name_and_another_model_is_not(
    home_with_starter: Paths, smollm2_path: Path
) -> None:
    models = home_with_starter.models_dir
    # Other bytes, or it would be the same model: an inode of its own.
    other = models / "SmolLM2-135M-Instruct-q4_1.gguf"
    shutil.copyfile(smollm2_path, other)
    model = resolve_model("starter", home_with_starter)
    names = {each.places[0].name for each in variants_of(model, home_with_starter, {})}
    assert names == {"starter", "SmolLM2-135M-Instruct-q4_1"}
    alone = resolve_model("SmolLM2-135M-Instruct-q4_1", home_with_starter)
    assert variant(alone, "q4_1", None, home_with_starter).model.quantization == "Q4_1"


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (
            Place("huggingface", "hf.co/org/repo:Q4_K_M", Path("x")),
            "localai pull hf.co/org/repo:q8_0",
        ),
        (Place("ollama", "qwen3:8b", Path("x")), "localai pull qwen3:8b-q8_0"),
        (Place("ollama", "qwen3:8b-q4_K_M", Path("x")), "localai pull qwen3:8b-q8_0"),
        (Place("ollama", "mine:latest", Path("x")), None),
        (Place("localai", "own-q4_0", Path("x")), None),
    ],
)
def test_the_line_that_gets_a_quantization_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: Place, line: str | None
) -> None:
    model = ResolvedModel("llamacpp", place.name, Zone.DEVICE, "", quantization="Q4_K_M")
    here = ModelOnDisk(model, (place,), "gguf", None)
    monkeypatch.setattr("localai.stores.inventory.models_on_disk", lambda *_: [here])
    with pytest.raises(NotFound) as missing:
        variant(model, "q8_0", None, locate({"LOCALAI_HOME": str(tmp_path)}))
    assert missing.value.message.endswith("as q8_0, but as Q4_K_M")
    assert missing.value.command == line


def test_what_was_not_quantized_yet_can_be_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = ResolvedModel("llamacpp", "own-f16", Zone.DEVICE, "", quantization="F16")
    here = ModelOnDisk(model, (Place("localai", "own-f16", Path("x")),), "gguf", None)
    monkeypatch.setattr("localai.stores.inventory.models_on_disk", lambda *_: [here])
    with pytest.raises(NotFound) as missing:
        variant(model, "q4_K_M", None, locate({"LOCALAI_HOME": str(tmp_path)}))
    assert missing.value.command == "localai quantize own-f16 --to q4_k_m"
