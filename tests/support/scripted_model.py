"""Models of a few hundred kilobytes that say one text, whatever they are asked.

A real engine loads them. Each token of the text follows from the one before it, because the
embedding of a token is a unit vector, every layer adds nothing, and the output is the table of what
comes next. All other tokens, so also the last of a prompt, are followed by the text's first one.
So a chat template and a format of calls can be tried without the model that they belong to.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType

from tests.formats.synthetic import MODELS, VOCABULARY, Spec

_END = "<|end_of_script|>"
_PRINTABLE = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
# How GPT-2's vocabulary spells each byte.
_ALPHABET = [
    chr(byte if byte in _PRINTABLE else 0x100 + _OTHERS.index(byte)) for byte in range(256)
]
_LONGEST_PIECE = 5
# The chain outweighs whatever a sampler adds.
_CERTAIN = 4.0
LLAMA = Spec("llama", width=VOCABULARY, layers=1, context=16384, keys={"rope.dimension_count": 32})
QWEN35 = replace(MODELS["qwen35, gated delta net"], width=VOCABULARY)
QWEN35_WITH_HEAD = replace(MODELS["qwen35, with a layer that predicts"], width=VOCABULARY)


def pieces_of(text: str, marks: Sequence[str] = (), seed: int = 0) -> list[str]:
    """`text`, cut by chance into the tokens that say it: `marks` whole, the rest in two to five
    characters, no token twice."""
    chance = random.Random(seed)
    parts = re.split("(" + "|".join(map(re.escape, marks)) + ")", text) if marks else [text]
    pieces: list[str] = []
    for part in filter(None, parts):
        if part in marks:
            assert part not in pieces, f"{part} is said twice"
            pieces.append(part)
            continue
        while part:
            length = chance.randint(2, _LONGEST_PIECE)
            while length < len(part) and (part[:length] in pieces or len(part) - length == 1):
                length += 1
            if part[:length] in pieces:
                # Nothing is left to make it longer: it goes on with the piece before it.
                length += len(pieces[-1])
                part = pieces.pop() + part
            pieces.append(part[:length])
            part = part[length:]
    return pieces


def write_scripted(
    path: Path,
    text: str,
    *,
    template: str,
    marks: Sequence[str] = (),
    seed: int = 0,
    spec: Spec = LLAMA,
) -> Path:
    """A GGUF file at `path` of the architecture in `spec` that says `text` and ends; `marks` are
    special tokens of it, and its chat template is `template`."""
    pieces = pieces_of(text, marks, seed)
    special = [*marks, _END]
    tokens = [*_ALPHABET, *special, *(_spelt(each) for each in pieces if each not in marks)]
    assert len(tokens) <= VOCABULARY, "the text is too long"
    writer = GGUFWriter(path, spec.architecture)
    _add_metadata(writer, spec, tokens, len(special))
    writer.add_chat_template(template)
    writer.add_eos_token_id(tokens.index(_END))
    says = [tokens.index(each if each in special else _spelt(each)) for each in (*pieces, _END)]
    for name, shape in spec.tensors().items():
        writer.add_tensor(name, _values(name, shape, says), raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def next_tokens(says: Sequence[int]) -> list[int]:
    """What follows each token of the vocabulary, if `says` is the script."""
    following = [says[0]] * VOCABULARY
    for token, after in pairwise(says):
        following[token] = after
    return following


def _values(name: str, shape: tuple[int, ...], says: Sequence[int]) -> np.ndarray:
    values = np.zeros(shape, dtype=np.float32)
    if name == "token_embd.weight":
        np.fill_diagonal(values, 1)
    elif name == "output.weight":
        values[next_tokens(says), range(VOCABULARY)] = _CERTAIN
    elif name.endswith("nextn.eh_proj.weight"):
        # Of the token and the state beside each other, the head looks at the token.
        np.fill_diagonal(values, 1)
    elif name.endswith("norm.weight"):
        values += 1
    return values


def _add_metadata(writer: GGUFWriter, spec: Spec, tokens: list[str], special: int) -> None:
    standard: Mapping[str, int | float | bool | list[int]] = {
        "context_length": spec.context,
        "embedding_length": spec.width,
        "block_count": spec.layers,
        "feed_forward_length": spec.feed_forward,
        "attention.head_count": spec.heads,
        "attention.head_count_kv": spec.kv_heads,
        "attention.key_length": spec.head_length,
        "attention.value_length": spec.head_length,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "vocab_size": VOCABULARY,
    }
    for name, value in {**standard, **spec.keys}.items():
        key = f"{spec.architecture}.{name}"
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_uint32(key, value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    unused = [f"[unused{number}]" for number in range(VOCABULARY - len(tokens))]
    writer.add_token_list([*tokens, *unused])
    kinds = [TokenType.NORMAL] * 256 + [TokenType.CONTROL] * special
    kinds += [TokenType.NORMAL] * (len(tokens) - len(kinds)) + [TokenType.UNUSED] * len(unused)
    writer.add_token_types(kinds)
    # A vocabulary of this kind has merges. This one never applies, so that a prompt is its bytes.
    writer.add_token_merges(["Ġ Ċ"])
    writer.add_add_bos_token(False)


def _spelt(text: str) -> str:
    """A text as GPT-2's vocabulary spells it."""
    return "".join(_ALPHABET[byte] for byte in text.encode())
