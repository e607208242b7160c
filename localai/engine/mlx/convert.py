"""Quantize an MLX folder, in the interpreter that has mlx-lm and without a network.

    python -m localai.engine.mlx.convert SOURCE TARGET BITS|float16|bfloat16

mlx-lm downloads a name that is no folder, and uploads if told to: without a network it cannot.
"""

from __future__ import annotations

import sys


def main(source: str, target: str, to: str) -> None:
    """Write the quantized folder `source` to `target`, which must not exist."""
    from localai.engine.parent import end_with_parent
    from localai.privacy.sandbox import deny_network

    end_with_parent()
    deny_network()
    from mlx_lm.convert import convert

    if to.isdecimal():
        convert(source, target, quantize=True, q_bits=int(to))
    else:
        convert(source, target, dtype=to)


if __name__ == "__main__":
    main(*sys.argv[1:])
