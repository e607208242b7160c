"""The fill of a context, drawn as a bar. Pure."""

from __future__ import annotations

from localai.units import count_text

_BLOCKS = ("█", "▒", "░")
_ASCII = ("#", "=", ".")


def context_bar(used: int, reserved: int, total: int, *, columns: int, encoding: str) -> list[str]:
    """Lines that show the `used`, `reserved` (for the next answer) and free tokens of `total`.

    Each amount above zero has at least one cell. If fewer tokens are left than `reserved`, only
    those are shown as reserved.
    """
    marks = _BLOCKS if encoding.lower().replace("-", "") == "utf8" else _ASCII
    used = min(used, total)
    reserved = min(reserved, total - used)
    amounts = (used, reserved, total - used - reserved)
    cells = _shares(amounts, max(3, min(columns, 60)))
    numbers = [count_text(amount) for amount in amounts]
    width = max(map(len, numbers))
    names = ("used", "reserved for the next answer", f"free of {total:,}")
    return [
        "".join(mark * count for mark, count in zip(marks, cells, strict=True)),
        *(
            f"{mark} {number:>{width}} {name}"
            for mark, number, name in zip(marks, numbers, names, strict=True)
        ),
    ]


def _shares(amounts: tuple[int, ...], cells: int) -> list[int]:
    total = sum(amounts) or 1
    shares = [max(1, round(amount / total * cells)) if amount else 0 for amount in amounts]
    shares[shares.index(max(shares))] += cells - sum(shares)
    return shares
