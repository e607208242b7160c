"""`localai compare` of a suite on real models: the engine, a real Ollama, a real judge."""

from __future__ import annotations

from pathlib import Path

from localai.output.documents.compare import Comparison
from localai.paths import Paths
from tests.compare.test_importing import RIDDLES
from tests.support.command import RunLocalai
from tests.support.ollama import OllamaServer
from tests.support.promise import checked
from tests.support.weights import SYSTEM_PROMPT


def test_promptfoo_s_example_is_asked_of_ollama_and_the_engine_and_judged_by_another_model(
    home_with_starter: Paths,
    ollama_server: OllamaServer,
    shortened_path: Path,
    run_localai: RunLocalai,
    tmp_path: Path,
) -> None:
    (tmp_path / "promptfooconfig.yaml").write_text(RIDDLES)
    result = run_localai(
        *("compare", "--suite", "promptfooconfig.yaml", "--limit", "1", "-o", "run.jsonl"),
        *("-m", "ollama/smollm2:135m", "-m", shortened_path, "--judge", "llamacpp/starter"),
        *("-s", SYSTEM_PROMPT, "--max-tokens", "12", "--html", "r.html", "--json"),
        env={"OLLAMA_HOST": ollama_server.host},
        cwd=tmp_path,
        timeout_s=400,
    )
    assert result.returncode in (0, 8), result.stderr
    assert b"not taken: providers: the models are those of -m" in result.stderr
    document = checked(Comparison, result.stdout)
    assert [each["model"] for each in document["models"]] == [
        "smollm2:135m",
        str(shortened_path),
    ]
    assert len(document["cases"]) == 2
    for case in document["cases"]:
        assert case["reply"] is not None
        assert case["reply"]["text"].strip()
        assert case["outcome"] in ("passed", "failed", "censored", "answered")
        kinds = {check["kind"] for check in case["checks"]}
        assert {"max_cost", "max_seconds", "contains"} <= kinds
    assert document["judge"] is not None
    assert document["judge"]["model"] == "starter"
    *models, judge = document["destinations"]
    assert [(each["zone"], each["prompts"]) for each in models] == [("device", 1)] * 2
    assert (judge["model"], judge["zone"]) == ("starter", "device")
    assert judge["prompts"] == 5, "two questions of the rubric, both orders, a control"
    page = (tmp_path / "r.html").read_text()
    assert "Judge" in page
    assert str(shortened_path.parent) not in page
