"""What is asked: texts of an exact length that begin like none before."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import get_args

import pytest

from localai.bench import plan
from localai.bench.workload import code_begins, fitted_text, nonce, paragraphs, text_of

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("tokens", [16, 64, 512, 4096, 20_000])
def test_a_text_is_fitted_to_its_length(tokens: int) -> None:
    counts = 0

    def count(text: str) -> int:
        nonlocal counts
        counts += 1
        return 9 + len(text.split())

    assert count(fitted_text(count, tokens)) == pytest.approx(tokens, rel=0.01)
    assert counts < 26


def test_a_template_that_is_longer_than_the_prompt_leaves_no_room() -> None:
    assert fitted_text(lambda text: 40 + len(text), 32) == ""


def test_where_nothing_can_be_counted_the_text_has_the_usual_length() -> None:
    assert len(fitted_text(lambda _: None, 100)) == 350


def test_the_texts_are_of_several_kinds_and_never_end() -> None:
    whole = "\n\n".join(paragraphs())
    assert "def median_interval" in whole
    assert "| station |" in whole
    assert "清晨" in whole
    assert len(text_of(200_000)) == 200_000
    assert text_of(50, skipped=10) == text_of(60)[10:]


def test_no_two_nonces_are_alike() -> None:
    source = random.Random(1)
    assert len({nonce(source) for _ in range(10_000)}) == 10_000


def test_code_begins_where_it_is_said_to() -> None:
    assert text_of(200, skipped=code_begins()).startswith('"""Statistics')


def test_every_profile_is_in_the_help_and_in_the_guide() -> None:
    help_page = (REPOSITORY / "docs" / "reference" / "commands.md").read_text()
    guide = (REPOSITORY / "docs" / "guides" / "how-fast-is-my-machine.md").read_text()
    listed = re.search(r"The lengths of a kind of work: ([^.]*)\.", help_page)
    assert listed is not None
    # Classic is what is measured without the option.
    names = [name for name in get_args(plan.Profile) if name != "classic"]
    assert re.sub(r"\s+", "", listed[1]).split(",") == names
    assert [name for name in names if f"| `{name}` |" not in guide] == []


@pytest.mark.parametrize(
    ("profile", "lengths"),
    [
        ("classic", ((512, 128, 0),)),
        ("code-edit", ((2048, 768, 0),)),
        ("agent", ((500, 150, 16_384), (500, 150, 19_634))),
        ("extract", ((1024, 16, 0),)),
    ],
)
def test_a_profile_is_what_its_kind_of_work_takes(
    profile: str, lengths: tuple[tuple[int, int, int], ...]
) -> None:
    shape = plan.shape_of(profile, quick=False, crowded=False)
    found = plan.tests(shape.prompts, shape.answers, shape.depths, shape.users)
    assert tuple((t.prompt_tokens, t.output_tokens, t.depth_tokens) for t in found) == lengths


@pytest.mark.parametrize("said", [0, 1, 5])
def test_a_count_that_never_changes_is_no_count(said: int) -> None:
    asked: list[int] = []

    def count(text: str) -> int:
        asked.append(len(text))
        return said

    assert fitted_text(count, 64) == fitted_text(lambda text: None, 64)
    assert max(asked) <= 64 * 40
