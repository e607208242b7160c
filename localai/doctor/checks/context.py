"""The memory of conversations: the size of the context, and its cost and that of old prompts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import (
    llama_servers,
    machine_of,
    running_in_ollama,
    served_variables,
)
from localai.doctor.facts.servers import LlamaServer, RunningModel
from localai.doctor.facts.snapshot import Snapshot
from localai.units import bytes_text, counted, whole_number

_SMALL_CONTEXT = 4096
_PROMPT_CACHE_BYTES = 8 << 30


@check(
    code="ollama-layers-on-cpu",
    group="memory",
    severity="warn",
    title="a part of a model has left the GPU",
    when="the GPU holds only a part of a model in Ollama's memory (`size_vram` < `size`)",
    cause="weights and context together are larger than the GPU's memory; each layer on the CPU "
    "slows every token",
    fix=Fix(
        (), "user", hint="a smaller context (`num_ctx`), a smaller quantization, or fewer models"
    ),
    source="Ollama's docs, faq.md",
)
@for_each(running_in_ollama)
def ollama_layers_on_cpu(facts: Snapshot, model: RunningModel) -> Iterator[Hit]:
    """A part of the model is not on the GPU."""
    size = known(model.size_bytes, "ollama: a model's size")
    on_gpu = known(model.gpu_bytes, "ollama: a model's share of the GPU")
    if not 0 < on_gpu < size:
        return
    percent = 100 * on_gpu // size
    share = f"{bytes_text(on_gpu)} of {bytes_text(size)} on the GPU ({percent}%)"
    if model.context_tokens:
        share += f", {counted(model.context_tokens, 'token')} of context"
    yield Hit(
        f"model:{model.name}",
        (Evidence(str(model.name), share, "/api/ps"),),
        title=f"{100 - percent}% of {model.name} is not on the GPU",
        fix=Fix(
            (f"ollama stop {shlex.quote(str(model.name))}",),
            "user",
            hint="then a smaller context (`num_ctx`) or a smaller quantization",
        ),
    )


@check(
    code="ollama-small-context",
    group="memory",
    severity="info",
    title="a model in Ollama has a context of 4,096 tokens",
    when="`/api/ps` says so, and neither the shell nor the service has set it",
    cause=(
        "this is Ollama's default below 24 GB of graphics memory; /v1 cuts a longer prompt "
        "without a word, so that an agent forgets its task. localai asks for the context "
        "that it needs"
    ),
    fix=Fix(
        ("export OLLAMA_CONTEXT_LENGTH=32768",),
        "user",
        undo="unset OLLAMA_CONTEXT_LENGTH",
        hint="before `ollama serve`, or in its service: sudo systemctl edit ollama",
    ),
    source="ollama #3839, #14259, #17889",
    after=("ollama-value-misread", "ollama-variable-not-in-service"),
)
@for_each(running_in_ollama)
def ollama_small_context(facts: Snapshot, model: RunningModel) -> Iterator[Hit]:
    """The context is Ollama's small default, which agents and long prompts exceed."""
    tokens = known(model.context_tokens, "ollama: a model's context")
    small = [
        each
        for each in running_in_ollama(facts)
        if (each.context_tokens or tokens) <= _SMALL_CONTEXT
    ]
    if tokens <= _SMALL_CONTEXT and small[0] is model:
        yield Hit(
            "ollama",
            (Evidence(str(model.name), counted(tokens, "token"), "/api/ps"),),
            within=("variable:OLLAMA_CONTEXT_LENGTH",),
        )


@check(
    code="context-below-asked",
    group="memory",
    severity="warn",
    title="Ollama has allocated less context than was asked for",
    when=(
        "OLLAMA_CONTEXT_LENGTH in the server's environment is larger than the context in `/api/ps`"
    ),
    cause="the model was made for less, or it did not fit; longer prompts are cut without a word",
    fix=Fix(("ollama ps",), "user", hint="take a model with a longer context, or a smaller model"),
    source="ollama #17889",
)
@for_each(running_in_ollama)
def context_below_asked(facts: Snapshot, model: RunningModel) -> Iterator[Hit]:
    """The allocated context is smaller than the one that was asked for."""
    wanted = served_variables(facts).get("OLLAMA_CONTEXT_LENGTH", "")
    tokens = known(model.context_tokens, "ollama: a model's context")
    asked = whole_number(wanted) or 0
    if tokens < asked:
        yield Hit(
            f"model:{model.name}",
            (
                Evidence("asked", counted(asked, "token"), "OLLAMA_CONTEXT_LENGTH"),
                Evidence("allocated", counted(tokens, "token"), "/api/ps"),
            ),
        )


@check(
    code="prompt-cache-unbounded",
    group="memory",
    severity="info",
    title="a llama-server may keep 8 GB of prompts in memory",
    when="a llama-server runs without --cache-ram, and less than 8 GiB of memory is free",
    cause="since 2025 it keeps the state of earlier prompts in main memory, up to 8 GiB a server",
    fix=Fix((), "user", hint="start it with --cache-ram 2048 (MiB), or 0 for none"),
    source="llama.cpp #16391; ollama #18264",
)
@for_each(llama_servers)
def prompt_cache_unbounded(facts: Snapshot, server: LlamaServer) -> Iterator[Hit]:
    """It fires only if the cache could exceed the free memory."""
    free = known(machine_of(facts).memory.available_bytes.value, "machine: free memory")
    if free >= _PROMPT_CACHE_BYTES:
        return
    if not known(server.is_bounded, f"llama_servers: how {server.pid} was started"):
        yield Hit(
            f"process:{server.pid}",
            (
                Evidence("llama-server", f"process {server.pid}, no --cache-ram", "/proc"),
                Evidence("memory free", bytes_text(free), "the system"),
            ),
        )
