"""An Ollama that computes in llama.cpp's server, as it does since 0.30."""

from __future__ import annotations

from tests.contract.row_ollama import real, scripted
from tests.contract.rows import Row
from tests.support.wires import NewerOllamaWire

ROW = Row(real=real("newer_ollama_server"), scripted=scripted, wire=NewerOllamaWire(), kill=True)
