"""The machine-readable promise: what commands print with --json is what they promise."""

from __future__ import annotations

import pkgutil
import shutil
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest
import typer

from localai.answers import PartialAnswer
from localai.batch.answering import Outcome
from localai.chat import templates
from localai.commands.table import COMMANDS
from localai.cost.prices import Cost
from localai.errors import FinishedWithFailures
from localai.events import Done, Locality, Process, ReasoningDelta, TextDelta, Timings, Usage
from localai.output import documents
from localai.output.documents import FAILURE, documents_of
from localai.output.documents.batch import BatchRecord, BatchSummary, record_document
from localai.output.documents.bench import (
    Bench,
    BenchComparison,
    BenchList,
    BenchMachine,
    BenchRm,
    BenchTune,
)
from localai.output.documents.chat import Chat, chat_document
from localai.output.documents.compare import Comparison, DriftComparison
from localai.output.documents.config import (
    ConfigEndpoint,
    ConfigGet,
    ConfigList,
    ConfigModel,
)
from localai.output.documents.cost import CostReport
from localai.output.documents.cp import Cp
from localai.output.documents.dedupe import Dedupe
from localai.output.documents.doctor import Doctor, DoctorChecks
from localai.output.documents.failure import Failed
from localai.output.documents.fields import FIELDS
from localai.output.documents.hardware import Hardware
from localai.output.documents.history import (
    HistoryConversations,
    HistoryDelete,
    HistoryExport,
    HistoryList,
    HistoryRename,
    HistorySearch,
    HistoryShow,
)
from localai.output.documents.list import List, ListDuplicates
from localai.output.documents.preset import PresetList, PresetShow
from localai.output.documents.privacy import Privacy
from localai.output.documents.ps import Ps
from localai.output.documents.pull import Pull, PullDryRun, PullVariants
from localai.output.documents.quantize import Quantize
from localai.output.documents.recommend import Recommend
from localai.output.documents.rm import Rm
from localai.output.documents.setup import Setup, SetupBundle, SetupRemoval
from localai.output.documents.show import Show
from localai.output.documents.stop import Stop
from localai.output.documents.template import TemplateList, TemplateRemoval, TemplateShow
from localai.paths import Paths
from localai.stores.starter import starter_path
from localai.types import ResolvedModel, Zone
from tests.support.command import RunLocalai
from tests.support.promise import checked

TESTS = Path(__file__).parents[1]
# What a run of the product without a server cannot print, and the test that holds it.
ELSEWHERE = {
    BenchTune: "bench/test_tuning.py",
    Comparison: "commands/test_compare.py",
    DriftComparison: "compare/test_drift.py",
    PullVariants: "commands/test_pull.py",
    SetupBundle: "setup/test_bundle.py",
}
# Fields that are of several types, and why.
_FIGURE = "of one answer a number, of a benchmark a median with its interval"
SEVERAL_TYPES = {
    "cases": "of a comparison every case as each model answered it; of a model how many",
    "id": "a batch's comes back as it was given, whatever that is; a case's is a text",
    "models": "of a list what a model is, of a comparison what it did",
    "passed": "of a model how many cases, of a check or a gate whether",
    "value": "a setting's is of the setting's type, a figure's a number",
    "conversations": "exported ones have their messages besides",
    "decode_tokens_per_s": _FIGURE,
    "default": "a setting's is of the setting's type, a template's variable is a text",
    "evidence": "of a zone it is a sentence, of a doctor's finding the facts",
    "findings": "of privacy what could talk, of doctor what is wrong",
    "host": "a section of the machine's facts, which profiles have too; elsewhere a host's name",
    "machine": "of an answer the machine's name, of `hardware` all that is known of it",
    "memory": "a section of the machine's facts, which profiles have too; elsewhere a model's need",
    "perplexity": "of a benchmark a figure with its interval, of drift a number",
    "prefill_tokens_per_s": _FIGURE,
    "settings": "of `config` all of them, of a benchmark those that shape its speed, by name",
    "time_to_first_token_s": _FIGURE,
}


def modules() -> list[str]:
    return [each.name for each in pkgutil.iter_modules(documents.__path__)]


def all_documents() -> list[type]:
    return [each for module in modules() for each in documents_of(module)]


def with_json() -> dict[str, list[tuple[str, ...]]]:
    """The ways to call each command that take --json: itself, or its subcommands."""
    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for row in COMMANDS:
        command = typer.main.get_command(import_module(row.module).app)
        subcommands = getattr(command, "commands", None)
        called: dict[tuple[str, ...], Any] = {(row.name,): command}
        if subcommands:
            called = {(row.name, name): each for name, each in subcommands.items()}
        for words, each in called.items():
            if any("--json" in parameter.opts for parameter in each.params):
                found[row.name].append(words)
    return found


def test_each_command_with_json_has_its_documents_registered() -> None:
    registered = {module for module in modules() if module != FAILURE and documents_of(module)}
    assert registered == set(with_json())


def test_a_document_s_schema_is_that_of_its_command() -> None:
    for row in COMMANDS:
        for document in documents_of(row.name):
            assert get_type_hints(document)["schema"] == Literal[f"localai.{row.name}/1"]


def shapes() -> Iterator[type]:
    """Every document and every object in one, each once."""
    seen: list[type] = []

    def visit(kind: Any) -> None:
        if is_typeddict(kind):
            if kind not in seen:
                seen.append(kind)
                for hint in get_type_hints(kind).values():
                    visit(hint)
            return
        for argument in get_args(kind):
            visit(argument)

    for document in all_documents():
        visit(document)
    return iter(seen)


def json_type(kind: Any) -> str:
    """What a program sees of it: whether it may be null or which texts it may be is no type."""
    origin = get_origin(kind)
    if origin is Literal:
        return "str"
    if origin in (Union, UnionType):
        parts = [json_type(each) for each in get_args(kind) if each is not NoneType]
        return " | ".join(dict.fromkeys(parts))
    if origin in (list, dict):
        return f"{origin.__name__} of {json_type(get_args(kind)[-1])}"
    return str(kind.__name__ if isinstance(kind, type) else kind)


def test_a_field_means_one_thing_everywhere() -> None:
    types: dict[str, set[str]] = defaultdict(set)
    meanings: dict[str, set[str]] = defaultdict(set)
    for shape in shapes():
        for name, hint in get_type_hints(shape, include_extras=True).items():
            kind, meaning = get_args(hint)
            types[name].add(json_type(kind))
            meanings[name].add(meaning)
    del meanings["schema"]
    assert {name for name, found in types.items() if len(found) > 1} == set(SEVERAL_TYPES)
    assert {name for name, found in meanings.items() if len(found) > 1} == set(FIELDS)


def test_a_batch_s_record_says_of_an_answer_what_chat_says() -> None:
    """A new field of an answer goes into both, or stands here."""
    chats_own = {"conversation_id", "extracted", "logprobs", "warnings"}
    batches_own = {"line", "request", "id"}
    assert chats_own == set(get_type_hints(Chat)) - set(get_type_hints(BatchRecord))
    assert batches_own == set(get_type_hints(BatchRecord)) - set(get_type_hints(Chat))

    model = ResolvedModel("llamacpp", "m", Zone.DEVICE, "")
    locality = Locality(Zone.DEVICE, "here", Process(7, "worker"), "box", True)
    timings = Timings(0.5, 0.2, 9, 0.1, 2, 0.4, 1.0, "server")
    done = Done("length", Usage(10, 3, 1, 2, 0), timings, locality, 4096, "length")
    came = PartialAnswer(model)
    for event in (ReasoningDelta("hm"), TextDelta("Paris."), done):
        came.add(event)
    answer = came.whole()
    error = FinishedWithFailures("it breaks the schema")
    cost = Cost(Decimal("0.25"), "USD", "a price")
    chat = chat_document(
        answer,
        cost,
        conversation_id=None,
        extracted=None,
        warnings=[],
        with_logprobs=False,
        error=error,
    )
    record = record_document(Outcome(1, 0, None, came, answer, error), model, cost)
    promised = get_type_hints(Chat).keys() - chats_own - {"schema"}
    both = {name: (chat[name], record[name]) for name in promised}  # type: ignore[literal-required]
    assert {name: a for name, (a, _) in both.items()} == {name: b for name, (_, b) in both.items()}
    assert None not in {value for value, _ in both.values() if not isinstance(value, dict)}


@pytest.fixture
def starter_weights(smollm2_path: Path) -> Path:
    return smollm2_path


def test_every_document_is_printed_as_it_is_promised(
    home_with_starter: Paths, run_localai: RunLocalai, tmp_path: Path
) -> None:
    seen: set[type] = set()

    def check(document: type, *arguments: object, code: int = 0) -> Any:
        result = run_localai(*map(str, arguments), "--json")
        assert result.returncode == code, result.stderr
        seen.add(document)
        return checked(document, result.stdout)

    own = starter_path(home_with_starter)
    check(Hardware, "hardware")
    assert check(Recommend, "recommend")["recommendations"]
    assert not check(Pull, "pull", "starter")["fetched"]
    other = shutil.copyfile(own, tmp_path / "other.gguf")
    assert check(PullDryRun, "pull", "--dry-run", other)["fits"]
    assert check(Setup, "setup", "--dry-run", "--model", "starter")["steps"]
    assert check(SetupRemoval, "setup", "--dry-run", "--uninstall")["paths"]

    conversation = check(Chat, "chat", "--max-tokens", "4", "hello")["conversation_id"]
    assert conversation
    assert check(Chat, "chat", "--logprobs", "2", "--max-tokens", "2", "--no-log", "hi")["logprobs"]
    assert check(Chat, "chat", "-x", "--max-tokens", "2", "hi", code=8)["error"]
    prompts, answers = tmp_path / "prompts.jsonl", tmp_path / "answers.jsonl"
    prompts.write_text('{"prompt": "hello"}\n{"promt": "hello"}\n')
    options = ("--output", answers, "--max-tokens", "4")
    assert check(BatchSummary, "batch", prompts, *options, code=8)["failed"] == 1
    lines = [checked(BatchRecord, line) for line in answers.read_bytes().splitlines()]
    assert [line["error"] is None for line in lines] == [True, False]
    seen.add(BatchRecord)
    preset = ("preset", "new", "brief", "--from", "starter")
    assert run_localai(*preset).returncode == 0
    assert check(PresetList, "preset", "list")["presets"]
    assert check(PresetShow, "preset", "show", "brief")["content"]
    assert check(TemplateList, "template", "list")["templates"]
    assert check(TemplateShow, "template", "show", "commit")["content"]
    own_templates = templates.user_folder(home_with_starter)
    own_templates.mkdir()
    (own_templates / "mine.toml").write_text('prompt = "say hello"\n')
    assert check(TemplateRemoval, "template", "rm", "mine", "-y")["name"] == "mine"

    assert check(HistoryList, "history", "list")["conversations"]
    assert check(HistorySearch, "history", "search", "hello")["hits"]
    assert check(HistoryShow, "history", "show", conversation)["messages"]
    assert check(HistoryConversations, "history", "export", conversation)["conversations"]
    assert check(HistoryRename, "history", "rename", conversation, "called so")["title"]
    assert check(HistoryExport, "history", "export", "--all", "--output", tmp_path / "x.md")[
        "exported"
    ]
    assert check(HistoryDelete, "history", "prune", "--keep", "0", "--dry-run")["deleted"]
    assert check(HistoryDelete, "history", "rm", conversation, "--yes")["deleted"]

    listed = check(List, "list")
    assert [model["model"] for model in listed["models"]] == ["starter"]
    assert {each["provider"] for each in listed["silent"]} >= {"ollama"}
    assert check(Show, "show", "starter", "--ctx", "512")["memory"]["basis"] == "engine"
    dry = ("quantize", "starter", "--to", "q8_0", "--force", "--dry-run")
    assert check(Quantize, *dry)["size_bytes"]
    for copy in ("twin.gguf", "triplet.gguf"):
        shutil.copyfile(own, home_with_starter.models_dir / copy)
    assert check(ListDuplicates, "list", "--duplicates")["freed_bytes"]
    assert check(Dedupe, "dedupe", "-y")["freed_bytes"]
    assert check(Cp, "cp", "starter", "tiny")["path"]
    assert check(Rm, "rm", "tiny")["removed"]
    assert check(Ps, "ps")["workers"]
    tiny = ("--quick", "-p", "64", "-n", "9")
    assert check(Bench, "bench", *tiny)["results"]
    assert check(BenchList, "bench", "list")["runs"]
    written = tmp_path / "llama-bench.json"
    written.write_bytes(run_localai("bench", "export", "last").stdout)
    assert check(Bench, "bench", "import", written)["complete"]
    first = check(BenchList, "bench", "list")["runs"][1]["run"]
    assert check(BenchComparison, "bench", "compare", first, "last")["results"]
    limits = check(BenchMachine, "bench", "machine")["limits"]
    assert {"memory, read", "a model from its disk", "anchor"} <= {each["what"] for each in limits}
    assert check(BenchRm, "bench", "rm", "last")["removed_runs"]
    assert check(Privacy, "privacy")["findings"]
    assert check(Doctor, "doctor", "localai")["checks_run"]
    assert check(DoctorChecks, "doctor", "--list")["known_checks"]
    assert check(CostReport, "cost")["totals"]
    assert check(ConfigList, "config", "list")["settings"]
    dry = check(documents.chat.ChatDryRun, "chat", "--dry-run", "hi")
    assert dry["rendered_prompt"]
    check(ConfigGet, "config", "get", "model")
    url = "http://127.0.0.1:9/v1"
    assert run_localai("config", "set", "endpoint.work.url", url).returncode == 0
    assert check(ConfigEndpoint, "config", "get", "endpoint.work")["values"]
    assert run_localai("config", "unset", "endpoint.work").returncode == 0
    key = "models.starter.chat_template"
    assert run_localai("config", "set", key, tmp_path / "own.jinja").returncode == 0
    assert check(ConfigModel, "config", "get", "models.starter")["values"]
    assert run_localai("config", "unset", "models.starter").returncode == 0
    assert check(Stop, "stop", "--all")["stopped"]
    check(Failed, "stop", "nothing", code=3)
    for document, file in ELSEWHERE.items():
        assert f"{document.__name__}," in (TESTS / file).read_text()
    assert seen | set(ELSEWHERE) == set(all_documents())


@pytest.mark.parametrize(
    "words", [words for ways in with_json().values() for words in ways], ids=" ".join
)
def test_every_command_fails_with_the_promised_document(
    run_localai: RunLocalai, words: tuple[str, ...]
) -> None:
    # What is searched for may begin with a dash.
    nonsense = "--limit=none" if words == ("history", "search") else "--nonsense"
    result = run_localai(*words, "--json", nonsense)
    document = checked(Failed, result.stdout)
    assert document["schema"] == f"localai.{words[0]}/1"
    assert result.returncode == document["error"]["exit_code"] == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["chat", "--json", "-m", "./none.gguf", "hi"], 3),
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
