"""The table of commands, from which `--help`, the manual and the reference are made.

A command's module is imported only when that command runs.
"""

from __future__ import annotations

from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A command: where its code is, what it does, and a line to try."""

    name: str
    group: str
    summary: str
    example: str

    @property
    def module(self) -> str:
        """The module that holds its Typer app, as `app`."""
        return f"localai.commands.{self.name}"


COMMANDS: tuple[Row, ...] = (
    Row(
        "chat",
        "Talk",
        "ask a model: a session, one shot, or a pipe",
        'git diff | localai chat "review"',
    ),
    Row(
        "batch",
        "Talk",
        "answer a file of prompts, and go on after a break",
        "localai batch prompts.jsonl --output answers.jsonl",
    ),
    Row(
        "compare",
        "Talk",
        "the same prompt to several models: answers, speed, cost",
        'localai compare -m qwen3:8b -m gemma3:12b "Why is the sky blue?"',
    ),
    Row(
        "history",
        "Talk",
        "find, show, export and delete conversations",
        'localai history search "that regex"',
    ),
    Row(
        "template",
        "Talk",
        "questions to ask again: review, commit, translate, your own",
        "git diff --staged | localai chat -t commit",
    ),
    Row(
        "preset",
        "Models",
        "a model with lasting settings under a name of its own",
        'localai preset new reviewer --from qwen3:8b -s "You review code."',
    ),
    Row(
        "setup",
        "Models",
        "from nothing to a verified answer, in one command",
        "localai setup",
    ),
    Row(
        "pull",
        "Models",
        "fetch a model, verified, into this machine's library",
        "localai pull starter",
    ),
    Row("list", "Models", "every model that could answer, and where", "localai list"),
    Row("show", "Models", "a model's facts, memory and predicted speed", "localai show qwen3:8b"),
    Row("rm", "Models", "remove models", "localai rm qwen3:8b"),
    Row("cp", "Models", "a second name, no second gigabyte", "localai cp qwen3:8b mine"),
    Row("dedupe", "Models", "store equal files only once", "localai dedupe --dry-run"),
    Row(
        "quantize",
        "Models",
        "make a smaller model from a large one",
        "localai quantize ./model-f16.gguf --to q4_k_m",
    ),
    Row(
        "hardware",
        "Models",
        "this machine's memory, bandwidth and GPUs",
        "localai hardware",
    ),
    Row(
        "recommend",
        "Models",
        "the models that suit this machine, and their speed",
        "localai recommend --task code",
    ),
    Row(
        "bench",
        "Measure",
        "how fast models answer here, with intervals",
        "localai bench --quick",
    ),
    Row("ps", "Engine", "the models in memory", "localai ps"),
    Row("stop", "Engine", "unload a model", "localai stop --all"),
    Row(
        "doctor",
        "Trust",
        "what is wrong, why, and the line that mends it",
        "localai doctor",
    ),
    Row("privacy", "Trust", "what may leave this machine, and what did", "localai privacy"),
    Row("cost", "Trust", "what the calls so far used and cost", "localai cost --by model"),
    Row("config", "Settings", "show and change settings", "localai config set model qwen3:8b"),
    Row("completion", "Settings", "the shell's completion script", "localai completion bash"),
)
