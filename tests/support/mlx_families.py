"""MLX's part of an answer, in its own interpreter: `python -m tests.support.mlx_families`.

Reads cases from stdin, a JSON array: a chat template, the special tokens, the request as parts, and
what the model says. Writes for each the prompt and the chunks of its answer. mlx-lm loads the
tokenizer and infers from the template what it infers for a real model; no weights are needed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from localai.engine.mlx.answer_stream import AnswerStream
from localai.engine.mlx.prompts import Prompts
from localai.errors import LocalaiError
from localai.wires.chat_completions.server import parse

_END = "<|end_of_script|>"


def answer_of(case: dict[str, Any]) -> dict[str, Any]:
    """The prompt and the chunks for one case, or the error."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = _tokenizer(Path(folder), case["template"], case["marks"])
    parts = parse({"model": "m", **case["body"]})
    prompts, options = Prompts(tokenizer), case["options"]
    try:
        prompt = prompts.tokens_of(parts, options)
    except LocalaiError as error:
        return {"error": error.message}
    chunks: list[Any] = []
    stream = AnswerStream(tokenizer, parts, prompt, chunks.append, shows_progress=False)
    stream.starts(0)
    for token in prompts.tokens(case["says"]):
        stream.feed(token, None, None)
    stream.feed(tokenizer.eos_token_id, None, "stop")
    return {"prompt": prompts.text(parts, options), "chunks": chunks}


def _tokenizer(folder: Path, template: str, marks: list[str]) -> Any:
    """A tokenizer of single bytes and `marks`, as mlx-lm loads one from a model's folder."""
    from mlx_lm.tokenizer_utils import load
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = models.BPE(vocab={letter: n for n, letter in enumerate(alphabet)}, merges=[])
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(_END, normalized=False)])
    tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in marks])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": _END,
        "chat_template": template,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return load(folder)


if __name__ == "__main__":
    json.dump([answer_of(case) for case in json.load(sys.stdin)], sys.stdout)
