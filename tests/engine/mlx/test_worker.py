"""The MLX worker for real: SmolLM2 on the CPU, asked over its socket."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from localai.engine.lifecycle import Lease, acquire, stop, workers
from localai.engine.worker_files import WorkerSpec
from localai.errors import Unreachable
from localai.net.framing import ServerRefused
from localai.net.http import call
from localai.paths import Paths, locate
from tests.support.clock import becomes
from tests.support.mlx import CAPITAL, SYSTEM, ask, chunks, make_thinking_model
from tests.support.tool_template import mlx_with_template

# About 150 tokens: long enough to be worth the disk, short enough for a CPU.
STORY = {"role": "user", "content": "Once upon a time there was a small town by the sea. " * 11}


@contextmanager
def worker_of(
    paths: Paths, python: Path, model: Path, context_tokens: int = 1024, keep_alive_s: float = 60
) -> Iterator[Lease]:
    spec = WorkerSpec("mlx", str(model), context_tokens, kv_dir=str(paths.kv_dir))
    with acquire(
        paths,
        spec,
        keep_alive_s=keep_alive_s,
        available_bytes=lambda: None,
        interpreter=str(python),
    ) as lease:
        yield lease


@pytest.fixture(scope="module")
def lease(
    tmp_path_factory: pytest.TempPathFactory, mlx_python_itself: Path, mlx_model_path: Path
) -> Iterator[Lease]:
    """One worker for the tests that leave it as they found it, and no fork."""
    paths = locate({"LOCALAI_HOME": str(tmp_path_factory.mktemp("home"))})
    with worker_of(paths, mlx_python_itself, mlx_model_path) as lease:
        yield lease
    for files, info in workers(paths):
        stop(files, info)


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


def _until(condition: Callable[[], bool], within_s: float = 20) -> None:
    assert becomes(condition, within_s), "it did not happen in time"


def _is_computing(socket: Path) -> bool:
    return bool(call(socket, "GET", "/slots")[0]["is_processing"])


def test_it_answers_and_counts_and_times(lease: Lease) -> None:
    text, end = ask(lease.files.socket, SYSTEM, CAPITAL)
    assert "Paris" in text
    assert end["usage"]["prompt_tokens"] == 27
    assert end["usage"]["completion_tokens"] == 8
    assert end["timings"]["cache_n"] + end["timings"]["prompt_n"] == 27
    assert end["timings"]["predicted_n"] == 8
    assert 0 < end["timings"]["predicted_ms"] < 60_000


def test_it_listens_on_a_private_socket_and_has_no_network(lease: Lease) -> None:
    assert stat.S_IMODE(lease.files.directory.stat().st_mode) == 0o700
    assert stat.S_ISSOCK(lease.files.socket.stat().st_mode)
    assert psutil.Process(lease.info.pid).net_connections(kind="inet") == []
    assert lease.info.network_denied
    assert lease.info.engine.startswith("mlx-lm ")


def test_what_was_computed_is_not_computed_again(lease: Lease) -> None:
    first = {"role": "user", "content": "My name is Ada."}
    ask(lease.files.socket, SYSTEM, first, max_tokens=1)
    _, end = ask(lease.files.socket, SYSTEM, first, max_tokens=1)
    assert end["timings"]["prompt_n"] == 1
    assert end["usage"]["prompt_tokens_details"]["cached_tokens"] == end["timings"]["cache_n"] > 20


def test_a_seed_makes_an_answer_repeat_whatever_is_in_the_cache(lease: Lease) -> None:
    options = {"temperature": 1.5, "repeat_penalty": 1.3, "seed": 7}
    first, _ = ask(lease.files.socket, SYSTEM, CAPITAL, **options)
    second, end = ask(lease.files.socket, SYSTEM, CAPITAL, **options)
    assert first == second
    assert end["timings"]["cache_n"] == 26


def test_a_stop_string_ends_the_answer(lease: Lease) -> None:
    gathered = list(chunks(lease.files.socket, SYSTEM, CAPITAL, stop=["ital of Fr"]))
    texts = [choice["delta"].get("content", "") for c in gathered for choice in c["choices"]]
    assert "".join(texts) == "The cap"
    assert gathered[-2]["choices"][0]["finish_reason"] == "stop"


def test_the_prompt_is_read_with_visible_progress(lease: Lease) -> None:
    gathered = list(chunks(lease.files.socket, SYSTEM, CAPITAL, return_progress=True, max_tokens=1))
    progress = [chunk["prompt_progress"] for chunk in gathered if "prompt_progress" in chunk]
    assert progress[-1]["processed"] == progress[-1]["total"] == 27


def test_log_probabilities_come_with_their_alternatives(lease: Lease) -> None:
    gathered = chunks(
        lease.files.socket, SYSTEM, CAPITAL, logprobs=True, top_logprobs=3, max_tokens=2
    )
    tokens = [
        token
        for chunk in gathered
        for choice in chunk["choices"]
        for token in choice.get("logprobs", {}).get("content", ())
    ]
    assert [token["token"] for token in tokens] == ["The", " capital"]
    likeliest = tokens[0]["top_logprobs"]
    assert len(likeliest) == 3
    assert likeliest[0]["token"] == "The"
    assert likeliest[0]["logprob"] == pytest.approx(tokens[0]["logprob"])


def test_two_requests_at_once_are_answered_one_after_the_other(lease: Lease) -> None:
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(ask, lease.files.socket, SYSTEM, CAPITAL) for _ in range(2)]
        assert all("Paris" in job.result()[0] for job in jobs)


def test_a_client_that_leaves_stops_the_computation(lease: Lease) -> None:
    endless = chunks(lease.files.socket, SYSTEM, STORY, max_tokens=500, return_progress=True)
    next(endless)
    assert _is_computing(lease.files.socket)
    endless.close()
    _until(lambda: not _is_computing(lease.files.socket), within_s=15)


def test_a_prompt_over_the_context_is_refused_with_the_numbers(lease: Lease) -> None:
    long = {"role": "user", "content": "one two three " * 500}
    with pytest.raises(ServerRefused) as caught:
        ask(lease.files.socket, long)
    assert caught.value.status == 400
    assert caught.value.error["type"] == "exceed_context_size_error"
    assert caught.value.error["n_prompt_tokens"] > caught.value.error["n_ctx"] == 1024


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"response_format": {"type": "json_schema"}}, "schema"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "pictures"),
    ],
)
def test_what_mlx_cannot_do_is_refused(
    lease: Lease, body: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ServerRefused, match=complaint) as caught:
        call(lease.files.socket, "POST", "/v1/chat/completions", {"messages": [CAPITAL], **body})
    assert caught.value.status == 400


_DOUBLING = (
    "{% set ns = namespace(x='Xanadu' * 1000) %}"
    "{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}"
)


_HOSTILE = {
    "doubling": (_DOUBLING, "more than 1024 MiB of memory"),
    "division": ("{{ 1 / 0 }}", "refuses this: division by zero"),
    "missing": ("{{ messages[9]['content'] }}", "refuses this"),
    "recursion": (
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "refuses this: maximum recursion",
    ),
    "range": ("{{ range(10 ** 9) | list }}", "refuses this: Range too big"),
}


@pytest.fixture(scope="module")
def hostile(
    tmp_path_factory: pytest.TempPathFactory, mlx_python: Path, tiny_mlx_path: Path
) -> Iterator[Lease]:
    """A worker whose template does as its last message says."""
    cases = "".join(
        f"{{% if messages[-1]['content'] == '{name}' %}}{template}{{% endif %}}"
        for name, (template, _) in _HOSTILE.items()
    )
    folder = tmp_path_factory.mktemp("hostile")
    model = mlx_with_template(folder / "model", tiny_mlx_path, cases)
    paths = locate({"LOCALAI_HOME": str(folder / "home")})
    with worker_of(paths, mlx_python, model) as lease:
        yield lease
    stop(lease.files, lease.info)


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_template_costs_its_request_alone(hostile: Lease, name: str) -> None:
    for _ in range(2):
        with pytest.raises(ServerRefused, match=_HOSTILE[name][1]) as caught:
            ask(hostile.files.socket, {"role": "user", "content": name})
        assert caught.value.status == 400
    assert "Xanadu" not in hostile.files.log.read_text()


def test_the_prompt_and_its_tokens_can_be_asked_for(lease: Lease) -> None:
    body = {"messages": [SYSTEM, CAPITAL]}
    prompt = call(lease.files.socket, "POST", "/apply-template", body)["prompt"]
    assert prompt.endswith("<|im_start|>assistant\n")
    tokens = call(lease.files.socket, "POST", "/tokenize", {"content": prompt})["tokens"]
    assert len(tokens) == 27


def test_special_tokens_that_were_said_are_text(lease: Lease) -> None:
    """As one token each they would end the user's turn and begin another."""
    said = {"role": "user", "content": "a<|im_end|>b"}
    _, end = ask(lease.files.socket, SYSTEM, said, max_tokens=1)
    _, plain = ask(lease.files.socket, SYSTEM, {"role": "user", "content": "ab"}, max_tokens=1)
    assert end["usage"]["prompt_tokens"] >= plain["usage"]["prompt_tokens"] + 5


def test_the_context_grows_without_a_restart(lease: Lease) -> None:
    call(lease.files.socket, "POST", "/context", {"context_tokens": 1500})
    info = lease.files.read_info()
    assert info is not None
    assert (info.pid, info.context_tokens) == (lease.info.pid, 1500)
    smaller = call(lease.files.socket, "POST", "/context", {"context_tokens": 10})
    assert smaller == {"context_tokens": 1500}


@pytest.mark.parametrize("opened_by_template", [False, True])
def test_reasoning_comes_apart_from_the_text(
    paths: Paths,
    tmp_path: Path,
    mlx_python: Path,
    mlx_model_path: Path,
    opened_by_template: bool,
) -> None:
    model = make_thinking_model(
        tmp_path / "thinker", mlx_model_path, opened_by_template=opened_by_template
    )
    with worker_of(paths, mlx_python, model) as lease:
        gathered = list(chunks(lease.files.socket, SYSTEM, CAPITAL))
    deltas = [choice["delta"] for chunk in gathered for choice in chunk["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == "."
    reasoning = "".join(delta.get("reasoning_content", "") for delta in deltas)
    assert reasoning.strip() == "capital of France is"
    assert gathered[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] >= 4


def test_a_conversation_is_found_on_the_disk_by_the_next_worker(
    paths: Paths, mlx_python: Path, tiny_mlx_path: Path
) -> None:
    with worker_of(paths, mlx_python, tiny_mlx_path) as lease:
        _, first = ask(lease.files.socket, SYSTEM, STORY, max_tokens=2)
        assert first["timings"]["cache_n"] == 0
    stop(lease.files, lease.info)
    [saved] = paths.kv_dir.rglob("*.safetensors")
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600

    with worker_of(paths, mlx_python, tiny_mlx_path) as lease:
        _, second = ask(lease.files.socket, SYSTEM, STORY, max_tokens=2)
        assert second["timings"]["prompt_n"] == 1
    stop(lease.files, lease.info)

    damaged = bytearray(saved.read_bytes())
    damaged[-1000] ^= 0xFF
    saved.write_bytes(damaged)
    with worker_of(paths, mlx_python, tiny_mlx_path) as lease:
        _, third = ask(lease.files.socket, SYSTEM, STORY, max_tokens=2, keep_on_disk=False)
        assert third["timings"]["cache_n"] == 0
        assert third["usage"]["prompt_tokens"] == first["usage"]["prompt_tokens"]
    stop(lease.files, lease.info)
    assert list(paths.kv_dir.rglob("*.safetensors")) == [], "it was not to be kept"


def test_an_idle_worker_leaves_and_saves_first(
    paths: Paths, mlx_python: Path, tiny_mlx_path: Path
) -> None:
    with worker_of(paths, mlx_python, tiny_mlx_path, keep_alive_s=0) as lease:
        ask(lease.files.socket, SYSTEM, STORY, max_tokens=1)
    _until(lambda: lease.files.read_info() is None)
    _until(lambda: len(list(paths.kv_dir.rglob("*.safetensors"))) == 1)
    assert not lease.files.socket.exists()


def test_a_folder_that_mlx_cannot_load_is_an_error_with_the_reason(
    paths: Paths, tmp_path: Path, mlx_python: Path, mlx_model_path: Path
) -> None:
    model = tmp_path / "unknown"
    model.mkdir()
    for file in mlx_model_path.iterdir():
        (model / file.name).symlink_to(file)
    (model / "config.json").unlink()
    (model / "config.json").write_text('{"model_type": "perpetuum"}')
    with (
        pytest.raises(Unreachable, match="Model type perpetuum not supported"),
        worker_of(paths, mlx_python, model),
    ):
        pass
