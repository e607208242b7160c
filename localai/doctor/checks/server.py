"""Servers of models: not running, not what they seem, not reachable from here."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, known
from localai.doctor.checks.machines import is_linux
from localai.doctor.facts import Snapshot
from localai.doctor.versions import number


@check(
    code="ollama-not-running",
    group="server",
    severity="fail",
    title="Ollama is installed and does not run",
    told="its program is here, and at its address the connection is refused",
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
    """A program and nobody at its address."""
    ollama = known(facts.ollama, "ollama")
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
    told="a connection to its address comes about, and no answer within 1.5 s",
    cause="the server hangs, or it is busy with something that blocks it",
    fix=Fix(("sudo systemctl restart ollama",), "root", advice="or end it and: ollama serve"),
    source="ollama #5464",
    after=("nvidia-smi-hangs",),
)
def ollama_silent(facts: Snapshot) -> Iterator[Hit]:
    """A server that accepts and says nothing."""
    ollama = known(facts.ollama, "ollama")
    if known(ollama.state, "ollama: its server") == "silent":
        yield Hit(
            "ollama",
            (Evidence("answer", "none within 1.5 s", f"http://{ollama.address}/api/version"),),
            within=("gpu:NVIDIA",),
        )


@check(
    code="ollama-port-taken",
    group="server",
    severity="fail",
    title="another program has Ollama's port",
    told="what answers at Ollama's address is not Ollama",
    cause="the port was taken before Ollama was started, which therefore cannot start",
    fix=Fix(
        ("sudo ss -ltnp 'sport = :11434'",),
        "user",
        advice="end that program, or give Ollama another port: OLLAMA_HOST=127.0.0.1:11435",
    ),
    source="ollama #707, #3575, #14963",
)
def ollama_port_taken(facts: Snapshot) -> Iterator[Hit]:
    """Somebody else answers."""
    ollama = known(facts.ollama, "ollama")
    if known(ollama.state, "ollama: its server") != "something_else":
        return
    port = str(ollama.address).rpartition(":")[2]
    yield Hit(
        "ollama",
        (
            Evidence("answers", ollama.said or "something else", f"http://{ollama.address}"),
            Evidence("run by", ollama.run_by or "unknown", "the table of listening sockets"),
        ),
        fix=Fix(
            (f"sudo ss -ltnp 'sport = :{port}'",),
            "user",
            advice="end that program, or give Ollama another port: OLLAMA_HOST=127.0.0.1:11435",
        ),
    )


@check(
    code="server-of-another-user",
    group="server",
    severity="warn",
    title="another user of this machine runs the server",
    told="the socket that listens belongs to neither this user nor root nor a service's own user",
    cause="whoever listens on a port gets what is sent there; localai asks before it trusts them",
    fix=Fix(
        ("localai config set network.users NAME",),
        "user",
        undo="localai config unset network.users",
    ),
    source="localai",
)
def server_of_another_user(facts: Snapshot) -> Iterator[Hit]:
    """Strangers at Ollama's address."""
    ollama = known(facts.ollama, "ollama")
    if known(ollama.state, "ollama: its server") == "stranger":
        user = ollama.said or "unknown"
        yield Hit(
            "ollama",
            (Evidence("run by", user, "the table of listening sockets"),),
            fix=Fix(
                (f"localai config set network.users {user}",),
                "user",
                undo="localai config unset network.users",
            ),
        )


@check(
    code="ollama-twice",
    group="server",
    severity="warn",
    title="there are several Ollamas on this machine",
    told="programs of that name from different installers",
    cause="each has models, settings and a version of its own; which one answers is an accident",
    fix=Fix((), "user", advice="keep one and remove the others, each by what installed it"),
    source="doctor.md 58",
)
def ollama_twice(facts: Snapshot) -> Iterator[Hit]:
    """More than one program."""
    programs = known(known(facts.ollama, "ollama").programs, "ollama: its programs")
    if len(programs) > 1:
        lines = tuple(_REMOVALS[each.origin] for each in programs[1:] if each.origin in _REMOVALS)
        yield Hit(
            "ollama",
            tuple(Evidence(str(each.path), f"from {each.origin}", "the file") for each in programs),
            fix=Fix(
                lines,
                "root",
                advice="keep one and remove the others, each by what installed it",
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
    told="the server says another version than its program",
    cause="an upgrade replaces the program; the server that runs is the old one until it is "
    "started anew",
    fix=Fix(("sudo systemctl restart ollama",), "root", advice="or end it and: ollama serve"),
    source="doctor.md 59",
    after=("ollama-twice",),
)
def ollama_old_server(facts: Snapshot) -> Iterator[Hit]:
    """Program and server differ."""
    ollama = known(facts.ollama, "ollama")
    if ollama.state != "answers" or not known(ollama.programs, "ollama: its programs"):
        return
    client = number(known(ollama.client_version, "ollama: its program's version"))
    server = number(known(ollama.server_version, "ollama: its server's version"))
    # A build from source says 0.0.0, and that is no version.
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
    told="the connection to 127.0.0.1 is refused, and at the same port somebody listens on ::1",
    cause="a server that was told `localhost` may take the first address of that name, which is "
    "::1 on many machines; programs that try ::1 first where nobody is lose seconds a request",
    fix=Fix(
        ("localai config set ollama.host '[::1]:11434'",),
        "ours",
        undo="localai config unset ollama.host",
        advice="or start the server with OLLAMA_HOST=127.0.0.1",
    ),
    source="many threads on `localhost`",
)
def ollama_only_on_ipv6(facts: Snapshot) -> Iterator[Hit]:
    """IPv4 refused, IPv6 open."""
    ollama = known(facts.ollama, "ollama")
    if known(ollama.state, "ollama: its server") != "refused":
        return
    host, _, port = str(ollama.address).rpartition(":")
    if host != "127.0.0.1":
        return
    for each in known(facts.listeners, "listeners"):
        if str(each.port) == port and each.address == "::1":
            yield Hit(
                "ollama",
                (Evidence("listens", f"[::1]:{port}", "the table of listening sockets"),),
                fix=Fix(
                    (f"localai config set ollama.host '[::1]:{port}'",),
                    "ours",
                    undo="localai config unset ollama.host",
                    advice="or start the server with OLLAMA_HOST=127.0.0.1",
                ),
            )


@check(
    code="loopback-in-container",
    group="server",
    severity="info",
    title="127.0.0.1 is this container, not its host",
    told="a container or WSL, no Ollama inside, and its address is this one's loopback",
    cause="a container has a loopback of its own: a server on the host is at another address",
    fix=Fix(
        (
            "localai config set ollama.host host.docker.internal:11434",
            "localai config set network.lan host.docker.internal",
        ),
        "user",
        undo="localai config unset ollama.host",
        advice="on Linux the container needs --add-host=host.docker.internal:host-gateway",
    ),
    source="ollama-python #304",
)
def loopback_in_container(facts: Snapshot) -> Iterator[Hit]:
    """Only where somebody has pointed localai, or Ollama's clients, at this loopback."""
    machine, ollama = known(facts.machine, "machine"), known(facts.ollama, "ollama")
    container = known(machine.host.container.value, "machine: whether this is a container")
    if not container or known(ollama.programs, "ollama: its programs"):
        return
    if not known(ollama.written_address, "ollama: its address"):
        return
    if known(ollama.state, "ollama: its server") == "refused":
        yield Hit(
            "ollama",
            (
                Evidence(str(ollama.written_in), str(ollama.written_address), "as set"),
                Evidence("container", container, machine.host.container.source),
                Evidence("connection", f"refused at {ollama.address}", "a connection"),
            ),
        )


@check(
    code="lmstudio-server-off",
    group="server",
    severity="info",
    title="LM Studio is installed and its server is off",
    told="its folder is here, and at its address the connection is refused",
    cause="its server runs only when it is switched on",
    fix=Fix(("lms server start",), "user", undo="lms server stop"),
    source="lms #25",
)
def lmstudio_server_off(facts: Snapshot) -> Iterator[Hit]:
    """Installed, refused; of interest where it is the chosen provider."""
    lmstudio = known(facts.lmstudio, "lmstudio")
    if not known(lmstudio.installed, "lmstudio: whether it is installed"):
        return
    if known(lmstudio.state, "lmstudio: its server") == "refused":
        yield Hit(
            "lmstudio",
            (Evidence("connection", f"refused at {lmstudio.address}", "a connection"),),
        )


@check(
    code="lmstudio-token-wanted",
    group="server",
    severity="warn",
    title="LM Studio wants a token",
    told="its server answers 401, and LM_API_TOKEN is not set",
    cause="its server was set to require one",
    fix=Fix(
        ("read -rs LM_API_TOKEN && export LM_API_TOKEN",),
        "user",
        undo="unset LM_API_TOKEN",
        advice="then paste the token from LM Studio: Developer, Server settings",
    ),
    source="LM Studio's docs",
)
def lmstudio_token_wanted(facts: Snapshot) -> Iterator[Hit]:
    """401 without a token."""
    lmstudio = known(facts.lmstudio, "lmstudio")
    if not lmstudio.token_wanted:
        return
    if "LM_API_TOKEN" not in known(
        known(facts.environment, "environment").keys, "environment: keys"
    ):
        yield Hit("lmstudio", (Evidence("status", "401", f"http://{lmstudio.address}"),))


@check(
    code="lmstudio-no-runtime",
    group="server",
    severity="warn",
    title="LM Studio has no runtime",
    told="its folder has models' extensions and no backend among them",
    cause="the engine that opens models is a download of its own",
    fix=Fix(("lms runtime get",), "user"),
    source="doctor.md 63",
)
def lmstudio_no_runtime(facts: Snapshot) -> Iterator[Hit]:
    """Installed, without an engine."""
    lmstudio = known(facts.lmstudio, "lmstudio")
    installed = known(lmstudio.installed, "lmstudio: whether it is installed")
    if installed and known(lmstudio.runtimes, "lmstudio: its runtimes") == ():
        yield Hit("lmstudio", (Evidence("runtimes", "none", "~/.lmstudio/extensions/backends"),))


@check(
    code="lmstudio-error-in-answer",
    group="server",
    severity="warn",
    title="LM Studio answers 200 and means an error",
    told="its answer has status 200 and an `error` in it",
    cause="an address that it does not know is answered like this, by old versions",
    fix=Fix((), "manual", advice="upgrade LM Studio to 0.3.18 or newer"),
    source="doctor.md 64",
)
def lmstudio_error_in_answer(facts: Snapshot) -> Iterator[Hit]:
    """An error in disguise."""
    lmstudio = known(facts.lmstudio, "lmstudio")
    if lmstudio.state == "answers" and known(lmstudio.error_in_answer, "lmstudio: its answer"):
        yield Hit("lmstudio", (Evidence("error", str(lmstudio.error_in_answer), "its answer"),))


@check(
    code="own-server-down",
    group="server",
    severity="warn",
    title="a server of the configuration does not answer",
    told="[endpoint.NAME] is on this machine, and the connection is refused",
    cause="nobody listens at its address",
    fix=Fix((), "user", advice="start the server, or correct its url"),
    source="localai",
)
def own_server_down(facts: Snapshot) -> Iterator[Hit]:
    """Refused, or never silent for long."""
    for server in known(facts.own_servers, "own_servers"):
        if server.state in ("refused", "silent"):
            yield Hit(
                f"endpoint:{server.name}",
                (Evidence("connection", server.state, f"{server.host}:{server.port}"),),
                title=f"the server endpoint.{server.name} does not answer",
                fix=Fix(
                    (f"localai config unset endpoint.{server.name}",),
                    "user",
                    advice="start the server, or correct its url, or take it out",
                ),
            )


@check(
    code="own-server-key-missing",
    group="server",
    severity="warn",
    title="the key for a server of the configuration is not set",
    told="[endpoint.NAME] names a variable in key_env, and that is not set",
    cause="requests go there without a key and will be refused",
    fix=Fix((), "user", advice="export the variable in the shell that calls localai"),
    source="localai",
)
def own_server_key_missing(facts: Snapshot) -> Iterator[Hit]:
    """A named variable that is empty."""
    for server in known(facts.own_servers, "own_servers"):
        if server.key_variable and server.key_set is False:
            yield Hit(
                f"endpoint:{server.name}",
                (Evidence("key_env", f"{server.key_variable} is not set", "the environment"),),
                fix=Fix(
                    (f"read -rs {server.key_variable} && export {server.key_variable}",),
                    "user",
                    undo=f"unset {server.key_variable}",
                    advice="then paste the key; it is neither shown nor kept in the history",
                ),
            )


@check(
    code="noexec-temporary-folder",
    group="server",
    severity="warn",
    title="nothing may be run from the folder for temporary files",
    told="its file system is mounted noexec",
    cause="older Ollamas unpack their libraries there, and other tools build there",
    fix=Fix(
        ("export TMPDIR=$HOME/.cache/tmp && mkdir -p $TMPDIR",),
        "user",
        advice="for Ollama's service: OLLAMA_TMPDIR in `systemctl edit ollama`",
    ),
    source="doctor.md 62",
)
def noexec_temporary_folder(facts: Snapshot) -> Iterator[Hit]:
    """Noexec where an Ollama is that needs it."""
    machine, ollama = known(facts.machine, "machine"), known(facts.ollama, "ollama")
    if not is_linux(machine) or not known(ollama.programs, "ollama: its programs"):
        return
    version = number(ollama.server_version or ollama.client_version or "")
    if not version or version >= (0, 5, 0):
        return
    for place in known(facts.places, "places"):
        if place.purpose == "temporary files" and place.no_programs:
            yield Hit(f"folder:{place.path}", (Evidence("mount", "noexec", str(place.path)),))
