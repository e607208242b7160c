"""Models on the disk: damaged, incomplete, unknown to the engine, or without a chat template."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, for_each, known
from localai.doctor.checks.subjects import (
    all_models,
    answering,
    bad_blobs,
    models,
    served_by_ollama,
    store_of,
)
from localai.doctor.facts.models import Blob, ModelFile
from localai.doctor.facts.snapshot import Snapshot
from localai.doctor.versions import number
from localai.units import bytes_text


@check(
    code="model-damaged",
    group="models",
    severity="fail",
    title="a model's file is damaged",
    when="its header cannot be read, or the file is shorter than the header says",
    cause="the download broke off, or the disk is full or fails",
    fix=Fix(("localai pull MODEL",), "user"),
    source="ollama #941, #8105",
    after=("ollama-blob-damaged",),
)
@for_each(all_models)
def model_damaged(facts: Snapshot, model: ModelFile) -> Iterator[Hit]:
    """No engine can open the file."""
    problem = known(model.problem, f"models: the header of {model.name}")
    if problem:
        yield Hit(
            f"model:{model.name}",
            (Evidence("header", problem, str(model.path)),),
            title=f"the model {model.name} is damaged",
            fix=_remove_and_pull(model),
            within=(f"blob:{model.path}",),
        )


@check(
    code="model-parts-missing",
    group="models",
    severity="fail",
    title="parts of a model are missing",
    when="some of the files of a split model are missing",
    cause="the download of its parts broke off, or a file was moved",
    fix=Fix(("localai pull MODEL",), "user"),
    source="llama.cpp #15164",
)
@for_each(models)
def model_parts_missing(facts: Snapshot, model: ModelFile) -> Iterator[Hit]:
    """A split model lacks some of its files."""
    missing = known(model.missing_parts, f"models: the parts of {model.name}")
    if missing:
        yield Hit(
            f"model:{model.name}",
            (Evidence("missing", ", ".join(missing[:3]), str(model.path)),),
            title=f"parts of the model {model.name} are missing",
            fix=_remove_and_pull(model),
        )


@check(
    code="ollama-blob-damaged",
    group="models",
    severity="fail",
    title="a model in Ollama's store is incomplete",
    when="a layer that its manifest names is missing, empty, or of another size",
    cause="the download broke off, the disk is full, or a program removed a file",
    fix=Fix(("ollama pull MODEL",), "user"),
    source="ollama #941, #8105, #9846",
)
@for_each(bad_blobs)
def ollama_blob_damaged(facts: Snapshot, blob: Blob) -> Iterator[Hit]:
    """The sizes of the files against the manifests. Digests are compared with --deep."""
    expected = "" if blob.expected_bytes is None else f" of {bytes_text(blob.expected_bytes)}"
    found = "not there" if not blob.exists else f"{bytes_text(blob.size_bytes or 0)}{expected}"
    yield Hit(
        f"blob:{blob.path}",
        (Evidence("layer", found, str(blob.path)),),
        title=f"the model {blob.model} in Ollama's store is incomplete",
        fix=Fix(
            (
                f"rm -f {shlex.quote(str(blob.path))}",
                f"ollama pull {shlex.quote(str(blob.model))}",
            ),
            "user",
        ),
        within=("store:ollama",),
    )


@check(
    code="ollama-manifest-damaged",
    group="models",
    severity="fail",
    title="a manifest in Ollama's store is damaged",
    when="it is no JSON, or has no layers",
    cause="the power or the disk failed while it was written",
    fix=Fix(("ollama pull MODEL",), "user"),
    source="ollama #9846",
)
def ollama_manifest_damaged(facts: Snapshot) -> Iterator[Hit]:
    """A manifest cannot be read."""
    store = store_of(facts)
    if not known(store.readable, "ollama_store: whether it can be read"):
        return
    for name in known(store.broken_manifests, "ollama_store: its manifests"):
        yield Hit(
            f"model:{name}",
            (Evidence("manifest", "cannot be read", str(store.path)),),
            title=f"the manifest of {name} is damaged",
            fix=Fix((f"ollama pull {shlex.quote(name)}",), "user"),
        )


@check(
    code="model-architecture-unknown",
    group="models",
    severity="warn",
    title="the embedded engine does not know a model's architecture",
    when="the architecture in its header is not among the names in the engine's library",
    cause="the model is newer than the engine, or was never meant for llama.cpp",
    fix=Fix(("./install.sh",), "user", hint="a newer localai brings a newer engine"),
    source="ollama #15838",
    after=("model-damaged",),
)
@for_each(models)
def model_architecture_unknown(facts: Snapshot, model: ModelFile) -> Iterator[Hit]:
    """The engine does not support the architecture."""
    architecture = known(model.architecture, f"models: the architecture of {model.name}")
    engine = known(facts.engine, "engine")
    if not architecture or known(engine.ended, "engine: how loading it ended") == "missing":
        return
    if not known(model.supported, f"models: whether the engine knows {architecture}"):
        yield Hit(
            f"model:{model.name}",
            (
                Evidence("architecture", architecture, str(model.path)),
                Evidence("engine", f"xllamacpp {engine.version or '?'}", "its library"),
            ),
            title=f"the embedded engine does not know the architecture of {model.name}",
        )


@check(
    code="model-without-template",
    group="models",
    severity="warn",
    title="a model for chat has no chat template",
    when="its header has no tokenizer.chat_template",
    cause=(
        "the engine then guesses a template, and answers may be nonsense or never end; a "
        "base model has none because it is not for chat"
    ),
    fix=Fix(
        ("localai config set models.MODEL.chat_template FILE",),
        "user",
        hint="take the instruct version, or a newer conversion of it; or give it a template",
    ),
    source="ollama #2334",
    after=("model-damaged",),
)
@for_each(models)
def model_without_template(facts: Snapshot, model: ModelFile) -> Iterator[Hit]:
    """Ollama's store is left out, because Ollama keeps templates beside its files."""
    if model.store == "ollama":
        return
    is_for_chat = known(model.answers, f"models: whether {model.name} is for chat")
    if is_for_chat and not known(model.has_template, f"models: the template of {model.name}"):
        yield Hit(
            f"model:{model.name}",
            (Evidence("tokenizer.chat_template", "not there", str(model.path)),),
            title=f"the model {model.name} has no chat template",
            fix=_give_template(model),
        )


@check(
    code="model-template-broken",
    group="models",
    severity="warn",
    title="a model's chat template is broken",
    when="an engine has refused it, or found that it leaves out a part of what is asked; else "
    "blocks in it are opened and not closed",
    cause="a conversion that cut it off or put another there, or words that the engine lacks",
    fix=Fix(
        ("localai config set models.MODEL.chat_template FILE",),
        "user",
        hint="give the model a template from its maker's page, or take another conversion",
    ),
    source="localai",
)
@for_each(models)
def model_template_broken(facts: Snapshot, model: ModelFile) -> Iterator[Hit]:
    """An engine's finding when the model was asked; before that, only unbalanced blocks in the
    template."""
    problems = known(model.template_problems, f"models: the template of {model.name}")
    if problems:
        yield Hit(
            f"model:{model.name}",
            (Evidence("template", "; ".join(problems), str(model.path)),),
            title=f"the chat template of {model.name} is broken",
            fix=_give_template(model),
        )


@check(
    code="model-needs-newer-ollama",
    group="models",
    severity="warn",
    title="a model needs a newer Ollama",
    when="its configuration names a version that is newer than the server's",
    cause="its format or architecture came with that version",
    fix=Fix(("curl -fsSL https://ollama.com/install.sh | sh",), "root"),
    source="ollama #14431",
    after=("ollama-old-server",),
)
def model_needs_newer_ollama(facts: Snapshot) -> Iterator[Hit]:
    """The version that the model requires against the server's version."""
    store, ollama = store_of(facts), answering(facts)
    if ollama is None or not known(store.readable, "ollama_store: whether it can be read"):
        return
    have = number(known(ollama.server_version, "ollama: its version"))
    for name, needed in known(store.needs, "ollama_store: what its models need").items():
        if have and number(needed) > have:
            yield Hit(
                f"model:{name}",
                (
                    Evidence("needs", needed, "its configuration"),
                    Evidence("server", str(ollama.server_version), "/api/version"),
                ),
                title=f"the model {name} needs a newer Ollama",
                within=("ollama",),
            )


@check(
    code="ollama-other-store",
    group="models",
    severity="warn",
    title="Ollama's server uses another store than this user's",
    when="the server lists no model while this user's store has some",
    cause=(
        "the service runs as its own user, with its own home and models; models that your "
        "`ollama serve` fetched are in your home"
    ),
    fix=Fix(
        ("sudo systemctl show ollama -p User -p Environment",),
        "user",
        hint="localai finds the models in both; for Ollama itself move them to its store, or set "
        "OLLAMA_MODELS in the service",
    ),
    source="ollama #1296",
    after=("ollama-variable-not-in-service", "ollama-value-misread"),
)
def ollama_other_store(facts: Snapshot) -> Iterator[Hit]:
    """The server has no models, and this user's store has some."""
    store, ollama = store_of(facts), answering(facts)
    if ollama is None or not known(store.readable, "ollama_store: whether it can be read"):
        return
    here = known(store.models, "ollama_store: its models")
    broken = len(known(store.broken_manifests, "ollama_store: its manifests"))
    if here - broken > 0 and not [each for each in served_by_ollama(facts) if not each.remote]:
        yield Hit(
            "ollama",
            (
                Evidence("the server's models", "none", "/api/tags"),
                Evidence("this user's", str(here), str(store.path)),
                Evidence("run by", ollama.run_by or "unknown", "the table of listening sockets"),
            ),
            within=("variable:OLLAMA_MODELS",),
        )


def _give_template(model: ModelFile) -> Fix:
    key = shlex.quote(f"models.{model.name}.chat_template")
    return Fix(
        (),
        "user",
        hint=(
            f"give it a template from its maker's page: localai config set {key} FILE;"
            " or take another conversion"
        ),
    )


def _remove_and_pull(model: ModelFile) -> Fix:
    name = shlex.quote(str(model.name))
    if model.store == "ollama":
        return Fix((f"ollama rm {name}", f"ollama pull {name}"), "user")
    if model.store == "localai" and model.name == "starter":
        return Fix(("localai rm starter", "localai pull starter"), "user")
    if model.store == "localai":
        # A file's name does not say where the model came from.
        return Fix((f"localai rm {name}",), "user", hint="then fetch it again from its source")
    return Fix((), "user", hint=f"remove it where it came from ({model.store}) and fetch it again")
