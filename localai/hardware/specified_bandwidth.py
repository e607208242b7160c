"""Memory bandwidth by the makers' specifications: graphics cards and Apple's chips, by name.

Used when the machine does not report its bandwidth (NVML does; nvidia-smi, sysfs and macOS do not).
A name is listed only if it means one product: a laptop's GPU has the desktop's name and half its
bandwidth, and a PCI id may stand for four cards. A new card or chip is a row here. For a bandwidth
that is measured, see `measured_bandwidth`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from localai.hardware.facts import Fact

_CARDS_SOURCE: Final = "by its name, https://github.com/AlexsJones/llmfit (2026-08-22)"

# GB/s.
_GEFORCE: Final = {
    "RTX 5090": 1792,
    "RTX 5080": 960,
    "RTX 5070 Ti": 896,
    "RTX 5070": 672,
    "RTX 5060 Ti": 448,
    "RTX 4090": 1008,
    "RTX 4080 SUPER": 736,
    "RTX 4080": 717,
    "RTX 4070 Ti SUPER": 672,
    "RTX 4070 Ti": 504,
    "RTX 4070 SUPER": 504,
    "RTX 4070": 504,
    "RTX 4060 Ti": 288,
    "RTX 4060": 272,
    "RTX 3090 Ti": 1008,
    "RTX 3090": 936,
    "RTX 3080 Ti": 912,
    "RTX 3070 Ti": 608,
    "RTX 3070": 448,
    "RTX 3060 Ti": 448,
    "RTX 2080 Ti": 616,
    "RTX 2080 SUPER": 496,
    "RTX 2080": 448,
    "RTX 2070 SUPER": 448,
    "RTX 2070": 448,
    "RTX 2060 SUPER": 448,
    "GTX 1660 Ti": 288,
    "GTX 1660 SUPER": 336,
    "GTX 1660": 192,
}
_PROFESSIONAL: Final = {"Tesla T4": 320, "NVIDIA L4": 300, "NVIDIA L40S": 864, "RTX A6000": 768}
_DATA_CENTRE_SOURCE: Final = "by its name, NVIDIA's data sheet"
_DATA_CENTRE: Final = {
    "NVIDIA A100-SXM4-40GB": 1555,
    "NVIDIA A100-SXM4-80GB": 2039,
    "NVIDIA A100 80GB PCIe": 1935,
    "NVIDIA H100 PCIe": 2000,
    "NVIDIA H100 80GB HBM3": 3350,
    "NVIDIA H200": 4800,
}
_RADEON: Final = {
    "RX 7900 XTX": 960,
    "RX 7900 XT": 800,
    "RX 7900 GRE": 576,
    "RX 7800 XT": 624,
    "RX 7700 XT": 432,
    "RX 6950 XT": 576,
    "RX 6900 XT": 512,
    "RX 6800 XT": 512,
    "RX 6800": 512,
    "RX 6700 XT": 384,
    "RX 6600 XT": 256,
    "RX 6600": 224,
}
_CARDS: Final[Mapping[str, int]] = {
    **{f"NVIDIA GeForce {name}": rate for name, rate in _GEFORCE.items()},
    **{f"NVIDIA {name.removeprefix('NVIDIA ')}": rate for name, rate in _PROFESSIONAL.items()},
    **{f"AMD Radeon {name}": rate for name, rate in _RADEON.items()},
}
_APPLE_SOURCE: Final = "Apple's technical specifications"
# M5 Pro and Max: https://mikeshouts.com/apple-m5-pro-m5-max, read 2026-11-27; the Max with 32 cores
# by the width of its bus, three quarters of the other's. Of an M5 Ultra and an M6 no source that
# could be read has a figure that another one confirms. A18 Pro, as in the MacBook Neo: Apple's page
# of that machine by https://thedailyscout.com/s/zTRWTOxdEec, read 2026-11-27.
# GB/s. Chips sold with two bandwidths have one row for each number of GPU cores.
APPLE_CHIPS: Final[Mapping[tuple[str, int | None], float]] = {
    ("Apple A18 Pro", None): 60,
    ("Apple M1", None): 68.25,
    ("Apple M1 Pro", None): 200,
    ("Apple M1 Max", None): 400,
    ("Apple M1 Ultra", None): 800,
    ("Apple M2", None): 100,
    ("Apple M2 Pro", None): 200,
    ("Apple M2 Max", None): 400,
    ("Apple M2 Ultra", None): 800,
    ("Apple M3", None): 100,
    ("Apple M3 Pro", None): 150,
    ("Apple M3 Max", 30): 300,
    ("Apple M3 Max", 40): 400,
    ("Apple M3 Ultra", None): 819,
    ("Apple M4", None): 120,
    ("Apple M4 Pro", None): 273,
    ("Apple M4 Max", 32): 410,
    ("Apple M4 Max", 40): 546,
    ("Apple M5", None): 153.6,
    ("Apple M5 Pro", None): 307,
    ("Apple M5 Max", 32): 460,
    ("Apple M5 Max", 40): 614,
}


def bandwidth_of_card(name: str, otherwise: str) -> Fact[float]:
    """Bytes per second of the card called `name`. If the name is not listed, an unknown fact whose
    source is `otherwise`."""
    if name in _DATA_CENTRE:
        return Fact(_DATA_CENTRE[name] * 1e9, _DATA_CENTRE_SOURCE)
    known = _CARDS.get(name) or _CARDS.get(f"NVIDIA {name}")
    return Fact.unknown(otherwise) if known is None else Fact(known * 1e9, _CARDS_SOURCE)


def bandwidth_of_apple_chip(name: str, gpu_cores: int | None) -> Fact[float]:
    """Bytes per second of the chip called `name` (`Apple M3 Max`). If it is not listed, an unknown
    fact."""
    known = APPLE_CHIPS.get((name, None)) or APPLE_CHIPS.get((name, gpu_cores))
    return Fact.of(None if known is None else known * 1e9, _APPLE_SOURCE)
