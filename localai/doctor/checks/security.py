"""Other people's access to what runs here, and known vulnerabilities."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from localai.dataclass import dataclass
from localai.doctor.check import Evidence, Fix, Hit, Severity, check, for_each, known
from localai.doctor.checks.subjects import (
    answering,
    container_of,
    listeners,
    models,
    ollama_of,
    our_python,
)
from localai.doctor.facts.models import ModelFile
from localai.doctor.facts.servers import Listener
from localai.doctor.facts.snapshot import Snapshot
from localai.doctor.ports import SERVERS
from localai.doctor.versions import AS_OF, engine_build, vulnerabilities
from localai.units import counted

_RPC_PORT = 50052


@check(
    code="server-open-to-network",
    group="security",
    severity="fail",
    title="a server of models is open to the network, without a key",
    when="it listens on another address than loopback and answers a request without a key, or it "
    "is llama.cpp's RPC server, which knows no key",
    cause=(
        "anybody who reaches this machine may use it, load and remove models, and exploit "
        "its flaws; docker publishes ports past ufw"
    ),
    fix=Fix(
        ("sudo systemctl edit ollama", "sudo systemctl restart ollama"),
        "root",
        undo="sudo systemctl revert ollama",
        hint='there: [Service] and Environment="OLLAMA_HOST=127.0.0.1"',
    ),
    source="ollama #16236",
)
@for_each(listeners)
def server_open_to_network(facts: Snapshot, listener: Listener) -> Iterator[Hit]:
    """Containers are left out, because their network is their host's business."""
    port = known(listener.port, "listeners: a port")
    if not known(listener.open, f"listeners: whether port {port} is open to the network"):
        return
    is_rpc = port == _RPC_PORT and (listener.program or "").startswith("rpc-server")
    if not is_rpc and not known(listener.keyless, f"listeners: whether port {port} wants a key"):
        return
    name = SERVERS.get(port, "a server")
    yield Hit(
        f"port:{port}",
        (
            Evidence("listens", f"{listener.address} port {port}", "listening sockets"),
            Evidence(
                "without a key",
                "it knows none" if is_rpc else "it answers",
                f"http://127.0.0.1:{port}",
            ),
            Evidence("run by", str(listener.user), "listening sockets"),
        ),
        title=f"{name} on port {port} is open to the network, without a key",
        severity="info" if container_of(facts) else "fail",
        fix=_close(port, facts),
    )


def _close(port: int, facts: Snapshot) -> Fix:
    service = facts.service is not None and bool(facts.service.exists)
    if port == 11434 and service:
        folder = "/etc/systemd/system/ollama.service.d"
        line = 'Environment="OLLAMA_HOST=127.0.0.1"'
        return Fix(
            (
                f"sudo mkdir -p {folder}",
                f"printf '[Service]\\n{line}\\n' | sudo tee {folder}/loopback.conf",
                "sudo systemctl daemon-reload && sudo systemctl restart ollama",
            ),
            "root",
            undo=f"sudo rm {folder}/loopback.conf",
        )
    if port == 11434:
        return Fix(("OLLAMA_HOST=127.0.0.1:11434 ollama serve",), "user", hint="end it first")
    return Fix(
        (),
        "user",
        hint="start it with --host 127.0.0.1; in docker publish 127.0.0.1:PORT:PORT",
    )


@dataclass(frozen=True, slots=True)
class _Product:
    """A program: its row in the table, its name and version (or build), its usual port, the way to
    upgrade it, and the subject that has its facts."""

    row: str
    name: str
    version: str | None
    port: int
    upgrade: str
    where: str


def _products(facts: Snapshot) -> Iterator[_Product]:
    ollama = ollama_of(facts)
    if known(ollama.programs, "ollama: its programs") or answering(facts) is not None:
        version = ollama.server_version or ollama.client_version
        line = "curl -fsSL https://ollama.com/install.sh | sh"
        yield _Product("ollama", "Ollama", version, 11434, line, "ollama")
    packages = known(facts.packages, "packages")
    if build := engine_build(packages.get("xllamacpp", "")):
        name = "the embedded engine (llama.cpp)"
        yield _Product("llama.cpp", name, build, 0, "./install.sh", "packages")
    if build := packages.get("llama-server", ""):
        line = "brew upgrade llama.cpp"
        yield _Product("llama.cpp", "llama-server", build, 8080, line, "packages")
    for package in ("llama-cpp-python", "vllm"):
        if version := packages.get(package, ""):
            line = f"{our_python(facts)} -m pip install --upgrade {package}"
            yield _Product(package, package, version, 8000, line, "packages")


@check(
    code="known-vulnerability",
    group="security",
    severity="warn",
    title="a program here has known vulnerabilities",
    when=f"its version is below the one that mends them, as known on {AS_OF}; nothing is looked up",
    cause="it was not upgraded since",
    fix=Fix((), "user", hint="upgrade it"),
    source="the CVE list, as of that day",
)
@for_each(_products)
def known_vulnerability(facts: Snapshot, product: _Product) -> Iterator[Hit]:
    """It is a failure if the network can reach the program, and a warning if only this machine
    can."""
    found = vulnerabilities(product.row, known(product.version, f"{product.where}: its version"))
    if not found:
        return
    is_open = any(
        each.port == product.port and each.open and each.keyless for each in listeners(facts)
    )
    severity: Severity = "fail" if is_open else "warn"
    yield Hit(
        f"program:{product.name}",
        (
            Evidence("version", f"{product.name} {product.version}", "itself"),
            *(
                Evidence(each.cve, f"{each.what}; mended in {each.fixed_in}", f"as of {AS_OF}")
                for each in found
            ),
            Evidence(
                "reachable from",
                "open to the network" if is_open else "this machine only",
                "listening sockets",
            ),
        ),
        title=f"{product.name} {product.version} has {_count(len(found))} (as of {AS_OF})",
        severity=severity,
        fix=Fix((product.upgrade,), "user", hint=f"{found[-1].fixed_in} or newer"),
    )


def _count(number: int) -> str:
    return counted(number, "known vulnerability", "known vulnerabilities")


@check(
    code="template-suspicious",
    group="security",
    severity="warn",
    title="a model's chat template has parts that no template needs",
    when=(
        "the template has Python's inner names, calls that run programs, or invisible characters"
    ),
    cause=(
        "a template is code that comes with a model; some engines run it without a "
        "sandbox, and the model reads invisible text that you do not see"
    ),
    fix=Fix(("localai show MODEL",), "user", hint="take the model from its own publisher"),
    source="CVE-2024-34359",
)
@for_each(models)
def template_suspicious(facts: Snapshot, model: ModelFile) -> Iterator[Hit]:
    """The template's text decides."""
    found = known(model.template_suspicions, f"models: the template of {model.name}")
    if found:
        yield Hit(
            f"model:{model.name}",
            (Evidence("template", "; ".join(found), str(model.path)),),
            title=f"the chat template of {model.name} has what no template needs",
            fix=Fix(
                (f"localai show {shlex.quote(str(model.name))}",),
                "user",
                hint="take it from its publisher",
            ),
        )
