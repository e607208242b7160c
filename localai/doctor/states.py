"""One line about the state of each group, whether something is wrong or not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from localai.doctor.check import Group
from localai.doctor.facts.snapshot import Snapshot
from localai.units import bytes_text, counted


def state_of(group: Group, facts: Snapshot) -> str:
    """The state of the group in a line; "not known" if nothing could be seen."""
    return _STATES[group](facts) or "not known"


def _gpu(facts: Snapshot) -> str:
    if facts.machine is None:
        return ""
    engine = facts.engine
    seen = "" if engine is None or engine.devices is None else ", ".join(engine.devices)
    if not facts.machine.gpus:
        return "none; engines compute on the CPU"
    names = []
    for gpu in facts.machine.gpus:
        usable = ", ".join(gpu.usable_by.value or ())
        names.append(f"{gpu.name.value or 'unnamed'}{f' ({usable})' if usable else ''}")
    users = []
    if facts.ollama is not None and any(each.gpu_bytes for each in facts.ollama.running or ()):
        users.append("Ollama")
    if seen:
        users.append("the embedded engine")
    used = f", used by {' and '.join(users)}" if users else ""
    without = ", not used by the embedded engine" if engine is not None and not seen else ""
    return f"{'; '.join(names)}{used}{without}"


def _server(facts: Snapshot) -> str:
    ollama, lmstudio = facts.ollama, facts.lmstudio
    parts: list[str] = []
    if ollama is not None:
        if ollama.state == "answers":
            parts.append(f"Ollama {ollama.server_version} at {ollama.address}")
        else:
            parts.append(_NOT_ANSWERING.get(ollama.state or "", _absent(bool(ollama.programs))))
    if lmstudio is not None and lmstudio.state == "answers":
        parts.append(f"LM Studio at {lmstudio.address}")
    parts += [
        f"{server.name} {'answers' if server.state == 'answers' else 'does not answer'}"
        for server in facts.own_servers or ()
        if server.state not in (None, "elsewhere")
    ]
    return ", ".join(parts)


_NOT_ANSWERING: Final = {
    "something_else": "another program at Ollama's address",
    "silent": "Ollama does not answer",
    "stranger": "another user's server at Ollama's address",
    "elsewhere": "Ollama is set to be elsewhere, and was not asked",
    "no_address": "Ollama's address cannot be read",
}


def _absent(installed: bool) -> str:
    return "Ollama is not running" if installed else "no Ollama"


def _models(facts: Snapshot) -> str:
    if facts.models is None:
        return ""
    sizes = [model.size_bytes for model in facts.models if not model.same_file_as]
    sizes += [folder.size_bytes for folder in facts.model_folders or ()]
    size, count = sum(each or 0 for each in sizes), len(sizes)
    if not count:
        return "none yet: localai pull starter"
    return f"{counted(count, 'model')}, {bytes_text(size)}"


def _memory(facts: Snapshot) -> str:
    if facts.machine is None:
        return ""
    memory = facts.machine.memory
    total, free = memory.limit_bytes.value, memory.available_bytes.value
    if total is None or free is None:
        return ""
    power = " on battery" if facts.machine.power.on_battery.value else ""
    return f"{bytes_text(free)} free of {bytes_text(total)}{f',{power}' if power else ''}"


def _disk(facts: Snapshot) -> str:
    for place in facts.places or ():
        if place.purpose == "localai's models" and place.free_bytes is not None:
            kind = place.kind or ""
            if place.read_only:
                kind = f"{kind}, read-only" if kind else "read-only"
            kind = f" ({kind})" if kind else ""
            return f"{bytes_text(place.free_bytes)} free at {place.mount or place.path}{kind}"
    return ""


def _network(facts: Snapshot) -> str:
    if facts.trust is None:
        return ""
    proxy = f"proxy {facts.trust.proxy}" if facts.trust.proxy else "no proxy"
    asked = [each for each in facts.asked or () if not each.error]
    if facts.asked is not None:
        return f"{proxy}, {len(asked)} of {len(facts.asked)} registries answer"
    return f"{proxy}; nothing was asked of another machine (--online)"


def _privacy(facts: Snapshot) -> str:
    if facts.own is None or facts.own.settings is None:
        return ""
    settings = {each.key: each.value for each in facts.own.settings}
    allowed = settings.get("cloud.allow")
    return f"prompts may go to {allowed}" if allowed else "prompts stay on this machine"


def _security(facts: Snapshot) -> str:
    if facts.listeners is None:
        return ""
    opened = sum(bool(each.open) for each in facts.listeners)
    if not opened:
        return "no server of models is open to the network"
    return f"{opened} open to the network"


def _localai(facts: Snapshot) -> str:
    if facts.own is None:
        return ""
    engine = facts.engine
    version = "" if engine is None or not engine.version else f", engine {engine.version}"
    alive = sum(bool(worker.alive) for worker in facts.own.workers or ())
    workers = f", {alive} in memory" if alive else ""
    return f"{facts.own.version}{version}{workers}"


_STATES: Final[Mapping[Group, Callable[[Snapshot], str]]] = {
    "gpu": _gpu,
    "server": _server,
    "models": _models,
    "memory": _memory,
    "disk": _disk,
    "network": _network,
    "privacy": _privacy,
    "security": _security,
    "localai": _localai,
}
