"""What Ollama sends to its makers: prompts for their cloud, and questions of its own."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import answering, is_mac, served_by_ollama
from localai.doctor.facts.servers import ServedModel
from localai.doctor.facts.snapshot import Snapshot

_LINE = "OLLAMA_NO_CLOUD=1"
_FOLDER = "/etc/systemd/system/ollama.service.d"


@check(
    code="cloud-alias",
    group="privacy",
    severity="warn",
    title="a model that looks local is computed in a cloud",
    when="Ollama lists a model with a remote host, and its name does not say so",
    cause=(
        "an alias of a cloud model is served from 127.0.0.1 like any other model, and "
        "other programs send prompts there unknowingly. localai shows its zone as cloud "
        "and asks for permission"
    ),
    fix=Fix(("ollama rm MODEL",), "user"),
    source="Ollama's docs, cloud.md",
)
@for_each(served_by_ollama)
def cloud_alias(facts: Snapshot, model: ServedModel) -> Iterator[Hit]:
    """A model with a remote host whose name does not have -cloud."""
    remote = known(model.remote, f"ollama: where {model.name} is computed")
    if remote and "cloud" not in (model.name or "").partition(":")[2]:
        yield Hit(
            f"model:{model.name}",
            (Evidence("computed at", remote, "/api/tags"),),
            title=f"the model {model.name} looks local and is computed in a cloud",
            fix=Fix((f"ollama rm {shlex.quote(str(model.name))}",), "user"),
        )


@check(
    code="ollama-asks-its-makers",
    group="privacy",
    severity="info",
    title="Ollama asks its makers for news at each start",
    when="its server answers, and says that its cloud is on",
    cause=(
        "since it has a cloud, the daemon itself fetches recommended models and what the cloud "
        "has (0.33, at its start); localai has no part in it"
    ),
    fix=Fix((f"{_LINE} ollama serve",), "user", hint="end it first; its cloud is off then, too"),
    source="Ollama 0.33, server/routes.go",
)
def ollama_asks_its_makers(facts: Snapshot) -> Iterator[Hit]:
    """The server's own word (`/api/status`)."""
    ollama = answering(facts)
    if ollama is not None and known(ollama.cloud_enabled, "ollama: whether its cloud is on"):
        yield Hit("ollama", (Evidence("its cloud", "on", "/api/status"),), fix=_off(facts))


def _off(facts: Snapshot) -> Fix | None:
    """The lines for a service, and for the app of macOS; None is the check's own."""
    if facts.service is not None and facts.service.exists:
        text = f'[Service]\\nEnvironment="{_LINE}"\\n'
        return Fix(
            (
                f"sudo mkdir -p {_FOLDER}",
                f"printf {shlex.quote(text)} | sudo tee {_FOLDER}/no-cloud.conf",
                "sudo systemctl daemon-reload && sudo systemctl restart ollama",
            ),
            "root",
            undo=f"sudo rm {_FOLDER}/no-cloud.conf",
        )
    if is_mac(facts):
        return Fix(
            ("launchctl setenv OLLAMA_NO_CLOUD 1",),
            "user",
            undo="launchctl unsetenv OLLAMA_NO_CLOUD",
            hint="then start Ollama's app again",
        )
    return None
