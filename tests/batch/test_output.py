"""What an earlier run left, whole or torn, in order or not, is found and never computed again."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from localai.batch import output as output_module
from localai.batch.output import InOrder, RecordOutput, open_output
from localai.batch.record_file import SCHEMA, RecordFile, record_line
from localai.errors import InvalidInput


def rows(path: Path) -> list[int]:
    return [json.loads(line)["line"] for line in path.read_text().splitlines()]


def write(target: RecordOutput, number: int, *, failed: bool = False, text: str = "x") -> int:
    error = {"kind": "unreachable"} if failed else None
    request = f"{100 + number:016x}"
    content = record_line(
        {"schema": SCHEMA, "line": number, "request": request, "text": text, "error": error}
    )
    return target.write(number, content, 100 + number, failed=failed)


def expect(target: RecordOutput, *numbers: int) -> None:
    for number in numbers:
        target.expect(number)


def in_order(path: Path, *, retry_failed: bool = False) -> InOrder:
    target = open_output(path, ordered=True, retry_failed=retry_failed)
    assert isinstance(target, InOrder)
    return target


def kill(target: InOrder) -> None:
    """End it as kill -9 would: its files are closed, and nothing else happens."""
    os.close(target._records.descriptor)
    os.close(target._ahead.descriptor)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


def test_records_stand_in_the_order_of_the_input(path: Path) -> None:
    target = open_output(path, ordered=True, retry_failed=False)
    expect(target, 1, 2, 3)
    assert [write(target, number) for number in (3, 2, 1)] == [0, 0, 3]
    target.close()
    assert rows(path) == [1, 2, 3]
    assert list(path.parent.iterdir()) == [path]


def test_answers_are_their_owner_s_alone_also_those_that_wait(path: Path) -> None:
    target = in_order(path)
    expect(target, 1, 2)
    write(target, 2)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"answers.jsonl": 0o600, "answers.jsonl.ahead": 0o600}
    target.close()


@pytest.mark.parametrize("ordered", [True, False])
def test_what_was_written_has_reached_the_disk_when_it_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch, ordered: bool
) -> None:
    synced: dict[str, int] = {}
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        file = Path(f"/proc/self/fd/{descriptor}")
        synced[file.readlink().name] = os.fstat(descriptor).st_size

    monkeypatch.setattr(os, "fsync", noted)
    target = open_output(path, ordered=ordered, retry_failed=False)
    expect(target, 1, 2, 3)
    for number in (1, 3):
        write(target, number)
    target.close()
    assert synced == {file.name: file.stat().st_size for file in path.parent.iterdir()}
    assert path.name in synced


@pytest.mark.parametrize("ordered", [True, False])
def test_a_disk_that_fills_up_in_a_record_leaves_none_of_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, ordered: bool
) -> None:
    target = open_output(path, ordered=ordered, retry_failed=False)
    expect(target, 1, 2)
    write(target, 1)
    whole, pwrite = path.read_bytes(), os.pwrite

    def half(descriptor: int, content: bytes, offset: int) -> int:
        if len(content) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(descriptor, content[: len(content) // 2], offset)

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", half)
        with pytest.raises(OSError, match="No space left"):
            write(target, 2)
    assert path.read_bytes() == whole
    target.close()
    assert rows(path) == [1]


def test_as_completed_they_stand_as_they_came(path: Path) -> None:
    target = open_output(path, ordered=False, retry_failed=False)
    expect(target, 1, 2, 3)
    assert [write(target, number) for number in (3, 1, 2)] == [1, 1, 1]
    target.close()
    assert rows(path) == [3, 1, 2]


def test_what_was_finished_ahead_of_its_turn_survives_a_kill(path: Path) -> None:
    killed = in_order(path)
    expect(killed, 1, 2, 3)
    write(killed, 3)
    write(killed, 1)
    kill(killed)
    resumed = open_output(path, ordered=True, retry_failed=False)
    assert [resumed.finished(number) for number in (1, 2, 3)] == [101, None, 103]
    expect(resumed, 1, 2, 3)
    assert write(resumed, 2) == 2
    resumed.close()
    assert rows(path) == [1, 2, 3]


@pytest.mark.parametrize("ordered", [True, False])
def test_a_file_torn_at_any_byte_loses_the_torn_record_only(path: Path, ordered: bool) -> None:
    target = open_output(path, ordered=ordered, retry_failed=False)
    expect(target, 1, 2, 3)
    for number in (1, 2, 3):
        write(target, number, text="žluťoučký")
    target.close()
    content = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(content) if byte == 0x0A]
    for size in range(len(content)):
        path.write_bytes(content[:size])
        whole = sum(end <= size for end in ends)
        resumed = open_output(path, ordered=ordered, retry_failed=False)
        found = [number for number in (1, 2, 3) if resumed.finished(number) is not None]
        assert found == [1, 2, 3][:whole]
        expect(resumed, 1, 2, 3)
        for number in {1, 2, 3} - set(found):
            write(resumed, number, text="žluťoučký")
        resumed.close()
        assert path.read_bytes() == content


def test_failures_are_found_and_can_be_asked_again(path: Path) -> None:
    target = open_output(path, ordered=True, retry_failed=False)
    expect(target, *range(1, 6))
    for number in range(1, 6):
        write(target, number, failed=number in (2, 4))
    target.close()
    kept = open_output(path, ordered=True, retry_failed=False)
    assert [kept.has_failed(number) for number in range(1, 6)] == [False, True, False, True, False]
    kept.close()
    again = open_output(path, ordered=True, retry_failed=True)
    assert [again.finished(number) is None for number in range(1, 6)] == [
        False, True, False, True, False,
    ]  # fmt: skip
    expect(again, *range(1, 6))
    write(again, 4)
    write(again, 2)
    again.close()
    assert rows(path) == [1, 2, 3, 4, 5]
    assert "unreachable" not in path.read_text()


def test_a_kill_while_failures_are_asked_again_loses_no_answer(path: Path) -> None:
    target = open_output(path, ordered=True, retry_failed=False)
    expect(target, 1, 2, 3, 4)
    for number in (1, 2, 3, 4):
        write(target, number, failed=number == 2)
    target.close()
    killed = in_order(path, retry_failed=True)
    expect(killed, 1, 2)
    kill(killed)
    resumed = open_output(path, ordered=True, retry_failed=False)
    assert [resumed.finished(number) for number in (1, 2, 3, 4)] == [101, None, 103, 104]


def test_a_refused_run_changes_nothing(path: Path) -> None:
    target = open_output(path, ordered=True, retry_failed=False)
    expect(target, 1, 3)
    write(target, 1, failed=True)
    write(target, 3)
    target.close()
    before = path.read_bytes()
    open_output(path, ordered=True, retry_failed=True).close()
    assert path.read_bytes() == before
    assert rows(path) == [1, 3], "line 2 is blank"


@pytest.mark.parametrize("retry_failed", [True, False])
def test_a_file_as_completed_can_go_on_in_order(path: Path, retry_failed: bool) -> None:
    target = open_output(path, ordered=False, retry_failed=False)
    expect(target, 1, 2, 3, 4)
    for number in (1, 4, 2):
        write(target, number)
    target.close()
    resumed = open_output(path, ordered=True, retry_failed=retry_failed)
    expect(resumed, 1, 2, 3, 4)
    write(resumed, 3)
    resumed.close()
    assert rows(path) == [1, 2, 3, 4]


def test_a_file_in_order_can_go_on_as_completed(path: Path) -> None:
    killed = in_order(path)
    expect(killed, 1, 2, 3)
    write(killed, 1, failed=True)
    write(killed, 3)
    kill(killed)
    resumed = open_output(path, ordered=False, retry_failed=True)
    assert [resumed.finished(number) for number in (1, 2, 3)] == [None, None, 103]
    expect(resumed, 1, 2, 3)
    write(resumed, 2)
    write(resumed, 1)
    resumed.close()
    assert rows(path) == [3, 2, 1]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"my notes", b"my notes\n", b'{"line": 1}\n', b"\0\0\0\n"])
def test_a_file_of_something_else_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="no output of a batch"):
        open_output(path, ordered=True, retry_failed=False)
    assert path.read_bytes() == content


def test_two_batches_do_not_write_one_file(path: Path) -> None:
    first = open_output(path, ordered=True, retry_failed=False)
    with pytest.raises(InvalidInput, match="another batch"):
        open_output(path, ordered=True, retry_failed=False)
    first.close()


def test_what_waits_is_kept_when_its_file_is_made_small(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_module, "_COMPACT_BYTES", 100)
    target = open_output(path, ordered=True, retry_failed=False)
    expect(target, *range(1, 41))
    for number in range(40, 20, -1):
        write(target, number, text=str(number) * 20)
    for number in range(1, 20):
        write(target, number)
    ahead = RecordFile(path.with_name("answers.jsonl.ahead"))
    assert len(list(ahead.entries())) == 20
    assert write(target, 20) == 21
    target.close()
    assert rows(path) == list(range(1, 41))
