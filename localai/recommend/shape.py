"""A transformer's dimensions, in the words of a GGUF header, and how many parameters they make.

Norms and biases, a thousandth of all, are left out.
"""

from __future__ import annotations

from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions that memory and speed depend on. A field that a model lacks is 0.

    `vocabulary` is the number of tokens. `tied`: the input embedding is the output matrix too.
    Layers that see a window (all but one in `window_period`, where that is given) may have heads
    of their own (`head_count_kv_swa`, `key_length_swa`). With `full_attention_interval`, only one
    layer in so many has attention; the others keep a state (`ssm_*`: a gated delta net).
    `per_layer_input`: the width of the tables of which each layer reads one row a token.
    `key_is_value`: layers without a window have no matrix for values.
    """

    block_count: int
    embedding_length: int
    feed_forward_length: int
    head_count: int
    head_count_kv: int
    key_length: int
    value_length: int
    vocabulary: int
    tied: bool
    sliding_window: int = 0
    window_period: int = 0
    head_count_kv_swa: int = 0
    key_length_swa: int = 0
    key_is_value: bool = False
    shared_kv_layers: int = 0
    per_layer_input: int = 0
    gated_attention: bool = False
    full_attention_interval: int = 0
    ssm_inner_size: int = 0
    ssm_state_size: int = 0
    ssm_group_count: int = 0
    ssm_time_step_rank: int = 0
    ssm_conv_kernel: int = 0
    kv_lora_rank: int = 0
    rope_dimension_count: int = 0
    expert_count: int = 0
    expert_used_count: int = 0
    expert_feed_forward_length: int = 0
    expert_shared_feed_forward_length: int = 0

    @property
    def parameters(self) -> int:
        """The elements of all matrices."""
        outside = self._outside_layers(tables=1 if self.tied else 2)
        return outside + self.lookup_parameters + self._in_layers(self.expert_count)

    @property
    def parameters_per_token(self) -> int:
        """The parameters that one token reads: experts in use, no table that is only looked up."""
        return self._outside_layers(tables=1) + self._in_layers(self.expert_used_count)

    @property
    def lookup_parameters(self) -> int:
        """The elements of the tables for each layer, of which a token reads one row."""
        return self.vocabulary * self.block_count * self.per_layer_input

    def kv_heads(self) -> tuple[int, ...]:
        """Heads for keys and values, layer by layer."""
        return tuple(
            self.head_count_kv_swa
            if self.head_count_kv_swa and self._windowed(layer)
            else self.head_count_kv
            for layer in range(self.block_count)
        )

    def windows(self) -> tuple[bool, ...] | None:
        """Which layers see only a window; None where the architecture says it."""
        if not self.window_period:
            return None
        return tuple(self._windowed(layer) for layer in range(self.block_count))

    def _windowed(self, layer: int) -> bool:
        return bool(self.window_period) and (layer + 1) % self.window_period != 0

    def _outside_layers(self, *, tables: int) -> int:
        return tables * self.vocabulary * self.embedding_length

    def _in_layers(self, experts: int) -> int:
        mixing = sum(self._mixing(layer) for layer in range(self.block_count))
        width = self.embedding_length
        inner = 3 * width * self.feed_forward_length
        if self.expert_count:
            routed = experts * self.expert_feed_forward_length
            inner = 3 * width * (routed + self.expert_shared_feed_forward_length)
            inner += width * self.expert_count
        return mixing + self.block_count * inner

    def _mixing(self, layer: int) -> int:
        """The matrices of a layer that mix tokens: attention, or a gated delta net."""
        width = self.embedding_length
        if self.full_attention_interval and (layer + 1) % self.full_attention_interval:
            keys = self.ssm_group_count * self.ssm_state_size
            gates = 2 * self.ssm_time_step_rank
            return width * (2 * keys + 3 * self.ssm_inner_size + gates)
        windowed = self._windowed(layer)
        key = self.key_length_swa if windowed and self.key_length_swa else self.key_length
        value = self.key_length_swa if windowed and self.key_length_swa else self.value_length
        if self.key_is_value and not windowed:
            value = 0
        queries = self.head_count * key * (3 if self.gated_attention else 2)
        return width * (queries + self.kv_heads()[layer] * (key + value))
