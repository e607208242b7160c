"""Who else could use or harm what runs here."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, Severity, check, known
from localai.doctor.facts import Snapshot
from localai.doctor.versions import AS_OF, Vulnerability, engine_build, vulnerabilities

_NAMES = {
    11434: "Ollama",
    1234: "LM Studio",
    8000: "vLLM",
    8080: "llama-server",
    30000: "SGLang",
    50052: "llama.cpp's RPC server",
}
_RPC_PORT = 50052


@check(
    code="server-open-to-network",
    group="security",
    severity="fail",
    title="a server of models is open to the network, without a key",
    told="it listens on another address than loopback and answers a request without a key, or it "
    "is llama.cpp's RPC server, which knows no key",
    cause="anybody who reaches this machine may use it, load and remove models, and read what its "
    "flaws give away; docker publishes ports past ufw",
    fix=Fix(
        ("sudo systemctl edit ollama", "sudo systemctl restart ollama"),
        "root",
        undo="sudo systemctl revert ollama",
        advice='there: [Service] and Environment="OLLAMA_HOST=127.0.0.1"',
    ),
    source="ollama #16236",
)
def server_open_to_network(facts: Snapshot) -> Iterator[Hit]:
    """Outside containers, whose network is their host's business."""
    machine = known(facts.machine, "machine")
    container = known(machine.host.container.value, "machine: whether this is a container")
    for each in known(facts.listeners, "listeners"):
        is_rpc = each.port == _RPC_PORT and (each.program or "").startswith("rpc-server")
        if not each.open or not (is_rpc or each.keyless):
            continue
        name = _NAMES.get(each.port or 0, "a server")
        yield Hit(
            f"port:{each.port}",
            (
                Evidence("listens", f"{each.address} port {each.port}", "listening sockets"),
                Evidence(
                    "without a key",
                    "it knows none" if is_rpc else "it answers",
                    f"http://127.0.0.1:{each.port}",
                ),
                Evidence("run by", str(each.user), "listening sockets"),
            ),
            title=f"{name} on port {each.port} is open to the network, without a key",
            severity="info" if container else "fail",
            fix=_close(each.port or 0, facts),
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
        return Fix(("OLLAMA_HOST=127.0.0.1:11434 ollama serve",), "user", advice="end it first")
    return Fix(
        (),
        "user",
        advice="start it with --host 127.0.0.1; in docker publish 127.0.0.1:PORT:PORT",
    )


@check(
    code="known-vulnerability",
    group="security",
    severity="warn",
    title="a program here has known vulnerabilities",
    told=f"its version is below the one that mends them, as known on {AS_OF}; nothing is looked up",
    cause="it was not upgraded since",
    fix=Fix((), "user", advice="upgrade it"),
    source="the CVE list, as of that day",
)
def known_vulnerability(facts: Snapshot) -> Iterator[Hit]:
    """A failure where the network reaches it, a warning where only this machine does."""
    open_ports = {
        each.port for each in known(facts.listeners, "listeners") if each.open and each.keyless
    }
    for product, name, version, port, fix in _products(facts):
        found = vulnerabilities(product, version)
        if not found:
            continue
        is_open = port in open_ports
        severity: Severity = "fail" if is_open else "warn"
        newest = found[-1].fixed_in
        reach = "open to the network" if is_open else "this machine only"
        yield Hit(
            f"program:{name}",
            (
                Evidence("version", f"{name} {version}", "itself"),
                *(
                    Evidence(each.cve, f"{each.what}; mended in {each.fixed_in}", AS_OF)
                    for each in found
                ),
                Evidence("reachable from", reach, "listening sockets"),
            ),
            title=f"{name} {version} has {_count(len(found))} (as of {AS_OF})",
            severity=severity,
            fix=Fix((fix,), "user", advice=f"{newest} or newer"),
        )


def _evidence(each: Vulnerability) -> Evidence:
    return Evidence(each.cve, f"{each.what}; mended in {each.fixed_in}", f"as of {AS_OF}")


def _count(number: int) -> str:
    return "a known vulnerability" if number == 1 else f"{number} known vulnerabilities"


def _products(facts: Snapshot) -> Iterator[tuple[str, str, str, int, str]]:
    """Each program: its row of the table, its name, version, usual port, and how to upgrade it."""
    if facts.ollama is not None:
        ollama = facts.ollama
        version = ollama.server_version or (ollama.client_version if ollama.programs else None)
        if version:
            line = "curl -fsSL https://ollama.com/install.sh | sh"
            yield "ollama", "Ollama", version, 11434, line
    packages = known(facts.packages, "packages")
    if build := engine_build(packages.get("xllamacpp", "")):
        yield "llama.cpp", "the embedded engine (llama.cpp)", build, 0, "./install.sh"
    if build := packages.get("llama-server", ""):
        yield "llama.cpp", "llama-server", build, 8080, "brew upgrade llama.cpp"
    for package, port in (("llama-cpp-python", 8000), ("vllm", 8000)):
        if version := packages.get(package, ""):
            yield package, package, version, port, f"pip install --upgrade {package}"


@check(
    code="template-suspicious",
    group="security",
    severity="warn",
    title="a model's chat template has something in it that no template needs",
    told="Python's inner names, calls that run programs, or characters that nobody sees",
    cause="a template is code that comes with a model; some engines run it without a sandbox, and "
    "an invisible text speaks to the model, not to you",
    fix=Fix(("localai show MODEL",), "user", advice="take the model from its own publisher"),
    source="CVE-2024-34359",
)
def template_suspicious(facts: Snapshot) -> Iterator[Hit]:
    """By its text alone."""
    for model in known(facts.models, "models"):
        if model.template_suspicions:
            yield Hit(
                f"model:{model.name}",
                (Evidence("template", "; ".join(model.template_suspicions), str(model.path)),),
                title=f"the chat template of {model.name} has what no template needs",
                fix=Fix(
                    (f"localai show {model.name}",), "user", advice="take it from its publisher"
                ),
            )
