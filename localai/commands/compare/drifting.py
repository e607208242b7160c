"""`localai compare --drift`: the change that quantization makes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from localai.chat.request import build_request
from localai.chat.select import parse_ref
from localai.commands.parsed_ask_options import ParsedAskOptions
from localai.errors import InvalidInput
from localai.output.output import Output
from localai.types import Message, ResolvedModel
from localai.units import counted

if TYPE_CHECKING:
    from localai.compare.suite.case import Suite
    from localai.config import Config
    from localai.providers.pool import ProviderPool
    from localai.providers.provider import Provider
    from localai.providers.token_odds import TokenOdds
    from localai.types import ChatRequest

_TOKENS = 32
# Facts, code, a sum, another language, a list, a letter: quantization harms each differently.
_PROMPTS = {
    "facts": "Name the capital of France and the river that flows through it.",
    "code": "Write a Python function that returns the n-th Fibonacci number.",
    "sum": "A shirt costs 20 euros and is reduced by 15%. What does it cost now?",
    "german": "Erkläre in zwei Sätzen, warum der Himmel blau ist.",
    "list": "List the planets of the solar system in order of their distance from the sun.",
    "letter": "Write a short letter to a landlord about a broken heating.",
    "json": "Answer with JSON alone: the name and the birth year of Ada Lovelace.",
    "reason": "If all bloops are razzies and all razzies are lazzies, are all bloops lazzies?",
}


def drift(
    names: list[str],
    prompts: list[str],
    suite: Suite | None,
    parsed: ParsedAskOptions,
    providers: ProviderPool,
    output: Output,
) -> int:
    """Have the largest model write answers, lead the other models over them, and show how far they
    differ."""
    from localai.compare.drift import drift_of, follow, probe, write_scripts
    from localai.compare.names import short_names
    from localai.output.drift import print_drift

    config = parsed.config
    models = _models(names, config, providers)
    short = short_names(list(models))
    sizes = {name: model.size_bytes or 0 for name, (_, model) in models.items()}
    reference = max(sizes, key=sizes.__getitem__)
    cases = _cases(prompts, suite)
    tokens = parsed.settings.options.max_tokens or _TOKENS

    def requests(name: str) -> dict[str, ChatRequest]:
        return {
            case: build_request(parsed.settings, models[name][1], messages, config)
            for case, messages in cases.items()
        }

    scripts = []
    with _odds(models[reference][0], next(iter(requests(reference).values()))) as opened:
        expected = probe(opened)
        for script in write_scripts(opened, requests(reference), tokens):
            scripts.append(script)
            output.progress(
                f"{len(scripts)} of {counted(len(cases), 'prompt')} · {short[reference]} writes"
            )
    found = []
    for name in models:
        if name == reference:
            continue
        request = next(iter(requests(name).values()))
        with _odds(models[name][0], request) as opened:
            if probe(opened) != expected:
                raise InvalidInput(f"{name} has another vocabulary than {reference}")
            followed = {}
            for script in scripts:
                followed[script.case] = list(follow(opened, script))
                output.progress(
                    f"{len(followed)} of {counted(len(scripts), 'prompt')} · {short[name]} follows"
                )
        found.append(drift_of(name, scripts, followed))
    output.end_progress()
    if output.as_json:
        from localai.output.documents.compare import drift_document

        output.document(drift_document(reference, found))
        return 0
    print_drift(output, reference, found, short)
    return 0


def _models(
    names: list[str], config: Config, providers: ProviderPool
) -> dict[str, tuple[Provider, ResolvedModel]]:
    """The models that `-m` names, as files that the embedded engine opens, from whatever store.
    Raises InvalidInput and NotFound."""
    from localai.providers.registry import full_name, provider_that_opens

    if len(names) < 2:
        raise InvalidInput(
            "--drift takes a model twice at least, in two quantizations",
            hint="-m qwen3:8b-q4_K_M -m qwen3:8b-q8_0",
        )
    provider = providers.provider(provider_that_opens("gguf"), config)
    found = {}
    for text in names:
        model = provider.resolve(parse_ref(text, config).name)
        found[full_name(model.provider, model.id)] = (provider, model)
    if len(found) < len(names):
        raise InvalidInput("the same model was named twice", hint="name two quantizations of it")
    return found


def _odds(provider: Provider, request: ChatRequest) -> AbstractContextManager[TokenOdds]:
    """The model's log probabilities, computed by the embedded engine, which opened the file."""
    from localai.providers.token_odds import TellsOdds

    assert isinstance(provider, TellsOdds)
    return provider.odds(request)


def _cases(prompts: list[str], suite: Suite | None) -> dict[str, list[Message]]:
    if suite is not None:
        return {case.id: list(case.messages) for case in suite.cases}
    if prompts:
        return {"prompt": [Message("user", " ".join(prompts))]}
    return {name: [Message("user", text)] for name, text in _PROMPTS.items()}
