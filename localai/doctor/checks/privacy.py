"""Ways in which prompts could leave this machine, and places where others can read them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import (
    answering_lmstudio,
    container_of,
    is_mac,
    own_of,
    served_variables,
    setting,
    variables_of,
    workers,
)
from localai.doctor.facts.own import WorkerFacts
from localai.doctor.facts.snapshot import Snapshot

_LOGS_REQUESTS = "OLLAMA_DEBUG_LOG_REQUESTS"


@check(
    code="lmstudio-linked",
    group="privacy",
    severity="info",
    title="LM Studio may compute on another device",
    when="its server answers, and `lms link status` says that LM Link is on",
    cause="its server at 127.0.0.1 also answers for the models of a linked device",
    fix=Fix(("lms link disable",), "user", undo="lms link enable"),
    source="LM Studio's docs, lm-link",
)
def lmstudio_linked(facts: Snapshot) -> Iterator[Hit]:
    """LM Studio's own tool says so. It is asked only if LM Studio is running."""
    lmstudio = answering_lmstudio(facts)
    if lmstudio is not None and known(lmstudio.linked, "lmstudio: LM Link"):
        yield Hit("lmstudio", (Evidence("LM Link", "on", "lms link status"),))


@check(
    code="prompts-logged",
    group="privacy",
    severity="warn",
    title="Ollama writes prompts into files",
    when="OLLAMA_DEBUG_LOG_REQUESTS is on in the shell or in the server's environment",
    cause="it keeps each request whole in ollama-request-logs-* in its temporary folder",
    fix=Fix(("unset OLLAMA_DEBUG_LOG_REQUESTS",), "user"),
    source="ollama #14106, #18210",
)
def prompts_logged(facts: Snapshot) -> Iterator[Hit]:
    """The variables of the shell count, and those of the server if they may be seen."""
    yield from _logged(variables_of(facts), in_shell=True)
    yield from _logged(served_variables(facts), in_shell=False)


def _logged(variables: Mapping[str, str], *, in_shell: bool) -> Iterator[Hit]:
    value = variables.get(_LOGS_REQUESTS, "")
    if value and value not in ("0", "f", "F", "false", "False", "FALSE"):
        yield Hit(
            f"variable:{_LOGS_REQUESTS}" if in_shell else "ollama",
            (Evidence(_LOGS_REQUESTS, value, "the shell" if in_shell else "Ollama's server"),),
            fix=Fix((f"unset {_LOGS_REQUESTS}",), "user", hint="before `ollama serve`")
            if in_shell
            else Fix(
                ("sudo systemctl edit ollama", "sudo systemctl restart ollama"),
                "root",
                hint=f"take {_LOGS_REQUESTS} out in the editor",
            ),
        )


@check(
    code="files-readable-by-others",
    group="privacy",
    severity="warn",
    title="others on this machine may read localai's conversations",
    when="its database or a folder with prompts has permissions for the group or for others",
    cause="somebody changed the permissions, or a backup was restored without them",
    fix=Fix(("chmod go-rwx FILE",), "ours"),
    source="localai",
)
def files_readable_by_others(facts: Snapshot) -> Iterator[Hit]:
    """localai's files must have mode 0600 and its folders 0700."""
    files = known(own_of(facts).loose_files, "own: rights of files")
    if files:
        names = " ".join(shlex.quote(each) for each in files)
        yield Hit(
            "files",
            tuple(Evidence("open to others", each, "its mode") for each in files),
            fix=Fix((f"chmod go-rwx {names}",), "ours", undo=f"chmod go+r {names}"),
        )


@check(
    code="keys-in-history",
    group="privacy",
    severity="warn",
    title="keys were typed into the shell and lie in its history",
    when="the shell's history has NAME_API_KEY=…; only the name was looked at",
    cause="a shell keeps every line in its history",
    fix=Fix(
        (),
        "user",
        hint="replace the key at its provider, take the lines out of the history file, and keep "
        "keys in the keyring: localai reads them from there",
    ),
    source="bash(1)",
)
def keys_in_history(facts: Snapshot) -> Iterator[Hit]:
    """Only the names of keys, never their values."""
    names = known(known(facts.environment, "environment").shell_keys, "environment: histories")
    if names:
        yield Hit("history", (Evidence("keys", ", ".join(names), "the shell's history"),))


@check(
    code="key-without-permission",
    group="privacy",
    severity="info",
    title="a key is set that localai does not use",
    when="a cloud's key is in the environment, and `cloud.fallback` or the chosen model names that "
    "cloud while `cloud.allow` does not",
    cause="a key is no permission: without `cloud.allow` nothing is sent",
    fix=Fix(
        ("localai config set cloud.allow NAME",), "user", undo="localai config unset cloud.allow"
    ),
    source="localai",
)
def key_without_permission(facts: Snapshot) -> Iterator[Hit]:
    """The user has set a key and named the cloud, and has not allowed it."""
    keys = known(known(facts.environment, "environment").keys, "environment: keys")
    allow = setting(facts, "cloud.allow")
    allowed = [each.strip() for each in allow.split(",") if each.strip()]
    wanted = {setting(facts, key).partition("/")[0] for key in ("model", "cloud.fallback")}
    for cloud in ("openai", "anthropic"):
        key = f"{cloud.upper()}_API_KEY"
        if cloud in wanted and cloud not in allowed and key in keys:
            both = ",".join([*allowed, cloud])
            yield Hit(
                f"cloud:{cloud}",
                (
                    Evidence(key, "set", "the environment"),
                    Evidence("cloud.allow", allow or "nobody", "settings"),
                ),
                title=f"{key} is set, and localai does not use it",
                fix=Fix(
                    (f"localai config set cloud.allow {both}",),
                    "user",
                    undo="localai config unset cloud.allow",
                    hint=f"from then on prompts may go to {cloud}",
                ),
            )


@check(
    code="key-in-config",
    group="privacy",
    severity="warn",
    title="the configuration's file holds a key",
    when="a header or another entry of [endpoint.NAME] looks like a key",
    cause="files are backed up and synchronised; a key belongs in the environment or the keyring",
    fix=Fix((), "user", hint='name a variable: key_env = "NAME", and export that'),
    source="localai",
)
def key_in_config(facts: Snapshot) -> Iterator[Hit]:
    """Only the place of the key, never its value."""
    own = own_of(facts)
    for where in known(own.secret_in_config, "own: the configuration"):
        yield Hit(
            f"setting:{where}",
            (Evidence("entry", where, str(own.config_file)),),
            fix=Fix(
                (f'"${{EDITOR:-vi}}" {shlex.quote(str(own.config_file))}',),
                "user",
                hint='name a variable: key_env = "NAME", and export that',
            ),
        )


@check(
    code="network-not-denied",
    group="privacy",
    severity="warn",
    title="a worker of localai's runs with the network open",
    when="a running worker reports that the kernel does not deny it the network",
    cause="this system refuses both the namespace and the system-call filter",
    fix=Fix(("localai stop --all", "localai privacy"), "user"),
    source="localai",
)
@for_each(workers)
def network_not_denied(facts: Snapshot, worker: WorkerFacts) -> Iterator[Hit]:
    """The workers' own reports."""
    if not known(worker.network_denied, "own: whether a worker has a network"):
        yield Hit(
            f"worker:{worker.pid}",
            (Evidence("denial", worker.denial or "none", f"process {worker.pid}"),),
        )


@check(
    code="no-user-namespaces",
    group="privacy",
    severity="info",
    title="this system gives users no namespace; the filter alone keeps engines off the network",
    when="the kernel's settings restrict user namespaces, outside a container",
    cause="Ubuntu 24.04 and others restrict them; the system-call filter still holds",
    fix=Fix(
        ("sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",),
        "root",
        undo="sudo sysctl kernel.apparmor_restrict_unprivileged_userns=1",
        hint="only if --airgap refuses and is wanted; it opens them to every program",
    ),
    source="Ubuntu 24.04's release notes",
)
def no_user_namespaces(facts: Snapshot) -> Iterator[Hit]:
    """The kernel's settings, outside containers and macOS."""
    if is_mac(facts) or container_of(facts):
        return
    may = known(known(facts.kernel, "kernel").user_namespaces, "kernel: user namespaces")
    if not may:
        yield Hit("kernel", (Evidence("user namespaces", "restricted", "/proc/sys"),))


@check(
    code="prompts-readable-by-others",
    group="privacy",
    severity="warn",
    title="everybody on this machine may read prompts that another tool keeps",
    when=(
        "a file in which Ollama, LM Studio, llm or aichat keeps prompts, and every folder "
        "above it, is open to everybody"
    ),
    cause="the tool writes it with the usual permissions, and the home is open",
    fix=Fix(("chmod go-rwx FILE",), "user"),
    source="sgpt #355",
)
def prompts_readable_by_others(facts: Snapshot) -> Iterator[Hit]:
    """Only the permissions of the files, never their content."""
    files = known(known(facts.environment, "environment").open_histories, "environment: histories")
    if files:
        names = " ".join(shlex.quote(each) for each in files)
        yield Hit(
            "histories",
            tuple(Evidence("open to all", each, "its mode") for each in files),
            fix=Fix((f"chmod -R go-rwx {names}",), "user", undo=f"chmod -R go+rX {names}"),
        )


@check(
    code="telemetry-of-others",
    group="privacy",
    severity="info",
    title="vLLM reports its use to its makers",
    when="vLLM is installed, and neither VLLM_NO_USAGE_STATS nor DO_NOT_TRACK is 1",
    cause="it reports model, hardware and settings when it starts, and no prompts",
    fix=Fix(
        ("export VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1",),
        "user",
        undo="unset VLLM_NO_USAGE_STATS DO_NOT_TRACK",
    ),
    source="vLLM's docs, usage stats",
)
def telemetry_of_others(facts: Snapshot) -> Iterator[Hit]:
    """vLLM's variables decide."""
    program = known(known(facts.vllm, "vllm").program, "vllm: its program")
    variables = variables_of(facts)
    off = [name for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK") if variables.get(name) == "1"]
    if program and not off:
        yield Hit(
            "program:vllm",
            (Evidence("VLLM_NO_USAGE_STATS", "not set", "the shell"),),
        )
