"""What the engine projected when it loaded a model, so that it need not load the header twice.

llama.cpp's fitting of the parameters reads the model's header and vocabulary, projects the memory,
and reads both again to load: a third of a small model's start. Where all of it lies in main memory
there is nothing to fit, and the projection of the same file with the same settings is the same. So
a later load writes the remembered one into its log, where everybody reads it, and does not fit.
With a graphics processor, whose free memory changes, it is fitted each time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from localai.engine.llamacpp.log import DeviceShare, last_table, log_of_table
from localai.engine.worker_files import WorkerInfo
from localai.remembered import Remembered

_VERSION: Final = 1
_MOST: Final = 200


def all_are_cpus(devices: list[dict[str, Any]]) -> bool:
    """Whether none of the engine's `devices`, as it describes them, has a memory of its own."""
    return all(each["type"].name.endswith("TYPE_CPU") for each in devices)


class KnownProjection:
    """The projection for the worker that `info` describes, on the `devices` that its engine has."""

    def __init__(self, info: WorkerInfo, devices: list[dict[str, Any]]) -> None:
        spec = info.spec
        self._remembered = None
        if spec.cache_dir is not None and all_are_cpus(devices):
            file = Path(spec.cache_dir) / "projections.json"
            self._remembered = Remembered(file, version=_VERSION, most=_MOST)
        # A chat template takes no memory.
        settings = replace(spec, chat_template=None).engine_settings
        parts = (info.engine, info.model_identity, spec.context_tokens, spec.slots, *settings)
        self._key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def log_text(self) -> str | None:
        """The lines of the log for it; None if the engine must be asked."""
        known = None if self._remembered is None else self._remembered.get(self._key)
        try:
            shares = [DeviceShare(str(name), *map(int, sizes)) for name, *sizes in known or ()]
        except (TypeError, ValueError):
            return None
        return log_of_table(shares) if shares else None

    def remember(self, log: str) -> None:
        """Keep what the engine has projected, by its log."""
        table = last_table(log)
        if self._remembered is None or table is None:
            return
        self._remembered.put(
            self._key,
            [
                [each.device, each.weights_bytes, each.context_bytes, each.compute_bytes]
                for each in table
            ],
        )
        self._remembered.save()
