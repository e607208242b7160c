"""All that is known of one model: what it is, its files, its memory and its predicted speed.

Headers and small files are read, and the engine is asked for memory. No model is loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localai.chat.chat_template import read_chat_template
from localai.chat.model_settings import as_set
from localai.chat.select import SelectedModel, parse_ref, select_model
from localai.dataclass import dataclass
from localai.engine.llamacpp.steps import allocated_context
from localai.engine.template_findings import RememberedFindings, known_problems
from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.formats.gguf import GgufHeader, part_paths, read_header, read_model
from localai.formats.mlx_folder import MlxFolder, read_folder
from localai.formats.mlx_weights import LAYER_NAMES, experts, positive_integer
from localai.library.licenses import license_of_card, license_of_name
from localai.parallel import in_threads
from localai.providers.registry import facts_of
from localai.sizing.memory import MemoryNeed, project
from localai.sizing.past_runs import past_runs
from localai.sizing.speed import SpeedRange, decode_work, folder_work, predict_speed
from localai.stores.inventory import Place, models_on_disk
from localai.stores.lookup import resolve_model
from localai.stores.presets import applied, chain_of, find_preset
from localai.stores.starter import STARTER, starter_path
from localai.types import ResolvedModel
from localai.units import counted

if TYPE_CHECKING:
    from localai.config import Config
    from localai.engine.worker_files import KvType
    from localai.hardware.facts import Machine
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool

USUAL_CONTEXTS: Final = (4096, 32_768)
KV_TYPES: Final[tuple[KvType, ...]] = ("f16", "q8_0")
_LARGEST_TEXT_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class MemoryAt:
    """The memory of a model whose keys and values are kept as `kv_type`."""

    kv_type: str
    need: MemoryNeed


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """What is known of a model; an unknown field is None.

    `layers` counts blocks, `embedding` the values of one token's vector, `vocabulary` tokens.
    `experts` are how many experts a mixture has and how many of them a token uses; None for a dense
    model. `source` is the GGUF header or the MLX folder that this was read from; None for a model
    that only a server has. `files` are all files of the model. `template_problems` are those of the
    template that it is asked with, and `given_template` the file of that if it is not its own.
    """

    model: ResolvedModel
    places: tuple[Place, ...]
    title: str | None
    architecture: str | None
    layers: int | None
    embedding: int | None
    vocabulary: int | None
    experts: tuple[int, int] | None
    tokenizer: str | None
    template: str | None
    license: str | None
    files: tuple[Path, ...]
    source: GgufHeader | MlxFolder | None
    template_problems: tuple[str, ...] = ()
    given_template: Path | None = None

    @property
    def parameter_count(self) -> int | None:
        """All parameters, also of a mixture of experts."""
        return None if self.source is None else self.source.parameter_count

    @property
    def size_bytes(self) -> int | None:
        """The size of all files; if only a server has the model, the size that the server
        states."""
        if not self.files:
            return self.model.size_bytes
        return sum(file.stat().st_size for file in self.files)


def find_details(text: str, config: Config, paths: Paths, providers: ProviderPool) -> ModelDetails:
    """What is known of the model that `text` means, on this machine or else at a server.

    Raises NotFound with near names, InvalidInput if the model is not whole or `text` means several,
    and what the named provider raises.
    """
    if (preset := find_preset(text, paths)) is not None:
        chain = chain_of(preset, paths)
        base = find_details(chain[-1].base, config, paths, providers)
        return replace(base, model=applied(chain, base.model))
    ref = parse_ref(text, config)
    if ref.provider is None or facts_of(ref.provider, config).has_files_here:
        try:
            return _with_template_in_force(_details_here(ref.name, paths), config, paths)
        except NotFound as missing:
            try:
                return _served(select_model(text, config, providers))
            except NotFound:
                raise missing from None
    return _served(select_model(text, config, providers))


def _with_template_in_force(details: ModelDetails, config: Config, paths: Paths) -> ModelDetails:
    model = as_set(details.model, config)
    details, given = replace(details, model=model), model.template_file
    if given is not None:
        try:
            read_chat_template(given)
        except LocalaiError as error:
            return replace(details, given_template=given, template_problems=(error.message,))
        return replace(details, given_template=given)
    if details.template is None or model.path is None:
        return details
    problems = known_problems(details.template, model.path, RememberedFindings(paths.cache_dir))
    return replace(details, template_problems=problems)


def _served(chosen: SelectedModel) -> ModelDetails:
    unknown: Any = dict.fromkeys(
        ("title", "architecture", "layers", "embedding", "vocabulary", "experts")
    )
    return ModelDetails(
        chosen.model,
        (),
        **unknown,
        tokenizer=None,
        template=None,
        license=None,
        files=(),
        source=None,
    )


def _details_here(name: str, paths: Paths) -> ModelDetails:
    environ = os.environ
    model = resolve_model(name, paths, environ)
    assert model.path is not None, "the stores hold files"
    places = _places(model.path, paths, environ)
    return _of_folder(model, places) if model.provider == "mlx" else _of_file(model, places, paths)


def memory_table(
    details: ModelDetails,
    paths: Paths,
    context_tokens: int | None = None,
    *,
    kv_type: KvType = "f16",
) -> tuple[MemoryAt, ...]:
    """The memory of the model at `context_tokens`, else at the usual contexts and at its largest
    one: first with `kv_type`, then with the usual types. The first time, each row takes half a
    second.

    Empty if the memory is unknown. Raises InvalidInput if the context is beyond the model's limit.
    """
    limit = details.model.context_limit
    if context_tokens is not None and limit is not None and context_tokens > limit:
        raise InvalidInput(
            f"{details.model.id} was made for a context of at most {counted(limit, 'token')}",
            hint=f"--ctx {limit}",
        )
    contexts = [context_tokens] if context_tokens is not None else _contexts(limit)
    if details.source is None:
        return ()
    # MLX stores keys and values in the model's own float type.
    types = KV_TYPES[:1]
    if isinstance(details.source, GgufHeader):
        contexts = [allocated_context(each) for each in contexts]
        types = tuple(dict.fromkeys((kv_type, *KV_TYPES)))
    wanted = [(context, kv_type) for context in contexts for kv_type in types]
    found = in_threads(lambda each: _project(details, each[0], each[1], paths), wanted, most=2)
    return tuple(each for each in found if each is not None)


def speed_on(
    machine: Machine,
    details: ModelDetails,
    table: tuple[MemoryAt, ...],
    paths: Paths,
    *,
    this_one: bool,
) -> SpeedRange:
    """How fast `machine` would decode the model, with its smallest context of `table`. `this_one`:
    correct the prediction by earlier answers here."""
    if not table or details.source is None:
        return SpeedRange(None, None, None, "its memory is not known", None)
    need = table[0].need
    if isinstance(details.source, GgufHeader):
        work = decode_work(details.source, need)
    else:
        in_folder = folder_work(details.source, need)
        if in_folder is None:
            why = "its config does not say how many experts a token uses"
            return SpeedRange(None, None, None, why, None)
        work = in_folder
    runs = past_runs(paths, details.model) if this_one else ()
    return predict_speed(machine, work, past_runs=runs)


def _contexts(limit: int | None) -> list[int]:
    usual = [context for context in USUAL_CONTEXTS if limit is None or context < limit]
    return usual if limit is None else [*usual, limit]


def _project(details: ModelDetails, context: int, kv_type: KvType, paths: Paths) -> MemoryAt | None:
    assert details.model.path is not None
    try:
        need = project(
            details.model.path,
            context,
            kv_type=kv_type,
            cache_folder=paths.cache_dir,
            digest=details.model.digest,
        )
    except LocalaiError:
        return None
    return MemoryAt(kv_type, need)


def _places(path: Path, paths: Paths, environ: Mapping[str, str]) -> tuple[Place, ...]:
    for model in models_on_disk(paths, environ):
        if model.format != "adapted" and any(
            place.path.exists() and place.path.samefile(path) for place in model.places
        ):
            return model.places
    return ()


def _of_file(model: ResolvedModel, places: tuple[Place, ...], paths: Paths) -> ModelDetails:
    assert model.path is not None
    header = read_model(model.path)
    files = part_paths(model.path, read_header(model.path))
    if model.projector is not None:
        files = (*files, model.projector)
    license_name = header.license
    if model.path == starter_path(paths):
        license_name = STARTER.license
    experts = (header.expert_count, header.expert_used_count) if header.expert_count else None
    return ModelDetails(
        model=model,
        places=places,
        title=header.name,
        architecture=header.architecture,
        layers=header.block_count,
        embedding=header.embedding_length,
        vocabulary=header.vocabulary_size,
        experts=experts,
        tokenizer=_tokenizer(header),
        template=header.chat_template,
        license=license_name or license_of_name(model.id, places),
        files=files,
        source=header,
    )


def _tokenizer(header: GgufHeader) -> str | None:
    kind, split = header.text("tokenizer.ggml.model"), header.text("tokenizer.ggml.pre")
    return f"{kind} ({split})" if kind and split else kind


def _of_folder(model: ResolvedModel, places: tuple[Place, ...]) -> ModelDetails:
    assert model.path is not None
    folder = read_folder(model.path)
    config = folder.config
    return ModelDetails(
        model=model,
        places=places,
        title=None,
        architecture=str(config["model_type"]),
        layers=positive_integer(config, *LAYER_NAMES),
        embedding=positive_integer(config, "hidden_size", "dim", "n_embd"),
        vocabulary=positive_integer(config, "vocab_size"),
        experts=experts(config),
        tokenizer=_tokenizer_class(model.path),
        template=folder.chat_template,
        license=license_of_card(model.path),
        files=tuple(sorted(file for file in model.path.iterdir() if file.is_file())),
        source=folder,
    )


def _tokenizer_class(folder: Path) -> str | None:
    try:
        document: Any = json.loads(_head(folder / "tokenizer_config.json"))
        name = document.get("tokenizer_class")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return name if isinstance(name, str) else None


def _head(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(_LARGEST_TEXT_BYTES).decode("utf-8", "replace")
