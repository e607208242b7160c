"""The curves that rows make where one thing was varied."""

from __future__ import annotations

from localai.bench.cell import Cell
from localai.bench.plan import Test
from localai.bench.recording import Sample
from localai.bench.sweeps import sweeps


def row(engine: str, depth: int, rate: float, model: str = "m") -> Cell:
    samples = (Sample(0, decode_tokens=100, decode_s=100 / rate),) * 6
    return Cell(model, "p", engine, Test(512, 128, depth_tokens=depth), samples=samples)


def drawn(*rows: Cell) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Title of each sweep → name of each curve → its points."""
    return {
        sweep.title: {
            curve.name: [(place, round(figure.value)) for place, figure in curve.points]
            for curve in sweep.curves
        }
        for sweep in sweeps(rows)
    }


def test_rows_that_differ_in_one_thing_are_a_curve_by_their_places() -> None:
    assert drawn(row("e", 4096, 50), row("e", 0, 100), row("e", 1024, 80)) == {
        "Decode by depth": {"m": [(0, 100), (1024, 80), (4096, 50)]}
    }


def test_where_there_are_several_engines_a_curve_says_whose_it_is() -> None:
    rows = [row(engine, depth, 100) for engine in ("e 1", "f 2") for depth in (0, 1024)]
    assert drawn(*rows) == {
        "Decode by depth": {
            "m, e 1": [(0, 100), (1024, 100)],
            "m, f 2": [(0, 100), (1024, 100)],
        }
    }


def test_a_setting_that_is_not_set_is_no_place_and_a_text_is_none() -> None:
    def at(threads: int | None, depth: int = 0) -> Cell:
        samples = (Sample(0, decode_tokens=100, decode_s=1.0),) * 6
        settings = {"kv_type": "f16", "threads": threads, "flash_attention": None}
        test = Test(512, 128, depth_tokens=depth)
        return Cell("m", "p", "e", test, settings=settings, samples=samples)

    assert drawn(at(None)) == {}
    assert drawn(at(None), at(1), at(2)) == {"Decode by threads": {"m": [(1, 100), (2, 100)]}}
    assert drawn(at(None), at(None, 1024)) == {"Decode by depth": {"m": [(0, 100), (1024, 100)]}}


def test_several_models_are_a_curve_each_and_one_place_is_none() -> None:
    rows = [row("e", depth, 100, model) for model in ("m", "n") for depth in (0, 1024)]
    assert set(drawn(*rows)["Decode by depth"]) == {"m", "n"}
    assert drawn(row("e", 0, 100), row("e", 0, 100, "n")) == {}


def test_curves_that_differ_in_what_is_not_varied_are_told_apart() -> None:
    def at(prompt: int, depth: int) -> Cell:
        samples = (Sample(0, decode_tokens=100, decode_s=1.0),) * 6
        return Cell("m", "p", "e", Test(prompt, 128, depth_tokens=depth), samples=samples)

    found = drawn(*(at(prompt, depth) for prompt in (64, 128) for depth in (0, 256)))
    assert set(found["Decode by depth"]) == {"m, pp64", "m, pp128"}
