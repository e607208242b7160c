"""An MLX model folder: config.json, safetensors weights and a tokenizer.

Reads headers only, never a weight, and never imports `mlx`: that has killed processes on machines
without Metal. Does not judge whether the engine knows the architecture.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.finite import is_finite
from localai.formats.folder_kinds import purpose_of_folder, require_model
from localai.formats.mlx_weights import active_bytes, positive_integer
from localai.types import Options

_FLOAT_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
# A header has a few hundred kilobytes for the largest models; a hostile one claims gigabytes.
_LARGEST_HEADER_BYTES = 64 << 20
_LARGEST_JSON_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class MlxFolder:
    """A whole model folder, its weights unread.

    `config` is config.json; in a multimodal model's, the text model's part is laid over it.
    `active_bytes` is what decoding a token reads of the weights; None if config.json does not say.
    `float_bytes` is the width of unquantized numbers, and so of the KV cache. `is_mlx`: MLX wrote
    the weights; others (a hub's original checkpoint) may load too. `recommended` are the sampling
    options of generation_config.json. `purpose` is as in `ResolvedModel`.
    """

    path: Path
    config: Mapping[str, Any]
    size_bytes: int
    active_bytes: int | None
    parameter_count: int
    float_type: str
    float_bytes: int
    is_mlx: bool
    chat_template: str | None
    recommended: Options
    purpose: str | None = None

    @property
    def quantization(self) -> str:
        """The type of the weights: `4bit` as MLX repositories are named, `mxfp4`, or the float
        type, `bf16`."""
        scheme = _scheme(self.config)
        if scheme is None:
            return self.float_type.lower()
        mode = scheme.get("mode", "affine")
        return f"{scheme.get('bits')}bit" if mode == "affine" else str(mode)

    @property
    def context_limit(self) -> int | None:
        """The longest context that the model was made for, in tokens."""
        return positive_integer(self.config, "max_position_embeddings")


def is_model_folder(path: Path) -> bool:
    """Whether `path` looks like a model folder, by the names in it."""
    try:
        return (path / "config.json").is_file() and any(path.glob("*.safetensors"))
    except OSError:
        return False


def read_folder(path: Path) -> MlxFolder:
    """The model in the folder `path`, in milliseconds.

    Raises NotFound if there is no such folder, InvalidInput if it is no whole model.
    """
    if not path.is_dir():
        raise NotFound(f"there is no model folder {path}", command="localai list")
    names = {each.name for each in path.iterdir()}
    require_model(str(path), names)
    config = _text_config(read_object(path / "config.json"))
    if not isinstance(config.get("model_type"), str):
        raise InvalidInput(f"{path / 'config.json'} names no model_type")
    if config.get("model_file") is not None:
        # mlx-lm would import that file: a model is data, and the user named no code to run.
        raise InvalidInput(
            f"{path / 'config.json'} names code to run (model_file), and a model is never run as it"
        )
    purpose = purpose_of_folder(names, config)
    if purpose is None and not _has_tokenizer(path):
        raise InvalidInput(f"{path} has no tokenizer", hint="download the model again")
    headers = [_read_header(file) for file in _weight_files(path)]
    tensors = {name: tensor for header in headers for name, tensor in header.tensors.items()}
    float_type = _float_type(tensors.values())
    return MlxFolder(
        path=path,
        config=config,
        size_bytes=sum(header.size_bytes for header in headers),
        active_bytes=active_bytes({n: t.size_bytes for n, t in tensors.items()}, config),
        parameter_count=_parameter_count(tensors, config),
        float_type=float_type,
        float_bytes=_FLOAT_BYTES.get(float_type, 2),
        is_mlx="quantization" in config or all(header.format == "mlx" for header in headers),
        chat_template=_chat_template(path),
        recommended=_recommended(path / "generation_config.json"),
        purpose=purpose,
    )


@dataclass(frozen=True, slots=True)
class _Tensor:
    type: str
    elements: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Header:
    size_bytes: int
    format: str | None
    tensors: Mapping[str, _Tensor]


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The config of the text model; a multimodal model has it in a table of its own."""
    part = config.get("text_config")
    if not isinstance(part, dict):
        return config
    # The engine looks its code up by the outer type.
    return {**config, **part, "model_type": config.get("model_type", part.get("model_type"))}


def read_object(file: Path) -> dict[str, Any]:
    """The object in a JSON file of a folder. Raises InvalidInput, also where there is none."""
    try:
        if file.stat().st_size > _LARGEST_JSON_BYTES:
            raise InvalidInput(f"{file} is too large to be true")
        document = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise InvalidInput(f"{file} is missing: this is no MLX model folder") from error
    except OSError as error:
        raise InvalidInput(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{file} is not JSON: {error}", hint="download the model again"
        ) from error
    if not isinstance(document, dict):
        raise InvalidInput(f"{file} is not a JSON object", hint="download the model again")
    return document


def _has_tokenizer(path: Path) -> bool:
    names = ("tokenizer.json", "tokenizer.model", "tiktoken.model", "vocab.json")
    return any((path / name).is_file() for name in names)


def _weight_files(path: Path) -> list[Path]:
    """The files that have the weights, by the index if there is one."""
    index = path / "model.safetensors.index.json"
    if not index.exists():
        files = sorted(path.glob("model*.safetensors")) or sorted(path.glob("*.safetensors"))
        if not files:
            raise InvalidInput(f"{path} has no weights: no .safetensors file")
        return files
    parts = read_object(index).get("weight_map")
    if not isinstance(parts, dict) or not parts:
        raise InvalidInput(f"{index} has no weight_map", hint="download the model again")
    names = sorted({str(name) for name in parts.values()})
    for name in names:
        if Path(name).name != name:
            raise InvalidInput(f"{index} points out of its folder: {name!r}")
        if not (path / name).is_file():
            raise InvalidInput(f"{path} is not whole: {name} is missing", hint="download it again")
    return [path / name for name in names]


def _read_header(file: Path) -> _Header:
    """A safetensors header: 8 bytes of length, then JSON, then the tensors without a gap."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 0 < length <= min(_LARGEST_HEADER_BYTES, size - 8):
            raise _broken(file)
        content = stream.read(length)
    try:
        document = json.loads(content)
        metadata = document.pop("__metadata__", None) or {}
        tensors = {name: _tensor(entry) for name, entry in document.items()}
        end = max((entry["data_offsets"][1] for entry in document.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise _broken(file) from error
    if size != 8 + length + end:
        raise _broken(file)
    return _Header(size, metadata.get("format"), tensors)


def _tensor(entry: Mapping[str, Any]) -> _Tensor:
    elements = 1
    for length in entry["shape"]:
        elements *= int(length)
    begin, end = entry["data_offsets"]
    return _Tensor(str(entry["dtype"]), elements, int(end) - int(begin))


def _broken(file: Path) -> InvalidInput:
    return InvalidInput(f"{file} is not a whole safetensors file", hint="download the model again")


def _float_type(tensors: Iterable[_Tensor]) -> str:
    """The float type that has most bytes. Packed weights are integers, so in their case it is that
    of the scales."""
    held: Counter[str] = Counter()
    for tensor in tensors:
        if tensor.type in _FLOAT_BYTES:
            held[tensor.type] += tensor.elements
    return held.most_common(1)[0][0] if held else "BF16"


def _scheme(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    scheme = config.get("quantization")
    return scheme if isinstance(scheme, dict) and "bits" in scheme else None


def _parameter_count(tensors: Mapping[str, _Tensor], config: Mapping[str, Any]) -> int:
    """The weights as the model counts them: packed ones unpacked, without their scales and
    biases."""
    scheme = _scheme(config) or {}
    count = 0
    for name, tensor in tensors.items():
        layer, _, kind = name.rpartition(".")
        packed = f"{layer}.scales" in tensors
        if packed and kind in ("scales", "biases"):
            continue
        if packed and kind == "weight" and tensor.type == "U32":
            own = scheme.get(layer)
            bits = own.get("bits") if isinstance(own, dict) else scheme.get("bits")
            count += tensor.elements * 32 // int(bits or 4)
        else:
            count += tensor.elements
    return count


def _chat_template(path: Path) -> str | None:
    """The template as text, from any of the three places where it may be."""
    plain = path / "chat_template.jinja"
    if plain.is_file():
        return plain.read_text(errors="replace")
    for name in ("chat_template.json", "tokenizer_config.json"):
        file = path / name
        template = read_object(file).get("chat_template") if file.is_file() else None
        if isinstance(template, str):
            return template
        if isinstance(template, list):
            # Several templates with names; mlx-lm takes the one called default, as transformers
            # does.
            entries = [entry for entry in template if isinstance(entry, dict)]
            named = {entry.get("name"): entry.get("template") for entry in entries}
            return str(named.get("default") or next(iter(named.values()), "")) or None
    return None


def _recommended(file: Path) -> Options:
    if not file.is_file():
        return Options()
    document = read_object(file)
    if document.get("do_sample") is False:
        return Options(temperature=0.0)
    top_k = document.get("top_k")
    return Options(
        temperature=_number(document, "temperature"),
        top_p=_number(document, "top_p"),
        top_k=top_k if isinstance(top_k, int) else None,
        min_p=_number(document, "min_p"),
        repeat_penalty=_number(document, "repetition_penalty"),
    )


def _number(document: Mapping[str, Any], name: str) -> float | None:
    value = document.get(name)
    return float(value) if isinstance(value, int | float) and is_finite(value) else None
