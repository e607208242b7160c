"""What `--help` ends with: a line to try, of each verb of a command, and the guide.

The example of a command itself stands in its row of `table.COMMANDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OF_VERBS: Final[Mapping[str, Mapping[str, str]]] = {
    "bench": {
        "tune": "localai bench tune qwen3:8b",
        "machine": "localai bench machine",
        "list": "localai bench list",
        "show": "localai bench show last",
        "compare": "localai bench compare main last",
        "export": "localai bench export > bench.json",
        "import": "localai bench import llama-bench.json",
        "rm": "localai bench rm 3f2a",
    },
    "compare": {
        "new": "localai compare new suite.toml",
        "report": "localai compare report run.jsonl --html report.html",
        "show": "localai compare show run.jsonl",
        "vote": "localai compare vote run.jsonl",
        "fetch": "localai compare fetch gsm8k",
    },
    "config": {
        "list": "localai config list",
        "get": "localai config get model",
        "set": "localai config set model qwen3:8b",
        "unset": "localai config unset model",
        "edit": "localai config edit",
        "path": "localai config path",
    },
    "history": {
        "pick": "localai history pick",
        "list": "localai history list --limit 5",
        "search": 'localai history search "that regex"',
        "show": "localai history show",
        "rename": 'localai history rename 3f2a "release notes"',
        "export": "localai history export 3f2a > notes.md",
        "rm": "localai history rm 3f2a",
        "prune": "localai history prune --older-than 90d",
    },
    "preset": {
        "new": 'localai preset new reviewer --from qwen3:8b -s "You review code."',
        "list": "localai preset list",
        "show": "localai preset show reviewer",
        "modelfile": "localai preset modelfile reviewer > Modelfile",
        "edit": "localai preset edit reviewer",
    },
    "template": {
        "list": "localai template list",
        "show": "localai template show review",
        "new": "localai template new haiku",
        "edit": "localai template edit haiku",
        "rm": "localai template rm haiku",
    },
}
GUIDES: Final[Mapping[str, str]] = {
    "chat": "one-shot",
    "batch": "batch",
    "compare": "compare",
    "history": "history",
    "template": "one-shot",
    "preset": "presets",
    "setup": "setup",
    "pull": "pull",
    "list": "models",
    "show": "models",
    "rm": "models",
    "cp": "models",
    "dedupe": "models",
    "quantize": "models",
    "hardware": "choosing-a-model",
    "recommend": "choosing-a-model",
    "bench": "how-fast-is-my-machine",
    "ps": "models",
    "stop": "models",
    "doctor": "doctor",
    "privacy": "local-first",
    "cost": "cost",
    "config": "own-servers",
    "completion": "install",
}


def epilog(example: str, command: str) -> str:
    """The end of the help of `command`, or of one of its verbs."""
    guide = GUIDES.get(command)
    more = "" if guide is None else f"\n\nGuide:    docs/guides/{guide}.md"
    return f"Example:  {example}{more}"
