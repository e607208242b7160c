"""Our dataclasses do what the standard library's do: each case is tried on both."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from localai import dataclass as ours

Decorator = Callable[..., Callable[[type], Any]]


def _classes(dataclass: Decorator) -> SimpleNamespace:
    @dataclass(frozen=True, slots=True)
    class Point:
        """A point."""

        unit: ClassVar[str] = "m"
        x: int
        y: int = 2
        tags: list[str] = field(default_factory=list)
        secret: str = field(default="s", repr=False)

        @property
        def sum(self) -> int:
            return self.x + self.y

    @dataclass(frozen=True, slots=True)
    class Point3(Point):
        z: int = 0

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    @dataclass(frozen=True, slots=True)
    class Single:
        value: Any

    @dataclass(frozen=True, slots=True)
    class Own:
        value: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    @dataclass(slots=True)
    class Counter:
        start: int
        now: int = field(init=False)

        def __post_init__(self) -> None:
            self.now = self.start

    @dataclass(frozen=True, slots=True, eq=False)
    class ByIdentity:
        value: int

    @dataclass(frozen=True)
    class Cached:
        value: int

    found = SimpleNamespace(**{name: each for name, each in locals().items() if name[0].isupper()})
    for name, each in vars(found).items():
        each.__qualname__ = name
    return found


BOTH = [
    pytest.param(_classes(ours.dataclass), id="ours"),
    pytest.param(_classes(dataclasses.dataclass), id="standard"),
]

# What pickle finds by name must be a module's own.


@ours.dataclass(frozen=True, slots=True)
class Kept:
    """One that is pickled."""

    name: str
    numbers: tuple[int, ...] = ()


@pytest.mark.parametrize("made", BOTH)
def test_values_come_by_position_by_name_and_by_default(made: SimpleNamespace) -> None:
    point = made.Point(1, tags=["a"])
    assert (point.x, point.y, point.tags, point.secret, point.sum) == (1, 2, ["a"], "s", 3)
    assert made.Point.unit == "m"
    assert made.Point(1).tags is not made.Point(1).tags
    assert made.Point3(1, 5, [], "t", 9).z == 9
    assert made.Counter(4).now == 4
    assert made.Single(None).value is None
    for wrong in (
        made.Point,
        lambda: made.Point(1, 2, [], "s", 5),
        lambda: made.Point(1, x=1),
        lambda: made.Point(1, nosuch=1),
        lambda: made.Counter(1, now=2),
    ):
        with pytest.raises(TypeError):
            wrong()


@pytest.mark.parametrize("made", BOTH)
def test_it_is_told_apart_by_its_values(made: SimpleNamespace) -> None:
    assert made.Point(1) == made.Point(1, 2)
    assert made.Point(1) != made.Point(2)
    assert made.Point(1) != made.Point3(1)
    assert made.Point(1) != (1, 2, [], "s")
    assert made.Empty() == made.Empty()
    assert hash(made.Single("a")) == hash(made.Single("a")) != hash(made.Single("b"))
    assert {made.Empty(), made.Empty()} == {made.Empty()}
    assert made.ByIdentity(1) != made.ByIdentity(1)
    assert hash(made.ByIdentity(1))
    assert (repr(made.Own(1)), made.Own(1) == 3, hash(made.Own(1))) == ("mine", True, 7)
    assert made.Counter(1) == made.Counter(1)
    for unhashable in (made.Point(1), made.Counter(1)):
        with pytest.raises(TypeError, match="unhashable"):
            hash(unhashable)


@pytest.mark.parametrize("made", BOTH)
def test_it_shows_its_fields(made: SimpleNamespace) -> None:
    assert repr(made.Point(1)) == "Point(x=1, y=2, tags=[])"
    assert repr(made.Point3(1, z=3)) == "Point3(x=1, y=2, tags=[], z=3)"
    assert repr(made.Empty()) == "Empty()"
    assert made.Point.__doc__ == "A point."


@pytest.mark.parametrize("made", BOTH)
def test_a_frozen_one_stays_as_it_is(made: SimpleNamespace) -> None:
    point = made.Point(1)
    with pytest.raises(FrozenInstanceError, match="'x'"):
        point.x = 2
    with pytest.raises(FrozenInstanceError, match="'x'"):
        del point.x
    counter = made.Counter(1)
    counter.now = 3
    assert counter.now == 3
    with pytest.raises(AttributeError):
        counter.nosuch = 1
    assert not hasattr(point, "__dict__")
    assert hasattr(made.Cached(1), "__dict__")
    with pytest.raises(TypeError):
        weakref.ref(point)


@pytest.mark.parametrize("made", BOTH)
def test_the_standard_library_knows_it(made: SimpleNamespace) -> None:
    point: Any = made.Point3(1, 3, ["a"])
    known: Any = is_dataclass
    assert known(made.Point3)
    assert known(point)
    assert [each.name for each in fields(point)] == ["x", "y", "tags", "secret", "z"]
    assert asdict(point) == {"x": 1, "y": 3, "tags": ["a"], "secret": "s", "z": 0}
    assert replace(point, z=8) == made.Point3(1, 3, ["a"], "s", 8)
    assert replace(made.Counter(3), start=5).now == 5
    assert copy.copy(point) == copy.deepcopy(point) == point
    assert asdict(made.Single((made.Empty(), [made.Point(1)])))["value"][1][0]["x"] == 1
    with pytest.raises(TypeError):
        replace(point, nosuch=1)
    match point:
        case made.Point3(x, 3, z=z):
            assert (x, z) == (1, 0)
        case _:
            pytest.fail("not matched")


@pytest.mark.parametrize("decorator", [ours.dataclass, dataclasses.dataclass])
def test_pydantic_validates_into_it(decorator: Decorator) -> None:
    @decorator(frozen=True, slots=True)
    class Part:
        name: str
        sizes: tuple[int, ...] = ()
        kind: Literal["a", "b"] | None = None

    made = TypeAdapter(Part).validate_python({"name": "x", "sizes": ["1", 2]})
    assert made == Part(name="x", sizes=(1, 2))  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        TypeAdapter(Part).validate_python({"name": "x", "kind": "c"})


@pytest.mark.parametrize("made", BOTH)
def test_a_default_that_can_change_is_refused(made: SimpleNamespace) -> None:
    decorator = ours.dataclass if made is BOTH[0].values[0] else dataclasses.dataclass

    class Careless:
        values: list[int] = []  # noqa: RUF012

    with pytest.raises(ValueError, match="values"):
        decorator(frozen=True, slots=True)(Careless)


def test_it_can_be_pickled() -> None:
    kept = Kept("a", (1, 2))
    assert pickle.loads(pickle.dumps(kept)) == kept


def test_nothing_of_ours_is_compiled_at_the_start() -> None:
    # The standard library's decorator is for what ours does not do; a one-shot has none of it.
    code = (
        "import dataclasses, sys\n"
        "made = []\n"
        "standard = dataclasses._process_class\n"
        "def watched(cls, *rest, **more):\n"
        "    made.append(f'{cls.__module__}.{cls.__name__}')\n"
        "    return standard(cls, *rest, **more)\n"
        "dataclasses._process_class = watched\n"
        "import localai.cli, localai.chat.ask, localai.providers.llamacpp\n"
        "print([name for name in made if name.startswith('localai')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
