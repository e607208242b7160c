"""Ollama as a service: settings that the service does not see, or that have no effect."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.ollama_settings import FOR_SERVERS
from localai.doctor.checks.subjects import variables_of
from localai.doctor.facts.servers import DropIn
from localai.doctor.facts.snapshot import Snapshot


@check(
    code="ollama-variable-not-in-service",
    group="server",
    severity="warn",
    title="a variable is set in the shell, and Ollama's service does not see it",
    when=(
        "a variable of the server is set in the shell, and the service lacks it or has "
        "another value"
    ),
    cause="a systemd service has an environment of its own",
    fix=Fix(
        ("sudo systemctl edit ollama", "sudo systemctl restart ollama"),
        "root",
        undo="sudo systemctl revert ollama",
    ),
    source="ollama #2940",
    after=("ollama-drop-in-broken",),
)
def ollama_variable_not_in_service(facts: Snapshot) -> Iterator[Hit]:
    """The shell's variables against the service's."""
    service = known(facts.service, "service")
    if not known(service.exists, "service"):
        return
    in_service = known(service.environment, "service: its environment")
    differing = {
        name: value
        for name, value in variables_of(facts).items()
        if name in FOR_SERVERS and in_service.get(name) != value
    }
    if not differing:
        return
    folder = "/etc/systemd/system/ollama.service.d"
    lines = "".join(f'\\nEnvironment="{name}={value}"' for name, value in differing.items())
    yield Hit(
        "ollama",
        tuple(
            Evidence(
                name,
                f"{value} in the shell, {in_service.get(name, 'not set')} in the service",
                "systemctl show ollama -p Environment",
            )
            for name, value in differing.items()
        ),
        fix=Fix(
            (
                f"sudo mkdir -p {folder}",
                f"printf '[Service]{lines}\\n' | sudo tee {folder}/environment.conf",
                "sudo systemctl daemon-reload && sudo systemctl restart ollama",
            ),
            "root",
            undo=f"sudo rm {folder}/environment.conf",
        ),
    )


def _drop_ins(facts: Snapshot) -> tuple[DropIn, ...]:
    service = known(facts.service, "service")
    if not known(service.exists, "service"):
        return ()
    return known(service.drop_ins, "service: its drop-ins")


@check(
    code="ollama-drop-in-broken",
    group="server",
    severity="warn",
    title="a change to Ollama's service is without effect",
    when="a drop-in file lacks the line [Service]",
    cause="systemd ignores settings outside of a section",
    fix=Fix(("sudo systemctl edit ollama",), "root", hint="put [Service] before the settings"),
    source="Ollama's docs, faq.md; azure-storage-fuse #436",
)
@for_each(_drop_ins)
def ollama_drop_in_broken(facts: Snapshot, drop_in: DropIn) -> Iterator[Hit]:
    """A drop-in file lacks its section."""
    if not known(drop_in.has_section, f"service: what is in {drop_in.path}"):
        yield Hit(
            "ollama",
            (Evidence("drop-in", f"{drop_in.path} has no [Service]", "the file"),),
            fix=Fix(
                (f"sudo sed -i '1i [Service]' {drop_in.path}", "sudo systemctl daemon-reload"),
                "root",
                undo=f"sudo sed -i '1d' {drop_in.path}",
            ),
        )
