"""A `HubModel` out of the hub's list and the model's header or config.json, which a plan has read.

Refuses what is no model to recommend. Asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localai.errors import InvalidInput
from localai.formats import FileFormat
from localai.formats.gguf import GgufHeader
from localai.formats.gguf_names import plain_label
from localai.recommend.catalogue import File, Task
from localai.recommend.hub_model import HubModel
from localai.units import counted

if TYPE_CHECKING:
    from localai.fetch.hub_listing import Listed
    from localai.fetch.plan import PullPlan, Variant

_SOURCE: Final = "hub"
# Of a repository, besides the usual quantization: twice the size, and no loss that shows.
_FINER: Final = "Q8_0"
# No model has more; the formula goes through all layers for each context that is tried.
_MOST_LAYERS: Final = 512
_MOST_CONTEXT: Final = 16_777_216
_MOST_PER_LAYER: Final = 4096
_SMALL: Final = 4.5e9
_TINY: Final = 2e9
_CODE: Final = re.compile(r"code|devstral|starcoder", re.IGNORECASE)


def described_by_header(
    listed: Listed,
    kind: FileFormat,
    plan: PullPlan,
    variants: Sequence[Variant],
    read_at: float,
) -> HubModel:
    """What the header in `plan` says of the model that the hub lists as `listed`.

    Raises InvalidInput, with the reason, for what is no model to recommend: a base model, a
    reranker, a header with impossible figures.
    """
    facts = _gguf_facts(plan) if kind == "gguf" else _mlx_facts(plan)
    layers, context = facts["layers"], facts["context_tokens"]
    if layers is not None and layers > _MOST_LAYERS:
        raise InvalidInput(f"{listed.repo} says that it has {counted(layers, 'layer')}")
    if not context or facts["parameters"] <= 0:
        raise InvalidInput(f"the header of {listed.repo} does not say how long its context is")
    files = _files(plan, variants, kind, facts["vision_bytes"])
    if not files:
        raise InvalidInput(f"{listed.repo} has no model of the size that its header says")
    name = (listed.base or listed.repo).partition("/")[2]
    return HubModel(
        repo=listed.repo,
        commit=listed.commit,
        format=kind,
        base=listed.base,
        created=None if listed.created is None else listed.created.isoformat(),
        downloads=listed.downloads,
        gated=listed.gated,
        license=listed.license,
        read_at=read_at,
        tasks=tasks_of(name, facts["capabilities"], facts["parameters"]),
        files=files,
        **{
            **facts,
            "context_tokens": min(context, _MOST_CONTEXT),
            "capabilities": tuple(sorted(facts["capabilities"])),
        },
    )


def tasks_of(name: str, capabilities: set[str], parameters: int) -> tuple[Task, ...]:
    """The tasks of a model by its name, what it can do and its size, the main one first."""
    if "completion" not in capabilities:
        return ("embed",)
    tasks: list[Task] = ["code"] if _CODE.search(name) else []
    if parameters <= _TINY:
        tasks.append("extract")
    tasks.append("chat")
    if "thinking" in capabilities:
        tasks.append("reasoning")
    if "vision" in capabilities:
        tasks.append("vision")
    if _TINY < parameters <= _SMALL:
        tasks.append("extract")
    return tuple(tasks)


def _gguf_facts(plan: PullPlan) -> dict[str, Any]:
    from localai.formats.gguf_kinds import no_model, purpose_of
    from localai.formats.purposes import EMBEDS
    from localai.stores.describe import header_capabilities

    header = plan.header
    assert header is not None
    purpose = purpose_of(header)
    what = no_model(header) or (f"a model that {purpose}" if purpose not in (None, EMBEDS) else "")
    if what:
        raise InvalidInput(f"{plan.name} is {what}")
    if purpose is None and header.chat_template is None:
        raise InvalidInput(f"{plan.name} has no chat template: it is a base model")
    vision_bytes = plan.size_bytes - sum(part.size_bytes for part in _parts(plan))
    capabilities: set[str] = set(header_capabilities(header))
    if vision_bytes:
        capabilities.add("vision")
    return {
        "architecture": header.architecture or "",
        "parameters": header.parameter_count,
        "active_share": min(1.0, header.active_bytes_per_token / max(1, header.tensor_bytes)),
        "context_tokens": header.context_length or 0,
        "capabilities": capabilities,
        "vision_bytes": vision_bytes,
        "layers": header.block_count,
        "vocabulary": header.vocabulary_size,
        "float_bytes": 2,
        "dimensions": _dimensions(header),
    }


def _parts(plan: PullPlan) -> Sequence[Any]:
    """The files whose headers were read: all but the projector."""
    return () if isinstance(plan.measured, Path) else plan.measured


def _mlx_facts(plan: PullPlan) -> dict[str, Any]:
    from localai.formats.mlx_folder import read_folder
    from localai.sizing.mlx_formula import active_share, memory_by_config

    assert isinstance(plan.measured, Path)
    if plan.purpose is not None:
        raise InvalidInput(f"{plan.name} is a model that {plan.purpose}")
    folder = read_folder(plan.measured)
    if memory_by_config(folder.config, folder.float_bytes, 0, 1) is None:
        raise InvalidInput(f"config.json of {plan.name} does not say how large its layers are")
    # The template is in a file that was not read: what it says is not known.
    capabilities = {"completion"}
    if isinstance(folder.config.get("vision_config"), dict):
        capabilities.add("vision")
    numbers = {
        key: value
        for key, value in folder.config.items()
        if _is_number(value) or (key == "layer_types" and isinstance(value, list))
    }
    layers, vocabulary = numbers.get("num_hidden_layers"), numbers.get("vocab_size")
    return {
        "architecture": str(folder.config["model_type"]),
        "parameters": folder.parameter_count,
        "active_share": active_share(folder.config, folder.parameter_count),
        "context_tokens": folder.context_limit or 0,
        "capabilities": capabilities,
        "vision_bytes": 0,
        "layers": layers if isinstance(layers, int) else None,
        "vocabulary": vocabulary if isinstance(vocabulary, int) else None,
        "float_bytes": folder.float_bytes,
        "dimensions": numbers,
    }


def _files(
    plan: PullPlan, variants: Sequence[Variant], kind: FileFormat, vision_bytes: int
) -> tuple[File, ...]:
    """The quantization whose header was read, and a finer one if there is one."""
    if kind == "mlx":
        bits = re.search(r"[2-8]bit|mxfp[48]|bf16", plan.name.lower())
        label = bits[0] if bits else "mlx"
        return (File(f"hf.co/{plan.name}", label, plan.size_bytes, False, _SOURCE),)
    models = [each for each in variants if each.role is None and each.size_bytes]
    own_bytes = plan.size_bytes - vision_bytes
    read = [each for each in models if each.size_bytes == own_bytes][:1]
    finer = [each for each in models if plain_label(each.quantization.upper()) == _FINER][:1]
    return tuple(
        File(each.name, each.quantization, (each.size_bytes or 0) + vision_bytes, False, _SOURCE)
        for each in dict.fromkeys((*read, *finer))
    )


def _dimensions(header: GgufHeader) -> dict[str, Any]:
    """The numbers under the architecture's own keys."""
    prefix = f"{header.architecture}."
    return {
        key: value
        for key, value in header.metadata.items()
        if key == "general.architecture"
        or (key.startswith(prefix) and (_is_number(value) or _is_list(value)))
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _is_list(value: object) -> bool:
    return (
        isinstance(value, tuple) and len(value) <= _MOST_PER_LAYER and all(map(_is_number, value))
    )
