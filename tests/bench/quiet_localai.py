"""`localai` on a machine where nothing else happens: what the gate decides must not depend on the
machine that runs the tests.

    python -m tests.bench.quiet_localai GAP_S[,GAP_S…] bench …

Everything is measured as always, but no noise is read, and each answer's decoding and first token
count as if its tokens had come exactly GAP_S apart; of several, the answers take turns.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import cycle
from typing import Any
from unittest.mock import patch

from localai.bench import noise, row, run
from localai.bench.recording import Recorded
from localai.bench.recording import record as measure
from localai.cli import main as localai
from localai.statistics import Interval


def main() -> None:
    gaps_s = cycle(map(float, sys.argv.pop(1).split(",")))

    def record(*arguments: Any) -> Recorded:
        recorded, gap_s = measure(*arguments), next(gaps_s)
        exact = replace(
            recorded.sample,
            decode_s=gap_s * (recorded.sample.decode_tokens or 0),
            first_token_s=gap_s,
            first_visible_s=gap_s,
        )
        return replace(recorded, sample=exact)

    with (
        patch.object(row, "record", record),
        patch.object(run, "anchor", lambda cores: Interval(1.0, 1.0, 1.0)),
        patch.object(noise, "between", lambda before, after: noise.Noise()),
    ):
        sys.exit(localai())


if __name__ == "__main__":
    main()
