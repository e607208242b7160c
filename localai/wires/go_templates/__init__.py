"""Templates in Go's language (`text/template`), which Ollama's `TEMPLATE` is written in. Pure.

`parse(text).execute(values)` is what Go's own package writes, for the actions and functions that
templates of models use. What is not supported raises TemplateError; nothing is guessed.
"""

from localai.wires.go_templates.execution import execute
from localai.wires.go_templates.nodes import GoTemplate, TemplateError
from localai.wires.go_templates.parsing import parse

__all__ = ["GoTemplate", "TemplateError", "execute", "parse"]
