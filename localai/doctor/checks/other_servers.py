"""Servers beside Ollama: LM Studio, and those of the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import answering_lmstudio, own_servers
from localai.doctor.facts.servers import OwnServerFacts
from localai.doctor.facts.snapshot import Snapshot

_DOWN = {"refused": "refused", "silent": "no answer", "no_address": "it has no address"}


@check(
    code="lmstudio-server-off",
    group="server",
    severity="info",
    title="LM Studio is installed and its server is off",
    when="its folder is here, and at its address the connection is refused",
    cause="its server runs only when it is switched on",
    fix=Fix(("lms server start",), "user", undo="lms server stop"),
    source="lms #25",
)
def lmstudio_server_off(facts: Snapshot) -> Iterator[Hit]:
    """LM Studio is installed, and its address refuses connections."""
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
    when="its server answers 401, and LM_API_TOKEN is not set",
    cause="its server was set to require one",
    fix=Fix(
        ("read -rs LM_API_TOKEN && export LM_API_TOKEN",),
        "user",
        undo="unset LM_API_TOKEN",
        hint="then paste the token from LM Studio: Developer, Server settings",
    ),
    source="LM Studio's docs",
)
def lmstudio_token_wanted(facts: Snapshot) -> Iterator[Hit]:
    """The server answers 401, and no token is set."""
    lmstudio = answering_lmstudio(facts)
    if lmstudio is None or not known(lmstudio.token_wanted, "lmstudio: whether it wants a token"):
        return
    keys = known(known(facts.environment, "environment").keys, "environment: keys")
    if "LM_API_TOKEN" not in keys:
        yield Hit("lmstudio", (Evidence("status", "401", f"http://{lmstudio.address}"),))


@check(
    code="lmstudio-no-runtime",
    group="server",
    severity="warn",
    title="LM Studio has no runtime",
    when="its folder of extensions has no backend",
    cause="the engine that opens models is a download of its own",
    fix=Fix(("lms runtime get",), "user"),
    source="lmstudio #1925",
)
def lmstudio_no_runtime(facts: Snapshot) -> Iterator[Hit]:
    """LM Studio is installed without an engine."""
    lmstudio = known(facts.lmstudio, "lmstudio")
    installed = known(lmstudio.installed, "lmstudio: whether it is installed")
    if installed and known(lmstudio.runtimes, "lmstudio: its runtimes") == ():
        yield Hit("lmstudio", (Evidence("runtimes", "none", "~/.lmstudio/extensions/backends"),))


@check(
    code="lmstudio-error-in-answer",
    group="server",
    severity="warn",
    title="LM Studio answers 200 and means an error",
    when="its answer has status 200 and an `error` in it",
    cause="it answers like this at an address that it does not know",
    fix=Fix(
        (),
        "manual",
        hint="upgrade LM Studio: newer versions know more addresses",
    ),
    source="lmstudio #618",
)
def lmstudio_error_in_answer(facts: Snapshot) -> Iterator[Hit]:
    """A status of 200 with an error in the answer."""
    lmstudio = answering_lmstudio(facts)
    if lmstudio is not None and known(lmstudio.error_in_answer, "lmstudio: its answer"):
        yield Hit("lmstudio", (Evidence("error", str(lmstudio.error_in_answer), "its answer"),))


@check(
    code="own-server-down",
    group="server",
    severity="warn",
    title="a server of the configuration does not answer",
    when="[endpoint.NAME] is on this machine, and the connection is refused",
    cause="nobody listens at its address",
    fix=Fix((), "user", hint="start the server, or correct its url"),
    source="localai",
)
@for_each(own_servers)
def own_server_down(facts: Snapshot, server: OwnServerFacts) -> Iterator[Hit]:
    """The connection is refused, or the server stays silent."""
    state = known(server.state, f"own_servers: whether {server.name} answers")
    if state in _DOWN:
        found = server.error or f"{_DOWN[state]} at {server.host}:{server.port}"
        yield Hit(
            f"endpoint:{server.name}",
            (Evidence("connection", found, "a connection"),),
            title=f"the server endpoint.{server.name} does not answer",
            fix=Fix(
                (f"localai config unset endpoint.{server.name}",),
                "user",
                hint="that takes it out; or start the server, or correct its url",
            ),
        )


@check(
    code="own-server-key-missing",
    group="server",
    severity="warn",
    title="the key for a server of the configuration is not set",
    when="[endpoint.NAME] names a variable in key_env, and that is not set",
    cause="requests go there without a key and will be refused",
    fix=Fix((), "user", hint="export the variable in the shell that calls localai"),
    source="localai",
)
@for_each(own_servers)
def own_server_key_missing(facts: Snapshot, server: OwnServerFacts) -> Iterator[Hit]:
    """The variable that the configuration names is not set."""
    variable = known(server.key_variable, f"own_servers: the key of {server.name}")
    if variable and not known(server.key_set, f"own_servers: whether {variable} is set"):
        yield Hit(
            f"endpoint:{server.name}",
            (Evidence("key_env", f"{variable} is not set", "the environment"),),
            title=f"the key for the server endpoint.{server.name} is not set",
            fix=Fix(
                (f"read -rs {variable} && export {variable}",),
                "user",
                undo=f"unset {variable}",
                hint="then paste the key; it is neither shown nor kept in the history",
            ),
        )
