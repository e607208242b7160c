"""How well a model predicts a text, and how far another model's predictions are from its.

`python -m localai.engine.llamacpp.evaluation SPEC.json` computes the text in pieces of 512 tokens
at prefill speed and scores the second half of each, as llama.cpp's perplexity program does: each
token has at least 256 before it. It prints a line of JSON for each piece. The logarithms of all
probabilities go into a file of half-precision numbers, beside which another model is then held.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localai.dataclass import dataclass
from localai.engine.llamacpp.log import failure_reason
from localai.engine.worker_files import KvType
from localai.errors import InsufficientResources, NotFound, Unreachable
from localai.units import bytes_text, counted

if TYPE_CHECKING:
    from localai.engine.llamacpp.c_api import Evaluator

PIECE_TOKENS: Final = 512
"""As llama.cpp's perplexity program has it by default."""
_FIRST: Final = PIECE_TOKENS // 2
_SCORED: Final = PIECE_TOKENS - _FIRST - 1
# So many positions at a time: a vocabulary of 256k is a megabyte a position.
_ROWS: Final = 16
_BYTES_A_NUMBER: Final = 2


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A text as a model predicts it, position by position, in nats.

    `losses` are the negative logarithms of the probabilities of what came. `likeliest` are the
    tokens that it would have chosen. `divergences` are Kullback and Leibler's, of its prediction
    from the other model's; empty where there is none. `tokens_id` is the same for the same tokens
    of the same vocabulary. `logarithms` is the file with what another model is compared with.
    """

    tokens_id: str
    losses: tuple[float, ...]
    likeliest: tuple[int, ...]
    divergences: tuple[float, ...] = ()
    logarithms: Path | None = None


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How a model is computed; `kv_type` in what type its keys and values are kept."""

    threads: int
    kv_type: KvType = "f16"
    micro_batch: int = PIECE_TOKENS
    gpu_layers: int | None = None


@dataclass(frozen=True, slots=True)
class _Spec:
    """What the child is told. Files are absolute paths."""

    model: str
    text: str
    pieces: int
    settings: EngineSettings
    write: str | None
    beside: str | None
    tokens_id: str | None


def require_numpy() -> None:
    """Raise NotFound, with the remedy, where numpy is missing."""
    if find_spec("numpy") is None:
        raise NotFound(
            "quality is computed with the package numpy, and it is not installed",
            command=(sys.executable, "-m", "pip", "install", "numpy>=2"),
        )


def evaluate(
    model: Path,
    text: str,
    pieces: int,
    settings: EngineSettings,
    folder: Path,
    *,
    beside: Evaluated | None = None,
    keep: bool = False,
) -> Generator[float, None, Evaluated]:
    """`text` as `model` predicts it, at most so many `pieces` of it. Yields the share that is done.

    In a child process, without a network. `folder` is a private one of the caller's; with `keep`
    its file of logarithms stays in it. `beside` gives the divergences, where the tokens are the
    same. Raises NotFound without numpy, Unreachable with the engine's reason where it cannot, and
    InsufficientResources where the logarithms have no room.
    """
    require_numpy()
    names = ("text.txt", "spec.json", "engine.log", "logarithms.f16")
    text_file, spec_file, log_file, kept = (folder / name for name in names)
    text_file.write_text(text, encoding="utf-8")
    other = None if beside is None else beside.logarithms
    spec = _Spec(
        model=str(model.absolute()),
        text=str(text_file),
        pieces=pieces,
        settings=settings,
        write=str(kept) if keep else None,
        beside=None if other is None else str(other),
        tokens_id=None if beside is None else beside.tokens_id,
    )
    spec_file.write_text(json.dumps(asdict(spec)), encoding="utf-8")
    with log_file.open("w") as log:
        process = _start(spec_file, log)
    found = Evaluated("", (), ())
    try:
        for line in _lines(process):
            if (failed := line.get("failed")) is not None:
                raise Unreachable(failed)
            if (full := line.get("full")) is not None:
                raise InsufficientResources(full, check="disk-full")
            found = _with_piece(found, line)
            yield line["done"]
        if process.wait() != 0 or not found.losses:
            reason = failure_reason(log_file.read_text(errors="replace"))
            raise Unreachable(f"the engine cannot compute {model.name}: {reason}")
    finally:
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout)):
            pipe.close()
    return replace(found, logarithms=kept if keep else None)


def _with_piece(found: Evaluated, line: dict[str, Any]) -> Evaluated:
    return Evaluated(
        line["tokens_id"],
        (*found.losses, *line["losses"]),
        (*found.likeliest, *line["likeliest"]),
        (*found.divergences, *line["divergences"]),
    )


def _start(spec_file: Path, log: Any) -> subprocess.Popen[str]:
    from localai.engine.environment import engine_environment
    from localai.privacy.guard import child
    from localai.privacy.sandbox import sandboxed_command

    # -P: a folder called `localai` in the user's current one must not run as ours.
    command = [sys.executable, "-P", "-m", "localai.engine.llamacpp.evaluation", str(spec_file)]
    with child("the engine, to see how well a model predicts a text"):
        return subprocess.Popen(
            sandboxed_command(command),
            # When this pipe closes, the process knows that this command has ended
            # (engine/parent.py).
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            errors="replace",
            env=engine_environment(),
            start_new_session=True,
        )


def _lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        with contextlib.suppress(ValueError, RecursionError):
            yield json.loads(line)


# In the child


def main(spec_path: str) -> None:
    """Compute what the file at `spec_path` asks for."""
    from localai.engine.parent import end_with_parent
    from localai.privacy.sandbox import deny_network
    from localai.process_limits import spare_threads_of_numpy

    end_with_parent()
    deny_network()
    spare_threads_of_numpy()
    document = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    spec = _Spec(**{**document, "settings": EngineSettings(**document["settings"])})
    try:
        for line in _evaluated(spec):
            _say(line)
    except Unreachable as error:
        _say({"failed": error.message})
    except OSError as error:
        _say({"full": f"{spec.write}: {error.strerror}"})


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _evaluated(spec: _Spec) -> Iterator[dict[str, Any]]:
    from localai.engine.llamacpp.c_api import Evaluator

    settings = spec.settings
    with Evaluator(
        Path(spec.model),
        context_tokens=PIECE_TOKENS,
        kv_type=settings.kv_type,
        micro_batch=settings.micro_batch,
        threads=settings.threads,
        gpu_layers=settings.gpu_layers,
    ) as evaluator:
        tokens = evaluator.tokens(Path(spec.text).read_text(encoding="utf-8"))
        pieces = min(spec.pieces, len(tokens) // PIECE_TOKENS)
        if not pieces:
            raise Unreachable(f"the text has only {counted(len(tokens), 'token')} in this model")
        if spec.write is not None:
            _require_room(Path(spec.write), pieces * _SCORED * evaluator.vocabulary_tokens)
        tokens_id = _id_of(tokens, evaluator.vocabulary_tokens)
        beside = spec.beside if spec.tokens_id in (None, tokens_id) else None
        for number in range(pieces):
            piece = tokens[number * PIECE_TOKENS : (number + 1) * PIECE_TOKENS]
            scored = _scored(evaluator, piece, number, spec.write, beside)
            yield {"tokens_id": tokens_id, "done": (number + 1) / pieces, **scored}


def _id_of(tokens: Sequence[int], vocabulary: int) -> str:
    return hashlib.sha256(json.dumps([vocabulary, *tokens]).encode()).hexdigest()[:16]


def _require_room(file: Path, numbers: int) -> None:
    """Have the file be as large as it will be. Raises Unreachable where there is no room."""
    import shutil

    needed, free = numbers * _BYTES_A_NUMBER, shutil.disk_usage(file.parent).free
    if needed > free:
        raise OSError(0, f"{bytes_text(needed)} are needed, and {bytes_text(free)} are free")
    with file.open("wb") as output:
        output.truncate(needed)


def _scored(
    evaluator: Evaluator, piece: Sequence[int], number: int, write: str | None, beside: str | None
) -> dict[str, Any]:
    """The scores of one piece, the `number`-th."""
    import numpy as np

    first = evaluator.first_token
    given = piece if first is None else [first, *piece[1:]]
    pointer = evaluator.logits(given, _FIRST)
    logits = np.ctypeslib.as_array(pointer, (_SCORED, evaluator.vocabulary_tokens))
    files = [
        None if file is None else _part(file, mode, number, logits.shape)
        for file, mode in ((write, "r+"), (beside, "r"))
    ]
    losses: list[float] = []
    likeliest: list[int] = []
    divergences: list[float] = []
    for at in range(0, _SCORED, _ROWS):
        rows = slice(at, min(at + _ROWS, _SCORED))
        found = _logarithms(logits[rows])
        came = piece[_FIRST + 1 + rows.start : _FIRST + 1 + rows.stop]
        losses += (-found[np.arange(len(came)), came]).tolist()
        likeliest += found.argmax(axis=1).tolist()
        if files[0] is not None:
            files[0][rows] = found
        if files[1] is not None:
            # Made to sum to one again after it was rounded, or the divergence could be negative.
            other = _logarithms(files[1][rows].astype(np.float32))
            divergences += (np.exp(other) * (other - found)).sum(axis=1).tolist()
    return {"losses": losses, "likeliest": likeliest, "divergences": divergences}


def _part(file: str, mode: Any, number: int, shape: tuple[int, int]) -> Any:
    """The rows of a piece in a file of logarithms."""
    import numpy as np

    offset = number * shape[0] * shape[1] * _BYTES_A_NUMBER
    return np.memmap(file, np.float16, mode, offset, shape)


def _logarithms(logits: Any) -> Any:
    """Of the probabilities, for rows of logits."""
    import numpy as np

    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


if __name__ == "__main__":
    main(sys.argv[1])
