"""`localai recommend --online` against a hub on loopback, as its user sees it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from localai.output.documents.recommend import Recommend
from tests.formats.synthetic import Spec, write
from tests.servers.hub_double import HubDouble
from tests.support.clock import becomes
from tests.support.command import COMMAND, RunLocalai
from tests.support.file_server import Handler
from tests.support.promise import checked
from tests.support.terminal import Terminal

pytestmark = pytest.mark.usefixtures("used_home")

NEW = (date.today() - timedelta(days=20)).isoformat()
TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"
TODAY = date.today().isoformat()


@pytest.fixture
def hub() -> Iterator[HubDouble]:
    with HubDouble() as hub:
        yield hub


@pytest.fixture
def files(tmp_path: Path) -> Mapping[str, bytes | Path]:
    """A repository of a small model that chats, in two quantizations by their names."""
    spec = Spec("llama", layers=2, general={"tokenizer.chat_template": TEMPLATE})
    [model] = write(tmp_path / "m.gguf", spec)
    return {"m-Q4_K_M.gguf": model, "m-Q8_0.gguf": model.read_bytes() + bytes(64)}


@pytest.fixture
def environment(hub: HubDouble, tmp_path: Path) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}


def facts(base: str | None = None, **more: object) -> dict[str, object]:
    tags = ["gguf", "license:apache-2.0"]
    if base is not None:
        tags += [f"base_model:{base}", f"base_model:quantized:{base}"]
    return {
        "createdAt": f"{NEW}T10:00:00.000Z",
        "downloads": 1234,
        "gated": False,
        "tags": tags,
        "trendingScore": 5,
        **more,
    }


def online(document: Any) -> dict[str, Any]:
    """The recommended models of the hub, by repository."""
    return {
        each["hub"]["repository"]: each
        for each in document["recommendations"]
        if each["hub"] is not None
    }


def test_what_is_new_is_ranked_marked_and_kept(
    run_localai: RunLocalai,
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
) -> None:
    hub.add("unsloth/Fresh-1B-GGUF", files, facts=facts("Qwen/Fresh-1B"))
    done = run_localai("recommend", "--online", "--json", env=environment)
    assert done.returncode == 0, done.stderr
    document = checked(Recommend, done.stdout)
    found = online(document)["unsloth/Fresh-1B-GGUF"]
    assert found["model"] in (
        "hf.co/unsloth/Fresh-1B-GGUF:Q4_K_M",
        "hf.co/unsloth/Fresh-1B-GGUF:Q8_0",
    )
    assert found["fits"] and found["license"] == "apache-2.0"
    assert found["speed"]["expected_tokens_per_s"] > 0
    assert found["memory"]["weights_bytes"] == found["size_bytes"]
    assert found["hub"]["base_repository"] == "Qwen/Fresh-1B"
    assert (found["hub"]["created"], found["hub"]["downloads"]) == (NEW, 1234)
    assert "not in the catalogue" in found["why"]
    assert document["kept_hub"] is not None and document["kept_hub"]["whole"]
    # What leaves is said before it does, also beside a document.
    assert done.stderr.startswith(f"asking {hub.pages.host} what known publishers have".encode())
    # The list and the header, and no weights.
    assert all(request.method == "GET" for request in hub.pages.requests)
    hub.pages.stop()
    again = checked(Recommend, run_localai("recommend", "--json").stdout)
    assert online(again)["unsloth/Fresh-1B-GGUF"]["hub"] == found["hub"]
    assert again["kept_hub"] == document["kept_hub"]


def test_a_person_sees_the_date_and_the_line_that_asks_again(
    run_localai: RunLocalai,
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
) -> None:
    never = run_localai("recommend").stderr.decode()
    assert "--online asks the hub what is newer" in never and "asked 20" not in never
    hub.add("unsloth/Fresh-1B-GGUF", files, facts=facts("Qwen/Fresh-1B"))
    hub.add("unsloth/gemma-4-E2B-it-GGUF", files, facts=facts("google/gemma-4-E2B-it"))
    shown = run_localai("recommend", "--online", "--all", env=environment)
    note = f"1 model of {hub.pages.host} that the catalogue has not, asked {TODAY}; besides 1"
    assert note in shown.stderr.decode()
    rows = [line.split("\t") for line in shown.stdout.decode().splitlines()]
    source = rows[0].index("source")
    assert {row[source] for row in rows[1:]} == {"catalogue", "hub"}
    assert note in run_localai("recommend").stderr.decode()


def test_only_known_makers_and_each_model_once(
    run_localai: RunLocalai,
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
) -> None:
    hub.add("unsloth/Fresh-1B-GGUF", files, facts=facts("Qwen/Fresh-1B", trendingScore=9))
    hub.add("bartowski/Qwen_Fresh-1B-GGUF", files, facts=facts("Qwen/Fresh-1B"))
    hub.add("bartowski/Someone_Tune-GGUF", files, facts=facts("someone/Tune"))
    hub.add("bartowski/Untagged-GGUF", files, facts=facts())
    changed = ["gguf", "base_model:Qwen/Fresh-1B", "base_model:finetune:Qwen/Fresh-1B"]
    hub.add("unsloth/Tuned-GGUF", files, facts=facts(tags=changed))
    old = facts("Qwen/Old-1B", createdAt="2024-01-02T00:00:00.000Z")
    hub.add("unsloth/Old-1B-GGUF", files, facts=old)
    hub.add("Qwen/Own-1B-GGUF", files, facts=facts())
    document = json.loads(run_localai("recommend", "--online", "--json", env=environment).stdout)
    assert sorted(online(document)) == ["Qwen/Own-1B-GGUF", "unsloth/Fresh-1B-GGUF"]


def test_what_cannot_be_read_costs_itself_alone(
    run_localai: RunLocalai,
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    hub.add("unsloth/Fresh-1B-GGUF", files, facts=facts("Qwen/Fresh-1B"))
    [base] = write(tmp_path / "base.gguf", Spec("llama", layers=2))
    hub.add("unsloth/Base-1B-GGUF", {"b-Q4_K_M.gguf": base}, facts=facts("Qwen/Base-1B"))
    hub.add("unsloth/Junk-1B-GGUF", {"j-Q4_K_M.gguf": bytes(40_000)}, facts=facts("Qwen/Junk-1B"))
    hub.add("google/Gated-1B-GGUF", files, facts=facts(gated="manual"))
    hub.pages.scripts[
        "/google/Gated-1B-GGUF/resolve/" + "0123456789abcdef" * 2 + "01234567/m-Q4_K_M.gguf"
    ] = lambda handler: handler.answer(403, b"", {"X-Error-Code": "GatedRepo"})
    huge = facts("Qwen/Huge", gguf={"total": 10**13})
    hub.add("unsloth/Huge-GGUF", files, facts=huge)
    document = json.loads(run_localai("recommend", "--online", "--json", env=environment).stdout)
    assert list(online(document)) == ["unsloth/Fresh-1B-GGUF"]
    unread = {each["name"]: each["reason"] for each in document["kept_hub"]["unread"]}
    assert "base model" in unread["unsloth/Base-1B-GGUF"]
    assert "unsloth/Junk-1B-GGUF" in unread
    assert "refuses to serve" in unread["google/Gated-1B-GGUF"]
    assert document["kept_hub"]["too_large"] == 1
    assert not any("/unsloth/Huge" in path for path in hub.pages.paths())


def test_an_odd_list_is_that_publishers_and_no_end(
    run_localai: RunLocalai,
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
) -> None:
    hub.add("Qwen/Own-1B-GGUF", files, facts=facts())
    right = hub.pages.scripts["/api/models"]
    odd = {
        "unsloth": b"<html>log in</html>",
        "bartowski": b'{"error": "no"}',
        "google": b"[" * 100_000,
        "ggml-org": b'[5, null, [], {"id": 7}, {"id": "ggml-org/../x"}, {"id": "ggml-org/a/b"},'
        b' {"id": "other/x"}]',
    }

    def answer(handler: Handler) -> None:
        [publisher] = parse_qs(urlsplit(handler.path).query)["author"]
        if publisher in odd:
            handler.answer(200, odd[publisher])
        else:
            right(handler)

    hub.pages.scripts["/api/models"] = answer
    document = checked(
        Recommend, run_localai("recommend", "--online", "--json", env=environment).stdout
    )
    assert list(online(document)) == ["Qwen/Own-1B-GGUF"]
    assert document["kept_hub"] is not None
    unasked = {each["name"] for each in document["kept_hub"]["unasked"]}
    assert unasked == {"unsloth", "bartowski", "google"}
    assert document["kept_hub"]["unread"] == []


def test_entries_with_odd_fields_are_read_as_far_as_they_go(
    run_localai: RunLocalai,
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
) -> None:
    odd: dict[str, object] = {
        "createdAt": "yesterday",
        "downloads": -5,
        "gated": "auto",
        "gguf": [],
        "pipeline_tag": 5,
        "sha": "../../x",
        "tags": ["gguf", "license:\x1b[2Jmit", 7, None],
        "trendingScore": True,
    }
    hub.add("Qwen/Own-1B-GGUF", files, facts=odd)
    document = checked(
        Recommend, run_localai("recommend", "--online", "--json", env=environment).stdout
    )
    found = online(document)["Qwen/Own-1B-GGUF"]
    assert found["license"] is None
    told = found["hub"]
    assert (told["created"], told["downloads"], told["gated"], told["commit"]) == (
        None,
        None,
        True,
        None,
    )


def test_a_hub_that_refuses_leaves_what_was_kept(
    run_localai: RunLocalai,
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
) -> None:
    hub.add("Qwen/Own-1B-GGUF", files, facts=facts())
    assert run_localai("recommend", "--online", env=environment).returncode == 0
    for status, code in ((429, 5), (503, 5), (401, 6)):
        hub.refusal = (status, "")
        failed = run_localai("recommend", "--online", "--json", env=environment)
        assert failed.returncode == code, failed.stdout
    document = json.loads(run_localai("recommend", "--json").stdout)
    assert list(online(document)) == ["Qwen/Own-1B-GGUF"]


def test_a_header_that_comes_byte_by_byte_ends_with_the_time_there_is(
    hub: HubDouble,
    files: Mapping[str, bytes],
    localai_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from localai.fetch.allowed_hosts import AllowedHosts
    from localai.hardware.profiles import load_profile
    from localai.paths import locate
    from localai.recommend import online as module
    from localai.recommend.kept_hub import read_kept

    monkeypatch.setattr(module, "_LONGEST_REPOSITORY_S", 2.0)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    hub.add("Qwen/Own-1B-GGUF", files, facts=facts(trendingScore=1))
    large = {"s-Q4_K_M.gguf": bytes(files["m-Q8_0.gguf"]) + bytes(4 << 20)}
    hub.add("Qwen/Slow-1B-GGUF", large, facts=facts(trendingScore=9))
    slow = next(path for path, file in hub.store.files.items() if len(file.content) > 4 << 20)

    def trickle(handler: Handler) -> None:
        handler.send_response(206)
        size = len(hub.store.files[slow].content)
        handler.send_header("Content-Range", f"bytes 0-{(1 << 20) - 1}/{size}")
        handler.send_header("Content-Length", str(1 << 20))
        handler.end_headers()
        while True:
            handler.wfile.write(b"G")
            time.sleep(0.1)

    hub.store.scripts[slow] = trickle
    with AllowedHosts() as hosts:
        asked = list(module.ask_and_keep(locate(), hub.url, hosts, load_profile("rtx-4090")))
    assert asked[-1] == ""
    kept = read_kept(locate())
    assert kept is not None and kept.whole
    assert [each.repo for each in kept.models] == ["Qwen/Own-1B-GGUF"]
    assert [each.name for each in kept.unread] == ["Qwen/Slow-1B-GGUF"]
    assert "too long" in kept.unread[0].reason


def test_a_second_time_only_what_changed_is_read(
    run_localai: RunLocalai,
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
) -> None:
    hub.add("Qwen/Own-1B-GGUF", files, facts=facts())
    run_localai("recommend", "--online", env=environment)
    read = [path for path in hub.pages.paths() if path != "/api/models"]
    assert read
    hub.pages.requests.clear()
    hub.listed[0]["downloads"] = 99
    document = json.loads(run_localai("recommend", "--online", "--json", env=environment).stdout)
    assert set(hub.pages.paths()) == {"/api/models"}
    assert online(document)["Qwen/Own-1B-GGUF"]["hub"]["downloads"] == 99


def test_ctrl_c_keeps_what_came(
    command_environment: dict[str, str],
    run_localai: RunLocalai,
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
) -> None:
    hub.add("Qwen/First-1B-GGUF", files, facts=facts(trendingScore=9))
    hub.add("Qwen/Slow-1B-GGUF", files, facts=facts())

    def slow(handler: Handler) -> None:
        time.sleep(20)

    hub.pages.scripts["/api/models/Qwen/Slow-1B-GGUF"] = slow
    running = subprocess.Popen(
        [*COMMAND, "recommend", "--online"],
        env=command_environment | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert becomes(lambda: "/api/models/Qwen/Slow-1B-GGUF" in hub.pages.paths(), 60)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    document = json.loads(run_localai("recommend", "--json").stdout)
    assert list(online(document)) == ["Qwen/First-1B-GGUF"]
    assert not document["kept_hub"]["whole"]
    assert "broken off" in run_localai("recommend").stderr.decode()


def test_the_network_is_refused_with_airgap(
    run_localai: RunLocalai, hub: HubDouble, environment: dict[str, str]
) -> None:
    refused = run_localai("recommend", "--online", "--airgap", env=environment)
    assert refused.returncode in (4, 5)
    assert hub.pages.requests == []


def test_a_token_goes_to_the_hub_and_not_to_its_file_store(
    run_localai: RunLocalai,
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
) -> None:
    hub.add("Qwen/Own-1B-GGUF", files, facts=facts())
    hub.token = "hf_secret"
    done = run_localai(
        "recommend", "--online", "--json", env=environment | {"HF_TOKEN": "hf_secret"}
    )
    assert list(online(json.loads(done.stdout))) == ["Qwen/Own-1B-GGUF"]
    assert b"your token of the hub" in done.stderr
    assert hub.store.requests
    assert not any("authorization" in request.headers for request in hub.store.requests)


def test_mlx_is_asked_for_where_there_is_metal(
    run_localai: RunLocalai,
    hub: HubDouble,
    mlx_model_path: Path,
    environment: dict[str, str],
) -> None:
    tags = ["mlx", "license:apache-2.0", "base_model:quantized:HuggingFaceTB/New-135M"]
    hub.add(
        "mlx-community/New-135M-4bit",
        {path.name: path for path in mlx_model_path.iterdir()},
        facts=facts(tags=tags),
    )
    here = json.loads(run_localai("recommend", "--online", "--json", env=environment).stdout)
    assert online(here) == {}
    mac = run_localai(
        *("recommend", "--online", "--json", "--task", "extract", "--profile", "m3-max-64gb"),
        env=environment,
    )
    found = online(json.loads(mac.stdout))["mlx-community/New-135M-4bit"]
    assert found["model"] == "hf.co/mlx-community/New-135M-4bit"
    assert found["hub"]["format"] == "mlx" and found["in_gpu"]
    assert found["speed"]["expected_tokens_per_s"] > 100


@pytest.mark.parametrize("columns", [60, 100])
def test_on_a_terminal_the_last_line_fetches_the_best(
    pty: Callable[..., Terminal],
    hub: HubDouble,
    files: Mapping[str, bytes],
    environment: dict[str, str],
    columns: int,
) -> None:
    hub.add("Qwen/Own-1B-GGUF", files, facts=facts())
    terminal = pty("recommend", "--online", columns=columns, rows=60, env=environment)
    assert terminal.wait_exit() == 0
    lines = [line.rstrip() for line in terminal.screen.splitlines() if line.strip()]
    assert lines[-1].startswith("localai ")
    assert max(map(len, lines)) <= columns
