"""Commands that move in the conversation's tree: undo, retry, edit, fork, branches."""

from __future__ import annotations

from localai.errors import InvalidInput
from localai.output.cells import one_line
from localai.output.streams import note, width
from localai.session.state import Edit, Session


def undo(session: Session, _argument: str) -> None:
    """Take the last question and its answer back. They stay in a branch of their own."""
    question = session.conversation.undo()
    note(f"took back: {one_line(question, width() - 12)}")
    _say_where(session)


def retry(session: Session, _argument: str) -> None:
    """Ask the last question again; the answer that was there stays in a branch."""
    conversation = session.conversation
    before = conversation.last_answer
    ended = session.answer(conversation.retry())
    after = conversation.last_answer
    if ended and before and after and before.message.text == after.message.text:
        note("the same answer again; /set temperature 0.8 lets it vary")


def edit(session: Session, argument: str) -> None:
    """Change a question, the last one or that of number N, and ask it instead.

    With TEXT that is asked at once; without, the question stands at the prompt to be changed.
    What was said before stays in a branch of its own.
    """
    conversation = session.conversation
    first, _, text = argument.partition(" ")
    number = int(first) if first.isdigit() else None
    text = (text if number is not None else argument).strip()
    back, question = conversation.last_answer, conversation.question(number)
    conversation.go_to_parent(question)
    if text:
        session.ask(text)
        return
    session.edit = Edit(question.message.text, back)
    note("change the question; Enter asks it, Ctrl-C leaves all as it was")


def fork(session: Session, argument: str) -> None:
    """Go on after message N; what followed it stays in a branch of its own.
    Without N the messages are listed."""
    if not argument:
        show_messages(session)
        note("/fork NUMBER goes on after that message")
        return
    session.conversation.fork(_number(argument))
    _say_where(session)


def branches(session: Session, argument: str) -> None:
    """List the branches of this conversation, or go to number N."""
    tree = session.conversation.tree
    ends = tree.ends()
    if argument:
        number = _number(argument)
        if not 1 <= number <= len(ends):
            raise InvalidInput(f"there is no branch {number}", command="/branches")
        session.conversation.go_to(ends[number - 1])
        _say_where(session)
        return
    if not ends:
        note("there is one branch, and it is empty")
    for number, end in enumerate(ends, start=1):
        turns = [turn for turn in tree.branch(end.id) if turn.message.role != "system"]
        here = "*" if end.id == tree.leaf else " "
        asked = turns[-2].message.text if len(turns) > 1 else ""
        start = f"{here} {number:>2}  {len(turns):>3} messages  "
        half = max(10, (width() - len(start) - 3) // 2)
        print(f"{start}{one_line(asked, half)} → {one_line(end.message.text, half)}")


def show_messages(session: Session) -> None:
    """The messages of this branch with the numbers by which /fork and /edit know them."""
    turns = session.conversation.turns
    if not turns:
        note("nothing was said yet")
    for number, turn in enumerate(turns, start=1):
        speaker = ">>>" if turn.message.role == "user" else "   "
        cut = " (cut)" if turn.is_cut else ""
        line = one_line(turn.message.text, width() - 10 - len(cut))
        print(f"{number:>3} {speaker} {line}{cut}")


def _say_where(session: Session) -> None:
    turns = session.conversation.turns
    if not turns:
        note("the conversation stands before its first question")
        return
    note(f"going on after message {len(turns)}: {one_line(turns[-1].message.text, width() - 28)}")
    note("what was left stays: /branches")


def _number(argument: str) -> int:
    if not argument.isdigit():
        raise InvalidInput(f"{argument!r} is no number")
    return int(argument)
