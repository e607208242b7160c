"""Apple Silicon: Metal, MLX, and a Python that sees neither."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from localai.doctor.check import Evidence, Fix, Hit, check, known
from localai.doctor.checks.subjects import PYTHON, is_apple_silicon, machine_of, our_python, own_of
from localai.doctor.facts.snapshot import Snapshot
from localai.doctor.versions import number

_WITH_METAL = "-m pip install --force-reinstall --no-deps xllamacpp"
_WHY_METAL = "the wheel for arm64 has Metal in it"


@check(
    code="metal-unused",
    group="gpu",
    severity="warn",
    title="the embedded engine does not use the Mac's GPU",
    when="on Apple Silicon the engine, loaded in a child, lists no Metal device",
    cause="the engine was built without Metal, or a sandbox keeps it from the GPU",
    fix=Fix(
        (f"{PYTHON} {_WITH_METAL}",),
        "user",
        hint=_WHY_METAL,
    ),
    source="mlx #3148",
    after=("python-under-rosetta",),
)
def metal_unused(facts: Snapshot) -> Iterator[Hit]:
    """The engine lists no Metal device on Apple Silicon."""
    engine = known(facts.engine, "engine")
    if not is_apple_silicon(facts) or known(engine.ended, "engine: how loading it ended") != "ok":
        return
    if not known(engine.devices, "engine: its devices"):
        yield Hit(
            "engine",
            (Evidence("engine's devices", "none", f"xllamacpp {engine.version} in a child"),),
            fix=Fix((f"{our_python(facts)} {_WITH_METAL}",), "user", hint=_WHY_METAL),
            within=("python",),
        )


@check(
    code="mlx-missing",
    group="gpu",
    severity="warn",
    title="MLX is not installed on this Apple Silicon machine",
    when="the package mlx is not there",
    cause="MLX is Apple's own engine, and opens models that llama.cpp cannot",
    fix=Fix(
        (f"{PYTHON} -m pip install mlx mlx-lm",),
        "user",
        undo=f"{PYTHON} -m pip uninstall mlx mlx-lm",
        hint="it needs macOS 14 or newer",
    ),
    source="localai",
    after=("python-under-rosetta",),
)
def mlx_missing(facts: Snapshot) -> Iterator[Hit]:
    """The package mlx is missing on Apple Silicon."""
    engine = known(facts.engine, "engine")
    if is_apple_silicon(facts) and known(engine.mlx, "engine: MLX") == "missing":
        python = our_python(facts)
        yield Hit(
            "mlx",
            (Evidence("package mlx", "not installed", "Python"),),
            fix=Fix(
                (f"{python} -m pip install mlx mlx-lm",),
                "user",
                undo=f"{python} -m pip uninstall mlx mlx-lm",
                hint="it needs macOS 14 or newer",
            ),
            within=("python",),
        )


@check(
    code="mlx-crashes",
    group="gpu",
    severity="warn",
    title="MLX ends the process that loads it",
    when="`import mlx.core` in a child does not end well",
    cause="without a Metal device (over ssh, in a sandbox, in a virtual machine) it aborts",
    fix=Fix(
        ('python3 -c "import mlx.core as mx; print(mx.device_info())"',),
        "user",
        hint="run it in the Mac's own terminal; localai answers with llama.cpp meanwhile",
    ),
    source="mlx #3148, #3397",
    after=("python-under-rosetta",),
)
def mlx_crashes(facts: Snapshot) -> Iterator[Hit]:
    """The child that imports MLX did not end well."""
    engine = known(facts.engine, "engine")
    ended = known(engine.mlx, "engine: MLX")
    if ended not in ("", "ok", "missing"):
        words = engine.mlx_words or "it said nothing"
        yield Hit(
            "mlx",
            (Evidence("import mlx.core", f"{ended}: {words}", "a child"),),
            within=("python",),
        )


@check(
    code="python-under-rosetta",
    group="gpu",
    severity="warn",
    title="this Python runs under Rosetta",
    when="the processor is Apple's and the process is translated from x86",
    cause="an x86 Python sees no Metal and no MLX, and everything is slower",
    fix=Fix(
        ("PYTHON=/opt/homebrew/bin/python3 ./install.sh",),
        "user",
        hint="install localai with a Python for arm64",
    ),
    source="mlx #200, #1055",
)
def python_under_rosetta(facts: Snapshot) -> Iterator[Hit]:
    """The process is translated from x86."""
    host = machine_of(facts).host
    if known(host.rosetta.value, "machine: Rosetta"):
        yield Hit("python", (Evidence("translated", "yes", host.rosetta.source),))


@check(
    code="mlx-may-panic",
    group="gpu",
    severity="info",
    title="MLX may bring this Mac down with a long prompt",
    when="macOS 26 or newer, MLX can be loaded, and the chosen model is MLX's",
    cause="on macOS 26 long prompts and many requests at once have ended in kernel panics "
    "(`completeMemory() prepare count underflow`); Apple's GPU driver counts its memory wrongly",
    fix=Fix(
        ("localai config set model llamacpp/MODEL",),
        "user",
        undo="localai config unset model",
        hint="only if it has happened: the embedded engine computes with Metal, too",
    ),
    source="mlx #3186, #3346",
)
def mlx_may_panic(facts: Snapshot) -> Iterator[Hit]:
    """It fires only if the chosen model is MLX's."""
    version = known(known(facts.kernel, "kernel").mac_version, "kernel: the version of macOS")
    if number(version) < (26,) or not is_apple_silicon(facts):
        return
    model = known(own_of(facts).model, "own: the chosen model")
    is_mlx = known(known(facts.engine, "engine").mlx, "engine: MLX") == "ok"
    if is_mlx and model.startswith("mlx/"):
        plain = shlex.quote(f"llamacpp/{model.removeprefix('mlx/')}")
        yield Hit(
            "mlx",
            (
                Evidence("macOS", version, "the system"),
                Evidence("model", model, "settings"),
            ),
            fix=Fix(
                (f"localai config set model {plain}",),
                "user",
                undo=f"localai config set model {shlex.quote(model)}",
                hint="only if it has happened: the embedded engine computes with Metal, too; it "
                "needs the model as GGUF",
            ),
        )
