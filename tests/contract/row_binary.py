"""A llama-server built from source as the embedded engine (`engine.binary`)."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from tests.contract.row_llamacpp import opened
from tests.contract.rows import Row, Subject
from tests.support.weights import require


def real(request: pytest.FixtureRequest) -> AbstractContextManager[Subject]:
    return opened(request, {"LOCALAI_ENGINE_BINARY": str(require("llama-server"))})


ROW = Row(real=real, kill=True)
