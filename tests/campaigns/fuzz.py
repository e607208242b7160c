"""Every parser that reads what strangers send, fed with broken things. Not part of the suite.

    python -m tests.campaigns.fuzz [--minutes 60] [--only TEXT] [--seed N]

The time is divided among the parsers. Each begins with whole specimens and changes bytes, lengths
and structure. A parser gives a value or raises an error that says what is wrong with the file;
whatever else it does, hanging and eating memory included, is a fault.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.batch.prompts import LineDefaults, read_prompt
from localai.chat.inputs import decode
from localai.chat.schema import from_data, from_short_form
from localai.chat.templates import read_template
from localai.config.reading import load
from localai.errors import LocalaiError
from localai.formats.gguf import read_header
from localai.formats.mlx_folder import read_folder
from localai.net.framing import json_of, words_of
from localai.output.markdown.stream import render_markdown
from localai.output.untrusted import sanitize, sanitize_line
from localai.paths import locate
from localai.stores.oci_manifest import read_manifest
from localai.wires.refusals import failure
from tests.campaigns.place import Tally

LONGEST_S = 10
MOST_BYTES = 6 << 30
Mutate = Callable[[random.Random, bytes], bytes]


class Hang(BaseException):
    """It took too long."""


@dataclass(frozen=True)
class Parser:
    """What reads: its specimens, and the errors by which it says that something is wrong."""

    name: str
    specimens: tuple[bytes, ...]
    read: Callable[[bytes, Path], Any]
    refuses: tuple[type[Exception], ...] = (LocalaiError,)


def _gguf() -> bytes:
    from tests.formats.synthetic import MODELS, write

    with tempfile.TemporaryDirectory() as folder:
        [file] = write(Path(folder) / "m.gguf", MODELS["llama, tied"])
        return file.read_bytes()[:60_000]


def _file(name: str, content: bytes, folder: Path) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _mlx(content: bytes, folder: Path) -> Any:
    model = folder / "mlx"
    _file("mlx/config.json", content, folder)
    _file("mlx/model.safetensors", b"\x02\0\0\0\0\0\0\0{}", folder)
    return read_folder(model)


def _safetensors(content: bytes, folder: Path) -> Any:
    _file("mlx/config.json", b'{"model_type": "llama", "hidden_size": 8}', folder)
    _file("mlx/model.safetensors", content, folder)
    return read_folder(folder / "mlx")


def _config(content: bytes, folder: Path) -> Any:
    _file("config.toml", content, folder)
    return load(locate({"LOCALAI_HOME": str(folder)}), {})


def _refusal(content: bytes, _: Path) -> Any:
    document = json_of(content)
    error = document.get("error", document) if isinstance(document, dict) else {}
    return failure("it", 400, error if isinstance(error, dict) else {}, {})


def _terminal(content: bytes, _: Path) -> Any:
    text = content.decode(errors="surrogateescape")
    clean = sanitize(text) + sanitize_line(text)
    assert "\x1b" not in clean and "\x9b" not in clean and "\u202e" not in clean
    return render_markdown(sanitize(text), columns=40, color=True)


_HEADER = json.dumps({"w": {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
_LAYER = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + "a" * 64}
_MANIFEST = {
    "schemaVersion": 2,
    "config": {**_LAYER, "size": 5},
    "layers": [{**_LAYER, "size": 98}],
}
_ERROR = {"error": {"message": "prompt is too long: 5 tokens > 4 maximum", "type": "x", "code": 4}}
PARSERS = (
    Parser("GGUF", (_gguf(),), lambda content, at: read_header(_file("m.gguf", content, at))),
    Parser(
        "MLX config",
        (b'{"model_type": "llama", "hidden_size": 8, "num_layers": 2, "quantization": {}}',),
        _mlx,
    ),
    Parser("safetensors", (len(_HEADER).to_bytes(8, "little") + _HEADER + bytes(8),), _safetensors),
    Parser(
        "OCI manifest",
        (json.dumps(_MANIFEST).encode(),),
        lambda content, at: read_manifest(content),
        (ValueError,),
    ),
    Parser(
        "settings",
        (
            b'model = "starter"\n[chat]\nmax_tokens = 5\n[cloud]\nallow = ["openai"]\n',
            b'[endpoint.x]\nurl = "http://127.0.0.1:1/v1"\nheaders = { a = "b" }\n',
        ),
        _config,
    ),
    Parser(
        "batch line",
        (
            b'{"prompt": "Hi", "options": {"max_tokens": 3}, "schema": {"type": "object"}}',
            b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}',
        ),
        lambda content, at: read_prompt(content, LineDefaults()),
    ),
    Parser(
        "template",
        (b'prompt = "Say $x: $input"\nsystem = "Be"\n[variables]\nx = "y"\n[options]\nseed = 1\n',),
        lambda content, at: read_template(_file("t.toml", content, at)),
    ),
    Parser(
        "schema",
        (b'{"type": "object", "properties": {"a": {"type": "integer"}}}',),
        lambda content, at: from_data(json_of(content), "it"),
        (LocalaiError, ValueError),
    ),
    Parser(
        "short schema",
        (b"name, age int, ok bool, size: a|b",),
        lambda content, at: from_short_form(content.decode(errors="replace")),
    ),
    Parser("text", (b"\xef\xbb\xbfabc", "äöü".encode("utf-16")), lambda c, at: decode(c, "it")),
    Parser("refusal", (json.dumps(_ERROR).encode(),), _refusal, (LocalaiError, ValueError)),
    Parser("page", (b"<html><script>x</script><p>Hello</p>",), lambda c, at: words_of(c)),
    Parser(
        "terminal",
        (
            b"# A\n\n* b `c` **d**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
            b"```py\nx\n```\n\x1b[2J\xc2\x9b",
        ),
        _terminal,
    ),
)
_TOKENS = (
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff" * 8,
    b"\x7f",
    b"[" * 5000,
    b'{"a":' * 3000,
    b"1e999",
    b"NaN",
    b"-1",
    b"9" * 5000,
    b'"\\ud800"',
    b"null",
    b"\x1b]0;x\x07",
    b"\xe2\x80\xae",
    b"`" * 200,
    b"|" * 300,
    b"*_" * 200,
    b"$x",
    b"../../../etc/passwd",
    b"\r\n",
)


def mutated(chance: random.Random, specimen: bytes) -> bytes:
    """The specimen with a few changes."""
    content = bytearray(specimen)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(content) + 1) if chance.random() < 0.7 else chance.randrange(200)
        at = min(at, len(content))
        match chance.randrange(7):
            case 0 if content:
                content[min(at, len(content) - 1)] = chance.randrange(256)
            case 1:
                content[at:at] = chance.choice(_TOKENS)
            case 2:
                token = chance.choice(_TOKENS)
                content[at : at + len(token)] = token
            case 3:
                del content[at : at + chance.choice((1, 2, 8, 100))]
            case 4:
                del content[at:]
            case 5:
                end = at + chance.choice((1, 4, 16, 64))
                content[at:at] = content[at:end] * chance.choice((1, 2, 50))
            case _:
                other = chance.randrange(len(content) + 1)
                content[at : at + 8] = content[other : other + 8]
    return bytes(content)


def main() -> int:
    """Feed all parsers; 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else int(time.time())
    print(f"seed {seed}")
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    parsers = [each for each in PARSERS if asked.only in each.name]
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for each in parsers:
            ends = time.monotonic() + asked.minutes * 60 / len(parsers)
            _feed(tally, each, random.Random(seed), Path(folder), ends)
    return tally.end()


def _feed(tally: Tally, parser: Parser, chance: random.Random, folder: Path, ends: float) -> None:
    seen: set[str] = set()

    def too_long(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, too_long)
    for specimen in parser.specimens:
        with suppress(Exception):
            parser.read(specimen, folder)
    while time.monotonic() < ends:
        content = mutated(chance, chance.choice(parser.specimens))
        tally.tried[parser.name] += 1
        signal.alarm(LONGEST_S)
        try:
            parser.read(content, folder)
        except parser.refuses as error:
            if type(error) is LocalaiError:
                tally.fault(f"{parser.name}: a bug: {error}")
        except BaseException as error:  # noqa: BLE001 - any other is what is looked for
            kind = f"{parser.name}: {type(error).__name__}: {str(error)[:80]}"
            if kind not in seen:
                seen.add(kind)
                kept = Path(tempfile.gettempdir()) / f"fuzz-{parser.name}-{len(seen)}"
                kept.write_bytes(content)
                tally.fault(f"{kind}, kept in {kept}")
        finally:
            signal.alarm(0)


if __name__ == "__main__":
    sys.exit(main())
