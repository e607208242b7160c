"""What a GGUF file's name says: its role beside a model, and how it is quantized. Pure.

The forms are those of the GGUF specification (`-LoRA`, `-vocab` at the end), of llama.cpp's own
choice among a repository's files (`mmproj`, `imatrix`, `mtp-`, `eagle3-`, `dflash-`, `dspark-`),
and of publishers (`i1-` and `-imat` for weights that were quantized with an importance matrix,
`UD-`). A header says more, once it is there: `formats.gguf_kinds`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

from localai.formats.quantization_types import FILE_TYPE_NUMBER
from localai.patterns import lazy_pattern

FileRole = Literal[
    "model", "projector", "draft model", "importance matrix", "adapter", "vocabulary"
]

# Separators that publishers put between the words of a name.
_START: Final = r"(?:^|[-._ ])"
_END: Final = r"(?=$|[-._ ])"
_QUANTIZATION: Final = lazy_pattern(
    r"(?:^|[-._/ ])"
    r"((?:UD-|i1-)?"
    r"(?:I?Q\d(?:_[A-Z0-9]+)*|I2_S|TQ\d_\d|(?:MX|NV)FP4(?:_MOE)?|BF16|FP?16|FP?32)"
    r"(?:-imat(?:rix)?)?)"
    r"(?=$|[-._/ ])",
    re.IGNORECASE,
)
_PUBLISHERS_MARKS: Final = lazy_pattern(r"^(?:UD-|i1-)|-imat(?:rix)?$", re.IGNORECASE)
# Beside llama.cpp's own types: what publishers, Ollama's library and MLX call theirs.
_OTHER_TYPES: Final = lazy_pattern(
    r"(?:UD-|i1-)?(?:Q[2-8]_K_X?L|Q4_0_[48]_[48]|IQ4_NL_XL|I2_S|MXFP4_MOE|MXFP8|FP?16|FP?32|INT[48])"
    r"|\d+-?bit",
    re.IGNORECASE,
)
_TYPE_AT_END: Final = lazy_pattern(r"[-_.:](?:i?q\d\w*|b?f16|fp16|f32|fp32|\d+bit)$", re.IGNORECASE)
# In front, a word says what the file is; within a name it may be part of the model's own name.
_IN_FRONT: Final[tuple[tuple[re.Pattern[str], FileRole], ...]] = (
    (lazy_pattern(rf"(?:mtp|eagle\d?|dflash|dspark|draft){_END}", re.IGNORECASE), "draft model"),
    (lazy_pattern(rf"imatrix{_END}", re.IGNORECASE), "importance matrix"),
    (lazy_pattern(r"ggml-vocab-", re.IGNORECASE), "vocabulary"),
)
_AT_END: Final[tuple[tuple[re.Pattern[str], FileRole], ...]] = (
    (lazy_pattern(r"[-._ ]lora$", re.IGNORECASE), "adapter"),
    (lazy_pattern(r"[-._ ]vocab$", re.IGNORECASE), "vocabulary"),
)
_IMATRIX: Final = lazy_pattern(rf"{_START}imatrix{_END}", re.IGNORECASE)
_DRAFT_WORD: Final = lazy_pattern(
    rf"{_START}(?:draft|drafter|mtp|nextn|eagle\d?|dflash|dspark|medusa|speculat(?:or|ive)){_END}",
    re.IGNORECASE,
)
_PART: Final = lazy_pattern(r"-(\d{5})-of-(\d{5})$")


def stem_of(path: str) -> str:
    """The path without .gguf and the number of a part."""
    return _PART.sub("", path[: -len(".gguf")] if path.lower().endswith(".gguf") else path)


def projector_for(model: str, projectors: Iterable[str], models: Iterable[str]) -> str | None:
    """The projector among the files `projectors` of a folder that belongs to its file `model`: one
    that is named after it, else one that is named after nothing (`mmproj-F16.gguf`), else one that
    is named after none of the other `models`. None if there is none."""
    named = {each: _named_after(each) for each in sorted(projectors)}
    words = _words(model)
    own = [each for each, after in named.items() if after and after <= words]
    if own:
        return max(own, key=lambda each: len(named[each]))
    others = [_words(each) for each in models if each != model]
    for each, after in sorted(named.items(), key=lambda pair: bool(pair[1])):
        if not after or not any(after <= other for other in others):
            return each
    return None


def _named_after(projector: str) -> set[str]:
    """The words of a projector's name that say which model it is of."""
    return {
        word
        for word in _words(projector) - {"mmproj", "model"}
        if not _QUANTIZATION.fullmatch(word)
    }


def _words(name: str) -> set[str]:
    return set(re.split(r"[-. ]+", stem_of(name).lower()))


def part_of(path: str) -> tuple[int, int] | None:
    """The number of the part and of all parts, by the file's name; None for a whole file."""
    found = _PART.search(path[: -len(".gguf")])
    return None if found is None else (int(found[1]), int(found[2]))


def quantization_label(path: str) -> str | None:
    """The quantization in a file's name, else in its folder's, as Q4_K_M, UD-Q4_K_XL, i1-Q4_0 or
    Q4_0-imat; None if neither has one."""
    stem = stem_of(path)
    found = _QUANTIZATION.findall(stem.rpartition("/")[2]) or _QUANTIZATION.findall(stem)
    return _spelt(found[-1]) if found else None


def without_type(name: str) -> str:
    """The name without the type at its end: `SmolLM2-135M-Q4_1`, `qwen3:8b-q8_0`."""
    return _TYPE_AT_END.sub("", name)


def plain_label(label: str) -> str:
    """`label` in capitals, without the marks that publishers add: UD-Q4_K_XL becomes Q4_K_XL."""
    return _PUBLISHERS_MARKS.sub("", label).upper()


def is_quantization(label: str) -> bool:
    """Whether files are quantized like that: a type of llama.cpp's, in any case, with a publisher's
    mark or one of their larger variants (UD-Q4_K_XL, Q4_K_L), or bits as MLX counts them (4bit)."""
    return plain_label(label) in FILE_TYPE_NUMBER or bool(_OTHER_TYPES.fullmatch(label))


def role_by_name(path: str) -> FileRole:
    """The role of a .gguf file by its own name, whatever lies beside it."""
    name = stem_of(path).rpartition("/")[2]
    if "mmproj" in name.lower():
        return "projector"
    for pattern, role in _IN_FRONT:
        if pattern.match(name):
            return role
    for pattern, role in _AT_END:
        if pattern.search(name):
            return role
    # Weights that were quantized with a matrix have its word in their name, too, and their
    # quantization.
    if _IMATRIX.search(name) and not _QUANTIZATION.search(name):
        return "importance matrix"
    return "model"


def is_draft_beside(path: str, size_bytes: int, others: Iterable[tuple[str, int]]) -> bool:
    """Whether a file is a draft model beside `others` (paths and sizes). Its name, or its folder's,
    must have a word for drafts, and it must be smaller than each of the others without such a
    word."""
    if not _has_draft_word(path):
        return False
    sizes = [size for other, size in others if not _has_draft_word(other)]
    return bool(sizes) and size_bytes < min(sizes)


def _has_draft_word(path: str) -> bool:
    return any(_DRAFT_WORD.search(each) for each in stem_of(path).split("/"))


def _spelt(label: str) -> str:
    """The label in capitals, with the publishers' marks in their usual case."""
    mark = _PUBLISHERS_MARKS.sub("", label)
    before, _, after = label.partition(mark)
    before = "UD-" if before.upper() == "UD-" else before.lower()
    return before + mark.upper() + after.lower()
