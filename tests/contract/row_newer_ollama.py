"""An Ollama that computes in llama.cpp's server, as it does since 0.30; its wire is the older's."""

from __future__ import annotations

from tests.contract.row_ollama import real
from tests.contract.rows import Row

ROW = Row(real=real("newer_ollama_server"), kill=True)
