"""What the names of GGUF files say, in the forms of those who publish them."""

from __future__ import annotations

import pytest

from localai.formats.gguf_names import (
    FileRole,
    is_draft_beside,
    part_of,
    plain_label,
    projector_for,
    quantization_label,
    role_by_name,
    stem_of,
)


@pytest.mark.parametrize(
    ("path", "role"),
    [
        # The projectors of llama.cpp, unsloth, bartowski and LM Studio.
        ("mmproj-F16.gguf", "projector"),
        ("mmproj-model-f16.gguf", "projector"),
        ("gemma-3-4b-it.mmproj-Q8_0.gguf", "projector"),
        ("Qwen2.5-VL-7B-Instruct-mmproj-bf16.gguf", "projector"),
        ("MMPROJ-F16.GGUF", "projector"),
        # Drafts and heads, as llama.cpp looks for them.
        ("mtp-Qwen3.5-27B-Q8_0.gguf", "draft model"),
        ("MTP.gguf", "draft model"),
        ("eagle3-gpt-oss-20b-F16.gguf", "draft model"),
        ("EAGLE-llama3-8b-Q4_0.gguf", "draft model"),
        ("dflash-qwen3-8b-bf16.gguf", "draft model"),
        ("dspark-x-Q4_0.gguf", "draft model"),
        ("draft-0.6B-Q4_0.gguf", "draft model"),
        ("draft_model.gguf", "draft model"),
        # Matrices: bartowski, mradermacher, unsloth.
        ("Llama-3.2-3B-Instruct-imatrix.gguf", "importance matrix"),
        ("Llama-3.2-3B-Instruct.imatrix.gguf", "importance matrix"),
        ("imatrix.gguf", "importance matrix"),
        ("imatrix_unsloth.gguf", "importance matrix"),
        ("IMATRIX.GGUF", "importance matrix"),
        # The specification's own types, at the end.
        ("Hermes-2-8B-F16-LoRA.gguf", "adapter"),
        ("Hermes-2-8B-v1.0-f16.lora.gguf", "adapter"),
        ("Phi-3-mini-3.8B-vocab.gguf", "vocabulary"),
        ("ggml-vocab-llama-bpe.gguf", "vocabulary"),
        # Models, whatever else their names have in them.
        ("Qwen3-8B-Q4_K_M.gguf", "model"),
        ("Model-7B-Q4_K_M-imat.gguf", "model"),
        ("Model-7B-Q4_K_M-imatrix.gguf", "model"),
        ("imatrix/Model-7B-Q4_K_M.gguf", "model"),
        ("OpenHermes-lora-merged-Q4_K_M.gguf", "model"),
        ("Draftsman-7B-Q4_0.gguf", "model"),
        ("Eagles-7B-Q4_0.gguf", "model"),
        ("mtpl-7b-Q4_0.gguf", "model"),
        ("Llama-DRAFT-0.6B-Q4_0.gguf", "model"),
        ("explorer-7b.gguf", "model"),
        ("vocabulary-trainer-1b-Q8_0.gguf", "model"),
    ],
)
def test_what_a_file_is(path: str, role: FileRole) -> None:
    assert role_by_name(path) == role


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("m-Q4_K_M.gguf", "Q4_K_M"),
        ("m.q4_k_m.gguf", "Q4_K_M"),
        ("m-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("m-ud-q4_k_xl.gguf", "UD-Q4_K_XL"),
        ("m.i1-Q4_K_M.gguf", "i1-Q4_K_M"),
        ("m.I1-IQ2_XXS.gguf", "i1-IQ2_XXS"),
        ("m-Q4_K_M-imat.gguf", "Q4_K_M-imat"),
        ("m-IQ3_M-imatrix.gguf", "IQ3_M-imatrix"),
        ("m-Q4_0_4_4.gguf", "Q4_0_4_4"),
        ("m-MXFP4_MOE.gguf", "MXFP4_MOE"),
        ("m-NVFP4.gguf", "NVFP4"),
        ("m-TQ1_0.gguf", "TQ1_0"),
        ("ggml-model-i2_s.gguf", "I2_S"),
        ("m_f16.gguf", "F16"),
        ("m-BF16-00001-of-00002.gguf", "BF16"),
        ("Q8_0/m-00001-of-00003.gguf", "Q8_0"),
        ("UD-IQ1_S/m-UD-IQ1_S-00001-of-00004.gguf", "UD-IQ1_S"),
        ("Qwen3 8B Q4_K_M.gguf", "Q4_K_M"),
        ("gemma-3-27b-it-qat-q4_0.gguf", "Q4_0"),
        ("converted-from-F16-Q6_K.gguf", "Q6_K"),
        ("Qwen3-8B.gguf", None),
        ("model-00001-of-00002.gguf", None),
        ("IQ-test-7B.gguf", None),
        ("Q4.5-model.gguf", "Q4"),
    ],
)
def test_how_it_is_quantized(path: str, label: str | None) -> None:
    assert quantization_label(path) == label


@pytest.mark.parametrize(
    ("label", "plain"),
    [
        ("UD-Q4_K_XL", "Q4_K_XL"),
        ("i1-Q4_K_M", "Q4_K_M"),
        ("Q4_K_M-imat", "Q4_K_M"),
        ("Q4_K_M-imatrix", "Q4_K_M"),
        ("q8_0", "Q8_0"),
    ],
)
def test_a_publishers_mark_is_no_part_of_the_type(label: str, plain: str) -> None:
    assert plain_label(label) == plain


@pytest.mark.parametrize(
    ("path", "size", "others", "is_draft"),
    [
        ("Llama-DRAFT-0.6B-Q4_0.gguf", 1, [("Llama-70B-Q4_0.gguf", 9)], True),
        ("Llama-3-speculator-f16.gguf", 1, [("Llama-3-Q4_0.gguf", 9)], True),
        ("draft/m-Q8_0.gguf", 1, [("m-Q8_0.gguf", 9)], True),
        ("MTP/m-Q8_0.gguf", 1, [("m-Q8_0.gguf", 9)], True),
        # A whole model that has prediction layers of its own is larger than one without.
        ("m-MTP-Q4_K_M.gguf", 10, [("m-Q4_K_M.gguf", 9)], False),
        ("Llama-DRAFT-0.6B-Q4_0.gguf", 1, [("Llama-DRAFT-0.6B-Q8_0.gguf", 2)], False),
        ("m-Q4_0.gguf", 1, [("m-Q8_0.gguf", 9)], False),
    ],
)
def test_a_word_within_a_name_makes_a_draft_only_beside_what_it_drafts_for(
    path: str, size: int, others: list[tuple[str, int]], is_draft: bool
) -> None:
    assert is_draft_beside(path, size, [(path, size), *others]) is is_draft


def test_parts_have_one_name() -> None:
    assert stem_of("a/m-Q8_0-00002-of-00011.gguf") == "a/m-Q8_0"
    assert part_of("a/m-Q8_0-00002-of-00011.gguf") == (2, 11)
    assert part_of("m-Q8_0.gguf") is None


GEMMA, QWEN, SMALL = "gemma-3-4b-it-Q4_K_M.gguf", "Qwen2.5-VL-7B-Q4_K_M.gguf", "SmolLM2-Q8_0.gguf"


@pytest.mark.parametrize(
    ("model", "projectors", "models", "chosen"),
    [
        (GEMMA, ["mmproj-F16.gguf"], [GEMMA], "mmproj-F16.gguf"),
        (GEMMA, ["mmproj-model-f16.gguf"], [GEMMA], "mmproj-model-f16.gguf"),
        (GEMMA, [], [GEMMA], None),
        # Several models in one folder: each has its own, and a model that cannot see has none.
        (GEMMA, ["mmproj-gemma-3-4b-it-f16.gguf", "mmproj-Qwen2.5-VL-7B-f16.gguf"], [GEMMA, QWEN],
         "mmproj-gemma-3-4b-it-f16.gguf"),
        (QWEN, ["mmproj-gemma-3-4b-it-f16.gguf", "Qwen2.5-VL-7B-mmproj-bf16.gguf"], [GEMMA, QWEN],
         "Qwen2.5-VL-7B-mmproj-bf16.gguf"),
        (SMALL, ["mmproj-gemma-3-4b-it-f16.gguf"], [GEMMA, SMALL], None),
        # A publisher who names it in another way has one model in the folder.
        ("ggml-model-Q4_K.gguf", ["mmproj-MiniCPM-f16.gguf"], ["ggml-model-Q4_K.gguf"],
         "mmproj-MiniCPM-f16.gguf"),
        ("moondream2-text-model-f16.gguf", ["moondream2-mmproj-f16.gguf"],
         ["moondream2-text-model-f16.gguf"], "moondream2-mmproj-f16.gguf"),
    ],
)  # fmt: skip
def test_a_projector_belongs_to_the_model_that_it_is_named_after(
    model: str, projectors: list[str], models: list[str], chosen: str | None
) -> None:
    assert projector_for(model, projectors, models) == chosen
