"""The machine-readable promise: the shape of every document that `--json` prints.

`docs/reference/json.md` is generated from these types, and a test holds every command's real
output against them. Unknown is null, never zero and never left out. A field may be added within a
version; none is renamed, removed or given another meaning without raising it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from typing_extensions import TypedDict  # pydantic takes typing's from 3.12 on only

ZoneName = Literal["device", "lan", "cloud"]


class UsageDocument(TypedDict):
    """Tokens, as the provider counts them."""

    input_tokens: Annotated[int | None, "prompt tokens, the cached ones included"]
    output_tokens: Annotated[int | None, "answer tokens, reasoning included"]
    cached_tokens: Annotated[int | None, "prompt tokens that were not computed again"]
    reasoning_tokens: Annotated[int | None, "tokens of thinking"]
    cache_write_tokens: Annotated[int | None, "prompt tokens that a cloud charged for caching"]


class TimingsDocument(TypedDict):
    """Where the time went."""

    load_s: Annotated[float | None, "loading the model, seconds"]
    time_to_first_token_s: Annotated[float | None, "from the request to the first token, our clock"]
    prefill_tokens_per_s: Annotated[float | None, "computed prompt tokens a second"]
    decode_tokens_per_s: Annotated[float | None, "answer tokens a second"]
    total_s: Annotated[float | None, "from the request to the end, our clock"]
    clock: Annotated[Literal["server", "client"] | None, "who timed load, prefill and decode"]


class ProcessDocument(TypedDict):
    """A process on this machine."""

    pid: Annotated[int | None, "its number"]
    name: Annotated[str, "what it is, with its version"]


class LocalityDocument(TypedDict):
    """Where an answer was computed, and what that claim rests on."""

    process: Annotated[ProcessDocument | None, "the process that computed it"]
    machine: Annotated[str | None, "the machine's name"]
    zone: Annotated[ZoneName | None, "null is unproven"]
    evidence: Annotated[str, "what the claim rests on, in a sentence"]
    network_denied: Annotated[bool | None, "whether the kernel keeps the process off the network"]


class CostDocument(TypedDict):
    """What it cost."""

    amount: Annotated[float | None, "0 only where it truly is"]
    currency: Annotated[str, "USD"]
    basis: Annotated[str | None, "what the amount rests on, with the price list's date"]


class ErrorDocument(TypedDict):
    """What went wrong."""

    kind: Annotated[str, "the kind, see the table of exit codes"]
    message: Annotated[str, "what happened, to which thing"]
    hint: Annotated[str | None, "what to do; often a line to paste"]
    exit_code: Annotated[int, "the same as the command's"]


class Failed(TypedDict):
    """Any command that failed prints this on stdout, with the same exit code as without --json."""

    schema: Annotated[str, "localai.<command>/1"]
    error: Annotated[ErrorDocument, "what went wrong"]


class AlternativeDocument(TypedDict):
    """What a token might have been."""

    token: Annotated[str, "its text"]
    logprob: Annotated[float, "the natural logarithm of its probability"]


class TokenDocument(AlternativeDocument):
    """A token of the answer."""

    alternatives: Annotated[list[AlternativeDocument], "the likeliest, likeliest first"]


class Chat(TypedDict):
    """`localai chat --json`"""

    schema: Annotated[Literal["localai.chat/1"], "the promise that the rest keeps"]
    model: Annotated[str, "who answered"]
    provider: Annotated[str, "through which provider"]
    zone: Annotated[ZoneName | None, "where it was computed; null is unproven"]
    text: Annotated[str, "the answer"]
    reasoning: Annotated[str | None, "the thinking, kept apart"]
    finish_reason: Annotated[
        Literal["stop", "length", "context", "refusal", "tool_calls", "cancelled"],
        "why it ended: by itself, at the token limit, at a full context, …",
    ]
    usage: Annotated[UsageDocument, "token counts"]
    timings: Annotated[TimingsDocument, "speed"]
    locality: Annotated[LocalityDocument, "where, and the evidence"]
    cost: Annotated[CostDocument, "what it cost"]
    context_tokens: Annotated[int | None, "the context that was really allocated"]
    conversation: Annotated[str | None, "under which id it is kept; null with --no-log"]
    extracted: Annotated[str | None, "the first code block, with --extract"]
    logprobs: Annotated[list[TokenDocument] | None, "every token's odds, with --logprobs"]
    error: Annotated[ErrorDocument | None, "what is wrong with the answer: its schema, no code"]


class VariableDocument(TypedDict):
    """A variable of a template."""

    name: Annotated[str, "as `-p` takes it"]
    default: Annotated[str | None, "its value where none is given; null: it must be given"]


class TemplateDocument(TypedDict):
    """A template."""

    name: Annotated[str, "as `-t` takes it"]
    description: Annotated[str, "what it is for"]
    file: Annotated[str, "where it is"]
    bundled: Annotated[bool, "whether it came with localai"]
    model: Annotated[str | None, "the model that it names"]
    wants_input: Annotated[bool, "whether it needs a text to work on"]
    variables: Annotated[list[VariableDocument], "what can be changed in it"]


class TemplateList(TypedDict):
    """`localai template list --json`"""

    schema: Annotated[Literal["localai.template/1"], "the promise that the rest keeps"]
    templates: Annotated[list[TemplateDocument], "every template, by name"]


class TemplateShow(TemplateDocument):
    """`localai template show NAME --json`"""

    schema: Annotated[Literal["localai.template/1"], "the promise that the rest keeps"]
    content: Annotated[str, "its file's text"]


class PlaceDocument(TypedDict):
    """Where a model lies on this machine."""

    store: Annotated[
        Literal["localai", "ollama", "lmstudio", "huggingface"], "whose store: ours, or whose"
    ]
    name: Annotated[str, "what it is called there"]
    path: Annotated[str, "its file or folder"]


class ModelDocument(TypedDict):
    """A model that could answer; a file that is in several stores comes once."""

    model: Annotated[str, "its name, as `-m` takes it"]
    provider: Annotated[str, "who serves it"]
    zone: Annotated[ZoneName | None, "where it would be computed; null is unproven"]
    evidence: Annotated[str, "what the zone rests on"]
    path: Annotated[str | None, "its file or folder on this machine"]
    size_bytes: Annotated[int | None, "size on disk"]
    quantization: Annotated[str | None, "such as Q4_K_M"]
    parameters: Annotated[str | None, "such as 8B"]
    context_tokens: Annotated[int | None, "the largest context it was made for"]
    capabilities: Annotated[list[str] | None, "completion, tools, vision, thinking, …"]
    loaded: Annotated[bool | None, "whether it is in memory now"]
    digest: Annotated[str | None, "sha256:… of its file, where that is known"]
    engines: Annotated[list[str], "the providers that run it as it is"]
    loaded_by: Annotated[list[str], "those of them that have it in memory"]
    places: Annotated[list[PlaceDocument], "where it lies; empty for what only a server has"]


class SilentProvider(TypedDict):
    """A provider that does not answer."""

    provider: Annotated[str, "which"]
    problem: Annotated[str, "why"]


class List(TypedDict):
    """`localai list --json`"""

    schema: Annotated[Literal["localai.list/1"], "the promise that the rest keeps"]
    models: Annotated[list[ModelDocument], "all on this machine, and of servers that answer"]
    silent: Annotated[list[SilentProvider], "the providers that do not"]


class WorkerDocument(TypedDict):
    """A worker of the embedded engine."""

    model: Annotated[str, "the file's name"]
    path: Annotated[str, "the file"]
    engine: Annotated[str, "engine and version"]
    pid: Annotated[int, "its process"]
    memory_bytes: Annotated[int | None, "resident memory"]
    context_tokens: Annotated[int, "allocated context, shared by the slots"]
    slots: Annotated[int, "requests it computes at a time"]
    started_at: Annotated[float, "seconds since the epoch"]
    idle_s: Annotated[float, "seconds since it was last used"]
    unloads_in_s: Annotated[float | None, "seconds until it leaves if unused; null: never"]
    network_denied: Annotated[bool, "whether the kernel keeps it off the network"]
    denial: Annotated[str, "how, and how that was tried"]


class Ps(TypedDict):
    """`localai ps --json`"""

    schema: Annotated[Literal["localai.ps/1"], "the promise that the rest keeps"]
    workers: Annotated[list[WorkerDocument], "the workers that live"]


class Stop(TypedDict):
    """`localai stop --json`"""

    schema: Annotated[Literal["localai.stop/1"], "the promise that the rest keeps"]
    stopped: Annotated[list[str], "the models that were unloaded"]


class FindingDocument(TypedDict):
    """Something that could talk to another machine."""

    what: Annotated[str, "what it is"]
    state: Annotated[Literal["held", "open", "unknown"], "held: something keeps it from it"]
    detail: Annotated[str, "the evidence"]


class EgressDocument(TypedDict):
    """A connection that was permitted to leave the machine."""

    at: Annotated[float, "seconds since the epoch"]
    command: Annotated[str, "which command made it"]
    purpose: Annotated[Literal["inference", "download", "probe"], "why"]
    host: Annotated[str, "to whom"]
    address: Annotated[str, "at which address"]
    port: Annotated[int, "and port"]


class Privacy(TypedDict):
    """`localai privacy --json`"""

    schema: Annotated[Literal["localai.privacy/1"], "the promise that the rest keeps"]
    policy: Annotated[dict[str, str], "the rules in force, in words"]
    findings: Annotated[list[FindingDocument], "what on this machine could talk"]
    egress: Annotated[list[EgressDocument], "what left; never what was said"]


class ConversationDocument(TypedDict):
    """A conversation. Times are seconds since the epoch."""

    id: Annotated[str, "how it is named"]
    title: Annotated[str | None, "what it is called"]
    created_at: Annotated[float, "when it began"]
    updated_at: Annotated[float, "when it was last written to"]
    message_count: Annotated[int, "questions and answers, in all branches"]
    provider: Annotated[str | None, "of the newest answer"]
    model: Annotated[str | None, "of the newest answer"]
    zone: Annotated[ZoneName | None, "the widest of its answers; null: unproven, or no answer"]


class MessageDocument(TypedDict):
    """A message in its place in the tree."""

    id: Annotated[int, "its number"]
    parent: Annotated[int | None, "the message before it; null is the first"]
    role: Annotated[Literal["system", "user", "assistant"], "who said it"]
    text: Annotated[str, "what was said"]
    reasoning: Annotated[str | None, "the thinking, kept apart"]
    created_at: Annotated[float, "when, seconds since the epoch"]
    provider: Annotated[str | None, "of an answer: through which provider"]
    model: Annotated[str | None, "of an answer: who gave it"]
    zone: Annotated[ZoneName | None, "of an answer: where; null is unproven"]
    finish_reason: Annotated[str | None, "why it ended; null is an answer that was cut off"]


class WholeConversationDocument(ConversationDocument):
    """A conversation with its messages."""

    leaf: Annotated[int | None, "the message under which it goes on; null: before the first"]
    messages: Annotated[list[MessageDocument], "parents before children"]


class HitDocument(TypedDict):
    """A message that was found."""

    conversation: Annotated[str, "the id of the conversation it is in"]
    title: Annotated[str | None, "what that is called"]
    message: Annotated[int, "its number"]
    role: Annotated[Literal["user", "assistant"], "who said it"]
    created_at: Annotated[float, "when, seconds since the epoch"]
    provider: Annotated[str | None, "of an answer: through which provider"]
    model: Annotated[str | None, "of an answer: who gave it"]
    zone: Annotated[ZoneName | None, "of an answer: where; null is unproven"]
    text: Annotated[str, "the part of it around what was found"]
    highlights: Annotated[list[list[int]], "in text: where each found word begins and ends"]


class HistoryList(TypedDict):
    """`localai history list --json`"""

    schema: Annotated[Literal["localai.history/1"], "the promise that the rest keeps"]
    conversations: Annotated[list[ConversationDocument], "the newest first"]


class HistorySearch(TypedDict):
    """`localai history search WORDS --json`"""

    schema: Annotated[Literal["localai.history/1"], "the promise that the rest keeps"]
    query: Annotated[str, "what was searched for"]
    hits: Annotated[list[HitDocument], "the newest first"]


class HistoryShow(TypedDict):
    """`localai history show ID --json`"""

    schema: Annotated[Literal["localai.history/1"], "the promise that the rest keeps"]
    conversation: Annotated[WholeConversationDocument, "with the messages of the branch, or all"]


class HistoryConversations(TypedDict):
    """`localai history export --json`, and what `--format json` writes"""

    schema: Annotated[Literal["localai.history/1"], "the promise that the rest keeps"]
    conversations: Annotated[list[WholeConversationDocument], "each with every branch"]


class HistoryLine(WholeConversationDocument):
    """`localai history export --format jsonl`, a line"""

    schema: Annotated[Literal["localai.history/1"], "the promise that the rest keeps"]


class HistoryExport(TypedDict):
    """`localai history export -o FILE --json`"""

    schema: Annotated[Literal["localai.history/1"], "the promise that the rest keeps"]
    file: Annotated[str, "the file that was made"]
    format: Annotated[Literal["markdown", "json", "jsonl"], "what is in it"]
    exported: Annotated[list[str], "the ids"]


class HistoryDelete(TypedDict):
    """`localai history delete --json`, `localai history prune --json`"""

    schema: Annotated[Literal["localai.history/1"], "the promise that the rest keeps"]
    deleted: Annotated[list[str], "the ids; with --dry-run what would be"]
    dry_run: Annotated[bool, "whether all of them are still there"]
    kv_state_bytes: Annotated[int, "what their KV states took on the disk"]


class TotalDocument(TypedDict):
    """A sum of calls."""

    key: Annotated[str, "the model, day or provider"]
    calls: Annotated[int, "how many"]
    unpriced: Annotated[int, "how many of them have no known price"]
    usage: Annotated[dict[str, int | None], "token sums; null where none was counted"]
    cost: Annotated[CostDocument, "the sum of what is known"]


class CostReport(TypedDict):
    """`localai cost --json`"""

    schema: Annotated[Literal["localai.cost/1"], "the promise that the rest keeps"]
    since: Annotated[float, "seconds since the epoch"]
    by: Annotated[str, "model, day or provider"]
    totals: Annotated[list[TotalDocument], "a sum each"]
    overall: Annotated[TotalDocument, "all together"]


class Pull(TypedDict):
    """`localai pull --json`"""

    schema: Annotated[Literal["localai.pull/1"], "the promise that the rest keeps"]
    model: Annotated[str, "its name, as `localai chat -m` takes it"]
    path: Annotated[str, "its file or folder on this machine"]
    size_bytes: Annotated[int, "size on disk, of all its files"]
    sha256: Annotated[str | None, "of the model's file; null for a folder and an adopted file"]
    fetched: Annotated[bool, "false if it was here already"]


class MemoryDocument(TypedDict):
    """What a model takes in memory."""

    weights_bytes: Annotated[int, "the weights"]
    context_bytes: Annotated[int, "keys and values of the context"]
    compute_bytes: Annotated[int, "buffers"]
    total_bytes: Annotated[int, "all of it"]
    context_tokens: Annotated[int, "at this context"]
    basis: Annotated[Literal["engine", "formula"], "who says so"]


class SpeedDocument(TypedDict):
    """A predicted speed of decoding, tokens a second."""

    low_tokens_per_s: Annotated[float | None, "the lower end; null where nothing can be said"]
    expected_tokens_per_s: Annotated[float | None, "the likeliest"]
    high_tokens_per_s: Annotated[float | None, "the upper end"]
    basis: Annotated[str, "what it rests on, or why it is unknown"]
    confidence: Annotated[
        Literal["measured", "reported", "inferred", "assumed"] | None,
        "measured: by answers on this machine; inferred: from a known bandwidth; else assumed",
    ]


class PullDryRun(TypedDict):
    """`localai pull --dry-run --json`"""

    schema: Annotated[Literal["localai.pull/1"], "the promise that the rest keeps"]
    model: Annotated[str, "its name, as `localai chat -m` will take it"]
    source: Annotated[str, "who has it"]
    store: Annotated[str, "the folder it would go into"]
    size_bytes: Annotated[int, "size of all its files"]
    download_bytes: Annotated[int, "what is still to be fetched"]
    disk_free_bytes: Annotated[int | None, "room in that folder"]
    architecture: Annotated[str | None, "such as llama"]
    parameters: Annotated[str | None, "such as 8B"]
    quantization: Annotated[str | None, "such as Q4_K_M"]
    context_tokens: Annotated[int | None, "the largest context it was made for"]
    license: Annotated[str | None, "as its file says"]
    memory: Annotated[list[MemoryDocument], "at the usual context, and at a large one"]
    memory_bytes: Annotated[int | None, "what this machine has"]
    available_bytes: Annotated[int | None, "what is free of that now"]
    speed: Annotated[SpeedDocument | None, "predicted, with 1,024 tokens in the context"]
    fits: Annotated[bool, "whether nothing speaks against it"]
    problems: Annotated[list[str], "what does"]
    remarks: Annotated[list[str], "what should be known"]


class MemoryTableDocument(MemoryDocument):
    """What a model takes with keys and values of one type."""

    kv_type: Annotated[str, "how keys and values are kept: f16, q8_0"]


class FileDocument(TypedDict):
    """A file of a model."""

    path: Annotated[str, "where it is"]
    size_bytes: Annotated[int, "its size"]


class Show(TypedDict):
    """`localai show --json`"""

    schema: Annotated[Literal["localai.show/1"], "the promise that the rest keeps"]
    model: Annotated[str, "its name, as `-m` takes it"]
    provider: Annotated[str, "who runs it"]
    zone: Annotated[ZoneName | None, "where it would be computed; null is unproven"]
    path: Annotated[str | None, "its file or folder; null for what only a server has"]
    title: Annotated[str | None, "the name its makers gave it"]
    architecture: Annotated[str | None, "such as llama"]
    parameters: Annotated[str | None, "such as 8B"]
    parameter_count: Annotated[int | None, "all of them, also of a mixture of experts"]
    quantization: Annotated[str | None, "such as Q4_K_M"]
    context_tokens: Annotated[int | None, "the largest context it was made for"]
    layers: Annotated[int | None, "blocks"]
    embedding_length: Annotated[int | None, "width of a token's vector"]
    vocabulary: Annotated[int | None, "tokens of the tokenizer"]
    experts: Annotated[int | None, "of a mixture; null for a dense model"]
    experts_used: Annotated[int | None, "of them, for each token"]
    tokenizer: Annotated[str | None, "its kind"]
    template: Annotated[str | None, "the chat template, Jinja; null for a base model"]
    system_prompt: Annotated[str | None, "what its publisher advises"]
    license: Annotated[str | None, "as its files say"]
    capabilities: Annotated[list[str] | None, "completion, tools, vision, thinking, …"]
    size_bytes: Annotated[int | None, "of all its files"]
    digest: Annotated[str | None, "sha256:… where its store states it"]
    files: Annotated[list[FileDocument], "all that belong to it"]
    places: Annotated[list[PlaceDocument], "where it lies, under which names"]
    memory: Annotated[MemoryDocument | None, "with --ctx: what it takes there, KV as f16"]
    memory_table: Annotated[list[MemoryTableDocument], "at each context, with each type of KV"]
    speed: Annotated[SpeedDocument, "predicted"]


class RemovalDocument(TypedDict):
    """A model that was removed, or would be."""

    model: Annotated[str, "its name"]
    store: Annotated[str, "from which store"]
    files: Annotated[list[str], "what went"]
    freed_bytes: Annotated[int, "of the disk; what other links hold is not freed"]
    kept: Annotated[str | None, "the user's own file behind an adopted model, which stays"]


class Rm(TypedDict):
    """`localai rm --json`"""

    schema: Annotated[Literal["localai.rm/1"], "the promise that the rest keeps"]
    dry_run: Annotated[bool, "whether nothing was done"]
    removed: Annotated[list[RemovalDocument], "in the order they were named"]


class Cp(TypedDict):
    """`localai cp --json`"""

    schema: Annotated[Literal["localai.cp/1"], "the promise that the rest keeps"]
    source: Annotated[str, "the model"]
    model: Annotated[str, "its second name"]
    store: Annotated[str, "in which store that is"]
    path: Annotated[str, "its file or folder there"]
    how: Annotated[
        Literal["manifest", "hard link", "link"], "what shares the bytes: nothing was copied"
    ]


class CopyDocument(TypedDict):
    """A file of a model in a store."""

    store: Annotated[str, "whose store"]
    names: Annotated[list[str], "the models that it belongs to"]
    path: Annotated[str, "where it is"]


class RefusedCopyDocument(CopyDocument):
    """A file that is not linked."""

    reason: Annotated[str, "why"]


class DuplicateDocument(TypedDict):
    """The same bytes in several files."""

    digest: Annotated[str, "sha256:… of each"]
    size_bytes: Annotated[int, "of each"]
    kept: Annotated[CopyDocument, "the one that the others are linked to"]
    linked: Annotated[list[CopyDocument], "those that are linked, or would be"]
    refused: Annotated[list[RefusedCopyDocument], "those that are not"]
    freed_bytes: Annotated[int, "of the disk"]


class Dedupe(TypedDict):
    """`localai dedupe --json`"""

    schema: Annotated[Literal["localai.dedupe/1"], "the promise that the rest keeps"]
    dry_run: Annotated[bool, "whether nothing was done"]
    duplicates: Annotated[list[DuplicateDocument], "the largest first"]
    freed_bytes: Annotated[int, "of the disk, all together"]


class ListDuplicates(TypedDict):
    """`localai list --duplicates --json`"""

    schema: Annotated[Literal["localai.list/1"], "the promise that the rest keeps"]
    duplicates: Annotated[list[DuplicateDocument], "the largest first"]
    freed_bytes: Annotated[int, "what `localai dedupe` would free"]


class Quantize(TypedDict):
    """`localai quantize --json`"""

    schema: Annotated[Literal["localai.quantize/1"], "the promise that the rest keeps"]
    model: Annotated[str, "its name, as `localai chat -m` takes it"]
    source: Annotated[str, "what it was made of"]
    path: Annotated[str, "its file or folder"]
    quantization: Annotated[str, "its type"]
    by: Annotated[Literal["gguf", "ollama", "mlx-lm"], "the program that makes it"]
    dry_run: Annotated[bool, "whether nothing was done"]
    source_bytes: Annotated[int, "size of the source"]
    size_bytes: Annotated[int, "size of the result; an estimate if nothing was done"]
    source_memory: Annotated[MemoryDocument | None, "what the source takes at 4,096 tokens"]
    memory: Annotated[MemoryDocument | None, "what the result takes; null if nothing was done"]
    answer: Annotated[str | None, "what it answered when it was tried"]


class VariantDocument(TypedDict):
    """A quantization that there is."""

    model: Annotated[str, "its name, as `localai pull` takes it"]
    quantization: Annotated[str, "such as Q4_K_M; of a registry the tag"]
    size_bytes: Annotated[int | None, "null where the registry does not say"]
    files: Annotated[int, "how many files it is in"]


class SetupStepDocument(TypedDict):
    """One thing to do, or done already."""

    step: Annotated[Literal["engine", "model", "config", "answer"], "which one"]
    what: Annotated[str, "what it is about"]
    why: Annotated[str, "why, in a sentence"]
    done: Annotated[bool, "whether it was so before"]
    source: Annotated[str | None, "who has it"]
    size_bytes: Annotated[int | None, "what is to be fetched"]
    seconds: Annotated[float | None, "about how long that takes at 100 Mbit/s"]


class Setup(TypedDict):
    """`localai setup --json`"""

    schema: Annotated[Literal["localai.setup/1"], "the promise that the rest keeps"]
    dry_run: Annotated[bool, "whether nothing was done"]
    provider: Annotated[Literal["ollama", "llamacpp", "mlx"], "who answers"]
    model: Annotated[str, "its name, as `localai chat -m` takes it"]
    steps: Annotated[list[SetupStepDocument], "the plan"]
    notes: Annotated[list[str], "what should be known"]
    answer: Annotated[str | None, "what the model said to the question of the proof"]
    right: Annotated[bool | None, "whether that is right"]
    timings: Annotated[TimingsDocument | None, "of the answer"]
    total_s: Annotated[float, "seconds, all of it"]
    error: Annotated[ErrorDocument | None, "set if the answer was wrong"]


class SetupBundle(TypedDict):
    """`localai setup --bundle --json`"""

    schema: Annotated[Literal["localai.setup/1"], "the promise that the rest keeps"]
    folder: Annotated[str, "what was made"]
    platform: Annotated[str, "for which machines, such as linux-x86_64"]
    python: Annotated[str, "for which Python, such as 3.11"]
    model: Annotated[str, "the model's file in it"]
    size_bytes: Annotated[int, "all of it"]


class LeftDocument(TypedDict):
    """What a removal leaves, because it is not localai's."""

    what: Annotated[str, "whose it is"]
    path: Annotated[str, "where"]
    size_bytes: Annotated[int, "how large"]


class SetupRemoval(TypedDict):
    """`localai setup --uninstall --json`"""

    schema: Annotated[Literal["localai.setup/1"], "the promise that the rest keeps"]
    dry_run: Annotated[bool, "whether nothing was removed"]
    removed: Annotated[list[str], "files and folders"]
    size_bytes: Annotated[int, "of all of them"]
    left: Annotated[list[LeftDocument], "what stays"]


class PullVariants(TypedDict):
    """`localai pull --all-quants --json`"""

    schema: Annotated[Literal["localai.pull/1"], "the promise that the rest keeps"]
    model: Annotated[str, "what was asked about"]
    variants: Annotated[list[VariantDocument], "the smallest first"]


class FactDocument(TypedDict):
    """A fact about a machine."""

    value: Annotated[Any, "null is unknown; sizes in bytes, bandwidth in bytes per second"]
    source: Annotated[str, "where it comes from; of an unknown one, why"]
    confidence: Annotated[
        Literal["measured", "reported", "inferred", "assumed"] | None,
        "measured by us, reported by the system or the maker, inferred by a rule, assumed as usual",
    ]


class MachineDocument(TypedDict):
    """A machine; `--profile` reads it back."""

    host: Annotated[dict[str, FactDocument], "operating system, container, virtual machine, …"]
    cpu: Annotated[dict[str, FactDocument], "model, cores by kind, instruction sets"]
    memory: Annotated[dict[str, FactDocument], "total, available, and what limits it"]
    gpus: Annotated[list[dict[str, FactDocument]], "graphics processors, and what can use them"]
    power: Annotated[dict[str, FactDocument], "battery, low power mode, governor"]
    disk: Annotated[dict[str, FactDocument], "at the models folder"]
    memory_bandwidth: Annotated[FactDocument, "of main memory, read by the CPU"]
    problems: Annotated[list[str], "what should work and does not"]


class Hardware(TypedDict):
    """`localai hardware --json`"""

    schema: Annotated[Literal["localai.hardware/1"], "the promise that the rest keeps"]
    profile: Annotated[str | None, "the `--profile` that stands in; null is this machine"]
    machine: Annotated[MachineDocument, "all that is known of it"]


class CitationDocument(TypedDict):
    """Where a fact of the catalogue was read."""

    fact: Annotated[str, "which"]
    what: Annotated[str, "what there is to read"]
    url: Annotated[str, "where"]
    date: Annotated[str, "the date of what was read"]


class RecommendationDocument(TypedDict):
    """A model, held against a machine."""

    model: Annotated[str, "its name, as `localai pull` takes it"]
    base_model: Annotated[str, "the same in its usual quantization"]
    quantization: Annotated[str, "such as Q4_K_M"]
    size_bytes: Annotated[int, "size on disk"]
    size_computed: Annotated[bool, "whether that is parameters times bits, not a published size"]
    parameters: Annotated[int, "all of them"]
    active_parameters: Annotated[int, "those that a token reads"]
    license: Annotated[str, "its SPDX identifier, or a name"]
    tasks: Annotated[list[str], "what it is for, the first before all"]
    capabilities: Annotated[list[str], "completion, tools, vision, thinking, embedding"]
    installed: Annotated[bool, "whether it is on this machine"]
    fits: Annotated[bool, "whether the machine's memory holds it"]
    comfortable: Annotated[bool, "whether it is fast enough for the task"]
    in_gpu: Annotated[bool, "whether a GPU's memory holds all of it"]
    memory: Annotated[MemoryDocument, "with up to 8,192 tokens of context"]
    headroom_bytes: Annotated[int, "memory left beside the smallest context; negative: missing"]
    context_tokens: Annotated[int | None, "the longest context that fits"]
    model_context_tokens: Annotated[int, "the largest context it was made for"]
    speed: Annotated[SpeedDocument, "predicted, with 1,024 tokens in the context"]
    why: Annotated[str, "a sentence"]
    sources: Annotated[list[CitationDocument], "where each fact was read"]


class Recommend(TypedDict):
    """`localai recommend --json`"""

    schema: Annotated[Literal["localai.recommend/1"], "the promise that the rest keeps"]
    task: Annotated[str, "chat, code, reasoning, vision, extract or embed"]
    profile: Annotated[str | None, "the `--profile` that stands in; null is this machine"]
    models: Annotated[list[RecommendationDocument], "the best first, those too large last"]


class SettingDocument(TypedDict):
    """A setting."""

    key: Annotated[str, "its name"]
    value: Annotated[Any, "its value in force"]
    default: Annotated[Any, "its default"]
    origin: Annotated[Literal["default", "file", "environment", "flag"], "where the value is from"]
    where: Annotated[str | None, "file and line, or the variable"]
    type: Annotated[str, "what it takes"]
    meaning: Annotated[str, "what it is for"]


class ConfigList(TypedDict):
    """`localai config list --json`"""

    schema: Annotated[Literal["localai.config/1"], "the promise that the rest keeps"]
    file: Annotated[str, "the configuration file"]
    settings: Annotated[list[SettingDocument], "every setting"]


class ConfigGet(SettingDocument):
    """`localai config get KEY --json`"""

    schema: Annotated[Literal["localai.config/1"], "the promise that the rest keeps"]


DOCUMENTS: tuple[type, ...] = (
    Failed,
    Chat,
    List,
    Pull,
    PullDryRun,
    PullVariants,
    Setup,
    SetupBundle,
    SetupRemoval,
    Show,
    ListDuplicates,
    Dedupe,
    Quantize,
    Rm,
    Cp,
    Hardware,
    Recommend,
    Ps,
    Stop,
    Privacy,
    CostReport,
    HistoryList,
    HistorySearch,
    HistoryShow,
    HistoryConversations,
    HistoryLine,
    HistoryExport,
    HistoryDelete,
    ConfigList,
    ConfigGet,
)
"""Every document, as the reference lists them."""
