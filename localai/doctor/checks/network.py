"""The network: clocks, certificates, proxies, names."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from localai.doctor.check import (
    Evidence,
    Fix,
    Hit,
    Unknown,
    asked,
    check,
    for_each,
    known,
    known_day,
)
from localai.doctor.checks.subjects import registries, variables_of
from localai.doctor.facts.snapshot import AskedRegistry, Snapshot
from localai.doctor.versions import AS_OF, number

# The key is not accepted, a proxy wants one, or there were too many requests.
_REFUSALS = (401, 403, 407, 429)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@check(
    code="clock-wrong",
    group="network",
    severity="fail",
    title="the clock of this machine is wrong",
    when=f"it says a day before {AS_OF}, when this version of localai did not exist",
    cause="certificates are not valid yet at that time, so every connection by TLS fails",
    fix=Fix(("sudo timedatectl set-ntp true", "date"), "root"),
    source="openssl #14771",
)
def clock_wrong(facts: Snapshot) -> Iterator[Hit]:
    """Only a clock that is too early is certain to be wrong."""
    day = known_day(known(facts.kernel, "kernel").now, "kernel: the time")
    if day < datetime.date.fromisoformat(AS_OF):
        yield Hit(
            "clock",
            (
                Evidence("now", day.isoformat(), "the system's clock"),
                Evidence("not before", AS_OF, "localai's own data"),
            ),
        )


@check(
    code="certificates-unusable",
    group="network",
    severity="fail",
    title="a variable names certificates that cannot be used",
    when=(
        "SSL_CERT_FILE or a similar variable names a file that is missing, unreadable, or "
        "without certificates"
    ),
    cause="programs that read it trust no authority, and every connection by TLS fails",
    fix=Fix(("unset SSL_CERT_FILE",), "user"),
    source="ollama #823",
)
def certificates_unusable(facts: Snapshot) -> Iterator[Hit]:
    """Each variable is judged by itself."""
    trust = known(facts.trust, "trust")
    variables = facts.environment.variables if facts.environment is not None else None
    for name, fault in known(trust.ca_files, "trust: certificates").items():
        if fault:
            file = (variables or {}).get(name, "the file that it names")
            yield Hit(
                "certificates",
                (Evidence(name, f"{file}: {fault}", "the file"),),
                title=f"{name} names certificates that cannot be used",
                fix=Fix(
                    (f"unset {name}",),
                    "user",
                    hint="or name the company's certificate as a PEM file; never switch the "
                    "check off",
                ),
            )


@check(
    code="certificates-missing",
    group="network",
    severity="info",
    title="Python trusts no certificate authority",
    when="its own list of authorities is empty",
    cause="python.org's Python for macOS comes without one until its installer's script is run; a "
    "slim container lacks ca-certificates. localai brings a list; other Python programs have none",
    fix=Fix(
        ("sudo apt install ca-certificates",),
        "root",
        hint='on a Mac: open "/Applications/Python 3.x/Install Certificates.command"',
    ),
    source="python.org's read-me",
    after=("certificates-unusable",),
)
def certificates_missing(facts: Snapshot) -> Iterator[Hit]:
    """Python's store of authorities is empty."""
    trust = known(facts.trust, "trust")
    if known(trust.default_authorities, "trust: authorities") == 0:
        yield Hit("certificates", (Evidence("authorities", "0", "ssl.create_default_context()"),))


@check(
    code="tls-intercepted",
    group="network",
    severity="fail",
    title="TLS to the registry is intercepted",
    when="with --online: the certificate that a registry shows was issued by an authority that "
    "this machine does not trust",
    cause="a company's proxy or a virus scanner puts its own certificate in place",
    fix=Fix(
        ("export SSL_CERT_FILE=/path/to/the/company/ca.pem",),
        "user",
        undo="unset SSL_CERT_FILE",
        hint="ask for that file by the issuer's name; never switch the check off",
    ),
    source="ollama #823, #1798",
    after=("clock-wrong", "certificates-unusable", "certificates-missing"),
)
def tls_intercepted(facts: Snapshot) -> Iterator[Hit]:
    """It needs --online. One issuer makes one finding, for however many registries."""
    untrusted: dict[str, list[AskedRegistry]] = {}
    for each in asked(facts):
        if each.error and each.trusted is None and each.issuer is not None:
            raise Unknown("asked: whether a certificate is trusted is not known")
        if each.trusted is False:
            untrusted.setdefault(each.issuer or "unknown", []).append(each)
    for issuer, answers in untrusted.items():
        hosts = " and ".join(dict.fromkeys(str(each.host) for each in answers))
        yield Hit(
            f"host:{answers[0].host}",
            (
                Evidence("issuer", issuer, f"the certificate of {hosts}"),
                Evidence("verification", answers[0].error or "failed", "Python's ssl"),
            ),
            title=f"the certificate that {hosts} shows is not trusted here",
            within=("clock", "certificates"),
        )


@check(
    code="registry-unreachable",
    group="network",
    severity="warn",
    title="a registry or a server of the local network cannot be reached, or refuses",
    when="with --online: the connection fails, or the status is 401, 403, 407, 429 or 5xx",
    cause="no network, a name that is not resolved, a firewall, a key that is not accepted, or the "
    "host itself; models that are here need none of them",
    fix=Fix(
        ("localai config list",),
        "user",
        hint="if this machine is behind a proxy, set network.proxy",
    ),
    source="ollama #13297; llama.cpp #21677",
    after=("tls-intercepted", "clock-wrong", "mac-local-network", "proxy-down"),
)
@for_each(registries)
def registry_unreachable(facts: Snapshot, answer: AskedRegistry) -> Iterator[Hit]:
    """It needs --online. An untrusted issuer is named."""
    if answer.trusted is False or answer.issuer is not None:
        return
    error = known(answer.error, f"asked: how {answer.host} answered")
    refuses = answer.status is not None and (answer.status >= 500 or answer.status in _REFUSALS)
    if error or refuses:
        yield Hit(
            f"host:{answer.host}",
            (Evidence("answer", error or f"HTTP {answer.status}", str(answer.host)),),
            title=f"the host {answer.host} {'refuses' if refuses else 'cannot be reached'}",
            within=("clock", "setting:network.proxy"),
        )


@check(
    code="proxy-for-loopback",
    group="network",
    severity="warn",
    title="a proxy stands between other programs and this machine's own servers",
    when="HTTP_PROXY is set, and NO_PROXY does not have 127.0.0.1 and localhost",
    cause=(
        "most clients (Ollama's and OpenAI's packages, curl) send even prompts for "
        "127.0.0.1 through the proxy, where they fail or are read; localai does not use it"
    ),
    fix=Fix(
        ("export NO_PROXY=127.0.0.1,localhost,::1",),
        "user",
        undo="unset NO_PROXY",
    ),
    source="ollama #4674; ollama-python #424",
)
def proxy_for_loopback(facts: Snapshot) -> Iterator[Hit]:
    """HTTP_PROXY and NO_PROXY decide."""
    variables = variables_of(facts)
    proxy = next((name for name in _PROXIES if variables.get(name)), None)
    if proxy is None:
        return
    without = variables.get("NO_PROXY") or variables.get("no_proxy") or ""
    names = {each.strip().lower() for each in without.split(",")}
    if "*" in names or {"127.0.0.1", "localhost"} <= names:
        return
    added = [each for each in _LOOPBACK if each not in names]
    whole = ",".join([*(each for each in without.split(",") if each), *added])
    yield Hit(
        f"variable:{proxy}",
        (
            Evidence(proxy, variables[proxy], "the shell"),
            Evidence("NO_PROXY", without or "not set", "the shell"),
        ),
        fix=Fix(
            (f"export NO_PROXY={whole} no_proxy={whole}",), "user", undo="unset NO_PROXY no_proxy"
        ),
    )


@check(
    code="proxy-down",
    group="network",
    severity="fail",
    title="the proxy of the configuration does not answer",
    when="`network.proxy` is on this machine, and the connection is refused",
    cause="nobody listens at its address, so no download can work",
    fix=Fix(("localai config unset network.proxy",), "ours"),
    source="localai",
)
def proxy_down(facts: Snapshot) -> Iterator[Hit]:
    """Nobody listens at the address of a proxy on this machine."""
    trust = known(facts.trust, "trust")
    if not known(trust.proxy, "trust: the proxy"):
        return
    if known(trust.proxy_state, "trust: whether the proxy answers") == "refused":
        yield Hit(
            "setting:network.proxy",
            (
                Evidence("network.proxy", str(trust.proxy), "settings"),
                Evidence("connection", "refused", str(trust.proxy)),
            ),
        )


@check(
    code="localhost-missing",
    group="network",
    severity="warn",
    title="the name localhost does not mean this machine",
    when="it resolves to nothing, or to another address than 127.0.0.1 and ::1",
    cause=("/etc/hosts lacks it or gives another address; programs that connect to localhost fail"),
    fix=Fix(
        ("echo '127.0.0.1 localhost' | sudo tee -a /etc/hosts",),
        "root",
        undo="sudo sed -i '$d' /etc/hosts",
    ),
    source="many threads on `localhost`",
)
def localhost_missing(facts: Snapshot) -> Iterator[Hit]:
    """The addresses of the name decide."""
    addresses = known(known(facts.trust, "trust").localhost, "trust: localhost")
    strange = [each for each in addresses if not each.startswith("127.") and each != "::1"]
    if strange or not addresses:
        yield Hit(
            "localhost",
            (Evidence("localhost", ", ".join(addresses) or "nothing", "getaddrinfo"),),
        )


@check(
    code="mac-local-network",
    group="network",
    severity="info",
    title="macOS may keep this terminal from the local network",
    when="with --online on macOS 15 or newer: a server of `network.lan` has no route",
    cause=(
        "each program needs the permission Local Network; without it connections fail at "
        "once with `No route to host`"
    ),
    fix=Fix(
        ("open 'x-apple.systempreferences:com.apple.preference.security?Privacy_LocalNetwork'",),
        "user",
        hint="switch the terminal on there, then quit and open it again",
    ),
    source="Apple's technical note TN3179; transgui #1478",
)
@for_each(registries)
def mac_local_network(facts: Snapshot, answer: AskedRegistry) -> Iterator[Hit]:
    """A hint, given only if it can be the reason. Nothing in the local network is asked without
    --online."""
    version = known(known(facts.kernel, "kernel").mac_version, "kernel: the version of macOS")
    error = known(answer.error, f"asked: how {answer.host} answered")
    if number(version) >= (15,) and "no route to host" in error.lower():
        yield Hit(f"host:{answer.host}", (Evidence("error", error, str(answer.host)),))
