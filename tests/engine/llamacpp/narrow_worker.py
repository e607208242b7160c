"""llama.cpp's worker with little room beside what the engine projects, so that a test need not fill
the machine: `python -m tests.engine.llamacpp.narrow_worker FOLDER`."""

from __future__ import annotations

import sys

from localai.engine.llamacpp import limits, worker

ROOM_BYTES = 256 << 20

if __name__ == "__main__":
    limits._ROOM_BYTES = ROOM_BYTES  # type: ignore[misc]
    limits._LONGEST_FOR_NOBODY_S = 2.0  # type: ignore[misc]
    worker.main(sys.argv[1])
