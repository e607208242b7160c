"""llama.cpp's C functions that evaluate a text, called in this process by ctypes.

Nobody promises this interface from one version to the next. So `open_engine` compares what the
library says its defaults are with what stands here, and refuses where a field has moved, and
`Evaluator` asks a context for the sizes that it was made with. Only for a process of its own: the
engine ends its process where it fails an assertion.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from localai.engine.llamacpp.library import engine_library
from localai.engine.worker_files import KvType
from localai.errors import Unreachable

_INT: Final = ctypes.c_int32
_COUNT: Final = ctypes.c_uint32
_POINTER: Final = ctypes.c_void_p
_FLOAT: Final = ctypes.c_float
_BOOL: Final = ctypes.c_bool

# A later version's structs may be longer: what it writes then stays within ours.
_SPARE: Final = ctypes.c_byte * 256


class _ModelParameters(ctypes.Structure):
    _fields_: ClassVar = [
        ("devices", _POINTER),
        ("tensor_buft_overrides", _POINTER),
        ("n_gpu_layers", _INT),
        ("split_mode", _INT),
        ("load_mode", _INT),
        ("lazy_mode", _INT),
        ("main_gpu", _INT),
        ("tensor_split", _POINTER),
        ("progress_callback", _POINTER),
        ("progress_callback_user_data", _POINTER),
        ("kv_overrides", _POINTER),
        ("vocab_only", _BOOL),
        ("check_tensors", _BOOL),
        ("use_extra_bufts", _BOOL),
        ("no_host", _BOOL),
        ("no_alloc", _BOOL),
        ("load_mtp", _BOOL),
        ("spare", _SPARE),
    ]


class _ContextParameters(ctypes.Structure):
    _fields_: ClassVar = [
        ("n_ctx", _COUNT),
        ("n_batch", _COUNT),
        ("n_ubatch", _COUNT),
        ("n_seq_max", _COUNT),
        ("n_rs_seq", _COUNT),
        ("n_outputs_max", _COUNT),
        ("n_outputs_max_per_seq", _COUNT),
        ("n_threads", _INT),
        ("n_threads_batch", _INT),
        ("ctx_type", _INT),
        ("rope_scaling_type", _INT),
        ("pooling_type", _INT),
        ("attention_type", _INT),
        ("flash_attn_type", _INT),
        ("rope_freq_base", _FLOAT),
        ("rope_freq_scale", _FLOAT),
        ("yarn_ext_factor", _FLOAT),
        ("yarn_attn_factor", _FLOAT),
        ("yarn_beta_fast", _FLOAT),
        ("yarn_beta_slow", _FLOAT),
        ("yarn_orig_ctx", _COUNT),
        ("defrag_thold", _FLOAT),
        ("cb_eval", _POINTER),
        ("cb_eval_user_data", _POINTER),
        ("type_k", _INT),
        ("type_v", _INT),
        ("moe_cache_size", ctypes.c_size_t),
        ("abort_callback", _POINTER),
        ("abort_callback_data", _POINTER),
        ("embeddings", _BOOL),
        ("offload_kqv", _BOOL),
        ("no_perf", _BOOL),
        ("op_offload", _BOOL),
        ("swa_full", _BOOL),
        ("kv_unified", _BOOL),
        ("samplers", _POINTER),
        ("n_samplers", ctypes.c_size_t),
        ("ctx_other", _POINTER),
        ("spare", _SPARE),
    ]


class _Batch(ctypes.Structure):
    _fields_: ClassVar = [
        ("n_tokens", _INT),
        ("token", _POINTER),
        ("embd", _POINTER),
        ("pos", _POINTER),
        ("n_seq_id", _POINTER),
        ("seq_id", _POINTER),
        ("logits", _POINTER),
    ]


_AUTO: Final = -1
_F16: Final = 1
# As `llama_model_default_params` and `llama_context_default_params` have them, beginning to end.
_MODEL_DEFAULTS: Final = {"n_gpu_layers": -1, "split_mode": 1, "main_gpu": 0} | {
    "vocab_only": False,
    "use_extra_bufts": True,
    "no_alloc": False,
}
_CONTEXT_DEFAULTS: Final = {"n_ctx": 512, "n_batch": 2048, "n_ubatch": 512, "n_seq_max": 1} | {
    "rope_scaling_type": _AUTO,
    "pooling_type": _AUTO,
    "attention_type": _AUTO,
    "flash_attn_type": _AUTO,
    "yarn_ext_factor": -1.0,
    "defrag_thold": -1.0,
    "cb_eval": None,
    "type_k": _F16,
    "type_v": _F16,
    "abort_callback": None,
    "embeddings": False,
    "offload_kqv": True,
    "no_perf": True,
    "op_offload": True,
    "swa_full": True,
    "kv_unified": False,
    "n_samplers": 0,
    "ctx_other": None,
}

# What each function returns and takes.
_FUNCTIONS: Final[dict[str, tuple[Any, Sequence[Any]]]] = {
    "llama_backend_init": (None, ()),
    "llama_model_default_params": (_ModelParameters, ()),
    "llama_context_default_params": (_ContextParameters, ()),
    "llama_model_load_from_file": (_POINTER, (ctypes.c_char_p, _ModelParameters)),
    "llama_init_from_model": (_POINTER, (_POINTER, _ContextParameters)),
    "llama_model_free": (None, (_POINTER,)),
    "llama_free": (None, (_POINTER,)),
    "llama_model_get_vocab": (_POINTER, (_POINTER,)),
    "llama_model_has_decoder": (_BOOL, (_POINTER,)),
    "llama_vocab_n_tokens": (_INT, (_POINTER,)),
    "llama_vocab_get_add_bos": (_BOOL, (_POINTER,)),
    "llama_vocab_bos": (_INT, (_POINTER,)),
    "llama_tokenize": (_INT, (_POINTER, ctypes.c_char_p, _INT, _POINTER, _INT, _BOOL, _BOOL)),
    "llama_n_ctx": (_COUNT, (_POINTER,)),
    "llama_n_batch": (_COUNT, (_POINTER,)),
    "llama_n_ubatch": (_COUNT, (_POINTER,)),
    "llama_n_threads_batch": (_INT, (_POINTER,)),
    "llama_get_memory": (_POINTER, (_POINTER,)),
    "llama_memory_clear": (None, (_POINTER, _BOOL)),
    "llama_decode": (_INT, (_POINTER, _Batch)),
    "llama_get_logits": (ctypes.POINTER(_FLOAT), (_POINTER,)),
}


def open_engine() -> Any:
    """The engine's functions. Raises Unreachable where they are not there or have changed."""
    library = engine_library()
    try:
        for name, (returned, taken) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = returned, list(taken)
    except AttributeError as error:
        raise Unreachable(f"the engine of this machine has no function for it: {error}") from error
    assert library is not None
    for made, expected in (
        (library.llama_model_default_params(), _MODEL_DEFAULTS),
        (library.llama_context_default_params(), _CONTEXT_DEFAULTS),
    ):
        moved = [name for name, value in expected.items() if getattr(made, name) != value]
        if moved:
            raise Unreachable(f"the engine's interface has changed: {', '.join(moved)}")
    library.llama_backend_init()
    return library


class Evaluator:
    """A loaded model that is given texts of up to `context_tokens` tokens, one after the other.

    Raises Unreachable where the engine cannot load it, or it has nothing that predicts tokens.
    """

    def __init__(
        self,
        model: Path,
        *,
        context_tokens: int,
        kv_type: KvType = "f16",
        micro_batch: int = 512,
        threads: int,
        gpu_layers: int | None = None,
    ) -> None:
        self._engine = open_engine()
        self._context: Any = None
        parameters = self._engine.llama_model_default_params()
        if gpu_layers is not None:
            parameters.n_gpu_layers = gpu_layers
        self._model = self._engine.llama_model_load_from_file(bytes(model), parameters)
        if not self._model:
            raise Unreachable(f"the engine could not load {model}")
        if not self._engine.llama_model_has_decoder(self._model):
            raise Unreachable(f"{model} predicts no tokens")
        wanted = self._engine.llama_context_default_params()
        wanted.n_ctx = wanted.n_batch = context_tokens
        wanted.n_ubatch = min(micro_batch, context_tokens)
        # As many outputs as there are tokens; the default is one a sequence.
        wanted.n_outputs_max_per_seq = 0
        wanted.n_threads = wanted.n_threads_batch = threads
        wanted.type_k = wanted.type_v = _number_of(kv_type)
        self._context = self._engine.llama_init_from_model(self._model, wanted)
        if not self._context:
            raise Unreachable(f"the engine could not make a context for {model}")
        for name in ("n_ctx", "n_batch", "n_ubatch", "n_threads_batch"):
            found = getattr(self._engine, f"llama_{name}")(self._context)
            if found < getattr(wanted, name):
                raise Unreachable(f"the engine's interface has changed: {name} is {found}")
        self._vocabulary = self._engine.llama_model_get_vocab(self._model)
        self.vocabulary_tokens = int(self._engine.llama_vocab_n_tokens(self._vocabulary))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._context:
            self._engine.llama_free(self._context)
        self._engine.llama_model_free(self._model)

    @property
    def first_token(self) -> int | None:
        """The token that every text begins with; None for a model that has none."""
        if not self._engine.llama_vocab_get_add_bos(self._vocabulary):
            return None
        return int(self._engine.llama_vocab_bos(self._vocabulary))

    def tokens(self, text: str) -> list[int]:
        """The tokens of `text`, as a prompt that begins with it has them."""
        encoded = text.encode()
        room = len(encoded) + 8
        found = (_INT * room)()
        count = self._engine.llama_tokenize(
            self._vocabulary, encoded, len(encoded), found, room, True, False
        )
        if count < 0:
            raise Unreachable("the engine could not tokenize the text")
        return list(found[:count])

    def logits(self, tokens: Sequence[int], first: int) -> Any:
        """For each token from `first` on, what the model says of the token after it: a pointer to
        floats, a row of `vocabulary_tokens` for each. It holds until the next call."""
        self.compute(tokens, anew=True, first=first)
        return self._engine.llama_get_logits(self._context)

    def compute(
        self,
        tokens: Sequence[int],
        *,
        begin: int = 0,
        anew: bool = False,
        first: int | None = None,
    ) -> None:
        """Compute `tokens` at the positions from `begin` on; `anew` forgets what was before. What
        the model says is kept from the `first` of them on, by default of the last one."""
        count = len(tokens)
        first = count - 1 if first is None else first
        if anew:
            self._engine.llama_memory_clear(self._engine.llama_get_memory(self._context), True)
        sequence = (_INT * 1)(0)
        arrays = (
            (_INT * count)(*tokens),
            (_INT * count)(*range(begin, begin + count)),
            (_INT * count)(*[1] * count),
            (_POINTER * count)(*[ctypes.addressof(sequence)] * count),
            (ctypes.c_int8 * count)(*[int(at >= first) for at in range(count)]),
        )
        token, position, sequences, ids, wanted = (ctypes.addressof(each) for each in arrays)
        batch = _Batch(count, token, None, position, sequences, ids, wanted)
        if (code := self._engine.llama_decode(self._context, batch)) != 0:
            raise Unreachable(f"the engine could not compute the text ({code})")


def _number_of(kv_type: KvType) -> int:
    """ggml's number of a type."""
    import xllamacpp

    return int(xllamacpp.ggml_type[f"GGML_TYPE_{kv_type.upper()}"])
