"""The engine's settings reach it, and other settings need another worker."""

from __future__ import annotations

import json
import re

from localai.paths import Paths
from tests.support.command import RunLocalai

ASK = ("chat", "--max-tokens", "4", "--no-log", "--json", "hello")


def test_keys_and_values_are_kept_as_is_set_and_another_setting_is_another_worker(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    def pid(**environment: str) -> int:
        result = run_localai(*ASK, env=environment)
        assert result.returncode == 0, result.stderr
        return int(json.loads(result.stdout)["locality"]["process"]["pid"])

    first = pid()
    settings = {
        "LOCALAI_ENGINE_KV_TYPE": "q8_0",
        "LOCALAI_ENGINE_BATCH": "256",
        "LOCALAI_ENGINE_MICRO_BATCH": "128",
        "LOCALAI_ENGINE_PREFILL_THREADS": "1",
        "LOCALAI_ENGINE_WARM_UP": "true",
    }
    second = pid(**settings)
    assert second != first
    assert pid(**settings) == second, "found warm"
    (log,) = home_with_starter.logs_dir.glob("*.log")
    text = re.sub(" +", " ", log.read_text(errors="replace"))
    assert "K (q8_0)" in text
    assert "V (q8_0)" in text
    assert "n_batch = 256" in text
    assert "n_ubatch = 128" in text
    assert "n_threads_batch = 1)" in text


def test_show_projects_the_memory_of_the_type_that_is_set(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    def context_bytes(kv_type: str) -> int:
        environment = {"LOCALAI_ENGINE_KV_TYPE": kv_type}
        shown = run_localai("show", "starter", "--ctx", "2048", "--json", env=environment)
        memory = json.loads(shown.stdout)["memory"]
        assert memory["kv_type"] == kv_type
        return int(memory["context_bytes"])

    # 18 of 32 bits and 34 of 64: q4_0 and q8_0 with the scale of their blocks.
    assert context_bytes("q8_0") < 0.56 * context_bytes("f16")
    assert context_bytes("q4_0") < 0.32 * context_bytes("f16")


def test_small_keys_without_flash_attention_are_refused(
    home_with_starter: Paths, run_localai: RunLocalai
) -> None:
    environment = {"LOCALAI_ENGINE_KV_TYPE": "q8_0", "LOCALAI_ENGINE_FLASH_ATTENTION": "off"}
    result = run_localai(*ASK, env=environment)
    assert result.returncode == 2
    assert "need flash attention" in json.loads(result.stdout)["error"]["message"]
