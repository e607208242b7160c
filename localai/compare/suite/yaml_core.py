"""YAML by the core schema of version 1.2, read by PyYAML, which by itself follows version 1.1.
Pure.

Version 1.1 reads `no` as false, `12:30:45` as 45,045, `1_000` as 1,000 and `0123` as 83, so a test
would ask another question than its author wrote. Here only `true` and `false` are truth values,
numbers are those of JSON and `0o17` and `0x1f`, and everything else is text.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from localai.errors import InvalidInput

_MOST_NODES: Final = 1_000_000
"""Aliases within aliases can stand for more values than any memory holds."""


def load_yaml(text: str, name: str) -> Any:
    """The document in `text`: only texts, numbers, truth values, null, lists and objects are
    constructed. Raises InvalidInput."""
    import re

    import yaml

    class Core(yaml.SafeLoader):  # type: ignore[misc]
        """SafeLoader with the scalars of the core schema of YAML 1.2."""

        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def scalar(tag: str, pattern: str, first: str) -> None:
        Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))

    scalar("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
    scalar("null", r"^(?:~|null|Null|NULL)$", "~nN")
    Core.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])
    scalar("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789")
    scalar(
        "float",
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$",
        "-+0123456789.",
    )
    scalar("merge", r"^<<$", "<")
    Core.add_constructor("tag:yaml.org,2002:int", lambda loader, node: _whole(node.value))
    Core.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))
    try:
        document = yaml.load(text, Core)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = " ".join(str(error).split())
        raise InvalidInput(f"{name} is not YAML: {message}") from error
    _require_bounded(document, name)
    return document


def _whole(text: str) -> int:
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text, 16) if text.startswith("0x") else int(text)


def _require_bounded(document: Any, name: str) -> None:
    """Raise InvalidInput for a document that expands to too much, such as one that contains
    itself."""
    nodes = 0
    waiting = [document]
    while waiting:
        each = waiting.pop()
        nodes += 1
        if nodes > _MOST_NODES:
            raise InvalidInput(f"{name} stands for more than {_MOST_NODES:,} values")
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
