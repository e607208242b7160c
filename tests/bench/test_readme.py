"""The section of the benchmarks' page that the tool writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.models import with_section

PAGE = "# Benchmarks\n\n## Models: `a`\n\nold\n\n| x |\n\n## Next\n\nstays\n"


def test_a_section_takes_the_place_of_the_one_with_its_heading() -> None:
    found = with_section(PAGE, "## Models: `a`\n\nnew\n\n")
    assert found == "# Benchmarks\n\n## Models: `a`\n\nnew\n\n## Next\n\nstays\n"


def test_a_page_without_the_heading_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no heading"):
        with_section(PAGE, "## Other\n\nnew\n")


def test_the_page_has_the_heading_that_is_written() -> None:
    page = Path(__file__).parents[2] / "benchmarks" / "README.md"
    assert "## Models: `python -m benchmarks.models`\n" in page.read_text()
