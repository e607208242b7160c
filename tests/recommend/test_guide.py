"""The guide's figures are what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localai.hardware.profiles import load_profile
from localai.output.speed import speed_text
from localai.recommend.catalogue import TASKS, catalogue
from localai.recommend.ranking import recommend

GUIDE = Path(__file__).parents[2] / "docs/guides/choosing-a-model.md"


def rows() -> dict[str, list[str]]:
    """The cells of the guide's tables by the first cell of their row."""
    lines = (line for line in GUIDE.read_text().splitlines() if line.startswith("|"))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first.strip("`"): others for first, *others in cells}


@pytest.mark.parametrize("task", TASKS)
def test_what_four_machines_can_do(task: str) -> None:
    profiles = [cell.strip("`") for cell in rows()["--profile"]]
    for profile, cell in zip(profiles, rows().get(task) or [], strict=False):
        best = recommend(load_profile(profile), task)[0]  # type: ignore[arg-type]
        name, _, speed = cell.partition(", ")
        assert name.strip("`") == best.pull_name
        assert speed.removesuffix(" tok/s") == speed_text(best.speed).removesuffix(" tok/s").strip(
            "–" if task == "embed" else ""
        )
    assert (task in rows()) == (task != "extract")


def test_what_a_context_takes() -> None:
    named = {entry.name: entry for entry in catalogue().entries}
    shown = {name: cells for name, cells in rows().items() if re.fullmatch(r"\S+:\S+b", name)}
    assert len(shown) == 5
    for name, cells in shown.items():
        entry = named[name]
        file = entry.files[0]
        contexts = (entry.memory(file, size).context_bytes for size in (4096, 8192, 32_768))
        assert cells == [f"{count / 1e9:.1f} GB" for count in (file.size_bytes, *contexts)]
