"""What a folder of safetensors is by its small files, if it is no model that answers text with
text.

The files are those of diffusers (`model_index.json`), sentence-transformers (`modules.json`,
`config_sentence_transformers.json`) and PEFT (`adapter_config.json`); the types and the ends of
architectures' names those of transformers. A folder without a row counts as a model that chats.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from localai.errors import InvalidInput
from localai.formats.purposes import EMBEDS, PICTURES, SCORES

_SORTS: Final = "sorts texts into classes"
_FILLS: Final = "fills gaps in texts"
_SEES: Final = "sorts or compares pictures"
_HEARS: Final = "writes down speech"
_SPEAKS: Final = "makes sound"

# What diffusers' folders have in the place of `config.json`.
_PYTORCH: Final = "pytorch_model.bin"
_PIPELINE: Final = "model_index.json"
_FILES: Final[Mapping[str, str]] = {
    _PIPELINE: PICTURES,
    "modules.json": EMBEDS,
    "config_sentence_transformers.json": EMBEDS,
}
_ADAPTER: Final = "adapter_config.json"
_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("whisper", "moonshine", "speech_to_text", "parakeet_ctc"), _HEARS),
    **dict.fromkeys(("wav2vec2", "wav2vec2-bert", "hubert", "wavlm", "unispeech"), _HEARS),
    **dict.fromkeys(("vits", "bark", "speecht5", "musicgen", "encodec", "dac", "mimi"), _SPEAKS),
    **dict.fromkeys(("parler_tts", "csm", "kokoro", "fastspeech2_conformer", "dia"), _SPEAKS),
    **dict.fromkeys(("clip", "siglip", "siglip2", "vit", "dinov2", "detr", "sam", "beit"), _SEES),
    **dict.fromkeys(("swin", "convnext", "resnet", "yolos", "segformer", "owlvit"), _SEES),
}
# In this order: the first that ends the name.
_ENDS: Final[Mapping[str, str | None]] = {
    "ForCausalLM": None,
    "LMHeadModel": None,
    "ForConditionalGeneration": None,
    "ForImageTextToText": None,
    "ForMaskedLM": _FILLS,
    "ForSequenceClassification": _SORTS,
    "ForTokenClassification": _SORTS,
    "ForQuestionAnswering": _FILLS,
    "ForImageClassification": _SEES,
    "ForObjectDetection": _SEES,
    "ForSemanticSegmentation": _SEES,
    "ForDepthEstimation": _SEES,
    "ForCTC": _HEARS,
    "ForSpeechSeq2Seq": _HEARS,
    "ForAudioClassification": _HEARS,
    "ForTextToWaveform": _SPEAKS,
    "Model": EMBEDS,
}


def require_model(where: str, names: Collection[str]) -> None:
    """Raise InvalidInput if the folder `where`, with the files `names`, is one whose parts no
    engine here makes anything of: an adapter, a pipeline of diffusers, weights of PyTorch's; or if
    it is no model but has one, a GGUF file."""
    if "config.json" in names:
        if _PYTORCH in names and not any(name.endswith(".safetensors") for name in names):
            raise InvalidInput(
                f"{where} has its weights in {_PYTORCH}, which only PyTorch opens",
                hint="the same model as safetensors or as GGUF",
            )
        return
    if files := sorted(name for name in names if name.lower().endswith(".gguf")):
        raise InvalidInput(
            f"{where} is a folder, and the model is a file in it",
            hint=f"name it: {where}/{files[0]}",
        )
    if _ADAPTER in names:
        raise InvalidInput(
            f"{where} is an adapter (LoRA), which changes another model",
            hint="name the model that it belongs to",
        )
    if _PIPELINE in names:
        raise InvalidInput(f"{where} {PICTURES}: it does not chat")


def purpose_of_folder(names: Collection[str], config: Mapping[str, Any]) -> str | None:
    """What the model does instead of answering: "makes pictures". None for one that chats.

    `names` are the files of the folder, `config` its config.json, empty if it has none.
    """
    for name, purpose in _FILES.items():
        if name in names:
            return purpose
    if (purpose_of_type := _TYPES.get(str(config.get("model_type")))) is not None:
        return purpose_of_type
    architectures = config.get("architectures")
    if not isinstance(architectures, list):
        return None
    purposes = [_purpose_of_architecture(str(each), config) for each in architectures]
    return purposes[0] if purposes and None not in purposes else None


def _purpose_of_architecture(name: str, config: Mapping[str, Any]) -> str | None:
    end = next((each for each in _ENDS if name.endswith(each)), None)
    if end is None:
        return None
    labels = config.get("num_labels", len(config.get("id2label") or (0, 1)))
    if end == "ForSequenceClassification" and labels == 1:
        return SCORES
    return _ENDS[end]
