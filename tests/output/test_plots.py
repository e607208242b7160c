"""Lines over an axis, on a terminal and in a report."""

from __future__ import annotations

import re

import pytest

from localai.output.plots import Series, chart, nice_ticks, number_label, terminal_plot

ONE = Series("one", ((0, 100.0), (1024, 80.0), (4096, 50.0)), ((98, 102), None, (45, 55)))
TWO = Series("two <b>", ((0, 60.0), (4096, 40.0)))


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(100, (0, 50, 100)), (7, (0, 2, 4, 6, 8)), (0.3, (0, 0.1, 0.2, 0.3)), (0, (0, 1))],
)
def test_an_axis_begins_at_zero_and_has_round_numbers(
    most: float, ticks: tuple[float, ...]
) -> None:
    assert nice_ticks(most) == pytest.approx(ticks)


def test_numbers_are_short() -> None:
    labels = [number_label(value) for value in (0, 0.25, 120, 1000, 1500, 4096, 2_500_000)]
    assert labels == ["0", "0.25", "120", "1k", "1500", "4k", "2.5M"]


@pytest.mark.parametrize("columns", [30, 60, 100])
def test_a_plot_fits_its_columns_and_names_everything(columns: int) -> None:
    lines = list(terminal_plot([ONE, TWO], columns=columns, x="depth", y="tok/s"))
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    for word in ("tok/s", "depth", "● one", "■ two", "100", "4k"):
        assert word in text
    # The mark of the highest point is in the first row, the axis at its left.
    assert "●" in lines[1]
    assert lines[1].lstrip().startswith("100 ┤")


def test_one_place_is_no_curve() -> None:
    alone = Series("one", ((1, 100.0),))
    assert list(terminal_plot([alone], columns=60)) == []
    assert chart("t", [alone], x="x", y="y") is None


def test_a_chart_has_bands_marks_with_their_figures_and_no_markup_of_a_name() -> None:
    drawn = chart("Depth", [ONE, TWO], x="tokens", y="tok/s")
    assert drawn is not None
    assert drawn.count("<polyline") == 2
    assert drawn.count('class="band series-1"') == 1, "two of three points have an interval"
    assert drawn.count("<circle") == 5
    assert "<title>one: 1k, 80</title>" in drawn
    assert "two &lt;b&gt;" in drawn
    assert "<b>" not in drawn
    assert 'aria-label="Depth: one, two &lt;b&gt;"' in drawn


def test_a_line_goes_from_mark_to_mark_over_an_axis_that_begins_at_zero() -> None:
    hill = Series("hill", ((0, 0.0), (10, 100.0), (20, 50.0)))
    level = Series("level", ((0, 50.0), (20, 50.0)))
    drawn = list(terminal_plot([hill, level], columns=34, rows=5, x="depth", y="tok/s"))
    assert drawn == [
        "tok/s",
        "100 ┤            ⢀⡤●⢄⣀⡀",
        "    │         ⣠⠴⠊⠁    ⠉⠉⠒⠲⠤⢄⣀⡀",
        " 50 ┤■⠤⠤⠤⠤⢤⡤⠶⠭⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠭⠭⠶■",
        "    │  ⣀⠴⠚⠁",
        "  0 ┤●⠋",
        "    └────────────────────────────",
        "     0            10           20",
        "     depth",
        "     ● hill",
        "     ■ level",
    ]


def test_places_that_are_far_apart_stand_by_their_logarithm() -> None:
    grows = Series("grows", ((1, 10.0), (8, 20.0), (64, 40.0)))
    assert list(terminal_plot([grows], columns=30, rows=5)) == [
        "40 ┤                     ⢀⣀⠤●",
        "30 ┤               ⢀⣀⠤⠔⠒⠉⠁",
        "20 ┤      ⢀⣀⣀⡠⠤⠤●⠒⠉⠁",
        "10 ┤●⠒⠒⠊⠉⠉⠁",
        " 0 ┤",
        "   └─────────────────────────",
        "    1           8          64",
        "    ● grows",
    ]


def test_even_steps_stay_even_however_many_there_are() -> None:
    repetitions = Series("row", tuple((float(n), 100.0) for n in range(1, 10)))
    drawn = str(chart("Tokens a second", [repetitions], x="repetition", y="tok/s"))
    places = [float(each) for each in re.findall(r'cx="([\d.]+)"', drawn)]
    assert places == pytest.approx([48 + 51 * n for n in range(9)])


def test_a_chart_has_its_points_and_its_band_where_the_axis_says() -> None:
    hill = Series("hill", ((0, 0.0), (10, 100.0), (20, 50.0)), ((0, 10), None, (40, 60)))
    drawn = str(chart("Depth", [hill], x="depth", y="tok/s"))
    assert 'points="48.0,226.0 252.0,18.0 456.0,122.0"' in drawn
    assert 'points="48.0,205.2 456.0,101.2 456.0,142.8 48.0,226.0"' in drawn
    assert '<circle cx="252.0" cy="18.0" r="3.5"' in drawn
    assert '<text x="42" y="126.0" text-anchor="end">50</text>' in drawn
    assert '<text x="252.0" y="242.0" text-anchor="middle">10</text>' in drawn
