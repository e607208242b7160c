"""Ollama's server: not running, not Ollama, or not reachable from here."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import (
    answering,
    container_of,
    is_busy,
    listeners,
    machine_of,
    ollama_of,
    setting,
)
from localai.doctor.facts.servers import Listener
from localai.doctor.facts.snapshot import Snapshot
from localai.doctor.versions import number


@check(
    code="ollama-not-running",
    group="server",
    severity="fail",
    title="Ollama is installed and does not run",
    when="its program is here, and at its address the connection is refused",
    cause="nobody listens there: the server was not started, or it has ended",
    fix=Fix(("ollama serve",), "user"),
    source="ollama-python #27",
    after=(
        "ollama-drop-in-broken",
        "ollama-address-invalid",
        "ollama-only-on-ipv6",
        "ollama-value-misread",
    ),
)
def ollama_not_running(facts: Snapshot) -> Iterator[Hit]:
    """The program is here, and nobody listens at its address."""
    ollama = ollama_of(facts)
    programs = known(ollama.programs, "ollama: its programs")
    if not programs or known(ollama.address_error, "ollama: its address"):
        return
    if known(ollama.state, "ollama: its server") != "refused":
        return
    service = facts.service
    has_service = service is not None and service.exists
    evidence = [Evidence("connection", f"refused at {ollama.address}", "a connection")]
    evidence.append(Evidence("program", str(programs[0].path), "the search path"))
    if has_service and service is not None:
        evidence.append(
            Evidence("service", f"{service.active}, last result: {service.result}", "systemctl")
        )
    fix = Fix(("sudo systemctl restart ollama",), "root") if has_service else None
    if programs[0].origin == "Ollama's app":
        fix = Fix(("open -a Ollama",), "user")
    elif programs[0].origin == "Homebrew":
        fix = Fix(("brew services start ollama",), "user", undo="brew services stop ollama")
    yield Hit("ollama", tuple(evidence), fix=fix, within=("variable:OLLAMA_HOST",))


@check(
    code="ollama-silent",
    group="server",
    severity="fail",
    title="Ollama does not answer",
    when=(
        "the connection is made, and no answer comes within seconds; on a busy machine "
        "this is a warning"
    ),
    cause="the server hangs, or it is busy with something that blocks it",
    fix=Fix(("sudo systemctl restart ollama",), "root", hint="or end it and: ollama serve"),
    source="ollama #5464",
    after=("nvidia-smi-hangs",),
)
def ollama_silent(facts: Snapshot) -> Iterator[Hit]:
    """The server accepts connections and does not answer. A busy machine may be the cause."""
    ollama = ollama_of(facts)
    if known(ollama.state, "ollama: its server") == "silent":
        yield Hit(
            "ollama",
            (Evidence("answer", ollama.answer or "none", f"http://{ollama.address}/api/version"),),
            severity="warn" if is_busy(facts) else None,
            within=("gpu:NVIDIA",),
        )


@check(
    code="ollama-port-taken",
    group="server",
    severity="fail",
    title="another program has Ollama's port",
    when="the program that answers at Ollama's address is not Ollama",
    cause="the port was taken before Ollama was started, so Ollama cannot start",
    fix=Fix(
        ("sudo ss -ltnp 'sport = :11434'",),
        "root",
        hint="end that program, or give Ollama another port: OLLAMA_HOST=127.0.0.1:11435",
    ),
    source="ollama #707, #3575, #14963",
)
def ollama_port_taken(facts: Snapshot) -> Iterator[Hit]:
    """Another program answers."""
    ollama = ollama_of(facts)
    if known(ollama.state, "ollama: its server") != "something_else":
        return
    port = str(ollama.address).rpartition(":")[2]
    yield Hit(
        "ollama",
        (
            Evidence("answers", ollama.answer or "something else", f"http://{ollama.address}"),
            Evidence("run by", ollama.run_by or "unknown", "the table of listening sockets"),
        ),
        title=f"another program has Ollama's port {port}",
        fix=Fix(
            (f"sudo ss -ltnp 'sport = :{port}'",),
            "root",
            hint="that names the program: end it, or give Ollama another port, for its server "
            "and in this shell: export OLLAMA_HOST=127.0.0.1:11435",
        ),
    )


@check(
    code="server-of-another-user",
    group="server",
    severity="warn",
    title="another user of this machine runs the server",
    when="the socket that listens belongs to neither this user nor root nor a service's own user",
    cause=(
        "a user who listens on a port receives everything that is sent there; localai asks "
        "before it trusts another user"
    ),
    fix=Fix(
        ("localai config set network.users NAME",),
        "user",
        undo="localai config unset network.users",
    ),
    source="localai",
)
def server_of_another_user(facts: Snapshot) -> Iterator[Hit]:
    """Another user listens at Ollama's address."""
    ollama = ollama_of(facts)
    if known(ollama.state, "ollama: its server") == "stranger":
        user = ollama.run_by or "unknown"
        trusted = [each.strip() for each in setting(facts, "network.users").split(",")]
        names = ",".join([*filter(None, trusted), user])
        yield Hit(
            "ollama",
            (Evidence("run by", user, "the table of listening sockets"),),
            fix=Fix(
                (f"localai config set network.users {shlex.quote(names)}",),
                "user",
                undo="localai config unset network.users",
                hint="only if you trust them with your prompts",
            ),
        )


@check(
    code="ollama-twice",
    group="server",
    severity="warn",
    title="there are several Ollamas on this machine",
    when="programs of that name from different installers",
    cause="each has models, settings and a version of its own; which one answers is an accident",
    fix=Fix((), "user", hint="keep one and remove the others, each with its own installer"),
    source="ollama #10311",
)
def ollama_twice(facts: Snapshot) -> Iterator[Hit]:
    """There is more than one program."""
    programs = known(ollama_of(facts).programs, "ollama: its programs")
    if len(programs) > 1:
        lines = tuple(_REMOVALS[each.origin] for each in programs[1:] if each.origin in _REMOVALS)
        yield Hit(
            "ollama",
            tuple(Evidence(str(each.path), f"from {each.origin}", "the file") for each in programs),
            fix=Fix(
                lines,
                "root",
                hint="keep one and remove the others, each with its own installer",
            ),
        )


_REMOVALS = {
    "snap": "sudo snap remove ollama",
    "Homebrew": "brew uninstall ollama",
    "the system's packages": "sudo apt remove ollama",
}


@check(
    code="ollama-old-server",
    group="server",
    severity="warn",
    title="an old Ollama server is still running after an upgrade",
    when="the server reports another version than its program",
    cause=(
        "an upgrade replaces the program; the running server stays the old one until it is "
        "restarted"
    ),
    fix=Fix(("sudo systemctl restart ollama",), "root", hint="or end it and: ollama serve"),
    source="ollama #11694, #11739",
    after=("ollama-twice",),
)
def ollama_old_server(facts: Snapshot) -> Iterator[Hit]:
    """The versions of program and server differ."""
    ollama = answering(facts)
    if ollama is None or not known(ollama.programs, "ollama: its programs"):
        return
    client = number(known(ollama.client_version, "ollama: its program's version"))
    server = number(known(ollama.server_version, "ollama: its server's version"))
    # A build from source reports 0.0.0, which is no version.
    if client and server and client != server:
        yield Hit(
            "ollama",
            (
                Evidence("server", str(ollama.server_version), "/api/version"),
                Evidence("program", str(ollama.client_version), "ollama --version"),
            ),
        )


@check(
    code="ollama-only-on-ipv6",
    group="server",
    severity="fail",
    title="the server listens on ::1 alone, and its address is 127.0.0.1",
    when="the connection to 127.0.0.1 is refused, and at the same port somebody listens on ::1",
    cause=(
        "a server that is told `localhost` may take that name's first address, which is "
        "::1 on many machines; programs that try ::1 first when nobody listens there lose "
        "seconds for each request"
    ),
    fix=Fix(
        ("localai config set ollama.host '[::1]:11434'",),
        "ours",
        undo="localai config unset ollama.host",
        hint="or start the server with OLLAMA_HOST=127.0.0.1",
    ),
    source="many threads on `localhost`",
)
@for_each(listeners)
def ollama_only_on_ipv6(facts: Snapshot, listener: Listener) -> Iterator[Hit]:
    """127.0.0.1 refuses, and ::1 listens at the same port."""
    ollama = ollama_of(facts)
    if known(ollama.state, "ollama: its server") != "refused":
        return
    host, _, port = known(ollama.address, "ollama: its address").rpartition(":")
    at = known(listener.address, "listeners: an address")
    is_its = str(known(listener.port, "listeners: a port")) == port
    if host == "127.0.0.1" and at == "::1" and is_its:
        yield Hit(
            "ollama",
            (
                Evidence("connection", f"refused at {ollama.address}", "a connection"),
                Evidence("listens", f"[::1]:{port}", "the table of listening sockets"),
            ),
            fix=Fix(
                (f"localai config set ollama.host '[::1]:{port}'",),
                "ours",
                undo="localai config unset ollama.host",
                hint="or start the server with OLLAMA_HOST=127.0.0.1",
            ),
        )


@check(
    code="loopback-in-container",
    group="server",
    severity="info",
    title="127.0.0.1 is this container, not its host",
    when="a container or WSL, no Ollama inside, and its address is this one's loopback",
    cause="a container has a loopback of its own: a server on the host is at another address",
    fix=Fix(
        (
            "localai config set ollama.host host.docker.internal:11434",
            "localai config set network.lan host.docker.internal",
        ),
        "user",
        undo="localai config unset ollama.host",
        hint="on Linux the container needs --add-host=host.docker.internal:host-gateway",
    ),
    source="ollama-python #304",
    after=("ollama-value-misread", "ollama-address-invalid"),
)
def loopback_in_container(facts: Snapshot) -> Iterator[Hit]:
    """It fires only if the user has pointed localai, or Ollama's clients, at this loopback."""
    ollama, container = ollama_of(facts), container_of(facts)
    if not container or known(ollama.programs, "ollama: its programs"):
        return
    if not known(ollama.written_address, "ollama: its address"):
        return
    if known(ollama.state, "ollama: its server") == "refused":
        yield Hit(
            "ollama",
            (
                Evidence(str(ollama.written_in), str(ollama.written_address), "as set"),
                Evidence("container", container, machine_of(facts).host.container.source),
                Evidence("connection", f"refused at {ollama.address}", "a connection"),
            ),
            within=("variable:OLLAMA_HOST",),
        )
